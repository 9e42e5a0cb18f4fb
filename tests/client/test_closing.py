"""``close()``: of dispatchers that were never used, and where it can't run."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.lowlevel

import http3_transport
from http3_client import AsyncClient, Client
from http3_models import (
    AsyncDispatcher,
    AsyncResponse,
    ClientClosed,
    ConnectError,
    Dispatcher,
    MockDispatcher,
    Response,
)
from support.worlds import World, do


async def pause(seconds: float = 0) -> None:
    """On whatever runs."""
    if trio.lowlevel.in_trio_run():
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


class Blocking(Dispatcher):
    def __init__(self) -> None:
        self.closed = 0
        self.fails: BaseException | None = None

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
        return Response(200)

    def close(self) -> None:
        self.closed += 1
        if self.fails is not None:
            raise self.fails


class Suspending(AsyncDispatcher):
    def __init__(self) -> None:
        self.closed = 0
        self.fails: BaseException | None = None

    async def send(
        self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> AsyncResponse:
        await pause()
        return AsyncResponse(200)

    async def close(self) -> None:
        await pause()
        self.closed += 1
        if self.fails is not None:
            raise self.fails


class Mock(MockDispatcher):
    def __init__(self) -> None:
        super().__init__(lambda request: Response(200))
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Duck:
    """No base class."""

    def __init__(self) -> None:
        self.closed = 0

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
        return Response(200)

    def close(self) -> None:
        self.closed += 1


class Pool(http3_transport.ConnectionPool):
    """Our own, with a count."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1
        await super().close()


KINDS = [Blocking, Suspending, Mock, Duck, Pool]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def any_world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "http3-loop"]


@pytest.fixture(autouse=True)
def no_loop_is_left() -> Iterator[None]:
    yield
    for thread in loop_threads():
        thread.join(10)
    assert not loop_threads()


# Dispatchers that were never used


@pytest.mark.parametrize("kind", KINDS)
def test_a_dispatcher_that_was_never_used_is_closed(any_world: World, kind: Any) -> None:
    dispatch = kind()

    async def main() -> None:
        client = any_world.client_class(dispatch=dispatch)
        assert dispatch.closed == 0
        await do(client.close())
        assert (dispatch.closed, client.is_closed) == (1, True)
        await do(client.close())
        assert dispatch.closed == 1
        with pytest.raises(ClientClosed):
            await do(client.get("http://h/"))

    any_world.run(main)


@pytest.mark.parametrize("kind", KINDS)
def test_a_context_manager_closes_a_dispatcher_that_was_never_used(any_world: World, kind: Any) -> None:
    dispatch = kind()

    async def main() -> None:
        with pytest.raises(KeyError):
            if any_world.name == "sync":
                with Client(dispatch=dispatch):
                    raise KeyError
            else:
                async with AsyncClient(dispatch=dispatch):
                    raise KeyError
        assert dispatch.closed == 1

    any_world.run(main)


@pytest.mark.parametrize("kind", [Blocking, Suspending, Mock, Duck])
def test_a_dispatcher_that_was_used_is_closed_once(any_world: World, kind: Any) -> None:
    dispatch = kind()

    async def main() -> None:
        client = any_world.client_class(dispatch=dispatch)
        assert (await do(client.get("http://h/"))).ok
        for _ in range(2):
            await do(client.close())
            assert dispatch.closed == 1

    any_world.run(main)


def test_a_client_that_is_forgotten_closes_nothing(any_world: World) -> None:
    """Finalisers run anywhere, and a dispatcher may be in use elsewhere."""
    dispatch = Blocking()
    any_world.client_class(dispatch=dispatch)
    gc.collect()
    assert dispatch.closed == 0


def test_no_loop_starts_to_close_what_has_nothing_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise AssertionError("nothing is to run")

    class Plain(AsyncDispatcher):
        pass

    monkeypatch.setattr(threading.Thread, "start", refuse)
    client = Client(dispatch=Plain())
    client.close()
    assert client.is_closed


def test_a_dispatcher_may_lack_close(any_world: World) -> None:
    class Bare:
        def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
            return Response(200)

    async def main() -> None:
        client = any_world.client_class(dispatch=Bare())
        assert (await do(client.get("http://h/"))).ok
        await do(client.close())

    any_world.run(main)


# Where it can't run


@pytest.mark.parametrize("is_used", [True, False])
@pytest.mark.parametrize("kind", [Blocking, Suspending, Mock])
def test_a_runner_that_raises(kind: Any, is_used: bool) -> None:
    class Failing:
        fails = False

        def run(self, coroutine: Any) -> Any:
            if self.fails:
                raise OSError("no")
            return asyncio.run(coroutine)

    runner, dispatch = Failing(), kind()
    client = Client(dispatch=dispatch, runner=runner)
    if is_used:
        client.get("http://h/")
    runner.fails = True
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a coroutine that was never awaited would warn
        for _ in range(2):
            with pytest.raises(OSError, match="no"):
                client.close()
            with pytest.raises(OSError, match="no"):
                client.__exit__()
            with pytest.raises(OSError, match="no"):
                client.get("http://h/")
            gc.collect()
    assert (dispatch.closed, client.is_closed) == (0, False)
    runner.fails = False
    assert client.get("http://h/").ok
    client.close()
    assert (dispatch.closed, client.is_closed) == (1, True)
    runner.fails = True
    with pytest.raises(OSError, match="no"):
        client.close()  # the runner is asked, there is nothing more to do
    assert dispatch.closed == 1


@pytest.mark.parametrize("is_used", [True, False])
def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch, is_used: bool) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    dispatch = Suspending()
    client = Client(dispatch=dispatch)
    if is_used:
        client.get("http://h/")
        stop_loop(client)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no thread could be started"):
                client.close()
            assert (dispatch.closed, client.is_closed) == (0, False)
    client.close()
    assert (dispatch.closed, client.is_closed) == (1, True)


def stop_loop(client: Client) -> None:
    """As something does that runs on the loop, and should not."""
    runner: Any = client._engine._transport._runner  # type: ignore[union-attr]
    thread = runner._thread
    runner._loop.call_soon_threadsafe(runner._loop.stop)
    thread.join(10)
    assert not thread.is_alive()


def test_a_loop_that_is_gone_is_replaced() -> None:
    dispatch = Suspending()
    client = Client(dispatch=dispatch)
    client.get("http://h/")
    stop_loop(client)
    assert client.get("http://h/").ok
    stop_loop(client)
    client.close()
    assert dispatch.closed == 1


@pytest.mark.parametrize("where", ["send", "close"])
def test_a_loop_that_is_stopped_by_what_runs_on_it(where: str) -> None:
    class Stopping(Suspending):
        stops = where

        def stop(self, what: str) -> None:
            if self.stops == what:
                self.stops = ""
                asyncio.get_running_loop().stop()

        async def send(self, request: Any, *args: Any, **options: Any) -> AsyncResponse:
            self.stop("send")
            await asyncio.sleep(30)
            return AsyncResponse(200)

        async def close(self) -> None:
            self.stop("close")
            await asyncio.sleep(0.01)
            await super().close()

    dispatch = Stopping()
    client = Client(dispatch=dispatch)
    if where == "send":
        with pytest.raises(asyncio.CancelledError):
            client.get("http://h/")
    else:
        with pytest.raises(asyncio.CancelledError):
            client.close()
        assert not client.is_closed
    client.close()
    assert (dispatch.closed, client.is_closed) == (1, True)


def test_without_promise_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emscripten, with a stand-in for pyodide."""
    ffi: Any = types.ModuleType("pyodide.ffi")
    ffi.can_run_sync = lambda: False
    ffi.run_sync = asyncio.run
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setitem(sys.modules, "pyodide", types.ModuleType("pyodide"))
    monkeypatch.setitem(sys.modules, "pyodide.ffi", ffi)
    dispatch = Suspending()
    client = Client(dispatch=dispatch)
    with pytest.raises(RuntimeError, match="JSPI"):
        client.get("http://h/")
    with pytest.raises(RuntimeError, match="JSPI"):
        client.close()
    with pytest.raises(RuntimeError, match="JSPI"):
        client.__exit__()
    assert (dispatch.closed, client.is_closed) == (0, False)
    ffi.can_run_sync = lambda: True
    assert client.get("http://h/").ok
    client.close()
    client.close()
    assert (dispatch.closed, client.is_closed) == (1, True)


@pytest.mark.parametrize("kind", [Blocking, Suspending])
def test_an_async_client_where_no_loop_runs(kind: Any) -> None:
    dispatch = kind()
    client = AsyncClient(dispatch=dispatch)
    closing = client.close()
    if kind is Blocking:  # it needs a thread, and who waits for that a loop
        with pytest.raises(RuntimeError):
            closing.send(None)
    else:
        closing.send(None)
        closing.close()
    assert (dispatch.closed, client.is_closed) == (0, False)
    asyncio.run(client.close())
    assert (dispatch.closed, client.is_closed) == (1, True)


def test_an_async_client_on_a_second_loop() -> None:
    for kind in KINDS:
        dispatch: Any = kind()
        client = AsyncClient(dispatch=dispatch)
        if kind is not Pool:
            asyncio.run(do(client.get("http://h/")))
        trio.run(client.close)
        assert (dispatch.closed, client.is_closed) == (1, True)


def test_no_thread_for_a_blocking_dispatcher(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        dispatch = Blocking()
        client = AsyncClient(dispatch=dispatch)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="thread"):
                await client.close()
        assert (dispatch.closed, client.is_closed) == (0, False)
        await client.close()
        assert (dispatch.closed, client.is_closed) == (1, True)

    asyncio.run(main())
    trio.run(main)


def test_no_thread_for_a_request_of_a_blocking_dispatcher(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        async with AsyncClient(dispatch=Blocking()) as client:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                with pytest.raises(RuntimeError, match="no thread could be started for it"):
                    await client.get("http://h/")
            assert (await client.get("http://h/")).ok

    asyncio.run(main())
    trio.run(main)


def test_a_close_that_is_cancelled_may_be_called_again() -> None:
    class Slow(Suspending):
        hangs = True

        async def close(self) -> None:
            if self.hangs:
                self.hangs = False
                await pause(30)
            await super().close()

    async def main() -> None:
        dispatch = Slow()
        client = AsyncClient(dispatch=dispatch)
        if trio.lowlevel.in_trio_run():
            with trio.move_on_after(0.01):
                await client.close()
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.close(), 0.01)
        assert (dispatch.closed, client.is_closed) == (0, False)
        await client.close()
        assert (dispatch.closed, client.is_closed) == (1, True)

    asyncio.run(main())
    trio.run(main)


@pytest.mark.parametrize("kind", [Blocking, Suspending])
@pytest.mark.parametrize("fails", [KeyError("close"), ConnectError("close")])
def test_a_dispatcher_that_fails_to_close_is_not_asked_again(
    any_world: World, kind: Any, fails: Exception
) -> None:
    async def main() -> None:
        dispatch = kind()
        dispatch.fails = fails
        client = any_world.client_class(dispatch=dispatch)
        with pytest.raises(type(fails), match="close"):
            await do(client.close())
        assert (dispatch.closed, client.is_closed) == (1, True)
        await do(client.close())
        assert dispatch.closed == 1

    any_world.run(main)


def test_a_close_that_is_interrupted_may_be_called_again(any_world: World) -> None:
    async def main() -> None:
        dispatch = Blocking()
        dispatch.fails = KeyboardInterrupt()
        client = any_world.client_class(dispatch=dispatch)
        with pytest.raises(KeyboardInterrupt):
            await do(client.close())
        assert not client.is_closed
        dispatch.fails = None
        await do(client.close())
        assert (dispatch.closed, client.is_closed) == (2, True)

    any_world.run(main)
