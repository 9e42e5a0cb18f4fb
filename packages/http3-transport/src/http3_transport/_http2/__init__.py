"""HTTP/2 (RFC 9113): `HTTP2Connection` runs many exchanges at a time over one stream. Loading it loads h2.

`connection` is what the pool sees; `exchange` is one request with its response; `shared` reads and writes for
all exchanges (`lock`, `pulse`). Pure, below them: `state` and `stream`, `send_buffer`, `flow_control` and
`turns`, `headers` and `hpack`, `frames` and `floods`. `fast_h2` is h2 with a fast path for ordinary frames.
"""

from __future__ import annotations

from .connection import HTTP2Connection
from .hpack import silence_hpack

__all__ = [
    "HTTP2Connection",
    "silence_hpack",
]
