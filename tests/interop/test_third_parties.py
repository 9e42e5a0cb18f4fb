"""Transports as a third party writes them: public names, no base class; and what a wrong one is told."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

import http3
from http3_models.engine import RequestState, ResponseState
from support.http2_peer import CHUNKED_TRAILERS
from support.servers import Authority, Hypercorn, Nginx, StartServer, answer, answering
from support.third_party import (
    HandMade,
    SocketWire,
    cancelled,
    connect_socket,
    hand_made,
    interrupted,
    pieces,
    threads_started,
)
from support.worlds import World, collect, do, raised

TOTAL = http3.TimeoutConfig(total_timeout=0.1)

kinds = pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "suspends"])


@pytest.mark.parametrize("secure", [False, True])
@kinds
async def test_a_transport(
    world: World, hypercorn: Hypercorn, authority: Authority, blocks: bool, secure: bool
) -> None:
    transport = hand_made(blocks, verify=authority.ca_file)
    client = world.client(dispatch=transport)
    url = hypercorn.tls if secure else hypercorn.url
    response = await do(client.post(f"{url}/upload", data=pieces(world, 5)))
    assert (await do(response.json()))["size"] == 50_000
    assert None not in (response.timings.connect, response.timings.send, response.timings.receive)
    assert response.timings.wait <= response.elapsed.total_seconds()
    assert response.connection.peer_address == ("127.0.0.1", response.url.port)
    assert isinstance(response.request, world.request_class)
    assert transport.seen[0].asynchronous is (world.is_async and not blocks)
    streamed = await do(client.get(f"{url}/download/300000", stream=True))
    assert sum(map(len, await collect(streamed.stream()))) == 300_000
    assert transport.open == set()


@kinds
async def test_redirects_and_cookies_over_a_transport(
    world: World, hypercorn: Hypercorn, nginx: Nginx, blocks: bool
) -> None:
    client = world.client(dispatch=hand_made(blocks))
    response = await do(client.get(f"{hypercorn.url}/cookies/set?a=b"))
    assert await do(response.json()) == {"a": "b"}
    assert [hop.status_code for hop in response.history] == [302]
    assert response.history[0].timings.wait is not None
    response = await do(client.get(f"{nginx.plain}/redirect"))
    assert (response.content, response.url.path) == (b"hello\n", "/small")
    response = await do(client.get(f"{nginx.plain}/basic", auth=("user", "secret")))
    assert response.content == b"hello\n"


@kinds
async def test_trailers_of_a_transport(world: World, start_server: StartServer, blocks: bool) -> None:
    client = world.client(dispatch=hand_made(blocks))
    for stream in (False, True):
        response = await do(client.get(start_server(answering(CHUNKED_TRAILERS)).url, stream=stream))
        assert await do(response.read()) == b"abc"
        assert response.trailers["x-checksum"] == "1"


@kinds
async def test_errors_of_a_transport(world: World, start_server: StartServer, blocks: bool) -> None:
    client = world.client(dispatch=hand_made(blocks))
    error = await raised(http3.ConnectError, client.get, "http://127.0.0.1:1/x")
    assert error.delivery == "not_sent"
    assert isinstance(error.request, world.request_class)
    assert error.timings is not None
    cut = answering(answer(b"hello")[:-2])
    error = await raised(http3.RemoteProtocolError, client.get, start_server(cut).url)
    assert error.delivery == "maybe_processed"
    response = await do(client.get(start_server(cut).url, stream=True))
    error = await raised(http3.RemoteProtocolError, response.read)
    assert isinstance(error.request, world.request_class)
    assert error.timings.wait is not None
    assert response.is_closed


@kinds
async def test_a_transport_is_closed(world: World, hypercorn: Hypercorn, blocks: bool) -> None:
    transport = hand_made(blocks)
    client = world.client(dispatch=transport)
    response = await do(client.get(f"{hypercorn.url}/download/8000000", stream=True))
    assert len(transport.open) == 1
    await do(response.close())
    assert transport.open == set()
    response = await do(client.get(f"{hypercorn.url}/download/8000000", stream=True))
    await do(client.close())
    await do(client.close())
    assert (transport.closings, transport.open) == (1, set())
    await do(response.close())
    await raised(http3.ClientClosed, client.get, hypercorn.url)


@pytest.mark.parametrize("path", ["delay/1", "drip/1"])
@kinds
async def test_a_transport_that_hangs(world: World, hypercorn: Hypercorn, blocks: bool, path: str) -> None:
    transport = hand_made(blocks)
    client = world.client(dispatch=transport)
    started = time.monotonic()
    error = await raised(http3.TotalTimeout, client.get, f"{hypercorn.url}/{path}", timeout=TOTAL)
    assert error.delivery == "maybe_processed"
    assert str(error.request.url) == f"{hypercorn.url}/{path}"
    if world.is_async or not blocks:
        assert time.monotonic() - started < 0.9
    assert (await do(client.get(f"{hypercorn.url}/json"))).ok
    for _ in range(200):
        if not transport.open:
            break
        await world.sleep(0.01)
    assert transport.open == set()


@kinds
async def test_a_cancelled_exchange_is_aborted(world: World, hypercorn: Hypercorn, blocks: bool) -> None:
    if not world.is_async:
        pytest.skip("a sync client is interrupted, not cancelled")
    transport = hand_made(blocks)
    client = world.client(dispatch=transport)
    await cancelled(client.get, f"{hypercorn.url}/delay/0.3", after=0.1)
    response = await client.get(f"{hypercorn.url}/drip/0.5", stream=True)
    assert len(transport.open) == 1
    await cancelled(response.read, after=0.1)
    for _ in range(200):
        if not transport.open:
            break
        await world.sleep(0.02)
    assert transport.open == set()
    assert (await client.get(f"{hypercorn.url}/json")).ok


@kinds
def test_an_interrupt_ends_an_exchange_of_a_transport(start_server: StartServer, blocks: bool) -> None:
    transport = hand_made(blocks)
    interrupted(transport, start_server)
    assert transport.open == set()


def test_a_blocking_transport_runs_in_the_callers_thread(
    hypercorn: Hypercorn, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threads_started(monkeypatch)
    with http3.Client(dispatch=hand_made(True)) as client:
        assert client.get(f"{hypercorn.url}/stream").ok
    assert started == []


async def test_a_blocking_transport_holds_up_no_async_client(world: World, hypercorn: Hypercorn) -> None:
    if not world.is_async:
        pytest.skip("the thread that asks is the one that waits")
    client = world.client(dispatch=hand_made(True))
    turns: list[float] = []

    async def ask() -> None:
        assert (await client.get(f"{hypercorn.url}/delay/0.3")).ok
        turns.append(0)

    async def count() -> None:
        while 0 not in turns:
            turns.append(time.monotonic())
            await world.sleep(0.01)

    results = await world.together(ask, count)
    assert results == [None, None]
    assert len(turns) > 5


class Threads(HandMade):
    """Notes the threads that its steps run in."""

    def __init__(self) -> None:
        super().__init__(self.noting)
        self.blocks = True
        self.threads: list[int] = []

    async def noting(self, *args: Any) -> Any:
        transport = self

        class Wire(SocketWire):
            async def receive(self) -> bytes:
                transport.threads.append(threading.get_ident())
                return await super().receive()

            def abort(self) -> None:
                transport.threads.append(threading.get_ident())
                super().abort()

        wire = await connect_socket(*args)
        assert isinstance(wire, SocketWire)
        return Wire(wire.socket)


async def test_all_steps_of_a_blocking_exchange_run_in_one_thread(world: World, hypercorn: Hypercorn) -> None:
    transport = Threads()
    client = world.client(dispatch=transport)
    response = await do(client.get(f"{hypercorn.url}/stream", stream=True))
    assert len(await collect(response.stream())) == 5
    assert len(transport.threads) >= 6
    assert len(set(transport.threads)) == 1
    assert (transport.threads[0] == threading.get_ident()) is not world.is_async


# What is wrong, and is said so.


class Answers:
    """A transport with whatever a test takes away or puts in."""

    blocks: Any = True
    now: Any = staticmethod(time.monotonic)

    def __init__(self, **parts: Any) -> None:
        self.parts = parts

    async def exchange(self, request: RequestState) -> Any:
        found: dict[str, Any] = {"status_code": 200, "reason_phrase": "OK", "protocol": "HTTP/1.1"}
        found |= {"headers": http3.Headers(), "body": None, "request": request}
        return self.parts["answer"] if "answer" in self.parts else ResponseState(**{**found, **self.parts})

    def close(self) -> None: ...


def without(name: str, value: Any = None) -> Any:
    """A transport that lacks a member, or has something else there."""
    members = {key: member for key, member in vars(Answers).items() if key != name}
    if value is not None:
        members[name] = value
    return type("Lacking", (), members)()


@pytest.mark.parametrize(
    ("dispatch", "what"),
    [
        (without("blocks"), "blocks of transport Lacking"),
        (without("blocks", "no"), "blocks of transport Lacking"),
        (without("blocks", lambda self: True), "blocks of transport Lacking"),
        (without("now"), "now of transport Lacking"),
        (without("now", 7.0), "now of transport Lacking"),
        (without("exchange"), "Lacking"),
        (without("exchange", 7), "Lacking"),
        (without("close"), "close of transport Lacking"),
        (Answers, "instance"),
        (object(), "Dispatcher, an AsyncDispatcher or a Transport"),
    ],
)
def test_what_is_no_transport(dispatch: Any, what: str) -> None:
    for kind in (http3.Client, http3.AsyncClient):
        with pytest.raises(TypeError, match=what):
            kind(dispatch=dispatch)


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"answer": None}, "ResponseState.*NoneType"),
        ({"answer": http3.Response(200)}, "ResponseState.*Response"),
        ({"headers": {"a": "b"}}, "headers.*dict"),
        ({"status_code": "200"}, "status_code.*str"),
        ({"body": b"text"}, "body.*bytes"),
    ],
)
async def test_what_a_transport_must_not_return(world: World, parts: dict[str, Any], what: str) -> None:
    with pytest.raises(TypeError, match=f"Answers.exchange.*{what}"):
        await do(world.client(dispatch=Answers(**parts)).get("http://h/"))


async def test_a_response_without_its_request(world: World) -> None:
    client = world.client(dispatch=Answers(request=None))
    assert str((await do(client.get("http://h/x", timeout=TOTAL))).url) == "http://h/x"
