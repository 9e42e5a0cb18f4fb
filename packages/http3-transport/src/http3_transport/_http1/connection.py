"""HTTP/1.1 over one stream: one exchange at a time (RFC 9112).

Ordinary heads are written and read by the strict modules of this folder. A head that they decline goes to h11
from its first byte; h11 is imported only then. This module owns one invariant: **the connection is used again
only when it is proven idle**: the request was sent whole, the response was read whole, no byte came behind
it.

A body that is not sent in one write with the head is sent by `upload`, which looks for early answers.

    phase      from                                  to
    IDLE       opened, or the exchange has ended     exchange()
    COMPOSE    exchange() was called                 the head is valid; nothing was sent yet
    WRITE      the first write                       the request is out, or its answer came early
    READ       the request is out                    the response is read whole: `complete()`

The connection may be closed or aborted in each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from http3_models import (
    Delivery,
    LocalProtocolError,
    RequestError,
)
from http3_models.engine import BufferedBody, ResponseState, forget_locals, headers_from_pairs

from .. import _events
from .._errors import Malformed, is_alert, request_error, time_left
from .._interfaces import OperationTimeout
from .body import ChunkedBody, ClosingBody, LengthBody, send_on
from .head_reader import HeadReader
from .request_head import RequestHead, check_length, compose
from .response_head import (
    CHUNKED,
    STATUS_LINE_START,
    UNTIL_CLOSE,
    ResponseHead,
    announces_body,
    is_switch,
)
from .upload import Upload

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from http3_models import ConnectionInfo, Limits
    from http3_models.engine import RequestState, ResponseBody

    from .._interfaces import Clock, Lease, Stream
    from .interfaces import RequestForm

IDLE, COMPOSE, WRITE, READ = "idle", "compose", "write", "read"
"""The phases of a connection, see above."""

FAST = True
"""True: ordinary heads are read and written without h11. False: h11 reads and writes all of them."""

HEAD_READ_SIZE = 64 * 1024
"""Bytes asked of the kernel while a head is awaited: most small answers come whole with one read."""

SMALL_BODY = 64 * 1024
"""A body up to this size goes out with the head in one write; it fits a socket's send buffer."""


DOUBT_SECONDS = 1.0
"""How long a connection is not used after a 304 whose head announces a body. A 304 has none, and its head may
say how long that of a 200 would be (RFC 9110 section 15.4.5). A server that wrongly sends a body does so
within this time; later it would be taken for the answer to the next request."""

_AT_ONCE = float("-inf")


class HTTP11Connection:
    """An HTTP/1.1 connection; the methods are those of `ProtocolConnection`."""

    __slots__ = (
        "_began",
        "_closed",
        "_doubt",
        "_form",
        "_info",
        "_lease",
        "_phase",
        "_upload",
        "asks_caller",
        "fast",
        "limits",
        "now",
        "reader",
        "stream",
        "was_aborted",
    )

    protocol = "HTTP/1.1"

    def __init__(
        self,
        stream: Stream,
        *,
        now: Clock,
        limits: Limits,
        fast: bool | None = None,
        form: RequestForm | None = None,
    ) -> None:
        self.stream = stream
        self._form = form
        self.now = now
        self.limits = limits
        self.fast = FAST if fast is None else fast
        self.was_aborted = False
        self.asks_caller = False
        self._closed = False
        self._phase = IDLE
        self._began = 0.0
        self._info: ConnectionInfo | None = None
        self._lease: Lease | None = None
        self._upload: Upload | None = None
        self._doubt: float | None = None
        """After a response that has no body, whatever its head says (HEAD, 204, 304): when the next request
        may be sent. Bytes that come before the answer to that may be such a body."""
        self.reader = HeadReader(limits, fast=self.fast)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "idle" if self._phase == IDLE else "busy"
        return f"<HTTP11Connection {state}>"

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request."""
        return self._closed

    @property
    def is_idle(self) -> bool:
        """True if no exchange is under way."""
        return self._phase == IDLE

    @property
    def stream_limit(self) -> int:
        """One exchange at a time; none once closed."""
        return 0 if self._closed else 1

    def check(self) -> bool:
        """Whether the idle connection can still be used: not if anything has arrived, which answers no
        request."""
        if self._closed:
            return False
        try:
            if (self._doubt is None or self._doubt <= self.now()) and self.stream.read_nowait(1) is None:
                return True
        except OSError:
            self.abort()
            return False
        self.close()
        return False

    def close(self) -> None:
        """Close in good order."""
        if not self._closed:
            self._closed = True
            self.stream.close()

    def abort(self) -> None:
        """Drop the socket."""
        self.was_aborted = True
        self._closed = True
        self.stream.abort()

    def drop(self) -> None:
        """Drop the socket. There is no lock that another thread may hold."""
        self.stream.abort()

    def complete(self, *, reusable: bool) -> None:
        """The exchange has ended in both directions; called by the response's body."""
        self._phase = IDLE
        if not reusable:
            self.close()

    # One exchange.

    async def exchange(self, request: RequestState, lease: Lease) -> ResponseState:
        """Send the request, read the response's head."""
        early = None
        self._phase = COMPOSE
        self._lease = lease
        try:
            head = self._compose(request)
            closes, sending = head.closes, self._send(request, head)
            del head
            try:
                early = await sending
            except OSError as exc:
                early = await self._rescued(request, exc)
            phases, began = request.phases, self._began
            self._began = sent = self.now()
            phases.send = sent - began
            self._phase = READ
            if phases.logged:
                _events.sent(self.protocol, self.stream.info, request)
            head_read = early or await self.final_head(request)
            phases.wait = self.now() - sent
            if phases.logged:
                _events.received(self.protocol, self.stream.info, request, head_read.status_code)
            response = self._respond(request, lease, closes, head_read)
        except BaseException as exc:  # noqa: BLE001 - raised again
            if self._phase != COMPOSE or not isinstance(exc, LocalProtocolError):
                self.abort()  # a request that was refused before it was sent leaves the connection idle
            forget_locals(exc)
            error = self._error(exc, request)
            self._forget()
            self._phase = IDLE
            lease.release()
            try:
                if error is None:
                    raise
                raise error from exc
            finally:
                del error  # else the traceback would hold it: a cycle, for the garbage collector
        if early is not None:
            await send_on(response.body)
        return response

    def _forget(self) -> None:
        """Drop what belongs to the exchange. Called before its lease is released: after that another thread
        may begin the next one."""
        self._lease = self._upload = None
        self.reader.reset()

    def _compose(self, request: RequestState) -> RequestHead:
        """The request's head. Raises LocalProtocolError if it does not fit the body."""
        headers = request.headers
        headers.check()
        form, target = self._form, request.url.full_path
        if form is not None:
            target, headers = form.write(request)
            headers.check()
        to_proxy = form is not None
        head = compose(request.method, target, headers, to_proxy=to_proxy) if self.fast else None
        if head is None:
            from .h11_fallback import compose as compose_by_library

            head = compose_by_library(request, target, headers, to_proxy=to_proxy)
        check_length(head, request.body.length)
        return head

    def _send(self, request: RequestState, head: RequestHead) -> Coroutine[Any, Any, ResponseHead | None]:
        """Send the request. A small one is one write: no further coroutine, no look for an early answer. For
        any other the final head is returned if it came early."""
        data = request.body.data
        self._began = self.now()
        self._phase = WRITE
        if data is None or len(data) > SMALL_BODY or head.is_chunked or head.expects:
            self._upload = Upload(self, request, head)
            return self._upload.send()
        self.reader.body_sent = len(data)
        self.reader.finished = True  # holds for each answer that is read: if this write fails there is none
        return self.stream.write(head.data + data if data else head.data, time_left(request, self._phase))

    async def _rescued(self, request: RequestState, failure: OSError) -> ResponseHead:
        """After a write has failed: the final head, if it can be read, since the server may have answered
        before.

        Raises the alert by which the server ended TLS, else ``failure``.
        """
        upload = self._upload
        if upload is not None:
            upload.is_broken = True
        # On a reused connection what arrives may answer no request: a small request is sent again instead.
        if not (self.asks_caller or is_alert(failure)) and (upload is not None or self._info is None):
            time_left(request, self._phase)  # raises OperationTimeout, which the next lines are not to hide
            try:
                return await self.final_head(request)
            except (OperationTimeout, Malformed):
                pass
            except OSError as exc:
                if is_alert(exc):
                    raise
        raise failure

    def _error(self, exc: BaseException, request: RequestState) -> RequestError | None:
        phase, delivery = self._phase, Delivery.MAYBE_PROCESSED
        if phase == COMPOSE:
            phase, delivery = WRITE, Delivery.NOT_SENT
        elif phase == WRITE:
            request.phases.send = self.now() - self._began
        else:
            request.phases.wait = self.now() - self._began
        if self.asks_caller and not isinstance(exc, LocalProtocolError):
            return None
        return request_error(exc, request, phase, delivery, fresh=self._info is None)

    # The response's head.

    async def final_head(self, request: RequestState) -> ResponseHead:
        """Read until the final head is complete. Raises Malformed, OSError, OperationTimeout."""
        while data := await self.stream.read(HEAD_READ_SIZE, time_left(request, self._phase)):
            response = self.take(request, data)
            if response is not None:
                return response
        begun = self.reader.has_begun
        what = "in the middle of the response's head" if begun else "without sending a response"
        if not (begun or request.url.is_ssl or self._info):  # OpenSSL does so, without an alert
            what = f"{what}; if it speaks TLS on this port, write https:// in the URL"
        raise Malformed(f"The server closed the connection {what}")

    def take(self, request: RequestState, data: bytes) -> ResponseHead | None:
        """Add received bytes; the final head if it is complete now. Raises Malformed."""
        if not data:
            return None
        if self._doubt is not None:
            self._doubt = None
            if not STATUS_LINE_START.startswith(data[: len(STATUS_LINE_START)]):
                # These bytes answer no request, so this one may be sent again.
                raise Malformed(f"Behind a response without body came what is no response: {data[:20]!r}")
        if self._lease is not None:
            self._lease.answered = True
        return self.reader.take(request, data)

    def _respond(
        self, request: RequestState, lease: Lease, closes: bool, response: ResponseHead
    ) -> ResponseState:
        info = self._info
        if info is None:
            self._info = info = self.stream.info
        status_code, reason, fields, length, stays_open, _, by_name, protocol = response
        reusable = stays_open and not closes
        if not length and is_switch(request.method, status_code):
            return self._switched(request, lease, response)
        if not length and (request.method == "HEAD" or status_code in (204, 304)):
            self._doubt = _AT_ONCE
            if request.method != "HEAD" and announces_body(fields):
                # A 204 may not announce one (RFC 9110 section 8.6, RFC 9112 section 6.1): a body may follow.
                reusable = reusable and status_code == 304
                self._doubt = self.now() + DOUBT_SECONDS
        upload = self._upload
        if upload is not None and (upload.is_over or not upload.goes_on(response)):
            reusable = reusable and upload.is_over  # else the rest of the request is never sent
            upload = None
        body = self._body(request, lease, length, reusable, upload)
        headers = headers_from_pairs(fields, by_name)
        return ResponseState(
            status_code=status_code,
            reason_phrase=reason,
            protocol=protocol,
            headers=headers,
            body=body,
            request=request,
            connection=info,
        )

    def _switched(self, request: RequestState, lease: Lease, response: ResponseHead) -> ResponseState:
        """After a 2xx to CONNECT: the response, with what came behind its head. The stream is a tunnel: it
        stays open, and belongs to the one who made this connection; there is no further request."""
        content = self.reader.pending
        self._forget()
        self._closed = True
        self._phase = IDLE
        lease.release()
        return ResponseState(
            status_code=response.status_code,
            reason_phrase=response.reason,
            protocol=response.protocol,
            headers=headers_from_pairs(response.fields, response.by_name),
            body=BufferedBody(content),
            request=request,
            connection=self._info,
        )

    def _body(
        self, request: RequestState, lease: Lease, length: int, reusable: bool, upload: Upload | None
    ) -> ResponseBody:
        """The body object for the framing that the head announces (RFC 9112 section 6.3)."""
        pending = self.reader.pending
        decoded = self.reader.decode() if length == CHUNKED else None
        self._forget()
        trailers = None
        if decoded is not None:
            decoder, content = decoded
            if not decoder.is_over:
                return ChunkedBody(self, request, lease, reusable, upload, decoder, content)
            trailers = headers_from_pairs(decoder.trailers) if decoder.trailers else None
            is_whole = not decoder.has_leftover
        elif length == UNTIL_CLOSE:
            return ClosingBody(self, request, lease, upload, pending)
        elif len(pending) < length:
            return LengthBody(self, request, lease, reusable, upload, pending, length)
        else:
            content, is_whole = pending[:length], len(pending) == length
        request.phases.receive = 0.0
        self.complete(reusable=reusable and is_whole and upload is None)
        lease.release()
        return BufferedBody(content, trailers)
