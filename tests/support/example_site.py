"""What answers as https://www.example.org and its neighbours when the examples of the docs run.

It is served over TLS and HTTP/2, and has some pages of `http3_client.example_site`, a first page in HTML, and
the routes of `echo_app`.
"""

from __future__ import annotations

from http3_client import example_site
from http3_models import Request
from support import echo_app
from support.echo_app import Exchange, Handler, Receive, Scope, Send


async def home(exchange: Exchange, _: str) -> None:
    page = b"<!doctype html><title>Example</title><h1>An example</h1>\n"
    await exchange.answer(page, "text/html; charset=utf-8")


async def page(exchange: Exchange, _: str) -> None:
    """A page of the site that comes with the client; none of these waits."""
    scope = exchange.scope
    query = scope["query_string"].decode()
    url = f"https://{exchange.header('host') or 'www.example.org'}{scope['path']}?{query}"
    body = b"".join(await exchange.chunks())
    response = example_site.answer(Request(scope["method"], url, headers=exchange.headers, data=body))
    content = response.read()
    headers = [(name, value) for name, value in response.headers.items() if name.lower() != "content-length"]
    if response.status_code != 204:
        headers.append(("content-length", str(len(content))))
    await exchange.start(response.status_code, headers)
    await exchange.body(content)


ROUTES: dict[str, Handler] = {
    "": home,
    **dict.fromkeys(["users", "files"], page),
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    path: str = scope.get("path", "")
    name, _, argument = path.removeprefix("/v1").lstrip("/").partition("/")
    if scope["type"] == "http" and name in ROUTES:
        await ROUTES[name](Exchange(scope, receive, send), argument)
    else:
        await echo_app.app(scope, receive, send)
