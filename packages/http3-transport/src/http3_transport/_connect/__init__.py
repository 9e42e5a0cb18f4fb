"""One connection: its backend, how it is opened, and its use without a pool.

`backend_choice` picks the backend; `legacy_backend` adapts one with 0.6.7's interface (`certificate_names`
checks its certificates). `establish` resolves, connects and picks the protocol. `connection` holds the public
`HTTPConnection`. `standalone` serves dispatchers that are used without a client; `unclosed` closes what was
collected without `close`.
"""

from __future__ import annotations

from .backend_choice import check_backend, choose_backend, choose_clock, never_suspends
from .connection import HTTPConnection, open_connections
from .establish import TransportOptions
from .standalone import as_ssl_config, check_argument, outgoing, send_by
from .unclosed import give_back, weakly

__all__ = [
    "HTTPConnection",
    "TransportOptions",
    "as_ssl_config",
    "check_argument",
    "check_backend",
    "choose_backend",
    "choose_clock",
    "give_back",
    "never_suspends",
    "open_connections",
    "outgoing",
    "send_by",
    "weakly",
]
