"""How connections are opened, and the open connections of a pool.

`options` holds what a pool or connection was given. `backend_choice` picks the backend; `legacy_backend`
adapts one with 0.6.7's interface (`certificate_names` checks its certificates). `opening` resolves,
connects and picks the protocol; `open_connection` is its result. `standalone` serves dispatchers that
are used without a client; `unclosed` closes what was collected without `close`.
"""

from __future__ import annotations

from .._backends._address_book import AddressBook
from .backend_choice import choose_backend, never_suspends, with_network
from .open_connection import OpenConnection
from .opening import establish
from .options import TransportOptions, check_argument, check_options
from .routes import Route, Routes
from .standalone import outgoing, send_by
from .unclosed import give_back, weakly

__all__ = [
    "AddressBook",
    "OpenConnection",
    "Route",
    "Routes",
    "TransportOptions",
    "check_argument",
    "check_options",
    "choose_backend",
    "establish",
    "give_back",
    "never_suspends",
    "outgoing",
    "send_by",
    "weakly",
    "with_network",
]
