"""Small pieces for tests of the transport: scripted answers, and a request from end to end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from http3_models import AsyncRequest, AsyncResponse
from http3_transport import ConnectionPool
from support.servers import Script, read_request
from support.worlds import World


def answering(*answers: bytes) -> Script:
    """A script that gives one answer to each request of a connection, then closes it."""

    def script(connection: socket.socket) -> None:
        for answer in answers:
            if read_request(connection) is None:
                return
            connection.sendall(answer)

    return script


def ok(body: bytes = b"ok", *fields: bytes) -> bytes:
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def keeping(body: bytes = b"ok") -> Script:
    """Answers every request of a connection the same way."""

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(ok(body))

    return script


def make_pool(world: World, **options: object) -> ConnectionPool:
    return ConnectionPool(backend=world.backend, **options)  # type: ignore[arg-type]


async def fetch(pool: ConnectionPool, url: str, method: str = "GET", **options: object) -> AsyncResponse:
    """Send, and read the whole body."""
    response = await pool.send(AsyncRequest(method, url, **options))  # type: ignore[arg-type]
    await response.read()
    return response


def silent(connection: socket.socket) -> None:
    """Read, never answer."""
    while connection.recv(65536):
        pass


class Pieces:
    """An iterator of byte strings that may be used once."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = iter(pieces)

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces


def check_idle(pool: ConnectionPool) -> None:
    """No request holds anything: no connection, no place in the queue, no lock."""
    scope = pool._scope
    assert scope is not None
    scope.run_deferred_releases()
    assert not scope._lock.locked()
    assert scope.state.waiting() == []
    assert pool.active_connections == []
    assert scope.state.slots == len(pool.keepalive_connections)
