"""Decodes the chunked transfer coding of a response (RFC 9112 section 7.1).

Everything but the content is bounded: the digits of a size, extensions, trailers. All chunked bodies are
decoded here, also if h11 has read the head. What h11 refuses is refused here, except blanks before an
extension; and a little more: bare line feeds, folded lines, fields of framing in the trailers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import Malformed, Oversized
from .grammar import (
    BLANK_LINE,
    FIRST_SIZE,
    FIRST_SIZE_BEGUN,
    LONG_EXTENSION,
    MAX_EXTENSION,
    NEXT_SIZE,
    NEXT_SIZE_BEGUN,
    read_fields,
)

if TYPE_CHECKING:
    from http3_models.engine import FieldPair

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""Fields that are not allowed in trailers (RFC 9110 section 6.5.1)."""


_PLAIN_END = b"\r\n0\r\n\r\n"
"""The end of a chunk, the last chunk, and no trailers."""


class ChunkedDecoder:
    """Turns received bytes into content, in time linear in their number.

    After each `feed`: ``is_over`` is True once the last chunk and the trailers were received; then
    ``trailers`` has their fields, and ``has_leftover`` is True if bytes follow. ``fault`` is set if the
    coding is malformed behind the returned content.
    """

    __slots__ = (
        "_begun",
        "_left",
        "_max_trailers",
        "_rest",
        "_trailers",
        "fault",
        "has_leftover",
        "is_over",
        "trailers",
    )

    def __init__(self, max_trailer_size: int) -> None:
        self.is_over = False
        self.has_leftover = False
        self.trailers: list[FieldPair] = []
        self.fault: Malformed | None = None
        self._max_trailers = max_trailer_size
        self._left = 0  # bytes of the current chunk not received yet
        self._begun = False  # the first size was read: a CRLF comes before the next
        self._rest = b""  # the beginning of a size line
        self._trailers: bytearray | None = None  # from the last chunk on

    def feed(self, data: bytes) -> bytes:
        """The content in ``data``, b"" if there is none. For one long chunk that is ``data`` itself."""
        if self.is_over or self.fault is not None:
            raise RuntimeError("the body has ended")
        left = self._left
        if left >= len(data):
            self._left = left - len(data)
            return data
        if self._trailers is not None:
            self._add_trailers(data)
            return b""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        return self._split(data)

    def _split(self, data: bytes) -> bytes:
        """Content of chunks that begin or end in ``data``. Slices of a memoryview are copied only once."""
        view = memoryview(data)
        pieces = []
        position, left = 0, self._left
        end_of_content = len(data) - len(_PLAIN_END)
        while True:
            if left:
                end = position + left
                pieces.append(view[position:end])
                if end > len(data):
                    self._left = end - len(data)
                    break
                position = end
            match = (NEXT_SIZE if self._begun else FIRST_SIZE).match(data, position)
            if match is None:
                self._left = 0
                self._keep(data[position:])
                break
            self._begun = True
            position = match.end()
            left = int(match[1], 16)
            if not left:
                self._left = 0
                self._trailers = bytearray()
                self._add_trailers(data[position:])
                break
            if position + left == end_of_content and data.endswith(_PLAIN_END):
                # Nearly all bodies end like this (-3 us).
                pieces.append(view[position:end_of_content])
                self._left = 0
                self.is_over = True
                break
        return b"".join(pieces)

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of a size line, if it can become a valid one."""
        if (NEXT_SIZE_BEGUN if self._begun else FIRST_SIZE_BEGUN).fullmatch(rest):
            self._rest = rest
            return
        line = rest.removeprefix(b"\r\n").partition(b"\r")[0]
        if len(line) > MAX_EXTENSION and LONG_EXTENSION.match(line):
            self.fault = Oversized(f"A chunk has extensions of more than {MAX_EXTENSION} bytes")
        else:
            self.fault = Malformed(f"A chunk's end or size is malformed: {rest[:40]!r}")

    def _add_trailers(self, data: bytes) -> None:
        """Collect trailers until the blank line that ends them."""
        trailers = self._trailers
        assert trailers is not None
        searched = len(trailers)
        trailers += data
        largest = self._max_trailers + len(b"\r\n")
        size = _end_of_trailers(trailers, searched)
        if size > largest or (not size and len(trailers) >= largest):
            self.fault = Oversized(
                f"The trailers are larger than max_trailer_size ({self._max_trailers} bytes)"
            )
        elif size:
            self._end(bytes(trailers[:size]))
            self.has_leftover = self.is_over and len(trailers) > size

    def _end(self, block: bytes) -> None:
        lines = block.split(b"\r\n")
        fields = read_fields(lines[:-2]) if lines[-2:] == [b"", b""] else None
        if fields is None or any(name in _FRAMING for name, _ in fields):
            self.fault = Malformed("The trailers are malformed")
        else:
            self.trailers = fields
            self.is_over = True


def _end_of_trailers(trailers: bytearray, searched: int) -> int:
    """The size of the trailers including the blank line; 0 if that was not received yet.

    What h11 takes for the end is the end here too, even if the strict grammar refuses it afterwards.
    """
    for blank in (b"\r\n", b"\n"):
        if trailers.startswith(blank):
            return len(blank)
    match = BLANK_LINE.search(trailers, max(searched - 2, 0))
    return 0 if match is None else match.end()
