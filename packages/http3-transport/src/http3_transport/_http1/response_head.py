"""Parses the heads of ordinary HTTP/1.1 responses strictly, from the bytes received so far.

There are three results: a head; incomplete; declined. Declined is everything unusual: 1xx, HTTP/1.0, a bare
line feed, a folded line, several or conflicting lengths, another coding than chunked, a part beyond its
limit. h11 then parses the same bytes from the first on. What is accepted here is accepted by h11 with the
same fields (a test compares the two).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .grammar import BLANK_LINE, MAX_LENGTH_DIGITS, read_fields, read_status_line, says_close

if TYPE_CHECKING:
    from http3_models import Limits
    from http3_models.engine import FieldIndex, FieldPair

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

STATUS_LINE_START: Final = b"HTTP/"

_BEGINNING = b"HTTP/1.1 "

_SINGLE = (b"content-length", b"transfer-encoding", b"connection")
"""Fields that an ordinary head has at most once."""


class Verdict(enum.Enum):
    """Why there is no head."""

    INCOMPLETE = enum.auto()
    DECLINED = enum.auto()


INCOMPLETE: Final = Verdict.INCOMPLETE
DECLINED: Final = Verdict.DECLINED


class ResponseHead(NamedTuple):
    """A final response's head.

    ``fields`` have lower-case names; ``by_name`` has them too, if none is repeated. ``length`` is that of the
    body in bytes, or `CHUNKED`, or `UNTIL_CLOSE`. ``stays_open``: the server keeps the connection open.
    ``size`` is that of the head in bytes.
    """

    status_code: int
    reason: str
    fields: list[FieldPair]
    length: int
    stays_open: bool
    size: int
    by_name: FieldIndex | None = None
    protocol: str = "HTTP/1.1"

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status_code}, {len(self.fields)} fields>"


def read_head(
    data: bytes | bytearray, method: str, limits: Limits, searched: int = 0
) -> ResponseHead | Verdict:
    """Read the head at the start of ``data``, for a request with this method.

    In the first ``searched`` bytes its end was not found before, so that feeding byte by byte stays linear.
    """
    end = data.find(b"\r\n\r\n", searched - 3 if searched > 3 else 0)
    if end < 0:
        return _verdict(data, limits, searched)
    lines = bytes(data[:end]).split(b"\r\n")
    status = read_status_line(lines.pop(0))
    size = end + 4
    if status is None or size > limits.max_head_size or len(lines) > limits.max_head_fields:
        return DECLINED
    fields = read_fields(lines)
    if fields is None:
        return DECLINED
    by_name: dict[bytes, Any] = dict(fields)  # of bytes; `Headers`, which gets it, may put lists beside them
    repeats = len(by_name) < len(fields)
    if repeats and _repeats_single(fields):
        return DECLINED
    length = _body_length(method, status[0], by_name)
    if length is None:
        return DECLINED
    connection = by_name.get(b"connection")
    stays_open = connection is None or connection == b"keep-alive" or not says_close(connection)
    return ResponseHead(*status, fields, length, stays_open, size, None if repeats else by_name)


def _verdict(data: bytes | bytearray, limits: Limits, searched: int) -> Verdict:
    """For an incomplete head: whether it can still become an ordinary one."""
    if not _BEGINNING.startswith(data[: len(_BEGINNING)]) or len(data) > limits.max_head_size:
        return DECLINED
    return DECLINED if BLANK_LINE.search(data, max(searched - 2, 0)) else INCOMPLETE


def _repeats_single(fields: list[FieldPair]) -> bool:
    names = [name for name, _ in fields]
    return any(names.count(name) > 1 for name in _SINGLE)


def _body_length(method: str, status_code: int, by_name: dict[bytes, bytes]) -> int | None:
    """Bytes of the body, `CHUNKED` or `UNTIL_CLOSE` (RFC 9112 section 6.3); None if h11 is to decide.

    Fields that do not apply (HEAD, 204, 304) must be valid all the same.
    """
    declared = by_name.get(b"content-length")
    length = UNTIL_CLOSE
    if declared is not None:
        if not declared.isdigit() or len(declared) > MAX_LENGTH_DIGITS:
            return None
        length = int(declared)
    coding = by_name.get(b"transfer-encoding")
    if coding is not None:
        if coding != b"chunked" or declared is not None:
            return None
        length = CHUNKED
    if method == "CONNECT":
        return None
    return 0 if method == "HEAD" or status_code in (204, 304) else length


def is_switch(method: str, status_code: int) -> bool:
    """Whether the connection is a tunnel after this response (RFC 9110 section 9.3.6). It has no body,
    whatever its head says."""
    return method == "CONNECT" and 200 <= status_code < 300


def announces_body(fields: list[FieldPair]) -> bool:
    """Whether these fields announce a body, although status or method exclude one."""
    by_name = dict(fields)
    return b"transfer-encoding" in by_name or by_name.get(b"content-length", b"").strip(b"0") != b""


def says_goodbye(response: ResponseHead) -> bool:
    """Whether the server closes the connection after this response (RFC 9112 section 9.6)."""
    if response.stays_open:
        return False
    return says_close(b",".join([value for name, value in response.fields if name == b"connection"]))
