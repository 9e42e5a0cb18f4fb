"""What answers as https://www.example.org and its neighbours when the examples of README and docs run.

It has the routes that examples like to show (/users, /login, /files/...), and those of `echo_app`.
"""

from __future__ import annotations

import json
from typing import Any

from support import echo_app
from support.echo_app import Exchange, Handler, Receive, Scope, Send

USERS: dict[int, str] = {1: "Ada", 2: "Grace", 3: "Edsger"}


async def home(exchange: Exchange, _: str) -> None:
    page = b"<!doctype html><title>Example</title><h1>An example</h1>\n"
    await exchange.answer(page, "text/html; charset=utf-8")


async def users(exchange: Exchange, argument: str) -> None:
    method = exchange.scope["method"]
    body = b"".join(await exchange.chunks())
    if not argument and method == "POST":
        fields: dict[str, Any] = json.loads(body)
        await exchange.json({"id": 4, **fields}, status=201)
    elif not argument:
        limit = int(exchange.query.get("limit", "3"))
        await exchange.json([{"id": key, "name": name} for key, name in USERS.items()][:limit])
    elif int(argument) not in USERS:
        await exchange.json({"error": f"no user {argument}"}, status=404)
    elif method == "DELETE":
        await exchange.start(204, [])
        await exchange.body(b"")
    else:
        fields = json.loads(body) if body else {}
        await exchange.json({"id": int(argument), "name": USERS[int(argument)], **fields})


async def login(exchange: Exchange, _: str) -> None:
    await exchange.chunks()
    cookie = ("set-cookie", "session=1234; Path=/; Secure; HttpOnly")
    await exchange.answer(b"", status=303, headers=[("location", "/account"), cookie])


async def account(exchange: Exchange, _: str) -> None:
    signed_in = "session=" in exchange.header("cookie")
    await exchange.json({"signed_in": signed_in}, status=200 if signed_in else 401)


async def old(exchange: Exchange, _: str) -> None:
    await exchange.answer(b"", status=301, headers=[("location", "/new")])


async def new(exchange: Exchange, _: str) -> None:
    await exchange.answer(b"the new place\n")


async def files(exchange: Exchange, argument: str) -> None:
    if exchange.scope["method"] in ("PUT", "POST"):
        await echo_app.upload(exchange, "")
    elif argument.endswith(".txt"):
        await exchange.answer(b"first line\nsecond line\nthird line\n", "text/plain; charset=utf-8")
    else:
        await echo_app.download(exchange, str(1024 * 1024))


async def digest(exchange: Exchange, _: str) -> None:
    if exchange.header("authorization").startswith('Digest username="user"'):
        await exchange.json({"user": "user"})
    else:
        challenge = 'Digest realm="example", qop="auth", algorithm=SHA-256, nonce="abc123"'
        await exchange.answer(b"", status=401, headers=[("www-authenticate", challenge)])


ROUTES: dict[str, Handler] = {
    "": home,
    "users": users,
    "login": login,
    "account": account,
    "old": old,
    "new": new,
    "files": files,
    "digest": digest,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    path: str = scope.get("path", "")
    name, _, argument = path.removeprefix("/v1").lstrip("/").partition("/")
    if scope["type"] == "http" and name in ROUTES:
        await ROUTES[name](Exchange(scope, receive, send), argument)
    else:
        await echo_app.app(scope, receive, send)
