"""What tests of the HTTP/2 engine share: scripts, an engine over a socket, requests, many at once."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import trio

from http3_models import URL, Headers, Limits, TimeoutConfig
from http3_models._request.bodies import EmptyBody, IteratorBody
from http3_models.engine import BytesBody, Deadline, RequestState, ResponseState, run_sync
from http3_transport._http2.connection import HTTP2Connection
from http3_transport._tls.stream import start_tls
from http3_transport.testing import ScriptedServer
from support.http2_peer import EchoServer, Peer
from support.servers import Authority, Script
from support.worlds import World

T = TypeVar("T")

MIB = 1024 * 1024


def scripted(act: Callable[[Peer], object], **settings: int) -> Script:
    """A script over a `Peer`; afterwards it reads until the client closes, so that nothing is reset."""

    def script(sock: socket.socket) -> None:
        peer = Peer(sock, **settings)
        act(peer)
        peer.until_closed()

    return script


def reset(sock: socket.socket) -> None:
    """Close with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def echo(**settings: int) -> Script:
    """A script that is an `EchoServer`."""

    def script(sock: socket.socket) -> None:
        EchoServer(sock, **settings).run()

    return script


def talk(
    world: World,
    server: ScriptedServer,
    main: Callable[[HTTP2Connection], Coroutine[Any, Any, object]],
    *,
    limits: Limits | None = None,
    authority: Authority | None = None,
) -> object:
    """Run a coroutine function with an engine, and see that the engine is left in order."""

    async def run() -> object:
        engine = await establish(world, server, limits=limits, authority=authority)
        try:
            result = await main(engine)
            assert engine.is_idle
            assert not engine.reader.leader.followers
            assert not engine.reader.leader.is_present
            assert not engine._writer.lock.is_held
        finally:
            engine.abort()
        return result

    return world.run(run)


def late_reader(act: Callable[[Peer], object], seconds: float = 0.4) -> Script:
    """A server with unlimited windows that answers a first request, then reads nothing for a while."""

    def script(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        peer = Peer(sock, initial_window_size=2**31 - 1)
        peer.h2.increment_flow_control_window(2**30)
        peer.flush()
        peer.respond(peer.request().stream_id)
        peer.credit = False
        time.sleep(seconds)
        act(peer)
        peer.until_closed()

    return script


def narrow(engine: HTTP2Connection) -> None:
    """Make the socket's send buffer small."""
    stream: Any = getattr(engine.stream, "_stream", engine.stream)
    stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)


class CountingLease:
    """A lease that notes what is done with it."""

    def __init__(self) -> None:
        self.released = 0
        self.answered = False
        self.cleanups: list[Callable[[], None]] = []

    def release(self) -> None:
        self.released += 1

    def release_from_finalizer(self, cleanup: Callable[[], None]) -> None:
        self.cleanups.append(cleanup)


async def establish(
    world: World,
    server: ScriptedServer,
    *,
    limits: Limits | None = None,
    authority: Authority | None = None,
) -> HTTP2Connection:
    """An engine on a new connection to a scripted server; with an ``authority`` over TLS."""
    stream = await world.backend.connect_address((socket.AF_INET, (server.host, server.port)), 5)
    if authority is not None:
        stream = await start_tls(stream, authority.client_context("h2"), "localhost", 5)
        assert stream.alpn_protocol == "h2"
    engine = HTTP2Connection(stream, world.backend, now=time.monotonic, limits=limits or Limits())
    engine.start()
    return engine


def make_request(
    method: str = "GET",
    path: str = "/",
    *,
    body: bytes | Iterable[bytes] = b"",
    fields: Iterable[tuple[str, str]] = (),
    timeout: TimeoutConfig | float | None = 5.0,
    total: float | None = None,
) -> RequestState:
    """A request record to an example origin."""
    url = URL("http://example.org" + path)
    content = (BytesBody(body) if body else EmptyBody()) if isinstance(body, bytes) else IteratorBody(body)
    request = RequestState(
        method,
        url,
        Headers([("Host", "example.org"), *fields]),
        content,
        timeout=TimeoutConfig(timeout),
        deadline=None if total is None else Deadline(total, time.monotonic),
    )
    request.phases.begin(time.monotonic)
    return request


class Answer:
    """A response that was read whole."""

    def __init__(self, response: ResponseState, content: bytes, lease: CountingLease) -> None:
        self.response = response
        self.status_code = response.status_code
        self.headers = response.headers
        self.content = content
        self.lease = lease


async def read(response: ResponseState) -> bytes:
    """The whole body."""
    assert response.body is not None
    pieces = []
    while piece := await response.body.read_chunk():
        pieces.append(piece)
    return b"".join(pieces)


async def fetch(engine: HTTP2Connection, request: RequestState) -> Answer:
    """One whole exchange; its lease must come back just once, whatever happens."""
    lease = CountingLease()
    try:
        response = await engine.exchange(request, lease)
        content = await read(response)
    finally:
        assert lease.released == 1
    return Answer(response, content, lease)


async def together(world: World, *functions: Callable[[], Awaitable[T]]) -> list[T | BaseException]:
    """Run coroutine functions at the same time, as tasks or threads; results or exceptions in their order."""
    results: dict[int, T | BaseException] = {}

    async def run(index: int) -> None:
        try:
            results[index] = await functions[index]()
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            results[index] = exc

    indexes = range(len(functions))
    if world.name == "sync":
        threads = [threading.Thread(target=lambda index=index: run_sync(run(index))) for index in indexes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a thread hangs"
    elif world.name == "asyncio":
        async with asyncio.timeout(30):
            await asyncio.gather(*[run(index) for index in indexes])
    else:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for index in indexes:
                    nursery.start_soon(run, index)
    return [results[index] for index in indexes]


async def cancelled_after(world: World, seconds: float, function: Callable[[], Awaitable[object]]) -> None:
    """Run a coroutine function and cancel it after a while. Not for blocking."""
    if world.name == "asyncio":
        task = asyncio.ensure_future(function())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
    else:
        with trio.move_on_after(seconds) as scope:
            await function()
        assert scope.cancelled_caught
