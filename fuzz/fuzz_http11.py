"""Coverage-guided fuzzing of the strict HTTP/1.1 modules, with h11 as the judge. See README.md.

An input is one byte that says what it is, one byte of options, and the bytes themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), *map(str, sorted(ROOT.glob("packages/*/src")))]

with atheris.instrument_imports(include=["h11", "http3_transport._http11"], enable_loader_override=False):
    import http11_oracle as oracle

from http3_models import Headers, LocalProtocolError  # noqa: E402 - the path is set above
from http11_heads import BODIES, HEADS, REQUESTS  # noqa: E402

METHODS = ("GET", "HEAD", "POST", "CONNECT")
KINDS = (b"h", b"c", b"r", b"e")


def head(data: bytes, options: int) -> None:
    """The head of a response."""
    limits = oracle.SMALL if options & 4 else oracle.LIMITS
    compare = oracle.compare_head_in_pieces if options & 8 and len(data) < 400 else oracle.compare_head
    compare(data, METHODS[options & 3], limits)


def chunked(data: bytes, options: int) -> None:
    """A chunked body."""
    limits = oracle.SMALL if options & 128 else oracle.LIMITS
    oracle.compare_chunked(pieces(data, options), limits.max_trailer_size)


def request(data: bytes, _: int) -> None:
    """A request: method, target and fields, each on a line."""
    method, target, *lines = [*data.decode("latin-1").split("\n")[:20], "", ""]
    fields = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, _, value in map(split, lines) if name
    ]
    headers = Headers(fields)
    try:
        headers.check()
    except LocalProtocolError:
        return
    oracle.compare_request(method, target, headers)


def exchange(data: bytes, options: int) -> None:
    """A whole exchange."""
    limits = oracle.SMALL if options & 4 else oracle.LIMITS
    oracle.compare_exchange(pieces(data, options >> 3), METHODS[options & 3], limits)


def split(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def pieces(data: bytes, options: int) -> list[bytes]:
    """``data`` whole, byte by byte, or in pieces of one size."""
    size = options & 31
    if size == 31:
        return [data]
    return [data[start : start + size + 1] for start in range(0, len(data), size + 1)]


TARGETS = dict(zip(KINDS, (head, chunked, request, exchange), strict=True))


def one_input(data: bytes) -> None:
    target = TARGETS.get(data[:1])
    if target is not None and len(data) > 2:
        target(data[2:], data[1])


def write_seeds(folder: Path) -> None:
    """The corpus of the tests, as inputs."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = [b"h\x00" + each for each in HEADS] + [b"h\x04" + each for each in HEADS]
    seeds += [b"c\x1f" + each for each in BODIES] + [b"c\x00" + each for each in BODIES]
    seeds += [b"r\x00" + each for each in REQUESTS]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    seeds += [b"e\xf8" + each + b"hello" for each in HEADS] + [b"e\xf8" + chunked + each for each in BODIES]
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number:04}").write_bytes(seed)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        write_seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
