"""The grammar of heads, trailers and size lines of chunks in HTTP/1.1 (RFC 9112).

The strict parsers use these patterns; what they decline goes to h11. Each pattern is h11's or narrower: only
CRLF ends a line, a value has no control character but tab, no line is folded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from http3_models.engine import CONTROL_CHARACTERS, TOKEN_BYTES

if TYPE_CHECKING:
    from http3_models.engine import FieldPair

MAX_LENGTH_DIGITS = 18
"""Of a Content-Length. More do not fit into 64 bits; h11 takes 20."""

_TEXT = rb"[^%b]" % CONTROL_CHARACTERS.encode()

# Possessive, since blanks are text as well: else n blanks before a malformed part would take n times n steps.
_FIELD = re.compile(rb"(%b+):[ \t]*+(%b*+)" % (TOKEN_BYTES.pattern, _TEXT))
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-9][0-9]{2})(?: (%b*+))?" % _TEXT)

MANY_BLANKS = re.compile(rb"[ \t\r\n]{1024}")
"""So many blanks are in no real head. h11 takes time quadratic in their number if the line is malformed."""

BLANK_LINE = re.compile(rb"\n\r?\n")
"""Where h11 sees the end of a head. Searched for in an incomplete head, so that a head that h11 accepts is
complete here, too."""

MAX_EXTENSION = 4096
"""Bytes of extensions on a chunk's size line, with blanks before them. No known server sends any."""

_BEHIND_SIZE = rb"[ \t]{0,%d}(?:;%b{0,%d})?" % (MAX_EXTENSION, _TEXT, MAX_EXTENSION)
"""Blanks (BWS) are allowed before the semicolon (RFC 9112 section 7.1.1); some servers send blanks alone."""

_SIZE = rb"([0-9A-Fa-f]{1,20})%b\r\n" % _BEHIND_SIZE
_SIZE_BEGUN = rb"(?:[0-9A-Fa-f]{1,20}%b\r?)?" % _BEHIND_SIZE

FIRST_SIZE = re.compile(_SIZE)
NEXT_SIZE = re.compile(rb"\r\n" + _SIZE)
"""The end of a chunk and the size of the next: one step instead of two for each chunk."""

FIRST_SIZE_BEGUN = re.compile(_SIZE_BEGUN)
NEXT_SIZE_BEGUN = re.compile(rb"\r?|\r\n" + _SIZE_BEGUN)

LONG_EXTENSION = re.compile(rb"[0-9A-Fa-f]{1,20}[ \t]*;")
"""How a size line begins that is too long rather than malformed."""

_MAX_KEPT = 1024
_MAX_KEPT_LENGTH = 128

_kept_fields: dict[bytes, FieldPair] = {}
"""Lines parsed before, since a server repeats most of its lines in every response (1.6 us less for 9 fields,
8 us for 40). Bounded: emptied when full."""

_kept_statuses: dict[bytes, tuple[int, str]] = {}

_NEVER_KEPT = frozenset({b"set-cookie", b"www-authenticate", b"authentication-info"})
"""Fields that are not cached: they hold secrets, and differ in each response."""


def read_status_line(line: bytes) -> tuple[int, str] | None:
    """Status code (200 to 999) and reason of a line without its CRLF; None if it is not of that form."""
    known = _kept_statuses.get(line)
    if known is not None:
        return known
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        return None
    status = (int(match[1]), (match[2] or b"").decode("latin-1"))
    if len(line) <= _MAX_KEPT_LENGTH:
        if len(_kept_statuses) >= _MAX_KEPT:
            _kept_statuses.clear()
        _kept_statuses[line] = status
    return status


def read_fields(lines: list[bytes]) -> list[FieldPair] | None:
    """Pairs of lower-case name and stripped value from lines without their CRLF; None if one is malformed."""
    fields: list[Any] = list(map(_kept_fields.get, lines))
    if not all(fields):
        for position, line in enumerate(lines):
            if fields[position] is None:
                pair = fields[position] = _read_field(line)
                if pair is None:
                    return None
    return fields


def _read_field(line: bytes) -> FieldPair | None:
    match = _FIELD.fullmatch(line)
    if match is None:
        return None
    name = match[1].lower()
    pair = (name, match[2].rstrip(b" \t"))
    if len(line) <= _MAX_KEPT_LENGTH and name not in _NEVER_KEPT:
        if len(_kept_fields) >= _MAX_KEPT:
            _kept_fields.clear()
        _kept_fields[line] = pair
    return pair


def says_close(connection: bytes) -> bool:
    """Whether a ``Connection`` value lists ``close`` (RFC 9112 section 9.6)."""
    lowered = connection.lower()
    return b"close" in lowered and b"close" in [token.strip() for token in lowered.split(b",")]
