"""One connection: which backend serves it, how it is opened, and what uses it by itself.

`backend_choice` picks the backend, or `legacy_backend` adapts one of 0.6.7's shape (`certificate_names`:
whom its certificates are for); `establish` resolves, connects and picks the protocol; `connection` holds
the public `HTTPConnection`; `standalone` is what dispatchers do that are used without a client; `idle`
looks after connections that nobody uses.
"""

from __future__ import annotations

from .backend_choice import check_backend, choose_backend, choose_clock, never_suspends
from .connection import HTTPConnection, open_connections
from .establish import Opening
from .idle import IdleWatch, check_quietly, give_back, weakly
from .standalone import as_ssl_config, check_argument, outgoing, send_by

__all__ = [
    "HTTPConnection",
    "IdleWatch",
    "Opening",
    "as_ssl_config",
    "check_argument",
    "check_backend",
    "check_quietly",
    "choose_backend",
    "choose_clock",
    "give_back",
    "never_suspends",
    "open_connections",
    "outgoing",
    "send_by",
    "weakly",
]
