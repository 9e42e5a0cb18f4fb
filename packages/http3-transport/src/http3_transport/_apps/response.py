"""What an application answers, judged as strictly as if it had come over a network; for ASGI and WSGI alike.

Pure: nothing here waits. An invalid response raises `Malformed`, which becomes a RemoteProtocolError where
the request is known: the application is the remote side.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from http3_models import Delivery, Headers, LocalProtocolError, RemoteProtocolError, StatusCode
from http3_models.engine import (
    CONTROL_BYTES,
    TOKEN_BYTES,
    BufferedBody,
    ResponseState,
    headers_from_pairs,
    short_repr,
)

from .._content_length import check_sent
from .._errors import Malformed, protocol_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from http3_models import ProtocolError
    from http3_models.engine import RequestState, ResponseBody

GRACE = 1.0
"""Seconds that an application whose client went away may take to notice; then it is cancelled."""

_DIGITS = re.compile(rb"[0-9]{1,18}")

ErrorT = TypeVar("ErrorT", bound="ProtocolError")


class ClientDisconnected(OSError):
    """The client of this request went away. Raised inside of an application that still reads or writes."""


def checked_status(status: object) -> int:
    """A final status code. Raises Malformed."""
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 999:
        raise Malformed(f"The application's status must be an int from 200 to 999, not {short_repr(status)}")
    return int(status)


def checked_fields(fields: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Header or trailer fields (RFC 9110 section 5). Raises Malformed, naming the field."""
    pairs = []
    for name, value in fields:
        if TOKEN_BYTES.fullmatch(name) is None:
            raise Malformed(f"The application's header name {short_repr(name)} is not a token")
        if CONTROL_BYTES.search(value) is not None:
            raise Malformed(
                f"The application's header {short_repr(name.decode())} has a control character in its value"
            )
        pairs.append((name, value.strip(b" \t")))
    return headers_from_pairs(pairs)


class Head:
    """The head of a response, and how many bytes of body it allows."""

    __slots__ = ("_left", "allows_body", "headers", "reason_phrase", "status_code")

    def __init__(
        self, method: str, status_code: int, headers: Headers, reason_phrase: str | None = None
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        if reason_phrase is None:
            reason_phrase = StatusCode.get_reason_phrase(status_code)
        self.reason_phrase = reason_phrase
        self.allows_body = method != "HEAD" and status_code not in (204, 304)
        length = declared_length(headers)
        self._left = length if self.allows_body else None

    def count(self, size: int) -> None:
        """Count a piece of the body. Raises Malformed if it is more than Content-Length says."""
        if self._left is not None:
            self._left -= size
            if self._left < 0:
                raise Malformed(
                    f"The application's body is {-self._left} bytes longer than its Content-Length"
                )

    def check_end(self) -> None:
        """Raise Malformed if bytes are missing."""
        if self._left:
            raise Malformed(f"The application's body is {self._left} bytes shorter than its Content-Length")

    def respond(self, request: RequestState, body: ResponseBody) -> ResponseState:
        """The response's record."""
        try:
            return ResponseState(
                status_code=self.status_code,
                reason_phrase=self.reason_phrase,
                protocol="HTTP/1.1",
                headers=self.headers,
                body=body,
                request=request,
            )
        except BaseException:  # an interrupt
            body.abort()
            raise


def declared_length(headers: Headers) -> int | None:
    """Content-Length where it counts (RFC 9112 section 6.3). Raises Malformed if it isn't one number."""
    if "content-length" not in headers or "transfer-encoding" in headers:
        return None
    values = headers.getlist("content-length")
    if len(set(values)) > 1 or _DIGITS.fullmatch(values[0].encode()) is None:
        raise Malformed(
            f"The application's Content-Length must be one number, not {short_repr(', '.join(values))}"
        )
    return int(values[0])


def server_error(request: RequestState) -> ResponseState:
    """What servers answer when an application failed before it said anything."""
    text = b"" if request.method == "HEAD" else b"Internal Server Error"
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21")]
    return Head(request.method, 500, headers_from_pairs(fields)).respond(request, BufferedBody(text))


def invalid(request: RequestState, what: Malformed | str) -> RemoteProtocolError:
    """The exception for an answer that is none."""
    return protocol_error(RemoteProtocolError, request, what, Delivery.MAYBE_PROCESSED)


def cut(request: RequestState, how: str) -> RemoteProtocolError:
    """The exception for a body whose end will never come."""
    return invalid(request, f"The body was cut: {how}")


class CountedBody:
    """A request's body on its way to an application, compared with its Content-Length."""

    __slots__ = ("_declared", "_request", "_sent")

    def __init__(self, request: RequestState) -> None:
        declared = request.headers.get("content-length")
        self._request = request
        self._declared = None if declared is None or "transfer-encoding" in request.headers else int(declared)
        self._sent = 0

    async def read_chunk(self) -> bytes:
        """The next chunk, b"" at the end. Raises what the body raises, and LocalProtocolError."""
        chunk = await self._request.body.read_chunk()
        self._sent += len(chunk)
        try:
            check_sent(self._declared, self._sent, is_end=not chunk)
        except LocalProtocolError as exc:
            raise protocol_error(LocalProtocolError, self._request, exc, Delivery.MAYBE_PROCESSED) from exc
        return chunk
