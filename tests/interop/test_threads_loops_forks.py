"""One client in many threads, on several loops one after the other, and on both sides of a fork."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import trio
from h2.errors import ErrorCodes

import http3
from http3_transport import BlockingBackend, ConnectionPool
from http3_transport._backends import _lookup
from http3_transport._pool import scope
from http3_transport.testing import ScriptedServer
from support.http2_peer import Incoming, Peer
from support.servers import Authority, StartServer, answer
from support.stalling_peers import BadHTTP2, BadHTTP11, path_of, serve_http2, serve_http11

THREADS, EACH = 16, 125
FAULTY = 10
"""Every so many requests one goes wrong on the server's side."""


class Place(NamedTuple):
    """A server, and how to reach it."""

    server: ScriptedServer
    options: dict[str, Any]

    @property
    def url(self) -> str:
        return self.server.url


WAYS = ("HTTP/1.1", "HTTP/2", "HTTP/1.1 TLS", "HTTP/2 TLS")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


def place(
    way: str, start_server: StartServer, authority: Authority, http11: BadHTTP11, http2: BadHTTP2
) -> Place:
    version, _, secure = way.partition(" ")
    script = serve_http11(http11) if version == "HTTP/1.1" else serve_http2(http2)
    alpn = "http/1.1" if version == "HTTP/1.1" else "h2"
    server = start_server(script, tls=authority.server_context(alpn) if secure else None)
    return Place(server, {"verify": authority.ca_file, "http_versions": (version,)})


def never(*_: object) -> None:
    raise AssertionError("no request of this test is bad")


# --- threads -----------------------------------------------------------------------------------------------


def harm_http11(connection: socket.socket, target: str) -> None:
    """A reset, a body that is cut, or what is no answer at all; then the connection ends."""
    kind = int(target.rpartition("/")[2]) // FAULTY % 3
    if kind == 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif kind == 1:
        connection.sendall(answer(target.encode())[:-2])
    else:
        connection.sendall(b"\x00\xff garbage \r\n\r\n" + answer(b"/wrong"))
    raise ConnectionAbortedError


def harm_http2(peer: Peer, incoming: Incoming) -> None:
    """A reset, a body that is cut, a head that is malformed; once in a while all of the connection ends."""
    number = int(path_of(incoming).rpartition("/")[2])
    kind = number // FAULTY % 3
    if number == EACH - 5:
        raise ConnectionAbortedError
    if kind == 0:
        peer.h2.reset_stream(incoming.stream_id, ErrorCodes.INTERNAL_ERROR)
        peer.flush()
    elif kind == 1:
        peer.respond(incoming.stream_id, b"cut", fields=[("content-length", "1000")])
    else:
        peer.respond(incoming.stream_id, b"/wrong", fields=[("Upper-Case", "x")])


def is_faulty(number: int) -> bool:
    return number % FAULTY == FAULTY // 2 or number == EACH - 5


def test_each_of_two_thousand_requests_has_its_own_answer(
    way: str, start_server: StartServer, authority: Authority
) -> None:
    where = place(way, start_server, authority, harm_http11, harm_http2)
    with http3.Client(**where.options, timeout=20) as client:

        def work(thread: int) -> list[bool | None]:
            """For each request: whether the answer was its own, None where there was none."""
            answers: list[bool | None] = []
            for number in range(EACH):
                path = f"/{'bad' if is_faulty(number) else 'good'}/{thread}/{number}"
                try:
                    answers.append(client.get(where.url + path).text == path)
                except http3.RequestError:
                    answers.append(None)
            return answers

        with ThreadPoolExecutor(THREADS) as threads:
            answers = list(threads.map(work, range(THREADS)))
        assert all(own is not False for one in answers for own in one)
        harmed = [one[number] for one in answers for number in range(EACH) if is_faulty(number)]
        healthy = [one[number] for one in answers for number in range(EACH) if not is_faulty(number)]
        assert len(harmed) + len(healthy) == THREADS * EACH
        assert set(harmed) == {None}
        # Others on an HTTP/2 connection that ends are sent again, once, and not if the answer had begun.
        assert healthy.count(None) <= (0 if way.startswith("HTTP/1.1") else len(healthy) // 10)
        print(f"{way}: {len(harmed)} harmed, {healthy.count(None)} others lost")
        assert client.get(where.url + "/good/last").text == "/good/last"


# --- loops -------------------------------------------------------------------------------------------------


def test_loops_one_after_the_other(way: str, start_server: StartServer, authority: Authority) -> None:
    where = place(way, start_server, authority, never, never)
    client = http3.AsyncClient(**where.options)
    asked: list[str] = []

    async def use(name: str) -> None:
        for number in range(3):
            path = f"/{name}/{number}"
            assert (await client.get(where.url + path)).text == path
            asked.append(path)

    for number in range(3):
        asyncio.run(use(f"asyncio-{number}"))
    trio.run(use, "trio")
    asyncio.run(use("asyncio-again"))
    trio.run(use, "trio-again")
    trio.run(client.close)
    assert len(asked) == 18
    assert where.server.connections == 6


# --- forks -------------------------------------------------------------------------------------------------

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
pytestmark = [pytest.mark.thorough, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]


def in_a_child(work: Callable[[], object]) -> int:
    """The exit code of a forked process that does some work: 0 if that raised nothing, 3 if it hung."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            threading.Timer(8, os._exit, (3,)).start()
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def late_answers(asked: threading.Event, release: threading.Event) -> tuple[BadHTTP11, BadHTTP2]:
    """A server that says that it was asked, and answers when it is told to."""

    def late_http11(connection: socket.socket, target: str) -> None:
        asked.set()
        release.wait(10)
        connection.sendall(answer(target.encode()))

    def late_http2(peer: Peer, incoming: Incoming) -> None:
        asked.set()
        release.wait(10)
        peer.respond(incoming.stream_id, path_of(incoming).encode())

    return late_http11, late_http2


@needs_fork
def test_a_fork_with_a_request_under_way(way: str, start_server: StartServer, authority: Authority) -> None:
    """The child has connections of its own; each side gets its own answers; the parent's go on."""
    asked, release = threading.Event(), threading.Event()
    where = place(way, start_server, authority, *late_answers(asked, release))
    with http3.Client(**where.options) as client, ThreadPoolExecutor(1) as threads:
        assert client.get(where.url + "/first").text == "/first"
        under_way = threads.submit(lambda: client.get(where.url + "/bad/late").text)
        assert asked.wait(10)
        if way.startswith("HTTP/1.1"):
            assert client.get(where.url + "/second").text == "/second"
        before = where.server.connections

        def child() -> None:
            for number in range(3):
                assert client.get(f"{where.url}/child/{number}").text == f"/child/{number}"
            client.close()

        assert in_a_child(child) == 0
        assert where.server.connections == before + 1
        release.set()
        assert under_way.result(10) == "/bad/late"
        for number in range(3):
            assert client.get(f"{where.url}/parent/{number}").text == f"/parent/{number}"
        assert where.server.connections == before + 1


@needs_fork
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_fork_beside_a_running_loop(
    way: str, start_server: StartServer, authority: Authority, library: str
) -> None:
    """The same for an asynchronous client: the child starts a loop of its own."""
    asked, release = threading.Event(), threading.Event()
    where = place(way, start_server, authority, *late_answers(asked, release))
    client = http3.AsyncClient(**where.options)

    async def use(*paths: str) -> bool:
        own = [(await client.get(where.url + path)).text == path for path in paths]
        await client.close()
        return all(own)

    def run(*paths: str) -> bool:
        return trio.run(use, *paths) if library == "trio" else asyncio.run(use(*paths))

    def child() -> None:
        assert run("/child/1", "/child/2", "/child/3")

    with ThreadPoolExecutor(1) as threads:
        parent = threads.submit(run, "/first", "/bad/late", "/parent/1", "/parent/2")
        assert asked.wait(10)
        assert in_a_child(child) == 0
        release.set()
        assert parent.result(10)
    assert where.server.connections == 2


@needs_fork
def test_forks_at_any_moment(way: str, start_server: StartServer, authority: Authority) -> None:
    """Threads are in the midst of whatever they do when the process forks; the child can use the client."""
    where = place(way, start_server, authority, never, never)
    over = threading.Event()
    with http3.Client(**where.options) as client:
        # A module that some thread is just importing stays locked in the child: Python's limit, not ours.
        assert client.get(where.url + "/first").text == "/first"

        def work(thread: int) -> int:
            count = 0
            while not over.is_set():
                assert client.get(f"{where.url}/{thread}/{count}").text == f"/{thread}/{count}"
                count += 1
            return count

        def child() -> None:
            assert client.get(where.url + "/child").text == "/child"

        with ThreadPoolExecutor(4) as threads:
            counts = [threads.submit(work, thread) for thread in range(4)]
            try:
                codes = [in_a_child(child) for _ in range(10)]
            finally:
                over.set()
            assert codes == [0] * 10
            assert min(count.result(10) for count in counts) > 0


LOCKS: dict[str, Callable[[ConnectionPool], Any]] = {
    "pool": lambda pool: pool._scope._lock,  # type: ignore[union-attr]
    "engine": lambda pool: engine_of(pool)._lock,
    "write": lambda pool: engine_of(pool)._writer.lock._state,
    "tls": lambda pool: engine_of(pool).stream._state._lock,
    "tls sending": lambda pool: engine_of(pool).stream._sending_lock,
    "replacing": lambda _: scope._replacing,
    "lookup": lambda _: _lookup._lock,
}


def engine_of(pool: ConnectionPool) -> Any:
    return (pool.active_connections or pool.keepalive_connections)[0].engine


@contextmanager
def a_response_half_read(place: Place) -> Iterator[tuple[ConnectionPool, Any, Any]]:
    options = dict(place.options)
    pool = ConnectionPool(backend=BlockingBackend(), **options)
    with http3.Client(dispatch=pool) as client:
        with client.get(place.url + "/bad/half", stream=True) as response:
            yield pool, client, response


@needs_fork
@pytest.mark.parametrize("name", list(LOCKS))
def test_a_lock_that_another_thread_holds_at_the_fork(
    way: str, start_server: StartServer, authority: Authority, name: str
) -> None:
    """Nobody in the child will ever release it; what the child does must not need it."""
    release = threading.Event()

    def half_http11(connection: socket.socket, _: str) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        release.wait(10)
        connection.sendall(b"lf")

    def half_http2(peer: Peer, incoming: Incoming) -> None:
        peer.head(incoming.stream_id, 200, [("content-length", "4")])
        peer.data(incoming.stream_id, b"ha")
        release.wait(10)
        peer.data(incoming.stream_id, b"lf", end=True)

    if (name in ("engine", "write") and "HTTP/2" not in way) or ("tls" in name and "TLS" not in way):
        pytest.skip("there is no such lock")
    where = place(way, start_server, authority, half_http11, half_http2)
    with a_response_half_read(where) as (pool, client, response):

        def child() -> None:
            assert client.get(where.url.replace("127.0.0.1", "localhost") + "/child").text == "/child"
            with pytest.raises(http3.RequestError):
                response.read()
            response.close()
            client.close()

        def child_that_closes() -> None:
            response.close()
            client.close()

        with LOCKS[name](pool):
            assert in_a_child(child) == 0
            assert in_a_child(child_that_closes) == 0
        release.set()
        assert response.read() == b"half"
        assert client.get(where.url + "/parent").text == "/parent"
