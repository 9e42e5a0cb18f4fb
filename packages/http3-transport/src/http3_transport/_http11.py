"""HTTP/1.1 over one stream: one exchange at a time (RFC 9112).

h11 is the judge of grammar for both heads and for chunked bodies; it gets a new connection object for
every exchange, since bodies are counted outside it. This module owns one invariant: **the connection is
offered again only when it is proven idle**: request sent whole, response read whole, no byte beyond it.

While an upload runs the answer may come early (413, 401, a redirect): each write stops as soon as there
is something to read. What is read is a 1xx (go on) or the final head (stop sending, deliver it, and do not
reuse the connection).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from http3_models._exceptions import (
    Delivery,
    LocalProtocolError,
    ReadError,
    RemoteProtocolError,
    RequestError,
    ResponseTooLarge,
    TotalTimeout,
    WriteError,
)
from http3_models._headers import Headers
from http3_models._records import ResponseState

from ._errors import network_error, protocol_error, timeout_error, total_timeout
from ._http11_body import ChunkedBody, ClosingBody, EndedBody, LengthBody
from ._http11_head import CHUNKED, UNTIL_CLOSE, body_length, check_length, compose_head, stays_open
from ._interfaces import OperationTimeout

if TYPE_CHECKING:
    from http3_models._config import Limits
    from http3_models._records import RequestState, ResponseBody

    from ._interfaces import Clock, Lease, Stream

HEAD_READ_SIZE = 64 * 1024
"""Bytes asked of the kernel while a head is awaited: most small answers come whole with one read."""

SMALL_BODY = 64 * 1024
"""A body up to this size goes out with the head in one write; it fits a socket's send buffer."""

WRITE_SIZE = 256 * 1024
"""Bytes of a body in memory handed to the stream between two looks for an early answer."""

CONTINUE_WAIT = 1.0
"""Seconds that ``Expect: 100-continue`` waits for the server's word before the body is sent anyway
(RFC 9110 section 10.1.1 lets the client choose; curl takes one second too)."""


class HTTP11Engine:
    """See `Engine` in `_interfaces`."""

    __slots__ = (
        "_began",
        "_early",
        "_idle",
        "_informational",
        "_lease",
        "_phase",
        "_received",
        "_sent",
        "_stream_closed",
        "limits",
        "now",
        "stream",
        "was_aborted",
    )

    protocol = "HTTP/1.1"

    def __init__(self, stream: Stream, *, now: Clock, limits: Limits) -> None:
        self.stream = stream
        self.now = now
        self.limits = limits
        self.was_aborted = False
        self._stream_closed = False
        self._idle = True
        self._sent = False
        self._phase = "write"
        self._began = 0.0
        self._informational = self._received = 0
        self._early: h11.Response | None = None
        self._lease: Lease | None = None

    def __repr__(self) -> str:
        state = "closed" if self._stream_closed else "idle" if self._idle else "busy"
        return f"<HTTP11Engine {state}>"

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request."""
        return self._stream_closed

    @property
    def is_idle(self) -> bool:
        """True if no exchange is under way."""
        return self._idle

    @property
    def stream_limit(self) -> int:
        """One exchange at a time; none once closed."""
        return 0 if self._stream_closed else 1

    def check(self) -> bool:
        """Whether the idle connection can still be used. Whatever has arrived on it belongs to no request."""
        if self._stream_closed:
            return False
        try:
            if self.stream.read_nowait(1) is None:
                return True
        except OSError:
            self.abort()
            return False
        self.close()
        return False

    def close(self) -> None:
        """Close in good order."""
        if not self._stream_closed:
            self._stream_closed = True
            self.stream.close()

    def abort(self) -> None:
        """Drop the socket."""
        self.was_aborted = True
        self._stream_closed = True
        self.stream.abort()

    def complete(self, *, reusable: bool) -> None:
        """The exchange is over in both directions; called by the response body."""
        self._idle = True
        if not reusable:
            self.close()

    # One exchange.

    async def exchange(self, request: RequestState, lease: Lease) -> ResponseState:
        """Send the request, read the response's head."""
        self._idle = self._sent = False
        self._phase = "write"
        self._informational = self._received = 0
        self._early = None
        self._lease = lease
        try:
            return await self._converse(request, lease)
        except BaseException as exc:
            if self._sent or not isinstance(exc, h11.LocalProtocolError):
                self.abort()
            self._idle = True
            lease.release()
            error = self._translated(exc, request)
            if error is None:
                raise
            raise error from exc
        finally:
            self._lease = None

    async def _converse(self, request: RequestState, lease: Lease) -> ResponseState:
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=self.limits.max_head_size)
        head = compose_head(parser, request)
        phases = request.phases
        self._began = self.now()
        data = request.body.data
        if data is not None and len(data) <= SMALL_BODY and "expect" not in request.headers:
            check_length(request, len(data))
            self._sent = True
            await self.stream.write(head + data if data else head, self._limit(request))
        else:
            self._sent = True
            await self._upload(request, parser, head)
        sent = self.now()
        phases.send = sent - self._began
        self._began = sent
        self._phase = "read"
        event = self._early or await self._final_head(request, parser)
        phases.wait = self.now() - sent
        return self._respond(request, lease, parser, event)

    def _limit(self, request: RequestState) -> float | None:
        """Seconds the next write or read may take."""
        limit = self._phase_limit(request)
        return limit if request.deadline is None else request.deadline.within(limit)

    def _phase_limit(self, request: RequestState) -> float | None:
        timeout = request.timeout
        if timeout is None:
            return None
        return timeout.write_timeout if self._phase == "write" else timeout.read_timeout

    def _translated(self, exc: BaseException, request: RequestState) -> RequestError | None:
        delivery = Delivery.MAYBE_PROCESSED if self._sent else Delivery.NOT_SENT
        if self._sent:
            phases, spent = request.phases, self.now() - self._began
            if self._phase == "write":
                phases.send = spent
            else:
                phases.wait = spent
        if isinstance(exc, OperationTimeout):
            return timeout_error(request, self._phase, self._phase_limit(request), delivery)
        if isinstance(exc, TotalTimeout):
            return total_timeout(request, exc, delivery)
        if isinstance(exc, h11.LocalProtocolError):
            return protocol_error(LocalProtocolError, request, exc, delivery)
        if isinstance(exc, h11.RemoteProtocolError):
            kind = ResponseTooLarge if exc.error_status_hint == 431 else RemoteProtocolError
            return protocol_error(kind, request, exc, delivery)
        if isinstance(exc, OSError):
            return network_error(WriteError if self._phase == "write" else ReadError, request, exc, delivery)
        return None

    # Sending a body that does not simply go out with the head.

    async def _upload(self, request: RequestState, parser: h11.Connection, head: bytes) -> None:
        """Send head and body until done or until the final answer is there (then in ``_early``)."""
        try:
            if not await self._push(request, parser, head):
                return
            if "expect" in request.headers and await self._answered_in_time(request, parser):
                return
            await self._push_body(request, parser)
        except OSError:
            # The server may have answered and closed while we were writing: its answer counts.
            if not await self._rescued(request, parser):
                raise

    async def _push_body(self, request: RequestState, parser: h11.Connection) -> None:
        body = request.body
        chunked = "transfer-encoding" in request.headers
        total = 0
        data = body.data
        if data is not None and not chunked:
            check_length(request, len(data))
            view = memoryview(data)
            for start in range(0, len(view), WRITE_SIZE):
                if not await self._push(request, parser, view[start : start + WRITE_SIZE]):
                    return
            return
        while chunk := await body.read_chunk():
            total += len(chunk)
            if not chunked:
                check_length(request, total, so_far=True)
            framed = b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk
            if not await self._push(request, parser, framed):
                return
        if chunked:
            await self._push(request, parser, b"0\r\n\r\n")
        else:
            check_length(request, total)

    async def _push(self, request: RequestState, parser: h11.Connection, data: bytes | memoryview) -> bool:
        """Write all of ``data``: True; False if the final answer came first."""
        view = memoryview(data)
        while view:
            taken = await self.stream.write_until_readable(view, self._limit(request))
            view = view[taken:]
            if view and self._answered(request, parser):
                return False
        return True

    def _answered(self, request: RequestState, parser: h11.Connection) -> bool:
        """Look at what the server has sent meanwhile; True if it is the final head (or the end)."""
        data = self.stream.read_nowait(HEAD_READ_SIZE)
        if data is None:
            return False
        self._feed(parser, data)
        self._early = self._next_final(parser, request)
        return self._early is not None or not data

    async def _answered_in_time(self, request: RequestState, parser: h11.Connection) -> bool:
        """Give the server `CONTINUE_WAIT` seconds to say 100 or its final word."""
        limit = self._limit(request)
        try:
            data = await self.stream.read(
                HEAD_READ_SIZE, CONTINUE_WAIT if limit is None else min(limit, CONTINUE_WAIT)
            )
        except OperationTimeout:
            return False
        self._feed(parser, data)
        self._early = self._next_final(parser, request)
        return self._early is not None or not data

    async def _rescued(self, request: RequestState, parser: h11.Connection) -> bool:
        """After a failed write: True if the final head can still be read."""
        try:
            self._early = await self._final_head(request, parser)
        except (OSError, OperationTimeout, RemoteProtocolError, h11.RemoteProtocolError):
            return False
        return True

    # The response's head.

    async def _final_head(self, request: RequestState, parser: h11.Connection) -> h11.Response:
        while True:
            event = self._next_final(parser, request)
            if event is not None:
                return event
            data = await self.stream.read(HEAD_READ_SIZE, self._limit(request))
            if not data:
                begun = bool(parser.trailing_data[0])
                what = "in the middle of the response's head" if begun else "without sending a response"
                raise protocol_error(
                    RemoteProtocolError,
                    request,
                    f"The server closed the connection {what}",
                    Delivery.MAYBE_PROCESSED,
                )
            self._feed(parser, data)

    def _feed(self, parser: h11.Connection, data: bytes) -> None:
        parser.receive_data(data)
        self._received += len(data)
        if data and self._lease is not None:
            self._lease.answered = True

    def _next_final(self, parser: h11.Connection, request: RequestState) -> h11.Response | None:
        """The final head if it is there; 1xx responses are passed over, a bounded number of them."""
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                return None
            self._count_informational(request, event)

    def _count_informational(self, request: RequestState, event: h11.InformationalResponse) -> None:
        if event.status_code == 101:
            what = "The server switched protocols (101), which was not asked for"
            raise protocol_error(RemoteProtocolError, request, what, Delivery.MAYBE_PROCESSED)
        self._informational += 1
        if self._informational > self.limits.max_informational:
            what = f"More than max_informational ({self.limits.max_informational}) 1xx responses"
            raise protocol_error(RemoteProtocolError, request, what, Delivery.MAYBE_PROCESSED)

    def _respond(
        self, request: RequestState, lease: Lease, parser: h11.Connection, event: h11.Response
    ) -> ResponseState:
        self._check_size(request, parser, event)
        headers = Headers._from_raw(list(event.headers))
        reusable = self._early is None and stays_open(request.headers, event.http_version, headers)
        body = self._body(request, lease, parser, event.status_code, headers, reusable)
        return ResponseState(
            event.status_code,
            event.reason.decode("latin-1"),
            "HTTP/" + event.http_version.decode("ascii"),
            headers,
            body,
            request,
            self.stream.info,
        )

    def _check_size(self, request: RequestState, parser: h11.Connection, event: h11.Response) -> None:
        """Hold the head to its bounds: h11 only minds one that is not complete yet."""
        limits = self.limits
        what = None
        if len(event.headers) > limits.max_head_fields:
            what = f"The response has more than max_head_fields ({limits.max_head_fields}) header fields"
        elif (
            self._received > limits.max_head_size
            and self._received - len(parser.trailing_data[0]) > limits.max_head_size
        ):
            what = f"The response's head is larger than max_head_size ({limits.max_head_size} bytes)"
        if what is not None:
            raise protocol_error(ResponseTooLarge, request, what, Delivery.MAYBE_PROCESSED)

    def _body(
        self,
        request: RequestState,
        lease: Lease,
        parser: h11.Connection,
        status_code: int,
        headers: Headers,
        reusable: bool,
    ) -> ResponseBody:
        """The body object for the framing that the head announces (RFC 9112 section 6.3)."""
        length = body_length(request.method, status_code, headers)
        if length == CHUNKED:
            return ChunkedBody(self, request, lease, reusable, parser)
        pending = parser.trailing_data[0]
        if length == UNTIL_CLOSE:
            return ClosingBody(self, request, lease, pending)
        if len(pending) < length:
            return LengthBody(self, request, lease, reusable, pending, length)
        request.phases.receive = 0.0
        self.complete(reusable=reusable and len(pending) == length)
        lease.release()
        return EndedBody(pending[:length])
