"""Header compression (RFC 7541) where hpack is slow: blocks of ordinary requests and responses.

`FieldDecoder.fields` and `FieldEncoder.block` are loops that do without hpack's objects, views and log
records for each field. hpack's own `decode` and `encode` work on the same tables, so either may be used for
any block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hpack.hpack as hpack_codec
import hpack.table as hpack_table
from hpack import (
    Decoder,
    Encoder,
    HPACKDecodingError,
    InvalidTableSizeError,
    NeverIndexedHeaderTuple,
    OversizedHeaderListError,
)
from hpack.huffman_table import decode_huffman
from hpack.table import HeaderTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .headers import Field

ENTRY_OVERHEAD = 32
"""What every entry counts beyond its bytes (section 4.1)."""

INDEXED, INDEXING, RESIZING, NEVER, PLAIN = 0x80, 0x40, 0x20, 0x10, 0x00
"""How a field begins (section 6): known; new and to be kept; none, but a new size; never kept; not kept."""

HEADERS_LEVEL = 10
"""`logging.DEBUG`, at which hpack logs everything that it does."""

PACKED = 0x80
"""A string is in Huffman's code (section 5.2)."""

MAX_UNPACKED = 256
MAX_PACKED_SIZE = 128
"""How many strings a decoder remembers, and of how many bytes each."""

MAX_PLACES = 128
MAX_INDEXED_SIZE = 2048
"""How many fields an encoder remembers to have put into the table, and of how many bytes each."""

VARYING = frozenset(
    [b":path", b"content-length", b"if-match", b"if-modified-since", b"if-none-match", b"range"]
)
"""Fields whose values differ from request to request: in the table they would only push out others."""

_OF_TABLES = (
    "_current_size",
    "_maxsize",
    "_shrink",
    "add",
    "dynamic_entries",
    "get_by_index",
    "maxsize",
    "resized",
)

_STATIC = {field: index for index, field in reversed(list(enumerate(HeaderTable.STATIC_TABLE, 1)))}
_STATIC_NAMES = {name: index for (name, _), index in _STATIC.items()}


class FieldTable(HeaderTable):
    """hpack's table, which says nothing to a logger of what it drops: -4 us for the head of an nginx."""

    def add(self, name: bytes, value: bytes) -> None:
        """Put an entry at the front and drop others from the end (section 4.4)."""
        entries = self.dynamic_entries
        size = len(name) + len(value) + ENTRY_OVERHEAD
        if size > self._maxsize:
            entries.clear()
            self._current_size = 0
            return
        entries.appendleft((name, value))
        size += self._current_size
        while size > self._maxsize:
            dropped = entries.pop()
            size -= len(dropped[0]) + len(dropped[1]) + ENTRY_OVERHEAD
        self._current_size = size

    def _shrink(self) -> None:
        """Drop entries until they fit into a smaller table (section 4.3); `maxsize` calls it."""
        entries, size = self.dynamic_entries, self._current_size
        while size > self._maxsize:
            dropped = entries.pop()
            size -= len(dropped[0]) + len(dropped[1]) + ENTRY_OVERHEAD
        self._current_size = size


class FieldDecoder(Decoder):
    """hpack's decoder, which remembers strings that it has unpacked.

    Servers say the same few strings in every response, and unpacking one takes a loop over its half bytes.
    The head of an nginx takes 8 us instead of 57, about half of that for this reason.
    """

    def __init__(self) -> None:
        super().__init__()
        self.header_table = FieldTable()
        self._unpacked: dict[bytes, bytes] = {}

    def fields(self, block: bytes) -> list[Field]:
        """The fields of a whole header block. Raises HPACKError; the tables are of no use then."""
        table, limit = self.header_table, self.max_header_list_size
        found: list[Field] = []
        position, end, size = 0, len(block), 0
        try:
            while position < end:
                first = block[position]
                position += 1
                if first & INDEXED:
                    index = first & 0x7F
                    if index == 0x7F:
                        index, position = long_integer(block, position, 0x7F)
                    field = table.get_by_index(index)
                elif RESIZING <= first < INDEXING:
                    if found:
                        raise HPACKDecodingError("Table size update not at the start of the block")
                    position = self._resize(block, position)
                    continue
                else:
                    field, position = self._literal(block, position, first)
                    if first & INDEXING:
                        table.add(*field)
                found.append(field)
                size += len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
                if size > limit:
                    raise OversizedHeaderListError(f"A header list larger than {limit} bytes")
        except IndexError as exc:
            raise HPACKDecodingError("Truncated header block") from exc
        if table.maxsize > self.max_allowed_table_size:
            raise InvalidTableSizeError("The encoder did not shrink its table")
        return found

    def _literal(self, block: bytes, position: int, first: int) -> tuple[Field, int]:
        """A field whose value, at least, is spelled out (section 6.2), and where it ends."""
        mask = 0x3F if first & INDEXING else 0x0F
        index = first & mask
        if index == mask:
            index, position = long_integer(block, position, mask)
        if index:
            name = self.header_table.get_by_index(index)[0]
        else:
            name, position = self._string(block, position)
        value, position = self._string(block, position)
        return (name, value), position

    def _string(self, block: bytes, position: int) -> tuple[bytes, int]:
        """A string (section 5.2), and where it ends."""
        first = block[position]
        position += 1
        size = first & 0x7F
        if size == 0x7F:
            size, position = long_integer(block, position, 0x7F)
        end = position + size
        text = block[position:end]
        if len(text) != size:
            raise HPACKDecodingError("Truncated header block")
        if first & PACKED:
            text = self._unpacked.get(text) or self._unpack(text)
        return text, end

    def _unpack(self, packed: bytes) -> bytes:
        """Undo Huffman's code, by hpack. (Its decoder would log the text.)"""
        text = decode_huffman(packed)
        if len(packed) <= MAX_PACKED_SIZE:
            if len(self._unpacked) >= MAX_UNPACKED:
                self._unpacked.clear()
            self._unpacked[packed] = text
        return text

    def _resize(self, block: bytes, position: int) -> int:
        """A new size for the table (section 6.3); where it ends."""
        size = block[position - 1] & 0x1F
        if size == 0x1F:
            size, position = long_integer(block, position, 0x1F)
        if size > self.max_allowed_table_size:
            raise InvalidTableSizeError("The encoder exceeds the size that its table may have")
        self.header_table_size = size
        return position


class FieldEncoder(Encoder):
    """hpack's encoder, which remembers where in the table a field is: -10 us a request.

    Strings go as they are, not in Huffman's code. That would save a fifth of their bytes, for most of them
    once in a connection, and take 0.2 us for each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.header_table = FieldTable()
        self._added = 0
        self._places: dict[Field, int] = {}
        """How many fields had been added when this one was. What it says is checked before it is believed."""

    def block(self, fields: Iterable[Field]) -> bytes:
        """A whole header block. Fields that are `NeverIndexedHeaderTuple` stay out of all tables."""
        table = self.header_table
        entries = table.dynamic_entries
        # What hpack has to say about the table's size comes first.
        block = bytearray(self.encode(()) if table.resized else b"")
        for field in fields:
            index = _STATIC.get(field)
            if index is None and (place := self._places.get(field)) is not None:
                behind = self._added - place
                if behind < len(entries) and entries[behind] == field:
                    index = HeaderTable.STATIC_TABLE_LENGTH + 1 + behind
            if index is None:
                block += self._literal(field)
            elif index < 0x7F:
                block.append(INDEXED | index)
            else:
                block += integer(index, 0x7F, INDEXED)
        return bytes(block)

    def _literal(self, field: Field) -> bytes:
        """A field that is not in the table (section 6.2); in most cases it is from now on."""
        name, value = field
        size = len(name) + len(value) + ENTRY_OVERHEAD
        if isinstance(field, NeverIndexedHeaderTuple):
            kind = NEVER
        elif name in VARYING or size > MAX_INDEXED_SIZE or size > self.header_table.maxsize // 2:
            kind = PLAIN
        else:
            kind = INDEXING
            self._add(name, value)
        index = _STATIC_NAMES.get(name, 0)
        start = integer(index, 0x3F if kind == INDEXING else 0x0F, kind)
        return start + string(value) if index else start + string(name) + string(value)

    def _add(self, name: bytes, value: bytes) -> None:
        self.header_table.add(name, value)
        self._added += 1
        if len(self._places) >= MAX_PLACES:
            self._places.clear()
        self._places[name, value] = self._added


def integer(number: int, mask: int, kind: int) -> bytes:
    """A number (section 5.1) in the bits of ``mask`` and further bytes; the other bits are ``kind``."""
    if number < mask:
        return bytes((kind | number,))
    packed = bytearray((kind | mask,))
    number -= mask
    while number >= 0x80:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def long_integer(block: bytes, position: int, mask: int) -> tuple[int, int]:
    """A number that does not fit into the bits of ``mask``: what follows them at ``position``; and its end.

    As in hpack, five bytes may follow.
    """
    number = mask
    for shift in range(0, 35, 7):
        byte = block[position]
        position += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise HPACKDecodingError("The header block has a number that is too long")


def string(text: bytes) -> bytes:
    """A string as it is (section 5.2)."""
    return integer(len(text), 0x7F, PLAIN) + text


def _is_no_header(record: Any) -> bool:
    return int(record.levelno) > HEADERS_LEVEL


def silence_hpack() -> None:
    """Have hpack log no header.

    Its own `Decoder.decode` and `Encoder.encode` (of plain h2, and of a peer in this process) show cookies
    and keys to a program that logs at level DEBUG.
    """
    for logger in (hpack_codec.log, hpack_table.log):
        logger.addFilter(_is_no_header)  # which is there once, however often it is added


silence_hpack()


def can_be_used() -> bool:
    """Whether this hpack has the tables that we work on."""
    tables = Decoder().header_table, Encoder().header_table
    return (
        all(hasattr(Decoder(), name) for name in ("max_allowed_table_size", "max_header_list_size"))
        and all(type(table) is HeaderTable for table in tables)
        and all(hasattr(tables[0], name) for name in _OF_TABLES)
    )
