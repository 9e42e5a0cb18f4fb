"""`HTTPConnection`: one used alone, and those that a pool shows. `test_faults` and `test_pool` have more."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable
from functools import partial
from typing import Any

import pytest

from http3_models import AsyncResponse, ConnectError, LocalProtocolError, NotConnected
from http3_models.engine import run_sync
from http3_transport import BlockingBackend, ConnectionPool, HTTPConnection
from support.exchanges import fetch, ok
from support.http2_client import echo
from support.servers import Script, StartServer, read_request
from transport.pool.test_faults import Tracer


def keeping(body: bytes = b"ok") -> Script:
    """Answers every request of a connection the same way."""

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(ok(body))

    return script


async def get(connection: HTTPConnection, url: str) -> AsyncResponse:
    """Send a request, and read the whole response."""
    response = await connection.request("GET", url)
    await response.read()
    return response


def ask(connection: HTTPConnection, url: str) -> None:
    """`get` over blocking sockets."""
    assert run_sync(get(connection, url)).status_code == 200


async def outcomes(*requests: Awaitable[AsyncResponse]) -> list[str]:
    """What became of requests that are sent at the same time."""
    found = await asyncio.gather(*requests, return_exceptions=True)
    return sorted(str(r.status_code) if isinstance(r, AsyncResponse) else type(r).__name__ for r in found)


def test_a_second_request_does_not_wait_for_the_first_one_to_end(start_server: StartServer) -> None:
    server = start_server(keeping())

    async def main() -> list[str]:
        connection = HTTPConnection(server.url)
        found = await outcomes(*[get(connection, server.url) for _ in range(2)])
        await connection.close()
        return found

    assert asyncio.run(main()) == ["200", "LocalProtocolError"]


def test_requests_beyond_the_stream_limit_fail_when_it_is_known(start_server: StartServer) -> None:
    server = start_server(echo(max_concurrent_streams=2))

    async def main() -> list[str]:
        connection = HTTPConnection(server.url, http_versions=("HTTP/2",))
        url = server.url + "/100000"
        found = await outcomes(*[get(connection, url) for _ in range(4)])
        assert connection.stream_limit_known
        assert (connection.stream_limit, connection.multiplexes) == (2, True)
        await connection.close()
        return found

    found = asyncio.run(main())
    assert found[:2] == ["200", "200"]
    assert found[-1] == "LocalProtocolError"  # the third may get the place of the first, if that was answered


def test_what_could_not_be_opened_may_be_opened_in_another_loop() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        connection = HTTPConnection(url)
        for _ in range(2):
            with pytest.raises(ConnectError):
                asyncio.run(get(connection, url))
        listener.listen()
        listener.settimeout(5)

        async def main() -> None:
            sending = asyncio.create_task(get(connection, url))
            peer, _ = await asyncio.to_thread(listener.accept)
            with peer:
                await asyncio.to_thread(read_request, peer)
                peer.sendall(ok(b"late"))
                assert (await sending).content == b"late"
            await connection.close()

        asyncio.run(main())


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_at_any_line_leaves_it_usable_or_closed(
    start_server: StartServer, version: str
) -> None:
    server = start_server(keeping() if version == "HTTP/1.1" else echo())
    number, raised, used = 0, True, 0
    while raised:
        number += 1 if version == "HTTP/1.1" else 5
        connection = HTTPConnection(server.url, backend=BlockingBackend(), http_versions=(version,))
        tracer = Tracer(number)
        raised = tracer.run(partial(ask, connection, server.url))
        gc.collect()
        try:
            try:
                ask(connection, server.url)
                used += not connection.engine.is_closed
            except NotConnected:
                assert connection.is_closed
            scope: Any = connection._scope
            assert not scope._lock.locked()
            assert scope.state.waiting() == scope.state.connections(idle=False) == []
            run_sync(connection.close())
            assert connection.is_closed
            assert scope.state.slots == 0
        except BaseException as exc:
            exc.add_note(f"interrupted at {tracer.where}")
            raise
    assert number > used > 20


def test_a_pool_shows_one_object_for_a_connection(start_server: StartServer) -> None:
    server = start_server(keeping())
    pool = ConnectionPool(backend=BlockingBackend())
    run_sync(fetch(pool, server.url))
    [shown] = pool.keepalive_connections
    assert pool.keepalive_connections == [shown]
    assert (shown.is_http2, shown.stream_limit, shown.is_closed) == (False, 1, False)
    with pytest.raises(LocalProtocolError, match="belongs to a pool"):
        ask(shown, server.url)
    assert run_sync(fetch(pool, server.url)).status_code == 200
    assert server.connections == 1
    run_sync(shown.close())
    assert (shown.is_closed, shown.stream_limit) == (True, 0)
    assert run_sync(fetch(pool, server.url)).status_code == 200
    assert server.connections == 2
    assert pool.keepalive_connections != [shown]
    run_sync(pool.close())
