"""``Client(runner=...)``: a runner of the caller's drives the engine and all that suspends in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trio

import http3
from support import echo_app
from support.servers import Uvicorn


class Runner:
    """What drives, and how often it did."""

    def __init__(self, run: Callable[[Any], Any]) -> None:
        self._run = run
        self.runs = 0
        self.threads: set[str] = set()

    def run(self, coroutine: Any) -> Any:
        """What `Client` asks for."""
        self.runs += 1
        self.threads.add(threading.current_thread().name)
        return self._run(coroutine)


def by_trio(coroutine: Any) -> Any:
    async def main() -> Any:
        return await coroutine

    return trio.run(main)


@pytest.fixture(params=["asyncio.Runner", "asyncio.run", "trio.run"])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """One loop for all calls, or a new one for each."""
    if request.param == "asyncio.Runner":
        with asyncio.Runner() as lasting:
            yield Runner(lasting.run)
    else:
        yield Runner(asyncio.run if request.param == "asyncio.run" else by_trio)


@pytest.fixture
def lasting() -> Iterator[Runner]:
    """A loop that stands still between two calls."""
    with asyncio.Runner() as made:
        yield Runner(made.run)


@pytest.fixture(autouse=True)
def nothing_else_is_started() -> Iterator[None]:
    before = set(threading.enumerate())
    seen: list[str] = []
    start = threading.Thread.start

    def noted(self: threading.Thread) -> None:
        seen.append(self.name)
        start(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", noted)
        yield
    assert [name for name in seen if name.startswith("http3")] == []
    assert not [thread for thread in set(threading.enumerate()) - before if "http3" in thread.name]


async def pause(seconds: float = 0.001) -> None:
    if trio.lowlevel.in_trio_run():
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


class Suspending(http3.AsyncDispatcher):
    """Remembers where it ran."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.closed = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in (b"a", b"b"):
            await pause()
            yield piece

    async def send(
        self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> http3.AsyncResponse:
        self.threads.add(threading.current_thread().name)
        await pause()
        if request.url.path == "/old":
            return http3.AsyncResponse(302, headers={"Location": "/"}, content=self.pieces())
        body = await request.read()
        return http3.AsyncResponse(200, content=body or self.pieces())

    async def close(self) -> None:
        await pause()
        self.closed += 1


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application for any library."""
    await pause()
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (threading.current_thread().name.encode(), b" ", body):
        await pause()
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


def test_an_asynchronous_dispatcher(runner: Runner) -> None:
    dispatch = Suspending()
    with http3.Client(dispatch=dispatch, runner=runner) as client:
        assert client.get("http://h/").content == b"ab"
        assert runner.runs == 1
        assert client.post("http://h/", data=b"body").text == "body"
        response = client.get("http://h/old")
        assert (response.text, [earlier.text for earlier in response.history]) == ("ab", ["ab"])
        assert runner.runs == 3
    assert runner.runs == 4
    assert (dispatch.closed, dispatch.threads) == (1, {"MainThread"})


def test_an_asgi_application(runner: Runner) -> None:
    with http3.Client(app=app, runner=runner) as client:
        assert client.post("/", data=b"body").text == "MainThread body"
        assert client.post("/", data=iter([b"bo", b"dy"])).text == "MainThread body"
    assert runner.runs == 3


def test_a_total_timeout(runner: Runner) -> None:
    class Hanging(Suspending):
        async def send(self, request: Any, *args: Any, **options: Any) -> http3.AsyncResponse:
            await pause(60)
            raise AssertionError

    with http3.Client(dispatch=Hanging(), runner=runner) as client:
        with pytest.raises(http3.TotalTimeout):
            client.get("http://h/", timeout=http3.TimeoutConfig(total_timeout=0.1))


@pytest.mark.parametrize("backend", [http3.AsyncioBackend, http3.TrioBackend])
def test_a_backend(backend: Any, uvicorn: Uvicorn) -> None:
    runner = Runner(asyncio.run if backend is http3.AsyncioBackend else by_trio)
    with http3.Client(backend=backend(), runner=runner) as client:
        for _ in range(2):
            assert client.get(f"{uvicorn.url}/json").status_code == 200
    assert runner.runs == 3


def test_a_streamed_response(lasting: Runner, uvicorn: Uvicorn) -> None:
    with http3.Client(app=app, runner=lasting) as client:
        response = client.post("/", data=b"body", stream=True)
        assert lasting.runs == 1
        assert b"".join(response.stream()) == b"MainThread body"
        assert lasting.runs > 2
        response = client.post("/", data=b"body", stream=True)
        response.close()
    with http3.Client(backend=http3.AsyncioBackend(), runner=lasting) as client:
        with client.get(f"{uvicorn.url}/download/100000", stream=True) as streamed:
            assert streamed.read() == echo_app.block(100_000)


def test_what_blocks(runner: Runner, uvicorn: Uvicorn) -> None:
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [threading.current_thread().name.encode()]

    with http3.Client(app=wsgi, runner=runner) as client:
        assert client.get("/").text == "MainThread"
    with http3.Client(dispatch=http3.MockDispatcher(lambda _: http3.Response(204)), runner=runner) as client:
        assert client.get("http://h/").status_code == 204
    with http3.Client(runner=runner) as client:
        assert client.get(f"{uvicorn.url}/json").status_code == 200
    assert runner.runs == 6


def test_hooks_and_auth_run_inside(lasting: Runner) -> None:
    seen: list[str] = []

    def hook(response: http3.Response) -> None:
        seen.append(threading.current_thread().name)
        assert asyncio.get_running_loop().is_running()

    class Reading(http3.Auth):
        requires_response_body = True

        def auth_flow(self, request: Any) -> Any:
            response = yield request
            seen.append(response.text)

    with http3.Client(
        dispatch=Suspending(), runner=lasting, hooks={"response": [hook]}, auth=Reading()
    ) as client:
        assert client.get("http://h/").text == "ab"
    assert seen == ["MainThread", "ab"]


def test_a_portal_to_another_thread() -> None:
    """As those of frameworks that have a loop somewhere."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="portal")
    thread.start()
    try:
        runner = Runner(lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(30))
        dispatch = Suspending()
        with http3.Client(dispatch=dispatch, runner=runner) as client:
            assert client.get("http://h/").content == b"ab"
            assert list(client.get("http://h/", stream=True).stream()) == [b"a", b"b"]
        assert dispatch.threads == {"portal"}
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
