"""The clients that are measured, each behind the same few verbs.

A client is a class here: made with a `Setup`, it imports its library then and not before, so that a process
pays for the one it measures only. What is told to one library is told to all: number of connections, HTTP
version, CA. Timeouts stay as each has them by default, apart from the wait for a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    import ssl

UPLOAD_PIECE = 64 * 1024
"""Bytes that async clients which take no file are given at a time."""


class Setup(NamedTuple):
    """How a client is to be made."""

    ca_file: str
    http2: bool = False
    connections: int = 100


class Answer(NamedTuple):
    """A response, read whole."""

    status: int
    version: str
    body: bytes


Take = Callable[[bytes], object]


class SyncClient(Protocol):
    """A client that blocks."""

    def get(self, url: str) -> Answer:
        """The whole response."""

    def stream(self, url: str, take: Take) -> int:
        """Hand each piece of the body to ``take``, keep none; the status."""

    def put(self, url: str, file: BinaryIO) -> int:
        """Send a file without having it in memory; the status."""

    def close(self) -> None:
        """The end."""


class AsyncClient(Protocol):
    """The same, awaited."""

    async def get(self, url: str) -> Answer: ...
    async def stream(self, url: str, take: Take) -> int: ...
    async def put(self, url: str, file: BinaryIO) -> int: ...
    async def close(self) -> None: ...


# --- http3 -----------------------------------------------------------------------------------------------


class Http3Sync:
    """``http3.Client``"""

    def __init__(self, setup: Setup) -> None:
        import http3

        self._client = http3.Client(
            verify=setup.ca_file,
            http_versions=("HTTP/2",) if setup.http2 else ("HTTP/1.1",),
            pool_limits=http3.PoolLimits(
                soft_limit=setup.connections, hard_limit=setup.connections, pool_timeout=None
            ),
        )

    def get(self, url: str) -> Answer:
        response = self._client.get(url)
        return Answer(response.status_code, response.protocol, response.content)

    def stream(self, url: str, take: Take) -> int:
        with self._client.get(url, stream=True) as response:
            for piece in response.stream():
                take(piece)
            return response.status_code

    def put(self, url: str, file: BinaryIO) -> int:
        return self._client.put(url, data=file).status_code

    def close(self) -> None:
        self._client.close()


class Http3Async:
    """``http3.AsyncClient``, on asyncio or trio"""

    def __init__(self, setup: Setup) -> None:
        import http3

        self._client = http3.AsyncClient(
            verify=setup.ca_file,
            http_versions=("HTTP/2",) if setup.http2 else ("HTTP/1.1",),
            pool_limits=http3.PoolLimits(
                soft_limit=setup.connections, hard_limit=setup.connections, pool_timeout=None
            ),
        )

    async def get(self, url: str) -> Answer:
        response = await self._client.get(url)
        return Answer(response.status_code, response.protocol, response.content)

    async def stream(self, url: str, take: Take) -> int:
        async with await self._client.get(url, stream=True) as response:
            async for piece in response.stream():
                take(piece)
            return response.status_code

    async def put(self, url: str, file: BinaryIO) -> int:
        return (await self._client.put(url, data=file)).status_code

    async def close(self) -> None:
        await self._client.close()


# --- httpx -----------------------------------------------------------------------------------------------


def _context(setup: Setup) -> ssl.SSLContext:
    import ssl

    return ssl.create_default_context(cafile=setup.ca_file)


class HttpxSync:
    """``httpx.Client``"""

    def __init__(self, setup: Setup) -> None:
        import httpx

        self._client = httpx.Client(
            verify=_context(setup),
            http1=not setup.http2,
            http2=setup.http2,
            limits=httpx.Limits(
                max_connections=setup.connections, max_keepalive_connections=setup.connections
            ),
            timeout=httpx.Timeout(5.0, pool=None),
        )

    def get(self, url: str) -> Answer:
        response = self._client.get(url)
        return Answer(response.status_code, response.http_version, response.content)

    def stream(self, url: str, take: Take) -> int:
        with self._client.stream("GET", url) as response:
            for piece in response.iter_bytes():
                take(piece)
            return response.status_code

    def put(self, url: str, file: BinaryIO) -> int:
        return self._client.put(url, content=file).status_code

    def close(self) -> None:
        self._client.close()


class HttpxAsync:
    """``httpx.AsyncClient``"""

    def __init__(self, setup: Setup) -> None:
        import httpx

        self._client = httpx.AsyncClient(
            verify=_context(setup),
            http1=not setup.http2,
            http2=setup.http2,
            limits=httpx.Limits(
                max_connections=setup.connections, max_keepalive_connections=setup.connections
            ),
            timeout=httpx.Timeout(5.0, pool=None),
        )

    async def get(self, url: str) -> Answer:
        response = await self._client.get(url)
        return Answer(response.status_code, response.http_version, response.content)

    async def stream(self, url: str, take: Take) -> int:
        async with self._client.stream("GET", url) as response:
            async for piece in response.aiter_bytes():
                take(piece)
            return response.status_code

    async def put(self, url: str, file: BinaryIO) -> int:
        return (await self._client.put(url, content=_AsyncFile(file))).status_code

    async def close(self) -> None:
        await self._client.aclose()


class _AsyncFile:
    """A file as the async iterable of bytes that some clients want."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __aiter__(self) -> _AsyncFile:
        return self

    async def __anext__(self) -> bytes:
        piece = self._file.read(UPLOAD_PIECE)
        if not piece:
            raise StopAsyncIteration
        return piece


# --- no client at all ------------------------------------------------------------------------------------


class RawSocket:
    """A blocking socket with just enough HTTP/1.1 to tell a head from a body: what no client can undercut"""

    READ_SIZE = 256 * 1024
    """What http3 asks the kernel for, too. Less is dearer (64 KiB by a fifth), more hardly cheaper."""

    def __init__(self, setup: Setup) -> None:
        import socket

        self._connect = socket.create_connection
        self._socket: socket.socket | None = None

    def get(self, url: str) -> Answer:
        found: list[bytes] = []
        status = self.stream(url, found.append)
        return Answer(status, "HTTP/1.1", b"".join(found))

    def stream(self, url: str, take: Take) -> int:
        host, _, path = url.removeprefix("http://").partition("/")
        if self._socket is None:
            name, _, port = host.partition(":")
            self._socket = self._connect((name, int(port)))
        sock = self._socket
        sock.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += sock.recv(self.READ_SIZE)
        head, _, body = received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        left = int(length)
        while True:
            take(body)
            left -= len(body)
            if left <= 0:
                return int(head[9:12])
            body = sock.recv(min(left, self.READ_SIZE))
            if not body:
                raise ConnectionError(f"{left} bytes are missing")

    def put(self, url: str, file: BinaryIO) -> int:
        raise NotImplementedError("nothing is compared with it")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


SYNC_CLIENTS: dict[str, Callable[[Setup], SyncClient]] = {
    "http3": Http3Sync,
    "httpx": HttpxSync,
    "socket": RawSocket,
}
ASYNC_CLIENTS: dict[str, Callable[[Setup], AsyncClient]] = {
    "http3": Http3Async,
    "httpx": HttpxAsync,
}
"""Whoever is added here can be measured by every workload; see README.md."""
