"""`HTTP2Connection`: many exchanges at a time over one stream, for tasks or threads (RFC 9113).

`HTTP2State` holds the protocol's state, `SharedConnection` moves the bytes for all exchanges, `HTTP2Exchange`
runs one. This module has what the pool calls, and what an exchange does with the state.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from http3_models import ReadError

from .._interfaces import OperationTimeout
from .exchange import HTTP2Exchange
from .lock import FIFOLock
from .shared import SharedConnection
from .state import MAX_STREAMS
from .stream import Failure, HTTP2Stream

if TYPE_CHECKING:
    from http3_models import Delivery, Limits
    from http3_models.engine import Deadline, RequestState, ResponseState

    from .._interfaces import Backend, Clock, Lease, Stream
    from .headers import Field


class HTTP2Connection(SharedConnection):
    """An HTTP/2 connection; the methods are those of `ProtocolConnection`."""

    __slots__ = ("_closing_later",)

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
        super().__init__(stream, backend, now=now, limits=limits, max_streams=max_streams)
        self._closing_later: SimpleQueue[HTTP2Stream] = SimpleQueue()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "draining" if self.is_closed else "open"
        return f"<HTTP2Connection {state}, {len(self._state.streams)} streams>"

    # For the pool. Without the lock: the pool may hold its own.

    @property
    def is_closed(self) -> bool:
        """True once it takes no further request; exchanges under way continue. (A connection that counted as
        silent takes requests again if the server sends something meanwhile.)"""
        return self._closed or self._state.draining or self.pulse.is_silent

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
        return 0 if self._closed or self.pulse.is_silent else self._state.stream_limit

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
            self.look()
            self.flush_nowait()
        if self.is_closed and self.is_idle:
            self.close()
        return not self.is_closed

    async def reassure(self, deadline: Deadline | None) -> bool:
        """If a PING is unanswered, wait for a moment; False if the connection takes no further stream."""
        self.look()
        pulse = self.pulse
        now, remaining = self.now(), None if deadline is None else deadline.remaining()
        with self._lock:
            probe, seconds = pulse.wait_for_sign(now, remaining)
        try:
            await self.wait(probe, 0, seconds, None)
        except OperationTimeout:
            pulse.is_silent = pulse.doubted_since is not None
        finally:
            pulse.probes.remove(probe)
        return not (self._closed or pulse.is_silent or self._state.draining)

    def close(self) -> None:
        """Send GOAWAY if that does not block, and close."""
        if self._closed:
            return
        with self._lock:
            self._state.close()
        self.flush_nowait()
        self._closed = True
        self._fail_all(Failure(ReadError, "The connection was closed on this side"))
        self.stream.close()

    def abort(self) -> None:
        """Drop the socket; all exchanges under way fail."""
        self._closed = True
        self._fail_all(Failure(ReadError, "The connection was aborted on this side"))
        self.stream.abort()

    def drop(self) -> None:
        """See `ProtocolConnection.drop`: the threads or tasks that read or wrote do not exist here."""
        self._lock = threading.Lock()
        self._write_lock = FIFOLock(self._backend)
        self._leading = False
        self._followers.clear()
        self._state.broken = None  # it may have been set without the streams having learned it
        self._fail_all(Failure(ReadError, "The connection belongs to another process or event loop"))
        self._write_error = ConnectionAbortedError()
        self.stream.abort()

    def abort_broken(self) -> None:
        """`abort` after an interruption at any point: the state may be inconsistent, a lock may be held."""
        self._output.bytes_written += len(self._output.rest)  # the kernel may have taken some of it
        self._write_error = ConnectionAbortedError()
        self.abort()
        self._write_lock.open()

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

    def has_begun_to_leave(self, stream: HTTP2Stream) -> bool:
        """Whether a part of the request's HEADERS was sent; then another writer sends the rest."""
        return stream.queued_at < self._output.bytes_written

    def send_window(self, stream: HTTP2Stream) -> int:
        """Bytes of the body that may be sent now."""
        with self._lock:
            return self._state.flow.share(stream)

    def delivery(self, stream: HTTP2Stream) -> Delivery:
        """How far a failed request got."""
        with self._lock:
            return self._state.delivery(stream)

    def update_window(self, stream: HTTP2Stream) -> None:
        """Send a WINDOW_UPDATE for what the reader has taken."""
        with self._lock:
            self._state.update_window(stream)
        self.flush_nowait()

    def close_stream(self, stream: HTTP2Stream, code: ErrorCodes = ErrorCodes.CANCEL) -> None:
        """End the exchange without waiting. A stream that is not closed is reset, and a task that still reads
        is woken."""
        with self._lock:
            is_reset = self._state.close_stream(stream, code)
            if stream in self._followers:
                self._followers[stream].set()
            if self._state.ready_streams:
                self._wake_served()
        if is_reset:
            self.flush_nowait()
        if self.pulse.is_silent and self.is_idle:
            self.close()

    def note_timeout(self, stream: HTTP2Stream, *, is_proof: bool) -> None:
        """A request was cancelled or timed out while it waited. If nothing was received all the time, the
        connection takes no further request: at once if that ``is_proof`` enough, else once a PING stays
        unanswered."""
        state = self._state
        if stream.waits_behind is not None and (self._output.rest or self.stream.has_unsent):
            self.pulse.is_clogged = True
        if not self._closed and self.pulse.note_timeout(
            stream,
            self.now(),
            self._output.bytes_written,
            settings_received=state.settings_received,
            is_proof=is_proof,
        ):
            self._doubt()

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
