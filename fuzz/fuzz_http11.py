"""Coverage-guided fuzzing of the strict HTTP/1.1 modules, with h11 as the judge. See README.md.

An input is one byte that says what it is, one byte of options, and the bytes themselves. With ``--only=head``
(``chunked``, ``request``, ``exchange``) all are of that kind, and the first byte is left out.
"""

from __future__ import annotations

import sys

from harness import fuzz, instrumented
from harness import pieces as in_pieces

with instrumented("h11", "http3_transport._http1"):
    from support import http11_oracle as oracle

from http3_models import Headers, LocalProtocolError
from support.http11_heads import BODIES, HEADS, REQUESTS

METHODS = ("GET", "HEAD", "POST", "CONNECT")


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
    """``data`` whole, or in pieces of one size."""
    size = options & 31
    return in_pieces(data, 0 if size == 31 else size + 1)


KINDS = {"head": head, "chunked": chunked, "request": request, "exchange": exchange}
TARGETS = {name[:1].encode(): target for name, target in KINDS.items()}


def one_input(data: bytes) -> None:
    target = TARGETS.get(data[:1])
    if target is not None and len(data) > 2:
        target(data[2:], data[1])


def seeds() -> list[bytes]:
    """The corpus of the tests, as inputs."""
    found = [b"h\x00" + each for each in HEADS] + [b"h\x04" + each for each in HEADS]
    found += [b"c\x1f" + each for each in BODIES] + [b"c\x00" + each for each in BODIES]
    found += [b"r\x00" + each for each in REQUESTS]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [
        *found,
        *[b"e\xf8" + each + b"hello" for each in HEADS],
        *[b"e\xf8" + chunked + each for each in BODIES],
    ]


if __name__ == "__main__":
    only = "".join(argument.partition("=")[2] for argument in sys.argv if argument.startswith("--only="))
    if only:
        kind = only[:1].encode()
        fuzz(lambda data: one_input(kind + data), [seed[1:] for seed in seeds() if seed[:1] == kind])
    else:
        fuzz(one_input, seeds())
