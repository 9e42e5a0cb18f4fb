"""Sockets of a simulated network: bytes that take their time, arrive in order, and sometimes not at all.

What a program sees of them is what it sees of Linux's. A buffer is full until the peer has read; closing with
unread data, or sending to an end that is closed, brings a reset; a reset shows once, and afterwards reads
find the end and writes a broken pipe.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..._backends._sockets import closed_error
from ..._interfaces import OperationTimeout
from .tasks import Wait

if TYPE_CHECKING:
    from .faults import Dice, Faults
    from .time import Scheduler
    from .trace import Trace

READ, WRITE = 1, 2
"""What may be waited for."""


class World:
    """What all parts of one simulated network share."""

    __slots__ = ("dice", "faults", "scheduler", "trace")

    def __init__(self, scheduler: Scheduler, dice: Dice, trace: Trace, faults: Faults) -> None:
        self.scheduler: Scheduler = scheduler
        self.dice: Dice = dice
        self.trace: Trace = trace
        self.faults: Faults = faults


class Link:
    """What both ends of a connection share. ``faults`` tells those that hold now."""

    __slots__ = ("capacity", "drips", "faults", "is_silent", "number", "world")

    def __init__(self, world: World, number: int, faults: Callable[[], Faults]) -> None:
        now = faults()
        self.world: World = world
        self.number: int = number
        self.faults: Callable[[], Faults] = faults
        self.capacity: int = world.dice.size(now.buffer)
        self.drips: bool = world.dice.happens(now.drip)
        self.is_silent: bool = False


class VirtualSocket:
    """One end of a connection. Bytes go to ``peer``."""

    __slots__ = (
        "_arrival",
        "_ended",
        "_error",
        "_in_flight",
        "_is_broken",
        "_link",
        "_name",
        "_received",
        "_tell",
        "_waits",
        "_world",
        "address",
        "is_closed",
        "is_finished",
        "peer",
    )

    peer: VirtualSocket

    def __init__(self, link: Link, side: str, address: tuple[str, int], arrival: float) -> None:
        self.address: tuple[str, int] = address
        self.is_closed: bool = False
        self.is_finished: bool = False
        """Its FIN was sent."""
        self._link = link
        self._world = link.world
        self._name = f"connection {link.number} {side}"
        self._arrival = arrival  # of what was sent last: nothing overtakes
        self._received = bytearray()
        self._ended = False
        self._error = 0
        self._is_broken = False
        self._in_flight = 0
        self._waits: dict[Wait, int] = {}
        self._tell: Callable[[], object] | None = None

    def __repr__(self) -> str:
        return f"<{self._name}>"

    def __str__(self) -> str:
        return self._name

    # What the program does.

    @property
    def is_readable(self) -> bool:
        """True if a read would give something, the end, or an error."""
        return bool(self._received) or self._ended or bool(self._error) or self._is_broken or self.is_closed

    @property
    def has_room(self) -> bool:
        """True if a send would be taken, in part at least, or fail."""
        return self._in_flight < self._link.capacity or bool(self._error) or self._is_broken or self.is_closed

    def receive(self, max_bytes: int) -> bytes | None:
        """Bytes that have arrived, b"" at the end, None for nothing yet. Raises OSError."""
        if self.is_closed:
            raise closed_error()
        received = self._received
        if received:
            world = self._world
            size = min(max_bytes, len(received))
            if world.dice.happens(self._link.faults().partial_read):
                size = world.dice.random.randint(1, size)
            data = bytes(received[:size])
            del received[:size]
            world.trace.note(self._name, "reads", size)
            self.peer.credit(size)
            return data
        self._raise_error()
        return b"" if self._ended or self._is_broken else None

    def send(self, data: bytes | memoryview) -> int:
        """Give the system some bytes; returns how many it took. Raises OSError."""
        if self.is_closed:
            raise closed_error()
        self._raise_error()
        if self._is_broken or self.is_finished:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        size = min(len(data), self._link.capacity - self._in_flight)
        if size <= 0:
            return 0
        world, faults = self._world, self._link.faults()
        if size > 1 and world.dice.happens(faults.partial_write):
            size = world.dice.random.randint(1, size - 1)
        if world.dice.happens(faults.reset):
            self._break()
            self._raise_error()
        if not self._link.is_silent and world.dice.happens(faults.blackhole):
            self._link.is_silent = True
            world.trace.note(self._name, "is lost in a black hole")
        self._in_flight += size
        world.trace.note(self._name, "sends", size)
        self._transmit(bytes(data[:size]))
        return size

    async def wait(self, wants: int, timeout: float | None) -> None:
        """Until it is worth a try again. Raises OperationTimeout."""
        what = ("data on", "room on", "data or room on")[wants - 1]
        wait = Wait(self._world.scheduler, (what, self))
        self._waits[wait] = wants
        try:
            if not await wait.until(timeout):
                raise OperationTimeout
        finally:
            del self._waits[wait]

    def when_over(self, tell: Callable[[], object]) -> None:
        """See `WatchedStream`."""
        self._tell = tell
        if self._ended or self._is_broken:
            self._tell_once()

    def _tell_once(self) -> None:
        tell, self._tell = self._tell, None
        if tell is not None and not self.is_closed:
            tell()

    def finish(self) -> None:
        """Send FIN: no more will come from here."""
        if not (self.is_closed or self.is_finished or self._is_broken):
            self.is_finished = True
            self._world.trace.note(self._name, "ends")
            self._later(self.peer.arrive_end)

    def close(self) -> None:
        """FIN; or RST, if there is something unread. Idempotent."""
        if not self.is_closed:
            if self._received:
                self.reset()
            else:
                self.finish()
                self._shut("closes")

    def reset(self) -> None:
        """RST, after what was sent. Idempotent."""
        if not self.is_closed:
            if not self._is_broken:
                self._later(self.peer.arrive_reset)
            self._shut("resets")

    def _shut(self, what: str) -> None:
        self.is_closed = True
        self._received.clear()
        self._world.trace.note(self._name, what)
        self._wake(READ | WRITE)

    # What happens to it.

    def credit(self, size: int) -> None:
        """The peer has read so many bytes: there is room for more."""
        self._in_flight -= size
        self._wake(WRITE)

    def arrive(self, data: bytes) -> None:
        """Bytes have come."""
        if self.is_closed:
            if self._is_broken:
                return
            self._is_broken = True
            self._later(self.peer.arrive_reset)
        elif not self._is_broken:
            self._received += data
            self._wake(READ)

    def arrive_end(self) -> None:
        """The peer's FIN has come."""
        self._ended = True
        self._wake(READ)
        self._tell_once()

    def arrive_reset(self) -> None:
        """The peer's RST has come, or one in its name."""
        if self._is_broken or self.is_closed:
            return
        self._is_broken = True
        self._error = errno.ECONNRESET
        if self._received and self._world.dice.happens(0.5):
            self._received.clear()
        self._world.trace.note(self._name, "is reset")
        self._wake(READ | WRITE)
        self._tell_once()

    def _break(self) -> None:
        """Something between the two ends has reset the connection."""
        self._later(self.peer.arrive_reset)
        self.arrive_reset()

    def _raise_error(self) -> None:
        if self._error:
            code, self._error = self._error, 0
            raise ConnectionResetError(code, os.strerror(code))

    def _wake(self, what: int) -> None:
        for wait, wants in self._waits.items():
            if wants & what:
                wait.end()

    # How it travels.

    def _transmit(self, data: bytes) -> None:
        if not self._link.drips:
            self._later(partial(self.peer.arrive, data))
            return
        interval = self._link.faults().drip_interval
        for place in range(len(data)):
            self._later(partial(self.peer.arrive, data[place : place + 1]))
            self._arrival += self._world.dice.seconds(interval)

    def _later(self, action: Callable[[], object]) -> None:
        """Do it at the other end, after what was sent before."""
        world = self._world
        if self._link.is_silent:
            return
        moment = world.scheduler.moment + world.dice.seconds(self._link.faults().latency)
        self._arrival = moment = max(moment, self._arrival)
        if moment <= world.scheduler.moment:
            action()
        else:
            world.scheduler.call_at(moment, action)
