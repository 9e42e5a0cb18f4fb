"""What Python itself has: ``http.client``, and a bare socket as the floor that no client can undercut.

Both know one connection, so each thread has one of its own.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import (
    READ_SIZE,
    Answer,
    CannotDo,
    Headed,
    Json,
    Parsed,
    Setup,
    Take,
    file_size,
    ssl_context,
    version_name,
)

if TYPE_CHECKING:
    import http.client
    import socket
    import ssl


RECORD_SIZE = 16 * 1024
"""Bytes that are read of a head, and over TLS, where no more come at a time; asking for more is dearer."""


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, authority, path with its slash."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    return scheme, authority, f"/{path}"


class HttpClientSync:
    """``http.client.HTTPConnection``"""

    def __init__(self, setup: Setup) -> None:
        import http.client

        if setup.http2:
            raise CannotDo("no HTTP/2")
        self._library = http.client
        self._setup = setup
        self._context: ssl.SSLContext | None = None
        self._local = threading.local()

    def _connection(self, scheme: str, authority: str) -> http.client.HTTPConnection:
        try:
            connection: http.client.HTTPConnection = self._local.connection
        except AttributeError:
            if scheme == "https":
                context = self._context = self._context or ssl_context(self._setup)
                connection = self._library.HTTPSConnection(authority, context=context)
            else:
                connection = self._library.HTTPConnection(authority)
            self._local.connection = connection
        return connection

    def _get(self, url: str) -> http.client.HTTPResponse:
        scheme, authority, path = _split(url)
        connection = self._connection(scheme, authority)
        connection.request("GET", path)
        return connection.getresponse()

    def get(self, url: str) -> Answer:
        response = self._get(url)
        return Answer(response.status, version_name(response.version), response.read())

    def headed(self, url: str, name: str) -> Headed:
        response = self._get(url)
        answer = Answer(response.status, version_name(response.version), response.read())
        return Headed(answer, response.headers.get(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        scheme, authority, path = _split(url)
        connection = self._connection(scheme, authority)
        body = json.dumps(value).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Parsed(response.status, json.loads(response.read()))

    def stream(self, url: str, take: Take) -> int:
        response = self._get(url)
        while piece := response.read(READ_SIZE):
            take(piece)
        return response.status

    def _put(self, url: str, body: BinaryIO | Iterator[bytes], headers: dict[str, str]) -> int:
        scheme, authority, path = _split(url)
        connection = self._connection(scheme, authority)
        connection.request("PUT", path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status

    def put(self, url: str, file: BinaryIO) -> int:
        return self._put(url, file, {"Content-Length": str(file_size(file))})

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return self._put(url, pieces, {})

    def close(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()


class RawSocket:
    """A blocking socket with just enough HTTP/1.1 to tell a head from a body"""

    def __init__(self, setup: Setup) -> None:
        import socket

        if setup.http2:
            raise CannotDo("no HTTP/2")
        self._connect = socket.create_connection
        self._setup = setup
        self._context: ssl.SSLContext | None = None
        self._local = threading.local()

    def _socket(self, scheme: str, authority: str) -> socket.socket:
        sock: socket.socket | None = getattr(self._local, "socket", None)
        if sock is None:
            name, _, port = authority.partition(":")
            sock = self._connect((name, int(port)))
            if scheme == "https":
                context = self._context = self._context or ssl_context(self._setup)
                sock = context.wrap_socket(sock, server_hostname=name)
            self._local.socket = sock
        return sock

    def get(self, url: str) -> Answer:
        found: list[bytes] = []
        status = self.stream(url, found.append)
        return Answer(status, "HTTP/1.1", b"".join(found))

    def headed(self, url: str, name: str) -> Headed:
        raise CannotDo("no headers")

    def post_json(self, url: str, value: Json) -> Parsed:
        raise CannotDo("no request bodies")

    def stream(self, url: str, take: Take) -> int:
        scheme, authority, path = _split(url)
        sock = self._socket(scheme, authority)
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += _received(sock, RECORD_SIZE)
        head, _, body = received.partition(b"\r\n\r\n")
        head = head.lower()
        size = RECORD_SIZE if scheme == "https" else READ_SIZE
        left = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        take(body)
        left -= len(body)
        while left > 0:
            body = _received(sock, min(left, size))
            take(body)
            left -= len(body)
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head[9:12])

    def put(self, url: str, file: BinaryIO) -> int:
        raise CannotDo("no request bodies")

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        raise CannotDo("no request bodies")

    def close(self) -> None:
        sock = getattr(self._local, "socket", None)
        if sock is not None:
            sock.close()
            self._local.socket = None


def _received(sock: socket.socket, size: int) -> bytes:
    """What has come; the end of the connection is an error."""
    piece = sock.recv(size)
    if not piece:
        raise ConnectionError("the rest of the response is missing")
    return piece
