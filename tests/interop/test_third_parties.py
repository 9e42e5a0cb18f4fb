"""Wrappers and transports as a third party writes them: public names, no base class where none is needed."""

from __future__ import annotations

import functools
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

import http3
from http3_models.engine import RequestState, ResponseState
from support.http2_peer import CHUNKED_TRAILERS, answer_with_trailers
from support.servers import Authority, Hypercorn, Nginx, StartRawServer, answer, answering, read_request
from support.third_party import HandMade, SocketWire, connect_socket, hand_made
from support.worlds import World, collect, do, raised

TOTAL = http3.TimeoutConfig(total_timeout=0.3)


# Wrappers around the pools.


class Wrapper(http3.Dispatcher):
    """A sync one, around the pool for sync code."""

    def __init__(self, **options: Any) -> None:
        self.pool = http3.BlockingConnectionPool(**options)
        self.threads: list[int] = []
        self.closings = 0

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> http3.Response:
        self.threads.append(threading.get_ident())
        return self.pool.send(request, verify=verify, cert=cert, timeout=timeout)

    def close(self) -> None:
        self.closings += 1
        self.pool.close()


class AsyncWrapper(http3.AsyncDispatcher):
    """An async one, around the pool."""

    def __init__(self, **options: Any) -> None:
        self.pool = http3.ConnectionPool(**options)
        self.closings = 0

    async def send(
        self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> http3.AsyncResponse:
        return await self.pool.send(request, verify=verify, cert=cert, timeout=timeout)

    async def close(self) -> None:
        self.closings += 1
        await self.pool.close()


class TransportWrapper:
    """Around the pool too, as a transport: records in, records out."""

    keeps_deadline = True

    def __init__(self, **options: Any) -> None:
        self.pool = http3.ConnectionPool(**options)
        self.blocks = self.pool.blocks
        self.now = self.pool.now
        self.closings = 0

    async def exchange(self, request: RequestState) -> ResponseState:
        return await self.pool.exchange(request)

    async def close(self) -> None:
        self.closings += 1
        await self.pool.close()


WRAPPERS = [Wrapper, AsyncWrapper, TransportWrapper]
wrappers = pytest.mark.parametrize("wrapper", WRAPPERS)
versions = pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])


@versions
@wrappers
async def test_a_wrapper_loses_nothing(
    world: World, hypercorn: Hypercorn, authority: Authority, wrapper: Any, version: str
) -> None:
    dispatch = wrapper(verify=authority.ca_file, http_versions=(version,))
    client = world.client(dispatch=dispatch)
    response = await do(client.get(f"{hypercorn.tls}/redirect/1"))
    first, second = response.history[0], response
    assert None not in (first.timings.connect, first.timings.tls, first.timings.send, first.timings.wait)
    assert (second.timings.connect, second.timings.tls) == (None, None)
    assert None not in (second.timings.send, second.timings.wait, second.timings.receive)
    assert second.protocol == version
    assert second.connection.peer_address[0] == "127.0.0.1"
    assert second.connection.tls_version == "TLSv1.3"
    assert second.connection.peer_certificate
    assert timedelta(0) < first.elapsed <= second.elapsed
    assert isinstance(second.request, world.request_class)
    error = await raised(http3.ConnectError, client.get, "https://127.0.0.1:1/x")
    assert error.delivery == "not_sent"
    assert error.timings.connect is not None
    assert isinstance(error.request, world.request_class)
    await do(client.close())
    assert dispatch.closings == 1
    assert "closed" in repr(dispatch.pool)


@versions
@wrappers
async def test_a_wrapper_keeps_trailers(
    world: World, raw_server: StartRawServer, wrapper: Any, version: str
) -> None:
    script = answering(CHUNKED_TRAILERS) if version == "HTTP/1.1" else answer_with_trailers
    client = world.client(dispatch=wrapper(http_versions=(version,)))
    response = await do(client.get(raw_server(script).url, stream=True))
    assert await do(response.read()) == b"abc"
    assert response.trailers["x-checksum"] == "1"
    assert response.timings.receive is not None


@wrappers
async def test_a_wrapper_streams_both_ways(
    world: World, hypercorn: Hypercorn, authority: Authority, wrapper: Any
) -> None:
    client = world.client(dispatch=wrapper(verify=authority.ca_file))
    response = await do(client.post(f"{hypercorn.tls}/upload", data=pieces(world, 5)))
    assert (await do(response.json()))["size"] == 50_000
    response = await do(client.get(f"{hypercorn.tls}/download/300000", stream=True))
    assert sum(map(len, await collect(response.stream()))) == 300_000
    response = await do(client.get(f"{hypercorn.tls}/download/8000000", stream=True))
    await do(response.close())
    assert (await do(client.get(f"{hypercorn.tls}/json"))).ok


@wrappers
async def test_a_total_timeout_reaches_through_a_wrapper(
    world: World, hypercorn: Hypercorn, authority: Authority, wrapper: Any
) -> None:
    client = world.client(dispatch=wrapper(verify=authority.ca_file))
    await do(client.get(f"{hypercorn.tls}/json"))  # the connection is there
    for path in ("delay/20", "drip/20"):
        started = time.monotonic()
        error = await raised(http3.TotalTimeout, client.get, f"{hypercorn.tls}/{path}", timeout=TOTAL)
        assert time.monotonic() - started < 10
        assert error.delivery == "maybe_processed"
        assert str(error.request.url) == f"{hypercorn.tls}/{path}"
    assert (await do(client.get(f"{hypercorn.tls}/json"))).ok


def test_a_sync_wrapper_runs_in_the_callers_thread(hypercorn: Hypercorn, authority: Authority) -> None:
    started = threads_started()
    dispatch = Wrapper(verify=authority.ca_file)
    with http3.Client(dispatch=dispatch) as client:
        assert client.post(f"{hypercorn.tls}/echo", data=iter([b"a", b"b"])).json()["body"] == "ab"
        response = client.get(f"{hypercorn.tls}/stream", stream=True)
        assert len(list(response.stream())) >= 1
    assert dispatch.threads == [threading.get_ident()] * 2
    assert started == []


@wrappers
def test_an_interrupt_ends_a_wrapped_exchange(raw_server: StartRawServer, wrapper: Any) -> None:
    """Ctrl-C in the main thread, while the server says nothing; then the next request works."""
    options: dict[str, Any] = {"backend": http3.BlockingBackend()} if wrapper is TransportWrapper else {}
    interrupted(wrapper(**options), raw_server)


class PatchedPool(http3.ConnectionPool):
    """Overrides ``send`` and keeps the name and attributes of the method it stands for."""

    async def patched(self, request: Any, *args: Any, **options: Any) -> Any:
        response = await super().send(request, *args, **options)
        response.headers["X-Patched"] = "yes"
        return response

    send: Any = functools.wraps(http3.ConnectionPool.send)(patched)


@pytest.mark.parametrize("how", ["wraps", "attribute", "mock", "class"])
async def test_a_send_that_was_patched_is_called(
    world: World, nginx: Nginx, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    original = http3.ConnectionPool.send
    pool = PatchedPool() if how == "wraps" else http3.ConnectionPool()

    async def patched(*args: Any, **options: Any) -> Any:
        response = await original(*(args if how == "class" else (pool, *args)), **options)
        response.headers["X-Patched"] = "yes"
        return response

    if how == "attribute":
        monkeypatch.setattr(pool, "send", patched)
    elif how == "mock":
        monkeypatch.setattr(pool, "send", mock.AsyncMock(side_effect=patched))
    elif how == "class":
        monkeypatch.setattr(http3.ConnectionPool, "send", functools.wraps(original)(patched))
    response = await do(world.client(dispatch=pool).get(f"{nginx.plain}/small"))
    assert response.headers["X-Patched"] == "yes"
    assert response.timings.wait is not None


async def test_a_mock_of_a_dispatcher(world: World) -> None:
    """A `Mock` has every attribute that it is asked for."""
    dispatch = mock.Mock(now=time.monotonic)
    dispatch.send.return_value = http3.Response(200, text="mocked")
    assert (await do(world.client(dispatch=dispatch).get("http://h/"))).text == "mocked"


# A transport of a third party.

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
async def test_trailers_of_a_transport(world: World, raw_server: StartRawServer, blocks: bool) -> None:
    client = world.client(dispatch=hand_made(blocks))
    for stream in (False, True):
        response = await do(client.get(raw_server(answering(CHUNKED_TRAILERS)).url, stream=stream))
        assert await do(response.read()) == b"abc"
        assert response.trailers["x-checksum"] == "1"


@kinds
async def test_errors_of_a_transport(world: World, raw_server: StartRawServer, blocks: bool) -> None:
    client = world.client(dispatch=hand_made(blocks))
    error = await raised(http3.ConnectError, client.get, "http://127.0.0.1:1/x")
    assert error.delivery == "not_sent"
    assert isinstance(error.request, world.request_class)
    assert error.timings is not None
    cut = answering(answer(b"hello")[:-2])
    error = await raised(http3.RemoteProtocolError, client.get, raw_server(cut).url)
    assert error.delivery == "maybe_processed"
    response = await do(client.get(raw_server(cut).url, stream=True))
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
def test_an_interrupt_ends_an_exchange_of_a_transport(raw_server: StartRawServer, blocks: bool) -> None:
    transport = hand_made(blocks)
    interrupted(transport, raw_server)
    assert transport.open == set()


def test_a_blocking_transport_runs_in_the_callers_thread(hypercorn: Hypercorn) -> None:
    started = threads_started()
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
    assert len(turns) > 10


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


# What the tests are made of.


def pieces(world: World, count: int) -> Iterator[bytes] | AsyncIterator[bytes]:
    """A body to be streamed."""

    async def later() -> AsyncIterator[bytes]:
        for _ in range(count):
            await world.sleep(0)
            yield bytes(10_000)

    return later() if world.is_async else iter([bytes(10_000)] * count)


def threads_started() -> list[str]:
    """A list that grows by the name of each thread that starts from now on."""
    started: list[str] = []
    original = threading.Thread.start

    def start(self: threading.Thread) -> None:
        started.append(self.name)
        original(self)

    patch = mock.patch.object(threading.Thread, "start", start)
    patch.start()
    return started


@pytest.fixture(autouse=True)
def unpatched() -> Iterator[None]:
    """Take off what `threads_started` has put in."""
    yield
    mock.patch.stopall()


def interrupted(dispatch: Any, raw_server: StartRawServer) -> None:
    """Ctrl-C while a server is silent ends the request; the next one works."""
    is_asked = threading.Event()

    def silent(connection: socket.socket) -> None:
        read_request(connection)
        is_asked.set()
        connection.recv(1)

    def interrupt() -> None:
        assert is_asked.wait(10)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with http3.Client(dispatch=dispatch) as client:
        with pytest.raises(KeyboardInterrupt):
            client.get(raw_server(silent).url)
        thread.join()
        assert client.get(raw_server(answering(answer(b"x"))).url).content == b"x"
