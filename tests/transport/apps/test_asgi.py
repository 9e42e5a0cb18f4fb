"""`ASGIDispatch`: the conversation with an application, on asyncio and trio."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
import trio

from http3_models import (
    AsyncRequest,
    AsyncResponse,
    LocalProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    TotalTimeout,
)
from http3_models.engine import Deadline, view_response
from http3_transport import ASGIDispatch
from http3_transport.testing import DISPATCHER_CHECKS, asgi_app, check_dispatcher
from support.stream_pairs import run_uvloop
from support.worlds import World

T = TypeVar("T")
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Coroutine[Any, Any, None]]

OK = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body"}


def part(body: Any, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


@pytest.fixture(params=["asyncio", "trio"], name="world")
def loops(request: pytest.FixtureRequest) -> World:
    """Where an application can run."""
    return World(request.param)


def forget(lost: list[Any]) -> None:
    """Let the garbage collector find what nobody closed."""
    lost.clear()
    gc.collect()


async def sleep(seconds: float) -> None:
    """On whichever library runs."""
    if trio.lowlevel.in_trio_run():
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


async def forever() -> None:
    await sleep(3600)


def count_tasks() -> int:
    """Tasks that run beside this one: those of asyncio, or the system tasks of trio."""
    if not trio.lowlevel.in_trio_run():
        return len(asyncio.all_tasks()) - 1
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return sum(len(nursery.child_tasks) for nursery in root.child_nurseries) - 2  # one is trio's own


async def settled() -> int:
    """The number of tasks left when everybody had a moment to end."""
    for _ in range(20):
        await sleep(0)
    return count_tasks()


async def call(app: App, method: str = "GET", path: str = "/", **options: Any) -> AsyncResponse:
    """Send; the body is not read."""
    raises = options.pop("raises", True)
    timeout = options.pop("timeout", None)
    dispatch = ASGIDispatch(app, raise_app_exceptions=raises)
    return await dispatch.request(method, f"http://localhost{path}", timeout=timeout, **options)


async def fetch(app: App, method: str = "GET", path: str = "/", **options: Any) -> AsyncResponse:
    """Send, and read the whole body."""
    response = await call(app, method, path, **options)
    await response.read()
    return response


async def read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += bytes(message["body"])
        if not message["more_body"]:
            return body


def answering(*messages: Message) -> App:
    """An application that sends these."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


# What every dispatcher does


@pytest.mark.parametrize("name", DISPATCHER_CHECKS)
def test_it_conforms(world: World, name: str) -> None:
    check_dispatcher(lambda: ASGIDispatch(asgi_app), world.run, url="http://localhost", names=[name])


@pytest.mark.parametrize("name", DISPATCHER_CHECKS)
def test_it_conforms_on_uvloop(name: str) -> None:
    check_dispatcher(lambda: ASGIDispatch(asgi_app), run_uvloop, url="http://localhost", names=[name])


def test_it_needs_an_application() -> None:
    with pytest.raises(TypeError, match="app must be an ASGI application, not int"):
        ASGIDispatch(1)  # type: ignore[arg-type]


def test_repr_shows_the_application() -> None:
    assert repr(ASGIDispatch(asgi_app)) == f"<ASGIDispatch {asgi_app!r}>"
    assert ASGIDispatch.__module__ == "http3_transport"


def test_without_a_loop_it_says_so() -> None:
    coroutine = ASGIDispatch(asgi_app).request("GET", "http://h/")
    with pytest.raises(RuntimeError, match="running event loop"):
        coroutine.send(None)


# The scope


async def scope_of(url: str, headers: Any = None, data: Any = None, **options: Any) -> Message:
    scopes = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send(OK)
        await send(END)

    response = await ASGIDispatch(app, **options).request("POST", url, headers=headers, data=data)
    await response.read()
    return scopes[0]


def test_scope(world: World) -> None:
    scope = world.run(
        scope_of, "https://user:pass@example.com:8443/a%20b/%C3%A9?x=%20&y#fragment", {"X-One": "1"}
    )
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/a b/é",
        "raw_path": b"/a%20b/%C3%A9",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": scope["headers"],
        "client": ("127.0.0.1", 123),
        "server": ("example.com", 8443),
        "extensions": {"http.response.trailers": {}},
    }
    assert scope["headers"][0] == (b"host", b"example.com:8443")
    assert (b"x-one", b"1") in scope["headers"]
    assert (b"content-length", b"0") in scope["headers"]


@pytest.mark.parametrize(
    ("url", "path", "raw_path", "server"),
    [
        ("http://localhost", "/", b"/", ("localhost", 80)),
        ("https://localhost", "/", b"/", ("localhost", 443)),
        ("http://[::1]:8000/", "/", b"/", ("::1", 8000)),
        ("http://h/%2F%25", "//%", b"/%2F%25", ("h", 80)),
        ("http://h/%ff", "/\ufffd", b"/%ff", ("h", 80)),
        ("http://h/ü?ü", "/ü", b"/%C3%BC", ("h", 80)),
    ],
)
def test_scope_of_urls(world: World, url: str, path: str, raw_path: bytes, server: tuple[str, int]) -> None:
    scope = world.run(scope_of, url)
    assert (scope["path"], scope["raw_path"], scope["server"]) == (path, raw_path, server)


def test_scope_says_what_it_was_told(world: World) -> None:
    async def main() -> Message:
        return await scope_of("http://h/api/x", root_path="/api", client=("10.0.0.1", 4000))

    scope = world.run(main)
    assert (scope["root_path"], scope["path"], scope["client"]) == ("/api", "/api/x", ("10.0.0.1", 4000))


# Requests


def test_a_body_in_memory_comes_in_one_message(world: World) -> None:
    messages = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        messages.append(await receive())
        await send(OK)
        await send(END)
        messages.append(await receive())

    world.run(lambda: fetch(app, "POST", data=b"payload"))
    assert messages == [
        {"type": "http.request", "body": b"payload", "more_body": False},
        {"type": "http.disconnect"},
    ]


def test_an_iterated_body_is_read_on_demand(world: World) -> None:
    log: list[Any] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            log.append(number)
            yield b"%d" % number
        log.append("end")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        for _ in range(4):
            await sleep(0.01)
            log.append((await receive())["body"])
        await send(OK)
        await send(END)

    world.run(lambda: fetch(app, "POST", data=pieces()))
    assert log == [0, b"0", 1, b"1", 2, b"2", "end", b""]


async def slow_pieces() -> AsyncIterator[bytes]:
    for number in range(5):
        await sleep(0.02)
        yield b"%d" % number


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Both directions at a time."""
    await send(OK)
    while True:
        message = await receive()
        await send(part(message["body"], more=message["more_body"]))
        if not message["more_body"]:
            return


def test_both_directions_stream(world: World) -> None:
    async def main() -> list[bytes]:
        response = await call(echo, "POST", data=slow_pieces())
        return [piece async for piece in response.stream()]

    assert world.run(main) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_cancelled_receive_costs_no_chunk(world: World) -> None:
    async def impatient(receive: Receive) -> Message | None:
        if trio.lowlevel.in_trio_run():
            with trio.move_on_after(0.005):
                return await receive()
            return None
        try:
            return await asyncio.wait_for(receive(), 0.005)
        except TimeoutError:
            return None

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        body, misses, more = b"", 0, True
        while more:
            message = await impatient(receive)
            if message is None:
                misses += 1
            else:
                body, more = body + message["body"], message["more_body"]
        assert misses
        await send(OK)
        await send(part(body, more=False))

    assert world.run(lambda: fetch(app, "POST", data=slow_pieces())).content == b"01234"


def test_two_tasks_may_receive(world: World) -> None:
    """One gets the chunk, the other waits for the next."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        bodies = []

        async def one() -> None:
            bodies.append((await receive())["body"])

        if trio.lowlevel.in_trio_run():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one)
                nursery.start_soon(one)
        else:
            await asyncio.gather(one(), one())
        await send(OK)
        await send(part(b",".join(sorted(bodies)), more=False))

    assert world.run(lambda: fetch(app, "POST", data=slow_pieces())).content == b"0,1"


def test_receive_waits_until_the_response_is_over(world: World) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        if trio.lowlevel.in_trio_run():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                await sleep(0.02)
                await send(OK)
                await send(part(b"done", more=False))
        else:
            task = asyncio.create_task(listen())
            await sleep(0.02)
            assert not task.done()
            await send(OK)
            await send(part(b"done", more=False))
            await task

    assert world.run(lambda: fetch(app)).content == b"done"


def test_an_unread_body_does_no_harm(world: World) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(OK)
        await send(END)

    async def main() -> int:
        await fetch(app, "POST", data=slow_pieces())
        return count_tasks()

    assert world.run(main) == 0


class Broken(Exception):
    """The caller's own."""


def test_a_failing_body_is_the_callers(world: World) -> None:
    """It is raised as it is, whatever the application would answer; that one sees a client that left."""
    seen = []

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await sleep(0)
        raise Broken

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert (await receive())["body"] == b"first"
        seen.append(await receive())
        await send(OK)
        await send(END)

    async def main() -> int:
        with pytest.raises(Broken):
            await call(app, "POST", data=pieces())
        return await settled()

    assert world.run(main) == 0
    assert seen in ([], [{"type": "http.disconnect"}])


@pytest.mark.parametrize(("length", "what"), [("4", "more than 4"), ("6", "only 5")])
def test_a_body_keeps_to_its_content_length(world: World, length: str, what: str) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await read_body(receive)

    with pytest.raises(LocalProtocolError, match=f"The body has {what} bytes"):
        world.run(lambda: call(app, "POST", data=iter([b"abc", b"de"]), headers={"Content-Length": length}))


# Responses


async def test_head_comes_with_the_first_part(world: World) -> None:
    sent: list[Any] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(OK)
        for number in range(3):
            sent.append(number)
            await send(part(b"%d" % number))
        await send(END)
        sent.append("end")

    response = await call(app)
    stream = aiter(response.stream())
    await sleep(0.02)
    assert sent == [0]
    assert await anext(stream) == b"0"
    await sleep(0.02)
    assert sent == [0, 1]
    assert await anext(stream) == b"1"
    assert [piece async for piece in stream] == [b"2"]
    assert sent == [0, 1, 2, "end"]
    assert count_tasks() == 0


def test_an_empty_part_sends_the_head(world: World) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(part(b""))
        await sleep(0.01)
        await send(part(b""))
        await send(part(b"late"))
        await send(END)

    async def main() -> bytes:
        response = await call(app)
        assert response.status_code == 200
        return await response.read()

    assert world.run(main) == b"late"


async def test_an_application_that_sends_nothing_lets_others_run(world: World) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(OK)
        while True:
            await send(part(b""))

    response = await call(app, timeout=0.05)
    with pytest.raises(ReadTimeout):
        await response.read()


def test_response_as_from_a_network(world: World) -> None:
    headers = [(b"x-two", b" a "), (b"X-Two", b"b"), (b"content-type", b"text/plain")]
    start = {"type": "http.response.start", "status": 404, "headers": headers}
    response = world.run(fetch, answering(start, part(bytearray(b"a")), part(memoryview(b"b"), more=False)))
    assert (response.status_code, response.reason_phrase) == (404, "Not Found")
    assert (response.protocol, response.text) == ("HTTP/1.1", "ab")
    assert response.headers.getlist("x-two") == ["a", "b"]
    assert response.timings.wait is not None


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("more", [True, False])
def test_no_body_where_there_is_none(world: World, method: str, status: int, more: bool) -> None:
    fields = [(b"content-length", b"1000")] if method == "HEAD" else []
    ended = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send(part(b"ignored", more=more))
        if more:
            await send(part(b"ignored", more=False))
        ended.append(True)

    response = world.run(fetch, app, method)
    assert (response.status_code, response.content, ended) == (status, b"", [True])


def test_an_endless_answer_to_head_ends(world: World) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(OK)
        while True:
            await send(part(b"more and more"))

    async def main() -> int:
        response = await fetch(app, "HEAD", timeout=0.05)
        assert response.content == b""
        return await settled()

    assert world.run(main) == 0


def test_trailers(world: World) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({**OK, "trailers": True})
        await send(part(b"body", more=False))
        await send({"type": "http.response.trailers", "headers": [(b"x-a", b"1")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"x-b", b"2")]})

    response = world.run(fetch, app)
    assert response.content == b"body"
    assert dict(response.trailers) == {"x-a": "1", "x-b": "2"}


async def test_the_end_waits_for_background_work(world: World) -> None:
    log = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(part(b"answer", more=False))
        await sleep(0.03)
        log.append("done")

    assert (await fetch(app)).content == b"answer"
    assert log == ["done"]
    assert count_tasks() == 0


async def test_long_background_work_is_left_to_itself(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The response is whole, so no timeout; what fails later is printed, as a server would."""
    log = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(part(b"answer", more=False))
        await sleep(0.1)
        log.append("done")
        raise Broken("in the background")

    assert (await fetch(app, timeout=0.02)).content == b"answer"
    assert log == []
    await sleep(0.15)
    assert log == ["done"]
    assert "Broken: in the background" in capsys.readouterr().err


def test_context_variables(world: World) -> None:
    """The application sees those of the caller; what it sets stays with it."""
    variable = contextvars.ContextVar("variable", default="unset")

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        seen = variable.get()
        variable.set("app")
        await send(OK)
        await send(part(seen.encode()))
        await send(part(variable.get().encode(), more=False))

    async def main() -> bytes:
        variable.set("caller")
        response = await fetch(app)
        assert variable.get() == "caller"
        return response.content

    assert world.run(main) == b"callerapp"


# Failures of the application


async def fails_at_once(scope: Message, receive: Receive, send: Send) -> None:
    raise Broken


async def fails_after_start(scope: Message, receive: Receive, send: Send) -> None:
    await send(OK)
    await sleep(0.01)
    raise Broken


async def fails_in_the_body(scope: Message, receive: Receive, send: Send) -> None:
    await send(OK)
    await send(part(b"some"))
    raise Broken


async def fails_at_the_end(scope: Message, receive: Receive, send: Send) -> None:
    await send(OK)
    await send(part(b"all", more=False))
    raise Broken


async def fails_later(scope: Message, receive: Receive, send: Send) -> None:
    await send(OK)
    await send(part(b"all", more=False))
    await sleep(0.02)
    raise Broken


@pytest.mark.parametrize(
    "app", [fails_at_once, fails_after_start, fails_in_the_body, fails_at_the_end, fails_later]
)
def test_exceptions_reach_the_caller(world: World, app: App) -> None:
    async def main() -> int:
        with pytest.raises(Broken) as caught:
            await fetch(app)
        assert any(entry.name == app.__name__ for entry in caught.traceback)
        return count_tasks()

    assert world.run(main) == 0


@pytest.mark.parametrize("app", [fails_at_once, fails_after_start, answering(), answering(OK)])
def test_exceptions_become_a_500(world: World, app: App) -> None:
    response = world.run(lambda: fetch(app, raises=False))
    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_a_500_to_head_has_no_body(world: World) -> None:
    response = world.run(lambda: fetch(fails_at_once, "HEAD", raises=False))
    assert (response.status_code, response.content) == (500, b"")


@pytest.mark.parametrize("app", [fails_at_the_end, fails_later])
def test_a_whole_response_is_delivered(world: World, app: App) -> None:
    assert world.run(lambda: fetch(app, raises=False)).content == b"all"


@pytest.mark.parametrize("raises", [True, False])
async def test_what_was_sent_is_delivered_then_the_failure(world: World, raises: bool) -> None:
    response = await call(fails_in_the_body, raises=raises)
    stream = aiter(response.stream())
    assert await anext(stream) == b"some"
    if raises:
        with pytest.raises(Broken):
            await anext(stream)
    else:
        with pytest.raises(RemoteProtocolError, match="The body was cut: the application failed") as caught:
            await anext(stream)
        assert isinstance(caught.value.__cause__, Broken)


@pytest.mark.parametrize("raises", [True, False])
def test_an_answer_that_just_stops_is_cut(world: World, raises: bool) -> None:
    app = answering(OK, part(b"some"))
    with pytest.raises(RemoteProtocolError, match="cut: the application returned before its end"):
        world.run(lambda: fetch(app, raises=raises))


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_ends_a_program_is_never_held_back(
    world: World, raises: bool, error: type[BaseException]
) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(error):
        await call(app, raises=raises)


def test_an_application_that_cancels_itself() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    with pytest.raises(RemoteProtocolError, match="the application was cancelled"):
        World("asyncio").run(fetch, app)


def test_a_wsgi_application_is_noticed(world: World) -> None:
    def app(environ: Any, start_response: Any, third: Any) -> list[bytes]:
        return []

    with pytest.raises(TypeError, match="await"):
        world.run(fetch, app)


# Messages that are none


def start(status: Any = 200, headers: Any = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ([], "returned without sending a response"),
        ([OK], "returned without sending a response|before its end"),
        ([END], "sent 'http.response.body' where ASGI expects 'http.response.start'"),
        ([OK, OK], "sent 'http.response.start' where ASGI expects 'http.response.body'"),
        ([OK, END, END], "sent 'http.response.body' after the response was complete"),
        ([{"type": "websocket.accept"}], "'websocket.accept' where ASGI expects"),
        ([{"status": 200}], "no ASGI message"),
        ([["http.response.start"]], "no ASGI message"),
        ([start(None)], "status must be an int"),
        ([start("200")], "status must be an int"),
        ([start(True)], "status must be an int"),
        ([start(101)], "status must be an int"),
        ([start(1000)], "status must be an int"),
        ([start(headers=5)], "headers must be pairs of bytes"),
        ([start(headers=[b"x"])], "must hold pairs of bytes"),
        ([start(headers=[("x", "y")])], "must hold pairs of bytes"),
        ([start(headers=[(b"x", b"y", b"z")])], "must hold pairs of bytes"),
        ([start(headers=[(b"x y", b"")])], "header name b'x y' is not a token"),
        ([start(headers=[(b"", b"")])], "header name b'' is not a token"),
        ([start(headers=[(b"x", b"a\r\nset-cookie: a=b")])], "header 'x' has a control character"),
        ([start(headers=[(b"x", b"\x00")])], "header 'x' has a control character"),
        ([start(headers=[(b"content-length", b"many")])], "Content-Length must be one number"),
        ([start(headers=[(b"content-length", b"1"), (b"content-length", b"2")])], "one number, not '1, 2'"),
        ([OK, part("text")], "body must be bytes, not str"),
        (
            [start(headers=[(b"content-length", b"3")]), part(b"four")],
            "1 bytes longer than its Content-Length",
        ),
        ([start(headers=[(b"content-length", b"5")]), part(b"four", more=False)], "1 bytes shorter"),
    ],
)
def test_answers_that_are_none(world: World, messages: list[Message], what: str) -> None:
    with pytest.raises(RemoteProtocolError, match=what):
        world.run(fetch, answering(*messages))


def test_content_length_twice_is_fine_if_it_is_the_same(world: World) -> None:
    app = answering(start(headers=[(b"content-length", b"2")] * 2), part(b"ok", more=False))
    assert world.run(fetch, app).content == b"ok"


def test_missing_trailers(world: World) -> None:
    app = answering({**OK, "trailers": True}, part(b"body", more=False))
    with pytest.raises(RemoteProtocolError, match="returned before its end"):
        world.run(fetch, app)


# Clients that go away


def hanging(log: list[str], wait: Callable[[Receive, Send], Awaitable[None]]) -> App:
    """Sends a part, then does ``wait``; writes down how that ended."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send(OK)
        try:
            await send(part(b"first"))
            await wait(receive, send)
            log.append("ended")
        except BaseException as exc:
            log.append("OSError" if isinstance(exc, OSError) else type(exc).__name__)
            raise

    return app


async def keep_sending(receive: Receive, send: Send) -> None:
    while True:
        await send(part(b"more"))


async def keep_listening(receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "http.disconnect"


async def keep_sleeping(receive: Receive, send: Send) -> None:
    await forever()


@pytest.mark.parametrize(
    ("wait", "how"),
    [
        (keep_sending, ["OSError"]),
        (keep_listening, ["ended"]),
        (keep_sleeping, ["Cancelled", "CancelledError"]),
    ],
)
@pytest.mark.parametrize("begun", [True, False])
async def test_closing_early(world: World, wait: Any, how: list[str], begun: bool) -> None:
    log: list[str] = []
    response = await call(hanging(log, wait))
    if begun:
        await anext(aiter(response.stream()))
        await sleep(0.01)
    await response.close()
    assert count_tasks() == 0
    await response.close()
    assert len(log) == 1
    assert log[0] in (how if begun else ["OSError"])


async def test_who_ignores_the_hint_is_cancelled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("http3_transport._apps.asgi_call.GRACE", 0.05)
    log: list[str] = []

    async def wait(receive: Receive, send: Send) -> None:
        await receive()
        await forever()

    response = await call(hanging(log, wait))
    await anext(aiter(response.stream()))
    await sleep(0.01)
    await response.close()
    assert count_tasks() == 0
    assert log in (["Cancelled"], ["CancelledError"])


def test_closing_never_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even on an application that swallows its cancellation."""
    monkeypatch.setattr("http3_transport._apps.asgi_call.GRACE", 0.02)
    stop = False

    async def wait(receive: Receive, send: Send) -> None:
        while not stop:
            try:
                await asyncio.sleep(0.2)
            except asyncio.CancelledError:
                pass

    async def main() -> None:
        nonlocal stop
        response = await call(hanging([], wait))
        await anext(aiter(response.stream()))
        await sleep(0.01)
        await asyncio.wait_for(response.close(), 5)
        stop = True

    asyncio.run(main())


async def test_closing_a_whole_response_leaves_the_application_alone(world: World) -> None:
    log = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send(OK)
        await send(part(b"all", more=False))
        await sleep(0.03)
        log.append("done")

    response = await call(app)
    await response.close()
    assert log == ["done"]
    assert count_tasks() == 0


def test_what_it_raises_after_that_interests_nobody(world: World) -> None:
    async def wait(receive: Receive, send: Send) -> None:
        await receive()
        raise Broken

    async def main() -> None:
        response = await call(hanging([], wait))
        await anext(aiter(response.stream()))
        await sleep(0.01)
        await response.close()

    world.run(main)
    gc.collect()


async def test_a_given_up_body_is_not_whole(world: World) -> None:
    dispatch = ASGIDispatch(hanging([], keep_sending))
    state = (await dispatch.request("GET", "http://h/"))._state
    body = state.body
    assert body is not None
    await body.close()
    with pytest.raises(ReadError, match="closed before its end"):
        await body.read_chunk()


def test_an_ended_body_stays_ended(world: World) -> None:
    async def main() -> list[bytes]:
        body = (await call(echo, "POST", data=slow_pieces()))._state.body
        assert body is not None
        chunks = [await body.read_chunk() for _ in range(7)]
        await body.close()
        body.abort()
        return chunks

    assert world.run(main) == [b"0", b"1", b"2", b"3", b"4", b"", b""]


def test_cancelling_a_close_cancels_the_application(world: World) -> None:
    log: list[str] = []

    async def wait(receive: Receive, send: Send) -> None:
        await receive()
        await forever()

    async def main() -> int:
        response = await call(hanging(log, wait))
        await anext(aiter(response.stream()))
        await sleep(0.01)
        if trio.lowlevel.in_trio_run():
            with trio.move_on_after(0.02):
                await response.close()
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.close(), 0.02)
        return await settled()

    assert world.run(main) == 0
    assert log in (["Cancelled"], ["CancelledError"])


def test_failing_while_it_is_cancelled() -> None:
    """trio puts both exceptions into a group; what is left of it must not take the run down."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forever)
            try:
                await forever()
            finally:
                raise Broken

    async def main() -> int:
        with trio.move_on_after(0.01):
            await call(app)
        return await settled()

    assert trio.run(main) == 0


def test_a_lost_response_warns_and_ends_the_application(world: World) -> None:
    log: list[str] = []

    async def main() -> int:
        response = await call(hanging(log, keep_sleeping))
        lost = [response]
        del response
        with pytest.warns(ResourceWarning, match="the response of http://localhost/ was neither read nor"):
            forget(lost)
        return await settled()

    assert world.run(main) == 0
    assert len(log) == 1


def test_a_run_that_ends_takes_the_application_along(world: World) -> None:
    log: list[str] = []
    kept = []

    async def main() -> None:
        kept.append(await call(hanging(log, keep_sleeping)))

    world.run(main)
    assert log in (["Cancelled"], ["CancelledError"])
    with pytest.warns(ResourceWarning):
        forget(kept)


def test_cancelling_the_caller_cancels_the_application(world: World) -> None:
    log: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        try:
            await forever()
        finally:
            log.append("cancelled")

    async def main() -> int:
        if trio.lowlevel.in_trio_run():
            with trio.move_on_after(0.02) as scope:
                await call(app)
            assert scope.cancelled_caught
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call(app), 0.02)
        return await settled()

    assert world.run(main) == 0
    assert log == ["cancelled"]


def test_cancelling_before_the_application_began() -> None:
    async def main() -> int:
        task = asyncio.create_task(call(hanging([], keep_sleeping)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await settled()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(main()) == 0
        gc.collect()


# Time


def test_read_timeout_before_the_head(world: World) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await forever()

    async def main() -> int:
        with pytest.raises(ReadTimeout, match=r"No data received for 0\.03 s \(read_timeout\): GET"):
            await call(app, timeout=0.03)
        return await settled()

    assert world.run(main) == 0


def test_read_timeout_in_the_body(world: World) -> None:
    log: list[str] = []

    async def main() -> int:
        response = await call(hanging(log, keep_sleeping), timeout=0.03)
        with pytest.raises(ReadTimeout):
            await response.read()
        return await settled()

    assert world.run(main) == 0
    assert log in (["Cancelled"], ["CancelledError"])


def test_a_slow_upload_is_no_read_timeout(world: World) -> None:
    """The application waits for the client then, not the client for it."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            await sleep(0.08)
            yield b"x"

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        await send(OK)
        await send(part(body, more=False))

    assert world.run(lambda: fetch(app, "POST", data=pieces(), timeout=0.05)).content == b"xxx"


def test_total_timeout(world: World) -> None:
    async def main() -> int:
        dispatch = ASGIDispatch(hanging([], keep_sleeping))
        state = AsyncRequest("GET", "http://localhost/")._state
        state.deadline = Deadline(0.05, dispatch.now)
        response = view_response(AsyncResponse, await dispatch.exchange(state))
        with pytest.raises(TotalTimeout, match=r"total_timeout of 0\.05 s"):
            await response.read()
        return await settled()

    assert world.run(main) == 0


# Many


def test_a_thousand_requests_leave_nothing(world: World) -> None:
    async def main() -> int:
        dispatch = ASGIDispatch(echo)
        for number in range(500):
            response = await dispatch.request("POST", "http://h/", data=b"%d" % number)
            assert await response.read() == b"%d" % number
            response = await dispatch.request("POST", "http://h/", data=iter([b"%d" % number]))
            assert await response.read() == b"%d" % number
        return count_tasks()

    assert world.run(main) == 0


def test_eager_tasks() -> None:
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        pytest.skip("eager tasks came with Python 3.12")

    async def main() -> bytes:
        asyncio.get_running_loop().set_task_factory(factory)
        return (await fetch(echo, "POST", data=slow_pieces())).content

    assert asyncio.run(main()) == b"01234"
