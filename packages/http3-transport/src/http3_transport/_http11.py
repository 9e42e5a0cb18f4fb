"""HTTP/1.1 over one stream: one exchange at a time (RFC 9112).

Ordinary heads are written and read by the strict modules beside this one; h11 gets what they decline, from
its first byte, and is not even imported before. Bodies are counted here. This module owns one invariant: **the
connection is offered again only when it is proven idle**: request sent whole, response read whole, no byte
beyond it.

While an upload runs the answer may come early (413, 401, a redirect): each write stops as soon as there
is something to read. What is read is a 1xx (go on) or the final head (stop sending, deliver it, and do not
reuse the connection).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from ._http11_chunked import ChunkedDecoder
from ._http11_grammar import Malformed, Oversized
from ._http11_request import RequestHead, compose
from ._http11_response import CHUNKED, DECLINED, INCOMPLETE, UNTIL_CLOSE, ResponseHead, Verdict, read_head
from ._interfaces import OperationTimeout

if TYPE_CHECKING:
    from http3_models._config import Limits
    from http3_models._records import ConnectionInfo, RequestState, ResponseBody

    from ._http11_library import LibraryReader
    from ._interfaces import Clock, Lease, Stream

FAST = True
"""Whether ordinary heads and chunked bodies are read and written without h11. False: all of them by h11."""

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
        "_body_sent",
        "_early",
        "_finished",
        "_head_begun",
        "_idle",
        "_info",
        "_lease",
        "_library",
        "_pending",
        "_phase",
        "_sent",
        "_stream_closed",
        "fast",
        "limits",
        "now",
        "stream",
        "was_aborted",
    )

    protocol = "HTTP/1.1"

    def __init__(self, stream: Stream, *, now: Clock, limits: Limits, fast: bool | None = None) -> None:
        self.stream = stream
        self.now = now
        self.limits = limits
        self.fast = FAST if fast is None else fast
        self.was_aborted = False
        self._stream_closed = False
        self._idle = True
        self._phase = "write"
        self._began = 0.0
        self._info: ConnectionInfo | None = None
        self._lease: Lease | None = None
        # Of the exchange under way:
        self._sent = self._finished = False
        self._body_sent = 0
        self._early: ResponseHead | None = None
        self._library: LibraryReader | None = None
        self._head_begun: bytearray | None = None
        self._pending = b""

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
        self._idle = self._sent = self._finished = False
        self._phase = "write"
        self._body_sent = 0
        self._lease = lease
        try:
            return await self._converse(request, lease)
        except BaseException as exc:
            if self._sent or not isinstance(exc, LocalProtocolError):
                self.abort()
            self._idle = True
            lease.release()
            error = self._translated(exc, request)
            if error is None:
                raise
            raise error from exc
        finally:
            self._lease = self._early = self._library = self._head_begun = None
            self._pending = b""

    async def _converse(self, request: RequestState, lease: Lease) -> ResponseState:
        head = self._compose(request)
        data = request.body.data
        check_length(request, head)
        phases = request.phases
        self._began = began = self.now()
        self._sent = True
        if data is not None and len(data) <= SMALL_BODY and not head.is_chunked and not head.expects:
            self._body_sent = len(data)
            await self.stream.write(head.data + data if data else head.data, self._limit(request))
            self._finished = True
        else:
            await self._upload(request, head)
        self._began = sent = self.now()
        phases.send = sent - began
        self._phase = "read"
        response = self._early or await self._final_head(request)
        phases.wait = self.now() - sent
        return self._respond(request, lease, head, response)

    def _compose(self, request: RequestState) -> RequestHead:
        headers = request.headers
        headers.check()
        head = compose(request.method, request.url.full_path, headers) if self.fast else None
        if head is None:
            from ._http11_library import compose as compose_by_library

            head = compose_by_library(request)
        return head

    def _limit(self, request: RequestState) -> float | None:
        """Seconds the next write or read may take."""
        timeout = request.timeout
        limit = None
        if timeout is not None:
            limit = timeout.write_timeout if self._phase == "write" else timeout.read_timeout
        return limit if request.deadline is None else request.deadline.within(limit)

    def _translated(self, exc: BaseException, request: RequestState) -> RequestError | None:
        delivery = Delivery.MAYBE_PROCESSED if self._sent else Delivery.NOT_SENT
        if self._sent:
            phases, spent = request.phases, self.now() - self._began
            if self._phase == "write":
                phases.send = spent
            else:
                phases.wait = spent
        if isinstance(exc, OperationTimeout):
            timeout = request.timeout
            limit = None if timeout is None else getattr(timeout, f"{self._phase}_timeout")
            return timeout_error(request, self._phase, limit, delivery)
        if isinstance(exc, TotalTimeout):
            return total_timeout(request, exc, delivery)
        if isinstance(exc, LocalProtocolError) and exc.delivery is None:
            return protocol_error(LocalProtocolError, request, exc, delivery)
        if isinstance(exc, Malformed):
            kind = ResponseTooLarge if isinstance(exc, Oversized) else RemoteProtocolError
            return protocol_error(kind, request, exc, delivery)
        if isinstance(exc, OSError):
            return network_error(WriteError if self._phase == "write" else ReadError, request, exc, delivery)
        return None

    # Sending a body that does not simply go out with the head.

    async def _upload(self, request: RequestState, head: RequestHead) -> None:
        """Send head and body until done or until the final answer is there (then in ``_early``)."""
        try:
            if not await self._push(request, head.data):
                return
            if head.expects and await self._answered_in_time(request):
                return
            self._finished = await self._push_body(request, head)
        except OSError:
            # The server may have answered and closed while we were writing: its answer counts.
            if not await self._rescued(request):
                raise

    async def _push_body(self, request: RequestState, head: RequestHead) -> bool:
        """Write the body: True; False if the final answer came first."""
        body = request.body
        data = body.data
        if data is not None and not head.is_chunked:
            view = memoryview(data)
            for start in range(0, len(view), WRITE_SIZE):
                self._body_sent = min(start + WRITE_SIZE, len(view))
                if not await self._push(request, view[start : start + WRITE_SIZE]):
                    return False
            return True
        while chunk := await body.read_chunk():
            self._body_sent += len(chunk)
            if not head.is_chunked:
                check_sent(head, self._body_sent, so_far=True)
            framed = b"%x\r\n%b\r\n" % (len(chunk), chunk) if head.is_chunked else chunk
            if not await self._push(request, framed):
                return False
        if head.is_chunked:
            return await self._push(request, b"0\r\n\r\n")
        check_sent(head, self._body_sent)
        return True

    async def _push(self, request: RequestState, data: bytes | memoryview) -> bool:
        """Write all of ``data``: True; False if the final answer came first."""
        view = memoryview(data)
        while view:
            taken = await self.stream.write_until_readable(view, self._limit(request))
            view = view[taken:]
            if view and self._answered(request):
                return False
        return True

    def _answered(self, request: RequestState) -> bool:
        """Look at what the server has sent meanwhile; True if it is the final head (or the end)."""
        data = self.stream.read_nowait(HEAD_READ_SIZE)
        if data is None:
            return False
        self._early = self._take(request, data)
        return self._early is not None or not data

    async def _answered_in_time(self, request: RequestState) -> bool:
        """Give the server `CONTINUE_WAIT` seconds to say 100 or its final word."""
        limit = self._limit(request)
        try:
            data = await self.stream.read(
                HEAD_READ_SIZE, CONTINUE_WAIT if limit is None else min(limit, CONTINUE_WAIT)
            )
        except OperationTimeout:
            return False
        self._early = self._take(request, data)
        return self._early is not None or not data

    async def _rescued(self, request: RequestState) -> bool:
        """After a failed write: True if the final head can still be read."""
        try:
            self._early = await self._final_head(request)
        except (OSError, OperationTimeout, Malformed):
            return False
        return True

    # The response's head.

    async def _final_head(self, request: RequestState) -> ResponseHead:
        while True:
            data = await self.stream.read(HEAD_READ_SIZE, self._limit(request))
            if not data:
                begun = self._head_begun or (self._library is not None and self._library.pending)
                raise Malformed(
                    "The server closed the connection "
                    + ("in the middle of the response's head" if begun else "without sending a response")
                )
            response = self._take(request, data)
            if response is not None:
                return response

    def _take(self, request: RequestState, data: bytes) -> ResponseHead | None:
        """Add what came; the final head if it is there now. Raises Malformed."""
        if not data:
            return None
        if self._lease is not None:
            self._lease.answered = True
        library = self._library
        if library is None:
            response = self._read_strictly(request, data) if self.fast else DECLINED
            if response is INCOMPLETE:
                return None
            if response is not DECLINED:
                return response
            library = self._library = self._hand_over(request)
            if self._head_begun is not None:
                data = bytes(self._head_begun)
        final = library.read_head(data)
        if final is not None:
            self._pending = library.pending
        return final

    def _read_strictly(self, request: RequestState, data: bytes) -> ResponseHead | Verdict:
        begun = self._head_begun
        searched = 0
        if begun is not None:
            searched = len(begun)
            begun += data
        response = read_head(data if begun is None else begun, request.method, self.limits, searched)
        if isinstance(response, ResponseHead):
            self._pending = data[response.size :] if begun is None else bytes(begun[response.size :])
        elif begun is None:
            self._head_begun = bytearray(data)
        return response

    def _hand_over(self, request: RequestState) -> LibraryReader:
        """h11 in the place of the strict reader; it is told what was sent, and gets the head from its start."""
        from ._http11_library import LibraryReader, connection_after

        connection = connection_after(request, self._body_sent, self._finished, self.limits.max_head_size)
        return LibraryReader(connection, request.method, self.limits)

    def _respond(
        self, request: RequestState, lease: Lease, sent: RequestHead, response: ResponseHead
    ) -> ResponseState:
        info = self._info
        if info is None:
            self._info = info = self.stream.info
        # After an early answer the rest of the request will never come.
        reusable = response.stays_open and not sent.closes and self._early is None
        return ResponseState(
            response.status_code,
            response.reason,
            response.protocol,
            Headers._from_raw(response.fields),
            self._body(request, lease, response.length, reusable),
            request,
            info,
        )

    def _body(self, request: RequestState, lease: Lease, length: int, reusable: bool) -> ResponseBody:
        """The body object for the framing that the head announces (RFC 9112 section 6.3)."""
        pending = self._pending
        if length == UNTIL_CLOSE:
            return ClosingBody(self, request, lease, pending)
        if length != CHUNKED:
            if len(pending) < length:
                return LengthBody(self, request, lease, reusable, pending, length)
            content, trailers = pending[:length], None
            reusable = reusable and len(pending) == length
        else:
            library = self._library
            decoder = ChunkedDecoder(self.limits.max_trailer_size) if library is None else library.decoder()
            content = decoder.feed(pending if library is None else b"")
            if not decoder.is_over:
                return ChunkedBody(self, request, lease, reusable, decoder, content)
            trailers = decoder.trailers
            reusable = reusable and not decoder.has_leftover
        request.phases.receive = 0.0
        self.complete(reusable=reusable)
        lease.release()
        return EndedBody(content, Headers._from_raw(trailers) if trailers else None)


def check_length(request: RequestState, head: RequestHead) -> None:
    """Compare the body's length, where known, with what the head says. Raises LocalProtocolError."""
    length = request.body.length
    if length is not None:
        check_sent(head, length)
    elif head.length is None and not head.is_chunked:
        raise LocalProtocolError("A request with a body needs Content-Length or Transfer-Encoding: chunked")


def check_sent(head: RequestHead, sent: int, *, so_far: bool = False) -> None:
    """Compare the body's bytes with its Content-Length. Raises LocalProtocolError."""
    if head.is_chunked:
        return
    expected = head.length or 0
    if sent > expected or (sent < expected and not so_far):
        what = f"The body has {'more than ' if sent > expected else 'only '}"
        what += f"{min(sent, expected)} bytes, Content-Length says {expected}"
        raise LocalProtocolError(what)
