"""Any dispatcher in any client: the user's own, sync and async, and what drives them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
import trio
import trio.lowlevel

from http3_client import AsyncClient, Client, _adapters
from http3_client._adapters import LoopThreadAdapter, adapt
from http3_client._runners import LoopRunner
from http3_models import (
    AsyncDispatcher,
    AsyncRequest,
    AsyncResponse,
    Dispatcher,
    Headers,
    MockDispatcher,
    ReadError,
    Request,
    Response,
    TimeoutConfig,
)
from http3_models.engine import RequestState, ResponseState, run_sync, sends_by_exchange, state_of
from support.pages import Site, redirect
from support.worlds import World


class Blocking(Dispatcher):
    """A user's dispatcher that blocks."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer or (lambda request: Response(200, content=request.read() or b"blocking"))
        self.calls: list[dict[str, Any]] = []
        self.threads: list[int] = []
        self.closed = 0

    def send(self, request: Request, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
        self.calls.append({"verify": verify, "cert": cert, "timeout": timeout})
        self.threads.append(threading.get_ident())
        response: Response = self.answer(request)
        return response

    def close(self) -> None:
        self.closed += 1


class Suspending(AsyncDispatcher):
    """A user's dispatcher that truly suspends."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []
        self.threads: list[int] = []
        self.closed = 0
        self.cancelled = threading.Event()

    async def send(
        self, request: AsyncRequest, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> AsyncResponse:
        self.calls.append({"verify": verify, "cert": cert, "timeout": timeout})
        self.threads.append(threading.get_ident())
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.answer is not None:
            response: AsyncResponse = await self.answer(request)
            return response
        return AsyncResponse(200, content=await request.read() or b"suspending")

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1


@pytest.mark.parametrize("kind", [Blocking, Suspending])
def test_both_clients_take_both(world: World, kind: Any) -> None:
    dispatch = kind()
    session = world.session(dispatch)
    assert session.get("https://h/").text == kind.__name__.lower()
    assert session.post("https://h/", data=[b"a", b"b"]).content == b"ab"
    assert session.post("https://h/", data={"a": "b"}).content == b"a=b"
    session.do(session.client.close())
    assert dispatch.closed == 1


class DuckBlocking:
    def send(self, request: Request, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
        return Response(200, text="duck")

    def close(self) -> None: ...


class DuckSuspending:
    async def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
        await asyncio.sleep(0)
        return AsyncResponse(200, text="duck")

    async def close(self) -> None: ...


@pytest.mark.parametrize("kind", [DuckBlocking, DuckSuspending])
def test_having_the_methods_is_enough(world: World, kind: Any) -> None:
    assert world.session(kind()).get("https://h/").text == "duck"


@pytest.mark.parametrize("kind", [Blocking, Suspending])
def test_what_a_dispatcher_is_told(world: World, kind: Any) -> None:
    dispatch = kind()
    session = world.session(dispatch)
    session.get("https://h/")
    session.get("https://h/", verify=False, cert="/c.pem", timeout=TimeoutConfig(3))
    assert dispatch.calls == [
        {"verify": None, "cert": None, "timeout": TimeoutConfig()},
        {"verify": False, "cert": "/c.pem", "timeout": TimeoutConfig(3)},
    ]
    dispatch = kind()
    world.session(dispatch, verify="/ca.pem", cert="/c.pem", timeout=None).get("https://h/")
    assert dispatch.calls == [{"verify": "/ca.pem", "cert": "/c.pem", "timeout": TimeoutConfig(None)}]


def test_a_dispatcher_must_return_a_response(world: World) -> None:
    with pytest.raises(TypeError, match="dispatch.send"):
        world.session(Blocking(lambda _: "text")).get("https://h/")


@pytest.mark.parametrize("kind", [Blocking, Suspending])
def test_exceptions_pass_and_get_their_request(world: World, kind: Any) -> None:
    def fail(_: Any) -> Any:
        raise ReadError("broken")

    async def fail_later(_: Any) -> Any:
        raise ReadError("broken")

    with pytest.raises(ReadError, match="broken") as caught:
        world.session(kind(fail if kind is Blocking else fail_later)).get("https://h/x")
    assert caught.value.request.url.path == "/x"
    assert isinstance(caught.value.request, world.request_class)
    assert caught.value.timings is not None


@pytest.mark.parametrize("kind", [Blocking, Suspending])
def test_streaming(world: World, kind: Any) -> None:
    events: list[str] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            events.append(f"made {number}")
            yield b"%d" % number

    async def chunks_later() -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            events.append(f"made {number}")
            yield b"%d" % number

    async def answer_later(_: Any) -> AsyncResponse:
        return AsyncResponse(200, content=chunks_later(), on_close=lambda: events.append("closed"))

    def answer(_: Any) -> Response:
        return Response(200, content=chunks(), on_close=lambda: events.append("closed"))

    session = world.session(kind(answer if kind is Blocking else answer_later))
    response = session.get("https://h/", stream=True)
    assert events == []
    iterator = response.stream()
    first = session.do(iterator.__anext__()) if world.is_async else next(iterator)
    assert first == b"0"
    assert events == ["made 0"]
    session.do(response.close())
    assert events == ["made 0", "closed"]
    response = session.get("https://h/", stream=True)
    session.do(session.client.close())
    assert session.do(response.read()) == b"012"
    assert events[-1] == "closed"


def test_one_response_may_be_given_out_many_times(world: World) -> None:
    same = Response(200, text="same")
    session = world.session(Blocking(lambda _: same))
    first = session.get("https://h/1")
    second = session.get("https://h/2")
    assert (first.url.path, second.url.path) == ("/1", "/2")
    assert (first.text, second.text) == ("same", "same")


def test_a_dispatcher_may_be_built_on_a_client(world: World) -> None:
    inner = Client(dispatch=MockDispatcher(Site({"/a": redirect("/b")})))

    def forward(request: Any) -> Response:
        return inner.request(request.method, request.url)

    with inner:
        assert world.session(Blocking(forward)).get("https://h/a").text == "/b"


def test_redirects_auth_and_cookies_work_over_any_dispatcher(world: World) -> None:
    async def answer(request: Any) -> AsyncResponse:
        if request.url.path == "/a":
            return AsyncResponse(302, headers={"Location": "/b", "Set-Cookie": "n=1"}, content=b"moved")
        return AsyncResponse(200, text=request.headers["cookie"] + request.headers["authorization"])

    response = world.session(Suspending(answer), auth=("u", "p")).get("https://h/a")
    assert response.text == "n=1Basic dTpw"
    assert response.history[0].text == "moved"


@pytest.mark.parametrize("kind", [Blocking, Suspending])
def test_a_streamed_body_that_breaks(world: World, kind: Any) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise ReadError("broken")

    async def answer_later(_: Any) -> AsyncResponse:
        return AsyncResponse(200, content=chunks())

    session = world.session(
        kind((lambda _: Response(200, content=chunks())) if kind is Blocking else answer_later)
    )
    response = session.get("https://h/x", stream=True)
    with pytest.raises(ReadError, match="broken") as caught:
        session.do(response.read())
    assert caught.value.request.url.path == "/x"
    assert response.is_closed
    session.do(response.close())


class Stop(BaseException):
    """Like KeyboardInterrupt and a cancellation: nothing may be waited for."""


@pytest.mark.parametrize("kind", [Blocking, Suspending])
def test_an_interruption_aborts_the_response(world: World, kind: Any) -> None:
    closed: list[int] = []

    async def answer_later(_: Any) -> AsyncResponse:
        return AsyncResponse(200, content=iter([b"a"]), on_close=lambda: closed.append(1))

    def answer(_: Any) -> Response:
        return Response(200, content=iter([b"a"]), on_close=lambda: closed.append(1))

    def stop(_: Any) -> None:
        raise Stop

    session = world.session(kind(answer if kind is Blocking else answer_later), hooks={"response": [stop]})
    with pytest.raises(Stop):
        session.get("https://h/", stream=True)
    for _ in range(500):  # a worker's thread does it in its own time
        if closed:
            break
        time.sleep(0.01)
    assert closed == [1]


def test_trailers_come_through(world: World) -> None:
    class Body:
        trailers = Headers({"X-End": "1"})
        chunks = (b"a", b"")

        def __init__(self) -> None:
            self.left = list(self.chunks)

        async def read_chunk(self) -> bytes:
            return self.left.pop(0)

        async def close(self) -> None: ...

        def abort(self) -> None: ...

    def answer(_: Any) -> Response:
        response = Response(200)
        state_of(response).body = Body()
        return response

    async def answer_later(_: Any) -> AsyncResponse:
        response = AsyncResponse(200)
        state_of(response).body = Body()
        return response

    for dispatch in [Blocking(answer), Suspending(answer_later)]:
        session = world.session(dispatch, timeout=TimeoutConfig(total_timeout=60))
        assert session.get("https://h/").trailers["x-end"] == "1"


# How they are adapted


def test_overriding_send_of_a_dispatcher_of_ours_counts(world: World) -> None:
    class Base(AsyncDispatcher):
        blocks = True

        async def exchange(self, request: RequestState) -> ResponseState:
            return ResponseState(
                status_code=200,
                reason_phrase="OK",
                protocol="HTTP/1.1",
                headers=Headers(),
                body=None,
                request=request,
            )

        @sends_by_exchange
        async def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            raise AssertionError("the short way is there")

    class Overriding(Base):
        async def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            return AsyncResponse(201)

    class Mocked(MockDispatcher):
        def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            return Response(202)

    assert world.session(Base()).get("https://h/").status_code == 200
    assert world.session(Overriding()).get("https://h/").status_code == 201
    assert world.session(Mocked(print)).get("https://h/").status_code == 202


def test_what_suspends() -> None:
    for suspending in (Suspending(), DuckSuspending()):
        assert not adapt(suspending, asynchronous=True).blocks
        adapter = adapt(suspending, asynchronous=False)
        assert isinstance(adapter, LoopThreadAdapter)
        run_sync(adapter.close())
    for blocking in (Blocking(), DuckBlocking(), MockDispatcher(print)):
        assert adapt(blocking, asynchronous=False).blocks
    assert not adapt(Blocking(), asynchronous=True).blocks


def test_the_dispatchers_clock_is_the_clients(world: World) -> None:
    now = [100.0]

    def answer(_: Any) -> Response:
        now[0] += 7
        return Response(200)

    for dispatch in [Blocking(answer), MockDispatcher(answer)]:
        dispatch.now = lambda: now[0]
        assert world.session(dispatch).get("https://h/").elapsed.total_seconds() == 7


def test_a_transport_is_told_which_client_asks(world: World) -> None:
    told: list[bool] = []

    class Telling:
        """A transport without a base class."""

        blocks = True
        serves_both = True
        now = staticmethod(time.monotonic)

        async def exchange(self, request: RequestState) -> ResponseState:
            told.append(request.asynchronous)
            return await MockDispatcher(Site()).exchange(request)

        async def close(self) -> None:
            pass

    assert world.session(Telling()).get("https://h/").ok
    assert told == [world.is_async]


def test_where_there_are_no_threads_a_blocking_dispatcher_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_adapters, "CAN_THREAD", False)

    async def main() -> None:
        dispatch = Blocking()
        async with AsyncClient(dispatch=dispatch) as client:
            assert (await client.get("https://h/")).ok
        assert dispatch.threads == [threading.get_ident()]

    asyncio.run(main())


# A blocking dispatcher under an async client


async def pause(library: str, seconds: float = 0) -> None:
    if library == "asyncio":
        await asyncio.sleep(seconds)
    else:
        await trio.sleep(seconds)


def run_async(function: Any, library: str) -> Any:
    return asyncio.run(function()) if library == "asyncio" else trio.run(function)


libraries = pytest.mark.parametrize("library", ["asyncio", "trio"])


@libraries
def test_a_blocking_dispatcher_does_not_block_the_loop(library: str) -> None:
    running = threading.Event()

    def slow(_: Any) -> Response:
        assert running.wait(10)
        return Response(200, content=iter([b"a", b"b"]))

    async def main() -> None:
        dispatch = Blocking(slow)
        async with AsyncClient(dispatch=dispatch) as client:
            if library == "asyncio":
                task = asyncio.ensure_future(client.get("https://h/"))
                await asyncio.sleep(0.01)
                running.set()
                response = await task
            else:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep, 0)
                    running.set()
                    response = await client.get("https://h/")
            assert response.content == b"ab"
        assert threading.get_ident() not in dispatch.threads

    run_async(main, library)


@libraries
def test_the_body_of_the_request_is_read_in_the_loop(library: str) -> None:
    threads: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b"):
            threads.append(threading.get_ident())
            await pause(library)
            yield piece

    async def main() -> None:
        async with AsyncClient(dispatch=Blocking()) as client:
            response = await client.post("https://h/", data=pieces())
            assert response.content == b"ab"
        assert threads == [threading.get_ident()] * 2

    run_async(main, library)


@libraries
def test_a_body_that_fails_fails_the_request(library: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        raise KeyError("body")

    async def main() -> None:
        async with AsyncClient(dispatch=Blocking()) as client:
            with pytest.raises(KeyError):
                await client.post("https://h/", data=pieces())

    run_async(main, library)


@libraries
def test_giving_up_leaves_the_thread_to_finish_and_closes_what_it_brings(library: str) -> None:
    go, closed = threading.Event(), threading.Event()

    def slow(_: Any) -> Response:
        assert go.wait(10)
        return Response(200, content=iter([b"x"]), on_close=closed.set)

    async def main() -> None:
        async with AsyncClient(dispatch=Blocking(slow)) as client:
            if library == "asyncio":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.get("https://h/"), 0.05)
            else:
                with trio.move_on_after(0.05) as scope:
                    await client.get("https://h/")
                assert scope.cancelled_caught
            go.set()
            for _ in range(500):
                if closed.is_set():
                    break
                await pause(library, 0.01)
            assert closed.is_set()

    run_async(main, library)


@libraries
def test_giving_up_while_the_thread_wants_the_body(library: str) -> None:
    ended = threading.Event()
    errors: list[BaseException] = []

    def reading(request: Any) -> Response:
        try:
            request.read()
        except BaseException as exc:
            errors.append(exc)
            raise
        finally:
            ended.set()
        return Response(200)

    async def pieces() -> AsyncIterator[bytes]:
        await pause(library, 60)
        yield b""

    async def main() -> None:
        async with AsyncClient(dispatch=Blocking(reading)) as client:
            if library == "asyncio":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.post("https://h/", data=pieces()), 0.05)
            else:
                with trio.move_on_after(0.05):
                    await client.post("https://h/", data=pieces())

    run_async(main, library)
    assert ended.wait(10)
    assert errors


@libraries
def test_a_loop_that_ends_leaves_the_thread_alone(library: str) -> None:
    go, done = threading.Event(), threading.Event()

    def slow(request: Any) -> Response:
        assert go.wait(10)
        try:
            request.read()
        finally:
            done.set()
        return Response(200)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"never asked for"

    async def main() -> None:
        client = AsyncClient(dispatch=Blocking(slow))
        for data in (None, pieces()):
            if library == "asyncio":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.post("https://h/", data=data), 0.05)
            else:
                with trio.move_on_after(0.05):
                    await client.post("https://h/", data=data)

    started = time.monotonic()
    run_async(main, library)
    assert time.monotonic() - started < 5  # asyncio.run does not join the thread
    go.set()
    assert done.wait(10)


def test_context_variables_reach_the_dispatcher(world: World) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")

    async def answer(_: Any) -> AsyncResponse:
        return AsyncResponse(200, text=variable.get())

    sessions = [
        world.session(Suspending(answer)),
        world.session(Blocking(lambda _: Response(200, text=variable.get()))),
    ]
    token = variable.set("set")
    try:
        assert [session.get("https://h/").text for session in sessions] == ["set", "set"]
    finally:
        variable.reset(token)


# A suspending dispatcher under a sync client


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "http3-loop"]


def wait_for_no_loop_threads() -> None:
    for thread in loop_threads():
        thread.join(10)
    assert not loop_threads()


def test_the_loop_starts_when_needed_and_ends_with_its_last_holder() -> None:
    wait_for_no_loop_threads()

    async def answer(_: Any) -> AsyncResponse:
        async def body() -> AsyncIterator[bytes]:
            for piece in (b"a", b"b"):
                await asyncio.sleep(0)
                yield piece

        return AsyncResponse(200, content=body())

    client = Client(dispatch=Suspending(answer))
    assert not loop_threads()
    assert client.get("https://h/").content == b"ab"
    streamed = client.get("https://h/", stream=True)
    assert len(loop_threads()) == 1
    assert all(thread.daemon for thread in loop_threads())
    client.close()
    assert len(loop_threads()) == 1
    assert streamed.read() == b"ab"
    wait_for_no_loop_threads()


def test_a_forgotten_client_lets_its_loop_go() -> None:
    wait_for_no_loop_threads()
    client = Client(dispatch=Suspending())
    client.get("https://h/")
    assert loop_threads()
    del client
    gc.collect()
    wait_for_no_loop_threads()


def test_a_forgotten_response_lets_its_loop_go() -> None:
    wait_for_no_loop_threads()

    async def body() -> AsyncIterator[bytes]:
        yield b"a"

    async def answer(_: Any) -> AsyncResponse:
        return AsyncResponse(200, content=body())

    client = Client(dispatch=Suspending(answer))
    response = client.get("https://h/", stream=True)
    client.close()
    assert loop_threads()
    del response
    gc.collect()
    wait_for_no_loop_threads()


def test_a_sync_client_works_in_a_running_loop() -> None:
    async def main() -> None:
        for dispatch in (Suspending(), Blocking()):
            with Client(dispatch=dispatch) as client:
                assert client.get("https://h/").ok

    asyncio.run(main())
    trio.run(main)


def test_threads_may_share_a_client() -> None:
    dispatch = Suspending()
    texts: list[str] = []
    with Client(dispatch=dispatch) as client:
        threads = [
            threading.Thread(target=lambda: texts.extend(client.get("https://h/").text for _ in range(5)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert texts == ["suspending"] * 40
    assert len(set(dispatch.threads)) == 1


def test_hooks_and_auth_run_in_the_callers_thread() -> None:
    threads: list[int] = []

    def note(_: Any) -> None:
        threads.append(threading.get_ident())

    def read(response: Any) -> None:
        note(response)
        assert response.read() == b"suspending"

    def auth(request: Any) -> Any:
        note(request)
        return request

    with Client(dispatch=Suspending(), hooks={"request": [note], "response": [read]}, auth=auth) as client:
        client.get("https://h/")
    assert threads == [threading.get_ident()] * 3


def test_a_client_that_waits_for_itself_says_so() -> None:
    clients: list[Client] = []

    async def answer(request: Any) -> AsyncResponse:
        return AsyncResponse(200, text=clients[0].get("https://h/inner").text)

    with Client(dispatch=Suspending(answer)) as client:
        clients.append(client)
        with pytest.raises(RuntimeError, match="wait for itself"):
            client.get("https://h/")
        clients.clear()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are raised otherwise there")
def test_ctrl_c_cancels_the_work() -> None:
    import _thread

    async def answer(_: Any) -> AsyncResponse:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            dispatch.cancelled.set()
            raise
        raise AssertionError

    dispatch = Suspending(answer)
    with Client(dispatch=dispatch) as client:
        timer = threading.Timer(0.1, _thread.interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            client.get("https://h/")
        timer.join()
        assert dispatch.cancelled.wait(10)
        dispatch.answer = None
        assert client.get("https://h/").ok


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), asyncio.CancelledError()])
def test_whatever_a_coroutine_raises_is_the_callers(error: BaseException) -> None:
    runner = LoopRunner()
    runner.retain()

    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        runner.run(fail())
    assert caught.value is error
    assert "running" in repr(runner)
    runner.release()
    wait_for_no_loop_threads()
    assert "idle" in repr(runner)


def test_what_was_left_in_the_loop_is_cancelled_when_it_stops() -> None:
    runner = LoopRunner()
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    tasks = []

    async def spawn() -> None:
        tasks.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    runner.run(spawn())
    assert cancelled.wait(10)
    wait_for_no_loop_threads()


FORK = """
    import asyncio, os
    from http3_client import Client
    from http3_models import AsyncDispatcher, AsyncResponse

    class Suspending(AsyncDispatcher):
        async def send(self, request, verify=None, cert=None, timeout=None):
            await asyncio.sleep(0)
            return AsyncResponse(200, text=str(os.getpid()))

    client = Client(dispatch=Suspending())
    assert client.get("https://h/").text == str(os.getpid())
    child = os.fork()
    if child == 0:
        assert client.get("https://h/").text == str(os.getpid())
        client.close()
    else:
        assert os.waitpid(child, 0)[1] == 0
        assert client.get("https://h/").text == str(os.getpid())
        print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_after_a_fork_a_client_starts_a_loop_of_its_own_and_ends_without_noise() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(FORK)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("fine", "")


def test_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Client(dispatch=Suspending()) as client:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="no thread could be started"):
                client.get("https://h/")


# runner=


def test_a_runner_of_the_callers_drives_everything() -> None:
    class Counting:
        runs = 0

        def run(self, coroutine: Any) -> Any:
            self.runs += 1
            return run_sync(coroutine)

    runner = Counting()
    with Client(
        dispatch=MockDispatcher(lambda _: Response(200, content=iter([b"x"]))), runner=runner
    ) as client:
        response = client.get("https://h/", stream=True)
        assert runner.runs == 1
        assert response.read() == b"x"
        assert runner.runs == 2
    assert runner.runs == 3


def test_a_runner_without_run() -> None:
    with pytest.raises(TypeError, match="runner"):
        Client(runner=3)  # type: ignore[arg-type]


class TestEmscripten:
    """`JSPIRunner`, with a stand-in for pyodide."""

    @pytest.fixture
    def pyodide(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        import types

        module: Any = types.ModuleType("pyodide.ffi")
        module.can_run_sync = lambda: True
        module.run_sync = asyncio.run
        monkeypatch.setattr(sys, "platform", "emscripten")
        monkeypatch.setitem(sys.modules, "pyodide", types.ModuleType("pyodide"))
        monkeypatch.setitem(sys.modules, "pyodide.ffi", module)
        return module

    def test_it_suspends_the_stack(self, pyodide: Any) -> None:
        before = set(loop_threads())  # of the tests before, which end a moment later
        with Client(dispatch=Suspending()) as client:
            assert client.get("https://h/").text == "suspending"
        assert set(loop_threads()) <= before

    def test_it_says_why_not(self, pyodide: Any) -> None:
        pyodide.can_run_sync = lambda: False
        client = Client(dispatch=Suspending())
        with pytest.raises(RuntimeError, match="JSPI"):
            client.get("https://h/")

    def test_it_needs_pyodide(self, pyodide: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyodide.ffi", None)
        client = Client(dispatch=Suspending())
        with pytest.raises(RuntimeError, match="no threads"):
            client.get("https://h/")

    def test_sync_dispatchers_need_nothing(self, pyodide: Any) -> None:
        with Client(dispatch=Blocking()) as client:
            assert client.get("https://h/").ok
