"""What must not go wrong in a pool: storms, races, forks, and what failures say."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hyperframe.frame import GoAwayFrame, RstStreamFrame

from http3_models import (
    AsyncRequest,
    ClientClosed,
    ConnectError,
    Delivery,
    PoolLimits,
    ReadError,
    TimeoutConfig,
    TotalTimeout,
    TransportError,
    UnsupportedProtocol,
)
from http3_models.engine import Deadline, run_sync, state_of
from http3_transport import BlockingBackend, ConnectionPool, HTTPConnection
from http3_transport._errors import timeout_error
from http3_transport._http1.connection import HTTP11Connection
from http3_transport._pool import pool as pool_pool
from support.exchanges import answering, check_idle, fetch, keeping, make_pool, ok
from support.forks import in_a_child
from support.http2_client import echo, scripted
from support.http2_peer import Peer
from support.servers import Authority, Nginx, StartServer, read_request
from support.worlds import World

# Storms.


def refusing(peer: Peer, count: int) -> None:
    peer.until(lambda: sum(request.ended for request in peer.requests.values()) >= count)
    peer.frame(*[RstStreamFrame(number, error_code=7) for number in peer.requests])


def leaving(peer: Peer, count: int) -> None:
    peer.until(lambda: sum(request.ended for request in peer.requests.values()) >= count)
    peer.frame(GoAwayFrame(0, last_stream_id=0))


@pytest.mark.parametrize("refuse", [refusing, leaving])
def test_a_hundred_refused_at_once_share_one_new_connection(
    start_server: StartServer, refuse: Callable[[Peer, int], None]
) -> None:
    server = start_server(scripted(lambda peer: refuse(peer, 100)), echo())

    async def main() -> list[int]:
        pool = ConnectionPool(http_versions=("HTTP/2",))
        answers = await asyncio.gather(
            *[fetch(pool, f"{server.url}/{n}", "POST", data=b"%d" % n) for n in range(100)]
        )
        check_idle(pool)
        await pool.close()
        return [int(answer.content) for answer in answers]

    assert asyncio.run(main()) == list(range(100))
    assert server.connections == 2


async def test_a_burst_waits_for_what_the_server_says_it_takes(
    world: World, start_server: StartServer
) -> None:
    if world.name == "sync":
        pytest.skip("see the test with threads")
    server = start_server(echo(max_concurrent_streams=10))
    pool = make_pool(world, http_versions=("HTTP/2",))
    served: list[bytes] = []

    async def one(number: int) -> None:
        served.append((await fetch(pool, server.url, "POST", data=b"%d" % number)).content)

    if world.name == "asyncio":
        await asyncio.gather(*[one(number) for number in range(60)])
    else:
        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(one, number)
    assert sorted(map(int, served)) == list(range(60))
    check_idle(pool)
    await pool.close()
    assert server.connections <= 6


def test_a_burst_of_threads_waits_for_what_the_server_says_it_takes(start_server: StartServer) -> None:
    server = start_server(echo(max_concurrent_streams=4))
    pool = ConnectionPool(backend=BlockingBackend(), http_versions=("HTTP/2",))
    served: list[int] = []
    threads = [
        threading.Thread(target=lambda: served.append(run_sync(fetch(pool, server.url)).status_code))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_idle(pool)
    run_sync(pool.close())
    assert served == [200] * 16


# Races.


def test_the_first_requests_of_two_threads_get_the_same_scope(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(keeping())
    pool = ConnectionPool(backend=BlockingBackend(), pool_limits=PoolLimits(hard_limit=1))
    barrier = threading.Barrier(2)

    def choose(backend: object) -> BlockingBackend:
        barrier.wait(10)
        return BlockingBackend()

    monkeypatch.setattr(pool_pool, "choose_backend", choose)
    threads = [threading.Thread(target=lambda: run_sync(fetch(pool, server.url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connections == 1
    run_sync(pool.close())


def test_a_pool_that_is_closed_while_its_first_request_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ConnectionPool(backend=BlockingBackend())

    def choose(backend: object) -> BlockingBackend:
        run_sync(pool.close())
        return BlockingBackend()

    monkeypatch.setattr(pool_pool, "choose_backend", choose)
    with pytest.raises(ClientClosed):
        run_sync(fetch(pool, "http://127.0.0.1:1/"))


def test_nothing_is_opened_once_the_pool_is_closed(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        waiting = [asyncio.create_task(fetch(pool, server.url)) for _ in range(3)]
        await asyncio.sleep(0.02)
        await pool.close()
        await holder.close()
        for task in waiting:
            with pytest.raises(ClientClosed):
                await task
        check_idle(pool)

    asyncio.run(main())
    assert server.connections == 1


def test_a_closed_pool_sends_nothing_again(start_server: StartServer) -> None:
    def dying(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ok())
        read_request(connection)

    server = start_server(dying, keeping())

    async def main() -> None:
        pool = ConnectionPool()
        await fetch(pool, server.url)
        task = asyncio.create_task(fetch(pool, server.url))
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(TransportError):
            await task
        check_idle(pool)

    asyncio.run(main())
    assert server.connections == 1


async def test_equal_tls_settings_share_connections(world: World, nginx: Nginx, authority: Authority) -> None:
    pool = make_pool(world, verify=authority.ca_file)
    await fetch(pool, nginx.tls + "/small")
    response = await pool.send(AsyncRequest("GET", nginx.tls + "/small"), verify=authority.ca_file)
    await response.read()
    assert len(pool.keepalive_connections) == 1
    await pool.close()


def test_contexts_of_single_requests_are_not_kept(nginx: Nginx, authority: Authority) -> None:
    pool = ConnectionPool(backend=BlockingBackend(), pool_limits=PoolLimits(soft_limit=0))
    contexts = []
    for _ in range(3):
        context = authority.client_context()
        response = run_sync(pool.send(AsyncRequest("GET", nginx.tls + "/small"), verify=context))
        run_sync(response.read())
        contexts.append(weakref.ref(context))
        del context, response
    gc.collect()
    assert [context() for context in contexts] == [None] * 3
    run_sync(pool.close())


def test_two_pools_may_want_different_versions_of_one_context(nginx: Nginx, authority: Authority) -> None:
    context = authority.client_context()

    async def main() -> list[str]:
        pools = [ConnectionPool(verify=context, http_versions=(name,)) for name in ("HTTP/2", "HTTP/1.1")]
        answers = await asyncio.gather(*[fetch(pool, nginx.tls_h2 + "/small") for pool in pools])
        for pool in pools:
            await pool.close()
        return [answer.protocol for answer in answers]

    assert asyncio.run(main()) == ["HTTP/2", "HTTP/1.1"]


# What failures say.


async def test_the_second_failure_keeps_its_cause_and_mentions_the_first(
    world: World, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(answering(ok()))
    # As if it died right after the look.
    monkeypatch.setattr(HTTP11Connection, "check", lambda engine: True)
    pool = make_pool(world)
    await fetch(pool, server.url)
    server.close()
    with pytest.raises(ConnectError, match="refused") as caught:
        await fetch(pool, server.url)
    assert isinstance(caught.value.__cause__, OSError)
    assert "The first one failed" in caught.value.__notes__[0]
    assert caught.value.delivery is Delivery.MAYBE_PROCESSED
    check_idle(pool)
    await pool.close()


@pytest.mark.parametrize("left", [0.001, -1.0])
def test_a_timer_that_fires_a_little_early_is_no_other_limit(left: float) -> None:
    request = AsyncRequest("GET", "http://example.org/")._state
    request.deadline = Deadline(left, lambda: 0.0)
    assert isinstance(timeout_error(request, "connect"), TotalTimeout)


async def test_the_total_limit_names_the_phase(world: World, start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))
    pool = make_pool(world, pool_limits=PoolLimits(hard_limit=1))
    holder = await pool.send(AsyncRequest("GET", server.url))
    with pytest.raises(TotalTimeout, match=r"0\.05 s in the pool phase") as caught:
        await pool.send(AsyncRequest("GET", server.url), timeout=TimeoutConfig(total_timeout=0.05))
    assert caught.value.delivery is Delivery.NOT_SENT
    assert caught.value.timings is not None
    assert caught.value.timings.pool == pytest.approx(0.05, abs=0.2)
    request = AsyncRequest("GET", server.url)
    state_of(request).deadline = Deadline(-1, pool.now)
    await holder.close()
    with pytest.raises(TotalTimeout, match="in the connect phase"):
        await pool.send(request)
    check_idle(pool)
    await pool.close()


async def test_no_scheme_of_ours_says_that_nothing_was_sent(world: World) -> None:
    with pytest.raises(UnsupportedProtocol) as caught:
        await fetch(make_pool(world), "ftp://example.org/")
    assert caught.value.delivery is Delivery.NOT_SENT


# The pool by itself, without a client.


async def test_a_request_may_be_sent_again_with_other_limits(
    world: World, start_server: StartServer, tmp_path: Path
) -> None:
    bodies = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            bodies.append(request.body)
            connection.sendall(ok())

    server = start_server(script)
    (tmp_path / "file").write_bytes(b"content")
    pool = make_pool(world)
    with (tmp_path / "file").open("rb") as file:
        request = AsyncRequest("POST", server.url, data=file)
        for limit in (3.0, None):
            response = await pool.send(request, timeout=limit)
            await response.read()
            assert response.elapsed is not None
    assert state_of(request).timeout is None
    await pool.close()
    assert bodies == [b"content"] * 2


async def test_a_failure_belongs_to_its_request(world: World) -> None:
    request = AsyncRequest("GET", "http://127.0.0.1:1/")
    with pytest.raises(ConnectError) as caught:
        await make_pool(world).send(request)
    assert caught.value.request is request


WRONG = {
    "pool_limits": 5,
    "limits": 3,
    "replay": "yes",
    "backend": 42,
    "timeout": "soon",
    "verify": 42,
    "cert": 3,
    "trust_env": 2,
    "http_versions": 3,
    "now": 5,
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named(name: str) -> None:
    wrong: dict[str, Any] = {name: WRONG[name]}
    with pytest.raises(TypeError, match=name):
        ConnectionPool(**wrong)
    if name not in ("pool_limits", "replay"):
        with pytest.raises(TypeError, match=name):
            HTTPConnection("http://example.org", **wrong)


async def test_wrong_arguments_of_one_request_are_named(world: World) -> None:
    pool = make_pool(world)
    wrong: Any = 42
    request = AsyncRequest("GET", "http://127.0.0.1:1/")
    with pytest.raises(TypeError, match="request"):
        await pool.send(wrong)
    with pytest.raises(TypeError, match="verify"):
        await pool.send(request, verify=wrong)
    with pytest.raises(TypeError, match="timeout"):
        await pool.send(request, timeout="soon")  # type: ignore[arg-type]


# Forks.


@pytest.mark.parametrize("versions", [("HTTP/1.1",), ("HTTP/2",)])
def test_a_child_can_not_reach_into_a_response_of_its_parent(
    start_server: StartServer, versions: tuple[str, ...]
) -> None:
    server = start_server(keeping(b"x" * 1_000_000) if versions == ("HTTP/1.1",) else echo())
    pool = ConnectionPool(backend=BlockingBackend(), http_versions=versions)
    response = run_sync(pool.send(AsyncRequest("GET", server.url + "/1000000")))

    def work() -> bool:
        try:
            run_sync(response.read())
        except ReadError:
            run_sync(response.close())
            return pool.active_connections == [] and repr(pool) == "<ConnectionPool 0 active, 0 idle>"
        return False

    assert in_a_child(work)
    assert len(run_sync(response.read())) == 1_000_000
    assert len(pool.keepalive_connections) == 1
    run_sync(pool.close())


def test_a_lock_that_was_held_at_the_fork_does_not_matter(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))
    pool = ConnectionPool(backend=BlockingBackend())
    response = run_sync(pool.send(AsyncRequest("GET", server.url)))
    assert pool._scope is not None

    def work() -> bool:
        run_sync(response.close())
        return run_sync(fetch(pool, server.url)).status_code == 200

    with pool._scope._lock:
        assert in_a_child(work)
    run_sync(response.close())
    run_sync(pool.close())
