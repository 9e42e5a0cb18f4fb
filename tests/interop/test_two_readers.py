"""Two at once read one response, or one closes it while another reads: tasks, and threads."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import http3
from http3_transport.testing import ScriptedServer
from support.http2_peer import Incoming, Peer
from support.servers import Authority, StartServer
from support.stalling_peers import serve_http2, serve_http11
from support.worlds import World, do, raised

WAYS = ("HTTP/1.1", "HTTP/1.1 chunked", "HTTP/2", "HTTP/1.1 TLS", "HTTP/2 TLS")

VERBS = ("stream", "raw", "iter_text", "iter_lines")

every_way = pytest.mark.parametrize("way", WAYS, indirect=True)
every_verb = pytest.mark.parametrize(
    ("way", "verb"),
    [*[("HTTP/1.1", verb) for verb in VERBS], ("HTTP/2", "stream"), ("HTTP/2 TLS", "iter_lines")],
    indirect=["way"],
)
closed_ways = pytest.mark.parametrize(
    ("way", "verb"),
    [
        ("HTTP/1.1", "read"),
        ("HTTP/1.1 chunked", "iter_lines"),
        ("HTTP/1.1 TLS", "stream"),
        ("HTTP/2", "read"),
    ],
    indirect=["way"],
)


class Halves:
    """A server that sends one line of a body, and the other one when it is told to."""

    def __init__(self, way: str, start_server: StartServer, authority: Authority) -> None:
        self.rest = threading.Event()
        self._chunked = "chunked" in way
        version = way.split(" ", maxsplit=1)[0]
        alpn = "http/1.1" if version == "HTTP/1.1" else "h2"
        script = serve_http11(self._http11) if version == "HTTP/1.1" else serve_http2(self._http2)
        tls = authority.server_context(alpn) if "TLS" in way else None
        self.server: ScriptedServer = start_server(script, tls=tls)
        self.options: dict[str, Any] = {"verify": authority.ca_file, "http_versions": (version,)}

    def _http11(self, connection: socket.socket, _: str) -> None:
        framing = "Transfer-Encoding: chunked" if self._chunked else "Content-Length: 10"
        half, rest = b"first", b"\nlast"
        if self._chunked:
            half, rest = b"5\r\nfirst\r\n", b"5\r\n\nlast\r\n0\r\n\r\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + framing.encode() + b"\r\n\r\n" + half)
        self.rest.wait(10)
        connection.sendall(rest)

    def _http2(self, peer: Peer, incoming: Incoming) -> None:
        peer.head(incoming.stream_id, 200, [("content-length", "10")])
        peer.data(incoming.stream_id, b"first")
        self.rest.wait(10)
        if incoming.stream_id not in peer.resets:
            peer.data(incoming.stream_id, b"\nlast", end=True)


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture
def halves(way: str, start_server: StartServer, authority: Authority) -> Iterator[Halves]:
    server = Halves(way, start_server, authority)
    yield server
    server.rest.set()


def stepping(iterator: Any) -> Callable[[], Any]:
    """One step of an iterator of either kind."""
    step: Callable[[], Any] = iterator.__anext__ if hasattr(iterator, "__anext__") else iterator.__next__
    return step


@every_verb
async def test_a_second_reader_is_refused_and_the_first_goes_on(
    world: World, halves: Halves, verb: str
) -> None:
    client = world.client(**halves.options)
    response = await do(client.get(halves.server.url + "/bad", stream=True))
    step = stepping(getattr(response, verb)())
    begun = [] if verb == "iter_lines" else [await do(step())]

    async def reads() -> Any:
        got = [await do(step())]
        while True:
            try:
                got.append(await do(step()))
            except (StopIteration, StopAsyncIteration):
                return got

    async def intrudes() -> None:
        await world.sleep(0.1)
        for _ in range(2):
            error = await raised(http3.StreamConsumed, step)
            assert isinstance(error, RuntimeError)
            assert "in use" in str(error)
        for other in (response.read, *(getattr(response, name) for name in VERBS)):
            await raised(http3.StreamConsumed, other)
        halves.rest.set()

    got, nothing = await world.together(reads, intrudes)
    assert nothing is None, nothing
    assert not isinstance(got, Exception), got
    empty = b"" if verb in ("stream", "raw") else ""
    whole = empty.join([*begun, *got])
    assert whole in (b"first\nlast", "first\nlast", "firstlast")
    assert (await do(client.get(halves.server.url + "/good"))).text == "/good"
    assert halves.server.connections == 1


@every_way
async def test_of_two_that_read_the_whole_body_one_has_it(world: World, halves: Halves) -> None:
    client = world.client(**halves.options)
    response = await do(client.get(halves.server.url + "/bad", stream=True))
    unbegun = stepping(response.stream())

    async def reads() -> Any:
        return await do(response.read())

    async def intrudes() -> None:
        await world.sleep(0.1)
        await raised(http3.StreamConsumed, response.read)
        await raised(http3.StreamConsumed, response.json)
        await raised(http3.StreamConsumed, unbegun)
        halves.rest.set()

    assert await world.together(reads, intrudes) == [b"first\nlast", None]
    assert response.content == b"first\nlast"
    assert (await do(client.get(halves.server.url + "/good"))).text == "/good"


@closed_ways
async def test_a_response_that_is_closed_while_somebody_reads(
    world: World, halves: Halves, verb: str
) -> None:
    client = world.client(**halves.options, timeout=20)
    response = await do(client.get(halves.server.url + "/bad", stream=True))
    if verb == "read":
        step = response.read
    else:
        step = stepping(getattr(response, verb)())
        if verb != "iter_lines":
            await do(step())

    async def reads() -> float:
        started = time.monotonic()
        await raised(http3.ResponseClosed, step)
        return time.monotonic() - started

    async def closes() -> None:
        await world.sleep(0.1)
        await do(response.close())

    waited, nothing = await world.together(reads, closes)
    assert nothing is None
    assert not isinstance(waited, Exception), waited
    assert waited < 5
    await raised(http3.ResponseClosed, step)
    halves.rest.set()
    assert (await do(client.get(halves.server.url + "/good"))).text == "/good"


# --- applications, and responses made by hand --------------------------------------------------------------


class App:
    """One line of a body, and the other one later."""

    def __init__(self) -> None:
        self.rest = threading.Event()
        self.closed = 0

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", "10")])
        try:
            yield b"first"
            self.rest.wait(10)
            yield b"\nlast"
        finally:
            self.closed += 1

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        import trio

        sleep = trio.sleep if trio.lowlevel.in_trio_run() else asyncio.sleep
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            while not self.rest.is_set():
                await sleep(0.01)
            await send({"type": "http.response.body", "body": b"\nlast"})
        finally:
            self.closed += 1

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.get_running_loop().run_in_executor(None, self.rest.wait, 10)
            yield b"\nlast"
        finally:
            self.closed += 1


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
async def test_a_second_reader_of_an_application_is_refused(world: World, kind: str) -> None:
    app = App()
    response = await do(world.client(app=getattr(app, kind)).get("/", stream=True))
    step = stepping(response.stream())
    assert await do(step()) == b"first"

    async def reads() -> Any:
        return await do(step())

    async def intrudes() -> None:
        await world.sleep(0.1)
        await raised(http3.StreamConsumed, step)
        app.rest.set()

    assert await world.together(reads, intrudes) == [b"\nlast", None]
    await raised((StopIteration, StopAsyncIteration), step)
    assert app.closed == 1


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
async def test_an_application_whose_response_is_closed_while_somebody_reads(world: World, kind: str) -> None:
    app = App()
    response = await do(world.client(app=getattr(app, kind)).get("/", stream=True))
    step = stepping(response.stream())
    assert await do(step()) == b"first"

    async def reads() -> Any:
        await raised(http3.ResponseClosed, step)

    async def closes() -> None:
        await world.sleep(0.1)
        await do(response.close())
        app.rest.set()

    assert await world.together(reads, closes) == [None, None]
    end = time.monotonic() + 5
    while app.closed < 1 and time.monotonic() < end:
        await world.sleep(0.01)
    assert app.closed == 1


def test_an_async_generator_as_content_that_is_closed_while_somebody_reads() -> None:
    app = App()
    told: list[int] = []

    async def main() -> None:
        response = http3.AsyncResponse(200, content=app.pieces(), on_close=lambda: told.append(1))
        step = stepping(response.stream())
        assert await step() == b"first"
        reading = asyncio.ensure_future(step())
        await asyncio.sleep(0.05)
        await raised(http3.StreamConsumed, step)
        await response.close()
        app.rest.set()
        with pytest.raises(http3.ResponseClosed):
            await reading

    asyncio.run(main())
    assert (app.closed, told) == (1, [1])
