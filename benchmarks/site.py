"""What the server serves: where, and which bytes, so that every answer can be checked.

All files are prefixes of one endless text: a block of pseudo-random bytes, repeated. Its length is a prime,
so a byte too few or too many anywhere shows at the start of the next piece: comparing a few bytes there and
the total finds what could go wrong in a client, and costs nothing beside a read.

Imported by the measured process: nothing heavy may be imported here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from .clients.seam import Json

KIB = 1024
MIB = 1024 * KIB

SIZES = {"1k": KIB, "64m": 64 * MIB, "256m": 256 * MIB, "1g": 1024 * MIB}
"""The files, by name."""

PERIOD = 65_521
"""Bytes of the block: a prime, and small, since it is part of the memory that is measured."""

LOOK = 32
"""Bytes that are compared at the start of each piece."""


HEADERS = {
    f"X-Measured-{n:02}": "$request_id" if n % 4 == 0 else f"a value, as long as most are: {n * 7919:06}"
    for n in range(32)
}
"""What /headers/ adds to nginx's own eight. Every fourth value is another in each response."""

HEADER = "x-measured-31"
"""The one that is looked up."""

DOCUMENT: Json = [
    {
        "id": number,
        "name": f"Person {number}",
        "active": number % 3 == 0,
        "score": number / 8,
        "tags": ["a", "b"],
    }
    for number in range(26)
]
"""What is sent to /json, and comes from there: some 2 KiB of JSON."""


class Site(NamedTuple):
    """Where the server listens. URLs have no slash at the end: ``site.plain + "/1k"``."""

    plain: str
    """HTTP/1.1"""
    tls: str
    """TLS, HTTP/1.1"""
    http2: str
    """TLS, HTTP/2"""
    ca_file: str
    folder: str
    """What was PUT to /stored/NAME is a file there."""


def _make_block() -> bytes:
    words = (hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(PERIOD // 32 + 1))
    block = b"".join(words)[:PERIOD]
    return block + block[:LOOK]


BLOCK = _make_block()


def pieces(size: int) -> Iterator[bytes]:
    """The text up to ``size`` bytes."""
    block = BLOCK[:PERIOD]
    for start in range(0, size, PERIOD):
        yield block[: size - start]


class Check:
    """Takes a body piece by piece and finds out whether it is the text."""

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position = 0

    def take(self, piece: bytes) -> None:
        """Compare the start of the piece with what belongs there."""
        start = self.position % PERIOD
        size = min(LOOK, len(piece))
        if piece[:size] != BLOCK[start : start + size]:
            raise AssertionError(f"wrong bytes at {self.position}")
        self.position += len(piece)

    def end(self, size: int) -> None:
        """Compare the total."""
        if self.position != size:
            raise AssertionError(f"{self.position} bytes came, not {size}")


def check_body(body: bytes, size: int) -> None:
    """Compare the length, and a few bytes in each period."""
    if len(body) != size:
        raise AssertionError(f"{len(body)} bytes came, not {size}")
    for start in range(0, size, PERIOD):
        if body[start : start + LOOK] != BLOCK[: min(LOOK, size - start)]:
            raise AssertionError(f"wrong bytes at {start}")


def check_whole(file: BinaryIO, size: int) -> None:
    """Compare every byte of a file."""
    for piece in pieces(size):
        if file.read(len(piece)) != piece:
            raise AssertionError(f"wrong bytes before {file.tell()}")
    if file.read(1):
        raise AssertionError(f"more than {size} bytes")
