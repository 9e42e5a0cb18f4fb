"""``app=`` as api.md section 3 describes it, in both clients."""

from __future__ import annotations

import gc
from functools import partial
from typing import Any

import pytest

import http3
from support import acceptance_app
from support.worlds import World, collect, do, raised


def flask_app() -> Any:
    from flask import Flask, request

    app = Flask(__name__)

    @app.route("/hello", methods=["GET", "POST"])
    def hello() -> Any:
        return {"message": "Hello World", "method": request.method, "body": request.get_data(as_text=True)}

    @app.route("/set")
    def set_cookie() -> Any:
        from flask import redirect

        answer = redirect("/cookies")
        answer.set_cookie("a", "1")
        return answer

    @app.route("/cookies")
    def cookies() -> Any:
        return dict(request.cookies)

    @app.route("/fail")
    def fail() -> Any:
        raise LookupError("in the app")

    @app.route("/stream")
    def stream() -> Any:
        return (f"{number}\n" for number in range(3)), {"Content-Type": "text/plain"}

    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


def starlette_app() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, RedirectResponse, StreamingResponse
    from starlette.routing import Route

    async def hello(request: Request) -> Any:
        body = (await request.body()).decode()
        return JSONResponse({"message": "Hello World", "method": request.method, "body": body})

    async def set_cookie(request: Request) -> Any:
        answer = RedirectResponse("/cookies", 302)
        answer.set_cookie("a", "1")
        return answer

    async def cookies(request: Request) -> Any:
        return JSONResponse(request.cookies)

    async def fail(request: Request) -> Any:
        raise LookupError("in the app")

    async def stream(request: Request) -> Any:
        return StreamingResponse(iter([f"{number}\n" for number in range(3)]), media_type="text/plain")

    names = {"hello": hello, "set": set_cookie, "cookies": cookies, "fail": fail}
    routes = [Route(f"/{name}", function, methods=["GET", "POST"]) for name, function in names.items()]
    return Starlette(routes=[*routes, Route("/stream", stream)])


@pytest.fixture(params=[flask_app, starlette_app])
def app(request: Any) -> Any:
    return request.param()


async def test_both_kinds_in_both_clients(world: World, app: Any) -> None:
    client = world.client(app=app)
    response = await do(client.get("/hello"))
    assert (await do(response.json()))["message"] == "Hello World"
    assert response.url == http3.URL("http://localhost/hello")
    posted = await do(client.post("hello", data={"a": "b"}))
    assert (await do(posted.json()))["body"] == "a=b"
    assert (await do(client.get("/missing"))).status_code == 404
    moved = await do(client.get("/set"))
    assert await do(moved.json()) == {"a": "1"}
    assert len(moved.history) == 1
    streamed = await do(client.get("/stream", stream=True))
    assert await collect(streamed.iter_lines()) == ["0", "1", "2"]
    assert (await do(client.head("/hello"))).content == b""


async def test_base_url(world: World, app: Any) -> None:
    client = world.client(app=app, base_url="https://api.example.org")
    response = await do(client.get("/hello"))
    assert str(response.url) == "https://api.example.org/hello"


async def test_the_apps_exception(world: World, app: Any) -> None:
    error = await raised(LookupError, lambda: world.client(app=app).get("/fail"))
    assert error.args == ("in the app",)
    quiet = world.client(app=app, raise_app_exceptions=False)
    assert (await do(quiet.get("/fail"))).status_code == 500
    assert (await do(quiet.get("/hello"))).status_code == 200


async def test_the_dispatchers_by_name(world: World) -> None:
    for dispatch in (http3.WSGIDispatch(flask_app()), http3.ASGIDispatch(starlette_app())):
        client = world.client(dispatch=dispatch, base_url="http://localhost")
        assert (await do(client.get("/hello"))).status_code == 200


async def test_an_app_that_cannot_be_told_apart(world: World) -> None:
    def undecidable(*args: Any) -> Any:
        raise AssertionError("never called")

    with pytest.raises(TypeError, match=r"(?s)ASGIDispatch.*WSGIDispatch|WSGIDispatch.*ASGIDispatch"):
        world.client_class(app=undecidable)
    with pytest.raises(TypeError):
        world.client_class(app="not callable")


class Instance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await acceptance_app.app(scope, receive, send)

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        await acceptance_app.app(scope, receive, send)


async def outer(extra: int, scope: Any, receive: Any, send: Any) -> None:
    await acceptance_app.app(scope, receive, send)


def wsgi(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"message": "hello"}']


class WSGI:
    def __call__(self, environ: Any, start_response: Any) -> Any:
        return wsgi(environ, start_response)


CALLABLES = [acceptance_app.app, Instance(), Instance().method, partial(outer, 1), wsgi, WSGI()]


@pytest.mark.parametrize("app", CALLABLES, ids=range(len(CALLABLES)))
async def test_every_way_to_be_called(world: World, app: Any) -> None:
    if world.name == "trio" and app not in CALLABLES[4:]:
        pytest.skip("echo_app uses asyncio")
    response = await do(world.client(app=app).get("/json"))
    assert (await do(response.json()))["message"] == "hello"


async def test_the_asgi_scope(world: World) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        message = await receive()
        assert message == {"type": "http.request", "body": b"x", "more_body": False} or message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"1")]})
        await send({"type": "http.response.body", "body": b"ok"})

    client = world.client(app=app, base_url="https://example.org:8443")
    response = await do(client.post("/caf%C3%A9%2F?q=%20", data=b"x", headers={"X-Test": "1"}))
    assert response.headers["x-a"] == "1"
    (scope,) = scopes
    assert scope["type"] == "http"
    assert scope["method"] == "POST"
    assert scope["path"] == "/café/"
    assert scope["raw_path"] == b"/caf%C3%A9%2F"
    assert scope["query_string"] == b"q=%20"
    assert scope["scheme"] == "https"
    assert tuple(scope["server"]) == ("example.org", 8443)
    assert (b"x-test", b"1") in [tuple(pair) for pair in scope["headers"]]
    assert (b"host", b"example.org:8443") in [tuple(pair) for pair in scope["headers"]]


async def test_the_wsgi_environ(world: World) -> None:
    seen: dict[str, Any] = {}

    def app(environ: Any, start_response: Any) -> Any:
        seen.update(environ)
        seen["body"] = environ["wsgi.input"].read()
        start_response("201 Created", [("Content-Type", "text/plain"), ("X-A", "1")])
        return [b"o", b"k"]

    client = world.client(app=app, base_url="https://example.org:8443")
    response = await do(client.post("/caf%C3%A9?q=%20", data=b"abc", headers={"X-Test": "1"}))
    assert (response.status_code, response.reason_phrase, response.content) == (201, "Created", b"ok")
    assert seen["REQUEST_METHOD"] == "POST"
    assert seen["PATH_INFO"] == "/café".encode().decode("latin-1")
    assert seen["QUERY_STRING"] == "q=%20"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("example.org", "8443")
    assert seen["HTTP_X_TEST"] == "1"
    assert seen["CONTENT_LENGTH"] == "3"
    assert seen["wsgi.url_scheme"] == "https"
    assert seen["body"] == b"abc"


async def test_what_was_sent_before_the_app_failed(world: World) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise LookupError("midway")

    loud = world.client(app=app)
    await raised(LookupError, lambda: loud.get("/"))
    quiet = world.client(app=app, raise_app_exceptions=False)
    response = await do(quiet.get("/", stream=True))
    assert response.status_code == 200
    iterator = response.stream()
    assert (await anext(iterator) if world.is_async else next(iterator)) == b"begun"
    await raised(http3.RemoteProtocolError, lambda: anext(iterator) if world.is_async else next(iterator))


async def test_an_endless_stream_is_left(world: World) -> None:
    left: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
        finally:
            left.append("left")

    client = world.client(app=app)
    response = await do(client.get("/", stream=True))
    iterator = response.stream()
    for _ in range(3):
        assert b"tick" in (await anext(iterator) if world.is_async else next(iterator))
    await do(response.close())
    await do(client.close())
    del iterator, response
    gc.collect()
    assert left == ["left"]


async def test_a_streamed_response_of_an_app_outlives_its_client(world: World) -> None:
    client = world.client(app=starlette_app())
    response = await do(client.get("/stream", stream=True))
    await do(client.close())
    assert await do(response.read()) == b"0\n1\n2\n"


async def test_a_streamed_upload(world: World) -> None:
    if world.name == "trio":
        pytest.skip("echo_app uses asyncio")
    client = world.client(app=acceptance_app.app)
    response = await do(client.post("/upload", data=iter([b"a" * 1000] * 50)))
    assert (await do(response.json()))["size"] == 50_000


async def test_many_at_a_time(world: World) -> None:
    client = world.client(app=starlette_app())

    async def one() -> int:
        return int((await do(client.get("/hello"))).status_code)

    assert await world.together(*[one] * 20) == [200] * 20
