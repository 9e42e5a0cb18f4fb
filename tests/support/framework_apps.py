"""One small site in each framework, for tests of ``app=``. Frameworks are imported when they are asked for.

GET  /hello            {"message": "Hello World"}
POST /echo?q=          {"body": ..., "query": q, "type": Content-Type}
GET  /login?user=      sets the cookie ``user``, 303 to /whoami
GET  /whoami           {"user": the cookie}
GET  /lines/<n>        n lines, streamed; the number of lines made so far is in `MADE`
GET  /fail             raises `Failure`
GET  /later            answers, then works in the background (Starlette and FastAPI); see `MADE`
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import pytest

MADE: list[str] = []
"""What the applications did; emptied by `make_app`."""

KINDS = {
    "flask": "wsgi",
    "django_wsgi": "wsgi",
    "django_asgi": "asgi",
    "starlette": "asgi",
    "fastapi": "asgi",
}


class Failure(Exception):
    """What /fail raises."""


def make_app(name: str) -> Any:
    """The site in the framework of that name; skips the test where it is not installed."""
    pytest.importorskip(name.partition("_")[0])
    MADE.clear()
    makers: dict[str, Callable[[], Any]] = {"flask": _flask, "starlette": _starlette, "fastapi": _fastapi}
    if name in makers:
        return makers[name]()
    return _django(name)


def lines(count: int) -> Iterator[str]:
    """What /lines streams."""
    for number in range(count):
        MADE.append(f"line {number}")
        yield f"line {number}\n"
    MADE.append("end")


class LinesAsync:
    """The same for ASGI; a class, since not every framework closes an async generator it gives up."""

    def __init__(self, count: int) -> None:
        self._lines = lines(count)

    def __aiter__(self) -> LinesAsync:
        return self

    async def __anext__(self) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            raise StopAsyncIteration from None


def _flask() -> Any:
    import flask

    app = flask.Flask("site")
    app.testing = True  # exceptions are not turned into pages

    @app.get("/hello")
    def hello() -> Any:
        return {"message": "Hello World"}

    @app.post("/echo")
    def echo() -> Any:
        request = flask.request
        return {
            "body": request.get_data(as_text=True),
            "query": request.args.get("q"),
            "type": request.headers.get("Content-Type"),
        }

    @app.get("/login")
    def login() -> Any:
        response = flask.redirect("/whoami", 303)
        response.set_cookie("user", flask.request.args["user"])
        return response

    @app.get("/whoami")
    def whoami() -> Any:
        return {"user": flask.request.cookies.get("user")}

    @app.get("/lines/<int:count>")
    def stream(count: int) -> Any:
        return flask.stream_with_context(lines(count)), {"Content-Type": "text/plain"}

    @app.get("/fail")
    def fail() -> Any:
        raise Failure

    return app


def _starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
    from starlette.routing import Route

    async def hello(request: Any) -> Any:
        return JSONResponse({"message": "Hello World"})

    async def echo(request: Any) -> Any:
        body = (await request.body()).decode()
        query, kind = request.query_params.get("q"), request.headers.get("content-type")
        return JSONResponse({"body": body, "query": query, "type": kind})

    async def login(request: Any) -> Any:
        response = RedirectResponse("/whoami", 303)
        response.set_cookie("user", request.query_params["user"])
        return response

    async def whoami(request: Any) -> Any:
        return JSONResponse({"user": request.cookies.get("user")})

    async def stream(request: Any) -> Any:
        return StreamingResponse(LinesAsync(request.path_params["count"]), media_type="text/plain")

    async def fail(request: Any) -> Any:
        raise Failure

    def work() -> None:
        MADE.append("worked")

    async def later(request: Any) -> Any:
        return PlainTextResponse("accepted", background=BackgroundTask(work))

    return Starlette(
        routes=[
            Route("/hello", hello),
            Route("/echo", echo, methods=["POST"]),
            Route("/login", login),
            Route("/whoami", whoami),
            Route("/lines/{count:int}", stream),
            Route("/fail", fail),
            Route("/later", later),
        ]
    )


def _fastapi() -> Any:
    import fastapi
    from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse

    app = fastapi.FastAPI()

    # FastAPI reads annotations, which are text in this file; so they are set by hand.
    def annotated(function: Any, **kinds: Any) -> Any:
        function.__annotations__ = kinds
        return function

    def hello():  # type: ignore[no-untyped-def]
        return {"message": "Hello World"}

    async def echo(request, q):  # type: ignore[no-untyped-def]
        body = (await request.body()).decode()
        return JSONResponse({"body": body, "query": q, "type": request.headers.get("content-type")})

    def login(user):  # type: ignore[no-untyped-def]
        response = RedirectResponse("/whoami", 303)
        response.set_cookie("user", user)
        return response

    def whoami(request):  # type: ignore[no-untyped-def]
        return {"user": request.cookies.get("user")}

    async def stream(count):  # type: ignore[no-untyped-def]
        return StreamingResponse(LinesAsync(count), media_type="text/plain")

    def fail():  # type: ignore[no-untyped-def]
        raise Failure

    async def work() -> None:
        MADE.append("worked")

    def later(tasks):  # type: ignore[no-untyped-def]
        tasks.add_task(work)
        return PlainTextResponse("accepted")

    app.get("/hello")(annotated(hello))
    app.post("/echo")(annotated(echo, request=fastapi.Request, q=str))
    app.get("/login")(annotated(login, user=str))
    app.get("/whoami")(annotated(whoami, request=fastapi.Request))
    app.get("/lines/{count}")(annotated(stream, count=int))
    app.get("/fail")(annotated(fail))
    app.get("/later")(annotated(later, tasks=fastapi.BackgroundTasks))
    return app


def _django(name: str) -> Any:
    settings = import_module("django.conf").settings
    if not settings.configured:
        settings.configure()
    values = {
        "ALLOWED_HOSTS": ["*"],
        "DEBUG_PROPAGATE_EXCEPTIONS": True,
        "MIDDLEWARE": ["django.middleware.common.CommonMiddleware"],
        "ROOT_URLCONF": _django_urls(),
        "SECRET_KEY": "of the tests",
    }
    for key, value in values.items():  # for good: nothing else in this process is a Django site
        setattr(settings, key, value)
    import_module("django").setup()
    if name == "django_wsgi":
        return import_module("django.core.handlers.wsgi").WSGIHandler()
    return import_module("django.core.handlers.asgi").ASGIHandler()


@cache
def _django_urls() -> Any:
    http, path = import_module("django.http"), import_module("django.urls").path
    asgi_request = import_module("django.core.handlers.asgi").ASGIRequest

    def hello(request: Any) -> Any:
        return http.JsonResponse({"message": "Hello World"})

    def echo(request: Any) -> Any:
        kind = request.headers.get("Content-Type")
        return http.JsonResponse({"body": request.body.decode(), "query": request.GET.get("q"), "type": kind})

    def login(request: Any) -> Any:
        response = http.HttpResponse(status=303, headers={"Location": "/whoami"})
        response.set_cookie("user", request.GET["user"])
        return response

    def whoami(request: Any) -> Any:
        return http.JsonResponse({"user": request.COOKIES.get("user")})

    def stream(request: Any, count: int) -> Any:
        made = LinesAsync(count) if isinstance(request, asgi_request) else lines(count)
        return http.StreamingHttpResponse(made, content_type="text/plain")

    def fail(request: Any) -> Any:
        raise Failure

    class Urls:
        urlpatterns = (
            path("hello", hello),
            path("echo", echo),
            path("login", login),
            path("whoami", whoami),
            path("lines/<int:count>", stream),
            path("fail", fail),
        )

    return Urls


async def sse(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Server-sent events without an end, one each 5 ms; what became of them is in `MADE`."""
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    number = 0
    try:
        while True:
            event = b"data: %d\n\n" % number
            await send({"type": "http.response.body", "body": event, "more_body": True})
            await asyncio.sleep(0.005)
            number += 1
    finally:
        MADE.append("sse ended")
