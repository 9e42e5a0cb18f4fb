"""The server's end of a simulated connection, for scripts: ``async def server(connection): ...``."""

from __future__ import annotations

import errno
import ssl
import threading
from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from ..._interfaces import Stream, Waiter
from ..._tls import READ_SIZE, TLSFacts, TLSState, TLSStream
from .backend import VirtualStream, VirtualWaiter

if TYPE_CHECKING:
    from .sockets import VirtualSocket, World
    from .tasks import Task

T = TypeVar("T")

SEPARATOR_LIMIT = 1 << 20
"""Bytes in which `ServerConnection.read_until` has to find what it looks for."""


class ServerConnection:
    """What a server's function is given. When the function returns, the connection is closed.

    The client's going away is an OSError from the operation under way, which a server may let pass; whatever
    else it raises ends the run with that exception.
    """

    def __init__(self, world: World, end: VirtualSocket, stream: Stream) -> None:
        self._world = world
        self._end = end
        self._stream = stream
        self._early = b""

    def __repr__(self) -> str:
        return f"<ServerConnection {self._end}{' closed' if self.is_closed else ''}>"

    @property
    def alpn_protocol(self) -> str | None:
        """What ALPN picked ("h2", "http/1.1"), None without TLS or without agreement."""
        return self._stream.alpn_protocol

    @property
    def is_tls(self) -> bool:
        """True if TLS is spoken."""
        return self._stream.info.tls_version is not None

    @property
    def is_closed(self) -> bool:
        """True once it was closed or reset here."""
        return self._end.is_closed

    @property
    def address(self) -> tuple[str, int]:
        """The server's own address: IP and port."""
        return self._end.address

    @property
    def random(self) -> Random:
        """The simulation's draws."""
        return self._world.dice.random

    def now(self) -> float:
        """Virtual seconds since the simulation began."""
        return self._world.scheduler.moment

    async def read(self, max_bytes: int = 65536) -> bytes:
        """Between 1 and ``max_bytes`` bytes as soon as there are any; b"" at the end. Raises OSError."""
        if self._early:
            data, self._early = self._early[:max_bytes], self._early[max_bytes:]
            return data
        return await self._stream.read(max_bytes, None)

    async def read_exactly(self, size: int) -> bytes:
        """Just so many bytes. Raises OSError, also where the client ends before."""
        data = bytearray()
        while len(data) < size:
            data += await self._more(size - len(data))
        return bytes(data)

    async def read_until(self, separator: bytes) -> bytes:
        """Everything up to ``separator``, and that. Raises OSError, also where the client ends before, and
        ValueError if it is not among the first MiB."""
        data = bytearray()
        while (place := data.find(separator)) < 0:
            if len(data) > SEPARATOR_LIMIT:
                raise ValueError(f"{separator!r} is not among the first {SEPARATOR_LIMIT} bytes")
            data += await self._more(65536)
        ends = place + len(separator)
        self._early = bytes(data[ends:]) + self._early
        return bytes(data[:ends])

    async def _more(self, max_bytes: int) -> bytes:
        data = await self.read(max_bytes)
        if not data:
            raise ConnectionAbortedError(errno.ECONNABORTED, "The client ended the connection")
        return data

    async def write(self, data: bytes) -> None:
        """Send all of ``data``; waits while the client does not read. Raises OSError."""
        await self._stream.write(data, None)

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await self._world.scheduler.sleep(seconds)

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Run a coroutine beside this one. An OSError ends it, the run fails with whatever else it raises."""
        return self._world.scheduler.start(coroutine, f"helper of {self._end}", is_vital=True)

    def waiter(self) -> Waiter:
        """A new flag, for coroutines that wait for each other."""
        return VirtualWaiter(self._world.scheduler)

    def finish(self) -> None:
        """Send no more (FIN, over TLS without a close_notify); reading goes on."""
        self._end.finish()

    def close(self) -> None:
        """Close both directions, over TLS with a close_notify; a reset if something was not read."""
        self._stream.close()

    def reset(self) -> None:
        """Break the connection (RST)."""
        self._end.reset()


class ServerTLSState(TLSState):
    """The server's side of one TLS connection."""

    __slots__ = ()

    def __init__(self, context: ssl.SSLContext) -> None:
        self._lock = threading.Lock()
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self.outgoing, server_side=True)
        self._name = ""
        self.facts = TLSFacts()
        self._failure = None
        self.got_close_notify = self.has_input = False


async def accept_tls(stream: Stream, context: ssl.SSLContext) -> Stream:
    """The handshake as the server. Raises OSError (which ssl.SSLError is, too)."""
    state = ServerTLSState(context)
    received = b""
    while True:
        try:
            done, outgoing = state.handshake(received)
        except OSError:
            stream.write_nowait(state.take_outgoing())
            raise
        if outgoing:
            await stream.write(outgoing, None)
        if done:
            return TLSStream(stream, state)
        received = await stream.read(READ_SIZE, None)
        if not received:
            raise ConnectionAbortedError(errno.ECONNABORTED, "The client ended the connection")


async def open_server_end(
    world: World, end: VirtualSocket, context: ssl.SSLContext | None
) -> ServerConnection:
    """The connection as a server's function gets it. Raises OSError where TLS is not agreed on."""
    stream: Stream = VirtualStream(world, end)
    if context is not None:
        stream = await accept_tls(stream, context)
    return ServerConnection(world, end, stream)
