"""The documented `ConcurrencyBackend.connect`, written on top of what our backends offer beyond it.

`ConnectionPool` does not come this way: it uses streams. This is for code that calls ``backend.connect``
itself, or overrides it and calls ``super().connect``.
"""

from __future__ import annotations

import time
from copy import copy
from typing import TYPE_CHECKING, Self, cast

from http3_models import (
    BaseReader,
    BaseWriter,
    ConcurrencyBackend,
    ConnectTimeout,
    Protocol,
    ReadTimeout,
    TimeoutFlag,
    WriteTimeout,
)

from .._interfaces import Backend, Clock, OperationTimeout, Stream, remaining
from ._connecting import open_stream
from ._sockets import PLAIN, SocketSettings

if TYPE_CHECKING:
    import ssl

    from http3_models import NetworkConfig, TimeoutConfig


class StreamReader(BaseReader):
    """The reading half of a `Stream`."""

    __slots__ = ("_stream", "_timeout")

    def __init__(self, stream: Stream, timeout: TimeoutConfig) -> None:
        self._stream = stream
        self._timeout = timeout

    async def read(
        self, n: int, timeout: TimeoutConfig | None = None, flag: TimeoutFlag | None = None
    ) -> bytes:
        limit = (timeout or self._timeout).read_timeout
        if flag is not None and not flag.raise_on_read_timeout:
            limit = None
        try:
            return await self._stream.read(n, limit)
        except OperationTimeout as exc:
            raise ReadTimeout(f"No data received for {limit} s (read_timeout)") from exc

    def _read_nowait(self, n: int) -> bytes | None:
        """As `Stream.read_nowait`."""
        return self._stream.read_nowait(n)


class StreamWriter(BaseWriter):
    """The writing half of a `Stream`; it reports its TLS object as asyncio's do."""

    __slots__ = ("_queued", "_stream", "_timeout")

    def __init__(self, stream: Stream, timeout: TimeoutConfig) -> None:
        self._stream = stream
        self._timeout = timeout
        self._queued = b""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """ "ssl_object": the `ssl.SSLObject`, None without TLS. Nothing else is known."""
        return getattr(self._stream, "ssl_object", default) if name == "ssl_object" else default

    def write_no_block(self, data: bytes) -> None:
        self._queued += data
        self._queued = self._queued[self._stream.write_nowait(self._queued) :]

    async def write(self, data: bytes, timeout: TimeoutConfig | None = None) -> None:
        data, self._queued = self._queued + data, b""
        limit = (timeout or self._timeout).write_timeout
        try:
            await self._stream.write(data, limit)
        except OperationTimeout as exc:
            raise WriteTimeout(f"No data could be sent for {limit} s (write_timeout)") from exc

    async def close(self) -> None:
        self._stream.close()


class BackendWithConnect(ConcurrencyBackend):
    """Base class of a `Backend`: 0.6.7's ``connect``, written once on the other methods.

    A subclass that overrides ``connect`` is used by its ``connect`` alone: that is what it was written for.
    """

    _socket_settings: SocketSettings = PLAIN

    def with_network(self, network: NetworkConfig) -> Self:
        """A copy whose sockets come from ``local_address`` and have the ``socket_options`` of the
        configuration."""
        made = copy(self)
        made._socket_settings = SocketSettings(network.local_address, network.socket_options)
        return made

    def _clock(self) -> Clock:
        """The clock that `connect` measures its timeout with."""
        return time.monotonic

    async def connect(
        self, hostname: str, port: int, ssl_context: ssl.SSLContext | None, timeout: TimeoutConfig
    ) -> tuple[BaseReader, BaseWriter, Protocol]:
        """Open a connection: lookup, all addresses and TLS within ``timeout.connect_timeout`` seconds.

        ALPN is what the context asks for. Raises ConnectTimeout, or OSError (which those of ssl are, too).
        """
        backend, now = cast("Backend", self), self._clock()
        limit = timeout.connect_timeout
        start = now()
        try:
            stream = await open_stream(backend, hostname, port, limit, now=now)
            if ssl_context is not None:
                left = remaining(limit, start, now())
                stream = await _start_tls(stream, ssl_context, hostname, left, now)
        except OperationTimeout as exc:
            raise ConnectTimeout(
                f"Could not connect to {hostname}:{port} within {limit} s (connect_timeout)"
            ) from exc
        protocol = Protocol.HTTP_2 if stream.alpn_protocol == "h2" else Protocol.HTTP_11
        return StreamReader(stream, timeout), StreamWriter(stream, timeout), protocol


async def _start_tls(
    stream: Stream, context: ssl.SSLContext, hostname: str, timeout: float | None, now: Clock
) -> Stream:
    # Not at the top: who speaks plain http loads no ssl.
    from .._tls import start_tls

    return await start_tls(stream, context, hostname, timeout, now=now)
