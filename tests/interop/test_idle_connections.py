"""Connections of clients that make no request any more: those that the server closes, that are due, or that
belong to a client which was forgotten."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import http3
from http3_transport import AsyncioBackend, BlockingBackend, ConnectionPool, HTTPConnection, TrioBackend
from http3_transport.testing import ScriptedServer
from support.http2_peer import Peer
from support.servers import Authority, StartServer, answer, read_head
from support.stalling_peers import (
    half_http2,
    half_http11,
    serve_http2,
    serve_http11,
)
from support.stream_pairs import run_uvloop
from support.worlds import do, run_to_end

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open sockets are counted in /proc")

WAYS = ("HTTP/1.1", "HTTP/2 TLS")
every_way = pytest.mark.parametrize(
    "way", ["HTTP/1.1", "HTTP/2", "HTTP/1.1 TLS", "HTTP/2 TLS"], indirect=True
)

Main = Callable[..., Coroutine[Any, Any, Any]]

RUNS: dict[str, Callable[..., Any]] = {
    "sync": lambda function, *args: run_to_end(function(*args)),
    "asyncio": lambda function, *args: asyncio.run(function(*args)),
    "uvloop": run_uvloop,
    "trio": trio.run,
}
BACKENDS = {"sync": BlockingBackend, "asyncio": AsyncioBackend, "uvloop": AsyncioBackend, "trio": TrioBackend}


class Loop:
    """One of sync, asyncio, uvloop and trio."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, function: Main, *args: object) -> Any:
        return RUNS[self.name](function, *args)

    def client(self, place: Place, **options: Any) -> Any:
        make: Any = http3.Client if self.name == "sync" else http3.AsyncClient
        return make(**place.options, **options)

    def backend(self) -> Any:
        return BACKENDS[self.name]()

    async def sleep(self, seconds: float) -> None:
        await self.backend().sleep(seconds)

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Wait for it, five seconds at most."""
        end = time.monotonic() + 5
        while not condition() and time.monotonic() < end:
            await self.sleep(0.01)
        return condition()


@pytest.fixture(params=["sync", "asyncio", "uvloop", "trio"])
def any_loop(request: pytest.FixtureRequest) -> Loop:
    return Loop(request.param)


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def loop(request: pytest.FixtureRequest) -> Loop:
    return Loop(request.param)


class Place:
    """A server that answers each request with its path; ``closes``: and then closes the connection."""

    def __init__(
        self, way: str, start_server: StartServer, authority: Authority, *, closes: bool = False
    ) -> None:
        version, _, secure = way.partition(" ")
        alpn = "http/1.1" if version == "HTTP/1.1" else "h2"
        script: Any = serve_http11(half_http11) if version == "HTTP/1.1" else serve_http2(half_http2)
        if closes:
            script = answer_once_http11 if version == "HTTP/1.1" else answer_once_http2
        self.server: ScriptedServer = start_server(
            script, tls=authority.server_context(alpn) if secure else None
        )
        self.url = self.server.url
        self.options: dict[str, Any] = {"verify": authority.ca_file, "http_versions": (version,)}

    @property
    def open_sockets(self) -> int:
        """Sockets of this process that are connected to the server, or were, and not closed."""
        inodes = set()
        for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[2].rpartition(":")[2], 16) == self.server.port:
                inodes.add(f"socket:[{fields[9]}]")
        return sum(link in inodes for link in map(target_of, os.listdir("/proc/self/fd")))


def target_of(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""


def answer_once_http11(connection: socket.socket) -> None:
    if head := read_head(connection):
        connection.sendall(answer(head.split(b" ", 2)[1]))


def answer_once_http2(connection: socket.socket) -> None:
    peer = Peer(connection)
    incoming = peer.request()
    peer.respond(incoming.stream_id, incoming.field(b":path") or b"")
    time.sleep(0.05)  # a reset may overtake an answer that was not read


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture
def place(way: str, start_server: StartServer, authority: Authority) -> Place:
    return Place(way, start_server, authority)


@pytest.fixture
def closing(way: str, start_server: StartServer, authority: Authority) -> Place:
    return Place(way, start_server, authority, closes=True)


only_plain = pytest.mark.parametrize("way", ["HTTP/1.1"], indirect=True)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is forgotten goes at once, without the garbage collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# --- the server closes -------------------------------------------------------------------------------------


@every_way
def test_an_idle_connection_that_the_server_closes_is_closed(loop: Loop, closing: Place) -> None:
    async def main() -> None:
        async with loop.client(closing) as client:

            def is_quiet() -> bool:
                """The kernel lists no socket that was reset, so the pool is asked, too."""
                return not client._engine._transport.keepalive_connections and not closing.open_sockets

            for number in range(2):
                assert (await client.get(f"{closing.url}/{number}")).text == f"/{number}"
                assert await loop.until(is_quiet)

    loop.run(main)
    assert closing.server.connections == 2


@only_plain
def test_a_connection_that_ends_while_its_response_is_read_is_closed_with_it(
    loop: Loop, closing: Place
) -> None:
    """The end came before the connection was idle."""

    async def main() -> None:
        async with loop.client(closing) as client:
            response = await client.get(closing.url + "/", stream=True)
            await loop.sleep(0.1)
            assert await response.read() == b"/"
            assert await loop.until(lambda: closing.open_sockets == 0)

    loop.run(main)


def test_a_connection_by_itself_that_the_server_closes_is_closed(loop: Loop, closing: Place) -> None:
    async def main() -> None:
        connection = HTTPConnection(closing.url, backend=loop.backend(), **closing.options)
        response = await connection.send(http3.AsyncRequest("GET", closing.url + "/x"))
        assert await response.read() == b"/x"
        assert await loop.until(lambda: connection.is_closed and closing.open_sockets == 0)
        with pytest.raises(http3.NotConnected):
            await connection.send(http3.AsyncRequest("GET", closing.url + "/x"))

    loop.run(main)


# --- a connection is due -----------------------------------------------------------------------------------


def test_an_idle_connection_is_closed_when_it_is_due(loop: Loop, place: Place) -> None:
    async def main() -> None:
        limits = http3.PoolLimits(keepalive_expiry=0.3)
        async with loop.client(place, pool_limits=limits) as client:
            for number in range(2):
                begun = time.monotonic()
                assert (await client.get(f"{place.url}/{number}")).text == f"/{number}"
                assert place.open_sockets == 1
                assert await loop.until(lambda: place.open_sockets == 0)
                assert time.monotonic() - begun >= 0.29

    loop.run(main)
    assert place.server.connections == 2


@only_plain
def test_a_connection_in_use_is_not_due(loop: Loop, place: Place) -> None:
    async def main() -> None:
        limits = http3.PoolLimits(keepalive_expiry=0.2)
        async with loop.client(place, pool_limits=limits, timeout=10) as client:
            await client.get(place.url)
            async with await client.get(place.url + "/bad", stream=True):
                await loop.sleep(0.5)
                assert place.open_sockets == 1
            for _ in range(8):  # never idle for as long
                await client.get(place.url)
                await loop.sleep(0.05)

    loop.run(main)
    assert place.server.connections == 2


@only_plain
def test_blocking_sockets_are_closed_at_the_next_use_of_the_client(
    place: Place, start_server: StartServer, authority: Authority
) -> None:
    other = Place("HTTP/1.1", start_server, authority)
    with http3.Client(pool_limits=http3.PoolLimits(keepalive_expiry=0.05), **place.options) as client:
        client.get(place.url)
        time.sleep(0.1)
        client.get(other.url)
        assert (place.open_sockets, other.open_sockets) == (0, 1)


@only_plain
def test_a_timer_does_not_hold_up_the_end_of_a_loop(loop: Loop, place: Place) -> None:
    async def main() -> None:
        client = loop.client(place)
        await client.get(place.url)
        await client.close()

    begun = time.monotonic()
    loop.run(main)
    assert time.monotonic() - begun < 5


# --- nobody has the client any more ------------------------------------------------------------------------


@pytest.mark.usefixtures("no_collector")
def test_connections_of_clients_that_were_never_closed_are_given_back(any_loop: Loop, place: Place) -> None:
    async def main() -> None:
        for number in range(5):
            client = any_loop.client(place)
            response = await do(client.get(f"{place.url}/{number}"))
            assert response.text == f"/{number}"
            with pytest.warns(ResourceWarning, match="1 open connection was never closed"):
                del client
        assert await any_loop.until(lambda: place.open_sockets == 0)

    any_loop.run(main)
    assert place.server.connections == 5


@pytest.mark.usefixtures("no_collector")
def test_clients_that_were_never_closed_and_whose_server_closes(any_loop: Loop, closing: Place) -> None:
    async def main() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            for _ in range(5):
                await do(any_loop.client(closing).get(closing.url))
            assert await any_loop.until(lambda: closing.open_sockets == 0)

    any_loop.run(main)


@only_plain
def test_a_client_that_is_collected_as_part_of_a_cycle(any_loop: Loop, place: Place) -> None:
    async def main() -> None:
        cycle: list[Any] = [any_loop.client(place)]
        await do(cycle[0].get(place.url))
        cycle.append(cycle)
        del cycle
        with pytest.warns(ResourceWarning, match="never closed|unclosed <socket"):
            gc.collect()
        assert await any_loop.until(lambda: place.open_sockets == 0)

    any_loop.run(main)


@only_plain
@pytest.mark.usefixtures("no_collector")
def test_a_forgotten_client_is_forgotten_with_its_timer(loop: Loop, place: Place) -> None:
    async def main() -> None:
        alive = trio.lowlevel.current_statistics().tasks_living if loop.name == "trio" else 0
        with pytest.warns(ResourceWarning, match="never closed"):
            await loop.client(place, pool_limits=http3.PoolLimits(keepalive_expiry=3600)).get(place.url)
        await loop.sleep(0.05)
        if loop.name == "trio":
            assert trio.lowlevel.current_statistics().tasks_living == alive
        elif loop.name == "asyncio":
            running: Any = asyncio.get_running_loop()
            assert [timer for timer in running._scheduled if not timer.cancelled()] == []

    loop.run(main)


@only_plain
@pytest.mark.usefixtures("no_collector")
def test_a_client_that_is_forgotten_after_its_loop_has_ended(loop: Loop, place: Place) -> None:
    if loop.name == "uvloop":
        pytest.skip("uvloop closes what is open when it is closed, and says so")
    held: list[Any] = []

    async def main() -> None:
        held.append(loop.client(place))
        await held[0].get(place.url)

    loop.run(main)
    with pytest.warns(ResourceWarning, match="never closed"):
        held.clear()
    assert place.open_sockets == 0


@pytest.mark.usefixtures("no_collector")
def test_a_response_that_is_forgotten_gives_its_connection_back(loop: Loop, place: Place) -> None:
    """Without another request of the client."""

    async def main() -> None:
        async with loop.client(place) as client:
            held = [await client.get(place.url + "/bad", stream=True)]
            pool: Any = client._engine._transport
            assert len(pool.active_connections) == 1
            with pytest.warns(ResourceWarning, match="neither read nor closed"):
                held.clear()
            assert await loop.until(lambda: pool.active_connections == [])
            assert place.open_sockets == len(pool.keepalive_connections)

    loop.run(main)


@only_plain
@pytest.mark.usefixtures("no_collector")
def test_a_connection_by_itself_that_was_never_closed(any_loop: Loop, place: Place) -> None:
    async def main() -> None:
        connection = HTTPConnection(place.url, backend=any_loop.backend(), **place.options)
        await (await connection.send(http3.AsyncRequest("GET", place.url))).read()
        with pytest.warns(ResourceWarning, match="never closed"):
            del connection
        assert await any_loop.until(lambda: place.open_sockets == 0)

    any_loop.run(main)


@pytest.mark.usefixtures("no_collector")
def test_nothing_is_said_of_clients_that_were_closed(any_loop: Loop, place: Place) -> None:
    """Nor of one whose connections were over before, nor of a pool that was never used."""

    async def main() -> None:
        client = any_loop.client(place)
        await do(client.get(place.url))
        late = await do(client.get(place.url + "/late", stream=True))
        await do(client.close())
        assert await do(late.read()) == b"/late"
        expiring = any_loop.client(place, pool_limits=http3.PoolLimits(keepalive_expiry=0))
        await do(expiring.get(place.url))
        unused = ConnectionPool(backend=any_loop.backend())
        del client, late, expiring, unused

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        any_loop.run(main)
        gc.collect()
    assert [str(warning.message) for warning in seen] == []
