"""Uploads over HTTP/1.1: files that the kernel sends, and when an early answer is looked for."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import socket
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

import http3
from http3_models import (
    URL,
    AsyncRequest,
    Delivery,
    Headers,
    LocalProtocolError,
    RemoteProtocolError,
    TimeoutConfig,
    TotalTimeout,
    WriteError,
    WriteTimeout,
)
from http3_models._request.encode import encode_request
from http3_models.engine import Deadline, RequestBody, RequestState, run_sync, state_of
from http3_transport._http1.connection import HTTP11Connection
from http3_transport._http1.upload import LOOK_SECONDS, LOOK_SIZE, SMALL_FILE
from http3_transport._interfaces import DirectStream
from support import http11_oracle as oracle
from support.exchanges import Pieces, answering, fetch, make_pool, ok
from support.servers import Authority, Hypercorn, Nginx, StartServer, Uvicorn, read_head, read_request
from support.worlds import World

KIB = 1024
MIB = 1024 * KIB
HUGE = 64 * MIB
"""More than the kernel's buffers on both ends hold."""


def pattern(size: int) -> bytes:
    """Bytes whose place shows."""
    return array("I", range(size // 4 + 1)).tobytes()[:size]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.bin"


@pytest.fixture
def huge(path: Path) -> Iterator[Any]:
    """A file with a hole of `HUGE` bytes, open."""
    with path.open("wb") as file:
        file.truncate(HUGE)
    with path.open("rb") as opened:
        yield opened


class Counted:
    """`os.sendfile`, which notes what it was asked and what it did; and does less, if it is told to."""

    def __init__(self) -> None:
        self._real = os.sendfile
        self.asked: list[int] = []
        self.sent = 0
        self.at_most = HUGE
        self.refuse_after = HUGE
        self.refusal = 0

    def __call__(self, target: int, source: int, offset: int, count: int) -> int:
        self.asked.append(count)
        if self.sent >= self.refuse_after:
            raise OSError(self.refusal, os.strerror(self.refusal))
        taken = self._real(target, source, offset, min(count, self.at_most, self.refuse_after - self.sent))
        self.sent += taken
        return taken


@pytest.fixture
def sendfile(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr("os.sendfile", counted)
    return counted


@pytest.fixture(params=["sync", "trio"])
def direct(request: pytest.FixtureRequest) -> World:
    """The worlds whose streams send files."""
    return World(request.param)


class Received:
    """A script that answers each request with 200, and keeps the bodies."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        while request := read_request(connection):
            self.bodies.append(request.body)
            connection.sendall(ok())


def put(world: World, url: str, data: Any, **options: Any) -> None:
    """One upload that is to succeed and to leave its connection usable."""

    async def main() -> None:
        pool = make_pool(world)
        response = await fetch(pool, url, "PUT", data=data, **options)
        assert response.status_code == 200
        assert len(pool.keepalive_connections) == 1
        await pool.close()

    world.run(main)


def descriptors() -> set[str]:
    """The open ones of this process."""
    return set(os.listdir("/dev/fd"))


# Files.


@pytest.mark.parametrize("start", [0, 10_007])
@pytest.mark.parametrize(
    "size",
    [0, 1, SMALL_FILE, SMALL_FILE + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 3 * MIB + 17],
)
def test_a_file_arrives(
    world: World, start_server: StartServer, path: Path, sendfile: Counted, size: int, start: int
) -> None:
    received = Received()
    server = start_server(received)
    content = pattern(start + size)
    path.write_bytes(content)
    with path.open("rb") as file:
        file.read(start)  # the buffer is ahead of that
        put(world, server.url, file)
        assert file.tell() == start + size
        assert file.read() == b""
    assert received.bodies == [content[start:]]
    is_sent = world.name != "asyncio" and size > SMALL_FILE
    assert sendfile.sent == (size if is_sent else 0)
    assert all(count <= LOOK_SIZE for count in sendfile.asked)


def test_a_file_takes_few_system_calls(
    direct: World, start_server: StartServer, path: Path, sendfile: Counted
) -> None:
    path.write_bytes(bytes(MIB))
    with path.open("rb") as file:
        put(direct, start_server(Received()).url, file)
    assert len(sendfile.asked) >= MIB // LOOK_SIZE
    # Where the peer lags behind some are cut short, and each wait costs one that takes nothing.
    assert len(sendfile.asked) <= MIB // (64 * KIB)


class Shouting(io.BufferedReader):
    """Gives something else than the file holds."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size).upper()


def make_temporary(path: Path) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the test closes it
    file.write(path.read_bytes())
    file.seek(0)
    return file


def make_spooled(path: Path) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=10)  # noqa: SIM115 - the test closes it
    file.write(path.read_bytes())
    file.seek(0)
    return file


def make_gzip(path: Path) -> Any:
    path.write_bytes(gzip.compress(path.read_bytes()))
    return gzip.open(path)


KINDS: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "not buffered": (lambda path: path.open("rb", buffering=0), True),
    "read and write": (lambda path: path.open("r+b"), True),
    "temporary": (make_temporary, True),
    "spooled": (make_spooled, False),
    "gzip": (make_gzip, False),
    "a subclass": (lambda path: Shouting(io.FileIO(path)), False),
    "in memory": (lambda path: io.BytesIO(path.read_bytes()), False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_is_what_the_file_reads(
    direct: World, start_server: StartServer, path: Path, sendfile: Counted, kind: str
) -> None:
    received = Received()
    path.write_bytes(pattern(300_000))
    make, is_sent = KINDS[kind]
    with make(path) as file:
        put(direct, start_server(received).url, file)
        file.seek(0)
        assert received.bodies == [file.read()]
    assert (sendfile.sent > 0) == is_sent


def test_what_was_just_written_is_sent(
    direct: World, start_server: StartServer, path: Path, sendfile: Counted
) -> None:
    received = Received()
    server = start_server(received)
    path.write_bytes(pattern(300_000))

    async def main() -> None:
        pool = make_pool(direct)
        with path.open("r+b") as file:
            request = AsyncRequest("PUT", server.url, data=file)
            file.write(b"news")
            await (await pool.send(request)).read()
            await pool.close()

    direct.run(main)
    assert received.bodies == [b"news" + pattern(300_000)[4:]]
    assert sendfile.sent == 300_000


def test_a_file_that_grows_is_sent_as_it_was(world: World, start_server: StartServer, path: Path) -> None:
    bodies: list[bytes] = []

    def script(connection: socket.socket) -> None:
        head = read_head(connection)
        assert b"%d" % MIB in head
        with path.open("ab") as file:
            file.write(b"more" * 100_000)
        left = MIB
        while left:
            bodies.append(connection.recv(min(left, 65536)))
            left -= len(bodies[-1])
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        connection.sendall(ok())
        connection.recv(1)

    path.write_bytes(pattern(MIB))
    with path.open("rb") as file:
        put(world, start_server(script).url, file)
        assert file.tell() == MIB
    assert b"".join(bodies) == pattern(MIB)


async def test_a_file_that_gets_shorter(
    world: World, start_server: StartServer, huge: Any, path: Path, sendfile: Counted
) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        os.truncate(path, MIB)
        while connection.recv(65536):
            pass

    server = start_server(script, answering(ok(b"next")))
    pool = make_pool(world)
    with pytest.raises(LocalProtocolError, match=rf"got shorter.* of {HUGE} bytes") as caught:
        await fetch(pool, server.url, "PUT", data=huge)
    assert caught.value.delivery is Delivery.MAYBE_PROCESSED
    assert pool.active_connections == pool.keepalive_connections == []
    assert (await fetch(pool, server.url)).content == b"next"
    await pool.close()
    assert MIB <= huge.tell() < HUGE
    assert (sendfile.sent > 0) == (world.name != "asyncio")


REFUSALS = [errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ENOTSOCK, errno.EOPNOTSUPP, errno.EIO]


@pytest.mark.parametrize("refusal", REFUSALS, ids=errno.errorcode.get)
@pytest.mark.parametrize("after", [0, 1, 400_000])
def test_a_refusal_loses_and_repeats_nothing(
    direct: World, start_server: StartServer, path: Path, sendfile: Counted, refusal: int, after: int
) -> None:
    received = Received()
    sendfile.refusal, sendfile.refuse_after = refusal, after
    path.write_bytes(pattern(MIB + 3))
    with path.open("rb") as file:
        file.seek(5)
        put(direct, start_server(received).url, file)
        assert file.tell() == MIB + 3
    assert received.bodies == [pattern(MIB + 3)[5:]]
    assert sendfile.sent == after


def test_a_system_without_sendfile(
    direct: World, start_server: StartServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.sendfile")
    received = Received()
    path.write_bytes(pattern(MIB))
    with path.open("rb") as file:
        put(direct, start_server(received).url, file)
    assert received.bodies == [pattern(MIB)]


def test_a_kernel_that_takes_little(
    direct: World, start_server: StartServer, path: Path, sendfile: Counted
) -> None:
    received = Received()
    sendfile.at_most = 7_777
    path.write_bytes(pattern(MIB))
    with path.open("rb") as file:
        put(direct, start_server(received).url, file)
    assert received.bodies == [pattern(MIB)]


def test_a_slow_reader_gets_it_all(world: World, start_server: StartServer, path: Path) -> None:
    digest = hashlib.sha256()
    size = 24 * MIB + 5

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        read_head(connection)
        left = size
        while left:
            time.sleep(0.001)
            piece = connection.recv(min(left, 200_000))
            digest.update(piece)
            left -= len(piece)
        connection.sendall(ok())
        connection.recv(1)

    path.write_bytes(pattern(size))
    with path.open("rb") as file:
        put(world, start_server(script).url, file)
    assert digest.digest() == hashlib.sha256(pattern(size)).digest()


@pytest.mark.parametrize("limit", ["write", "total"])
def test_a_server_that_takes_nothing(world: World, start_server: StartServer, huge: Any, limit: str) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        done.wait(5)

    done = threading.Event()
    server = start_server(script)
    before = descriptors()

    async def main() -> None:
        pool = make_pool(world, timeout=TimeoutConfig(write_timeout=0.1 if limit == "write" else None))
        request = AsyncRequest("PUT", server.url, data=huge)
        if limit == "total":
            state_of(request).deadline = Deadline(0.2, pool.now)
        with pytest.raises(WriteTimeout if limit == "write" else TotalTimeout, match=f"{limit}_timeout"):
            await pool.send(request)
        assert pool.active_connections == pool.keepalive_connections == []
        await pool.close()

    try:
        world.run(main)
    finally:
        done.set()
    server.close()
    assert descriptors() <= before
    assert 0 < huge.tell() < HUGE


@pytest.mark.parametrize("then", ["wait", "close"])
@pytest.mark.parametrize("read_before", [0, MIB])
def test_an_early_answer_stops_a_file(
    world: World, start_server: StartServer, huge: Any, sendfile: Counted, read_before: int, then: str
) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        left = read_before
        while left:
            left -= len(connection.recv(min(left, 65536)))
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        if then == "wait":
            over.wait(5)

    over = threading.Event()
    server = start_server(script, answering(ok(b"next")))

    async def main() -> None:
        pool = make_pool(world)
        response = await fetch(pool, server.url, "PUT", data=huge)
        assert (response.status_code, response.content) == (413, b"big")
        assert pool.active_connections == pool.keepalive_connections == []
        assert (await fetch(pool, server.url)).content == b"next"
        await pool.close()

    try:
        world.run(main)
    finally:
        over.set()
    assert huge.tell() < HUGE
    assert (sendfile.sent > 0) == (world.name != "asyncio" and huge.tell() > 0)


def test_a_100_continue_does_not_stop_a_file(
    direct: World, start_server: StartServer, path: Path, sendfile: Counted
) -> None:
    received: list[bytes] = []

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        left = 20 * MIB
        while left:
            received.append(connection.recv(min(left, 65536)))
            left -= len(received[-1])
        connection.sendall(ok())
        connection.recv(1)

    path.write_bytes(pattern(20 * MIB))
    with path.open("rb") as file:
        put(direct, start_server(script).url, file)
    assert b"".join(received) == pattern(20 * MIB)
    assert sendfile.sent == 20 * MIB


def test_a_cancelled_upload_on_trio(start_server: StartServer, huge: Any, sendfile: Counted) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        done.wait(5)

    done = threading.Event()
    server = start_server(script, answering(ok(b"next")))
    world = World("trio")
    before = descriptors()

    async def main() -> None:
        pool = make_pool(world)
        with trio.move_on_after(0.2) as scope:
            await fetch(pool, server.url, "PUT", data=huge)
        assert scope.cancelled_caught
        assert pool.active_connections == pool.keepalive_connections == []
        assert 0 < huge.tell() == sendfile.sent < HUGE
        done.set()
        assert (await fetch(pool, server.url)).content == b"next"
        await pool.close()

    try:
        world.run(main)
    finally:
        done.set()
    server.close()
    assert descriptors() <= before


def test_a_redirect_sends_the_file_again(uvicorn: Uvicorn, path: Path, sendfile: Counted) -> None:
    content = pattern(MIB)
    path.write_bytes(content)
    with path.open("rb") as file, http3.Client() as client:
        file.seek(100)
        url = f"{uvicorn.url}/redirect-to?url=/upload&status=307"
        response = client.post(url, data=file)
        assert response.history
        assert response.json()["sha256"] == hashlib.sha256(content[100:]).hexdigest()
        assert file.tell() == MIB
    assert sendfile.sent > MIB - 100


def test_a_file_in_a_multipart_body(
    world: World, start_server: StartServer, path: Path, sendfile: Counted
) -> None:
    received = Received()
    server = start_server(received)
    path.write_bytes(pattern(500_000))
    with path.open("rb") as one, path.open("rb") as two:
        files = [("a", ("a", one)), ("b", ("b", b"bytes")), ("c", ("c", two)), ("d", io.BytesIO(b"memory"))]
        two.seek(100_000)
        put(world, server.url, None, files=files)
        assert (one.tell(), two.tell()) == (500_000, 500_000)
    boundary = received.bodies[0].split(b"\r\n")[0]
    parts = [part.partition(b"\r\n\r\n")[2][:-2] for part in received.bodies[0].split(boundary)[1:-1]]
    assert parts == [pattern(500_000), b"bytes", pattern(500_000)[100_000:], b"memory"]
    assert received.bodies[0].endswith(boundary + b"--\r\n")
    assert sendfile.sent == (0 if world.name == "asyncio" else 900_000)


def test_a_file_that_is_to_be_chunked_is_read(
    direct: World, start_server: StartServer, path: Path, sendfile: Counted
) -> None:
    received = Received()
    path.write_bytes(pattern(300_000))
    with path.open("rb") as file:
        put(direct, start_server(received).url, file, headers={"Transfer-Encoding": "chunked"})
    assert received.bodies == [pattern(300_000)]
    assert sendfile.asked == []


# Against real servers.


@pytest.mark.parametrize("size", [0, 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 3 * MIB + 17])
async def test_python_servers(
    world: World, uvicorn: Uvicorn, hypercorn: Hypercorn, authority: Authority, path: Path, size: int
) -> None:
    content = pattern(size)
    path.write_bytes(content)  # noqa: ASYNC240 - nothing else runs yet
    for versions in (("HTTP/1.1",), ("HTTP/2",)):
        pool = make_pool(world, verify=authority.ca_file, http_versions=versions)
        urls = [hypercorn.tls, *([uvicorn.url, hypercorn.url] if versions[0] == "HTTP/1.1" else [])]
        for url in urls:
            with path.open("rb") as file:
                response = await fetch(pool, url + "/upload", "POST", data=file)
            got = await response.json()
            assert (got["size"], got["sha256"]) == (size, hashlib.sha256(content).hexdigest())
        await pool.close()


async def test_nginx_stores_a_file_and_refuses_one(
    world: World, nginx: Nginx, path: Path, sendfile: Counted
) -> None:
    content = pattern(3 * MIB + 17)
    path.write_bytes(content)  # noqa: ASYNC240 - nothing else runs yet
    pool = make_pool(world)
    with path.open("rb") as file:
        for _ in range(3):
            file.seek(0)
            response = await fetch(pool, nginx.plain + "/limited", "PUT", data=file)
            assert response.status_code == 413
        file.seek(1)
        stored = await fetch(pool, nginx.plain + "/files/sent.bin", "PUT", data=file)
        assert stored.status_code in (201, 204)
    await pool.close()
    assert (nginx.files / "sent.bin").read_bytes() == content[1:]


def test_tls_reads_the_file(
    direct: World, nginx: Nginx, authority: Authority, path: Path, sendfile: Counted
) -> None:
    path.write_bytes(pattern(MIB))

    async def main() -> None:
        pool = make_pool(direct, verify=authority.ca_file)
        with path.open("rb") as file:
            await fetch(pool, nginx.tls + "/files/tls.bin", "PUT", data=file)
        await pool.close()

    direct.run(main)
    assert (nginx.files / "tls.bin").read_bytes() == pattern(MIB)
    assert sendfile.asked == []


# When the server is listened to.


class Bottomless(oracle.PlayedStream, DirectStream):
    """Takes everything at once; the peer answers after so many bytes."""

    def __init__(self, answer: bytes, after: float) -> None:
        super().__init__([answer])
        self._after = after
        self.taken = 0
        self.looks = 0

    def write_pieces_nowait(self, pieces: Sequence[bytes]) -> int:
        self.taken += sum(map(len, pieces))
        return sum(map(len, pieces))

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        self.taken += len(data)
        return len(data)

    def read_nowait(self, max_bytes: int) -> bytes | None:
        self.looks += 1
        return self._pieces.popleft() if self.taken >= self._after else None


class Clock:
    """Moves on by so many seconds for each chunk of the body."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self._step = step

    def __call__(self) -> float:
        return self.now

    def chunks(self, size: int, count: int) -> Iterator[bytes]:
        for _ in range(count):
            self.now += self._step
            yield bytes(size)


def request_of(body: RequestBody, **options: Any) -> RequestState:
    headers = Headers({"Host": "a", "Transfer-Encoding": "chunked"})
    return RequestState("PUT", URL("http://a/"), headers, body, **options)


TOO_LARGE = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("size", [100, 65_536, 100_000, 3 * MIB])
def test_an_early_answer_is_noticed_within_a_few_pieces(size: int) -> None:
    clock, stream = Clock(0.0), Bottomless(TOO_LARGE, after=5 * MIB)
    engine = HTTP11Connection(stream, now=clock, limits=oracle.LIMITS)
    body = encode_request(data=clock.chunks(size, 50 * MIB // size))[0]
    assert run_sync(engine.exchange(request_of(body), oracle.Held())).status_code == 413
    assert engine.is_closed
    assert stream.taken < 5 * MIB + LOOK_SIZE + 2 * size
    assert stream.looks <= 1 + stream.taken // min(LOOK_SIZE, size)


def test_looks_are_few_while_the_body_comes_fast() -> None:
    clock, stream = Clock(LOOK_SECONDS / 1000), Bottomless(ok(), after=float("inf"))
    engine = HTTP11Connection(stream, now=clock, limits=oracle.LIMITS)
    body = encode_request(data=clock.chunks(60_000, 100))[0]
    assert run_sync(engine.exchange(request_of(body), oracle.Held())).status_code == 200
    assert stream.looks == 100 // (LOOK_SIZE // 60_000) - 1


def test_a_slow_body_looks_up_at_each_piece() -> None:
    clock, stream = Clock(LOOK_SECONDS), Bottomless(TOO_LARGE, after=1000)
    engine = HTTP11Connection(stream, now=clock, limits=oracle.LIMITS)
    body = encode_request(data=clock.chunks(100, 1000))[0]
    assert run_sync(engine.exchange(request_of(body), oracle.Held())).status_code == 413
    assert stream.taken < 1200


def test_an_endless_body_ends_with_its_time() -> None:
    clock, stream = Clock(0.001), Bottomless(ok(), after=float("inf"))
    engine = HTTP11Connection(stream, now=clock, limits=oracle.LIMITS)
    body = encode_request(data=clock.chunks(100_000, 1_000_000))[0]
    with pytest.raises(TotalTimeout):
        run_sync(engine.exchange(request_of(body, deadline=Deadline(1.0, clock)), oracle.Held()))
    assert clock.now < 1.1


def test_a_full_kernel_is_waited_for(direct: World, start_server: StartServer) -> None:
    """A slow reader of chunks gets each byte, in order."""
    received = Received()

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        time.sleep(0.1)
        received(connection)

    content = pattern(16 * MIB)
    pieces = [content[start : start + 65_536] for start in range(0, len(content), 65_536)]
    put(direct, start_server(script).url, Pieces(*pieces))
    assert received.bodies == [content]


@pytest.mark.parametrize("chunked", [True, False])
def test_an_oserror_of_the_body_is_raised_as_it_is(
    world: World, start_server: StartServer, chunked: bool
) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1, /) -> bytes:
            raise FileNotFoundError(errno.ENOENT, "the body's own")

    def silent(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    server = start_server(silent, answering(ok(b"next")))

    async def main() -> bytes:
        pool = make_pool(world, timeout=TimeoutConfig(write_timeout=60))
        fields = {} if chunked else {"Content-Length": "5"}
        with pytest.raises(FileNotFoundError, match="the body's own"):  # without waiting for an answer
            await fetch(pool, server.url, "POST", data=Broken(), headers=fields)
        assert pool.active_connections == pool.keepalive_connections == []
        content = (await fetch(pool, server.url)).content
        await pool.close()
        return content

    assert world.run(main) == b"next"


def test_a_connection_that_breaks_under_a_file(world: World, start_server: StartServer, huge: Any) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)

    server = start_server(script, answering(ok(b"next")))
    before = descriptors()

    async def main() -> None:
        pool = make_pool(world)
        with pytest.raises((WriteError, RemoteProtocolError), match=r"closed|reset|[Bb]roken") as caught:
            await fetch(pool, server.url, "POST", data=huge)
        assert caught.value.delivery is Delivery.MAYBE_PROCESSED
        assert (await fetch(pool, server.url)).content == b"next"
        await pool.close()

    world.run(main)
    server.close()
    assert descriptors() <= before
