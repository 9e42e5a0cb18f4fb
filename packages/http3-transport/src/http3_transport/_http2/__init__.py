"""HTTP/2 (RFC 9113): `HTTP2Connection` runs many exchanges at a time over one stream. Loading it loads h2.

`connection` is what the pool sees; `exchange` is one request with its response; `reader` (with `leader`) and
`writer` (with `lock`) move the bytes for all. Pure, below them: `state` with its streams (`stream`), output
(`send_buffer`) and windows (`flow_control`, `turns`); `pulse`; `headers` and `hpack`; `frames` and `floods`.
`fast_h2` is h2 with a fast path for ordinary frames.
"""

from __future__ import annotations

from .connection import HTTP2Connection
from .hpack import silence_hpack

__all__ = [
    "HTTP2Connection",
    "silence_hpack",
]
