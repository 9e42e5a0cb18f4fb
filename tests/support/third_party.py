"""A transport as a third party would write it, HTTP/1.1 by hand, a connection for each request; and what the
tests of such parts share.

The transport needs public names only and no base class. How bytes travel is the business of a wire: a
blocking socket, or the streams of asyncio or trio.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol

import pytest
import trio

import http3
from http3_models.engine import RequestState, ResponseState
from support.servers import StartServer, answer, answering, read_request
from support.worlds import World


class Wire(Protocol):
    """A connection that carries bytes."""

    peer: tuple[str, int]

    async def receive(self) -> bytes: ...

    async def send(self, data: bytes) -> None: ...

    def abort(self) -> None: ...


Connect = Callable[[str, int, ssl.SSLContext | None, float | None], Awaitable[Wire]]


class SocketWire:
    """A blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.peer: tuple[str, int] = sock.getpeername()[:2]

    async def receive(self) -> bytes:
        return self.socket.recv(65536)

    async def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def abort(self) -> None:
        self.socket.close()


async def connect_socket(host: str, port: int, context: ssl.SSLContext | None, timeout: float | None) -> Wire:
    """Blocks."""
    sock = socket.create_connection((host, port), timeout)
    return SocketWire(sock if context is None else context.wrap_socket(sock, server_hostname=host))


class AsyncioWire:
    """The streams of asyncio."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.peer: tuple[str, int] = writer.get_extra_info("peername")[:2]

    async def receive(self) -> bytes:
        return await self.reader.read(65536)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def abort(self) -> None:
        self.writer.transport.abort()


class TrioWire:
    """The streams of trio."""

    def __init__(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]) -> None:
        self.stream = stream
        self.sock = (stream if isinstance(stream, trio.SocketStream) else stream.transport_stream).socket
        self.peer: tuple[str, int] = self.sock.getpeername()[:2]

    async def receive(self) -> bytes:
        return bytes(await self.stream.receive_some(65536))

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    def abort(self) -> None:
        self.sock.close()


async def connect_stream(host: str, port: int, context: ssl.SSLContext | None, timeout: float | None) -> Wire:
    """Suspends, on asyncio or trio."""
    if "trio" in sys.modules and trio.lowlevel.in_trio_run():
        plain = await trio.open_tcp_stream(host, port)
        if context is None:
            return TrioWire(plain)
        return TrioWire(trio.SSLStream(plain, context, server_hostname=host, https_compatible=True))
    async with asyncio.timeout(timeout):
        return AsyncioWire(*await asyncio.open_connection(host, port, ssl=context))


class Body:
    """The body of a response on its way in."""

    def __init__(self, transport: HandMade, wire: Wire, request: RequestState, buffered: bytes) -> None:
        self.trailers: http3.Headers | None = None
        self.transport = transport
        self.wire = wire
        self.request = request
        self.buffered = buffered
        self.started = transport.now()
        self.left: int | None = None  # None: chunked
        self.is_over = False

    async def read_chunk(self) -> bytes:
        if self.is_over:
            return b""
        try:
            chunk = await (self.read_chunked() if self.left is None else self.read_counted(self.left))
        except BaseException:
            self.abort()
            raise
        if not chunk:
            self.request.phases.receive = self.transport.now() - self.started
            self.abort()
        return chunk

    async def read_counted(self, left: int) -> bytes:
        chunk = await self.take(1, most=left) if left else b""
        self.left = left - len(chunk)
        return chunk

    async def read_chunked(self) -> bytes:
        size = int(await self.line(), 16)
        if size:
            chunk = await self.take(size)
            await self.line()
            return chunk
        fields = []
        while line := await self.line():
            name, _, value = line.partition(b":")
            fields.append((name.decode(), value.strip().decode()))
        self.trailers = http3.Headers(fields) if fields else None
        return b""

    async def line(self) -> bytes:
        while b"\r\n" not in self.buffered:
            await self.fill()
        line, _, self.buffered = self.buffered.partition(b"\r\n")
        return line

    async def take(self, least: int, most: int | None = None) -> bytes:
        while len(self.buffered) < least:
            await self.fill()
        size = least if most is None else min(most, len(self.buffered))
        taken, self.buffered = self.buffered[:size], self.buffered[size:]
        return taken

    async def fill(self) -> None:
        try:
            data = await self.wire.receive()
        except TimeoutError as exc:
            raise http3.ReadTimeout("no data", delivery=http3.Delivery.MAYBE_PROCESSED) from exc
        except (OSError, trio.BrokenResourceError) as exc:
            raise http3.ReadError(str(exc), delivery=http3.Delivery.MAYBE_PROCESSED) from exc
        if not data:
            raise http3.RemoteProtocolError("cut", delivery=http3.Delivery.MAYBE_PROCESSED)
        self.buffered += data

    async def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.transport.open.discard(self)
            self.wire.abort()


class HandMade:
    """The transport. ``verify`` is a file with certificates."""

    now = staticmethod(time.monotonic)

    def __init__(self, connect: Connect, verify: str | None = None) -> None:
        self.blocks = connect is connect_socket
        self.connect = connect
        self.verify = verify
        self.open: set[Body] = set()
        self.seen: list[RequestState] = []
        self.closings = 0

    async def exchange(self, request: RequestState) -> ResponseState:
        self.seen.append(request)
        phases = request.phases
        phases.begin(self.now)
        wire = await self.connected(request)
        phases.connect = self.now() - phases.started
        body = Body(self, wire, request, b"")
        try:
            await self.send(wire, request)
            phases.send = self.now() - phases.started - phases.connect
            return await self.response(request, body)
        except BaseException:
            wire.abort()
            raise

    async def connected(self, request: RequestState) -> Wire:
        url = request.url
        context = ssl.create_default_context(cafile=self.verify) if url.is_ssl else None
        limit = None if request.timeout is None else request.timeout.connect_timeout
        try:
            wire = await self.connect(url.host, url.origin.port, context, limit)
        except OSError as exc:
            raise http3.ConnectError(f"no connection: {exc}", delivery=http3.Delivery.NOT_SENT) from exc
        if isinstance(wire, SocketWire) and request.timeout is not None:
            wire.socket.settimeout(request.timeout.read_timeout)
        return wire

    async def send(self, wire: Wire, request: RequestState) -> None:
        fields = b"".join(b"%b: %b\r\n" % (name, value) for name, value in request.headers.raw)
        await wire.send(f"{request.method} {request.url.full_path} HTTP/1.1\r\n".encode() + fields + b"\r\n")
        is_chunked = "transfer-encoding" in request.headers
        while chunk := await request.body.read_chunk():
            await wire.send(b"%x\r\n%b\r\n" % (len(chunk), chunk) if is_chunked else chunk)
        if is_chunked:
            await wire.send(b"0\r\n\r\n")

    async def response(self, request: RequestState, body: Body) -> ResponseState:
        asked = self.now()
        protocol, status, reason = ((await body.line()).decode() + " ").split(" ", 2)
        request.phases.wait = self.now() - asked
        fields = []
        while line := await body.line():
            name, _, value = line.partition(b":")
            fields.append((name.decode(), value.strip().decode()))
        headers = http3.Headers(fields)
        if "transfer-encoding" not in headers:
            body.left = int(headers["content-length"])
        self.open.add(body)
        return ResponseState(
            status_code=int(status),
            reason_phrase=reason.strip(),
            protocol=protocol,
            headers=headers,
            body=body,
            request=request,
            connection=http3.ConnectionInfo(peer_address=body.wire.peer),
        )

    async def close(self) -> None:
        self.closings += 1
        for body in list(self.open):
            body.abort()


def hand_made(blocks: bool, **options: Any) -> HandMade:
    """One of either kind."""
    return HandMade(connect_socket if blocks else connect_stream, **options)


# What the tests are made of.


def pieces(world: World, count: int) -> Iterator[bytes] | AsyncIterator[bytes]:
    """A body to be streamed."""

    async def later() -> AsyncIterator[bytes]:
        for _ in range(count):
            await world.sleep(0)
            yield bytes(10_000)

    return later() if world.is_async else iter([bytes(10_000)] * count)


def threads_started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by the name of each thread that starts from now on."""
    started: list[str] = []
    original = threading.Thread.start

    def start(self: threading.Thread) -> None:
        started.append(self.name)
        original(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    return started


def interrupted(dispatch: Any, start_server: StartServer) -> None:
    """Ctrl-C while a server is silent ends the request; the next one works."""
    is_asked = threading.Event()

    def silent(connection: socket.socket) -> None:
        read_request(connection)
        is_asked.set()
        connection.recv(1)

    def interrupt() -> None:
        assert is_asked.wait(10)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with http3.Client(dispatch=dispatch) as client:
        with pytest.raises(KeyboardInterrupt):
            client.get(start_server(silent).url)
        thread.join()
        assert client.get(start_server(answering(answer(b"x"))).url).content == b"x"


async def cancelled(call: Callable[..., Awaitable[object]], *arguments: Any, after: float) -> None:
    """Cancel a call after so many seconds; fails if it ended before."""
    if trio.lowlevel.in_trio_run():
        with trio.move_on_after(after) as scope:
            await call(*arguments)
        assert scope.cancelled_caught
    else:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(*arguments), after)
