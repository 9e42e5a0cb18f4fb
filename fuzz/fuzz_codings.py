"""Coverage-guided fuzzing of content codings: what is whole is decoded, what is cut or broken is a
DecodingError, and neither a piece nor the whole is larger than it may be. See README.md.

An input is one byte for the coding, one for how it is used (bits 0 to 3: the size of the pieces, 0 for cuts
anywhere; bit 6: with small bounds), and the bytes: a body as it was sent, or (bit 7) a body to be encoded
first, so that what must come of it is known.
"""

from __future__ import annotations

import gzip
import random
import zlib
from itertools import pairwise

from harness import fuzz, instrumented, load, pieces

with instrumented("http3_models"):
    from http3_models import DecodedSizeExceeded, DecodingError, Headers, Limits
    from http3_models._codings.decoder import PIECE_SIZE, SizeGuard, make_decoder

    load("http3_models._codings.optional")

import brotli
from backports import zstd

CODINGS = ("gzip", "deflate", "br", "zstd", "gzip, br", "deflate, zstd, gzip", "x-gzip", "identity")
CAN_FOLLOW = ("gzip", "x-gzip", "zstd")
"""Codings of which one stream may follow another."""

SMALL = Limits(max_decoded=600, max_ratio=8, ratio_free_size=200)
LIMITS = Limits(max_decoded=4 * 1024 * 1024, ratio_free_size=4 * 1024 * 1024)


def encode(coding: str, data: bytes) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return gzip.compress(data, 6, mtime=0)
    if coding == "deflate":
        return zlib.compress(data)
    if coding == "br":
        return bytes(brotli.compress(data, quality=4))
    if coding == "zstd":
        return zstd.compress(data)
    for part in coding.split(", "):
        data = encode(part, data) if part != "identity" else data
    return data


def decode(coding: str, parts: list[bytes], limits: Limits = LIMITS) -> bytes | type[DecodingError]:
    """What comes of it, as a response would have it: the body, or the kind of exception."""
    decoder = make_decoder(Headers({"content-encoding": coding}), limits)
    if decoder is None:
        return b"".join(parts)
    guard = SizeGuard(limits, bounded_ratio=True)
    got: list[bytes] = []
    try:
        for part in parts:
            guard.received(len(part))
            decoder.feed(part)
            while (piece := decoder.step()) is not None:
                assert len(piece) <= PIECE_SIZE
                guard.decoded(len(piece))
                got.append(piece)
        decoder.finish()
    except DecodedSizeExceeded:
        return DecodedSizeExceeded
    except DecodingError:
        return DecodingError
    return b"".join(got)


def cut(data: bytes, options: int, draw: random.Random) -> list[bytes]:
    """``data`` in pieces."""
    if options & 15:
        return pieces(data, options & 15)
    places = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randrange(6)))
    return [data[start:end] for start, end in pairwise([0, *places, len(data)])]


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    coding, options, body = CODINGS[data[0] % len(CODINGS)], data[1], data[2:]
    draw = random.Random(data)
    if options & 128:
        from_known_body(coding, options, body, draw)
    elif options & 64:
        with_small_bounds(coding, options, body, draw)
    else:
        whole, in_parts = decode(coding, [body]), decode(coding, cut(body, options, draw))
        if DecodedSizeExceeded in (whole, in_parts):  # what is broken further on may be seen before or after
            assert not (isinstance(whole, bytes))
            assert not (isinstance(in_parts, bytes))
        else:
            assert in_parts == whole


def from_known_body(coding: str, options: int, body: bytes, draw: random.Random) -> None:
    if options & 64:
        body *= 2 * PIECE_SIZE // len(body) + 1  # more than one step of the libraries
    encoded = encode(coding, body)
    assert decode(coding, cut(encoded, options, draw)) == body
    if coding == "identity":
        return
    for end in {1, len(encoded) - 1, *(draw.randrange(1, len(encoded)) for _ in range(6))}:
        short = decode(coding, cut(encoded[:end], options, draw))
        assert short is DecodingError, f"{coding} cut to {end} of {len(encoded)} bytes is taken as whole"
    padding = bytes(draw.choices(b"\0\n\r ", k=draw.randrange(1, 40)))
    assert decode(coding, cut(encoded + padding, options, draw)) == body, "such padding is common"
    assert decode(coding, cut(encoded + padding + b"x", options, draw)) is DecodingError, "something follows"
    if coding in CAN_FOLLOW:
        assert decode(coding, cut(encoded + encoded, options, draw)) == body + body
        assert decode(coding, cut(encoded + padding + encoded, options, draw)) == body + body
        end = draw.randrange(1, len(encoded))
        assert decode(coding, cut(encoded + encoded[:end], options, draw)) is DecodingError
    else:
        assert decode(coding, cut(encoded + b"x", options, draw)) is DecodingError, "something follows"


def with_small_bounds(coding: str, options: int, body: bytes, draw: random.Random) -> None:
    """The bound in all is the same however it is cut; that of the ratio depends on what came when."""
    whole = decode(coding, [body])
    bounded = decode(coding, cut(body, options, draw), SMALL)
    if coding == "identity":
        return
    if isinstance(bounded, bytes):
        assert bounded == whole
        assert SMALL.max_decoded is not None
        assert len(bounded) <= SMALL.max_decoded
    elif bounded is DecodingError:
        assert whole is DecodingError
    if isinstance(whole, bytes) and len(whole) > 600:
        assert bounded is DecodedSizeExceeded


def seeds() -> list[bytes]:
    text = b"All work and no play makes Jack a dull boy. " * 5
    raw = zlib.compressobj(wbits=-15)
    found = [b"\x01\x02" + raw.compress(text) + raw.flush(), b"\x00\x01" + encode("gzip", text) + b"\0" * 9]
    for number, coding in enumerate(CODINGS):
        encoded = encode(coding, text)
        found += [bytes([number, 3]) + encoded, bytes([number, 0]) + encoded[:-3]]
        found.append(bytes([number, 64]) + encode(coding, text * 9))
        found += [bytes([number, options]) + text for options in (128, 131, 192, 195)]
    odd = bytes(random.Random(1).choices(range(64), k=900))  # comes to more than is allowed, by no high ratio
    return [*found, *[bytes([number, 64]) + encode(coding, odd) for number, coding in enumerate(CODINGS)]]


if __name__ == "__main__":
    fuzz(one_input, seeds())
