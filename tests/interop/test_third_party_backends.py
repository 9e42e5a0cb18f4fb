"""Backends as a third party writes them: public names, no base class, a stream class of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import trio

import http3
from http3_models.engine import run_sync
from http3_transport import Backend, Stream, Timer, Waiter
from http3_transport.testing import BACKEND_CHECKS, STREAM_CHECKS, check_backend, check_stream, plain_pairs
from support.servers import StartServer, answering, read_request
from support.third_party_backend import CountingBackend, PlainBackend
from support.worlds import Site, World, collect, do, raised

KINDS = ["sync", "asyncio", "trio"]
kinds = pytest.mark.parametrize("kind", KINDS)


def run(kind: str) -> Any:
    """A function that runs a coroutine function, as `trio.run` does."""
    if kind == "trio":
        return trio.run
    return lambda function, *args: (run_sync if kind == "sync" else asyncio.run)(function(*args))


@kinds
@pytest.mark.parametrize("name", BACKEND_CHECKS)
def test_the_backend_conforms(kind: str, name: str) -> None:
    check_backend(run(kind), PlainBackend(kind), [name])


@kinds
@pytest.mark.parametrize("name", STREAM_CHECKS)
def test_its_streams_conform(kind: str, name: str) -> None:
    check_stream(run(kind), plain_pairs(PlainBackend(kind)), [name])


def test_it_has_the_types() -> None:
    """For a type checker: no base class is needed."""
    backend: Backend = PlainBackend("sync")
    waiter: Waiter = backend.waiter()
    assert not waiter.is_set
    timer: Timer | None = None  # it sets none
    assert backend.call_later(1, waiter.set) is timer
    assert {Backend.__module__, Stream.__module__, Timer.__module__} == {"http3_transport"}


async def use(world: World, site: Site, backend: Any) -> Any:
    """Requests of many kinds; the last response."""
    client = world.client(site, backend=backend)
    response = await do(client.post(f"{site.url}/echo", data=bytes(200_000)))
    assert (response.protocol, len((await do(response.json()))["body"])) == (site.protocol, 200_000)
    streamed = await do(client.get(f"{site.url}/download/500000", stream=True))
    assert sum(map(len, await collect(streamed.stream()))) == 500_000
    dropped = await do(client.get(f"{site.url}/download/5000000", stream=True))
    await do(dropped.close())
    error = await raised(http3.ReadTimeout, client.get, f"{site.url}/delay/20", timeout=0.2)
    assert error.delivery == "maybe_processed"
    limit = http3.TimeoutConfig(total_timeout=0.2)
    await raised(http3.TotalTimeout, client.get, f"{site.url}/delay/20", timeout=limit)
    error = await raised(http3.ConnectError, client.get, site.url.rpartition(":")[0] + ":1/")
    assert error.delivery == "not_sent"
    return await do(client.get(f"{site.url}/json"))


async def test_a_backend_over_plain_sockets(world: World, site: Site) -> None:
    backend = PlainBackend(world.name)
    response = await use(world, site, backend)
    assert response.connection.local_address[0] == "127.0.0.1"
    assert None not in (response.timings.send, response.timings.wait)
    assert not all(stream.is_closed for stream in backend.streams)


@pytest.mark.parametrize("around", ["http3's", "its own"])
async def test_a_backend_around_another(world: World, two_ways: Site, around: str) -> None:
    ours = {"sync": http3.BlockingBackend, "asyncio": http3.AsyncioBackend, "trio": http3.TrioBackend}
    backend = CountingBackend(PlainBackend(world.name) if around == "its own" else ours[world.name]())
    await use(world, two_ways, backend)
    assert backend.counts["read"] > 700_000
    assert backend.counts["connections"] >= 2


async def test_closing_the_client_closes_its_streams(world: World, two_ways: Site) -> None:
    backend = PlainBackend(world.name)
    client = world.client(two_ways, backend=backend)
    await do(client.get(f"{two_ways.url}/json"))
    await do(client.close())
    assert [stream.is_closed for stream in backend.streams] == [True]


async def test_a_suspending_backend_in_a_sync_client(world: World, two_ways: Site) -> None:
    """A `Client` runs what suspends on asyncio."""
    if world.name != "sync":
        pytest.skip("of a sync client")
    await use(world, two_ways, PlainBackend("asyncio"))


@pytest.mark.parametrize(
    "make", [http3.BlockingBackend, lambda: PlainBackend("sync")], ids=["http3's", "its own"]
)
async def test_a_blocking_backend_in_an_async_client(world: World, two_ways: Site, make: Any) -> None:
    """Each exchange has a thread; they share the connections."""
    if not world.is_async:
        pytest.skip("of an async client")
    await use(world, two_ways, make())
    client = world.client(two_ways, backend=make())
    started = time.monotonic()
    asked = [lambda: client.get(f"{two_ways.url}/delay/0.4")] * 6
    assert [response.status_code for response in await world.together(*asked)] == [200] * 6
    assert time.monotonic() - started < 2


def test_a_blocking_backend_stays_in_the_callers_thread(
    two_ways: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))
    with http3.Client(backend=PlainBackend("sync"), **two_ways.options) as client:
        assert client.get(f"{two_ways.url}/json").ok
    with http3.BlockingConnectionPool(backend=PlainBackend("sync"), **two_ways.options) as pool:
        response = pool.request("POST", f"{two_ways.url}/echo", data=b"x")
        assert response.json()["body"] == "x"
        assert len(pool.keepalive_connections) == 1
    assert started == []


def test_a_blocking_pool_refuses_what_suspends() -> None:
    for backend in (PlainBackend("asyncio"), http3.TrioBackend()):
        with pytest.raises(TypeError, match="never suspends"):
            http3.BlockingConnectionPool(backend=backend)


async def test_a_silent_peer(world: World, start_server: StartServer) -> None:
    def silent(connection: Any) -> None:
        read_request(connection)
        connection.recv(1)

    client = world.client(backend=PlainBackend(world.name))
    started = time.monotonic()
    error = await raised(http3.ReadTimeout, client.get, start_server(silent).url, timeout=0.2)
    assert time.monotonic() - started < 5
    assert isinstance(error.request, world.request_class)
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    await raised(http3.RemoteProtocolError, client.get, start_server(answering(cut)).url)


class Lacking:
    """A backend without some member."""

    def __init__(self, name: str, value: Any) -> None:
        self.inner = PlainBackend("sync")
        self.name, self.value = name, value

    def __getattr__(self, name: str) -> Any:
        if name == self.name:
            if self.value is None:
                raise AttributeError(name)
            return self.value
        return getattr(self.inner, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blocks", None),
        ("blocks", "yes"),
        ("must_look", None),
        ("resolve", None),
        ("waiter", 7),
        ("connect_first", None),
        ("connect_address", None),
        ("call_soon", None),
    ],
)
def test_what_a_backend_lacks_is_named(name: str, value: Any) -> None:
    for make in (http3.ConnectionPool, http3.BlockingConnectionPool):
        with pytest.raises(TypeError, match=name):
            make(backend=Lacking(name, value))


async def test_a_client_names_what_a_backend_lacks(world: World, plain: Site) -> None:
    async def ask() -> Any:
        return await do(world.client(backend=Lacking("resolve", None)).get(plain.url))

    assert "resolve" in str(await raised(TypeError, ask))
