"""`MockDispatcher`, and the base classes for dispatchers and backends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from http3_models import (
    AsyncDispatcher,
    AsyncRequest,
    AsyncResponse,
    BasePoolSemaphore,
    BaseReader,
    BaseWriter,
    ConcurrencyBackend,
    Dispatcher,
    MockDispatcher,
    PoolLimits,
    Protocol,
    Request,
    Response,
    TimeoutConfig,
    TimeoutFlag,
    Timings,
)
from http3_models._request.prepared_heads import CLIENT_DEFAULTS
from http3_models.engine import read_all, run_sync, view_response


async def ask(mock: MockDispatcher, method: str, url: str, **options: Any) -> AsyncResponse:
    """Send a request through a mock as an async client does."""
    request = AsyncRequest(method, url, **options)._state
    CLIENT_DEFAULTS.complete(request)
    request.asynchronous = True
    return view_response(AsyncResponse, await mock.exchange(request))


def test_request_adds_what_a_client_adds_and_send_nothing() -> None:
    seen: list[Any] = []

    def handler(request: Any) -> Response:
        seen.append(list(request.headers))
        return Response(200)

    dispatcher = MockDispatcher(handler)
    dispatcher.request("GET", "https://example.org/", headers={"X": "1", "Accept": None})
    run_sync(ask(dispatcher, "GET", "https://example.org/"))
    dispatcher.send(Request("GET", "https://example.org/", headers={"X": "1"}))
    assert seen == [
        ["host", "user-agent", "accept-encoding", "connection", "x"],
        ["host", "user-agent", "accept", "accept-encoding", "connection"],
        ["host", "x"],
    ]


def test_a_mock_answers() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return Response(201, json={"method": request.method})

    with MockDispatcher(handler) as dispatcher:
        response = dispatcher.request("POST", "https://example.org/", data=b"abc", params={"a": 1}, timeout=5)
    assert response.status_code == 201
    assert response.json() == {"method": "POST"}
    assert response.request is seen[0]
    assert str(response.url) == "https://example.org/?a=1"
    assert seen[0].content == b"abc"


def test_one_response_may_be_given_often() -> None:
    made = Response(200, headers={"X": "1"}, content=b"abc")
    dispatcher = MockDispatcher(lambda request: made)
    first = dispatcher.request("GET", "https://example.org/1")
    assert first.read() == b"abc"
    first.headers["X"] = "2"
    second = dispatcher.request("GET", "https://example.org/2")
    assert list(second.stream()) == [b"abc"]
    assert second.headers["X"] == "1"
    assert [str(response.url)[-1] for response in (first, second)] == ["1", "2"]


def test_head_has_no_body() -> None:
    assert (
        MockDispatcher(lambda request: Response(200, text="x")).request("HEAD", "https://a.example").text
        == ""
    )


async def coroutine_handler(request: AsyncRequest) -> AsyncResponse:
    await asyncio.sleep(0)
    return AsyncResponse(200, text=f"{await request.read()!r}")


@pytest.mark.parametrize(
    "handler",
    [
        coroutine_handler,
        lambda request: coroutine_handler(request),
        lambda request: AsyncResponse(200, text="b'abc'"),
        lambda request: Response(200, text="b'abc'"),
    ],
)
def test_a_mock_of_the_async_client(handler: Callable[[Any], Any]) -> None:
    async def main() -> None:
        response = await ask(MockDispatcher(handler), "POST", "https://example.org", data=b"abc")
        assert isinstance(response, AsyncResponse)
        assert isinstance(response.request, AsyncRequest)
        assert await response.read() == b"b'abc'"
        assert response.text == "b'abc'"

    asyncio.run(main())


@pytest.mark.parametrize("handler", [lambda request: "x", lambda request: AsyncResponse(200)])
def test_wrong_answers(handler: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="must return a Response"):
        MockDispatcher(handler).request("GET", "https://example.org")


def test_an_async_handler_is_for_the_async_client() -> None:
    with pytest.raises(TypeError, match="AsyncClient"):
        MockDispatcher(coroutine_handler).request("GET", "https://example.org")


def test_a_wrong_answer_of_the_async_mock() -> None:
    dispatcher = MockDispatcher(lambda request: None)
    with pytest.raises(TypeError, match="NoneType"):
        run_sync(ask(dispatcher, "GET", "https://example.org"))


def test_the_handler_must_be_callable() -> None:
    handler: Any = Response(200)
    with pytest.raises(TypeError, match="handler"):
        MockDispatcher(handler)
    assert repr(MockDispatcher(coroutine_handler)) == "MockDispatcher(coroutine_handler)"


def test_what_the_handler_raises_passes_through() -> None:
    def handler(request: Request) -> Response:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        MockDispatcher(handler).request("GET", "https://example.org")


class Recording(Dispatcher):
    def __init__(self) -> None:
        self.given: list[object] = []
        self.closed = 0

    def send(self, request: Request, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
        self.given += [request.method, verify, cert, timeout]
        return Response(200, request=request)

    def close(self) -> None:
        self.closed += 1


class AsyncRecording(AsyncDispatcher):
    def __init__(self) -> None:
        self.given: list[object] = []
        self.closed = 0

    async def send(
        self, request: AsyncRequest, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> AsyncResponse:
        self.given += [request.method, verify, cert, timeout]
        return AsyncResponse(200, request=request)

    async def close(self) -> None:
        self.closed += 1


def test_a_dispatcher_of_ones_own() -> None:
    with Recording() as dispatcher:
        assert dispatcher.request("get", "https://example.org", verify=False, cert="c", timeout=1).ok
    assert dispatcher.given == ["GET", False, "c", 1]
    assert dispatcher.closed == 1


def test_an_async_dispatcher_of_ones_own() -> None:
    async def main() -> AsyncRecording:
        async with AsyncRecording() as dispatcher:
            assert (
                await dispatcher.request("get", "https://example.org", verify=False, cert="c", timeout=1)
            ).ok
        return dispatcher

    dispatcher = asyncio.run(main())
    assert dispatcher.given == ["GET", False, "c", 1]
    assert dispatcher.closed == 1


@pytest.mark.parametrize("dispatcher", [Dispatcher(), AsyncDispatcher()])
def test_the_clock(dispatcher: Dispatcher | AsyncDispatcher) -> None:
    assert abs(dispatcher.now() - time.monotonic()) < 60
    dispatcher.now = lambda: 5.0
    assert dispatcher.now() == 5.0


def test_base_dispatchers_do_not_send() -> None:
    request = Request("GET", "https://example.org")
    with (
        Dispatcher() as dispatcher,
        pytest.raises(NotImplementedError, match=r"Dispatcher must define send\(\)"),
    ):
        dispatcher.send(request)

    async def main() -> None:
        async with AsyncDispatcher() as dispatcher:
            with pytest.raises(NotImplementedError, match=r"AsyncDispatcher must define send\(\)"):
                await dispatcher.request("GET", "https://example.org")

    asyncio.run(main())


def test_base_classes_of_backends_say_what_is_missing() -> None:
    async def expect(name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        with pytest.raises(NotImplementedError, match=name):
            await coroutine

    async def main() -> None:
        backend = ConcurrencyBackend()
        await expect("connect", backend.connect("a", 1, None, TimeoutConfig()))
        await expect("read", BaseReader().read(1))
        await expect("write", BaseWriter().write(b""))
        await expect("close", BaseWriter().close())
        await expect("acquire", BasePoolSemaphore().acquire())

    asyncio.run(main())
    with pytest.raises(NotImplementedError, match="write_no_block"):
        BaseWriter().write_no_block(b"")
    with pytest.raises(NotImplementedError, match="release"):
        BasePoolSemaphore().release()
    with pytest.raises(NotImplementedError, match="semaphore"):
        ConcurrencyBackend().get_semaphore(PoolLimits())


def test_the_timeout_flag_has_two_modes() -> None:
    flag = TimeoutFlag()
    assert repr(flag) == "<TimeoutFlag write>"
    flag.set_read_timeouts()
    assert (flag.raise_on_read_timeout, flag.raise_on_write_timeout) == (True, False)
    assert repr(flag) == "<TimeoutFlag read>"
    flag.set_write_timeouts()
    assert (flag.raise_on_read_timeout, flag.raise_on_write_timeout) == (False, True)


def test_protocols_are_text() -> None:
    assert Protocol("HTTP/2") is Protocol.HTTP_2
    assert isinstance(Protocol.HTTP_11, str)
    assert str(Protocol.HTTP_11) == "HTTP/1.1"


@pytest.mark.parametrize("kind", [Response, AsyncResponse])
def test_a_response_that_was_read_keeps_what_it_has(kind: Any) -> None:
    answer = kind(200, content=iter([b"ab", b"c"]), trailers={"X-Sum": "1"}, timings=Timings(wait=1))
    run_sync(read_all(answer._state))
    mock = MockDispatcher(lambda request: answer)
    if kind is Response:
        response: Any = mock.request("GET", "https://h/")
    else:
        response = run_sync(ask(mock, "GET", "https://h/"))
    assert (response.content, response.trailers, response.timings.wait) == (b"abc", {"x-sum": "1"}, 1)
