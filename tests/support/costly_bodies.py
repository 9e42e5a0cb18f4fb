"""Encoded bodies of a few KiB that would take minutes to decode: what they unpack to is skipped unseen.

Each is the value of Content-Encoding and the body. Outer layers multiply what an inner coding has to skip.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from functools import cache

from backports import zstd

MIB = 1 << 20


def packed(piece: bytes, times: int, first: bytes = b"") -> bytes:
    """``first`` and ``piece`` many times, in members of gzip of which one holds 16 MiB."""
    count = max(1, (16 * MIB) // len(piece))
    return gzip.compress(first, mtime=0) + gzip.compress(piece * count, 9, mtime=0) * (times // count)


def twice(piece: bytes, times: int, first: bytes = b"") -> bytes:
    """The same, packed once more."""
    return gzip.compress(packed(piece, times, first), 9, mtime=0)


def empty_dynamic_block() -> bytes:
    """Eight blocks of deflate that hold nothing and a code table each, the most costly way to say nothing."""
    fields = [(0, 1), (2, 2), (0, 5), (0, 5), (14, 4)]
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
    fields += [(int(symbol in (1, 18)), 3) for symbol in order]
    fields += [(1, 1), (127, 7), (1, 1), (107, 7), (0, 1), (0, 1), (0, 1)]
    bits = place = 0
    for value, width in fields * 8:
        bits |= value << place
        place += width
    return bits.to_bytes(place // 8, "little")


SKIPPABLE = struct.pack("<LL", 0x184D2A50, 0)
ZSTD_HEAD = b"\x28\xb5\x2f\xfd\x00\x58"


@cache
def costly_bodies() -> dict[str, tuple[str, bytes]]:
    """By name."""
    one = gzip.compress(b"x", mtime=0)
    return {
        "NUL behind the end": ("gzip, gzip, gzip", twice(b"\0" * MIB, 4096, one)),
        "line feeds behind the end": ("gzip, gzip, gzip", twice(b"\n" * MIB, 4096, one)),
        "empty members": ("gzip, gzip, gzip", twice(gzip.compress(b"", mtime=0), 1 << 26, one)),
        "empty stored blocks": ("deflate, gzip, gzip", twice(b"\0\0\0\xff\xff", 1 << 28)),
        "empty dynamic blocks": ("deflate, gzip, gzip", twice(empty_dynamic_block(), 1 << 26)),
        "skippable frames": ("zstd, gzip, gzip", twice(SKIPPABLE, 1 << 28)),
        "large skippable frames": (
            "zstd, gzip, gzip",
            twice(struct.pack("<LL", 0x184D2A50, MIB) + bytes(MIB), 4096),
        ),
        "empty frames": ("zstd, gzip, gzip", twice(zstd.compress(b""), 1 << 27)),
        "empty blocks of zstd": ("zstd, gzip, gzip", twice(bytes(3 * MIB), 1024, ZSTD_HEAD)),
        "empty blocks of brotli": ("br, gzip, gzip", twice(b"\x06" * MIB, 4096, b"\x0c")),
        "five in a row": (
            "gzip, gzip, gzip, gzip, gzip",
            gzip.compress(gzip.compress(twice(bytes(MIB), 4096, one))),
        ),
        "zeros": ("gzip", gzip.compress(bytes(16 * MIB), 9, mtime=0) * 256),
        "zeros in zeros": ("deflate, gzip", gzip.compress(zlib.compress(bytes(64 * MIB), 9), 9, mtime=0)),
    }
