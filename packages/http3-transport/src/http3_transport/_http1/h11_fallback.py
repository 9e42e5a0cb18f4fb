"""h11 reads and writes unusual heads. This is the only module that imports h11; it is imported when needed.

The strict modules decline a head before they have used any of it, so h11 starts at its first byte. Errors of
h11 are translated here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

from http3_models import Delivery, LocalProtocolError

from .._errors import Malformed, Oversized, protocol_error
from .grammar import BLANK_LINE, MANY_BLANKS, says_close
from .request_head import RequestHead, without_proxy_fields
from .response_head import CHUNKED, UNTIL_CLOSE, ResponseHead, is_switch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from http3_models import Headers, Limits
    from http3_models.engine import FieldPair, RequestState


SWITCHED = (
    "The server switched to another protocol (101 Switching Protocols), which is not supported: a connection "
    "speaks HTTP/1.1, or HTTP/2 where TLS has agreed on it or http_versions names it alone. Leave out Upgrade"
)
"""Whether it was asked for or not."""


class _Length:
    """A body that was sent, of which only the length is known."""

    __slots__ = ("_length",)

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length


def compose(request: RequestState, target: str, headers: Headers, *, to_proxy: bool = False) -> RequestHead:
    """The head as h11 writes it. Raises LocalProtocolError if it is not valid HTTP."""
    pairs = headers.wire if to_proxy else without_proxy_fields(headers.wire)
    try:
        event = h11.Request(method=request.method, target=target, headers=pairs)
        data = h11.Connection(h11.CLIENT).send(event)
    except h11.LocalProtocolError as exc:
        raise protocol_error(LocalProtocolError, request, exc, Delivery.NOT_SENT) from exc
    fields = dict(event.headers)
    length = fields.get(b"content-length")
    return RequestHead(
        data,
        None if length is None else int(length),
        b"transfer-encoding" in fields,
        b"expect" in fields,
        _closes(event.headers),
    )


def connection_after(request: RequestState, sent: int, finished: bool, max_head_size: int) -> h11.Connection:
    """An h11 connection that has sent the request, ``sent`` bytes of its body, and its end if
    ``finished``."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=max_head_size)
    method, target = request.method, request.url.full_path
    connection.send(h11.Request(method=method, target=target, headers=request.headers.wire))
    if sent:
        # h11 returns the object without reading it; its types require bytes.
        connection.send_with_data_passthrough(h11.Data(data=_Length(sent)))  # type: ignore[arg-type]
    if finished:
        connection.send(h11.EndOfMessage())
    return connection


class LibraryReader:
    """Reads the head of one response from its first byte."""

    __slots__ = ("_connection", "_informational", "_limits", "_method", "_received", "_unseen")

    def __init__(self, connection: h11.Connection, method: str, limits: Limits) -> None:
        self._connection = connection
        self._method = method
        self._limits = limits
        self._informational = 0
        self._received = 0
        self._unseen = b""  # received bytes that `_check_blanks` has not checked

    @property
    def pending(self) -> bytes:
        """Received bytes behind the head."""
        return self._connection.trailing_data[0]

    def read_head(self, data: bytes) -> ResponseHead | None:
        """Add received bytes; the final head if it is complete now. A bounded number of 1xx is skipped.
        Raises Malformed."""
        self._received += len(data)
        self._unseen += data
        self._connection.receive_data(data)
        while True:
            self._check_blanks()
            event = _next_event(self._connection, self._limits)
            if not isinstance(event, h11.Response | h11.InformationalResponse):
                return None
            if not event.http_version.startswith(b"1."):  # h11 takes any two digits
                raise Malformed(f"The server answers in HTTP/{event.http_version.decode('ascii')}")
            if isinstance(event, h11.Response):
                return self._final(event)
            self._count(event)

    def _check_blanks(self) -> None:
        """Check the next head before h11 sees it. Raises Malformed."""
        seen = self._unseen
        end = BLANK_LINE.search(seen)
        if MANY_BLANKS.search(seen, 0, len(seen) if end is None else end.start()):
            raise Malformed("The response's head has more than a thousand blanks in a row")
        self._unseen = seen[len(seen.rstrip(b" \t\r\n")) if end is None else end.end() :]

    def _count(self, event: h11.InformationalResponse) -> None:
        if event.status_code == 101:
            raise Malformed(SWITCHED)
        self._informational += 1
        bound = self._limits.max_informational
        if self._informational > bound:
            raise Malformed(f"More than max_informational ({bound}) 1xx responses")

    def _final(self, event: h11.Response) -> ResponseHead:
        limits = self._limits
        # h11 checks the size only while the head is incomplete.
        size = self._received - len(self.pending)
        if len(event.headers) > limits.max_head_fields:
            what = f"The response has more than max_head_fields ({limits.max_head_fields}) header fields"
            raise Oversized(what)
        if size > limits.max_head_size:
            what = f"The response's head is larger than max_head_size ({limits.max_head_size} bytes)"
            raise Oversized(what)
        fields = list(event.headers)
        return ResponseHead(
            event.status_code,
            event.reason.decode("latin-1"),
            fields,
            _body_length(self._method, event.status_code, dict(fields)),
            _stays_open(event, dict(fields)),
            size,
            protocol="HTTP/" + event.http_version.decode("ascii"),
        )


_FAULTS = {
    "illegal status line": "The status line of the response is malformed",
    "illegal request line": "What the server sent is not an HTTP/1.1 response",
    "no response line received": "The response begins with an empty line instead of a status line",
    "illegal header line": "A header line of the response is malformed",
    "continuation line at start of headers": "The first header line of the response begins with a blank",
    "conflicting Content-Length headers": "The response has several values of Content-Length",
    "bad Content-Length": "The response's Content-Length is not a number of bytes",
    "multiple Transfer-Encoding headers": "The response has several Transfer-Encoding header lines",
    "Only Transfer-Encoding: chunked": "The response's Transfer-Encoding is not supported: only chunked is",
    "Received server _SWITCH_UPGRADE": SWITCHED,
    "InformationalResponse status_code": "The status code of the response is less than 100",
}
"""How h11's messages begin, and the text used instead."""

_CLOSING = "')\""

_SHOWN = re.compile(r"bytearray\(b['\"]([^:]{1,40})")
_NAME = re.compile(_SHOWN.pattern + ":")
"""The part of a line shown by h11 that is no value of a field, since that may be a secret. A line without a
colon may be a secret as a whole."""


def _next_event(connection: h11.Connection, limits: Limits) -> object:
    try:
        return connection.next_event()
    except h11.RemoteProtocolError as exc:
        if exc.error_status_hint == 431:
            what = f"The response's head is larger than max_head_size ({limits.max_head_size} bytes)"
            raise Oversized(what) from exc
        text = _fault(str(exc))
        exc.args = (text,)  # its own text may quote a secret, or internals of h11
        raise Malformed(text) from exc


def _fault(said: str) -> str:
    """The fault of the response, in terms of HTTP."""
    for beginning, text in _FAULTS.items():
        if said.startswith(beginning):
            shown = (_NAME if "header line" in beginning else _SHOWN).search(said)
            return text if shown is None else f"{text}: it begins with '{shown[1].rstrip(_CLOSING)}'"
    return "The response is not valid HTTP/1.1"


def _body_length(method: str, status_code: int, fields: dict[bytes, bytes]) -> int:
    """Bytes of the body, or `CHUNKED`, or `UNTIL_CLOSE` (RFC 9112 section 6.3).

    h11 has checked the fields: Transfer-Encoding is just ``chunked``, Content-Length one number.
    """
    if method == "HEAD" or status_code in (204, 304) or is_switch(method, status_code):
        return 0
    if b"transfer-encoding" in fields:
        return CHUNKED
    length = fields.get(b"content-length")
    return UNTIL_CLOSE if length is None else int(length)


def _stays_open(event: h11.Response, fields: dict[bytes, bytes]) -> bool:
    """Whether the server keeps the connection for another exchange (RFC 9112 section 9.3).

    A message with both Transfer-Encoding and Content-Length may be an attempt at smuggling: its
    connection is not used again (section 6.3).
    """
    if event.http_version != b"1.1" or (b"transfer-encoding" in fields and b"content-length" in fields):
        return False
    return not _closes(event.headers)


def _closes(headers: Iterable[FieldPair]) -> bool:
    return says_close(b",".join([value for name, value in headers if name == b"connection"]))
