"""The example site's server: `http.server`, which reads requests and writes responses over HTTP/1.1."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING

from http3_models import InvalidURL, Request, Response, ResponseNotRead

from ._pages import answer

if TYPE_CHECKING:
    from socket import socket

ADDRESS = "127.0.0.1"
HEX = re.compile(rb"[0-9A-Fa-f]{1,12}")
LONGEST_LINE = 64 * 1024
LEFT_UNREAD = 1024 * 1024
"""Bytes of a request's body that no page has read, and that are read to keep the connection."""


class ExampleServer(ThreadingHTTPServer):
    """The example site on 127.0.0.1, a thread for each connection. Port 0 takes a free one: see ``url``.

    ``serve_forever()``, ``shutdown()`` and the context manager are those of `http.server`. Raises OSError
    for a port that is taken.
    """

    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__((ADDRESS, port), _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the name of the address, as `HTTPServer` does; that may take seconds."""
        TCPServer.server_bind(self)
        self.server_name: str = ADDRESS
        self.server_port: int = self.server_address[1]

    @property
    def url(self) -> str:
        """The address of the first page, without a slash at the end."""
        return f"http://{ADDRESS}:{self.server_port}"

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Print what failed; that a client went away is no failure."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Body:
    """What is left of a request's body, chunk by chunk."""

    def __init__(self, handler: _Handler) -> None:
        self._file = handler.rfile
        self._is_chunked = handler.headers.get("Transfer-Encoding", "").lower() == "chunked"
        length = handler.headers.get("Content-Length", "0")
        if handler.headers.get("Transfer-Encoding") and (not self._is_chunked or length != "0"):
            raise ValueError("a Transfer-Encoding other than chunked, or a Content-Length beside it")
        if not (length.isascii() and length.isdigit()):
            raise ValueError(f"Content-Length {length}")
        self._left = int(length)
        self.has_ended = not self._is_chunked and not self._left
        self.is_broken = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._is_chunked and not self._left and not self.has_ended:
            self._begin_chunk()
        if self.has_ended:
            raise StopIteration
        chunk = self._file.read1(min(self._left, LONGEST_LINE))
        if not chunk:
            raise ConnectionResetError("the client went away within its body")
        self._left -= len(chunk)
        if not self._left and self._is_chunked:
            self._file.readline(LONGEST_LINE)
        self.has_ended = not self._left and not self._is_chunked
        return bytes(chunk)

    def _begin_chunk(self) -> None:
        line = self._file.readline(LONGEST_LINE)
        if not line:
            raise ConnectionResetError("the client went away within its body")
        size = line.partition(b";")[0].strip()
        if not HEX.fullmatch(size):
            self.has_ended = self.is_broken = True
            raise ValueError(f"a chunk of size {size!r}")
        self._left = int(size, 16)
        if not self._left:
            self.has_ended = True
            while self._file.readline(LONGEST_LINE).strip():  # trailers
                pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "http3-example-site"
    timeout = 60
    wbufsize = -1
    disable_nagle_algorithm = True
    server: ExampleServer

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):  # of every method
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        try:
            body = _Body(self)
            request = self._request(body)
        except (InvalidURL, ValueError) as exc:
            self.close_connection = True
            self.send_error(400, explain=str(exc))
            return
        self._send(answer(request))
        self._finish(body)

    def _request(self, body: _Body) -> Request:
        """The request as http3 knows it."""
        host = self.headers.get("Host", ADDRESS)
        url = self.path if "://" in self.path else f"http://{host}{self.path}"
        data = None if body.has_ended else body
        return Request(self.command, url, headers=self.headers.items(), data=data)

    def _send(self, response: Response) -> None:
        """Write a response: in one piece, or chunk by chunk where its length is unknown."""
        has_body = self.command != "HEAD" and response.status_code not in (204, 304)
        length = _length(response)
        is_chunked = has_body and length is None and self.request_version != "HTTP/1.0"
        self.send_response(response.status_code, response.reason_phrase)
        for name, value in response.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif has_body and length is None:
            self.close_connection = True
        elif length is not None and response.status_code not in (204, 304):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        sent = 0
        for chunk in response.stream() if has_body else ():
            sent += len(chunk)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk)
            if length is None:
                self.wfile.flush()
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")
        elif has_body and length is not None and sent != length:
            self.close_connection = True  # a page that breaks off

    def _finish(self, body: _Body) -> None:
        """Read what the page left of the request's body, or end the connection."""
        left = -1 if body.is_broken else LEFT_UNREAD
        try:
            while left >= 0 and not body.has_ended:
                left -= len(next(body, b""))
        except ValueError:
            left = -1
        if left < 0:
            self.close_connection = True


def _length(response: Response) -> int | None:
    """Bytes of the body: as the page says, else of a body in memory; None for a stream."""
    told = response.headers.get("Content-Length")
    if told is not None:
        return int(told)
    try:
        return len(response.content)
    except ResponseNotRead:
        return None
