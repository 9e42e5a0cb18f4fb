"""Limits of time where bytes do move: uploads, hops, connections that are shared, records that trickle in."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

import http3
from http3_transport._backends._asyncio_waits import StreamWaits
from support.bounded import EARLY, GAP, LATE, LIMIT, TRIES, TotalOnly, bounded, goes_on, in_time, tells
from support.http2_peer import Incoming, Peer
from support.servers import Authority, Script, StartServer, answer, read_head
from support.stalling_peers import (
    BadHTTP2,
    BadHTTP11,
    TLSByHand,
    answer_by_stream,
    deaf,
    drip_to_stream,
    exhaust,
    path_of,
    serve_http2,
    serve_http11,
    small_buffer,
    ticks,
    ticks_of_stream,
)
from support.worlds import Site, World, do

pytestmark = pytest.mark.thorough

BIG = bytes(20_000_000)
WINDOW = 2**24

WriteOnly = http3.TimeoutConfig(5, write_timeout=LIMIT)
ReadOnly = http3.TimeoutConfig(5, read_timeout=LIMIT)


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def version(request: pytest.FixtureRequest) -> str:
    """What is spoken, in clear text if a test does not say otherwise."""
    value: str = request.param
    return value


def serving(version: str, http11: BadHTTP11, http2: BadHTTP2, **settings: int) -> Script:
    return serve_http11(http11) if version == "HTTP/1.1" else serve_http2(http2, **settings)


def reading_http11(connection: socket.socket, _: str) -> None:
    exhaust(ticks(connection, GAP))


def reading_http2(peer: Peer, incoming: Incoming) -> None:
    exhaust(ticks_of_stream(peer, incoming, GAP))


# --- hops --------------------------------------------------------------------------------------------------


async def test_hops_that_are_slow(world: World, version: str, start_server: StartServer) -> None:
    number = iter(range(1000))

    def hop_http11(connection: socket.socket, _: str) -> None:
        time.sleep(GAP)
        connection.sendall(answer(status="302 Found", headers=(f"Location: /bad/{next(number)}",)))

    def hop_http2(peer: Peer, incoming: Incoming) -> None:
        time.sleep(GAP)
        if incoming.stream_id not in peer.resets:
            peer.respond(incoming.stream_id, b"", 302, [("location", f"/bad/{next(number)}")])

    url = start_server(serving(version, hop_http11, hop_http2)).url
    sut = bounded(world, version, http3.TimeoutConfig(5, total_timeout=LIMIT))
    error = await in_time(http3.TotalTimeout, lambda: sut.client.get(url + "/bad"))
    tells(error, url + "/bad/", "read")
    assert error.timings.wait is not None
    await goes_on(sut, url)


# --- uploads -----------------------------------------------------------------------------------------------


class SlowBody:
    """A piece now and then, without end."""

    def __iter__(self) -> SlowBody:
        return self

    def __next__(self) -> bytes:
        time.sleep(GAP)
        return b"x"


class SlowAsyncBody:
    """The same for a loop."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __aiter__(self) -> SlowAsyncBody:
        return self

    async def __anext__(self) -> bytes:
        await self._world.sleep(GAP)
        return b"x"


async def test_an_upload_whose_source_is_slow(world: World, version: str, start_server: StartServer) -> None:
    url = start_server(serving(version, reading_http11, reading_http2)).url
    sut = bounded(world, version, http3.TimeoutConfig(0.15, total_timeout=LIMIT))

    def upload() -> Any:
        return sut.client.post(url + "/bad", data=SlowAsyncBody(world) if world.is_async else SlowBody())

    error = await in_time(http3.TotalTimeout, upload)
    tells(error, url + "/bad", "write", "send")
    await goes_on(sut, url)


def deaf_http11(connection: socket.socket, _: str) -> None:
    deaf(connection)


def deaf_http2(peer: Peer, _: Incoming) -> None:
    deaf(peer.socket)


def pinging_http2(peer: Peer, _: Incoming) -> None:
    """Read nothing, and go on talking: that is no progress of an upload."""
    while True:
        time.sleep(GAP)
        peer.h2.ping(b"pingpong")
        peer.flush()


def miserly_http2(peer: Peer, incoming: Incoming) -> None:
    """Read all, and give no credit for it."""
    peer.credit = False
    exhaust(ticks_of_stream(peer, incoming, GAP))
    peer.credit = True
    peer.h2.increment_flow_control_window(65535)
    peer.flush()


@pytest.mark.parametrize("timeout", [WriteOnly, TotalOnly], ids=["write", "total"])
@pytest.mark.parametrize("how", ["HTTP/1.1", "HTTP/2", "HTTP/2 pings", "HTTP/2 without credit"])
async def test_a_peer_that_takes_nothing(
    world: World, start_server: StartServer, how: str, timeout: http3.TimeoutConfig
) -> None:
    version = how.split(" ", maxsplit=1)[0]
    if how == "HTTP/2 without credit":
        script = serve_http2(miserly_http2)
    else:
        http2 = pinging_http2 if how == "HTTP/2 pings" else deaf_http2
        script = small_buffer(
            serving(version, deaf_http11, http2, windows=WINDOW, initial_window_size=WINDOW)
            if version == "HTTP/2"
            else serve_http11(deaf_http11)
        )
    url = start_server(script).url
    sut = bounded(world, version, timeout)
    kind = http3.WriteTimeout if timeout is WriteOnly else http3.TotalTimeout
    error = await in_time(kind, lambda: sut.client.post(url + "/bad", data=BIG))
    tells(error, url + "/bad", "write", "send")
    assert error.delivery == "maybe_processed"
    await goes_on(sut, url)


def test_progress_is_looked_for_often_enough() -> None:
    """asyncio does not tell of it. However long a limit is, it runs from about the last byte taken."""

    class Filling(asyncio.Transport):
        def get_write_buffer_size(self) -> int:
            return 100 if time.monotonic() < start + 0.01 else 50

    async def main() -> float:
        waits = StreamWaits(asyncio.get_running_loop())
        waits.writer = asyncio.get_running_loop().create_future()
        waits.limit_write(0.8, Filling())
        assert not await waits.writer
        return time.monotonic() - start

    late: list[float] = []
    while len(late) < TRIES and min(late, default=1) > LATE:
        start = time.monotonic()
        late.append(asyncio.run(main()) - 0.8)
    assert -EARLY <= min(late) <= LATE


@pytest.mark.parametrize("way", ["HTTP/1.1", "HTTP/2", "HTTP/1.1 TLS", "HTTP/2 TLS"])
async def test_a_peer_that_takes_little_at_a_time(
    world: World, way: str, start_server: StartServer, authority: Authority
) -> None:
    """Each byte it takes sets the write timeout back, not the deadline."""

    def sip(connection: socket.socket) -> None:
        while connection.recv(16384):
            time.sleep(0.02)

    def sipping_http2(peer: Peer, _: Incoming) -> None:
        sip(peer.socket)

    script = small_buffer(
        serve_http11(lambda connection, _: sip(connection))
        if way.startswith("HTTP/1.1")
        else serve_http2(sipping_http2, windows=WINDOW, initial_window_size=WINDOW)
    )
    version, _, secure = way.partition(" ")
    alpn = "http/1.1" if version == "HTTP/1.1" else "h2"
    url = start_server(script, tls=authority.server_context(alpn) if secure else None).url
    sut = bounded(world, version, http3.TimeoutConfig(5, total_timeout=LIMIT), verify=authority.ca_file)
    error = await in_time(http3.TotalTimeout, lambda: sut.client.post(url + "/bad", data=BIG))
    tells(error, url + "/bad", "write", "send")
    await goes_on(sut, url)


@pytest.mark.parametrize("timeout", [ReadOnly, TotalOnly], ids=["read", "total"])
async def test_a_server_that_asks_for_the_body_and_is_silent_then(
    world: World, version: str, start_server: StartServer, timeout: http3.TimeoutConfig
) -> None:
    def continue_http11(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        exhaust(ticks(connection, GAP))

    def continue_http2(peer: Peer, incoming: Incoming) -> None:
        peer.head(incoming.stream_id, 100)
        exhaust(ticks_of_stream(peer, incoming, GAP))

    url = start_server(serving(version, continue_http11, continue_http2)).url
    sut = bounded(world, version, timeout)
    kind = http3.ReadTimeout if timeout is ReadOnly else http3.TotalTimeout
    headers = {"Expect": "100-continue"}
    error = await in_time(kind, lambda: sut.client.post(url + "/bad", data=b"x" * 1000, headers=headers))
    tells(error, url + "/bad", "read", "send", "wait")
    await goes_on(sut, url)


# --- what is shared ----------------------------------------------------------------------------------------


async def test_no_place_comes_free(world: World, version: str, start_server: StartServer) -> None:
    release = threading.Event()

    def held_http11(connection: socket.socket, _: str) -> None:
        release.wait(10)
        connection.sendall(answer(b"held"))

    def held_http2(peer: Peer, incoming: Incoming) -> None:
        release.wait(10)
        peer.respond(incoming.stream_id, b"held")

    url = start_server(serving(version, held_http11, held_http2, max_concurrent_streams=1)).url
    limits = http3.PoolLimits(hard_limit=1, pool_timeout=LIMIT)
    sut = bounded(world, version, http3.TimeoutConfig(5), pool_limits=limits)

    async def holds() -> str:
        text: str = (await do(sut.client.get(url + "/bad"))).text
        return text

    async def waits() -> Any:
        while not sut.pool.active_connections:
            await world.sleep(0.005)
        try:
            return await in_time(http3.PoolTimeout, lambda: sut.client.get(url + "/next"))
        finally:
            release.set()

    held, error = await world.together(holds, waits)
    assert held == "held"
    tells(error, url + "/next", "pool", "pool")
    assert error.delivery == "not_sent"
    await goes_on(sut, url)


@pytest.mark.parametrize("first", ["stalled", "busy"])
async def test_a_stream_that_stalls_beside_a_busy_one(
    world: World, start_server: StartServer, first: str
) -> None:
    """Whoever of the two reads for both: what comes for the other is no progress."""

    def both(peer: Peer, incoming: Incoming) -> None:
        names[path_of(incoming)] = incoming
        if len(names) < 2:
            return
        busy, stalled = names["/bad/busy"], names["/bad/stalled"]
        answer_by_stream(peer, busy, b"x", length=1000)
        sent = 1 + drip_to_stream(peer, stalled, GAP / 2, to=busy)
        peer.data(busy.stream_id, b"x" * (1000 - sent), end=True)
        names.clear()

    names: dict[str, Incoming] = {}
    url = start_server(serve_http2(both)).url
    sut = bounded(world, "HTTP/2", http3.TimeoutConfig(5, read_timeout=LIMIT))
    assert (await do(sut.client.get(url + "/warm"))).text == "/warm"

    async def stalls() -> Any:
        if first == "busy":
            await world.sleep(GAP)
        return await in_time(http3.ReadTimeout, lambda: sut.client.get(url + "/bad/stalled"))

    async def flows() -> int:
        if first == "stalled":
            await world.sleep(GAP)
        return len((await do(sut.client.get(url + "/bad/busy"))).content)

    error, count = await world.together(stalls, flows)
    tells(error, url + "/bad/stalled", "read", "send", "wait")
    assert count == 1000
    await goes_on(sut, url)


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [ReadOnly, TotalOnly], ids=["read", "total"])
async def test_a_record_that_trickles_in(
    world: World, start_server: StartServer, authority: Authority, timeout: http3.TimeoutConfig
) -> None:
    """A part of a TLS record is no byte of an answer."""

    def trickling(connection: socket.socket) -> None:
        tls = TLSByHand(connection, authority.server_context())
        while not read_head(tls).startswith(b"GET /bad"):  # type: ignore[arg-type]
            connection.sendall(tls.record(answer(b"good")))
        record = tls.record(answer(bytes(5000)))
        sent = 0
        for _ in ticks(connection, GAP):
            connection.sendall(record[sent : sent + 100])
            sent += 100

    url = start_server(trickling).url.replace("http:", "https:")
    sut = bounded(world, "HTTP/1.1", timeout, verify=authority.ca_file)
    kind = http3.ReadTimeout if timeout is ReadOnly else http3.TotalTimeout
    assert (await do(sut.client.get(url + "/warm"))).text == "good"
    error = await in_time(kind, lambda: sut.client.get(url + "/bad"))
    tells(error, url + "/bad", "read", "send", "wait")
    assert (await do(sut.client.get(url + "/good"))).text == "good"
    assert sut.pool.active_connections == []


# --- every response ----------------------------------------------------------------------------------------


async def test_what_a_response_tells_of_its_time(world: World, site: Site) -> None:
    client = world.client(site)
    for round_number in range(3):
        start = time.monotonic()
        response = await do(client.get(site.url + "/delay/0.1"))
        took = time.monotonic() - start
        timings = response.timings
        opened = (timings.dns, timings.connect, timings.tls if site.is_tls else 0.0)
        if round_number == 0:
            assert None not in opened
            assert (timings.tls is not None) == site.is_tls
        else:
            assert (timings.dns, timings.connect, timings.tls) == (None, None, None)
        assert None not in (timings.send, timings.wait, timings.receive)
        assert timings.wait >= 0.1 - EARLY
        known = [spent for spent in timings if spent is not None]
        assert min(known) >= 0
        assert took - LATE <= sum(known) <= took + 0.001
