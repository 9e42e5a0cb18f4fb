"""`HTTPConnection`: one used alone, and those that a pool shows."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Awaitable
from functools import partial
from typing import Any

import pytest
import trio

from http3_models import (
    AsyncRequest,
    AsyncResponse,
    ConnectError,
    ConnectTimeout,
    LocalProtocolError,
    NotConnected,
    TimeoutConfig,
    TotalTimeout,
    UnsupportedProtocol,
)
from http3_models.engine import run_sync
from http3_transport import AsyncioBackend, BlockingBackend, ConnectionPool, HTTPConnection
from support.exchanges import fetch, keeping, ok, silent
from support.forks import in_a_child
from support.http2_client import echo
from support.interruption import AtLine
from support.servers import StartServer, read_request
from support.worlds import World


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


def alone(world: World, url: str, **options: Any) -> HTTPConnection:
    backend: Any = world.backend
    return HTTPConnection(url, backend=backend, **options)


@pytest.mark.parametrize(("origin", "kind"), [(42, TypeError), ("ftp://x/", UnsupportedProtocol)])
def test_what_is_no_origin(origin: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        HTTPConnection(origin)


async def test_two_requests_race_to_open_a_connection(world: World, start_server: StartServer) -> None:
    if world.name == "sync":
        pytest.skip("see the test with threads")
    server = start_server(echo(max_concurrent_streams=8))
    connection = alone(world, server.url, http_versions=("HTTP/2",))
    served = []

    async def one() -> None:
        response = await connection.send(AsyncRequest("GET", server.url))
        await response.read()
        served.append(response.status_code)

    if world.name == "asyncio":
        await asyncio.gather(*[one() for _ in range(8)])
    else:
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(one)
    assert served == [200] * 8
    await connection.close()
    assert server.connections == 1


def test_threads_do_not_meet_on_one_http1_connection(start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(ok(request.target.encode()))

    server = start_server(script)
    connection = HTTPConnection(server.url, backend=BlockingBackend())
    wrong: list[str] = []
    busy: list[str] = []

    async def one(mark: str) -> None:
        try:
            response = await connection.send(AsyncRequest("GET", server.url + mark))
        except LocalProtocolError:
            busy.append(mark)
            return
        if await response.read() != mark.encode():
            wrong.append(mark)

    def work(number: int) -> None:
        for turn in range(50):
            run_sync(one(f"/{number}-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    run_sync(connection.close())
    assert server.connections == 1


async def test_an_answer_before_its_request_is_no_answer(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ok(b"first"))
        ready.wait(5)
        connection.sendall(ok(b"not asked for"))
        sent.set()
        read_request(connection)

    ready, sent = threading.Event(), threading.Event()
    server = start_server(script)
    connection = alone(world, server.url)
    response = await connection.send(AsyncRequest("GET", server.url))
    await response.read()
    ready.set()
    assert sent.wait(5)
    with pytest.raises(NotConnected):
        await connection.send(AsyncRequest("GET", server.url))


async def test_a_connection_whose_opening_failed_may_be_opened_again(
    world: World, start_server: StartServer
) -> None:
    server = start_server(silent, lambda connection: None)
    connection = alone(world, server.url.replace("http:", "https:"), verify=False)
    with pytest.raises(ConnectTimeout):
        await connection.request("GET", server.url.replace("http:", "https:"), timeout=0.1)
    assert not connection.is_closed
    with pytest.raises(ConnectError):
        await connection.request("GET", server.url.replace("http:", "https:"))
    assert server.connections == 2


def test_who_waits_for_another_to_open_a_connection_has_a_limit(start_server: StartServer) -> None:
    server = start_server(silent)
    url = server.url.replace("http:", "https:")

    async def main() -> None:
        connection = HTTPConnection(url, verify=False)
        first = asyncio.create_task(connection.request("GET", url))
        await asyncio.sleep(0)
        with pytest.raises(ConnectTimeout):
            await connection.request("GET", url, timeout=0.1)
        with pytest.raises(TotalTimeout):
            await connection.request("GET", url, timeout=TimeoutConfig(total_timeout=0.1))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await connection.close()

    asyncio.run(main())


def test_a_connection_closed_while_it_is_opened(start_server: StartServer) -> None:
    server = start_server(keeping())

    async def main() -> None:
        connection = HTTPConnection(server.url)
        first = asyncio.create_task(connection.request("GET", server.url))
        await asyncio.sleep(0)
        await connection.close()
        with pytest.raises(NotConnected):
            await first
        assert connection.engine.is_closed

    asyncio.run(main())


async def test_a_forgotten_response_of_a_connection_alone(world: World, start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))
    connection = alone(world, server.url)
    with pytest.warns(ResourceWarning):
        await connection.send(AsyncRequest("GET", server.url))
    with pytest.raises(NotConnected):
        await connection.send(AsyncRequest("GET", server.url))


def test_a_connection_belongs_to_its_loop(start_server: StartServer) -> None:
    server = start_server(keeping())
    connection = HTTPConnection(server.url)

    async def main() -> None:
        await (await connection.send(AsyncRequest("GET", server.url))).read()

    asyncio.run(main())
    with pytest.raises(NotConnected, match="another event loop"):
        asyncio.run(main())
    with pytest.raises(NotConnected, match="another event loop"):
        trio.run(main)
    connection.drop()


def test_a_connection_alone_is_the_parents(start_server: StartServer) -> None:
    server = start_server(keeping())
    connection = HTTPConnection(server.url, backend=BlockingBackend())
    run_sync(run_sync(connection.send(AsyncRequest("GET", server.url))).read())

    def work() -> bool:
        with pytest.raises(NotConnected):
            run_sync(connection.send(AsyncRequest("GET", server.url)))
        run_sync(connection.close())
        return True

    assert in_a_child(work)
    assert run_sync(run_sync(connection.send(AsyncRequest("GET", server.url))).read()) == b"ok"
    run_sync(connection.close())


async def test_a_connection_alone_is_a_dispatcher(world: World, start_server: StartServer) -> None:
    server = start_server(keeping())
    backend = {"sync": BlockingBackend, "asyncio": AsyncioBackend}.get(world.name)
    connection = HTTPConnection(server.url, backend=backend() if backend else None)
    assert "not open" in repr(connection)
    for _ in range(2):
        response = await connection.send(AsyncRequest("GET", server.url))
        assert await response.read() == b"ok"
    assert not connection.is_http2
    with pytest.raises(LocalProtocolError, match="another origin"):
        await connection.send(AsyncRequest("GET", "http://elsewhere.example/"))
    with pytest.raises(TypeError, match="verify and cert"):
        await connection.send(AsyncRequest("GET", server.url), verify=False)
    await connection.close()
    assert connection.is_closed
    with pytest.raises(NotConnected):
        await connection.send(AsyncRequest("GET", server.url))
    assert server.connections == 1


async def test_a_connection_alone_takes_one_request_at_a_time(
    world: World, start_server: StartServer
) -> None:
    server = start_server(keeping(b"x" * 100_000))
    backend = {"sync": BlockingBackend, "asyncio": AsyncioBackend}.get(world.name)
    connection = HTTPConnection(server.url, backend=backend() if backend else None)
    response = await connection.send(AsyncRequest("GET", server.url))
    with pytest.raises(LocalProtocolError, match="as many requests as it can"):
        await connection.send(AsyncRequest("GET", server.url))
    await connection.close()
    assert len(await response.read()) == 100_000
    assert connection.is_closed


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
        tracer = AtLine(number)
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
