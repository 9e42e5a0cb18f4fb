"""HTTP/2 (RFC 9113): `engine`, many exchanges at a time over a stream. Loading it loads h2.

`exchange` is one request and its response; `connection` reads and writes for all streams (`lock`, `pulse`).
Pure, below them: `state` and `stream`, `outgoing` and `turns`, `headers` and `hpack`, `frames` and
`floods`; `fast_h2` is h2 as it is used here.
"""

from __future__ import annotations

from .engine import HTTP2Engine
from .hpack import silence_hpack

__all__ = [
    "HTTP2Engine",
    "silence_hpack",
]
