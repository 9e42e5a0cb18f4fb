"""The pool over HTTP/2: servers that change their mind on how many streams they take."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from h2.settings import SettingCodes

from http3_models import AsyncRequest, PoolLimits
from http3_transport import ConnectionPool
from support.exchanges import fetch, make_pool
from support.http2_client import scripted, together
from support.http2_peer import Peer
from support.servers import StartServer
from support.worlds import World

LIMITS = PoolLimits(hard_limit=1, pool_timeout=5)


def raise_limit(peer: Peer, limit: int) -> None:
    peer.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: limit})
    peer.flush()


def answer_all(peer: Peer, count: int, *, but: bytes = b"") -> None:
    """Answer so many requests with their path as they come; not the one to this path."""
    answered: set[int] = set()
    while True:
        for request in list(peer.requests.values()):
            path = request.field(b":path") or b""
            if request.ended and path != but and request.stream_id not in answered:
                answered.add(request.stream_id)
                peer.respond(request.stream_id, path)
        if len(answered) == count or not peer.receive():
            return


async def waiting_for(world: World, condition: Callable[[], bool]) -> None:
    """Let others run until something is the case."""
    for _ in range(1000):
        if condition():
            return
        await world.backend.sleep(0.005)
    raise AssertionError("it did not come to that")


def in_line(pool: ConnectionPool) -> int:
    return 0 if pool._scope is None else len(pool._scope.state.waiting())


async def test_who_waits_is_served_at_once_when_the_server_allows_more(
    world: World, start_server: StartServer
) -> None:
    """While a request without an answer keeps its stream."""
    raised: list[float] = []

    def act(peer: Peer) -> None:
        held = peer.request()
        time.sleep(0.4)
        raise_limit(peer, 10)
        raised.append(time.monotonic())
        answer_all(peer, 3, but=b"/held")
        peer.respond(held.stream_id, b"/held")

    server = start_server(scripted(act, max_concurrent_streams=1))
    pool = make_pool(world, http_versions=("HTTP/2",), pool_limits=LIMITS)
    served: list[float] = []

    async def held() -> bytes:
        return (await fetch(pool, server.url + "/held")).content

    async def waits(number: int) -> bytes:
        await waiting_for(world, lambda: bool(pool.active_connections))
        content = (await fetch(pool, f"{server.url}/{number}")).content
        served.append(time.monotonic())
        return content

    results = await together(world, held, *[lambda n=n: waits(n) for n in range(3)])
    assert results == [b"/held", b"/0", b"/1", b"/2"]
    assert max(served) - raised[0] < 1.5
    await pool.close()
    assert server.connections == 1


async def test_a_waiting_request_is_served_while_no_response_is_read(
    world: World, start_server: StartServer
) -> None:
    """The response that has the only stream is open, and is not asked for more."""

    def act(peer: Peer) -> None:
        held = peer.request()
        peer.head(held.stream_id)
        peer.data(held.stream_id, b"some")
        time.sleep(0.3)
        raise_limit(peer, 10)
        peer.respond(peer.request(1).stream_id, b"second")
        peer.data(held.stream_id, b" more", end=True)

    server = start_server(scripted(act, max_concurrent_streams=1))
    pool = make_pool(world, http_versions=("HTTP/2",), pool_limits=LIMITS)
    response = await pool.send(AsyncRequest("GET", server.url))
    assert (await fetch(pool, server.url)).content == b"second"
    assert await response.read() == b"some more"
    await pool.close()
    assert server.connections == 1


@pytest.mark.parametrize("hard_limit", [1, 100])
async def test_a_server_that_allows_one_at_first(
    world: World, start_server: StartServer, hard_limit: int
) -> None:
    """Others open connections of their own where they may; else they wait."""

    def act(peer: Peer) -> None:
        peer.request()
        raise_limit(peer, 100)
        answer_all(peer, 20)

    server = start_server(scripted(act, max_concurrent_streams=1))
    limits = PoolLimits(hard_limit=hard_limit)
    pool = make_pool(world, http_versions=("HTTP/2",), pool_limits=limits)
    calls = [lambda n=n: fetch(pool, f"{server.url}/{n}") for n in range(20)]
    for number, answer in enumerate(await together(world, *calls)):
        assert answer.content == b"/%d" % number  # type: ignore[union-attr]
    assert in_line(pool) == 0
    await pool.close()
