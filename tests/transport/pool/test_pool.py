"""The pool over real sockets: waiting in line, limits of time, closing, loops, forks and threads."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
import weakref
from contextlib import suppress
from typing import Any

import pytest
import trio

import http3_client
from http3_models import (
    AsyncRequest,
    AsyncResponse,
    ClientClosed,
    ConcurrencyBackend,
    ConnectError,
    ConnectTimeout,
    Delivery,
    PoolLimits,
    PoolTimeout,
    TimeoutConfig,
    TLSError,
    TotalTimeout,
    UnsupportedProtocol,
)
from http3_models.engine import Deadline, run_sync, state_of
from http3_transport import BlockingBackend, ConnectionPool
from http3_transport._connect.backend_choice import choose_backend
from http3_transport._interfaces import Backend
from http3_transport._pool import pool as pool_pool
from support.exchanges import fetch, keeping, make_pool, ok, silent
from support.forks import in_a_child
from support.servers import Authority, Nginx, StartServer, Uvicorn, read_request
from support.worlds import World

# Waiting.


async def test_the_pool_timeout_says_so_and_the_holder_is_not_harmed(
    world: World, start_server: StartServer
) -> None:
    server = start_server(keeping(b"x" * 100_000))
    pool = make_pool(world, pool_limits=PoolLimits(hard_limit=1, pool_timeout=0.05))
    holder = await pool.send(AsyncRequest("GET", server.url))
    with pytest.raises(PoolTimeout, match=r"0\.05 s \(pool_timeout\)") as caught:
        await pool.send(AsyncRequest("POST", server.url))
    assert caught.value.delivery is Delivery.NOT_SENT
    assert caught.value.timings is not None
    assert caught.value.timings.pool is not None
    await holder.read()
    assert (await fetch(pool, server.url)).status_code == 200
    await pool.close()
    assert server.connections == 1


async def test_the_total_limit_holds_for_waiting_requests(world: World, start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))
    pool = make_pool(world, pool_limits=PoolLimits(hard_limit=1))
    holder = await pool.send(AsyncRequest("GET", server.url))
    request = AsyncRequest("GET", server.url)
    state_of(request).deadline = Deadline(0.05, pool.now)
    with pytest.raises(TotalTimeout, match="total_timeout"):
        await pool.send(request)
    await holder.close()
    await pool.close()


def test_many_tasks_over_few_connections_are_all_served(start_server: StartServer) -> None:
    server = start_server(keeping())

    async def main() -> int:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=3))
        answers = await asyncio.gather(*(fetch(pool, server.url) for _ in range(60)))
        await pool.close()
        return sum(answer.status_code == 200 for answer in answers)

    assert asyncio.run(main()) == 60
    assert server.connections == 3


def test_many_threads_over_few_connections_are_all_served(start_server: StartServer) -> None:
    server = start_server(keeping())
    pool = ConnectionPool(backend=BlockingBackend(), pool_limits=PoolLimits(hard_limit=3))
    served: list[int] = []

    def work() -> None:
        served.extend(run_sync(fetch(pool, server.url)).status_code for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run_sync(pool.close())
    assert served == [200] * 160
    assert server.connections <= 3


def test_a_cancelled_wait_and_a_cancelled_request_leave_no_trace(start_server: StartServer) -> None:
    server = start_server(silent, keeping())

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        busy = asyncio.create_task(fetch(pool, server.url))
        waiting = asyncio.create_task(fetch(pool, server.url))
        last = asyncio.create_task(fetch(pool, server.url))
        await asyncio.sleep(0.05)
        waiting.cancel()
        busy.cancel()
        assert (await last).status_code == 200
        assert pool.active_connections == []
        await asyncio.gather(busy, waiting, return_exceptions=True)
        await pool.close()

    asyncio.run(main())


def test_a_cancelled_wait_on_trio_passes_its_turn_on(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        with trio.move_on_after(0.05) as scope:
            await fetch(pool, server.url)
        assert scope.cancelled_caught
        await holder.read()
        assert (await fetch(pool, server.url)).status_code == 200
        await pool.close()

    trio.run(main)


async def test_a_forgotten_response_serves_who_waits(world: World, start_server: StartServer) -> None:
    if world.name == "sync":
        pytest.skip("a request can't wait in the same thread; see the test with threads")
    server = start_server(keeping(b"x" * 100_000))
    pool = make_pool(world, pool_limits=PoolLimits(hard_limit=1))
    held: list[AsyncResponse] = [await pool.send(AsyncRequest("GET", server.url))]

    async def forget() -> None:
        await world.backend.sleep(0.05)
        held.clear()

    async def both() -> None:
        if world.name == "asyncio":
            await asyncio.gather(fetch(pool, server.url), forget())
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forget)
            nursery.start_soon(fetch, pool, server.url)

    with pytest.warns(ResourceWarning):
        await both()
    await pool.close()


# Keeping connections.


async def test_an_expired_connection_is_not_reused(world: World, start_server: StartServer) -> None:
    server = start_server(keeping())
    pool = make_pool(world, pool_limits=PoolLimits(keepalive_expiry=0.02))
    await fetch(pool, server.url)
    await world.backend.sleep(0.05)
    await fetch(pool, server.url)
    await pool.close()
    assert server.connections == 2


async def test_connections_are_only_reused_under_the_tls_settings_they_were_opened_with(
    world: World, nginx: Nginx, authority: Authority
) -> None:
    pool = make_pool(world, verify=authority.ca_file, http_versions=("HTTP/1.1",))
    first = await pool.send(AsyncRequest("GET", nginx.tls + "/echo"))
    await first.read()
    loose = await pool.send(AsyncRequest("GET", nginx.tls + "/echo"), verify=False)
    await loose.read()
    again = await pool.send(AsyncRequest("GET", nginx.tls + "/echo"))
    serials = [(await response.json())["connection"] for response in (first, loose, again)]
    assert serials[0] == serials[2] != serials[1]
    await pool.close()


async def test_client_certificates_of_one_request(world: World, nginx: Nginx, authority: Authority) -> None:
    pool = make_pool(world, verify=authority.ca_file)
    without = await fetch(pool, nginx.mutual_tls + "/echo")
    assert without.status_code == 400
    cert = (authority.client_cert, authority.client_key)
    response = await pool.send(AsyncRequest("GET", nginx.mutual_tls + "/echo"), cert=cert)
    assert (await response.json())["client"] == "SUCCESS"
    await pool.close()


# What fails while connecting.


def test_a_refused_connection_names_the_address(world: World) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def main() -> None:
            pool = make_pool(world)
            with pytest.raises(ConnectError, match=f"127.0.0.1 port {port}.*refused") as caught:
                await fetch(pool, f"http://127.0.0.1:{port}/")
            assert caught.value.delivery is Delivery.NOT_SENT
            assert isinstance(caught.value.__cause__, OSError)
            assert pool.active_connections == []
            await pool.close()

        world.run(main)


async def test_a_name_that_does_not_resolve_is_a_connect_error(world: World) -> None:
    pool = make_pool(world)
    with pytest.raises(ConnectError, match=r"nowhere\.invalid"):
        await fetch(pool, "http://nowhere.invalid/")
    await pool.close()


async def test_an_untrusted_certificate_and_a_wrong_name_are_tls_errors(
    world: World, nginx: Nginx, authority: Authority
) -> None:
    pool = make_pool(world, verify=authority.stranger_ca_file)
    with pytest.raises(TLSError, match="certificate not accepted"):
        await fetch(pool, nginx.tls + "/small")
    own = make_pool(world, verify=authority.ca_file)
    with pytest.raises(TLSError, match="certificate not accepted"):
        await fetch(own, nginx.wrong_name + "/small")
    assert (await fetch(own, nginx.tls + "/small")).status_code == 200
    await pool.close()
    await own.close()


async def test_a_missing_ca_file_is_an_error_that_names_it(world: World, nginx: Nginx) -> None:
    pool = make_pool(world, verify="/no/such/ca.pem")
    with pytest.raises(FileNotFoundError, match=r"/no/such/ca\.pem"):
        await fetch(pool, nginx.tls + "/small")
    assert (await fetch(pool, nginx.plain + "/small")).status_code == 200
    await pool.close()


async def test_a_server_without_tls_is_a_tls_error(world: World, nginx: Nginx) -> None:
    pool = make_pool(world, verify=False)
    with pytest.raises(TLSError):
        await fetch(pool, nginx.plain.replace("http:", "https:") + "/small")
    await pool.close()


async def test_a_handshake_that_stalls_is_a_connect_timeout(world: World, start_server: StartServer) -> None:
    server = start_server(silent)
    pool = make_pool(world, verify=False, timeout=TimeoutConfig(connect_timeout=0.1))
    started = time.monotonic()
    with pytest.raises(ConnectTimeout, match=r"0\.1 s \(connect_timeout\)"):
        await fetch(pool, server.url.replace("http:", "https:"))
    assert time.monotonic() - started < 2
    await pool.close()


@pytest.mark.parametrize("url", ["ftp://example.org/", "ws://example.org/"])
async def test_other_schemes_are_refused(world: World, url: str) -> None:
    with pytest.raises(UnsupportedProtocol, match="http or https"):
        await fetch(make_pool(world), url)


# Closing.


async def test_a_streamed_response_outlives_its_pool(world: World, start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))
    pool = make_pool(world)
    response = await pool.send(AsyncRequest("GET", server.url))
    await pool.close()
    await pool.close()
    assert len(await response.read()) == 300_000
    assert pool.active_connections == pool.keepalive_connections == []
    with pytest.raises(ClientClosed):
        await fetch(pool, server.url)
    assert repr(pool) == "<ConnectionPool closed>"


def test_requests_in_the_queue_fail_when_the_client_is_closed(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        waiting = asyncio.create_task(fetch(pool, server.url))
        await asyncio.sleep(0.02)
        await pool.close()
        with pytest.raises(ClientClosed, match="waited for a connection"):
            await waiting
        await holder.close()

    asyncio.run(main())


# Loops and forks.


def test_the_next_event_loop_starts_with_an_empty_pool(uvicorn: Uvicorn) -> None:
    pool = ConnectionPool()

    async def main() -> None:
        assert (await fetch(pool, uvicorn.url + "/json")).status_code == 200
        assert len(pool.keepalive_connections) == 1

    asyncio.run(main())
    asyncio.run(main())
    trio.run(main)
    asyncio.run(pool.close())


def test_two_loops_at_once_are_refused(uvicorn: Uvicorn) -> None:
    pool = ConnectionPool()

    async def main() -> None:
        await fetch(pool, uvicorn.url + "/json")
        refused: list[BaseException] = []

        def other() -> None:
            try:
                asyncio.run(fetch(pool, uvicorn.url + "/json"))
            except RuntimeError as exc:
                refused.append(exc)

        thread = threading.Thread(target=other)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert "one event loop at a time" in str(refused[0])
        await pool.close()

    asyncio.run(main())


@pytest.mark.parametrize("libraries", [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "trio")])
def test_of_two_loops_that_begin_at_once_one_is_refused(
    libraries: tuple[str, str], start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is faster; the pool works on there, and elsewhere when that loop has ended."""
    server = start_server(keeping())
    together, ended = threading.Barrier(2), threading.Barrier(2)
    choose = choose_backend

    def choose_together(backend: ConcurrencyBackend | None) -> Backend:
        chosen = choose(backend)
        with suppress(threading.BrokenBarrierError):
            together.wait(0.5)
        return chosen

    monkeypatch.setattr(pool_pool, "choose_backend", choose_together)
    pool = ConnectionPool()
    outcomes: list[str] = []

    async def use() -> None:
        try:
            response = await fetch(pool, server.url)
        except RuntimeError as exc:
            outcomes.append(str(exc))
            ended.wait(10)
            return
        outcomes.append(response.text)
        ended.wait(10)  # the other one has tried
        assert (await fetch(pool, server.url)).text == "ok"

    def run(library: str) -> None:
        asyncio.run(use()) if library == "asyncio" else trio.run(use)

    threads = [threading.Thread(target=run, args=[library]) for library in libraries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused, answered = sorted(outcomes, key=len, reverse=True)
    assert "one event loop at a time" in refused
    assert answered == "ok"
    for library in libraries:
        asyncio.run(again(pool, server.url)) if library == "asyncio" else trio.run(again, pool, server.url)
    trio.run(pool.close)


async def again(pool: ConnectionPool, url: str) -> None:
    assert (await fetch(pool, url)).text == "ok"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("scheme", ["plain", "tls"])
def test_a_forked_child_leaves_its_parents_connections_alone(
    nginx: Nginx, authority: Authority, scheme: str
) -> None:
    pool = ConnectionPool(backend=BlockingBackend(), verify=authority.ca_file, http_versions=("HTTP/1.1",))
    url = (nginx.plain if scheme == "plain" else nginx.tls) + "/echo"

    async def serial() -> int:
        response = await pool.send(AsyncRequest("GET", url))
        found: int = (await response.json())["connection"]
        return found

    mine = run_sync(serial())
    assert in_a_child(lambda: run_sync(serial()) != mine)
    assert run_sync(serial()) == mine
    run_sync(pool.close())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_frees_no_tls_object_of_its_parent(nginx: Nginx, authority: Authority) -> None:
    """OpenSSL would take a lock that another thread may have held at the fork, and the child would hang."""
    pool: ConnectionPool | None = ConnectionPool(backend=BlockingBackend(), verify=authority.ca_file)

    async def ask(pool: ConnectionPool) -> None:
        await (await pool.send(AsyncRequest("GET", nginx.tls + "/echo"))).read()

    assert pool is not None
    run_sync(ask(pool))
    engine: Any = pool.keepalive_connections[0].engine
    tls = weakref.ref(engine.stream._state._object)
    del engine
    kept, pool = [pool], None

    def forget() -> bool:
        kept.clear()
        gc.collect()
        return tls() is not None

    assert in_a_child(forget)
    run_sync(kept[0].close())


@pytest.mark.parametrize("versions", ["HTTP/2", (), ("HTTP/3",), ("HTTP/1.1", "SPDY")])
def test_http_versions_are_checked(versions: object) -> None:
    with pytest.raises((TypeError, ValueError), match="http_versions"):
        ConnectionPool(http_versions=versions)  # type: ignore[arg-type]


def test_answers_belong_to_their_requests_in_random_company(start_server: StartServer) -> None:
    """Threads, closed and half-read responses, dying connections: every answer carries its request's mark."""

    def script(connection: socket.socket) -> None:
        for turn in range(7):
            request = read_request(connection)
            if request is None:
                return
            body = request.target.encode() * 500
            connection.sendall(ok(body) + (b"junk" if turn == 5 else b""))

    server = start_server(script)
    pool = ConnectionPool(backend=BlockingBackend(), pool_limits=PoolLimits(hard_limit=4))
    wrong: list[str] = []

    async def one(mark: str, how: int) -> None:
        response = await pool.send(AsyncRequest("GET", f"{server.url}/{mark}"))
        if how == 0:
            await response.close()
        elif await response.read() != f"/{mark}".encode() * 500:
            wrong.append(mark)

    def work(number: int) -> None:
        for turn in range(40):
            run_sync(one(f"{number}-{turn}", turn % 5))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run_sync(pool.close())
    assert wrong == []


def test_a_pool_over_blocking_sockets_serves_a_sync_client_without_a_loop(uvicorn: Uvicorn) -> None:
    with http3_client.Client(dispatch=ConnectionPool(backend=BlockingBackend())) as client:
        assert client.get(uvicorn.url + "/json").status_code == 200
        assert not [thread for thread in threading.enumerate() if "http3-loop" in thread.name]
    assert not ConnectionPool().blocks
