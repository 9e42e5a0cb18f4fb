"""`Reader`: reads an HTTP/2 connection for all its exchanges, and lets each wait for what it wants.

Who reads is decided by `Leader`. There is no await between receiving bytes and processing them, so none are
lost. While there is output, the leader sends before it reads: other exchanges may be gone by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import ReadError, WriteError

from .._errors import broken, reason
from .._interfaces import OperationTimeout
from .leader import Leader
from .stream import WINDOW, Failure, HTTP2Stream

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from http3_models import NetworkError
    from http3_models.engine import Deadline

    from .._interfaces import Backend, Clock, Stream, Waiter
    from .state import HTTP2State
    from .writer import Writer

READ_SIZE, LARGE_READ_SIZE = 64 * 1024, 256 * 1024
"""Bytes asked for at a time: the larger once a read has returned a quarter of the smaller. It makes a
download a tenth cheaper, but its buffer comes from the system each time, which costs short responses."""

READ_SLICE = 1.0
"""Seconds for which a leader reads before it tries to send what is queued. A thread may have found the
kernel's buffer full, and no other exchange would try again."""

BLOCKED_SLICE = 0.1
"""The same while a writer waits for the kernel: if it is cancelled, the leader sends the rest."""

MAX_LOOKS = 16
"""Reads in a row without waiting, so that a server that never stops sending does not block the caller."""


class Reader:
    """The way from a connection's stream to its state."""

    __slots__ = (
        "_backend",
        "_now",
        "_read_size",
        "_state",
        "_stream",
        "_writer",
        "leader",
        "on_limit_change",
        "state_lock",
    )

    def __init__(
        self,
        stream: Stream,
        backend: Backend,
        state: HTTP2State,
        state_lock: threading.Lock,
        writer: Writer,
        now: Clock,
    ) -> None:
        self._stream = stream
        self._backend = backend
        self._state = state
        self.state_lock = state_lock
        self._writer = writer
        self._now = now
        self._read_size = READ_SIZE
        self.leader = Leader()
        self.on_limit_change: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Reader {self.leader!r}, {self._state.pulse!r}>"

    def seconds_left(self, ends: float | None) -> float | None:
        """Seconds until the moment; None if there is none. Raises OperationTimeout if it has passed."""
        if ends is None:
            return None
        left = ends - self._now()
        if left <= 0:
            raise OperationTimeout
        return left

    # Waiting.

    async def wait(
        self, stream: HTTP2Stream, wants: int, limit: float | None, deadline: Deadline | None
    ) -> None:
        """Wait until the stream has what is wanted (HEAD, BODY, WINDOW), or has ended.

        Raises OperationTimeout after ``limit`` seconds without progress of this stream, whatever else is
        received.
        """
        seen, was_queued = stream.informational, False
        stream.waits_since = started = self._now()
        stream.waits_behind = None
        ends = end_of_wait(started, limit, deadline)
        while True:
            waiter = None
            with self.state_lock:
                if self._state.is_ready(stream, wants):
                    if wants & WINDOW and self._state.is_ready(stream, wants & ~WINDOW):
                        self._state.flow.pass_turn(stream)
                        self.wake_ready()
                    return
                if not self.leader.claim():
                    waiter = self.leader.followers[stream] = self._backend.waiter()
                    stream.wants = wants
                    if wants & WINDOW:
                        self._state.flow.enqueue(stream, again=was_queued)
                        was_queued = True
            if waiter is None:
                await self._lead(stream, wants, ends)
            else:
                await self._follow(stream, waiter, ends)
            if stream.informational != seen:
                seen = stream.informational
                stream.waits_since = started = self._now()
                ends = end_of_wait(started, limit, deadline)

    async def _lead(self, stream: HTTP2Stream, wants: int, ends: float | None) -> None:
        """Read for all streams until this one has something to do."""
        seen = stream.informational
        was_asked = False
        try:
            while True:
                came = await self._read_once(self.seconds_left(ends))
                with self.state_lock:
                    if wants & WINDOW:
                        self._state.flow.take_turn(stream)
                    if self._state.is_ready(stream, wants) or stream.informational != seen:
                        return
                if not (came or was_asked) and self._state.pulse.is_quiet(self._now()):
                    was_asked = True
                    self.doubt()
        finally:
            self._resign()

    async def _follow(self, stream: HTTP2Stream, waiter: Waiter, ends: float | None) -> None:
        """Wait until the stream has something to do, or is the next leader."""
        try:
            await waiter.wait(self.seconds_left(ends))
        finally:
            with self.state_lock:
                if stream.wants & WINDOW:
                    self._state.flow.turns.leave_queue(stream)
                self.leader.leave(stream)

    def _claim_lead(self) -> bool:
        with self.state_lock:
            return self.leader.claim()

    def _resign(self) -> None:
        with self.state_lock:
            self.leader.resign()

    def wake_ready(self) -> None:
        """With the lock: wake the followers that have something to do."""
        ready = self._state.ready_streams
        if ready:
            self.leader.wake(ready)
            ready.clear()

    # Reading.

    async def _read_once(self, left: float | None) -> bool:
        """As the leader: send what is queued, then read and process once. False if nothing was received in
        time."""
        try:
            longest = await self._push(left) if self._writer.is_behind else READ_SLICE
            data = await self._read(longest if left is None or left > longest else left)
            if data is None:
                return False
            self._process(data)
            if self.leader.followers and self._state.broken is None:
                # The rest is for followers: they wake together, and send in one write.
                self._process_received()
        except OSError as exc:
            self._fail_reading(exc)
        return True

    async def _read(self, seconds: float) -> bytes | None:
        """Read; None if nothing was received in time."""
        try:
            return await self._stream.read(self._read_size, seconds)
        except OperationTimeout:
            return None

    def look(self) -> bool:
        """Read and process what was received, without waiting; False if there is a leader."""
        if not self._claim_lead():
            return False
        try:
            self._process_received()
        except OSError as exc:
            self._fail_reading(exc)
        finally:
            self._resign()
        return True

    def _process_received(self) -> None:
        """As the leader: process what was received already. Raises OSError."""
        for _ in range(MAX_LOOKS):
            data = self._stream.read_nowait(self._read_size)
            if data is None:
                return
            self._process(data)
            if self._state.broken is not None:
                return

    def _process(self, data: bytes) -> None:
        state = self._state
        self._read_size = READ_SIZE if len(data) < READ_SIZE // 4 else LARGE_READ_SIZE
        with self.state_lock:
            if data:
                state.receive(data, self._now())
            elif (error := self._writer.error) is not None:
                # The kernel reports a reset once, here to a write; reads then see an orderly end.
                state.fail_all(self._failure(ReadError, error))
            else:
                state.end_of_input()
            self.wake_ready()
        self.flush()
        if state.broken is not None:
            self._stream.close()

    # Sending what was queued.

    def flush(self) -> None:
        """Send what is queued as far as that does not block, and tell if the stream limit has changed."""
        try:
            self._writer.flush()
        except OSError as exc:
            self.fail_writing(exc)
        if self._state.limit_changed:
            self._state.limit_changed = False
            if self.on_limit_change is not None:
                self.on_limit_change()

    async def _push(self, left: float | None) -> float:
        """As the leader: send what is queued until that is done or there is something to read.

        Returns for how many seconds to read before it is called again.
        """
        writer = self._writer
        if not writer.lock.try_acquire():
            return BLOCKED_SLICE
        ends = None if left is None else self._now() + left
        try:
            while not writer.write():
                if await writer.wait_writable(self.seconds_left(ends), or_readable=True):
                    break
        except OSError as exc:
            self.fail_writing(exc)
        finally:
            writer.lock.release()
        self.flush()
        return READ_SLICE

    async def wait_for_room(self, left: float | None) -> bool:
        """With the writer's lock and a full buffer: True once the kernel takes more.

        Without a leader, what the server sends meanwhile is read here: then False. The server may wait for
        that before it reads.
        """
        if not self._claim_lead():
            return not await self._writer.wait_writable(left)
        try:
            is_readable = await self._writer.wait_writable(left, or_readable=True)
        finally:
            self._resign()
        if is_readable:
            self.look()
        return not is_readable

    def doubt(self) -> None:
        """Send a PING, unless one is unanswered; see `Pulse`."""
        if self._state.pulse.doubted_since is None:
            self._state.pulse.doubted_since = self._now()
            with self.state_lock:
                self._state.ping()
            self.flush()

    # Failures.

    def fail_writing(self, exc: OSError) -> None:
        """Nothing can be sent any more; but the server may have responded before it closed."""
        self._writer.error = exc
        with self.state_lock:
            self._state.draining = True
        if self.look():  # else the leader finds out
            self.fail_all(self._failure(WriteError, exc))
            self._stream.abort()

    def _fail_reading(self, exc: OSError) -> None:
        self.fail_all(self._failure(ReadError, exc))
        self._stream.abort()

    def fail_all(self, failure: Failure) -> None:
        """The connection has ended."""
        with self.state_lock:
            self._state.fail_all(failure)
            self.wake_ready()

    def _failure(self, kind: type[NetworkError], exc: OSError) -> Failure:
        return Failure(broken(kind, exc, fresh=not self._state.settings_received), reason(exc), cause=exc)


def end_of_wait(started: float, limit: float | None, deadline: Deadline | None) -> float | None:
    """The moment at which an operation times out; None: never."""
    if deadline is None:
        return None if limit is None else started + limit
    return deadline.moment if limit is None else min(started + limit, deadline.moment)
