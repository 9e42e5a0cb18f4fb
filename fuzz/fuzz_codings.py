"""Coverage-guided fuzzing of content codings: what is whole is decoded, what is cut or broken is a
DecodingError, and no piece is larger than it may be. See README.md.

An input is one byte for the coding, one for how it is used, and the bytes: a body as it was sent, or (bit 7
of the second byte) a body to be encoded first, so that what must come of it is known.
"""

from __future__ import annotations

import gzip
import random
import zlib

from harness import fuzz, instrumented, pieces

with instrumented("http3_models._decoders", "http3_models._codings"):
    from http3_models import DecodingError, Headers, Limits
    from http3_models._decoders import PIECE_SIZE, make_decoder

import brotli
from backports import zstd

CODINGS = ("gzip", "deflate", "br", "zstd", "gzip, br", "deflate, zstd, gzip", "x-gzip", "identity")
LIMITS = Limits()
MOST_DECODED = 4 * 1024 * 1024


def encode(coding: str, data: bytes) -> bytes:
    if coding in ("gzip", "x-gzip"):
        return gzip.compress(data, 6, mtime=0)
    if coding == "deflate":
        return zlib.compress(data)
    if coding == "br":
        return brotli.compress(data, quality=4)
    if coding == "zstd":
        return zstd.compress(data)
    for part in coding.split(", "):
        data = encode(part, data) if part != "identity" else data
    return data


def decode(coding: str, parts: list[bytes]) -> bytes | None:
    """What comes of it; None for a DecodingError."""
    decoder = make_decoder(Headers({"content-encoding": coding}), LIMITS)
    if decoder is None:
        return b"".join(parts)
    got: list[bytes] = []
    size = 0
    try:
        for part in parts:
            for piece in decoder.decode(part):
                assert 0 < len(piece) <= PIECE_SIZE
                got.append(piece)
                size += len(piece)
                if size > MOST_DECODED:
                    return b"too much to look at"
        decoder.finish()
    except DecodingError:
        return None
    return b"".join(got)


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    coding, options, body = CODINGS[data[0] % len(CODINGS)], data[1], data[2:]
    if options & 128:
        encoded = encode(coding, body)
        assert decode(coding, pieces(encoded, options & 15)) == body
        draw = random.Random(data)
        if coding != "identity":
            for cut in {1, len(encoded) - 1, draw.randrange(1, len(encoded))}:
                short = decode(coding, [encoded[:cut]])
                assert short is None, f"{coding} cut to {cut} of {len(encoded)} bytes is taken as whole"
        if coding == "gzip":
            assert decode(coding, pieces(encoded + encoded, options & 15)) == body + body  # two members
        return
    whole = decode(coding, [body])
    assert decode(coding, pieces(body, (options & 15) + 1)) == whole


def seeds() -> list[bytes]:
    text = b"All work and no play makes Jack a dull boy. " * 5
    raw = zlib.compressobj(wbits=-15)
    found = [b"\x01\x02" + raw.compress(text) + raw.flush(), b"\x00\x01" + encode("gzip", text) + b"\0" * 9]
    for number, coding in enumerate(CODINGS):
        encoded = encode(coding, text)
        found += [bytes([number, 3]) + encoded, bytes([number, 0]) + encoded[:-3]]
        found.append(bytes([number, 131]) + text)
    return found


if __name__ == "__main__":
    fuzz(one_input, seeds())
