"""Going in step with the server: a client under count looks for answers when they are all there, not before.

How many of 50 answers a loop finds in one turn, and whether it finds the head of an answer before its body is
there, depends on which process the system runs first. So `Step` sees how many bytes the answers are, and then
has the selector or poll object of the client wait for as many before it looks.
"""

from __future__ import annotations

import select
import selectors
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

# Seconds between two looks at what has come.
PAUSE = 0.0003

# Milliseconds without news after which no more is expected: while it is learned what comes, and afterwards.
QUIET = 20
STUCK = 50


def unread(descriptors: Iterable[int]) -> int:
    """How many bytes lie unread in these sockets. A system call (ioctl) that nothing else here makes."""
    import fcntl
    import termios

    counts = (fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)) for descriptor in descriptors)
    return sum(int.from_bytes(count, sys.byteorder) for count in counts)


class Step:
    """Whether to wait, and for how many bytes."""

    def __init__(self) -> None:
        self._most = 0
        self._enough: float | None = 0.0

    @property
    def is_free(self) -> bool:
        """Nobody waits, as without all this."""
        return self._enough == 0.0

    def learn(self) -> None:
        """From now on wait until nothing more comes, and note how much it was."""
        self._most = 0
        self._enough = None

    def hold(self) -> None:
        """From now on wait for as much as came at most."""
        self._enough = 0.99 * self._most  # a Date may take another byte in HTTP/2

    def let_go(self) -> None:
        """From now on do not wait."""
        self._enough = 0.0

    def wait(self, descriptors: Iterable[int]) -> None:
        """Until these have enough to read. Makes system calls (select) that nothing else here makes."""
        watched = list(descriptors)
        patience = (QUIET if self._enough is None else STUCK) / 1000 / PAUSE
        found, looks = unread(watched), 0
        while looks < patience and (self._enough is None or found < self._enough):
            select.select([], [], [], PAUSE)
            before, found = found, unread(watched)
            looks = looks + 1 if found == before else 0
        self._most = max(self._most, found)


class StepSelector(selectors.DefaultSelector):
    """The selector of a loop; counts the turns, and what it tells."""

    def __init__(self) -> None:
        super().__init__()
        self.step = Step()
        self.turns = 0
        self.events = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        if self.step.is_free:
            found = super().select(timeout)
        elif timeout is not None and timeout <= 0 and not unread(self._readers()):
            # The loop has something to do, and nothing was answered. What comes just now will be found again.
            found = [event for event in super().select(timeout) if not event[1] & selectors.EVENT_READ]
        else:
            self.step.wait(self._readers())
            found = super().select(timeout)
        self.events += len(found)
        return found

    def _readers(self) -> list[int]:
        count = sys.getprofile()
        sys.setprofile(None)  # the way through the map takes calls that are not ours by their file
        found = [key.fd for key in self.get_map().values() if key.events & selectors.EVENT_READ]
        sys.setprofile(count)
        return found


class StepPoll:
    """A poll object; waits in step where it would wait."""

    def __init__(self, poll: select.poll, step: Step) -> None:
        self._poll = poll
        self._step = step
        self._readers: list[int] = []

    def register(self, file: int | socket.socket, events: int) -> None:
        self._poll.register(file, events)
        if not events & select.POLLOUT:
            self._readers.append(file if isinstance(file, int) else file.fileno())

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        if timeout != 0 and self._readers and not self._step.is_free:
            self._step.wait(self._readers)
        return self._poll.poll(timeout)


def polls_in_step(step: Step) -> AbstractContextManager[object]:
    """Within it, `select.poll` makes objects that wait in step; nothing changes where there is none."""
    if not hasattr(select, "poll"):
        return nullcontext()
    make: Callable[[], select.poll] = select.poll
    return patch.object(select, "poll", lambda: StepPoll(make(), step))
