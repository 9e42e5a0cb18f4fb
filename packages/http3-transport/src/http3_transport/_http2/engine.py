"""HTTP/2 over one stream: many exchanges at a time, of tasks or of threads (RFC 9113).

`HTTP2State` knows the protocol, `SharedStream` moves the bytes for all, `HTTP2Exchange` leads one request
through. This module is what the pool sees of them, and what an exchange may ask of the books.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from http3_models import ReadError

from .._interfaces import OperationTimeout
from .connection import SharedStream
from .exchange import HTTP2Exchange
from .lock import FIFOLock
from .outgoing import MAX_STREAMS
from .stream import Failure, HTTP2Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import Delivery, Limits
    from http3_models.engine import Deadline, RequestState, ResponseState

    from .._interfaces import Backend, Clock, Lease, Stream
    from .headers import Field


class HTTP2Engine(SharedStream):
    """See `ProtocolConnection` in `_interfaces`."""

    __slots__ = ("_abandoned",)

    protocol = "HTTP/2"

    def __init__(
        self,
        stream: Stream,
        backend: Backend,
        *,
        now: Clock,
        limits: Limits,
        max_streams: int = MAX_STREAMS,
        on_settings: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(
            stream, backend, now=now, limits=limits, max_streams=max_streams, on_settings=on_settings
        )
        self._abandoned: SimpleQueue[HTTP2Stream] = SimpleQueue()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "draining" if self.is_closed else "open"
        return f"<HTTP2Engine {state}, {len(self._state.streams)} streams>"

    # What the pool asks; without the lock, since it may hold its own.

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request; those under way may go on. (One that was taken for dead
        takes some again if it turns out to live while they do.)"""
        return self._closed or self._state.draining or self.pulse.is_silent

    @property
    def is_idle(self) -> bool:
        """True if no exchange is under way."""
        return not self._state.streams

    @property
    def stream_limit_known(self) -> bool:
        """True once the server's SETTINGS are here."""
        return self._state.settled

    @property
    def requires_http11(self) -> bool:
        """True once the server has said goodbye because it wants HTTP/1.1."""
        return self._state.http11_required

    @property
    def is_shared(self) -> bool:
        """True if several exchanges are under way."""
        return len(self._state.streams) > 1

    @property
    def stream_limit(self) -> int:
        """Exchanges it may carry at a time now."""
        return 0 if self._closed or self.pulse.is_silent else self._state.stream_limit

    def start(self) -> None:
        """Queue the connection preface and SETTINGS; they leave with the first request, in one write."""
        with self._lock:
            self._state.start()

    async def exchange(self, request: RequestState, lease: Lease) -> ResponseState:
        """Send the request, read the response's head."""
        self._forget_abandoned()
        return await HTTP2Exchange(self, request, lease).run()

    def check(self) -> bool:
        """Answer what has arrived meanwhile (PING, SETTINGS, GOAWAY). False if no request can follow."""
        self._forget_abandoned()
        if not self.is_closed:
            self.look()
            self.flush_nowait()
        if self.is_closed and self.is_idle:
            self.close()
        return not self.is_closed

    async def reassure(self, deadline: Deadline | None) -> bool:
        """Where there is doubt, wait for a sign of life; False once it takes no further stream."""
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
        """Say GOAWAY if that does not block, and close."""
        if self._closed:
            return
        with self._lock:
            self._state.close()
        self.flush_nowait()
        self._closed = True
        self._lose(Failure(ReadError, "The connection was closed on this side"))
        self.stream.close()

    def abort(self) -> None:
        """Drop the socket; every exchange under way fails."""
        self._closed = True
        self._lose(Failure(ReadError, "The connection was aborted on this side"))
        self.stream.abort()

    def drop(self) -> None:
        """See `Engine.drop`: all who led, followed or wrote are gone."""
        self._lock = threading.Lock()
        self._write_lock = FIFOLock(self._backend)
        self._leading = False
        self._followers.clear()
        self._state.broken = None  # it may have been about to tell the streams
        self._lose(Failure(ReadError, "The connection belongs to another process or event loop"))
        self._write_error = ConnectionAbortedError()
        self.stream.abort()

    def give_up(self) -> None:
        """`abort`, after an interruption at any point: the books may be wrong, a lock may be held."""
        self._state.handed += len(self._rest)  # the kernel may have some of it
        self._write_error = ConnectionAbortedError()
        self.abort()
        self._write_lock.open()

    def can_be_midway(self, exc: BaseException) -> bool:
        """Whether the exception may have struck in the midst of our bookkeeping, as those do that signal
        handlers raise (KeyboardInterrupt). A cancellation strikes at awaits only, where all is in order."""
        if isinstance(exc, Exception | KeyboardInterrupt | SystemExit):
            return True
        from .._backends._blocking import BlockingBackend

        return isinstance(self._backend, BlockingBackend) and not isinstance(exc, GeneratorExit)

    async def turn(self) -> None:
        """Let others run."""
        await self._backend.sleep(0)

    # What exchanges do with the books.

    def open_stream(self, fields: list[Field], *, end_stream: bool) -> HTTP2Stream:
        """Queue a request's HEADERS. Raises NoStreamLeft."""
        with self._lock:
            return self._state.open(fields, end_stream=end_stream)

    def has_begun_to_leave(self, stream: HTTP2Stream) -> bool:
        """Whether the kernel has some of the request's HEADERS; then the rest is another's to send."""
        return stream.first_byte < self._state.handed

    def credit(self, stream: HTTP2Stream) -> int:
        """Bytes of body that may be sent now."""
        with self._lock:
            return self._state.credit(stream)

    def delivery(self, stream: HTTP2Stream) -> Delivery:
        """How far a request got that has failed."""
        with self._lock:
            return self._state.delivery(stream)

    def give_credit(self, stream: HTTP2Stream) -> None:
        """The reader took a good part of its window."""
        with self._lock:
            self._state.give_credit(stream)
        self.flush_nowait()

    def forget(self, stream: HTTP2Stream, code: ErrorCodes = ErrorCodes.CANCEL) -> None:
        """The exchange is over; never waits. What the server still has in hand for it is cancelled, and who
        still reads learns of it."""
        with self._lock:
            is_reset = self._state.forget(stream, code)
            if stream in self._followers:
                self._followers[stream].set()
            if self._state.news:
                self._wake_served()
        if is_reset:
            self.flush_nowait()
        if self.pulse.is_silent and self.is_idle:
            self.close()

    def note_given_up(self, stream: HTTP2Stream, *, is_proof: bool) -> None:
        """A request was given up while it waited. If nothing has come all the while, the connection takes no
        further request: at once where that ``is_proof`` enough, else once a PING stays unanswered."""
        state = self._state
        if stream.waits_behind is not None and (self._rest or self.stream.has_unsent):
            self.pulse.is_clogged = True
        if not self._closed and self.pulse.give_up(
            stream, self.now(), state.handed, settled=state.settled, is_proof=is_proof
        ):
            self._doubt()

    def abandon(self, stream: HTTP2Stream) -> None:
        """`forget` for finalisers, which may run under our lock: noted here, done by the next operation."""
        self._abandoned.put(stream)

    def _forget_abandoned(self) -> None:
        while not self._abandoned.empty():
            try:
                stream = self._abandoned.get_nowait()
            except Empty:
                return
            self.forget(stream)
