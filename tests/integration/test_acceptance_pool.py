"""Connections: reuse, limits, closing, threads and event loops (api.md sections 3 and 10)."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio

import http3
from support.servers import Authority, Nginx, answer, answering, read_request
from support.worlds import Site, World, collect, do, raised


async def serial(client: Any, url: str) -> tuple[int, int]:
    """nginx's numbers of the connection and of the request on it."""
    echo = await do((await do(client.get(url + "/echo"))).json())
    return echo["connection"], echo["requests"]


async def test_connections_are_reused(world: World, nginx: Nginx, authority: Authority) -> None:
    client = world.client(verify=authority.ca_file)
    for url in (nginx.plain, nginx.tls, nginx.tls_h2):
        numbers = [await serial(client, url) for _ in range(4)]
        assert len({connection for connection, _ in numbers}) == 1
        assert [request for _, request in numbers] == [1, 2, 3, 4]


@pytest.mark.parametrize("path", ["/missing", "/empty", "/redirect", "/cookie", "/1k"])
async def test_reuse_after_every_kind_of_answer(world: World, nginx: Nginx, path: str) -> None:
    client = world.client()
    first = await serial(client, nginx.plain)
    await do(client.get(nginx.plain + path, allow_redirects=False))
    await do(client.head(nginx.plain + path))
    streamed = await do(client.get(nginx.plain + "/1k", stream=True))
    await collect(streamed.stream())
    assert (await serial(client, nginx.plain))[0] == first[0]


async def test_http2_shares_one_connection(world: World, site: Site) -> None:
    client = world.client(site)

    async def port() -> int:
        echo = await do((await do(client.get(site.url + "/echo"))).json())
        return int(echo["client_port"])

    ports = await world.together(*[port] * 12)
    assert all(isinstance(one, int) for one in ports), ports
    assert (len(set(ports)) == 1) == (site.protocol == "HTTP/2")


async def test_hard_limit_first_come_first_served(world: World, raw_server: Any) -> None:
    def slow(connection: Any) -> None:
        while read_request(connection):
            time.sleep(0.02)
            connection.sendall(answer(b"ok"))

    server = raw_server(slow)
    client = world.client(pool_limits=http3.PoolLimits(soft_limit=2, hard_limit=3))

    async def get() -> int:
        return int((await do(client.get(server.url))).status_code)

    assert await world.together(*[get] * 20) == [200] * 20
    assert server.connections == 3


async def test_hard_limit_counts_per_host(world: World, plain: Site) -> None:
    client = world.client(pool_limits=http3.PoolLimits(hard_limit=1, pool_timeout=0.2))
    held = await do(client.get(plain.url + "/download/5000000", stream=True))
    assert (await do(client.get(plain.other + "/json"))).status_code == 200
    await raised(http3.PoolTimeout, lambda: client.get(plain.url + "/json"))
    assert len(await do(held.read())) == 5_000_000
    assert (await do(client.get(plain.url + "/json"))).status_code == 200


async def test_a_response_left_open_holds_its_place_until_closed(world: World, plain: Site) -> None:
    client = world.client(pool_limits=http3.PoolLimits(hard_limit=1, pool_timeout=0.1))
    for _ in range(3):
        response = await do(client.get(plain.url + "/download/5000000", stream=True))
        await raised(http3.PoolTimeout, lambda: client.get(plain.url + "/json"))
        await do(response.close())
    assert (await do(client.get(plain.url + "/json"))).status_code == 200


async def test_keepalive_expiry(world: World, nginx: Nginx) -> None:
    client = world.client(pool_limits=http3.PoolLimits(keepalive_expiry=0.1))
    first = await serial(client, nginx.plain)
    await world.sleep(0.2)
    assert (await serial(client, nginx.plain))[0] != first[0]


async def test_a_server_that_closes_idle_connections(world: World, nginx: Nginx) -> None:
    client = world.client()
    for _ in range(8):
        assert (await do(client.get(nginx.short + "/small"))).status_code == 200
        assert (await do(client.post(nginx.short + "/sink", data=b"x"))).status_code == 200


async def test_a_dropped_keep_alive_connection_is_replayed_for_get_only(
    world: World, raw_server: Any
) -> None:
    def once(connection: Any) -> None:
        assert read_request(connection)
        connection.sendall(answer(b"one"))
        assert read_request(connection)  # taken, and dropped without a word

    server = raw_server(once, answering(answer(b"two")), once, answering(answer(b"three")))
    client = world.client()
    assert (await do(client.get(server.url))).content == b"one"
    assert (await do(client.get(server.url))).content == b"two"
    assert (await do(client.get(server.url))).content == b"one"
    error = await raised(http3.TransportError, lambda: client.post(server.url, data=b"x"))
    assert error.delivery == "maybe_processed"
    assert (await do(client.get(server.url))).content == b"three"


async def test_replay_may_be_turned_off(world: World, raw_server: Any) -> None:
    def once(connection: Any) -> None:
        assert read_request(connection)
        connection.sendall(answer(b"one"))
        assert read_request(connection)

    server = raw_server(once, answering(answer(b"two")))
    client = world.client(replay=False)
    assert (await do(client.get(server.url))).content == b"one"
    await raised(http3.TransportError, lambda: client.get(server.url))


async def test_bytes_behind_an_answer_never_reach_the_next_request(world: World, raw_server: Any) -> None:
    poison = answer(b"mine") + answer(b"smuggled")
    server = raw_server(answering(poison), answering(answer(b"yours")))
    client = world.client()
    assert (await do(client.get(server.url))).content == b"mine"
    assert (await do(client.get(server.url))).content == b"yours"


async def test_close(world: World, site: Site) -> None:
    client = world.client(site)
    await do(client.get(site.url + "/json"))
    await do(client.close())
    await do(client.close())
    assert client.is_closed
    error = await raised(http3.ClientClosed, lambda: client.get(site.url + "/json"))
    assert isinstance(error, RuntimeError)
    assert isinstance(error, http3.Http3Error)
    await raised(http3.ClientClosed, lambda: client.send(world.request_class("GET", site.url)))


async def test_a_client_that_did_nothing_closes(world: World) -> None:
    client = world.client()
    await do(client.close())
    assert client.is_closed


async def test_with(world: World, plain: Site) -> None:
    if world.is_async:
        async with world.client(plain) as client:
            assert (await client.get(plain.url + "/json")).status_code == 200
    else:
        with world.client(plain) as client:
            assert client.get(plain.url + "/json").status_code == 200
    assert client.is_closed


async def test_a_streamed_response_outlives_its_client(world: World, site: Site) -> None:
    client = world.client(site)
    response = await do(client.get(site.url + "/download/3000000", stream=True))
    await do(client.close())
    assert len(await do(response.read())) == 3_000_000
    await raised(http3.ClientClosed, lambda: client.get(site.url + "/json"))


async def test_those_in_line_hear_of_the_close(world: World, plain: Site) -> None:
    client = world.client(plain, pool_limits=http3.PoolLimits(hard_limit=1))
    held = await do(client.get(plain.url + "/download/5000000", stream=True))

    async def waiting() -> Any:
        return await do(client.get(plain.url + "/json"))

    async def closing() -> None:
        await world.sleep(0.15)
        await do(client.close())

    waited, closed = await world.together(waiting, closing)
    assert isinstance(waited, http3.ClientClosed), waited
    assert closed is None
    assert len(await do(held.read())) == 5_000_000


def test_one_client_in_sixteen_threads(site: Site) -> None:
    with http3.Client(**site.options) as client:

        def work(number: int) -> bool:
            for step in range(6):
                body = f"{number}.{step}".encode() * 500
                echo = client.post(site.url + "/echo", data=body, params={"n": number}).json()
                assert echo["body"].encode() == body
                assert echo["query"] == f"n={number}"
                response = client.get(f"{site.url}/download/{20_000 + number}", stream=True)
                assert sum(map(len, response.stream())) == 20_000 + number
            return True

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(work, range(16)))


def test_an_async_client_on_two_loops_one_after_the_other(site: Site) -> None:
    client = http3.AsyncClient(**site.options)

    async def twice() -> list[int]:
        return [(await client.get(site.url + "/json")).status_code for _ in range(2)]

    assert asyncio.run(twice()) == [200, 200]
    assert asyncio.run(twice()) == [200, 200]
    asyncio.run(client.close())


def test_an_async_client_on_two_loops_at_once(plain: Site) -> None:
    client = http3.AsyncClient()
    failures: list[BaseException] = []
    busy, done = threading.Event(), threading.Event()

    async def first() -> None:
        await client.get(plain.url + "/json")
        busy.set()
        await asyncio.to_thread(done.wait, 10)
        assert (await client.get(plain.url + "/json")).status_code == 200
        await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(first()))
    thread.start()
    busy.wait(10)
    try:
        asyncio.run(client.get(plain.url + "/json"))
    except RuntimeError as exc:
        failures.append(exc)
    done.set()
    thread.join()
    assert len(failures) == 1


def test_a_client_within_a_running_loop(site: Site) -> None:
    async def main() -> list[int]:
        with http3.Client(**site.options) as client:
            return [client.get(site.url + "/json").status_code for _ in range(3)]

    assert asyncio.run(main()) == [200, 200, 200]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_never_uses_its_parents_connections(nginx: Nginx) -> None:
    with http3.Client() as client:
        mine = client.get(nginx.plain + "/echo").json()["connection"]
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, str(client.get(nginx.plain + "/echo").json()["connection"]).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        theirs = int(os.read(reading, 100))
        os.close(reading)
        os.close(writing)
        assert theirs != mine
        assert client.get(nginx.plain + "/echo").json()["connection"] == mine


async def test_cancelled_requests_give_their_place_back(world: World, two_ways: Site) -> None:
    if not world.is_async:
        pytest.skip("nothing is cancelled in a sync client")
    limits = http3.PoolLimits(hard_limit=1, pool_timeout=2)
    client = world.client(two_ways, pool_limits=limits)
    for path in ("/delay/5", "/drip/5", "/delay/5"):
        if world.name == "trio":
            with trio.move_on_after(0.05) as scope:
                await client.get(two_ways.url + path)
            assert scope.cancelled_caught
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.get(two_ways.url + path), 0.05)
    assert (await client.get(two_ways.url + "/json")).status_code == 200
