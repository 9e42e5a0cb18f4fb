"""The stream of an HTTP/2 connection, shared by its exchanges: one of them reads for all, one writes at a
time.

`HTTP2State` says what the bytes mean; this module moves them. It owns two invariants.

**Reading: a leader and followers.** One of the waiting exchanges reads for all and fills the others' inboxes.
It leads until it has what it waits for; then the one that has waited longest leads. An exchange that stops
waiting for any reason (served, timed out, cancelled) wakes the next leader if there is none. So a time limit
fails its own request only, and no exchange waits while none reads. There is no await between receiving bytes
and processing them.

**Writing in order.** What h2 has produced must be sent: header compression has state, and nothing can follow
half a frame. So output is sent in order, by the holder of the write lock. It waits for room without sending,
and then sends without waiting: so it is always known to the byte what was sent. Control frames are queued by
any exchange, and `flush_nowait` tries to send them at once. The write lock is not held while waiting for a
WINDOW_UPDATE. A holder that has to wait for room reads meanwhile if there is no leader: the peer may wait for
that.

The state is guarded by one `threading.Lock`, which is held neither across an await nor around I/O.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from http3_models import ReadError, WriteError

from .._errors import broken, reason
from .._interfaces import OperationTimeout, PatientStream
from .lock import FIFOLock
from .pulse import Pulse
from .state import MAX_STREAMS, HTTP2State
from .stream import BY_ID, WINDOW, Failure, HTTP2Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import Limits, NetworkError
    from http3_models.engine import Deadline

    from .._interfaces import Backend, Clock, Stream, Waiter

READ_SIZE, LARGE_READ_SIZE = 64 * 1024, 256 * 1024
"""Bytes asked for at a time: the larger once a read has returned a quarter of the smaller. It makes a
download a tenth cheaper, but its buffer comes from the system each time, which costs short responses."""

FAIR_STEP = 64 * 1024
"""Bytes of a body that are written at a time while other exchanges wait to write. With a quarter of that, a
receiver with a small buffer was ten times slower."""

READ_SLICE = 1.0
"""Seconds for which a leader reads before it tries to send what is queued. A thread may have found the
kernel's buffer full, and no other exchange would try again."""

BLOCKED_SLICE = 0.1
"""The same while a writer waits for the kernel: if it is cancelled, the leader sends the rest."""

POLL_SECONDS = 0.02
"""Seconds between two tries to write to a stream that is no `PatientStream`."""

MAX_LOOKS = 16
"""Reads in a row without waiting, so that a server that never stops sending does not block the caller."""


class SharedConnection:
    """The stream, the state, and the order of access to both; the base of `HTTP2Connection`."""

    __slots__ = (
        "_backend",
        "_closed",
        "_followers",
        "_leading",
        "_lock",
        "_output",
        "_read_size",
        "_state",
        "_write_error",
        "_write_lock",
        "limits",
        "now",
        "on_settings",
        "pulse",
        "stream",
    )

    def __init__(
        self,
        stream: Stream,
        backend: Backend,
        *,
        now: Clock,
        limits: Limits,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self.stream = stream
        self.now = now
        self.limits = limits
        self._backend = backend
        self._lock = threading.Lock()
        self._state = HTTP2State(limits, max_streams)
        self._output = self._state.output
        self._write_lock = FIFOLock(backend)
        self._write_error: OSError | None = None
        self._read_size = READ_SIZE
        self._leading = False
        self._followers: dict[HTTP2Stream, Waiter] = {}
        self._closed = False
        self.on_settings: Callable[[], None] | None = None
        """Called when the server's SETTINGS were received, and when the stream limit has changed."""
        self.pulse = Pulse(now())

    # Time.

    def _ends(self, started: float, limit: float | None, deadline: Deadline | None) -> float | None:
        """The moment at which an operation times out; None: never."""
        ends = None if limit is None else started + limit
        if deadline is None:
            return ends
        return deadline.moment if ends is None else min(ends, deadline.moment)

    def _left(self, ends: float | None) -> float | None:
        """Seconds left until then. Raises OperationTimeout if there are none."""
        if ends is None:
            return None
        left = ends - self.now()
        if left <= 0:
            raise OperationTimeout
        return left

    # Reading.

    async def wait(
        self, stream: HTTP2Stream, wants: int, limit: float | None, deadline: Deadline | None
    ) -> None:
        """Wait until the stream has what is wanted (HEAD, BODY, WINDOW), or has ended.

        Raises OperationTimeout after ``limit`` seconds without progress of this stream, whatever else is
        received.
        """
        seen, was_in_line = stream.informational, False
        stream.waits_since = started = self.now()
        stream.waits_behind = None
        ends = self._ends(started, limit, deadline)
        while True:
            waiter = None
            with self._lock:
                if self._state.is_ready(stream, wants):
                    if wants & WINDOW and self._state.is_ready(stream, wants & ~WINDOW):
                        self._pass_turn(stream)
                    return
                if self._leading:
                    waiter = self._followers[stream] = self._backend.waiter()
                    stream.wants = wants
                    if wants & WINDOW:
                        self._state.flow.enqueue(stream, again=was_in_line)
                        was_in_line = True
                else:
                    self._leading = True
            if waiter is None:
                await self._lead(stream, wants, ends)
            else:
                await self._follow(stream, waiter, ends)
            if stream.informational != seen:
                seen = stream.informational
                stream.waits_since = started = self.now()
                ends = self._ends(started, limit, deadline)

    async def _lead(self, stream: HTTP2Stream, wants: int, ends: float | None) -> None:
        """Read for all streams until this one has something to do."""
        seen = stream.informational
        was_asked = False
        try:
            while True:
                came = await self._read_once(self._left(ends))
                with self._lock:
                    if wants & WINDOW:
                        self._state.flow.take_turn(stream)
                    if self._state.is_ready(stream, wants) or stream.informational != seen:
                        return
                if not (came or was_asked) and self.pulse.is_quiet(self.now()):
                    was_asked = True
                    self._doubt()
        finally:
            self._pass_lead()

    async def _follow(self, stream: HTTP2Stream, waiter: Waiter, ends: float | None) -> None:
        """Wait until the stream has something to do, or is the next leader."""
        try:
            await waiter.wait(self._left(ends))
        finally:
            with self._lock:
                del self._followers[stream]
                if stream.wants & WINDOW:
                    self._state.flow.turns.leave_queue(stream)
                self._wake_heir()

    async def _read_once(self, left: float | None) -> bool:
        """As the leader: send what is queued, then read and process once. False if nothing was received in
        time."""
        try:
            longest = READ_SLICE
            if self._output.rest or self._output.pieces or self.stream.has_unsent:
                longest = await self._push(left)
            data = await self._read_slice(longest if left is None or left > longest else left)
            if data is None:
                return False
            self._feed(data)
            if self._followers and self._state.broken is None:
                # The rest is for followers: they wake together, and send in one write.
                self._feed_waiting()
        except OSError as exc:
            self._fail_all(self._failure(ReadError, exc))
            self.stream.abort()
        return True

    async def _read_slice(self, seconds: float) -> bytes | None:
        """Read; None if nothing was received in time."""
        try:
            return await self.stream.read(self._read_size, seconds)
        except OperationTimeout:
            return None

    def look(self) -> bool:
        """Read and process what was received, without waiting; False if there is a leader."""
        if not self._claim_lead():
            return False
        try:
            self._feed_waiting()
        except OSError as exc:
            self._fail_all(self._failure(ReadError, exc))
            self.stream.abort()
        finally:
            self._pass_lead()
        return True

    def _feed_waiting(self) -> None:
        """As the leader: process what was received already. Raises OSError."""
        for _ in range(MAX_LOOKS):
            data = self.stream.read_nowait(self._read_size)
            if data is None:
                return
            self._feed(data)
            if self._state.broken is not None:
                return

    def _feed(self, data: bytes) -> None:
        self._read_size = READ_SIZE if len(data) < READ_SIZE // 4 else LARGE_READ_SIZE
        with self._lock:
            if data:
                self.pulse.heard = moment = self.now()
                self._state.receive(data, moment)
                if self.pulse.doubted_since is not None:
                    self._end_doubt()
            elif (error := self._write_error) is not None:
                # The kernel reports a reset once, here to a write; reads then see an orderly end.
                self._state.fail_all(self._failure(ReadError, error))
            else:
                self._state.end_of_input()
            self._wake_served()
        self.flush_nowait()
        if self._state.limit_changed or self.pulse.is_silent:
            self._state.limit_changed = self.pulse.is_silent = False
            self._tell_limit()
        if self._state.broken is not None:
            self._closed = True
            self.stream.close()

    def _tell_limit(self) -> None:
        """The stream limit has changed, or a connection that counted as silent has received something."""
        if self.on_settings is not None:
            self.on_settings()

    def _failure(self, kind: type[NetworkError], exc: OSError) -> Failure:
        return Failure(broken(kind, exc, fresh=not self._state.settings_received), reason(exc), cause=exc)

    def _fail_all(self, failure: Failure) -> None:
        with self._lock:
            self._state.fail_all(failure)
            self._end_doubt()
            self._wake_served()
        self._closed = True

    def _claim_lead(self) -> bool:
        with self._lock:
            if self._leading:
                return False
            self._leading = True
            return True

    def _pass_lead(self) -> None:
        with self._lock:
            self._leading = False
            self._wake_heir()

    def _wake_heir(self) -> None:
        """If there is no leader, wake the follower that has waited longest; it then leads."""
        if not self._leading and self._followers:
            next(iter(self._followers.values())).set()

    def _wake_served(self) -> None:
        state = self._state
        if self._followers:
            # By id: the order of a set depends on memory addresses.
            for stream in sorted(state.ready_streams, key=BY_ID):
                if (waiter := self._followers.get(stream)) is not None:
                    waiter.set()
            if state.limit_changed:  # SETTINGS may have changed the windows of all streams
                for stream, waiter in self._followers.items():
                    if stream.wants & WINDOW:
                        waiter.set()
        state.ready_streams.clear()

    def pass_turn(self, stream: HTTP2Stream) -> None:
        """The stream does not use its turn to send."""
        with self._lock:
            self._pass_turn(stream)

    def _pass_turn(self, stream: HTTP2Stream) -> None:
        self._state.flow.pass_turn(stream)
        if self._state.ready_streams:
            self._wake_served()

    # Silence; see `Pulse`.

    def _doubt(self) -> None:
        """Send a PING, unless one is unanswered."""
        if self.pulse.doubted_since is None:
            self.pulse.doubted_since = self.now()
            with self._lock:
                self._state.ping()
            self.flush_nowait()

    def _end_doubt(self) -> None:
        """Something was received, or the connection has ended."""
        self._state.ready_streams.update(self.pulse.end_doubt())

    # Writing.

    async def send(
        self,
        stream: HTTP2Stream,
        limit: float | None,
        deadline: Deadline | None,
        data: memoryview | bytes = b"",
        *,
        end: bool = False,
    ) -> int:
        """Send what is queued, and of ``data`` what the send window allows; returns how many bytes that was.

        Raises OperationTimeout after ``limit`` seconds in which nothing could be sent; what is queued stays
        queued. If the connection fails, the streams get a ``failure``.
        """
        if deadline is not None:
            self._left(deadline.moment)  # no other check, if the write never waits
        lock = self._write_lock
        if not lock.try_acquire():
            started = self._waits_to_write(stream)
            if not await lock.acquire(self._left(self._ends(started, limit, deadline))):
                raise OperationTimeout
        queued = 0
        try:
            if data or end:
                if len(data) > FAIR_STEP and lock.is_wanted:
                    data, end = memoryview(data)[:FAIR_STEP], False
                with self._lock:
                    queued = self._state.send_data(stream, memoryview(data), end=end)
                    if self._state.ready_streams:  # the next stream whose turn it is
                        self._wake_served()
            taken, ends = -1, None
            while not self._write_nowait():
                if taken != (taken := self._progress(stream)):
                    ends = self._ends(self._waits_to_write(stream), limit, deadline)
                if await self._wait_for_room(self._left(ends)):
                    taken = -1
        except OSError as exc:
            self._write_failed(exc)
        finally:
            lock.release()
        self.flush_nowait()
        return queued

    def flush_nowait(self) -> None:
        """Send what is queued as far as that does not block; the next write sends the rest."""
        while self._output.rest or self._output.pieces:
            # If the lock is held, its holder flushes again after it has released the lock.
            if self._write_error is not None or not self._write_lock.try_acquire():
                return
            try:
                done = self._write_nowait()
            except OSError as exc:
                self._write_failed(exc)
                return
            finally:
                self._write_lock.release()
            if not done:
                return

    def _write_nowait(self) -> bool:
        """With the write lock: write what the kernel takes at once. True if nothing is left."""
        if self._write_error is not None:
            return True
        while True:
            if not self._output.rest:
                if not self._output.pieces:
                    return not (self.stream.has_unsent or self.pulse.is_clogged) or self._sends_unsent()
                with self._lock:
                    self._output.rest = memoryview(self._output.take())
            taken = self.stream.write_nowait(self._output.rest)
            self._output.written(taken)
            if self._output.rest:
                return False

    def _progress(self, stream: HTTP2Stream) -> int:
        with self._lock:  # grows only as the peer takes data, not with what it sends (PING)
            return self._output.bytes_written + self._state.flow.window(stream)

    def _waits_to_write(self, stream: HTTP2Stream) -> float:
        """Note when the stream begins to wait, and how much was written then; returns the moment."""
        stream.waits_behind = self._output.bytes_written
        stream.waits_since = moment = self.now()
        return moment

    def _sends_unsent(self) -> bool:
        """Send what the TLS stream has kept of earlier writes; True if nothing is left."""
        if self.stream.has_unsent:
            self.stream.write_nowait(b"")
        if self.stream.has_unsent:
            return False
        if self.pulse.is_clogged:
            self.pulse.is_clogged = False
            self._tell_limit()
        return True

    async def _wait_for_room(self, left: float | None) -> bool:
        """With the write lock and a full buffer: True once the kernel takes more.

        Without a leader, what the server sends meanwhile is read here: then False.
        """
        if not self._claim_lead():
            return not await self._wait_writable(left)
        try:
            is_readable = await self._wait_writable(left, or_readable=True)
        finally:
            self._pass_lead()
        if is_readable:
            self.look()
        return not is_readable

    async def _wait_writable(self, left: float | None, *, or_readable: bool = False) -> bool:
        """See `PatientStream`; any other stream is tried again after a moment."""
        if isinstance(self.stream, PatientStream):
            return await self.stream.wait_writable(left, or_readable=or_readable)
        await self._backend.sleep(POLL_SECONDS if left is None else min(POLL_SECONDS, left))
        return or_readable

    async def _push(self, left: float | None) -> float:
        """As the leader: send what is queued until that is done or there is something to read.

        Returns for how many seconds to read before it is called again.
        """
        if not self._write_lock.try_acquire():
            return BLOCKED_SLICE
        ends = None if left is None else self.now() + left
        try:
            while not self._write_nowait():
                if await self._wait_writable(self._left(ends), or_readable=True):
                    break
        except OSError as exc:
            self._write_failed(exc)
        finally:
            self._write_lock.release()
        self.flush_nowait()
        return READ_SLICE

    def _write_failed(self, exc: OSError) -> None:
        """Nothing can be sent any more; but the server may have responded before it closed."""
        self._write_error = exc
        with self._lock:
            self._state.draining = True
        if self.look():  # else the leader finds out
            self._fail_all(self._failure(WriteError, exc))
            self.stream.abort()
