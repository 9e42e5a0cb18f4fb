"""HTTP/1.1 (RFC 9112): `engine`, one exchange at a time over a stream.

Below it: `upload` sends bodies, `body` reads them (`chunked`, `body_buffer`); `request_head` writes heads,
`head_reader` and `response_head` read them strictly by `grammar`. Heads that are not ordinary go to
`h11_fallback`, loaded at first need.
"""

from __future__ import annotations

from .connection import HTTP11Connection
from .interfaces import RequestForm

__all__ = [
    "HTTP11Connection",
    "RequestForm",
]
