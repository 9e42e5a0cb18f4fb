"""http3-transport: connection pool, HTTP/1.1 and HTTP/2, over blocking sockets, asyncio and trio.

Nothing is imported before it is used: asking for a name loads the module that holds it, so a program
that makes one kind of request pays for no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._apps.asgi import ASGIDispatch as ASGIDispatch
    from ._apps.wsgi import WSGIDispatch as WSGIDispatch
    from ._backends._asyncio import AsyncioBackend as AsyncioBackend
    from ._backends._blocking import BlockingBackend as BlockingBackend
    from ._backends._trio import TrioBackend as TrioBackend
    from ._interfaces import Address as Address
    from ._interfaces import Backend as Backend
    from ._interfaces import OperationTimeout as OperationTimeout
    from ._interfaces import Stream as Stream
    from ._interfaces import Timer as Timer
    from ._interfaces import Waiter as Waiter
    from ._pool import ConnectionPool as ConnectionPool
    from ._pool import HTTPConnection as HTTPConnection
    from ._pool.blocking import BlockingConnectionPool as BlockingConnectionPool

__version__ = "0.7.0"

__all__ = [
    "ASGIDispatch",
    "Address",
    "AsyncioBackend",
    "Backend",
    "BlockingBackend",
    "BlockingConnectionPool",
    "ConnectionPool",
    "HTTPConnection",
    "OperationTimeout",
    "Stream",
    "Timer",
    "TrioBackend",
    "WSGIDispatch",
    "Waiter",
    "__version__",
]

_HOMES = {
    "ASGIDispatch": "_apps.asgi",
    "Address": "_interfaces",
    "AsyncioBackend": "_backends._asyncio",
    "Backend": "_interfaces",
    "BlockingBackend": "_backends._blocking",
    "BlockingConnectionPool": "_pool.blocking",
    "ConnectionPool": "_pool",
    "HTTPConnection": "_pool",
    "OperationTimeout": "_interfaces",
    "Stream": "_interfaces",
    "Timer": "_interfaces",
    "TrioBackend": "_backends._trio",
    "WSGIDispatch": "_apps.wsgi",
    "Waiter": "_interfaces",
}


if not TYPE_CHECKING:  # a checker would take every misspelled name for one of these

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # Not importlib: it is not needed for a name that is known to exist, and costs more than this.
        module = __import__(f"{__name__}.{home}", fromlist=[name])
        value: object = getattr(module, name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
