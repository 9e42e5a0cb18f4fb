"""The head of a request: which headers are sent automatically, and which are refused.

Pure functions over `Headers` and a body's length. A header of the caller replaces the automatic one, None
removes it, and a request whose body would have no clear end is refused before a byte is sent (RFC 9112
sections 6 and 11.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from typing import TYPE_CHECKING, Any

from .._brief import short_repr
from .._codings import accept_encoding
from .._config import USER_AGENT
from .._exceptions import Delivery, LocalProtocolError
from .._grammar import NOT_A_TOKEN, TOKEN
from .._headers import Headers, key_of
from .._url import redacted

if TYPE_CHECKING:
    from .._body_protocols import RequestBody
    from .._headers import FieldPair, HeaderTypes
    from .._records import RequestState
    from .._url import URL

NO_NAMES: frozenset[bytes] = frozenset()

_KNOWN_METHODS = {
    spelling: name
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
    for spelling in (name, name.lower())
}

_ENCLOSING_METHODS = frozenset({"POST", "PUT", "PATCH"})
"""Methods that anticipate a body: without one they send Content-Length: 0 (RFC 9110 section 8.6)."""


def checked_method(method: str) -> str:
    """The method in upper case. Raises TypeError, or LocalProtocolError if it is no token (RFC 9110 section
    9.1)."""
    if not isinstance(method, str):
        raise TypeError(f"method must be a str, not {type(method).__name__}")
    known = _KNOWN_METHODS.get(method)
    if known is not None:
        return known
    name = str.upper(method) if method.isascii() else ""
    if not TOKEN.fullmatch(name):
        raise LocalProtocolError(f"The method {short_repr(method)} {NOT_A_TOKEN}")
    return name


def split_headers(headers: HeaderTypes | None) -> tuple[Headers, frozenset[bytes]]:
    """From ``headers`` of a caller: the fields, and the names (in lower case) whose value is None.

    A `Headers` is returned itself. Raises TypeError like `Headers`.
    """
    if headers is None:
        return Headers(), NO_NAMES
    if isinstance(headers, Headers):
        return headers, NO_NAMES
    pairs: object = headers.items() if isinstance(headers, Mapping) else headers
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise TypeError(f"headers must be a mapping, pairs or Headers, not {type(headers).__name__}")
    kept: list[Any] = []
    removed: list[Any] = []
    for pair in pairs:
        is_removal = isinstance(pair, tuple | list) and len(pair) == 2 and pair[1] is None
        (removed if is_removal else kept).append(pair)
    if not removed:
        return Headers(kept), NO_NAMES
    return Headers(kept), frozenset([key_of(pair[0]) for pair in removed])


def merged_headers(defaults: Headers | None, given: Headers, removed: frozenset[bytes]) -> Headers:
    """The client's headers; those of the request replace or remove them."""
    if not defaults:
        return given
    if not given and not removed:
        return defaults
    merged = defaults.copy()
    merged.update(given)
    for name in removed:
        merged.pop(name, None)  # type: ignore[call-overload]
    return merged


AUTOMATIC = frozenset({b"user-agent", b"accept", b"accept-encoding", b"connection"})
"""The automatic headers of a client, beside Host and those that describe the body."""


@cache
def _automatic() -> tuple[tuple[bytes, FieldPair], ...]:
    return (
        (b"user-agent", (b"User-Agent", USER_AGENT.encode())),
        (b"accept", (b"Accept", b"*/*")),
        (b"accept-encoding", (b"Accept-Encoding", accept_encoding().encode())),
        (b"connection", (b"Connection", b"keep-alive")),
    )


@cache
def _automatic_pairs() -> tuple[FieldPair, ...]:
    return tuple([pair for _, pair in _automatic()])


FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Where the caller wrote one of these, `check_framing` compares it with the body."""

_IDENTITY: FieldPair = (b"Accept-Encoding", b"identity")
"""Sent with Range: a range of a compressed body can't be decoded."""


def complete_headers(
    method: str,
    url: URL,
    given: Headers,
    removed: frozenset[bytes],
    body: RequestBody,
    content_type: str | None,
) -> Headers:
    """All headers of a request, Host first, checked.

    Raises LocalProtocolError for a malformed header, and where the end of the body would be ambiguous.
    """
    if given or removed:
        given.check()
        names = {name.lower() for name, _ in given.wire}
        pairs = _with_automatic(url, given, names, removed)
    else:
        names = set()
        pairs = [(b"Host", url.netloc.encode()), *_automatic_pairs()]
    if content_type is not None and b"content-type" not in names and b"content-type" not in removed:
        pairs.append((b"Content-Type", content_type.encode()))
    frame = framing(method, body, names, removed)
    if frame is not None:
        pairs.append(frame)
    headers = Headers._from_raw(pairs)
    headers._encoding = given._encoding
    headers._checked = headers.version  # the automatic ones are well-formed
    if not names.isdisjoint(FRAMING):
        check_framing(headers, body)
    return headers


def _with_automatic(
    url: URL, given: Headers, names: set[bytes], removed: frozenset[bytes]
) -> list[FieldPair]:
    """Host, the automatic fields that the caller did not replace or remove, and the caller's fields."""
    pairs = given.wire
    if b"host" in names:
        host = [pair for pair in pairs if pair[0].lower() == b"host"]
        pairs = [pair for pair in pairs if pair[0].lower() != b"host"]
    elif b"host" in removed:
        raise LocalProtocolError("The Host header can't be removed (RFC 9112 section 3.2)")
    else:
        host = [(b"Host", url.netloc.encode())]
    if not removed >= AUTOMATIC:
        host += automatic_pairs(names, removed)
    return host + pairs


def automatic_pairs(names: AbstractSet[bytes], removed: AbstractSet[bytes]) -> list[FieldPair]:
    """The automatic fields beside fields with these ``names``, without those in ``removed``."""
    return [
        _IDENTITY if key == b"accept-encoding" and b"range" in names else pair
        for key, pair in _automatic()
        if key not in names and key not in removed
    ]


def framing(
    method: str, body: RequestBody, names: AbstractSet[bytes], removed: AbstractSet[bytes]
) -> FieldPair | None:
    """Content-Length or Transfer-Encoding (RFC 9112 section 6); None where none is needed, or one is
    given."""
    if b"content-length" in names or b"transfer-encoding" in names:
        return None
    length = body.length
    if not length and length is not None and method not in _ENCLOSING_METHODS:
        return None
    if length is not None and b"content-length" not in removed:
        return (b"Content-Length", str(length).encode())
    if length == 0:
        return None
    if b"transfer-encoding" in removed:
        raise LocalProtocolError("A request with a body needs Content-Length or Transfer-Encoding: chunked")
    return (b"Transfer-Encoding", b"chunked")


def check_framing(headers: Headers, body: RequestBody) -> None:
    """Raise LocalProtocolError unless there is one Host, and the end of the body is clear."""
    host = headers.get("host")
    if host is None or ("," in host and len(headers.getlist("host")) > 1):
        raise LocalProtocolError("A request must have one Host header (RFC 9112 section 3.2)")
    length = headers.get("content-length")
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if length is not None:
            raise LocalProtocolError("A request must not have both Content-Length and Transfer-Encoding")
        if coding.rpartition(",")[2].strip().lower() != "chunked":
            raise LocalProtocolError(f"The last Transfer-Encoding must be chunked, not {short_repr(coding)}")
    elif length is not None:
        _check_length(length, body.length)
    elif body.length != 0:
        raise LocalProtocolError("A request with a body needs Content-Length or Transfer-Encoding: chunked")


def _check_length(declared: str, length: int | None) -> None:
    # 18 digits fit the integers of any receiver, and are quickly parsed.
    if not (declared.isascii() and declared.isdigit()) or len(declared) > 18:
        raise LocalProtocolError(f"Content-Length must be one number, not {short_repr(declared)}")
    if length is not None and int(declared) != length:
        raise LocalProtocolError(f"Content-Length says {declared} bytes, the body has {length}")


def check_request(state: RequestState) -> None:
    """Check a request before it is sent: hooks and auth may have changed it since it was built.

    Raises LocalProtocolError. Cheap where nothing changed.
    """
    try:
        state.headers.check()
        check_framing(state.headers, state.body)
    except LocalProtocolError as exc:
        raise with_request_info(exc, state.method, state.url) from exc.__cause__


def with_request_info(error: LocalProtocolError, method: str, url: URL) -> LocalProtocolError:
    """The same error, with method and URL in its text and `Delivery.NOT_SENT`."""
    if error.delivery is None:
        error.args = (f"{error}: {method} {redacted(url)}",)
        error.delivery = Delivery.NOT_SENT
    return error


def add_required_headers(headers: Headers, method: str, url: URL, body: RequestBody) -> None:
    """Add Host and what frames the body where they are missing, after headers or method were replaced."""
    if "host" not in headers:
        headers["Host"] = url.netloc
    present = {name for name, _ in headers.raw}
    frame = framing(method, body, present, NO_NAMES)
    if frame is not None:
        headers.add(*frame)
