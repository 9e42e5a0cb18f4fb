"""``app=``: applications of every framework in place of the network, in both clients."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any
from wsgiref.validate import validator

import pytest

import http3
from support import echo_app
from support.framework_apps import KINDS, MADE, Failure, make_app, sse
from support.worlds import World, collect, do, raised


@pytest.fixture(params=KINDS)
def app(request: pytest.FixtureRequest, world: World) -> Any:
    """The site of `framework_apps` in each framework."""
    if request.param == "django_asgi" and world.name == "trio":
        pytest.skip("Django's ASGI handler is made for asyncio")
    return make_app(request.param)


async def test_json(world: World, app: Any) -> None:
    client = world.client(app=app)
    response = await do(client.get("/hello"))
    assert await do(response.json()) == {"message": "Hello World"}
    assert str(response.url) == "http://localhost/hello"
    assert (response.status_code, response.protocol) == (200, "HTTP/1.1")
    assert (await do(client.get("/nothing"))).status_code == 404


async def test_the_body_of_a_request(world: World, app: Any) -> None:
    client = world.client(app=app, base_url="https://example.com/")
    response = await do(client.post("echo", params={"q": "a&b"}, data={"x": ["1", "2"]}))
    expected = {"body": "x=1&x=2", "query": "a&b", "type": "application/x-www-form-urlencoded"}
    assert await do(response.json()) == expected


async def test_a_streamed_body_of_a_request(world: World, request: pytest.FixtureRequest, app: Any) -> None:
    if "django_wsgi" in request.node.name:
        pytest.skip("Django reads no more of wsgi.input than Content-Length says")
    client = world.client(app=app)
    response = await do(client.post("/echo", params={"q": ""}, data=iter([b"one ", b"two"])))
    assert (await do(response.json()))["body"] == "one two"


async def test_cookies_and_redirects(world: World, app: Any) -> None:
    client = world.client(app=app)
    response = await do(client.get("/login", params={"user": "ada"}))
    assert await do(response.json()) == {"user": "ada"}
    assert [earlier.status_code for earlier in response.history] == [303]
    assert client.cookies["user"] == "ada"
    other = world.client(app=app)
    assert await do((await do(other.get("/whoami"))).json()) == {"user": None}


async def test_streaming(world: World, app: Any) -> None:
    """The application makes no more than is asked for."""
    client = world.client(app=app)
    response = await do(client.get("/lines/50", stream=True))
    assert "end" not in MADE
    assert len(MADE) <= 2
    assert await collect(response.iter_lines()) == [f"line {number}" for number in range(50)]
    assert MADE[-1] == "end"


async def test_closing_early(world: World, app: Any) -> None:
    client = world.client(app=app)
    response = await do(client.get("/lines/50", stream=True))
    await do(response.close())
    assert len(MADE) <= 3
    assert await do((await do(client.get("/hello"))).json()) == {"message": "Hello World"}


@pytest.mark.filterwarnings("ignore:Unclosed file <tempfile")  # Django's ASGI handler forgets its own
async def test_exceptions(world: World, app: Any) -> None:
    client = world.client(app=app)
    await raised(Failure, lambda: client.get("/fail"))
    quiet = world.client(app=app, raise_app_exceptions=False)
    response = await do(quiet.get("/fail"))
    assert response.status_code == 500
    assert "Internal Server Error" in response.text
    gc.collect()


@pytest.mark.parametrize("framework", ["starlette", "fastapi"])
async def test_background_tasks_are_done(world: World, framework: str) -> None:
    client = world.client(app=make_app(framework))
    assert (await do(client.get("/later"))).text == "accepted"
    assert MADE == ["worked"]


async def test_head_and_options(world: World, app: Any) -> None:
    client = world.client(app=app)
    response = await do(client.head("/lines/3"))
    assert response.content == b""
    assert (await do(client.options("/hello"))).status_code in (200, 405)


async def test_several_at_a_time(world: World, app: Any) -> None:
    client = world.client(app=app)

    async def one() -> str:
        text: str = (await do(client.get("/lines/3"))).text
        return text

    assert await world.together(*[one] * 5) == ["line 0\nline 1\nline 2\n"] * 5


# Plain applications


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No thread outlives a test."""
    yield
    for _ in range(200):
        if not ours():
            break
        threading.Event().wait(0.01)
    assert ours() == []


def ours() -> list[str]:
    """The names of our threads that run."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name in ("http3-app", "http3-loop")]


async def test_plain_asgi(world: World) -> None:
    client = world.client(app=echo_app.app)
    if world.name == "trio":
        assert (await do(client.get("/json"))).status_code == 200
        return
    response = await do(client.get("/redirect/3"))
    assert await do(response.json()) == {"method": "GET", "arrived": True}
    assert len(response.history) == 3
    assert len((await do(client.get("/stream"))).text.splitlines()) == 5
    assert (await do(client.get("/download/1000000?length=no"))).content == echo_app.block(1_000_000)
    assert await do((await do(client.get("/gzip"))).json()) == {"compressed": True}
    await raised(http3.DecodingError, lambda: client.get("/gzip?cut=1"))
    await raised(RuntimeError, lambda: client.get("/crash"))
    assert (await do(client.post("/early-413", data=iter([b"x" * 1000] * 100)))).status_code == 413
    response = await do(client.get("/trailers"))
    assert response.trailers["x-checksum"]
    assert await do((await do(client.get("/basic-auth", auth=("user", "secret")))).json()) == {"user": "user"}


async def test_uploads_stream(world: World) -> None:
    client = world.client(app=echo_app.app)
    response = await do(client.post("/upload", data=iter([b"x" * 1000] * 100)))
    found = await do(response.json())
    assert (found["size"], found["chunks"]) == (100_000, 100)


async def test_an_upload_that_must_be_awaited(world: World) -> None:
    if not world.is_async:
        pytest.skip("a sync client takes no async iterator")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            await world.sleep(0.005)
            yield b"piece\n"

    for app in (echo_app.app, echo_lines):
        client = world.client(app=app)
        assert (await do(client.post("/upload", data=pieces()))).status_code == 200


async def test_read_timeout(world: World) -> None:
    if world.name == "trio":
        pytest.skip("the application sleeps on asyncio")
    client = world.client(app=echo_app.app, timeout=0.05)
    error = await raised(http3.ReadTimeout, lambda: client.get("/delay/5"))
    assert "http://localhost/delay/5" in str(error)
    response = await do(client.get("/drip/0.5", timeout=0.4))
    assert len(response.content) == 10


async def test_total_timeout(world: World) -> None:
    if world.name == "trio":
        pytest.skip("the application sleeps on asyncio")
    client = world.client(app=echo_app.app, timeout=http3.TimeoutConfig(total_timeout=0.1))
    await raised(http3.TotalTimeout, lambda: client.get("/drip/5"))


async def test_events_without_an_end(world: World) -> None:
    if world.name == "trio":
        pytest.skip("the application sleeps on asyncio")
    MADE.clear()
    client = world.client(app=sse)
    response = await do(client.get("/", stream=True))
    events = response.iter_lines()
    if world.is_async:
        found = [await anext(events) for _ in range(5)]
    else:
        found = [next(events) for _ in range(5)]
    assert found == ["data: 0", "", "data: 1", "", "data: 2"]
    assert MADE == []
    await do(response.close())
    assert MADE == ["sse ended"]


async def test_a_response_outlives_its_client(world: World) -> None:
    for app, size in ((echo_app.app, 100_000), (count_to_three, 3)):
        client = world.client(app=app)
        response = await do(client.get("/download/100000", stream=True))
        await do(client.close())
        assert len(await do(response.read())) == size
        await raised(http3.ClientClosed, partial(client.get, "/"))


Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def echo_lines(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Both directions at a time."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield from environ["wsgi.input"]


def count_to_three(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A valid application."""
    environ["wsgi.input"].read(100)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"1", b"2", b"3"]


async def test_plain_wsgi(world: World) -> None:
    checked = validator(count_to_three)
    client = world.client(dispatch=http3.WSGIDispatch(checked), base_url="http://localhost")
    assert (await do(client.post("/", data=b"payload"))).content == b"123"
    assert (await do(client.get("/a/b?c"))).content == b"123"
    lines = world.client(app=echo_lines)
    response = await do(lines.post("/", data=iter([b"a\nb", b"\nc\n"]), stream=True))
    assert await collect(response.stream()) == [b"a\n", b"b\n", b"c\n"]


def shows_an_error_page(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """An error page for what failed, told by ``exc_info`` (PEP 3333), before or after the head is sent."""
    if environ["PATH_INFO"] == "/late":
        start_response("200 OK", [])
        yield b"some"
    try:
        raise Failure("inside")
    except Failure:
        start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
    yield b"error page"


async def test_exc_info_of_a_wsgi_application_is_raised(world: World) -> None:
    client = world.client(app=shows_an_error_page)
    for path in ("/", "/late"):
        error = await raised(Failure, client.get, path)
        assert str(error) == "inside"
    quiet = world.client(app=shows_an_error_page, raise_app_exceptions=False)
    response = await do(quiet.get("/"))
    assert (response.status_code, response.text) == (500, "error page")
    await raised(http3.RemoteProtocolError, quiet.get, "/late")


async def test_dispatchers_by_hand(world: World) -> None:
    client = world.client(dispatch=http3.WSGIDispatch(count_to_three), base_url="http://here")
    assert (await do(client.get("/"))).text == "123"
    client = world.client(dispatch=http3.ASGIDispatch(echo_app.app, root_path="/x"), base_url="http://here")
    assert (await do(client.get("/json"))).status_code == 200


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
async def test_a_thousand_requests(world: World, kind: str) -> None:
    client = world.client(app=echo_app.app if kind == "asgi" else count_to_three)
    before = threading.active_count()
    for _ in range(1000):
        response = await do(client.get("/json"))
        assert response.status_code == 200
    assert threading.active_count() <= before + 2
    if world.name == "asyncio":
        assert len(asyncio.all_tasks()) == 1


def test_a_sync_client_in_a_running_loop() -> None:
    """Both kinds block, as it was asked for."""

    async def main() -> None:
        for app in (echo_app.app, count_to_three):
            with http3.Client(app=app) as client:
                assert client.get("/json").status_code == 200

    asyncio.run(main())
