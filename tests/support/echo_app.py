"""The application behind uvicorn and hypercorn in the tests: plain ASGI, no framework.

GET   /json                 a small JSON object
any   /echo                 JSON: method, path, query, http_version, headers (pairs), body, client port
any   /upload               JSON: size and sha256 of the body, number of chunks it came in
GET   /download/<bytes>     so many bytes; `?length=no` leaves out Content-Length
GET   /stream               five lines, 20 ms apart, without Content-Length
GET   /drip/<seconds>       a byte every 50 ms for so long
any   /redirect/<n>         302 to /redirect/<n-1>, /redirect/0 is a 200; `?status=307` asks for another code
any   /redirect-to?url=     302 (or `&status=`) to that URL
GET   /loop                 302 to itself
GET   /cookies              JSON: the cookies that came
GET   /cookies/set?a=b      sets them, 302 to /cookies
GET   /delay/<seconds>      a 200 after so long
GET   /status/<code>        an empty answer of that status, with its text as body where one is allowed
GET   /gzip                 a gzip body; `?cut=1` leaves out its last bytes
GET   /basic-auth           401 unless user:secret
GET   /bearer               401 unless the token is "token"
POST  /early-413            413 without reading the body, connection closed
GET   /trailers             a body and the trailer field `x-checksum` where the server can
GET   /early-hints          a 103, then a 200, where the server can
GET   /many-headers/<n>     so many response headers
GET   /crash                raises
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, parse_qsl

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Pairs = list[tuple[str, str]]

NO_BODY = {204, 205, 304}


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        self.query = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}

    def header(self, name: str) -> str:
        """The values of a request header, joined."""
        return ", ".join(value for key, value in self.headers if key == name)

    async def chunks(self) -> list[bytes]:
        """The whole body, as it came."""
        chunks = []
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client went away")
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                return chunks

    async def start(self, status: int, headers: Pairs, *, trailers: bool = False) -> None:
        """Send the head."""
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        message: Message = {"type": "http.response.start", "status": status, "headers": raw}
        if trailers:
            message["trailers"] = True
        await self.send(message)

    async def body(self, data: bytes, *, more: bool = False) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def answer(
        self,
        body: bytes,
        kind: str = "text/plain",
        status: int = 200,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        """A whole answer."""
        await self.start(status, [("content-type", kind), ("content-length", str(len(body))), *headers])
        await self.body(body)

    async def json(self, value: object, status: int = 200) -> None:
        """A whole answer in JSON."""
        await self.answer(json.dumps(value).encode(), "application/json", status)


Handler = Callable[[Exchange, str], Awaitable[None]]


async def get_json(exchange: Exchange, _: str) -> None:
    await exchange.json({"message": "hello", "numbers": [1, 2, 3], "text": "naïve café"})


async def echo(exchange: Exchange, _: str) -> None:
    body = b"".join(await exchange.chunks())
    scope = exchange.scope
    await exchange.json(
        {
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": (scope.get("raw_path") or b"").decode("latin-1"),
            "query": scope["query_string"].decode("latin-1"),
            "http_version": scope["http_version"],
            "scheme": scope["scheme"],
            "headers": exchange.headers,
            "body": body.decode("latin-1"),
            "client_port": scope["client"][1] if scope.get("client") else None,
        }
    )


async def upload(exchange: Exchange, _: str) -> None:
    chunks = await exchange.chunks()
    body = b"".join(chunks)
    await exchange.json(
        {"size": len(body), "sha256": hashlib.sha256(body).hexdigest(), "chunks": sum(map(bool, chunks))}
    )


def block(size: int, offset: int = 0) -> bytes:
    """Bytes ``offset`` to ``offset + size`` of what /download sends; its period is 251."""
    period = bytes(range(251))
    start = offset % 251
    return (period * (size // 251 + 2))[start : start + size]


async def download(exchange: Exchange, argument: str) -> None:
    size, piece = int(argument), 64 * 1024
    length = [] if exchange.query.get("length") == "no" else [("content-length", str(size))]
    await exchange.start(200, [("content-type", "application/octet-stream"), *length])
    for offset in range(0, size, piece):
        await exchange.body(block(min(piece, size - offset), offset), more=True)
    await exchange.body(b"")


async def stream(exchange: Exchange, _: str) -> None:
    await exchange.start(200, [("content-type", "text/plain; charset=utf-8")])
    for number in range(5):
        await exchange.body(f"line {number}\n".encode(), more=True)
        await asyncio.sleep(0.02)
    await exchange.body(b"")


async def drip(exchange: Exchange, argument: str) -> None:
    await exchange.start(200, [("content-type", "text/plain")])
    for _ in range(int(float(argument) / 0.05)):
        await exchange.body(b".", more=True)
        await asyncio.sleep(0.05)
    await exchange.body(b"")


async def redirect(exchange: Exchange, argument: str) -> None:
    left, status = int(argument), int(exchange.query.get("status", "302"))
    await exchange.chunks()
    if left == 0:
        await exchange.json({"method": exchange.scope["method"], "arrived": True})
        return
    again = f"?status={status}" if "status" in exchange.query else ""
    await exchange.answer(b"moved\n", status=status, headers=[("location", f"/redirect/{left - 1}{again}")])


async def redirect_to(exchange: Exchange, _: str) -> None:
    await exchange.chunks()
    status = int(exchange.query.get("status", "302"))
    await exchange.answer(b"moved\n", status=status, headers=[("location", exchange.query["url"])])


async def loop(exchange: Exchange, _: str) -> None:
    await exchange.answer(b"moved\n", status=302, headers=[("location", "/loop")])


async def cookies(exchange: Exchange, argument: str) -> None:
    if argument == "set":
        pairs = parse_qsl(exchange.scope["query_string"].decode())
        set_cookies = [("set-cookie", f"{name}={value}; Path=/") for name, value in pairs]
        await exchange.answer(b"", status=302, headers=[("location", "/cookies"), *set_cookies])
        return
    # HTTP/2 may split the Cookie header in several fields (RFC 9113 section 8.2.3).
    header = "; ".join(value for name, value in exchange.headers if name == "cookie")
    await exchange.json(dict(pair.split("=", 1) for pair in header.split("; ") if pair))


async def delay(exchange: Exchange, argument: str) -> None:
    await exchange.chunks()
    await asyncio.sleep(float(argument))
    await exchange.answer(f"after {argument} s\n".encode())


async def status(exchange: Exchange, argument: str) -> None:
    code = int(argument)
    if code in NO_BODY:
        await exchange.start(code, [])
        await exchange.body(b"")
    else:
        await exchange.answer(f"status {code}\n".encode(), status=code)


async def get_gzip(exchange: Exchange, _: str) -> None:
    body = gzip.compress(b'{"compressed": true}' + b" " * 2000)
    body = body[:-6] if "cut" in exchange.query else body
    await exchange.answer(body, "application/json", headers=[("content-encoding", "gzip")])


async def basic_auth(exchange: Exchange, _: str) -> None:
    expected = "Basic " + base64.b64encode(b"user:secret").decode()
    if exchange.header("authorization") == expected:
        await exchange.json({"user": "user"})
    else:
        challenge = [("www-authenticate", 'Basic realm="tests"')]
        await exchange.answer(b"who are you?\n", status=401, headers=challenge)


async def bearer(exchange: Exchange, _: str) -> None:
    if exchange.header("authorization") == "Bearer token":
        await exchange.json({"token": "token"})
    else:
        await exchange.answer(b"", status=401, headers=[("www-authenticate", "Bearer")])


async def early_413(exchange: Exchange, _: str) -> None:
    close = [("connection", "close")] if exchange.scope["http_version"].startswith("1") else []
    await exchange.answer(b"too much\n", status=413, headers=close)


async def trailers(exchange: Exchange, _: str) -> None:
    able = "http.response.trailers" in exchange.scope.get("extensions", {})
    body = b"body with a checksum\n"
    await exchange.start(200, [("content-type", "text/plain"), ("trailer", "x-checksum")], trailers=able)
    await exchange.body(body)
    if able:
        fields = [(b"x-checksum", hashlib.sha256(body).hexdigest().encode())]
        await exchange.send({"type": "http.response.trailers", "headers": fields, "more_trailers": False})


async def early_hints(exchange: Exchange, _: str) -> None:
    if "http.response.early_hint" in exchange.scope.get("extensions", {}):
        await exchange.send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    await exchange.answer(b"at last\n")


async def many_headers(exchange: Exchange, argument: str) -> None:
    headers = [(f"x-header-{number}", f"value {number}") for number in range(int(argument))]
    await exchange.answer(b"", headers=headers)


async def crash(exchange: Exchange, _: str) -> None:
    raise RuntimeError("this route always fails")


ROUTES: dict[str, Handler] = {
    "json": get_json,
    "echo": echo,
    "upload": upload,
    "download": download,
    "stream": stream,
    "drip": drip,
    "redirect": redirect,
    "redirect-to": redirect_to,
    "loop": loop,
    "cookies": cookies,
    "delay": delay,
    "status": status,
    "gzip": get_gzip,
    "basic-auth": basic_auth,
    "bearer": bearer,
    "early-413": early_413,
    "trailers": trailers,
    "early-hints": early_hints,
    "many-headers": many_headers,
    "crash": crash,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    assert scope["type"] == "http", scope["type"]
    name, _, argument = scope["path"].lstrip("/").partition("/")
    exchange = Exchange(scope, receive, send)
    handler = ROUTES.get(name)
    if handler is None:
        await exchange.json({"error": "no such route"}, status=404)
    else:
        await handler(exchange, argument)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
