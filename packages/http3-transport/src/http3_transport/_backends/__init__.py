"""Backends: how bytes move and coroutines wait, over blocking sockets, asyncio and trio.

This package is the only place that knows sockets and event loops. `_connect.backend_choice` and `_detect`
say which backend serves.
"""

from __future__ import annotations
