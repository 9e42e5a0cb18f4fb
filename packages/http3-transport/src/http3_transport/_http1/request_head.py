"""Writes the head of a request.

`Headers.check` has checked each name and value; here the fields are checked together. Everything unusual is
declined: h11 then writes the head, or raises what is wrong with it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from http3_models import LocalProtocolError
from http3_models.engine import TOKEN

from .._content_length import check_sent
from .grammar import MAX_LENGTH_DIGITS, says_close

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models.engine import FieldPair

_MAX_KEPT_TARGET = 1024
"""Characters up to which a target's request line is cached."""

_SINGLE = (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect")
"""Fields that an ordinary head has at most once."""


_PROXY_FIELD = b"proxy-authorization"
_PROXY_FIELD_LENGTH = len(_PROXY_FIELD)


class RequestHead(NamedTuple):
    """A request's head, and what its fields declare: the length of the body in bytes (None: no
    Content-Length), whether the body is chunked, whether to wait for 100 (Continue), whether the connection
    closes afterwards."""

    data: bytes
    length: int | None
    is_chunked: bool
    expects: bool
    closes: bool

    def __repr__(self) -> str:
        return f"<RequestHead of {len(self.data)} bytes>"


def compose(method: str, target: str, headers: Headers, *, to_proxy: bool = False) -> RequestHead | None:
    """The head, byte for byte as h11 would write it; None if h11 is to decide.

    ``headers`` were checked. CONNECT is left to h11, since it changes the meaning of the response.
    ``to_proxy``:
    Proxy-Authorization is sent; else it is left out.
    """
    # A client's requests begin with the same fields, which are written once (-3 to -5 us).
    fields = write_fields(headers, to_proxy=True) if to_proxy else headers.cached(write_fields, extend_fields)
    line = (_kept_line if len(target) <= _MAX_KEPT_TARGET else write_line)(method, target)
    return None if fields is None or line is None else RequestHead(line + fields.data, *fields[1:])


def write_line(method: str, target: str) -> bytes | None:
    """The request line; None for CONNECT, and for a method or target that h11 refuses (allowed is printable
    ASCII without the space)."""
    if method == "CONNECT" or not TOKEN.fullmatch(method):
        return None
    if not target or not target.isascii() or not target.isprintable() or " " in target:
        return None
    return f"{method} {target} HTTP/1.1\r\n".encode()


_kept_line = lru_cache(maxsize=256)(write_line)
"""The lines of recent targets (-1 us)."""


def write_fields(headers: Headers, *, to_proxy: bool = False) -> RequestHead | None:
    """The head without the request line, Host first; None if a field is not ordinary."""
    pairs = headers.wire
    names = [name.lower() for name, _ in pairs]
    by_name = dict(zip(names, [value for _, value in pairs], strict=True))
    if _PROXY_FIELD in by_name and not to_proxy:
        pairs = without_proxy_fields(pairs)
        names = [name.lower() for name, _ in pairs]
    if b"host" not in by_name or (
        len(by_name) < len(names) and any(names.count(name) > 1 for name in _SINGLE)
    ):
        return None
    if any(value != value.strip(b" \t") for _, value in pairs):
        return None
    declared, coding = by_name.get(b"content-length"), by_name.get(b"transfer-encoding")
    if declared is not None and not (declared.isdigit() and len(declared) <= MAX_LENGTH_DIGITS):
        return None
    if coding is not None and (coding != b"chunked" or declared is not None):
        return None
    lines = [b"%b: %b\r\n" % pair for pair in pairs]
    lines.insert(0, lines.pop(names.index(b"host")))
    return RequestHead(
        b"".join([*lines, b"\r\n"]),
        None if declared is None else int(declared),
        coding is not None,
        b"expect" in by_name,
        says_close(by_name.get(b"connection", b"")),
    )


def without_proxy_fields(pairs: list[FieldPair]) -> list[FieldPair]:
    """The fields without Proxy-Authorization, which is for a proxy and never for an origin (RFC 9110 section
    11.7.2)."""
    return [pair for pair in pairs if pair[0].lower() != _PROXY_FIELD]


def extend_fields(fields: RequestHead | None, pairs: list[FieldPair]) -> RequestHead | None:
    """``fields`` followed by ``pairs``, as `write_fields` would write them together.

    The names of the pairs are not in ``fields``. Of the fields that describe the message the pairs have only
    the one that frames the body, and that comes last; see `http3_models._request.prepared_heads`.
    """
    if fields is None:
        return None
    lines = [
        b"%b: %b\r\n" % pair
        for pair in pairs
        if len(pair[0]) != _PROXY_FIELD_LENGTH or pair[0].lower() != _PROXY_FIELD
    ]
    data = b"".join([fields.data[:-2], *lines, b"\r\n"])
    name, value = pairs[-1]
    length = int(value) if name == b"Content-Length" else fields.length
    return RequestHead(data, length, name == b"Transfer-Encoding", fields.expects, fields.closes)


def check_length(head: RequestHead, length: int | None) -> None:
    """Raise LocalProtocolError unless the head announces a body of ``length`` bytes (None: not known)."""
    if length is None:
        if head.length is None and not head.is_chunked:
            what = "A request with a body needs Content-Length or Transfer-Encoding: chunked"
            raise LocalProtocolError(what)
    elif length != (head.length or 0) and not head.is_chunked:
        check_sent(head.length or 0, length, is_end=True)
