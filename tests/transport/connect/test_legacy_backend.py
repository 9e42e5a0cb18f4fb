"""Users' backends with the interface of 0.6.7."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import trio

from http3_models import (
    AsyncRequest,
    BaseReader,
    BaseWriter,
    ConcurrencyBackend,
    ConnectError,
    ConnectTimeout,
    Delivery,
    Protocol,
    RequestError,
)
from http3_transport import BlockingBackend, ConnectionPool, HTTPConnection
from support.exchanges import check_idle, fetch, keeping
from support.forks import in_a_child
from support.servers import StartServer


class Reader(BaseReader):
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def read(self, n: int, timeout: Any = None, flag: Any = None) -> bytes:
        return self.sock.recv(n)


class Writer(BaseWriter):
    """Counts how often it was closed, and fails then."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.closed = 0

    def write_no_block(self, data: bytes) -> None:
        self.sock.sendall(data)

    async def write(self, data: bytes, timeout: Any = None) -> None:
        self.sock.sendall(data)

    async def close(self) -> None:
        self.closed += 1
        self.sock.close()
        raise LookupError("closing failed")


class OwnBackend(ConcurrencyBackend):
    """Connects, or raises what it was told to."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.writers: list[Writer] = []

    async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        sock = socket.create_connection((hostname, port))
        self.writers.append(Writer(sock))
        return Reader(sock), self.writers[-1], Protocol.HTTP_11


def test_a_writer_that_can_not_close_costs_nothing(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))
    backend = OwnBackend()

    async def main() -> None:
        pool = ConnectionPool(backend=backend)
        response = await pool.send(AsyncRequest("GET", server.url))
        assert in_a_child(lambda: backend.writers[-1].closed == 0 and pool.active_connections == [])
        await response.close()
        check_idle(pool)
        assert backend.writers[-1].closed == 1
        await pool.close()

    asyncio.run(main())
    asyncio.run(main())
    trio.run(main)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TimeoutError(), ConnectTimeout),
        (TimeoutError(110, "Connection timed out"), ConnectError),
        (ConnectError("no group for us"), ConnectError),
        (ConnectTimeout(), ConnectTimeout),
    ],
)
def test_what_a_backend_of_the_users_raises(failure: BaseException, kind: type[RequestError]) -> None:
    async def main() -> None:
        pool = ConnectionPool(backend=OwnBackend(failure))
        with pytest.raises(kind) as caught:
            await fetch(pool, "http://example.org/")
        assert type(caught.value) is kind
        assert caught.value.delivery is Delivery.NOT_SENT
        assert caught.value.timings is not None
        check_idle(pool)

    asyncio.run(main())


def test_a_backend_over_blocking_sockets_that_connects_by_itself_may_suspend() -> None:
    class Elsewhere(BlockingBackend):
        async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
            await asyncio.sleep(0)
            return await super().connect(hostname, port, ssl_context, timeout)

    assert not ConnectionPool(backend=Elsewhere()).blocks
    assert ConnectionPool(backend=BlockingBackend()).blocks
    assert HTTPConnection("http://example.org", backend=BlockingBackend()).blocks
