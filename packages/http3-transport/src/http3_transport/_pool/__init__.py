"""The connection pool: `pool` holds the public `ConnectionPool`.

`state` decides, without I/O, which connection serves a request, over the records of `entries`; `scope` is
what a pool knows in one process and event loop. `connection` holds the public `HTTPConnection`.
"""

from __future__ import annotations

from .connection import HTTPConnection
from .pool import ConnectionPool
from .scope import PoolScope

__all__ = [
    "ConnectionPool",
    "HTTPConnection",
    "PoolScope",
]
