"""Heads of HTTP/1.1: composing a request's, and what a response's says of its body and its connection.

Pure functions. h11 judges the grammar in both directions; what is decided here is what follows from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from http3_models._headers import Headers
    from http3_models._records import RequestState

CHUNKED = -1
UNTIL_CLOSE = -2


def body_length(method: str, status_code: int, headers: Headers) -> int:
    """Bytes of the response's body, or `CHUNKED`, or `UNTIL_CLOSE` (RFC 9112 section 6.3).

    h11 has checked the fields: Transfer-Encoding is just ``chunked``, Content-Length one number.
    """
    if method == "HEAD" or status_code in (204, 304):
        return 0
    if "transfer-encoding" in headers:
        return CHUNKED
    length = headers.get("content-length")
    return UNTIL_CLOSE if length is None else int(length)


def stays_open(request_headers: Headers, http_version: bytes, headers: Headers) -> bool:
    """Whether both sides keep the connection for another exchange (RFC 9112 section 9.3).

    A message with both Transfer-Encoding and Content-Length may be an attempt at smuggling: its
    connection is not used again (section 6.3).
    """
    if http_version != b"1.1" or ("transfer-encoding" in headers and "content-length" in headers):
        return False
    return not (has_close(headers) or has_close(request_headers))


def has_close(headers: Headers) -> bool:
    """Whether ``Connection`` lists ``close``."""
    value = headers.get("connection")
    if value is None:
        return False
    lowered = value.lower()
    return "close" in lowered and "close" in [token.strip() for token in lowered.split(",")]


def compose_head(parser: h11.Connection, request: RequestState) -> bytes:
    """The request's head as bytes. Raises h11.LocalProtocolError for what is no valid HTTP."""
    event = h11.Request(method=request.method, target=request.url.full_path, headers=request.headers.wire)
    head = parser.send(event)
    assert head is not None
    return head


def check_length(request: RequestState, sent: int, *, so_far: bool = False) -> None:
    """Compare the body's bytes with its Content-Length. Raises h11.LocalProtocolError, like h11 itself."""
    declared = request.headers.get("content-length")
    if declared is None or "transfer-encoding" in request.headers:
        return
    expected = int(declared)
    if sent > expected or (sent < expected and not so_far):
        what = f"The body has {'more than ' if sent > expected else 'only '}"
        what += f"{min(sent, expected) if sent > expected else sent} bytes, Content-Length says {expected}"
        raise h11.LocalProtocolError(what)
