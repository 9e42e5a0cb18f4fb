"""Content codings, decoded in bounded steps (RFC 9110 section 8.4.1).

`stages` has gzip and deflate, `optional` brotli and zstd, which are loaded when a response needs them;
`decoder` reads Content-Encoding, chains stages, and limits sizes.
"""

from __future__ import annotations

from .decoder import Decoder, SizeGuard, accept_encoding, make_decoder

__all__ = [
    "Decoder",
    "SizeGuard",
    "accept_encoding",
    "make_decoder",
]
