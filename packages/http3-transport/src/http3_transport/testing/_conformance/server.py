"""What the server of the dispatcher suite answers, as a pure function, and ways to put it to use.

A dispatcher that goes over the network meets it at a real port (`Server`). One that calls an
application takes `wsgi_app` or `asgi_app`; a function that answers requests (`MockDispatcher`) calls
`answer`.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Fields = list[tuple[str, str]]
Answer = tuple[int, Fields, bytes]

LARGE = b"".join(number.to_bytes(4, "big") for number in range(256 * 1024))


def answer(method: str, path: str, query: str, headers: Fields, body: bytes) -> Answer:
    """Status, headers and body for one request. ``headers`` in lower case; the answer's as written."""
    if path.startswith("/status/"):
        return int(path[len("/status/") :]), [("Content-Length", "0")], b""
    if path == "/redirect":
        return 302, [("Location", "/echo"), ("Content-Length", "0")], b""
    if path == "/empty":
        return 204, [], b""
    if path == "/twice":
        return 200, [("X-Twice", "one"), ("X-Twice", "two"), ("Content-Length", "0")], b""
    content = LARGE if path == "/large" else body
    fields = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(len(content))),
        ("X-Method", method),
        ("X-Query", query),
        ("X-Seen", dict(headers).get("x-given", "")),
    ]
    return 200, fields, content


class Handler(BaseHTTPRequestHandler):
    """`answer` for the standard library's server."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """Any method."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        status, fields, content = answer(self.command, path, query, headers, self._body())
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name in the base class)
        """A test has its own output."""


class Server:
    """`answer` at a free port of the loopback interface, on threads."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.socket.close()


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """`answer` as a WSGI application."""
    size = environ.get("CONTENT_LENGTH")
    body = environ["wsgi.input"].read(int(size)) if size else environ["wsgi.input"].read()
    headers = [
        (key[5:].lower().replace("_", "-"), value)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    ]
    status, fields, content = answer(
        environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), headers, body
    )
    start_response(f"{status} Status", fields)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]


Event = dict[str, Any]


async def asgi_app(
    scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
) -> None:
    """`answer` as an ASGI application."""
    body = b""
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope["query_string"].decode("latin-1")
    status, fields, content = answer(scope["method"], scope["path"], query, headers, body)
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})
