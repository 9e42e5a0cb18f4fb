"""One request and its response over an HTTP/2 connection.

The same object runs the exchange and is the body afterwards, since an upload may continue while the response
comes in: a server may respond before it has the whole request (RFC 9113 section 8.1). A final status of 3xx
to 5xx, or a response that is whole, stops the upload. A 2xx does not: the upload continues until it is done
or the send window is closed, and then reading the body continues it.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from http3_models import (
    Delivery,
    Headers,
    LocalProtocolError,
    NetworkError,
    NotConnected,
    ProtocolError,
    ReadError,
    RequestError,
    StatusCode,
)
from http3_models.engine import ResponseState, forget_locals, headers_from_pairs, redacted

from .. import _events
from .._content_length import check_sent
from .._errors import EARLY, network_error, phase_timeout, protocol_error, request_error
from .._interfaces import CONTINUE_WAIT, OperationTimeout
from .headers import Malformed, content_length, request_fields
from .stream import BODY, HEAD, INFORMATIONAL, SETTINGS, WINDOW, Failure, NoStreamLeft

if TYPE_CHECKING:
    from http3_models.engine import Deadline, RequestState

    from .._interfaces import Lease
    from .connection import HTTP2Connection

UPLOAD_STEP = 256 * 1024
"""Bytes of a body sent between two checks for what the server has sent."""


class StreamFailed(Exception):
    """The stream of the exchange has failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class HTTP2Exchange:
    """Runs one exchange; afterwards it is the `ResponseBody`."""

    __slots__ = (
        "_connection",
        "_declared",
        "_expects",
        "_in_user_body",
        "_is_last",
        "_lease",
        "_marked",
        "_open",
        "_pending",
        "_phase",
        "_request",
        "_spends",
        "_stream",
        "_total",
        "_uploading",
        "_whole",
        "trailers",
    )

    def __init__(self, connection: HTTP2Connection, request: RequestState, lease: Lease) -> None:
        self._open = False
        """The stream is open and the lease is held."""
        self._whole = False
        """The response was read to its end."""
        self._in_user_body = False
        """The caller's code runs for the next piece of the request's body."""
        self._connection = connection
        self._request = request
        self._lease = lease
        self._phase = "write"
        self._spends = "send"
        """The field of `PhaseTimes` for the time since the last mark."""
        self._marked = connection.now()
        self._uploading = False
        self._pending: memoryview | None = None
        self._is_last = False
        self._total = 0
        self._declared: int | None = None
        self._expects = False
        self.trailers: Headers | None = None

    def __repr__(self) -> str:
        state = "whole" if self._whole else "open" if self._open else "closed"
        return f"<HTTP2Exchange {state}>"

    # The exchange.

    async def run(self) -> ResponseState:
        """Send the request and return the response's head, with this object as its body."""
        try:
            self._begin()
            await self._send_and_receive_head()
            return self._response()
        except BaseException as exc:  # noqa: BLE001 - raised again
            error = self._fail(exc)
            try:
                if error is None:
                    raise
                raise error from cause_of(exc)
            finally:
                del error  # else the traceback would hold it: a cycle, for the garbage collector

    def _begin(self) -> None:
        """Check the request and queue its HEADERS."""
        request = self._request
        body = request.body
        fields = request_fields(request)
        try:
            self._declared = content_length(fields)
        except Malformed as exc:
            raise LocalProtocolError(str(exc)) from exc
        data = body.data
        if data is not None:
            self._pending = memoryview(data)
            self._is_last = True
            self._count(len(data), over=True)
        self._stream = self._connection.open_stream(fields, end_stream=data is not None and not data)
        self._uploading = not self._stream.request_sent
        self._expects = self._uploading and any(name == b"expect" for name, _ in fields)
        self._open = True

    async def _send_and_receive_head(self) -> None:
        """Send and receive until the final head is received and the upload is done or has to wait."""
        connection, stream = self._connection, self._stream
        if self._pending is None or not self._uploading:
            if connection.is_shared:
                # Others are about to queue theirs: one write for all (-34 us each, 100 at a time on asyncio).
                await connection.turn()
            if not connection.is_partly_sent(stream):
                await connection.send(stream, *self._limits("write"))
        if self._expects:
            await self._await_continue()
        while stream.head is None and stream.failure is None:
            if self._uploading:
                await self._upload(HEAD)
            else:
                if self._phase == "write":
                    self._request.phases.send = self._mark()
                    self._spends = "wait"
                    if self._request.phases.logged:
                        self._log_sent()
                await connection.reader.wait(stream, HEAD, *self._limits("read"))
        if stream.head is None:
            assert stream.failure is not None
            raise StreamFailed(stream.failure)
        if self._uploading:
            await self._upload_beside_answer()
        phases = self._request.phases
        if self._spends == "send":
            phases.send = self._mark()
            if phases.logged:
                self._log_sent()
        phases.wait = self._mark()
        self._spends = "receive"

    def _log_sent(self) -> None:
        connection = self._connection
        _events.sent(connection.protocol, connection.stream.info, self._request, self._stream.stream_id)

    def _response(self) -> ResponseState:
        stream = self._stream
        assert stream.head is not None
        status, fields = stream.head
        self._phase = "read"
        self._lease.answered = True
        if self._request.phases.logged:
            info, protocol = self._connection.stream.info, self._connection.protocol
            _events.received(protocol, info, self._request, status, stream.stream_id)
        response = ResponseState(
            status_code=status,
            reason_phrase=StatusCode.get_reason_phrase(status),
            protocol="HTTP/2",
            headers=headers_from_pairs(fields),
            body=self,
            request=self._request,
            connection=self._connection.stream.info,
        )
        if stream.ended and not stream.inbox:
            self._finish()
        return response

    # The request's body.

    async def _await_continue(self) -> None:
        """Wait for 100 (Continue) or the final head (RFC 9110 section 10.1.1)."""
        await self._connection.send(self._stream, *self._limits("write"))
        await self._wait_a_moment("read", INFORMATIONAL)

    async def _wait_a_moment(self, phase: str, wants: int) -> None:
        """Wait for `CONTINUE_WAIT` seconds at most."""
        limit, deadline = self._limits(phase)
        limit = CONTINUE_WAIT if limit is None else min(limit, CONTINUE_WAIT)
        with suppress(OperationTimeout):
            await self._connection.reader.wait(self._stream, HEAD | wants, limit, deadline)

    def _can_upload(self) -> bool:
        """Whether a step of the upload is possible now; the end of a body needs no send window."""
        return self._uploading and (self._pending is None or self._connection.send_window(self._stream) > 0)

    async def _upload_beside_answer(self) -> None:
        """After the head: continue the upload as long as that is wanted, and possible without waiting."""
        assert self._stream.head is not None
        if self._stream.head[0] >= 300:
            self._uploading = False
        while self._can_upload():
            await self._upload(0)
        self._connection.pass_turn(self._stream)

    async def _upload(self, wants: int) -> None:
        """Send one step of the body; with a closed window wait for it or for ``wants`` (0: don't wait)."""
        connection, stream = self._connection, self._stream
        if self._pending is None:
            if not connection.stream_limit_known and self._request.body.data is None:
                # The caller's code may take long, or make another request to this origin, and other requests
                # wait until the stream limit is known.
                await self._wait_a_moment("write", SETTINGS)
            self._pending = await self._next_pending()
        if stream.request_begun:
            connection.reader.look()
        if stream.reset or stream.ended or stream.failure is not None:
            self._uploading = False  # the rest is not wanted
            connection.pass_turn(stream)
            return
        piece = self._pending[:UPLOAD_STEP]
        end = self._is_last and len(piece) == len(self._pending)
        if piece and not connection.send_window(stream):
            if wants:
                await connection.reader.wait(stream, wants | WINDOW, *self._limits("write"))
            return
        sent = await connection.send(stream, *self._limits("write"), piece, end=end)
        stream.request_begun = True
        self._pending = self._pending[sent:]
        if not self._pending:
            self._pending = None
            self._uploading = not self._is_last
        if self._uploading:
            await connection.turn()

    async def _next_pending(self) -> memoryview:
        """The next piece of the caller's body. What that raises passes to the caller unchanged."""
        self._in_user_body = True
        chunk = await self._request.body.read_chunk()
        self._in_user_body = False
        self._is_last = not chunk
        self._count(len(chunk), over=self._is_last)
        return memoryview(chunk)

    def _count(self, size: int, *, over: bool) -> None:
        """Compare the body with its Content-Length."""
        self._total += size
        if self._total == self._declared:
            return
        try:
            check_sent(self._declared, self._total, is_end=over)
        except LocalProtocolError as exc:
            delivery = Delivery.MAYBE_PROCESSED if self._open else Delivery.NOT_SENT
            raise protocol_error(LocalProtocolError, self._request, exc, delivery) from exc

    # The response's body.

    async def read_chunk(self) -> bytes:
        """The next bytes; b"" at the end."""
        if not self._open:
            return self._after_end()
        try:
            return await self._read()
        except BaseException as exc:  # noqa: BLE001 - raised again
            error = self._fail(exc)
            try:
                if error is None:
                    raise
                raise error from cause_of(exc)
            finally:
                del error  # else the traceback would hold it: a cycle, for the garbage collector

    async def _read(self) -> bytes:
        stream = self._stream
        while True:
            # In this order: the end of a stream is noted after its last piece.
            is_over = stream.ended or stream.failure is not None
            if stream.inbox:
                if self._uploading:  # the caller may not read on soon
                    self._connection.pass_turn(stream)
                return self._take()
            if is_over:
                if stream.failure is not None:
                    raise StreamFailed(stream.failure)
                self._finish()
                return b""
            stream.reader_waiting = True
            if self._can_upload():
                await self._upload(0)
            else:
                wants = BODY | WINDOW if self._uploading else BODY
                await self._connection.reader.wait(stream, wants, *self._limits("read"))

    def _take(self) -> bytes:
        stream = self._stream
        chunk = stream.inbox.popleft()
        stream.unacked += len(chunk)
        if stream.unacked >= stream.window // 2:
            self._connection.update_window(stream)
        return chunk

    def _finish(self) -> None:
        """The response is whole."""
        stream = self._stream
        self._whole = True
        if stream.trailers:
            self.trailers = headers_from_pairs(stream.trailers)
        self._request.phases.receive = self._mark()
        self._close_stream(ErrorCodes.NO_ERROR)

    def _after_end(self) -> bytes:
        if self._whole:
            return b""
        # Not b"": that would mean that the body is whole.
        what = "The body was closed before its end"
        raise network_error(ReadError, self._request, what, Delivery.MAYBE_PROCESSED)

    async def close(self) -> None:
        """Reset the stream if the body is not whole; the connection stays open."""
        self.abort()

    def abort(self) -> None:
        """Reset the stream without waiting."""
        if self._open:
            self._close_stream(ErrorCodes.CANCEL)
            self._stream.inbox.clear()

    def _close_stream(self, code: ErrorCodes) -> None:
        """Close the stream and release the lease."""
        self._open = False
        try:
            self._connection.close_stream(self._stream, code)
        except BaseException:
            self._connection.abort_broken()
            raise
        finally:
            self._lease.release()

    def __del__(self) -> None:
        if getattr(self, "_open", False):  # its constructor may have been interrupted
            self._open = False
            self._lease.release_from_finalizer(partial(self._connection.close_stream_later, self._stream))
            url = redacted(self._request.url)
            warnings.warn(f"the response of {url} was neither read nor closed", ResourceWarning, stacklevel=2)

    # Time limits and failures.

    def _mark(self) -> float:
        """Seconds since the last mark."""
        last, self._marked = self._marked, self._connection.now()
        return self._marked - last

    def _limits(self, phase: str) -> tuple[float | None, Deadline | None]:
        """The time limits of an operation in this phase."""
        self._phase = phase
        return phase_timeout(self._request, phase), self._request.deadline

    def _fail(self, exc: BaseException) -> RequestError | None:
        """End the exchange. Returns the exception to raise; None if ``exc`` is to pass unchanged."""
        forget_locals(cause_of(exc) or exc)
        if self._is_interruption(exc):
            self._connection.abort_broken()
        if not self._open:
            self._lease.release()
            return self._error(exc, Delivery.NOT_SENT)
        stream = self._stream
        setattr(self._request.phases, self._spends, self._mark())
        delivery = self._connection.delivery(stream)
        failure = stream.failure
        if stream.head is not None or stream.informational or (failure is not None and failure.in_answer):
            self._lease.answered = True
        self._check_liveness(exc)
        self.abort()
        return self._error(exc, delivery)

    def _check_liveness(self, exc: BaseException) -> None:
        """After a timeout or a cancellation, check whether the peer is still there.

        A whole read timeout without anything received is proof enough, and so is any timeout before SETTINGS.
        A deadline may have been short; and a server that reads nothing need not send anything.
        """
        timed_out = isinstance(exc, OperationTimeout)
        if self._in_user_body or (isinstance(exc, Exception) and not timed_out):
            return
        deadline = self._request.deadline
        was_patient = self._phase == "read" and (deadline is None or deadline.remaining() > EARLY)
        is_proof = timed_out and (was_patient or not self._connection.stream_limit_known)
        self._connection.note_timeout(self._stream, is_proof=is_proof)

    def _is_interruption(self, exc: BaseException) -> bool:
        """Whether it may have left the connection's state inconsistent. Exceptions of this package, and those
        of the caller's body, do not."""
        if self._in_user_body or isinstance(
            exc, (RequestError, OperationTimeout, StreamFailed, NoStreamLeft)
        ):
            return False
        return self._connection.may_be_half_done(exc)

    def _error(self, exc: BaseException, delivery: Delivery) -> RequestError | None:
        request = self._request
        if isinstance(exc, NoStreamLeft):
            return network_error(NotConnected, request, exc, delivery)
        if isinstance(exc, StreamFailed):
            kind = exc.failure.kind
            if issubclass(kind, ProtocolError):
                return protocol_error(kind, request, exc, delivery)
            assert issubclass(kind, NetworkError)
            return network_error(kind, request, exc, delivery)
        if isinstance(exc, OperationTimeout) or (isinstance(exc, LocalProtocolError) and not self._open):
            return request_error(exc, request, self._phase, delivery)
        return None


def cause_of(exc: BaseException) -> BaseException | None:
    """The cause of a failure: for a failed stream, the exception of the network or of h2."""
    return exc.failure.cause if isinstance(exc, StreamFailed) else exc
