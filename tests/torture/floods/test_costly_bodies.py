"""Small bodies that take long to decode: the work ends, deadlines hold, other tasks get their turns."""

from __future__ import annotations

import asyncio
import gzip
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

import http3
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer, response_bytes
from support.costly_bodies import costly_bodies
from support.worlds import World, collect, do, raised

pytestmark = pytest.mark.thorough

MUCH = 8.0
"""Seconds of CPU within which what takes less than two must be over, on any machine."""

SHORT_SECONDS = 0.3
SHORT = http3.TimeoutConfig(total_timeout=SHORT_SECONDS)

UNBOUNDED = http3.Limits(max_ratio=math.inf)

COSTLY = [
    "NUL behind the end",
    "line feeds behind the end",
    "empty members",
    "empty stored blocks",
    "empty dynamic blocks",
    "skippable frames",
    "large skippable frames",
    "empty frames",
    "empty blocks of zstd",
    "empty blocks of brotli",
    "five in a row",
]


def serve(name: str) -> Callable[[ScriptedConnection], None]:
    coding, body = costly_bodies()[name]
    answer = response_bytes(body, headers={"Content-Encoding": coding})

    def script(connection: ScriptedConnection) -> None:
        while True:
            connection.read_request()
            connection.write(answer)

    return script


def serve_http2(name: str) -> Callable[[ScriptedConnection], None]:
    coding, body = costly_bodies()[name]

    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        while True:
            stream = frames.read_request()[0]
            frames.send_head(stream, 200, [("content-encoding", coding)])
            for start in range(0, len(body), 16_000):
                frames.send_body(stream, body[start : start + 16_000], end=start + 16_000 >= len(body))

    return script


async def read(client: Any, url: str) -> Any:
    return await do(client.get(url))


async def read_later(client: Any, url: str) -> Any:
    response = await do(client.get(url, stream=True))
    return await do(response.read())


async def stream(client: Any, url: str) -> Any:
    response = await do(client.get(url, stream=True))
    await exhaust(response.stream())


async def stream_bytewise(client: Any, url: str) -> Any:
    response = await do(client.get(url, stream=True))
    await exhaust(response.stream(7))


async def text(client: Any, url: str) -> Any:
    response = await do(client.get(url, stream=True))
    await exhaust(response.iter_text())


async def lines(client: Any, url: str) -> Any:
    response = await do(client.get(url, stream=True))
    await exhaust(response.iter_lines())


async def exhaust(iterator: Any) -> None:
    """Keep nothing of it."""
    if hasattr(iterator, "__aiter__"):
        async for _ in iterator:
            pass
    else:
        for _ in iterator:
            pass


WAYS = [read, read_later, stream, stream_bytewise, text, lines]


@pytest.mark.parametrize(("name", "way"), [*[(name, read) for name in COSTLY], ("empty members", stream)])
async def test_the_work_is_bounded_by_what_was_received(world: World, name: str, way: Any) -> None:
    with ScriptedServer(serve(name)) as server:
        begun = time.process_time()
        error = await raised(http3.DecodedSizeExceeded, way, world.client(timeout=60), server.url)
        assert time.process_time() - begun < MUCH
    assert "takes work on" in str(error)
    assert "max_ratio=250" in str(error)
    assert error.delivery is http3.Delivery.MAYBE_PROCESSED


def dispatcher(world: World, name: str) -> Any:
    """One of a user's own, which answers from memory."""
    coding, body = costly_bodies()[name]

    def answer(request: Any) -> Any:
        return world.response_class(200, headers={"Content-Encoding": coding}, content=body, request=request)

    class Blocking(http3.Dispatcher):
        def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            return answer(request)

    class Asynchronous(http3.AsyncDispatcher):
        async def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            return answer(request)

    return Asynchronous() if world.is_async else Blocking()


class Clock:
    """Another task, which counts how often it has its turn."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.turns = 0
        self.is_over = False

    async def run(self) -> None:
        while not self.is_over:
            self.turns += 1
            await self._world.sleep(0.01)


async def timed_out(world: World, way: Any, client: Any, url: str) -> None:
    """The call ends at its total_timeout, and meanwhile others have their turns."""
    clock = Clock(world)
    begun, worked = time.monotonic(), time.process_time()

    async def work() -> None:
        try:
            await raised(http3.TotalTimeout, way, client, url)
        finally:
            clock.is_over = True

    outcomes = await world.together(work, *([clock.run] if world.is_async else []))
    assert outcomes[0] is None, repr(outcomes[0])
    assert time.monotonic() - begun < MUCH
    if world.is_async and time.process_time() - worked > SHORT_SECONDS / 2:  # else others had the machine
        assert clock.turns > 1  # the first is before the work, or behind it


@pytest.mark.parametrize(
    ("name", "version"),
    [*[(name, "HTTP/1.1") for name in COSTLY], *[(name, "HTTP/2") for name in COSTLY[2:5]]],
)
async def test_a_deadline_ends_it(world: World, name: str, version: str) -> None:
    script = serve(name) if version == "HTTP/1.1" else serve_http2(name)
    with ScriptedServer(script) as server:
        client = world.client(timeout=SHORT, limits=UNBOUNDED, http_versions=(version,))
        await timed_out(world, read, client, server.url)


@pytest.mark.parametrize("way", WAYS)
async def test_a_deadline_ends_each_way_of_reading(world: World, way: Any) -> None:
    """A body from the network, and one from memory."""
    name = "empty members"
    with ScriptedServer(serve(name)) as server:
        client = world.client(timeout=SHORT, limits=UNBOUNDED)
        await timed_out(world, way, client, server.url)
    client = world.client(timeout=SHORT, limits=UNBOUNDED, dispatch=dispatcher(world, name))
    await timed_out(world, way, client, "http://example.org/")


@pytest.mark.parametrize("way", [stream, text])
async def test_a_deadline_ends_a_bomb_that_gives_much(world: World, way: Any) -> None:
    with ScriptedServer(serve("zeros")) as server:
        client = world.client(timeout=SHORT)
        await timed_out(world, way, client, server.url)


async def test_redirects_are_followed_without_decoding(world: World) -> None:
    coding, body = costly_bodies()["NUL behind the end"]
    head = {"Content-Encoding": coding, "Location": "/there"}

    def script(connection: ScriptedConnection) -> None:
        while connection.read_request().target != "/there":
            connection.write(response_bytes(body, status="302 Found", headers=head))
        connection.write(response_bytes(b"good"))
        connection.stall()

    with ScriptedServer(script) as server:
        timeout = http3.TimeoutConfig(total_timeout=5)
        client = world.client(timeout=timeout)
        begun = time.process_time()
        response = await do(client.get(server.url))
        assert time.process_time() - begun < MUCH
        assert response.content == b"good"
        assert await collect(response.history[0].raw()) == [body]


async def test_an_earlier_response_is_read_when_the_call_is_over(world: World) -> None:
    """Its body was kept, and has no deadline any more."""

    def answer(request: Any) -> Any:
        if request.url.path == "/there":
            return http3.Response(200)
        headers = {"Content-Encoding": "gzip", "Location": "/there"}
        return http3.Response(302, headers=headers, content=gzip.compress(b"moved"))

    client = world.client(
        timeout=http3.TimeoutConfig(total_timeout=0.2), dispatch=http3.MockDispatcher(answer)
    )
    response = await do(client.get("http://example.org/"))
    await world.sleep(0.3)
    assert response.history[0].content == b"moved"


async def test_bodies_that_never_wait_leave_turns_to_others(world: World) -> None:
    """An endless iterator in a dispatcher of a user's own."""
    if not world.is_async:
        pytest.skip("nobody else waits for this thread")

    def endless() -> Any:
        while True:
            yield b"x"

    class Own(http3.AsyncDispatcher):
        async def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            return http3.AsyncResponse(200, content=endless(), request=request)

    client = world.client(timeout=SHORT, dispatch=Own())
    for way in (read, stream):
        await timed_out(world, way, client, "http://example.org/")


async def test_a_cancellation_strikes_while_a_body_is_decoded(world: World) -> None:
    if not world.is_async:
        pytest.skip("there are no tasks")
    with ScriptedServer(serve("empty members")) as server:
        client = world.client(timeout=60, limits=UNBOUNDED)
        response = await do(client.get(server.url, stream=True))
        begun = time.monotonic()
        if world.name == "asyncio":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.read(), 0.1)
        else:
            with trio.move_on_after(0.1) as scope:
                await response.read()
            assert scope.cancelled_caught
        assert time.monotonic() - begun < MUCH
        assert response.is_closed
