"""Response bodies of HTTP/1.1, one class for each framing of RFC 9112 section 6.3.

A body ends in one of two places: `_Body._finish` when it is whole, `_Body._fail` when it is not. Both decide
whether the connection can be used again, and release the lease.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from http3_models import (
    Delivery,
    Headers,
    LocalProtocolError,
    ReadError,
    RemoteProtocolError,
    RequestError,
)
from http3_models.engine import WholeBody, forget_locals, headers_from_pairs, redacted

from .._errors import network_error, protocol_error, request_error, time_left
from .._interfaces import FillingStream
from .body_buffer import BodyBuffer

if TYPE_CHECKING:
    from http3_models.engine import Deadline, RequestState, ResponseBody

    from .._interfaces import Lease
    from .chunked import ChunkedDecoder
    from .interfaces import ExchangeOwner
    from .upload import Upload

READ_SIZE = 256 * 1024
"""Bytes asked of the kernel at a time for a body: a larger size saved no measurable CPU time."""


class _Body:
    """What all framings share: the lease of the connection, time limits, and how a body ends."""

    __slots__ = (
        "_lease",
        "_over",
        "_owner",
        "_request",
        "_reusable",
        "_started",
        "_upload",
        "_whole",
        "trailers",
    )

    def __init__(
        self,
        owner: ExchangeOwner,
        request: RequestState,
        lease: Lease,
        reusable: bool,
        upload: Upload | None,
    ) -> None:
        self._owner = owner
        self._request = request
        self._lease = lease
        self._reusable = reusable
        self._upload = upload  # still under way: this response came before its end
        self._over = False
        self._whole = False
        self._started = owner.now()
        self.trailers: Headers | None = None

    async def _receive(self, max_bytes: int) -> bytes:
        stream, upload = self._owner.stream, self._upload
        if upload is not None and not upload.is_over:
            data = stream.read_nowait(max_bytes)
            if data is not None:
                return data
            await self.send_on()
        return await stream.read(max_bytes, time_left(self._request, "read"))

    async def send_on(self) -> None:
        """Continue the upload, if there is one, until it is complete or the server has sent something."""
        upload = self._upload
        if upload is not None and not (upload.is_over or upload.is_broken):
            await upload.resume()

    def _finish(self, *, reusable: bool) -> None:
        """The body is whole."""
        self._over = self._whole = True
        self._request.phases.receive = self._owner.now() - self._started
        upload = self._upload
        self._owner.complete(reusable=reusable and self._reusable and (upload is None or upload.is_over))
        self._lease.release()

    def _fail(self, exc: BaseException) -> None:
        """The body is not whole and will not be. Raises the error; returns if ``exc`` is to be raised
        unchanged."""
        forget_locals(exc)
        if not self._over:
            self._request.phases.receive = self._owner.now() - self._started
        self.abort()
        error = self._error(exc)
        try:
            if error is not None:
                raise error from exc
        finally:
            del error  # else the traceback would hold it: a cycle, for the garbage collector

    def _error(self, exc: BaseException) -> RequestError | None:
        if self._owner.asks_caller and not isinstance(exc, LocalProtocolError):
            return None
        return request_error(exc, self._request, "read", Delivery.MAYBE_PROCESSED)

    def _cut(self, how: str) -> RemoteProtocolError:
        return protocol_error(
            RemoteProtocolError, self._request, f"The body was cut: {how}", Delivery.MAYBE_PROCESSED
        )

    async def read_chunk(self) -> bytes:
        """The next bytes; b"" at the end."""
        if self._over:
            return self._after_end()
        try:
            return await self._read()
        except BaseException as exc:
            self._fail(exc)
            raise

    async def _read(self) -> bytes:
        raise NotImplementedError("each framing reads in its own way")

    def _after_end(self) -> bytes:
        if not self._whole:
            # Not b"": that would mean that the body is whole.
            what = "The body was closed before its end"
            raise network_error(ReadError, self._request, what, Delivery.MAYBE_PROCESSED)
        return b""

    async def close(self) -> None:
        """Close the connection with the unread rest, which would come before the next response."""
        self.abort()

    def abort(self) -> None:
        """Close the connection without waiting."""
        if not self._over:
            self._over = True
            self._owner.abort()
            self._lease.release()

    def __del__(self) -> None:
        if not getattr(self, "_over", True):  # its constructor may have been interrupted
            self._over = True
            self._lease.release_from_finalizer(self._owner.abort)
            if not self._owner.was_aborted:  # else the exchange was interrupted, and that was raised
                text = f"the response of {redacted(self._request.url)} was neither read nor closed"
                warnings.warn(text, ResourceWarning, stacklevel=2)


async def send_on(body: ResponseBody | None) -> None:
    """After an early response: continue the upload while the server takes it and sends nothing more. The
    caller gets the response afterwards, and may not read its body to the end.
    """
    if isinstance(body, _Body):
        try:
            await body.send_on()
        except BaseException as exc:
            body._fail(exc)
            raise


class LengthBody(_Body, WholeBody):
    """A body of Content-Length bytes."""

    __slots__ = ("_length", "_pending", "_remaining")

    def __init__(
        self,
        owner: ExchangeOwner,
        request: RequestState,
        lease: Lease,
        reusable: bool,
        upload: Upload | None,
        pending: bytes,
        length: int,
    ) -> None:
        super().__init__(owner, request, lease, reusable, upload)
        self._length = length
        self._pending = pending
        self._remaining = length - len(pending)

    async def _read(self) -> bytes:
        if self._pending:
            data, self._pending = self._pending, b""
            return data
        data = await self._receive(min(self._remaining, READ_SIZE))
        self._count(len(data))
        return data

    @property
    def deadline(self) -> Deadline | None:
        return self._request.deadline

    @property
    def received(self) -> int:
        return self._length - self._remaining

    async def read_whole(self) -> bytes:
        """The whole body; received without a copy if the stream is a `FillingStream`."""
        if self._over:
            return self._after_end()
        try:
            return await self._fill()
        except BaseException as exc:
            self._fail(exc)
            raise

    async def _fill(self) -> bytes:
        buffer = BodyBuffer(len(self._pending) + self._remaining, self._pending)
        try:
            while self._remaining:
                with buffer.room() as room:
                    count = await self._receive_into(room)
                self._count(count)
                buffer.add(count)
            return buffer.take()
        finally:
            buffer.release()

    async def _receive_into(self, room: memoryview) -> int:
        stream = self._owner.stream
        if self._upload is None and isinstance(stream, FillingStream):
            return await stream.read_into(room, time_left(self._request, "read"))
        data = await self._receive(min(len(room), READ_SIZE))
        room[: len(data)] = data
        return len(data)

    def _count(self, received: int) -> None:
        if not received:
            raise self._cut(f"the server closed the connection {self._remaining} bytes before its end")
        self._remaining -= received
        if not self._remaining:
            self._finish(reusable=True)


class ClosingBody(_Body):
    """A body that ends with the connection. Over TLS it is whole only after a close_notify alert."""

    __slots__ = ("_pending",)

    def __init__(
        self,
        owner: ExchangeOwner,
        request: RequestState,
        lease: Lease,
        upload: Upload | None,
        pending: bytes,
    ) -> None:
        super().__init__(owner, request, lease, False, upload)
        self._pending = pending

    async def _read(self) -> bytes:
        if self._pending:
            data, self._pending = self._pending, b""
            return data
        data = await self._receive(READ_SIZE)
        if not data:
            if self._owner.stream.is_truncated:
                raise self._cut("the TLS connection ended without a close_notify alert")
            self._finish(reusable=False)
        return data


class ChunkedBody(_Body):
    """Chunked transfer coding (RFC 9112 section 7.1); ``pending`` is content that came with the head."""

    __slots__ = ("_decoder", "_pending")

    def __init__(
        self,
        owner: ExchangeOwner,
        request: RequestState,
        lease: Lease,
        reusable: bool,
        upload: Upload | None,
        decoder: ChunkedDecoder,
        pending: bytes,
    ) -> None:
        super().__init__(owner, request, lease, reusable, upload)
        self._decoder = decoder
        self._pending = pending

    async def _read(self) -> bytes:
        decoder = self._decoder
        content, self._pending = self._pending, b""
        while not content:
            if decoder.fault is not None:
                raise decoder.fault
            data = await self._receive(READ_SIZE)
            if not data:
                raise self._cut("the server closed the connection before its last chunk")
            content = decoder.feed(data)
            if decoder.is_over:
                if decoder.trailers:
                    self.trailers = headers_from_pairs(decoder.trailers)
                self._finish(reusable=not decoder.has_leftover)
                break
        return content
