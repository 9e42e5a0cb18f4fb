"""The messages of ASGI's HTTP protocol (version 3, HTTP spec 2.4): the scope of a request, and a response
in messages. Pure: the conversation is in `asgi_call`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from http3_models import Headers
from http3_models.engine import headers_from_pairs, percent_decode, short_repr

from .._errors import Malformed
from .response import Head, checked_fields, checked_status

if TYPE_CHECKING:
    from http3_models.engine import RequestState

Message = dict[str, Any]

START = "http.response.start"
BODY = "http.response.body"
TRAILERS = "http.response.trailers"

DISCONNECT = "http.disconnect"


def make_scope(request: RequestState, root_path: str, client: tuple[str, int]) -> Message:
    """What the application gets of a request.

    ``path`` is the whole path, ``root_path`` included, decoded as UTF-8; ``raw_path`` is as sent.
    """
    url = request.url
    path, _, query = url.full_path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": url.scheme,
        "path": percent_decode(path).decode("utf-8", "replace"),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": root_path,
        "headers": request.headers.raw,
        "client": client,
        "server": (url.host, url.port),
        "extensions": {"http.response.trailers": {}},
    }


class AppResponse:
    """What an application has said so far. It owns one invariant: messages come in their order.

    ``head`` is there with the first body message: until then ASGI sends nothing, so that an application which
    fails before can still be answered for.
    """

    __slots__ = ("_expected", "_method", "_start", "_with_trailers", "head", "trailers")

    def __init__(self, method: str) -> None:
        self._method = method
        self._expected: str | None = START
        self._start: Head | None = None
        self._with_trailers = False
        self.head: Head | None = None
        self.trailers: Headers | None = None

    @property
    def wants_body(self) -> bool:
        """True while another piece of the body may come."""
        return self._expected == BODY

    @property
    def is_complete(self) -> bool:
        """True once nothing more may come."""
        return self._expected is None

    def take(self, sent: object) -> bytes:
        """Take the next message; returns its piece of the body. Raises Malformed."""
        if not isinstance(sent, Mapping) or "type" not in sent:
            raise Malformed(f"The application sent {short_repr(sent)}, which is no ASGI message")
        message: Mapping[str, Any] = sent
        kind = message["type"]
        if kind != self._expected:
            what = "after the response was complete"
            if self._expected is not None:
                what = f"where ASGI expects {self._expected!r}"
            raise Malformed(f"The application sent {short_repr(kind)} {what}")
        if kind == BODY:
            return self._take_body(message)
        if kind == START:
            self._take_start(message)
        else:
            self._take_trailers(message)
        return b""

    def _take_start(self, message: Mapping[str, Any]) -> None:
        status = checked_status(message.get("status"))
        headers = checked_fields(_pairs(message.get("headers") or ()))
        self._start = Head(self._method, status, headers)
        self._with_trailers = bool(message.get("trailers", False))
        self._expected = BODY

    def _take_body(self, message: Mapping[str, Any]) -> bytes:
        head = self._start
        assert head is not None
        body = as_bytes(message.get("body", b""))
        head.count(len(body))
        if not message.get("more_body", False):
            head.check_end()
            self._expected = TRAILERS if self._with_trailers else None
        self.head = head
        return body if head.allows_body else b""

    def _take_trailers(self, message: Mapping[str, Any]) -> None:
        fields = checked_fields(_pairs(message.get("headers") or ()))
        earlier = [] if self.trailers is None else self.trailers.wire
        self.trailers = headers_from_pairs(earlier + fields.wire)
        if not message.get("more_trailers", False):
            self._expected = None


def as_bytes(body: object) -> bytes:
    """A piece of a body. Raises Malformed."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, bytearray | memoryview):
        return bytes(body)
    raise Malformed(f"The application's body must be bytes, not {type(body).__name__}")


def _pairs(headers: object) -> list[tuple[bytes, bytes]]:
    if isinstance(headers, str | bytes) or not isinstance(headers, Iterable):
        raise Malformed(f"The application's headers must be pairs of bytes, not {short_repr(headers)}")
    pairs = []
    for pair in headers:
        if not (isinstance(pair, list | tuple) and len(pair) == 2):
            raise Malformed(f"The application's headers must hold pairs of bytes, not {short_repr(pair)}")
        name, value = pair
        if not (isinstance(name, bytes) and isinstance(value, bytes)):
            raise Malformed(f"The application's headers must hold pairs of bytes, not {short_repr(pair)}")
        pairs.append((name, value))
    return pairs
