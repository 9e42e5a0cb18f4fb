"""`HTTP2Connection`: many exchanges at a time over one stream, for tasks or threads (RFC 9113).

It is made of three objects: `HTTP2State` says what the bytes mean, `Reader` and `Writer` move them for all
exchanges. `HTTP2Exchange` runs one exchange. This module has what the pool calls, and what an exchange does
with the connection.

The state is guarded by one `threading.Lock`, which is held neither across an await nor around I/O.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from http3_models import ReadError

from .._interfaces import OperationTimeout
from .exchange import HTTP2Exchange
from .leader import Leader
from .lock import FIFOLock
from .reader import Reader, end_of_wait
from .state import MAX_STREAMS, HTTP2State
from .stream import Failure, HTTP2Stream
from .writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import Delivery, Limits
    from http3_models.engine import Deadline, RequestState, ResponseState

    from .._interfaces import Backend, Clock, Lease, Stream
    from .headers import Field


FAIR_STEP = 64 * 1024
"""Bytes of a body that are written at a time while other exchanges wait to write. With a quarter of that, a
receiver with a small buffer was ten times slower."""


class HTTP2Connection:
    """An HTTP/2 connection; the methods are those of `ProtocolConnection`."""

    __slots__ = (
        "_backend",
        "_closing_later",
        "_lock",
        "_state",
        "_writer",
        "now",
        "pulse",
        "reader",
        "stream",
    )

    protocol = "HTTP/2"

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
        self._backend = backend
        self._lock = lock = threading.Lock()
        self._state = state = HTTP2State(limits, max_streams, now())
        self._writer = writer = Writer(stream, backend, state, lock)
        self.reader = Reader(stream, backend, state, lock, writer, now)
        self.pulse = state.pulse
        self._closing_later: SimpleQueue[HTTP2Stream] = SimpleQueue()

    def __repr__(self) -> str:
        state = "closed" if self._state.broken else "draining" if self.is_closed else "open"
        return f"<HTTP2Connection {state}, {len(self._state.streams)} streams>"

    # For the pool. Without the lock: the pool may hold its own.

    @property
    def is_closed(self) -> bool:
        """True once it takes no further request; exchanges under way continue. (A connection that counted as
        silent takes requests again if the server sends something meanwhile.)"""
        return self._state.draining or self.pulse.is_silent

    @property
    def is_idle(self) -> bool:
        """True if no exchange is under way."""
        return not self._state.streams

    @property
    def stream_limit_known(self) -> bool:
        """True once the server's SETTINGS were received."""
        return self._state.settings_received

    @property
    def requires_http11(self) -> bool:
        """True once the server has sent GOAWAY with HTTP_1_1_REQUIRED."""
        return self._state.http11_required

    @property
    def is_shared(self) -> bool:
        """True if several exchanges are under way."""
        return len(self._state.streams) > 1

    @property
    def stream_limit(self) -> int:
        """Exchanges that it may carry at a time now."""
        return 0 if self.pulse.is_silent else self._state.stream_limit

    def when_limit_changes(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called when SETTINGS were received, and when the stream limit has changed."""
        self.reader.on_limit_change = tell

    def start(self) -> None:
        """Queue the connection preface and SETTINGS; they are sent with the first request in one write."""
        with self._lock:
            self._state.start()

    async def exchange(self, request: RequestState, lease: Lease) -> ResponseState:
        """Send the request, read the response's head."""
        self._close_pending()
        return await HTTP2Exchange(self, request, lease).run()

    def check(self) -> bool:
        """Process what was received meanwhile (PING, SETTINGS, GOAWAY). False if no request can follow."""
        self._close_pending()
        if not self.is_closed:
            self.reader.look()
            self.reader.flush()
        if self.is_closed and self.is_idle:
            self.close()
        return not self.is_closed

    def look(self) -> None:
        """Process what was received, without waiting, unless an exchange reads."""
        self.reader.look()

    async def reassure(self, deadline: Deadline | None) -> bool:
        """If a PING is unanswered, wait for a moment; False if the connection takes no further stream."""
        self.reader.look()
        pulse = self.pulse
        now, remaining = self.now(), None if deadline is None else deadline.remaining()
        with self._lock:
            probe, seconds = pulse.wait_for_sign(now, remaining)
        try:
            await self.reader.wait(probe, 0, seconds, None)
        except OperationTimeout:
            pulse.is_silent = pulse.doubted_since is not None
        finally:
            pulse.probes.remove(probe)
        return not self.is_closed

    def close(self) -> None:
        """Send GOAWAY if that does not block, and close."""
        if self._state.broken is not None:
            return
        with self._lock:
            self._state.close()
        self.reader.flush()
        self.reader.fail_all(Failure(ReadError, "The connection was closed on this side"))
        self.stream.close()

    def abort(self) -> None:
        """Drop the socket; all exchanges under way fail."""
        self.reader.fail_all(Failure(ReadError, "The connection was aborted on this side"))
        self.stream.abort()

    def drop(self) -> None:
        """See `ProtocolConnection.drop`: the threads or tasks that read or wrote do not exist here."""
        self._lock = self.reader.state_lock = self._writer.state_lock = threading.Lock()
        self.reader.leader = Leader()
        self._writer.lock = FIFOLock(self._backend)
        self._writer.error = ConnectionAbortedError()
        self._state.broken = None  # it may have been set without the streams having learned it
        self.reader.fail_all(Failure(ReadError, "The connection belongs to another process or event loop"))
        self.stream.abort()

    def abort_broken(self) -> None:
        """`abort` after an interruption at any point: the state may be inconsistent, a lock may be held."""
        output = self._state.output
        output.bytes_written += len(output.rest)  # the kernel may have taken some of it
        self._writer.error = ConnectionAbortedError()
        self.abort()
        self._writer.lock.open()

    def may_be_half_done(self, exc: BaseException) -> bool:
        """Whether the exception may have interrupted a change of the connection's state, as one that a signal
        handler raises (KeyboardInterrupt). A cancellation comes at an await only, where the state is
        consistent."""
        if isinstance(exc, Exception | KeyboardInterrupt | SystemExit):
            return True
        return self._backend.blocks and not isinstance(exc, GeneratorExit)

    async def turn(self) -> None:
        """Let other tasks run."""
        await self._backend.sleep(0)

    # For exchanges.

    def open_stream(self, fields: list[Field], *, end_stream: bool) -> HTTP2Stream:
        """Queue a request's HEADERS. Raises NoStreamLeft."""
        with self._lock:
            return self._state.open(fields, end_stream=end_stream)

    def is_partly_sent(self, stream: HTTP2Stream) -> bool:
        """Whether a part of the request's HEADERS was sent; then another writer sends the rest."""
        return stream.queued_at < self._state.output.bytes_written

    def send_window(self, stream: HTTP2Stream) -> int:
        """Bytes of the body that may be sent now."""
        with self._lock:
            return self._state.flow.share(stream)

    def pass_turn(self, stream: HTTP2Stream) -> None:
        """The stream does not use its turn to send."""
        with self._lock:
            self._state.flow.pass_turn(stream)
            self.reader.wake_ready()

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
        reader, writer = self.reader, self._writer
        if deadline is not None:
            reader.seconds_left(deadline.moment)  # no other check, if the write never waits
        if not writer.lock.try_acquire():
            ends = end_of_wait(self._waits_to_write(stream), limit, deadline)
            if not await writer.lock.acquire(reader.seconds_left(ends)):
                raise OperationTimeout
        queued = 0
        try:
            if data or end:
                if len(data) > FAIR_STEP and writer.lock.is_wanted:
                    data, end = memoryview(data)[:FAIR_STEP], False
                with self._lock:
                    queued = self._state.send_data(stream, memoryview(data), end=end)
                    reader.wake_ready()  # the next stream whose turn it is
            taken, ends = -1, None
            while not writer.write():
                if taken != (taken := self._progress(stream)):
                    ends = end_of_wait(self._waits_to_write(stream), limit, deadline)
                if await reader.wait_for_room(reader.seconds_left(ends)):
                    taken = -1
        except OSError as exc:
            reader.fail_writing(exc)
        finally:
            writer.lock.release()
        reader.flush()
        return queued

    def _progress(self, stream: HTTP2Stream) -> int:
        with self._lock:  # grows only as the peer takes data, not with what it sends (PING)
            return self._state.output.bytes_written + self._state.flow.window(stream)

    def _waits_to_write(self, stream: HTTP2Stream) -> float:
        """Note when the stream begins to wait, and how much was written then; returns the moment."""
        stream.waits_behind = self._state.output.bytes_written
        stream.waits_since = moment = self.now()
        return moment

    def delivery(self, stream: HTTP2Stream) -> Delivery:
        """How far a failed request got."""
        with self._lock:
            return self._state.delivery(stream)

    def update_window(self, stream: HTTP2Stream) -> None:
        """Send a WINDOW_UPDATE for what the reader has taken."""
        with self._lock:
            self._state.update_window(stream)
        self.reader.flush()

    def close_stream(self, stream: HTTP2Stream, code: ErrorCodes = ErrorCodes.CANCEL) -> None:
        """End the exchange without waiting. A stream that is not closed is reset, and a task that still reads
        is woken."""
        with self._lock:
            is_reset = self._state.close_stream(stream, code)
            if self.reader.leader.followers:
                self._state.ready_streams.add(stream)
            self.reader.wake_ready()
        if is_reset:
            self.reader.flush()
        if self.pulse.is_silent and self.is_idle:
            self.close()

    def note_timeout(self, stream: HTTP2Stream, *, is_proof: bool) -> None:
        """A request was cancelled or timed out while it waited. If nothing was received all the time, the
        connection takes no further request: at once if that ``is_proof`` enough, else once a PING stays
        unanswered."""
        state, output = self._state, self._state.output
        if stream.waits_behind is not None and (output.rest or self.stream.has_unsent):
            self.pulse.is_clogged = True
        if state.broken is None and self.pulse.note_timeout(
            stream,
            self.now(),
            output.bytes_written,
            settings_received=state.settings_received,
            is_proof=is_proof,
        ):
            self.reader.doubt()

    def close_stream_later(self, stream: HTTP2Stream) -> None:
        """`close_stream` for finalisers, which may run while the lock is held: the next operation does it."""
        self._closing_later.put(stream)

    def _close_pending(self) -> None:
        while not self._closing_later.empty():
            try:
                stream = self._closing_later.get_nowait()
            except Empty:
                return
            self.close_stream(stream)
