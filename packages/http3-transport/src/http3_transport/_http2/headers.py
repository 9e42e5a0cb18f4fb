"""Header lists of HTTP/2: building those of requests, checking those of responses (RFC 9113 section 8).

Both directions are pure functions over lists of byte pairs. Requests are checked by `Headers.check` and
here, so h2 need not check them again. Responses are checked here and not by h2, for two reasons: a
malformed response is an error of its stream (section 8.1.1), while h2 ends the whole connection; and a
compiled pattern costs a fraction of h2's loop over every byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hpack import NeverIndexedHeaderTuple

from http3_models import LocalProtocolError
from http3_models.engine import CONTROL_BYTES, TOKEN, TOKEN_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from http3_models import Limits
    from http3_models.engine import RequestState

Field = tuple[bytes, bytes]

CONNECTION_FIELDS = frozenset(
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"]
)
"""Fields that speak of an HTTP/1.1 connection: not sent, and malformed where received (section 8.2.2)."""

NOT_SENT = CONNECTION_FIELDS | {b"host", b"proxy-authorization"}
"""Those, and what :authority replaces, and what is for a proxy."""

SECRET_FIELDS = frozenset([b"authorization"])
"""Never put into a compression table: its size would tell when a guess is right (RFC 7541 section 7.1)."""

SHORT_COOKIE = 20
"""Cookies below this many bytes are guessed as easily; nghttp2, Firefox and h2 draw the line here too."""

FIELD_OVERHEAD = 32
"""What every field counts beyond its bytes (RFC 9113 section 6.5.2)."""

_STATUS = re.compile(rb"[1-9][0-9][0-9]")
_DIGITS = re.compile(rb"[0-9]{1,18}")
# Section 8.2.1: no NUL, CR, LF, no blank at either end. The other control characters are RFC 9110's (5.5).
_BAD_VALUE = re.compile(rb"%b|^[ \t]|[ \t]\Z" % CONTROL_BYTES.pattern)

_known_names: set[bytes] = set()
# Names repeat; those that passed are looked up instead of matched. Bounded, so that no server can fill it.
_KNOWN_NAMES = 1024


class Malformed(Exception):
    """A part of a response that breaks the rules; the text says how."""


class Oversized(Malformed):
    """A received header list beyond its bound in `Limits`."""


def request_fields(request: RequestState) -> list[Field]:
    """The header list of a request, pseudo fields first. Raises LocalProtocolError for what can't be sent."""
    method = request.method
    if TOKEN.fullmatch(method) is None:
        raise LocalProtocolError(f"{method!r} is not a valid method")
    if method == "CONNECT":
        raise LocalProtocolError("CONNECT is not supported over HTTP/2")
    request.headers.check()
    raw = request.headers.raw
    authority, dropped = _authority_and_dropped(raw)
    url = request.url
    if authority is None:
        authority = url.authority.rpartition("@")[2].encode("ascii")
    fields: list[Field] = [
        (b":method", method.encode("ascii")),
        (b":scheme", url.scheme.encode("ascii")),
        (b":authority", authority),
        (b":path", url.full_path.encode("ascii")),
    ]
    for field in raw:
        name = field[0]
        if name in dropped:
            continue
        if name == b"te":
            # The one coding that HTTP/2 knows; any other is the connection's affair (section 8.2.2).
            if b"trailers" in field[1].lower():
                fields.append((name, b"trailers"))
        elif name in SECRET_FIELDS or (name == b"cookie" and len(field[1]) < SHORT_COOKIE):
            fields.append(NeverIndexedHeaderTuple(name, field[1].strip(b" \t")))
        else:
            fields.append((name, field[1].strip(b" \t")))
    return fields


def _authority_and_dropped(raw: list[Field]) -> tuple[bytes | None, frozenset[bytes]]:
    """The Host field's value, and the names that are not sent: those that Connection lists go as well."""
    authority = None
    dropped = NOT_SENT
    for name, value in raw:
        if name == b"host":
            authority = value
        elif name == b"connection":
            dropped |= {token.strip(b" \t").lower() for token in value.split(b",")}
    return authority, dropped


def content_length(fields: Iterable[Field]) -> int | None:
    """The value of Content-Length, None without one. Raises Malformed if it is no number, or not one."""
    length = None
    for name, value in fields:
        if name == b"content-length":
            if _DIGITS.fullmatch(value) is None:
                raise Malformed(f"The Content-Length {value!r} is not a number")
            if length is not None and int(value) != length:
                raise Malformed(f"Content-Length says both {length} and {int(value)}")
            length = int(value)
    return length


def response_head(received: Iterable[Field], limits: Limits) -> tuple[int, list[Field]]:
    """Status code and fields of a response's header list. Raises Malformed."""
    pairs = [(field[0], field[1]) for field in received]
    if not pairs or pairs[0][0] != b":status":
        raise Malformed("The response does not begin with :status")
    status = pairs.pop(0)[1]
    if _STATUS.fullmatch(status) is None:
        raise Malformed(f"The :status {status!r} is not a status code")
    check_fields(pairs, limits.max_head_size, "head")
    if len(pairs) > limits.max_head_fields:
        raise Oversized(f"More than max_head_fields ({limits.max_head_fields}) header fields")
    return int(status), pairs


def trailer_fields(received: Iterable[Field], limits: Limits) -> list[Field]:
    """The fields of a response's trailers. Raises Malformed."""
    pairs = [(field[0], field[1]) for field in received]
    check_fields(pairs, limits.max_trailer_size, "trailer")
    if len(pairs) > limits.max_head_fields:
        raise Oversized(f"More than max_head_fields ({limits.max_head_fields}) trailer fields")
    return pairs


def check_fields(fields: list[Field], max_size: int, part: str) -> None:
    """Raise Malformed unless every field is a valid regular one and all fit into ``max_size`` bytes."""
    size = 0
    for name, value in fields:
        if name not in _known_names:
            _check_name(name)
        if _BAD_VALUE.search(value) is not None:
            raise Malformed(f"The value of {name.decode('ascii')} has a character that is not allowed")
        size += len(name) + len(value) + FIELD_OVERHEAD
    if size > max_size:
        raise Oversized(f"The {part} fields are larger than max_{part}_size ({max_size} bytes)")


def _check_name(name: bytes) -> None:
    if TOKEN_BYTES.fullmatch(name) is None or name != name.lower():
        raise Malformed(f"The field name {name!r} is not allowed")
    if name in CONNECTION_FIELDS:
        raise Malformed(f"The field {name.decode('ascii')} belongs to HTTP/1.1 connections")
    if len(_known_names) < _KNOWN_NAMES and len(name) < 64:
        _known_names.add(name)
