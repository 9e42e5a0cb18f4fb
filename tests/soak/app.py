"""The application under uvicorn and hypercorn in a soak: every answer holds the mark that its path asked for.

any   /mark/MARK            method, mark, size and hash of the body, how often a POST with the mark came
any   /go/STATUS/MARK       a redirect to /mark/MARK
GET   /packed/MARK          the mark many times, gzip
GET   /cookie/MARK/NAME     sets the cookie NAME to the mark
GET   /seen/MARK            the Cookie header
POST  /echo/MARK            the body
GET   /download/MARK/SIZE   so many bytes that repeat the mark; `?length=no` leaves out Content-Length
GET   /slow/MARK            the mark five times, 10 ms apart
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PIECE = 16 * 1024

_posts: OrderedDict[str, int] = OrderedDict()
"""How often each mark was posted; the last ones, so that a server may run for days."""

_MOST_POSTS = 10_000


def pattern(mark: str, size: int) -> bytes:
    """The beginning of a body that repeats the mark."""
    line = f"{mark}\n".encode()
    return (line * (size // len(line) + 1))[:size]


def digest(body: bytes) -> str:
    """A few characters that tell bodies apart."""
    return hashlib.sha256(body).hexdigest()[:16]


def packed(mark: str) -> bytes:
    """What /packed sends, unpacked."""
    return pattern(mark, 3000)


class Exchange:
    """One request, and the means to answer it."""

    def __init__(self, method: str, headers: Headers, query: bytes, receive: Receive, send: Send) -> None:
        self.method = method
        self.headers = headers
        self.query = query
        self._receive = receive
        self._send = send

    async def body(self) -> bytes:
        """The whole body. Raises ConnectionError where the client has gone away."""
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client has gone away")
            body += message.get("body", b"")
            if not message.get("more_body", False):
                return bytes(body)

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def answer(self, mark: str, body: bytes, status: int = 200, headers: Headers | None = None) -> None:
        """A whole answer, which names the mark in its head, too."""
        fields = [(b"x-mark", mark.encode()), (b"content-length", str(len(body)).encode()), *(headers or [])]
        await self.start(status, fields)
        await self.piece(b"" if self.method == "HEAD" else body, more=False)


async def mark(exchange: Exchange, mark: str) -> None:
    body = await exchange.body()
    times = 1
    if exchange.method == "POST":
        times = _posts[mark] = _posts.pop(mark, 0) + 1
        if len(_posts) > _MOST_POSTS:
            _posts.popitem(last=False)
    text = f"{exchange.method} {mark} {len(body)} {digest(body)} {times}\n"
    await exchange.answer(mark, text.encode())


async def go(exchange: Exchange, status: str, mark: str) -> None:
    await exchange.body()
    await exchange.answer(mark, b"moved\n", int(status), [(b"location", f"/mark/{mark}".encode())])


async def get_packed(exchange: Exchange, mark: str) -> None:
    await exchange.answer(mark, gzip.compress(packed(mark), 1), headers=[(b"content-encoding", b"gzip")])


async def cookie(exchange: Exchange, mark: str, name: str) -> None:
    await exchange.answer(mark, mark.encode(), headers=[(b"set-cookie", f"{name}={mark}; Path=/".encode())])


async def seen(exchange: Exchange, mark: str) -> None:
    # HTTP/2 may split the header in several fields (RFC 9113 section 8.2.3).
    cookies = b"; ".join(value for name, value in exchange.headers if name == b"cookie")
    await exchange.answer(mark, mark.encode() + b" " + cookies)


async def echo(exchange: Exchange, mark: str) -> None:
    await exchange.answer(mark, await exchange.body())


async def download(exchange: Exchange, mark: str, size: str) -> None:
    content = pattern(mark, int(size))
    length = [] if exchange.query == b"length=no" else [(b"content-length", size.encode())]
    await exchange.start(200, [(b"x-mark", mark.encode()), *length])
    for start in range(0, len(content), PIECE):
        await exchange.piece(content[start : start + PIECE])
    await exchange.piece(b"", more=False)


async def slow(exchange: Exchange, mark: str) -> None:
    await exchange.start(200, [(b"x-mark", mark.encode())])
    for _ in range(5):
        await exchange.piece(f"{mark}\n".encode())
        await asyncio.sleep(0.01)
    await exchange.piece(b"", more=False)


ROUTES: dict[str, Callable[..., Awaitable[None]]] = {
    "mark": mark,
    "go": go,
    "packed": get_packed,
    "cookie": cookie,
    "seen": seen,
    "echo": echo,
    "download": download,
    "slow": slow,
}


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application; no lifespan."""
    assert scope["type"] == "http", scope["type"]
    name, *arguments = scope["path"].lstrip("/").split("/")
    exchange = Exchange(scope["method"], list(scope["headers"]), scope["query_string"], receive, send)
    try:
        await ROUTES[name](exchange, *arguments)
    except ConnectionError:
        pass  # the client has gone away, which is part of it
