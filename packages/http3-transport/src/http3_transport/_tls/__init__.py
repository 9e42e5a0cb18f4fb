"""TLS without I/O of its own: `stream` is a stream over a stream, `state` wraps `ssl.SSLObject`.

The same for every backend. Loading it loads `ssl`.
"""

from __future__ import annotations

from .state import TLSFacts, TLSState
from .stream import READ_SIZE, TLSStream, is_tls_error, start_tls

__all__ = [
    "READ_SIZE",
    "TLSFacts",
    "TLSState",
    "TLSStream",
    "is_tls_error",
    "start_tls",
]
