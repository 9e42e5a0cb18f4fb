"""Servers that break the rules in one answer, and what must hold of a client that meets them.

Every case has the same shape: a good exchange, the case on the same connection, a good exchange. Each good
answer carries the target it was asked for, so an answer that reached the wrong request shows.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import http3
from http3_transport import BlockingBackend, ConnectionPool
from support.servers import Script, answer, read_request
from support.worlds import World, do

StartServer = Callable[..., Any]

READ_LIMIT = 5.0
"""Nothing here waits for so long; a client that hangs is told by its ReadTimeout."""


class Watched(NamedTuple):
    """A client, and the pool that it sends through."""

    client: Any
    pool: ConnectionPool

    @property
    def is_empty(self) -> bool:
        """The pool holds no connection, neither busy nor idle."""
        return not self.pool.active_connections and not self.pool.keepalive_connections

    async def body(self, url: str, method: str = "GET", **options: Any) -> bytes:
        """What a request is answered with."""
        response = await do(self.client.request(method, url, **options))
        content: bytes = response.content
        return content

    async def streamed(self, url: str, method: str = "GET", received: list[bytes] | None = None) -> bytes:
        """The same, read piece by piece; what came before a failure is left in ``received``."""
        response = await do(self.client.request(method, url, stream=True))
        pieces = [] if received is None else received
        stream = response.stream()
        if hasattr(stream, "__aiter__"):
            async for piece in stream:
                pieces.append(piece)
        else:
            for piece in stream:
                pieces.append(piece)
        return b"".join(pieces)


def watched(world: World, *versions: str, **options: Any) -> Watched:
    """A client of this world with a pool of its own; without versions it speaks HTTP/1.1."""
    backend = None if world.is_async else BlockingBackend()
    pool = ConnectionPool(http_versions=versions or ("HTTP/1.1",), backend=backend, **options)
    timeout = http3.TimeoutConfig(READ_LIMIT)
    return Watched(world.client(dispatch=pool, timeout=timeout), pool)


def send_bytewise(connection: socket.socket, data: bytes) -> None:
    """One packet for each byte."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in data:
        connection.sendall(bytes([byte]))


def reset(connection: socket.socket) -> None:
    """The connection will end with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def await_close(connection: socket.socket) -> None:
    """The client must close now, without asking for anything more."""
    with suppress(ConnectionResetError):
        assert not connection.recv(65536), "the client used the connection again"


def marking(connection: socket.socket) -> None:
    """Answers each request with its own target."""
    while request := read_request(connection):
        connection.sendall(answer(request.target.encode()))


def hostile(
    data: bytes, *, bytewise: bool = False, closes: bool = False, sent: threading.Event | None = None
) -> Script:
    """A good answer, then ``data``, ``sent`` is set; then the server closes, or the client must."""

    def script(connection: socket.socket) -> None:
        request = read_request(connection)
        assert request is not None
        connection.sendall(answer(request.target.encode()))
        assert read_request(connection) is not None
        try:
            if bytewise:
                send_bytewise(connection, data)
            else:
                connection.sendall(data)
        finally:  # the client may have closed already
            if sent is not None:
                sent.set()
        if not closes:
            await_close(connection)

    return script
