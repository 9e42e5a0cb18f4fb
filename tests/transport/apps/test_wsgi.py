"""`WSGIDispatch`: steps of an application, in the caller's thread and in one of its own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any
from wsgiref.validate import validator

import pytest
import trio

from http3_client import _adapters
from http3_client._adapters import adapt
from http3_models import (
    AsyncRequest,
    AsyncResponse,
    LocalProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    Request,
    TimeoutConfig,
    TotalTimeout,
)
from http3_models.engine import Deadline, state_of, view_request, view_response
from http3_transport import WSGIDispatch
from http3_transport._apps.wsgi_environ import make_input
from http3_transport.testing import DISPATCHER_CHECKS, check_dispatcher, wsgi_app
from support.worlds import World

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

threaded = pytest.mark.parametrize("world", [World("asyncio"), World("trio")], ids=repr)


async def call(world: World, app: App, method: str = "GET", url: str = "/", **options: Any) -> AsyncResponse:
    """Send as a client of this world does; the body is not read."""
    raises, timeout, total = (
        options.pop("raises", True),
        options.pop("timeout", None),
        options.pop("total", None),
    )
    settings = {name: options.pop(name) for name in ("script_name", "remote_addr") if name in options}
    dispatch = WSGIDispatch(app, raises, **settings)
    state = AsyncRequest(method, url if "://" in url else f"http://localhost{url}", **options)._state
    state.asynchronous = world.name != "sync"
    state.timeout = None if timeout is None else TimeoutConfig(timeout)
    state.deadline = None if total is None else Deadline(total, time.monotonic)
    transport = adapt(dispatch, asynchronous=state.asynchronous)
    return view_response(AsyncResponse, await transport.exchange(state))


async def fetch(world: World, app: App, *args: Any, **options: Any) -> AsyncResponse:
    """Send, and read the whole body."""
    response = await call(world, app, *args, **options)
    await response.read()
    return response


def run_fetch(world: World, app: App, *args: Any, **options: Any) -> AsyncResponse:
    return world.run(lambda: fetch(world, app, *args, **options))


def threads() -> int:
    """Threads of applications that are still there, after a moment to end."""
    left = 1
    for _ in range(100):
        left = sum(thread.name == "http3-worker" for thread in threading.enumerate())
        if not left:
            break
        time.sleep(0.01)
    return left


def forget(lost: list[Any]) -> None:
    """Let the garbage collector find what nobody closed."""
    lost.clear()
    gc.collect()


async def sleep(seconds: float) -> None:
    if trio.lowlevel.in_trio_run():
        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


def answering(*pieces: Any, status: str = "200 OK", headers: Any = ()) -> App:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        return pieces

    return app


def echo(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Both directions at a time, line by line."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield from environ["wsgi.input"]


class Broken(Exception):
    """The application's, or the caller's own."""


# What every dispatcher does


@pytest.mark.parametrize("name", DISPATCHER_CHECKS)
def test_it_conforms(name: str) -> None:
    check_dispatcher(lambda: WSGIDispatch(wsgi_app), url="http://localhost", names=[name])


def test_it_needs_an_application() -> None:
    with pytest.raises(TypeError, match="app must be a WSGI application, not int"):
        WSGIDispatch(1)  # type: ignore[arg-type]


def test_repr_shows_the_application() -> None:
    assert repr(WSGIDispatch(wsgi_app)) == f"<WSGIDispatch {wsgi_app!r}>"
    assert WSGIDispatch.__module__ == "http3_transport"


def test_send_takes_a_timeout() -> None:
    request = Request("GET", "http://localhost/")
    with WSGIDispatch(answering(b"ok")) as dispatch:
        assert dispatch.send(request, timeout=3).read() == b"ok"
    assert state_of(request).timeout == TimeoutConfig(3)


# The environ


def environ_of(world: World, method: str, url: str, **options: Any) -> Environ:
    environs = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environs.append(environ)
        start_response("200 OK", [])
        return []

    run_fetch(world, app, method, url, **options)
    return environs[0]


def test_environ(world: World) -> None:
    environ = environ_of(
        world,
        "POST",
        "https://user:pass@example.com:8443/a%20b/%C3%A9?x=%20&y#fragment",
        headers=[
            ("X-One", "1"),
            ("x-one", "2"),
            ("Content-Type", "text/x"),
            ("Cookie", "a=b"),
            ("Cookie", "c=d"),
        ],
        data=b"payload",
    )
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/\xc3\xa9",
        "QUERY_STRING": "x=%20&y",
        "REQUEST_URI": "/a%20b/%C3%A9?x=%20&y",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "8443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "7",
        "HTTP_HOST": "example.com:8443",
        "HTTP_X_ONE": "1,2",
        "HTTP_COOKIE": "a=b; c=d",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    assert expected.items() <= environ.items()
    assert type(environ) is dict
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ


@pytest.mark.parametrize(
    ("url", "script_name", "found", "path_info"),
    [
        ("/", "", "", "/"),
        ("/a%2Fb", "", "", "/a/b"),
        ("/%ff", "", "", "/\xff"),
        ("/api/users", "/api", "/api", "/users"),
        ("/api/users", "/api/", "/api", "/users"),
        ("/api", "/api", "/api", ""),
        ("/apis", "/api", "/api", "/apis"),
        ("/users", "/api", "/api", "/users"),
    ],
)
def test_paths(url: str, script_name: str, found: str, path_info: str) -> None:
    environ = environ_of(World("sync"), "GET", url, script_name=script_name)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (found, path_info)


def test_environ_says_what_it_was_told() -> None:
    assert environ_of(World("sync"), "GET", "/", remote_addr="10.0.0.1")["REMOTE_ADDR"] == "10.0.0.1"


def test_options_of_the_server() -> None:
    state = Request("OPTIONS", "http://h/")._state
    state.url = state.url.copy_with(full_path="*")
    environs: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environs.append(environ)
        start_response("204 No Content", [])
        return []

    WSGIDispatch(app).send(view_request(Request, state))
    assert (environs[0]["PATH_INFO"], environs[0]["REQUEST_URI"]) == ("", "*")


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_the_validator_finds_nothing(world: World, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        stream = environ["wsgi.input"]
        body = stream.read(3) + stream.readline() + b"".join(stream.readlines(1)) + b"".join(stream)
        environ["wsgi.errors"].write("noted\n")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body, b"!"]

    checked: App = validator(app)
    data = {"data": iter([b"one\nt", b"wo\nthree"])} if method == "POST" else {}
    response = run_fetch(world, checked, method, "/a/b?c=d", **data)
    assert response.content == {"GET": b"!", "POST": b"one\ntwo\nthree!", "HEAD": b""}[method]
    gc.collect()
    assert capsys.readouterr().err == "noted\n"


# wsgi.input


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda stream: stream.read(), b"one\ntwo\nthree"),
        (
            lambda stream: [stream.read(5), stream.read(2), stream.read(), stream.read(), stream.read(5)],
            [b"one\nt", b"wo", b"\nthree", b"", b""],
        ),
        (
            lambda stream: [stream.readline(), stream.readline(2), stream.readline(), stream.readline()],
            [b"one\n", b"tw", b"o\n", b"three"],
        ),
        (lambda stream: stream.readlines(), [b"one\n", b"two\n", b"three"]),
        (lambda stream: stream.readlines(2), [b"one\n"]),
        (list, [b"one\n", b"two\n", b"three"]),
        (lambda stream: next(stream), b"one\n"),
        (lambda stream: stream.read(0), b""),
    ],
)
def test_input_is_a_file(read: Callable[[io.BufferedIOBase], object], expected: object, whole: bool) -> None:
    chunks = iter([b"on", b"e\ntw", b"o\nthr", b"ee", b"", b""])
    stream = make_input(b"one\ntwo\nthree" if whole else None, lambda: next(chunks))
    assert read(stream) == expected


def test_input_is_read_on_demand(world: World) -> None:
    log: list[Any] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            log.append(number)
            yield b"%d\n" % number
        log.append("end")

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        while line := environ["wsgi.input"].readline():
            log.append(line)
        yield b"done"

    assert run_fetch(world, app, "POST", data=pieces()).content == b"done"
    assert log == [0, b"0\n", 1, b"1\n", 2, b"2\n", "end"]


def test_both_directions_stream(world: World) -> None:
    """The request is still read while its response comes."""

    async def main() -> list[bytes]:
        response = await call(world, echo, "POST", data=iter([b"one\n", b"two\n", b"three\n"]))
        return [piece async for piece in response.stream()]

    assert world.run(main) == [b"one\n", b"two\n", b"three\n"]


@threaded
def test_a_body_that_must_be_awaited(world: World) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            await sleep(0.01)
            yield b"%d\n" % number

    async def main() -> list[bytes]:
        response = await call(world, echo, "POST", data=pieces())
        return [piece async for piece in response.stream()]

    assert world.run(main) == [b"0\n", b"1\n", b"2\n"]
    assert threads() == 0


def failing_pieces() -> Iterator[bytes]:
    yield b"first\n"
    raise Broken


def catches(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Makes its own of a request that breaks off."""
    try:
        environ["wsgi.input"].read()
    except OSError:
        start_response("400 Bad Request", [])
    return [b"what?"]


def reads(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    raise AssertionError("unreachable")


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("app", [catches, reads, echo])
def test_a_failing_body_is_the_callers(world: World, app: App, raises: bool) -> None:
    """It is raised as it is, whatever the application would answer."""
    with pytest.raises(Broken):
        run_fetch(world, app, "POST", data=failing_pieces(), raises=raises)
    assert threads() == 0


@pytest.mark.parametrize(("length", "what"), [("4", "more than 4"), ("6", "only 5")])
def test_a_body_keeps_to_its_content_length(world: World, length: str, what: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"The body has {what} bytes"):
        run_fetch(world, reads, "POST", data=iter([b"abc", b"de"]), headers={"Content-Length": length})


# Responses


class Counted:
    """An iterable that knows how far it is, and how often it was closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = iter(pieces)
        self.taken = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self.pieces)
        self.taken += 1
        return piece

    def close(self) -> None:
        self.closed += 1

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return self


async def test_it_advances_as_the_response_is_read(world: World) -> None:
    app = Counted(b"0", b"1", b"", b"2")
    response = await call(world, app)
    assert app.taken == 1
    stream = aiter(response.stream())
    assert await anext(stream) == b"0"
    assert app.taken == 1
    assert await anext(stream) == b"1"
    assert (app.taken, app.closed) == (2, 0)
    assert [piece async for piece in stream] == [b"2"]
    assert (app.taken, app.closed) == (4, 1)
    await response.close()
    assert app.closed == 1
    assert threads() == 0


async def test_closing_early(world: World) -> None:
    app = Counted(b"0", b"1")
    response = await call(world, app)
    await anext(aiter(response.stream()))
    await response.close()
    assert (app.taken, app.closed) == (1, 1)
    assert threads() == 0


async def test_giving_up_closes_as_well(world: World) -> None:
    app = Counted(b"0", b"1")
    body = (await call(world, app))._state.body
    assert body is not None
    body.abort()
    with pytest.raises(ReadError, match="closed before its end"):
        await body.read_chunk()
    assert threads() == 0
    assert app.closed == 1


async def test_a_lost_response_warns(world: World) -> None:
    app = Counted(b"0", b"1")
    response = await call(world, app)
    lost = [response]
    del response
    with pytest.warns(ResourceWarning, match="the response of http://localhost/ was neither read nor"):
        forget(lost)
    assert threads() == 0
    assert app.closed == (0 if world.name == "sync" else 1)  # a finaliser is no place to run it


def test_response_as_from_a_network(world: World) -> None:
    headers = [("X-Two", " a "), ("X-Two", "b"), ("Content-Type", "text/plain"), ("X-Latin", "\xe9")]
    response = run_fetch(world, answering(b"a", bytearray(b"b"), status="404 Nix da", headers=headers))
    assert (response.status_code, response.reason_phrase, response.protocol) == (404, "Nix da", "HTTP/1.1")
    assert response.headers.getlist("x-two") == ["a", "b"]
    assert response.headers.raw[-1] == (b"x-latin", b"\xe9")
    assert response.text == "ab"
    assert response.timings.wait is not None


def test_a_status_without_a_phrase() -> None:
    assert run_fetch(World("sync"), answering(status="299")).reason_phrase == ""


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 X")]
)
def test_no_body_where_there_is_none(world: World, method: str, status: str) -> None:
    """It is closed at once, however much would come."""
    endless = iter(lambda: b"more", None)
    closed = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return endless

        def close(self) -> None:
            closed.append(True)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [("Content-Length", "1000")] if method == "HEAD" else [])
        return Body()

    async def main() -> AsyncResponse:
        response = await call(world, app, method)
        assert closed == [True]
        await response.read()
        return response

    response = world.run(main)
    assert (response.status_code, response.content) == (int(status[:3]), b"")
    assert threads() == 0


def test_start_response_may_come_late(world: World) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        start_response("201 Created", [])
        yield b"a"

    response = run_fetch(world, app)
    assert (response.status_code, response.content) == (201, b"a")


def test_write(world: World) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        write(b"a")
        write(b"")
        write(b"b")

        def rest() -> Iterator[bytes]:
            write(b"c")
            yield b"d"
            write(b"e")

        return rest()

    async def main() -> list[bytes]:
        response = await call(world, app)
        return [piece async for piece in response.stream()]

    assert world.run(main) == [b"a", b"b", b"c", b"d", b"e"]


def test_any_iterable_will_do() -> None:
    class Sequence:
        def __getitem__(self, index: int) -> bytes:
            return [b"a", b"b"][index]

    def app(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", [])
        return Sequence()

    assert run_fetch(World("sync"), app).content == b"ab"


def fails_at_once(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    raise Broken


def fails_before_the_body(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    raise Broken
    yield b""


def fails_in_the_body(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"some"
    raise Broken


def starts_twice(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def reports(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """As frameworks and debuggers do: an error page, and ``exc_info`` that tells what it is for."""
    start_response("200 OK", [("X-First", "1")])
    try:
        raise Broken
    except Broken:
        start_response("500 Oops", [], sys.exc_info())
    return [b"sorry"]


def reports_as_it_goes(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    yield b""
    yield from reports(environ, start_response)


def reports_by_write(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    try:
        raise Broken
    except Broken:
        start_response("500 Oops", [], sys.exc_info())(b"sorry")
    return []


def reports_to_a_middleware(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    def passed_on(status: str, headers: list[Any], exc_info: Any = None) -> Any:
        return start_response(status, headers, exc_info)

    return reports(environ, passed_on)


def reports_what_is_over(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    try:
        raise Broken
    except Broken:
        exc_info = sys.exc_info()
    start_response("500 Oops", [], exc_info)
    return [b"sorry"]


reporting = pytest.mark.parametrize(
    "app",
    [reports, reports_as_it_goes, reports_by_write, reports_to_a_middleware, reports_what_is_over],
)


@reporting
def test_an_error_page_in_place_of_the_head(world: World, app: App) -> None:
    response = run_fetch(world, app, raises=False)
    assert (response.status_code, response.reason_phrase, response.content) == (500, "Oops", b"sorry")
    assert "x-first" not in response.headers
    assert threads() == 0


@reporting
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_exc_info_tells_of_is_raised(world: World, app: App, method: str) -> None:
    with pytest.raises(Broken) as caught:
        run_fetch(world, app, method)
    assert caught.traceback[-1].name.startswith("reports")
    assert threads() == 0


def reports_late(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"some"
    try:
        raise Broken
    except Broken:
        start_response("500 Oops", [], sys.exc_info())
    yield b"sorry"


def reports_late_and_goes_on(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"some"
    try:
        raise Broken
    except Broken:
        with suppress(Broken):
            start_response("500 Oops", [], sys.exc_info())
    yield b"more"


def test_too_late_for_an_error_page(world: World) -> None:
    """What was sent before is delivered, also where the application holds the exception back."""

    async def main(app: App, raises: bool) -> list[bytes]:
        pieces = []
        stream = aiter((await call(world, app, raises=raises)).stream())
        with pytest.raises(Broken if raises else RemoteProtocolError) as caught:
            while True:
                pieces.append(await anext(stream))
        assert raises or isinstance(caught.value.__cause__, Broken)
        return pieces

    assert world.run(main, reports_late, True) == [b"some"]
    assert world.run(main, reports_late, False) == [b"some"]
    assert world.run(main, reports_late_and_goes_on, True) == [b"some"]
    assert run_fetch(world, reports_late_and_goes_on, raises=False).content == b"somemore"
    assert threads() == 0


async def test_exc_info_of_no_exception_replaces_the_head(world: World) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        start_response("202 Accepted", [], (None, None, None))
        yield b"a"
        start_response("500 Oops", [], (None, None, None))

    response = await call(world, app)
    assert response.status_code == 202
    with pytest.raises(RemoteProtocolError, match="called start_response after its head was sent"):
        await response.read()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_exc_info_of_what_ends_a_program(world: World, error: type[BaseException]) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            raise error
        except error:
            start_response("500 Oops", [], sys.exc_info())
        return []

    with pytest.raises(error):
        await fetch(world, app)


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("app", [reports, reports_late, fails_at_once, fails_in_the_body, starts_twice])
def test_failures_leave_no_cycles(world: World, app: App, raises: bool) -> None:
    """What the application held is let go at once, without the garbage collector."""

    class Held:
        pass

    def holding(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        held = environ["held"] = Held()
        alive.append(weakref.ref(held))
        return app(environ, start_response)

    async def main() -> None:
        with suppress(Broken, RemoteProtocolError):
            await fetch(world, holding, raises=raises)

    alive: list[Any] = []
    gc.collect()
    gc.disable()
    try:
        world.run(main)
        assert threads() == 0
        assert alive[0]() is None
    finally:
        gc.enable()


def test_context_variables(world: World) -> None:
    """The application sees those of the caller, and its own from step to step; they stay with it."""
    variable = contextvars.ContextVar("variable", default="unset")

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield variable.get().encode()
        variable.set("app")
        yield b","
        yield variable.get().encode()

    async def main() -> bytes:
        variable.set("caller")
        response = await fetch(world, app)
        assert variable.get() == "caller"
        return response.content

    assert contextvars.copy_context().run(world.run, main) == b"caller,app"


# Failures


class FailsToClose(Counted):
    def close(self) -> None:
        super().close()
        raise Broken


@pytest.mark.parametrize("app", [fails_at_once, fails_before_the_body, fails_in_the_body, FailsToClose(b"a")])
def test_exceptions_reach_the_caller(world: World, app: App) -> None:
    with pytest.raises(Broken):
        run_fetch(world, app)
    assert threads() == 0


@pytest.mark.parametrize("app", [fails_at_once, fails_before_the_body, lambda environ, start_response: []])
def test_exceptions_become_a_500(world: World, app: App) -> None:
    response = run_fetch(world, app, raises=False)
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert threads() == 0


@pytest.mark.parametrize("raises", [True, False])
async def test_what_was_sent_is_delivered_then_the_failure(world: World, raises: bool) -> None:
    response = await call(world, fails_in_the_body, raises=raises)
    stream = aiter(response.stream())
    assert await anext(stream) == b"some"
    if raises:
        with pytest.raises(Broken):
            await anext(stream)
    else:
        with pytest.raises(RemoteProtocolError, match="The body was cut: the application failed") as caught:
            await anext(stream)
        assert isinstance(caught.value.__cause__, Broken)
    assert threads() == 0


@pytest.mark.parametrize("raises", [True, False])
async def test_failing_to_close(world: World, raises: bool) -> None:
    app = FailsToClose(b"a", b"b")
    response = await call(world, app, raises=raises)
    if raises:
        with pytest.raises(Broken):
            await response.close()
    else:
        await response.close()
    assert app.closed == 1
    assert threads() == 0


def test_a_failure_hides_that_of_closing(world: World) -> None:
    class Body(FailsToClose):
        def __next__(self) -> bytes:
            raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        run_fetch(world, Body())


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("late", [True, False])
async def test_what_ends_a_program_is_never_held_back(
    world: World, raises: bool, late: bool, error: type[BaseException]
) -> None:
    closed = []

    class Body(Counted):
        def __next__(self) -> bytes:
            if late and not self.taken:
                return super().__next__()
            raise error

        def close(self) -> None:
            closed.append(True)

    with pytest.raises(error):
        await fetch(world, Body(b"some"), raises=raises)
    assert threads() == 0
    assert closed == [True]


async def asgi_by_mistake(environ: Any, start_response: Any) -> None: ...


def returning(result: Any) -> App:
    def app(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", [])
        return result

    return app


@pytest.mark.parametrize(
    ("app", "kind"),
    [(asgi_by_mistake, "coroutine"), (returning(None), "NoneType"), (returning(5), "int")],
)
def test_it_must_return_an_iterable(world: World, app: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"a WSGI application must return an iterable, not {kind}"):
        run_fetch(world, app)


def reporting_as(exc_info: Any) -> App:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("500 Oops", [], exc_info)
        return []

    return app


def writes_text(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])("text")  # type: ignore[arg-type]
    return []


@pytest.mark.parametrize(
    ("app", "what"),
    [
        (lambda environ, start_response: [], "did not call start_response"),
        (lambda environ, start_response: [b"body"], "sent a body before it called start_response"),
        (starts_twice, "called start_response twice, without exc_info"),
        (reporting_as("text"), "exc_info must be what sys.exc_info\\(\\) returns, not str"),
        (reporting_as((1, 2)), "exc_info must be what sys.exc_info\\(\\) returns, not tuple"),
        (reporting_as((ValueError, "text", None)), "exc_info must hold an exception, not str"),
        (writes_text, "body must be bytes, not str"),
        (returning(["text"]), "body must be bytes, not str"),
        (returning([b"first", "text"]), "body must be bytes, not str"),
        (returning("text"), "body must be bytes, not str"),
        (answering(status="OK"), "status must be like '200 OK', not 'OK'"),
        (answering(status=200), "status must be like '200 OK', not 200"),  # type: ignore[arg-type]
        (answering(status="200OK"), "status must be like"),
        (answering(status="200 OK\r\nX: y"), "status must be like"),
        (answering(status="100 Continue"), "from 200 to 999, not 100"),
        (answering(headers=["x"]), "headers must hold pairs of str, not 'x'"),
        (answering(headers=[("x", 5)]), "headers must hold pairs of str"),
        (answering(headers=[("x", "\u20ac")]), "characters beyond latin-1"),
        (answering(headers=[("x y", "")]), "header name b'x y' is not a token"),
        (answering(headers=[("x", "a\r\nSet-Cookie: a=b")]), "header 'x' has a control character"),
        (answering(headers=[("Content-Length", "many")]), "Content-Length must be one number"),
        (answering(b"four", headers=[("Content-Length", "3")]), "1 bytes longer than its Content-Length"),
        (answering(b"four", headers=[("Content-Length", "5")]), "1 bytes shorter than its Content-Length"),
    ],
)
def test_answers_that_are_none(world: World, app: App, what: str) -> None:
    with pytest.raises(RemoteProtocolError, match=what):
        run_fetch(world, app)
    assert threads() == 0


def test_headers_must_be_a_list() -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", {"x": "y"})
        return []

    with pytest.raises(RemoteProtocolError, match="headers must be a list, not dict"):
        run_fetch(World("sync"), app)


# Threads


@threaded
async def test_a_blocking_application_does_not_block_the_loop(world: World) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        time.sleep(0.05)
        start_response("200 OK", [])
        yield b"a"
        time.sleep(0.05)
        yield b"b"

    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await sleep(0.002)
            turns += 1

    if world.name == "trio":
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turn)
            assert (await fetch(world, app)).content == b"ab"
            nursery.cancel_scope.cancel()
    else:
        task = asyncio.create_task(turn())
        assert (await fetch(world, app)).content == b"ab"
        task.cancel()
    assert turns >= 5


@threaded
def test_all_steps_run_in_one_thread(world: World) -> None:
    """What belongs to a thread (sqlite's connections, thread-locals) works from step to step."""
    seen = set()

    class Body(Counted):
        def __next__(self) -> bytes:
            seen.add(threading.current_thread())
            return super().__next__()

        def close(self) -> None:
            seen.add(threading.current_thread())

    async def main() -> None:
        await fetch(world, Body(b"a", b"b", b"c"))
        response = await call(world, Body(b"a", b"b", b"c"))
        await response.close()

    world.run(main)
    assert len(seen) == 2  # one for each call
    assert threading.current_thread() not in seen
    assert all(thread.daemon for thread in seen)


def test_without_a_loop_it_is_the_callers_thread() -> None:
    seen = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(threading.current_thread())
        start_response("200 OK", [])
        return []

    async def main() -> None:
        """Also inside of a running loop: a sync client blocks, as it was asked to."""
        WSGIDispatch(app).request("GET", "http://h/").read()

    asyncio.run(main())
    assert seen == [threading.current_thread()]


@threaded
def test_read_timeout(world: World) -> None:
    release = threading.Event()
    app = Counted(b"a", b"b")

    def slow(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        release.wait(10)
        return app(environ, start_response)

    async def main() -> None:
        with pytest.raises(ReadTimeout, match=r"0\.03 s \(read_timeout\)"):
            await call(world, slow, timeout=0.03)

    world.run(main)
    release.set()
    assert threads() == 0
    assert app.closed == 1


@threaded
@pytest.mark.parametrize("limits", [{"timeout": 0.2}, {"total": 0.5}])
def test_timeouts_in_the_body(world: World, limits: dict[str, Any]) -> None:
    release = threading.Event()
    closed = []

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"a"
            release.wait(10)
            yield b"b"
        finally:
            closed.append(True)

    async def main() -> None:
        response = await call(world, app, **limits)
        with pytest.raises(ReadTimeout if "timeout" in limits else TotalTimeout):
            await response.read()

    world.run(main)
    release.set()
    assert threads() == 0
    assert closed == [True]


@threaded
def test_closing_does_not_hang(world: World) -> None:
    release = threading.Event()

    class Body(Counted):
        def close(self) -> None:
            release.wait(10)
            super().close()

    app = Body(b"a", b"b")

    async def main() -> None:
        response = await call(world, app, timeout=0.03)
        await response.close()

    world.run(main)
    release.set()
    assert threads() == 0
    assert app.closed == 1


@threaded
async def test_a_cancelled_caller_leaves_nothing(world: World) -> None:
    """Not even where the application waits for a body that never comes."""
    errors = []

    async def never() -> AsyncIterator[bytes]:
        yield b"first"
        await sleep(3600)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as exc:
            errors.append(exc)
            with pytest.raises(OSError, match="broke off"):
                environ["wsgi.input"].read()
            raise
        raise AssertionError("unreachable")

    if world.name == "trio":
        with trio.move_on_after(0.05):
            await call(world, app, "POST", data=never())
    else:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(world, app, "POST", data=never()), 0.05)
    assert threads() == 0
    assert len(errors) == 1


@threaded
def test_a_slow_upload_is_no_read_timeout(world: World) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            await sleep(0.4)
            yield b"x\n"

    async def main() -> bytes:
        return (await fetch(world, echo, "POST", data=pieces(), timeout=0.3)).content

    assert world.run(main) == b"x\n" * 3


async def test_many_requests_leave_nothing(world: World) -> None:
    for number in range(300):
        response = await fetch(world, echo, "POST", data=iter([b"%d\n" % number]))
        assert response.content == b"%d\n" % number
    assert threads() == 0


def test_where_there_are_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application runs where the loop does; a body that must be awaited is read before."""
    monkeypatch.setattr(_adapters, "CAN_THREAD", False)
    monkeypatch.setattr(threading, "Thread", None)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one\n"
        await asyncio.sleep(0)
        yield b"two\n"

    async def main(**options: Any) -> bytes:
        return (await fetch(World("asyncio"), echo, "POST", **options)).content

    assert asyncio.run(main(data=pieces())) == b"one\ntwo\n"
    assert asyncio.run(main(data=b"whole")) == b"whole"


def test_where_no_thread_can_be_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync client needs none."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    async def main() -> bytes:
        return (await fetch(world, echo, "POST", data=b"whole")).content

    if world.name == "sync":
        assert world.run(main) == b"whole"
    else:
        with pytest.raises(RuntimeError, match="no thread could be started"):
            world.run(main)
