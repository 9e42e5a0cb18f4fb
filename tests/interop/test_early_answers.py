"""HTTP/1.1: answers that begin before the request was sent whole. A 2xx leaves the upload going on while the
response is read; a 3xx to 5xx, `Connection: close` and an answer that is whole stop it."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import http3
from http3_transport.testing import ScriptedServer
from support.hostile_peers import marking, reset, watched
from support.servers import Authority, answer, read_head
from support.worlds import World, collect, do, raised

pytestmark = pytest.mark.thorough

StartServer = Callable[..., ScriptedServer]

KIB = 1024
SIZE = 6 * KIB * KIB + 17
BUFFER = 128 * KIB
"""Of the kernel, at the server's end. With those of the client's end half of ``SIZE`` fits in, both ways."""

CONTENT = array("I", range(SIZE // 4 + 1)).tobytes()[:SIZE]
PIECE = 60_000


def pieces() -> Iterator[bytes]:
    for start in range(0, SIZE, PIECE):
        yield CONTENT[start : start + PIECE]


async def later_pieces() -> AsyncIterator[bytes]:
    for piece in pieces():
        yield piece


class Shape(NamedTuple):
    """A way to give the same body."""

    make: Callable[[Path], Any]
    fields: dict[str, str] | None = None


SHAPES = {
    "bytes": Shape(lambda path: CONTENT),
    "bytes in chunks": Shape(lambda path: CONTENT, {"Transfer-Encoding": "chunked"}),
    "file": Shape(lambda path: path.open("rb")),
    "file in memory": Shape(lambda path: io.BytesIO(CONTENT)),
    "iterator": Shape(lambda path: pieces()),
    "iterator of known length": Shape(lambda path: pieces(), {"Content-Length": str(SIZE)}),
    "asynchronous iterator": Shape(lambda path: later_pieces()),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upload") / "content"
    path.write_bytes(CONTENT)
    return path


@contextmanager
def body_of(world: World, shape: str, path: Path) -> Iterator[Any]:
    if shape == "asynchronous iterator" and not world.is_async:
        pytest.skip("Client sends no asynchronous iterator")
    body = SHAPES[shape].make(path)
    yield body
    if hasattr(body, "close"):
        body.close()


class Incoming:
    """The body of a request, as far as it has come, without the framing."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self._file = connection.makefile("rb")
        self.size = 0
        fields = {}
        self.target = self._file.readline().split()[1]
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        self._is_chunked = fields.get("transfer-encoding") == "chunked"
        self._left = 0 if self._is_chunked else int(fields.get("content-length", "0"))

    def read(self) -> bytes:
        """Some of it; b"" at its end. Raises ConnectionError where it is cut."""
        if self._is_chunked and not self._left:
            size = self._file.readline()
            if not size.endswith(b"\n"):
                raise ConnectionAbortedError("the upload was cut")
            self._left = int(size, 16)
            if not self._left:
                self._file.readline()
                return b""
        if not self._left:
            return b""
        data = self._file.read1(min(self._left, 8 * KIB))
        if not data:
            raise ConnectionAbortedError("the upload was cut")
        self._left -= len(data)
        self.size += len(data)
        if self._is_chunked and not self._left:
            self._file.readline()
        return data


OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"
FRAMINGS = {
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n",
    "length": OK + b"Content-Length: %d\r\n\r\n" % SIZE,
    "until the end": OK + b"\r\n",
    "HTTP/1.0": b"HTTP/1.0 201 Created\r\n\r\n",
}


def echo(head: bytes) -> Callable[[socket.socket], None]:
    """A server that answers when it has the head, and sends back what it gets as it gets it."""

    def script(connection: socket.socket) -> None:
        incoming = Incoming(connection)
        connection.sendall(head)
        is_chunked = b"chunked" in head
        while data := incoming.read():
            connection.sendall(b"%x\r\n%b\r\n" % (len(data), data) if is_chunked else data)
        if is_chunked:
            connection.sendall(b"0\r\n\r\n")
        if b"200 OK\r\n\r\n" in head or b"1.0" in head:
            if isinstance(connection, ssl.SSLSocket):
                with suppress(OSError):
                    connection.unwrap()
            return
        marking(connection)

    return script


@pytest.fixture(params=["plain", "TLS"])
def tls(request: pytest.FixtureRequest, authority: Authority) -> ssl.SSLContext | None:
    return authority.server_context() if request.param == "TLS" else None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_server_that_echoes(
    world: World,
    start_server: StartServer,
    authority: Authority,
    tls: ssl.SSLContext | None,
    path: Path,
    shape: str,
    streamed: bool,
) -> None:
    """Neither side's buffers hold the body: it only works if both read and write."""
    server = start_server(echo(FRAMINGS["chunked"]), tls=tls)
    user = watched(world, verify=authority.ca_file)
    with body_of(world, shape, path) as data:
        response = await do(
            user.client.post(server.url + "/case", data=data, headers=SHAPES[shape].fields, stream=streamed)
        )
        received = b"".join(await collect(response.stream())) if streamed else response.content
    assert received == CONTENT
    assert response.status_code == 200
    assert len(user.pool.keepalive_connections) == 1
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 1


@pytest.mark.parametrize("shape", ["bytes", "file", "iterator", "iterator of known length"])
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_every_framing_of_the_answer(
    world: World, start_server: StartServer, path: Path, framing: str, shape: str
) -> None:
    server = start_server(echo(FRAMINGS[framing]), marking)
    user = watched(world)
    with body_of(world, shape, path) as data:
        received = await user.body(server.url + "/case", "POST", data=data, headers=SHAPES[shape].fields)
    assert received == CONTENT
    assert await user.body(server.url + "/last") == b"/last"


@pytest.mark.parametrize("read_by", ["strict", "h11"])
@pytest.mark.parametrize("before", [b"", CONTINUE, EARLY_HINTS * 2], ids=["alone", "100", "103"])
async def test_a_small_slow_upload(
    world: World, start_server: StartServer, monkeypatch: pytest.MonkeyPatch, before: bytes, read_by: str
) -> None:
    """20 pieces of 1,000 bytes; the answer begins behind the first one."""
    monkeypatch.setattr("http3_transport._http1.connection.FAST", read_by == "strict")

    def slow() -> Iterator[bytes]:
        for number in range(20):
            time.sleep(0.005)
            yield bytes([number]) * 1000

    server = start_server(echo(before + FRAMINGS["chunked"]))
    user = watched(world)
    received = await user.body(server.url + "/case", "POST", data=slow())
    assert received == b"".join([bytes([number]) * 1000 for number in range(20)])
    assert await user.body(server.url + "/last") == b"/last"


async def test_an_answer_that_comes_instead_of_100_continue(
    world: World, start_server: StartServer, path: Path
) -> None:
    server = start_server(echo(FRAMINGS["chunked"]))
    user = watched(world)
    fields = {"Expect": "100-continue"}
    assert await user.body(server.url + "/case", "POST", data=CONTENT, headers=fields) == CONTENT
    assert await user.body(server.url + "/last") == b"/last"


@pytest.mark.parametrize("shape", ["bytes", "file", "iterator"])
async def test_an_answer_nobody_reads_does_not_cut_the_upload(
    world: World,
    start_server: StartServer,
    tls: ssl.SSLContext | None,
    authority: Authority,
    path: Path,
    shape: str,
) -> None:
    """Who looks at the status alone, and closes, has sent all if the server took it."""
    taken: list[int] = []
    done = threading.Event()

    def script(connection: socket.socket) -> None:
        incoming = Incoming(connection)
        connection.sendall(FRAMINGS["length"])
        with suppress(ConnectionError):
            while incoming.read():
                pass
        taken.append(incoming.size)
        done.set()

    server = start_server(script, tls=tls)
    user = watched(world, verify=authority.ca_file)
    with body_of(world, shape, path) as data:
        response = await do(user.client.post(server.url + "/case", data=data, stream=True))
        await do(response.close())
    done.wait(10)
    assert taken == [SIZE]
    assert user.is_empty


# What stops an upload.

HUGE = 50_000_000


def huge_pieces() -> Iterator[bytes]:
    for _ in range(HUGE // PIECE):
        yield bytes(PIECE)


STOPPING = {
    "a redirect": b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 10\r\n\r\n01234",
    "a client's error": b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 10\r\n\r\n01234",
    "a server's error": b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n",
    "close": OK + b"Connection: close\r\nContent-Length: 10\r\n\r\n01234",
    "close among others": OK
    + b"Connection: x, Close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n",
    "HTTP/1.0 and close": b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n01234",
}


@pytest.mark.parametrize("shape", ["bytes", "iterator"])
@pytest.mark.parametrize("case", STOPPING)
async def test_what_stops_an_upload(
    world: World,
    start_server: StartServer,
    tls: ssl.SSLContext | None,
    authority: Authority,
    case: str,
    shape: str,
) -> None:
    """The server reads no more: an upload that goes on would wait for ever."""
    head = STOPPING[case]

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(head)
        time.sleep(0.05)
        connection.sendall(b"56789" + (b"\r\n0\r\n\r\n" if b"chunked" in head else b""))
        if isinstance(connection, ssl.SSLSocket):
            connection.setblocking(False)
            with suppress(OSError):
                connection.unwrap()  # says goodbye
        else:
            connection.shutdown(socket.SHUT_WR)
        over.wait(10)

    over = threading.Event()
    server = start_server(script, marking, tls=tls)
    user = watched(world, verify=authority.ca_file)
    data = bytes(HUGE) if shape == "bytes" else huge_pieces()
    response = await do(user.client.post(server.url + "/case", data=data, allow_redirects=False))
    over.set()
    assert response.status_code == int(head[9:12])
    assert response.content == b"0123456789"
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 2


WHOLE = {
    "of known length": answer(b"taken"),
    "of no length": answer(b""),
    "in chunks": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\ntaken\r\n0\r\n\r\n",
    "without a body": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("shape", ["bytes", "iterator"])
@pytest.mark.parametrize("case", WHOLE)
async def test_a_whole_answer_stops_an_upload(
    world: World, start_server: StartServer, case: str, shape: str
) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(WHOLE[case])
        over.wait(10)

    over = threading.Event()
    server = start_server(script, marking)
    user = watched(world)
    data = bytes(HUGE) if shape == "bytes" else huge_pieces()
    response = await do(user.client.post(server.url + "/case", data=data))
    over.set()
    assert response.content in (b"taken", b"")
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"


async def test_an_answer_that_becomes_whole_stops_the_upload(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        incoming = Incoming(connection)
        connection.sendall(OK + b"Content-Length: 10\r\n\r\n01234")
        while incoming.size < 1_000_000:
            incoming.read()
        connection.sendall(b"56789")
        over.wait(10)

    over = threading.Event()
    server = start_server(script, marking)
    user = watched(world)
    assert await user.body(server.url + "/case", "POST", data=bytes(HUGE)) == b"0123456789"
    over.set()
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 2


# What goes wrong on the way.


def answering_then(act: Callable[[socket.socket, Incoming], object]) -> Callable[[socket.socket], None]:
    """A script that begins its answer at once, takes a part of the body, and then does this."""

    def script(connection: socket.socket) -> None:
        incoming = Incoming(connection)
        connection.sendall(FRAMINGS["length"] + b"begun")
        while incoming.size < 100_000:
            incoming.read()
        act(connection, incoming)

    return script


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("end", ["closes", "resets"])
async def test_a_server_that_goes_away(
    world: World, start_server: StartServer, end: str, streamed: bool
) -> None:
    server = start_server(
        answering_then(lambda connection, incoming: reset(connection) if end == "resets" else None), marking
    )
    user = watched(world)

    async def post() -> None:
        response = await do(user.client.post(server.url + "/case", data=bytes(HUGE), stream=streamed))
        await collect(response.stream())

    error = await raised((http3.ReadError, http3.RemoteProtocolError), post)
    assert error.delivery == "maybe_processed"
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"


@pytest.mark.parametrize("limit", ["write", "total"])
async def test_a_server_that_neither_reads_nor_writes(
    world: World, start_server: StartServer, tls: ssl.SSLContext | None, authority: Authority, limit: str
) -> None:
    over = threading.Event()
    server = start_server(answering_then(lambda *_: over.wait(10)), tls=tls)
    user = watched(world, verify=authority.ca_file)
    timeout = http3.TimeoutConfig(10, **{f"{limit}_timeout": 0.3})
    kind = http3.WriteTimeout if limit == "write" else http3.TotalTimeout
    error = await raised(kind, user.client.post, server.url + "/case", data=bytes(HUGE), timeout=timeout)
    over.set()
    assert f"{limit}_timeout" in str(error)
    assert server.url in str(error)
    assert user.is_empty


async def test_a_server_that_falls_silent_after_the_upload(world: World, start_server: StartServer) -> None:
    def take_all(connection: socket.socket, incoming: Incoming) -> None:
        while incoming.read():
            pass
        over.wait(10)

    over = threading.Event()
    server = start_server(answering_then(take_all))
    user = watched(world)
    timeout = http3.TimeoutConfig(10, read_timeout=0.2)
    await raised(http3.ReadTimeout, user.client.post, server.url, data=CONTENT, timeout=timeout)
    over.set()
    assert user.is_empty


@pytest.mark.parametrize("kind", [ValueError, OSError])
async def test_what_the_body_raises_reaches_the_caller(
    world: World, start_server: StartServer, kind: type[Exception]
) -> None:
    def broken() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(PIECE)
        raise kind("the body's own")

    server = start_server(echo(FRAMINGS["chunked"]), marking)
    user = watched(world)
    error = await raised(kind, user.client.post, server.url + "/case", data=broken())
    assert type(error) is kind
    assert str(error) == "the body's own"
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"


@pytest.mark.parametrize("declared", [SIZE - 1, SIZE + 1])
async def test_a_body_of_another_length(world: World, start_server: StartServer, declared: int) -> None:
    server = start_server(echo(FRAMINGS["chunked"]), marking)
    user = watched(world)
    fields = {"Content-Length": str(declared)}
    error = await raised(
        http3.LocalProtocolError, user.client.post, server.url + "/case", data=pieces(), headers=fields
    )
    assert f"Content-Length says {declared}" in str(error)
    assert server.url in str(error)
    assert error.delivery == "maybe_processed"
    assert user.is_empty


@pytest.mark.parametrize("shape", ["bytes", "iterator"])
async def test_a_response_that_is_closed_half_way(
    world: World, start_server: StartServer, path: Path, shape: str
) -> None:
    server = start_server(echo(FRAMINGS["chunked"]), marking)
    user = watched(world)
    with body_of(world, shape, path) as data:
        response = await do(user.client.post(server.url + "/case", data=data, stream=True))
        stream = response.stream()
        first = await anext(aiter(stream)) if world.is_async else next(iter(stream))
        assert CONTENT.startswith(first)
        await do(response.close())
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"
