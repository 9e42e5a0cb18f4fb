"""``total_timeout`` over a user's dispatchers that hang: what suspends is cancelled, what blocks told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
import trio

import http3
from support.worlds import World, collect, do, raised

HANGS = 60.0
"""Seconds; who waits for it fails."""

LIMIT = 0.1


async def sleep(seconds: float) -> None:
    """On whatever runs: a sync client has asyncio under it."""
    if trio.lowlevel.in_trio_run():
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


class Hanging(http3.AsyncDispatcher):
    """Hangs in `send`, or in the body of its response."""

    def __init__(self, *, in_body: bool = False, makes_of_it: Exception | None = None) -> None:
        self.in_body = in_body
        self.makes_of_it = makes_of_it
        self.cancelled = threading.Event()

    async def hang(self) -> None:
        try:
            await sleep(HANGS)
        except BaseException as exc:
            self.cancelled.set()
            if self.makes_of_it is not None:
                raise self.makes_of_it from exc
            raise

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b"some"
        await self.hang()
        yield b"more"

    async def send(
        self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> http3.AsyncResponse:
        if not self.in_body:
            await self.hang()
        return http3.AsyncResponse(200, content=self.pieces())


def limited(world: World, **options: Any) -> Any:
    """A client with a total timeout of a tenth of a second."""
    return world.client(timeout=http3.TimeoutConfig(None, total_timeout=LIMIT), **options)


async def timed_out(call: Callable[..., Any], *args: Any, **options: Any) -> http3.TotalTimeout:
    """The TotalTimeout of a call, which comes soon."""
    started = time.monotonic()
    error: http3.TotalTimeout = await raised(http3.TotalTimeout, call, *args, **options)
    assert time.monotonic() - started < HANGS / 4
    assert "total_timeout of 0.1 s in the read phase: GET https://h/x" in str(error)
    assert str(error.request.url) == "https://h/x"
    return error


@pytest.mark.parametrize("makes_of_it", [None, OSError("interrupted"), http3.ReadError("interrupted")])
async def test_what_suspends_is_cancelled(world: World, makes_of_it: Exception | None) -> None:
    dispatch = Hanging(makes_of_it=makes_of_it)
    client = limited(world, dispatch=dispatch)
    error = await timed_out(client.get, "https://h/x")
    assert "the dispatcher was cancelled" in str(error)
    assert isinstance(error.request, world.request_class)
    assert error.delivery == "maybe_processed"
    assert dispatch.cancelled.is_set()


async def test_it_may_have_methods_alone(world: World) -> None:
    class Duck:
        async def send(
            self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None
        ) -> http3.AsyncResponse:
            await sleep(HANGS)
            return http3.AsyncResponse(200)

    client = limited(world, dispatch=Duck())
    await timed_out(client.get, "https://h/x")


async def test_a_handler_of_a_mock(world: World) -> None:
    if not world.is_async:
        pytest.skip("in a sync client handlers block")

    async def handler(request: Any) -> http3.Response:
        await sleep(HANGS)
        return http3.Response(200)

    client = limited(world, dispatch=http3.MockDispatcher(handler))
    await timed_out(client.get, "https://h/x")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_that_suspends_is_cancelled(world: World, stream: bool) -> None:
    dispatch = Hanging(in_body=True)
    client = limited(world, dispatch=dispatch)
    if stream:
        response = await do(client.get("https://h/x", stream=True))
        await timed_out(response.read)
        assert response.is_closed
    else:
        await timed_out(client.get, "https://h/x")
    assert dispatch.cancelled.is_set()


async def test_pieces_before_it_hangs_are_given(world: World) -> None:
    client = limited(world, dispatch=Hanging(in_body=True))
    response = await do(client.get("https://h/x", stream=True))
    pieces = response.stream()
    assert await do(pieces.__anext__() if world.is_async else next(pieces)) == b"some"
    await timed_out(collect, pieces)


async def test_the_body_of_a_redirect(world: World) -> None:
    """It is read to its end before the redirect is followed, as long as there is time."""

    class Redirecting(Hanging):
        async def send(self, request: Any, *args: Any, **options: Any) -> http3.AsyncResponse:
            return http3.AsyncResponse(302, headers={"Location": "/y"}, content=self.pieces())

    dispatch = Redirecting()
    await timed_out(limited(world, dispatch=dispatch).get, "https://h/x")
    assert dispatch.cancelled.is_set()


async def test_an_asgi_application(world: World) -> None:
    cancelled = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/body":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"some", "more_body": True})
        try:
            await sleep(HANGS)
        finally:
            cancelled.set()

    client = limited(world, app=app)
    for path in ("/", "/body"):
        cancelled.clear()
        started = time.monotonic()
        error = await raised(http3.TotalTimeout, client.get, path)
        assert time.monotonic() - started < HANGS / 4
        assert "http://localhost/" in str(error)
        for _ in range(100):
            if cancelled.is_set():
                break
            await world.sleep(0.01)
        assert cancelled.is_set()


async def test_what_can_not_be_cancelled_says_so(world: World) -> None:
    closed = []

    class Stubborn(http3.AsyncDispatcher):
        async def send(self, request: Any, *args: Any, **options: Any) -> http3.AsyncResponse:
            time.sleep(LIMIT * 2)  # noqa: ASYNC251 - that is the fault
            return http3.AsyncResponse(200, on_close=lambda: closed.append(True))

    error = await timed_out(limited(world, dispatch=Stubborn()).get, "https://h/x")
    assert "Stubborn.send() could not be cancelled" in str(error)
    assert closed == [True]


async def test_without_a_deadline_nothing_is_cancelled(world: World) -> None:
    class Slow(Hanging):
        async def hang(self) -> None:
            await sleep(LIMIT * 1.5)

    client = world.client(dispatch=Slow())
    assert (await do(client.get("https://h/x"))).content == b"somemore"
    assert (await do(client.get("https://h/x", timeout=http3.TimeoutConfig(total_timeout=60)))).ok


async def test_a_cancellation_from_outside_is_no_timeout(world: World) -> None:
    if not world.is_async:
        pytest.skip("nobody cancels a sync client")
    client = world.client(dispatch=Hanging(), timeout=http3.TimeoutConfig(total_timeout=HANGS))
    if world.name == "trio":
        with trio.move_on_after(0.05) as scope:
            await client.get("https://h/x")
        assert scope.cancelled_caught
    else:
        await raised(TimeoutError, asyncio.wait_for, client.get("https://h/x"), 0.05)


# What blocks


class Blocking(http3.Dispatcher):
    """Sleeps in `send`, or in the body of its response."""

    def __init__(self, *, in_body: bool = False) -> None:
        self.in_body = in_body
        self.closed = 0

    def pieces(self) -> Iterator[bytes]:
        if self.in_body:
            time.sleep(LIMIT * 2)
        yield b"some"

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> http3.Response:
        if not self.in_body:
            time.sleep(LIMIT * 2)
        return http3.Response(200, content=self.pieces(), on_close=self.count)

    def count(self) -> None:
        self.closed += 1


async def test_what_blocks_ends_late_and_says_so(world: World) -> None:
    dispatch = Blocking()
    error = await timed_out(limited(world, dispatch=dispatch).get, "https://h/x")
    if world.is_async:
        assert "the dispatcher was cancelled" in str(error)
    else:
        assert "Blocking.send() blocks, which can't be interrupted" in str(error)
        assert dispatch.closed == 1


async def test_a_body_that_blocks_ends_late_and_says_so(world: World) -> None:
    dispatch = Blocking(in_body=True)
    error = await timed_out(limited(world, dispatch=dispatch).get, "https://h/x")
    if not world.is_async:
        assert "its body blocks, which can't be interrupted" in str(error)
        assert dispatch.closed == 1


async def test_a_blocking_dispatcher_holds_up_no_async_client(world: World) -> None:
    """Its thread is left behind, and what it brings is closed."""
    if not world.is_async:
        pytest.skip("a sync client waits for it")
    go, closed = threading.Event(), threading.Event()

    class Waiting(http3.Dispatcher):
        def send(self, request: Any, *args: Any, **options: Any) -> http3.Response:
            go.wait(HANGS)
            return http3.Response(200, on_close=closed.set)

    await timed_out(limited(world, dispatch=Waiting()).get, "https://h/x")
    go.set()
    for _ in range(500):
        if closed.is_set():
            break
        await world.sleep(0.01)
    assert closed.is_set()


async def test_what_it_raises_late_is_its_own(world: World) -> None:
    class Failing(Blocking):
        def send(self, request: Any, *args: Any, **options: Any) -> http3.Response:
            time.sleep(0 if world.is_async else LIMIT * 2)
            raise http3.ReadError("broken")

    error = await raised(http3.ReadError, limited(world, dispatch=Failing()).get, "https://h/x")
    assert str(error) == "broken"


@pytest.mark.parametrize("path", ["/", "/body"])
async def test_a_wsgi_application(world: World, path: str) -> None:
    closed = threading.Event()

    class Body:
        def __init__(self) -> None:
            self.left = 2 if path == "/body" else 1

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            self.left -= 1
            if not self.left:
                time.sleep(LIMIT * 2)
            return b"some"

        def close(self) -> None:
            closed.set()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    error = await raised(http3.TotalTimeout, limited(world, app=app).get, path)
    if not world.is_async:
        assert "the application runs in the caller's thread, where it can't be interrupted" in str(error)
    assert closed.wait(10)
