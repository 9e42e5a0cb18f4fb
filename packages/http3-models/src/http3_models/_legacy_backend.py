"""Concurrency backends in the shape of http3 0.6.7: the base classes of a backend, which opens connections,
of the two halves of a connection, and of a pool's semaphore.

An object with the same methods is served as well, without the base class. The protocol of today's backends
offers more; it is `http3_transport.Backend`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from ._config import PoolLimits, TimeoutConfig


class Protocol(enum.StrEnum):
    """The version of HTTP that a connection speaks."""

    HTTP_11 = "HTTP/1.1"
    """RFC 9112."""

    HTTP_2 = "HTTP/2"
    """RFC 9113."""


class TimeoutFlag:
    """Which timeout applies while a request is sent and its response may already come (0.6.7's ``flag``).

    At first it is that of writes; reads wait without a limit. After the request `set_read_timeouts` is
    called.
    """

    __slots__ = ("raise_on_read_timeout", "raise_on_write_timeout")

    raise_on_read_timeout: bool
    raise_on_write_timeout: bool

    def __init__(self) -> None:
        self.raise_on_read_timeout = False
        self.raise_on_write_timeout = True

    def set_read_timeouts(self) -> None:
        """Apply the timeout of reads, not that of writes."""
        self.raise_on_read_timeout, self.raise_on_write_timeout = True, False

    def set_write_timeouts(self) -> None:
        """Apply the timeout of writes, not that of reads."""
        self.raise_on_read_timeout, self.raise_on_write_timeout = False, True

    def __repr__(self) -> str:
        return f"<TimeoutFlag {'read' if self.raise_on_read_timeout else 'write'}>"


class BaseReader:
    """The reading half of a connection."""

    async def read(
        self, n: int, timeout: TimeoutConfig | None = None, flag: TimeoutFlag | None = None
    ) -> bytes:
        """Between 1 and ``n`` bytes as soon as there are any; b"" at the end of the stream.

        ``timeout`` None means the one given to ``connect``. ``flag`` may switch the timeout off.
        Raises ReadTimeout, or OSError where the connection broke.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read()")


class BaseWriter:
    """The writing half of a connection."""

    def write_no_block(self, data: bytes) -> None:
        """Queue ``data``; it is sent soon, at the latest by the next `write`."""
        raise NotImplementedError(f"{type(self).__name__} must define write_no_block()")

    async def write(self, data: bytes, timeout: TimeoutConfig | None = None) -> None:
        """Send ``data``. ``timeout`` None means the one given to ``connect``.

        Raises WriteTimeout, or OSError where the connection broke.
        """
        raise NotImplementedError(f"{type(self).__name__} must define write()")

    async def close(self) -> None:
        """Close the connection, both halves."""
        raise NotImplementedError(f"{type(self).__name__} must define close()")


class BasePoolSemaphore:
    """Counts the connections of a pool, in 0.6.7's shape."""

    async def acquire(self) -> None:
        """Wait for a free connection. Raises PoolTimeout after ``pool_timeout`` seconds."""
        raise NotImplementedError(f"{type(self).__name__} must define acquire()")

    def release(self) -> None:
        """Return the connection."""
        raise NotImplementedError(f"{type(self).__name__} must define release()")


class ConcurrencyBackend:
    """Opens connections, in 0.6.7's shape: ``backend=`` of both clients. A subclass defines `connect`."""

    async def connect(
        self, hostname: str, port: int, ssl_context: ssl.SSLContext | None, timeout: TimeoutConfig
    ) -> tuple[BaseReader, BaseWriter, Protocol]:
        """Open a connection, with TLS and ALPN done where ``ssl_context`` is given.

        Returns its two halves and the protocol that ALPN selected (without ALPN HTTP/1.1). Raises
        ConnectTimeout, or OSError where it can't be opened.

        ``hostname`` is that of the URL, and the certificate must be for it. If a half reports its TLS object
        (``get_extra_info("ssl_object")``, as asyncio's), that is checked again; else this method must check.
        """
        raise NotImplementedError(f"{type(self).__name__} must define connect()")

    def get_semaphore(self, limits: PoolLimits) -> BasePoolSemaphore:
        """A semaphore for ``limits.hard_limit`` connections. `http3_transport.ConnectionPool` uses none."""
        raise NotImplementedError(f"{type(self).__name__} defines no semaphore")
