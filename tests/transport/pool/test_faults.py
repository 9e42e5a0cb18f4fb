"""What must not go wrong in a pool: storms, races, interruptions at any line, forks, legacy backends."""

from __future__ import annotations

import asyncio
import gc
import linecache
import os
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import trio
from hyperframe.frame import GoAwayFrame, RstStreamFrame

from http3_models import (
    AsyncRequest,
    BaseReader,
    BaseWriter,
    ClientClosed,
    ConcurrencyBackend,
    ConnectError,
    ConnectTimeout,
    Delivery,
    HttpError,
    LocalProtocolError,
    NotConnected,
    PoolLimits,
    PoolTimeout,
    Protocol,
    ReadError,
    RequestError,
    TimeoutConfig,
    TotalTimeout,
    TransportError,
    UnsupportedProtocol,
)
from http3_models.engine import Deadline, run_sync, state_of
from http3_transport import BlockingBackend, ConnectionPool, HTTPConnection
from http3_transport._errors import timeout_error
from http3_transport._http1.connection import HTTP11Connection
from http3_transport._pool import pool as pool_pool
from support.exchanges import answering, fetch, make_pool, ok, silent
from support.heap import set_aside
from support.http2_client import echo, scripted
from support.http2_peer import Peer
from support.runtimes import Runtime
from support.servers import Authority, Nginx, Script, StartServer, read_request


def keeping(body: bytes = b"ok") -> Script:
    """Answers every request of a connection the same way."""

    def script(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(ok(body))

    return script


def settled(pool: ConnectionPool) -> None:
    """Nothing is held: no request, no place in line, no lock."""
    scope = pool._scope
    assert scope is not None
    scope.run_deferred_releases()
    assert not scope._lock.locked()
    assert scope.state.waiting() == []
    assert pool.active_connections == []
    assert scope.state.slots == len(pool.keepalive_connections)


# Storms.


def refusing(peer: Peer, count: int) -> None:
    peer.until(lambda: sum(request.ended for request in peer.requests.values()) >= count)
    peer.frame(*[RstStreamFrame(number, error_code=7) for number in peer.requests])


def leaving(peer: Peer, count: int) -> None:
    peer.until(lambda: sum(request.ended for request in peer.requests.values()) >= count)
    peer.frame(GoAwayFrame(0, last_stream_id=0))


@pytest.mark.parametrize("refuse", [refusing, leaving])
def test_a_hundred_refused_at_once_share_one_new_connection(
    start_server: StartServer, refuse: Callable[[Peer, int], None]
) -> None:
    server = start_server(scripted(lambda peer: refuse(peer, 100)), echo())

    async def main() -> list[int]:
        pool = ConnectionPool(http_versions=("HTTP/2",))
        answers = await asyncio.gather(
            *[fetch(pool, f"{server.url}/{n}", "POST", data=b"%d" % n) for n in range(100)]
        )
        settled(pool)
        await pool.close()
        return [int(answer.content) for answer in answers]

    assert asyncio.run(main()) == list(range(100))
    assert server.connections == 2


def test_a_burst_waits_for_what_the_server_says_it_takes(runtime: Runtime, start_server: StartServer) -> None:
    if runtime.name == "blocking":
        pytest.skip("see the test with threads")
    server = start_server(echo(max_concurrent_streams=10))

    async def main() -> None:
        pool = make_pool(runtime, http_versions=("HTTP/2",))
        served: list[bytes] = []

        async def one(number: int) -> None:
            served.append((await fetch(pool, server.url, "POST", data=b"%d" % number)).content)

        if runtime.name == "asyncio":
            await asyncio.gather(*[one(number) for number in range(60)])
        else:
            async with trio.open_nursery() as nursery:
                for number in range(60):
                    nursery.start_soon(one, number)
        assert sorted(map(int, served)) == list(range(60))
        settled(pool)
        await pool.close()

    runtime.run(main)
    assert server.connections <= 6


def test_a_burst_of_threads_waits_for_what_the_server_says_it_takes(start_server: StartServer) -> None:
    server = start_server(echo(max_concurrent_streams=4))
    pool = ConnectionPool(backend=BlockingBackend(), http_versions=("HTTP/2",))
    served: list[int] = []
    threads = [
        threading.Thread(target=lambda: served.append(run_sync(fetch(pool, server.url)).status_code))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settled(pool)
    run_sync(pool.close())
    assert served == [200] * 16


# Races.


def test_the_first_requests_of_two_threads_get_the_same_scope(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(keeping())
    pool = ConnectionPool(backend=BlockingBackend(), pool_limits=PoolLimits(hard_limit=1))
    barrier = threading.Barrier(2)

    def choose(backend: object) -> BlockingBackend:
        barrier.wait(10)
        return BlockingBackend()

    monkeypatch.setattr(pool_pool, "choose_backend", choose)
    threads = [threading.Thread(target=lambda: run_sync(fetch(pool, server.url))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connections == 1
    run_sync(pool.close())


def test_a_pool_that_is_closed_while_its_first_request_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ConnectionPool(backend=BlockingBackend())

    def choose(backend: object) -> BlockingBackend:
        run_sync(pool.close())
        return BlockingBackend()

    monkeypatch.setattr(pool_pool, "choose_backend", choose)
    with pytest.raises(ClientClosed):
        run_sync(fetch(pool, "http://127.0.0.1:1/"))


def test_nothing_is_opened_once_the_pool_is_closed(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        waiting = [asyncio.create_task(fetch(pool, server.url)) for _ in range(3)]
        await asyncio.sleep(0.02)
        await pool.close()
        await holder.close()
        for task in waiting:
            with pytest.raises(ClientClosed):
                await task
        settled(pool)

    asyncio.run(main())
    assert server.connections == 1


def test_a_closed_pool_sends_nothing_again(start_server: StartServer) -> None:
    def dying(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ok())
        read_request(connection)

    server = start_server(dying, keeping())

    async def main() -> None:
        pool = ConnectionPool()
        await fetch(pool, server.url)
        task = asyncio.create_task(fetch(pool, server.url))
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(TransportError):
            await task
        settled(pool)

    asyncio.run(main())
    assert server.connections == 1


def test_equal_tls_settings_share_connections(runtime: Runtime, nginx: Nginx, authority: Authority) -> None:
    async def main() -> None:
        pool = make_pool(runtime, verify=authority.ca_file)
        await fetch(pool, nginx.tls + "/small")
        response = await pool.send(AsyncRequest("GET", nginx.tls + "/small"), verify=authority.ca_file)
        await response.read()
        assert len(pool.keepalive_connections) == 1
        await pool.close()

    runtime.run(main)


def test_contexts_of_single_requests_are_not_kept(nginx: Nginx, authority: Authority) -> None:
    pool = ConnectionPool(backend=BlockingBackend(), pool_limits=PoolLimits(soft_limit=0))
    contexts = []
    for _ in range(3):
        context = authority.client_context()
        response = run_sync(pool.send(AsyncRequest("GET", nginx.tls + "/small"), verify=context))
        run_sync(response.read())
        contexts.append(weakref.ref(context))
        del context, response
    gc.collect()
    assert [context() for context in contexts] == [None] * 3
    run_sync(pool.close())


def test_two_pools_may_want_different_versions_of_one_context(nginx: Nginx, authority: Authority) -> None:
    context = authority.client_context()

    async def main() -> list[str]:
        pools = [ConnectionPool(verify=context, http_versions=(name,)) for name in ("HTTP/2", "HTTP/1.1")]
        answers = await asyncio.gather(*[fetch(pool, nginx.tls_h2 + "/small") for pool in pools])
        for pool in pools:
            await pool.close()
        return [answer.protocol for answer in answers]

    assert asyncio.run(main()) == ["HTTP/2", "HTTP/1.1"]


# What failures say.


def test_the_second_failure_keeps_its_cause_and_mentions_the_first(
    runtime: Runtime, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(answering(ok()))
    # As if it died right after the look.
    monkeypatch.setattr(HTTP11Connection, "check", lambda engine: True)

    async def main() -> None:
        pool = make_pool(runtime)
        await fetch(pool, server.url)
        server.close()
        with pytest.raises(ConnectError, match="refused") as caught:
            await fetch(pool, server.url)
        assert isinstance(caught.value.__cause__, OSError)
        assert "The first one failed" in caught.value.__notes__[0]
        assert caught.value.delivery is Delivery.MAYBE_PROCESSED
        settled(pool)
        await pool.close()

    runtime.run(main)


@pytest.mark.parametrize("left", [0.001, -1.0])
def test_a_timer_that_fires_a_little_early_is_no_other_limit(left: float) -> None:
    request = AsyncRequest("GET", "http://example.org/")._state
    request.deadline = Deadline(left, lambda: 0.0)
    assert isinstance(timeout_error(request, "connect"), TotalTimeout)


def test_the_total_limit_names_the_phase(runtime: Runtime, start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = make_pool(runtime, pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        with pytest.raises(TotalTimeout, match=r"0\.05 s in the pool phase") as caught:
            await pool.send(AsyncRequest("GET", server.url), timeout=TimeoutConfig(total_timeout=0.05))
        assert caught.value.delivery is Delivery.NOT_SENT
        assert caught.value.timings is not None
        assert caught.value.timings.pool == pytest.approx(0.05, abs=0.2)
        request = AsyncRequest("GET", server.url)
        state_of(request).deadline = Deadline(-1, pool.now)
        await holder.close()
        with pytest.raises(TotalTimeout, match="in the connect phase"):
            await pool.send(request)
        settled(pool)
        await pool.close()

    runtime.run(main)


def test_no_scheme_of_ours_says_that_nothing_was_sent(runtime: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(UnsupportedProtocol) as caught:
            await fetch(make_pool(runtime), "ftp://example.org/")
        assert caught.value.delivery is Delivery.NOT_SENT

    runtime.run(main)


# The pool by itself, without a client.


def test_a_request_may_be_sent_again_with_other_limits(
    runtime: Runtime, start_server: StartServer, tmp_path: Path
) -> None:
    bodies = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            bodies.append(request.body)
            connection.sendall(ok())

    server = start_server(script)
    (tmp_path / "file").write_bytes(b"content")

    async def main() -> None:
        pool = make_pool(runtime)
        with (tmp_path / "file").open("rb") as file:
            request = AsyncRequest("POST", server.url, data=file)
            for limit in (3.0, None):
                response = await pool.send(request, timeout=limit)
                await response.read()
                assert response.elapsed is not None
        assert state_of(request).timeout is None
        await pool.close()

    runtime.run(main)
    assert bodies == [b"content"] * 2


def test_a_failure_belongs_to_its_request(runtime: Runtime) -> None:
    async def main() -> None:
        request = AsyncRequest("GET", "http://127.0.0.1:1/")
        with pytest.raises(ConnectError) as caught:
            await make_pool(runtime).send(request)
        assert caught.value.request is request

    runtime.run(main)


WRONG = {
    "pool_limits": 5,
    "limits": 3,
    "replay": "yes",
    "backend": 42,
    "timeout": "soon",
    "verify": 42,
    "cert": 3,
    "trust_env": 2,
    "http_versions": 3,
    "now": 5,
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_named(name: str) -> None:
    wrong: dict[str, Any] = {name: WRONG[name]}
    with pytest.raises(TypeError, match=name):
        ConnectionPool(**wrong)
    if name not in ("pool_limits", "replay"):
        with pytest.raises(TypeError, match=name):
            HTTPConnection("http://example.org", **wrong)


@pytest.mark.parametrize(("origin", "kind"), [(42, TypeError), ("ftp://x/", UnsupportedProtocol)])
def test_what_is_no_origin(origin: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        HTTPConnection(origin)


def test_wrong_arguments_of_one_request_are_named(runtime: Runtime) -> None:
    async def main() -> None:
        pool = make_pool(runtime)
        wrong: Any = 42
        request = AsyncRequest("GET", "http://127.0.0.1:1/")
        with pytest.raises(TypeError, match="request"):
            await pool.send(wrong)
        with pytest.raises(TypeError, match="verify"):
            await pool.send(request, verify=wrong)
        with pytest.raises(TypeError, match="timeout"):
            await pool.send(request, timeout="soon")  # type: ignore[arg-type]

    runtime.run(main)


# A connection by itself.


def alone(runtime: Runtime, url: str, **options: Any) -> HTTPConnection:
    backend: Any = runtime.backend
    return HTTPConnection(url, backend=backend, **options)


def test_two_requests_race_to_open_a_connection(runtime: Runtime, start_server: StartServer) -> None:
    if runtime.name == "blocking":
        pytest.skip("see the test with threads")
    server = start_server(echo(max_concurrent_streams=8))

    async def main() -> None:
        connection = alone(runtime, server.url, http_versions=("HTTP/2",))
        served = []

        async def one() -> None:
            response = await connection.send(AsyncRequest("GET", server.url))
            await response.read()
            served.append(response.status_code)

        if runtime.name == "asyncio":
            await asyncio.gather(*[one() for _ in range(8)])
        else:
            async with trio.open_nursery() as nursery:
                for _ in range(8):
                    nursery.start_soon(one)
        assert served == [200] * 8
        await connection.close()

    runtime.run(main)
    assert server.connections == 1


def test_threads_do_not_meet_on_one_http1_connection(start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            connection.sendall(ok(request.target.encode()))

    server = start_server(script)
    connection = HTTPConnection(server.url, backend=BlockingBackend())
    wrong: list[str] = []
    busy: list[str] = []

    async def one(mark: str) -> None:
        try:
            response = await connection.send(AsyncRequest("GET", server.url + mark))
        except LocalProtocolError:
            busy.append(mark)
            return
        if await response.read() != mark.encode():
            wrong.append(mark)

    def work(number: int) -> None:
        for turn in range(50):
            run_sync(one(f"/{number}-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    run_sync(connection.close())
    assert server.connections == 1


def test_an_answer_before_its_request_is_no_answer(runtime: Runtime, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ok(b"first"))
        ready.wait(5)
        connection.sendall(ok(b"not asked for"))
        sent.set()
        read_request(connection)

    ready, sent = threading.Event(), threading.Event()
    server = start_server(script)

    async def main() -> None:
        connection = alone(runtime, server.url)
        response = await connection.send(AsyncRequest("GET", server.url))
        await response.read()
        ready.set()
        assert sent.wait(5)
        with pytest.raises(NotConnected):
            await connection.send(AsyncRequest("GET", server.url))

    runtime.run(main)


def test_a_connection_whose_opening_failed_may_be_opened_again(
    runtime: Runtime, start_server: StartServer
) -> None:
    server = start_server(silent, lambda connection: None)

    async def main() -> None:
        connection = alone(runtime, server.url.replace("http:", "https:"), verify=False)
        with pytest.raises(ConnectTimeout):
            await connection.request("GET", server.url.replace("http:", "https:"), timeout=0.1)
        assert not connection.is_closed
        with pytest.raises(ConnectError):
            await connection.request("GET", server.url.replace("http:", "https:"))

    runtime.run(main)
    assert server.connections == 2


def test_who_waits_for_another_to_open_a_connection_has_a_limit(start_server: StartServer) -> None:
    server = start_server(silent)
    url = server.url.replace("http:", "https:")

    async def main() -> None:
        connection = HTTPConnection(url, verify=False)
        first = asyncio.create_task(connection.request("GET", url))
        await asyncio.sleep(0)
        with pytest.raises(ConnectTimeout):
            await connection.request("GET", url, timeout=0.1)
        with pytest.raises(TotalTimeout):
            await connection.request("GET", url, timeout=TimeoutConfig(total_timeout=0.1))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await connection.close()

    asyncio.run(main())


def test_a_connection_closed_while_it_is_opened(start_server: StartServer) -> None:
    server = start_server(keeping())

    async def main() -> None:
        connection = HTTPConnection(server.url)
        first = asyncio.create_task(connection.request("GET", server.url))
        await asyncio.sleep(0)
        await connection.close()
        with pytest.raises(NotConnected):
            await first
        assert connection.engine.is_closed

    asyncio.run(main())


def test_a_forgotten_response_of_a_connection_alone(runtime: Runtime, start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))

    async def main() -> None:
        connection = alone(runtime, server.url)
        with pytest.warns(ResourceWarning):
            await connection.send(AsyncRequest("GET", server.url))
        with pytest.raises(NotConnected):
            await connection.send(AsyncRequest("GET", server.url))

    runtime.run(main)


def test_a_connection_belongs_to_its_loop(start_server: StartServer) -> None:
    server = start_server(keeping())
    connection = HTTPConnection(server.url)

    async def main() -> None:
        await (await connection.send(AsyncRequest("GET", server.url))).read()

    asyncio.run(main())
    with pytest.raises(NotConnected, match="another event loop"):
        asyncio.run(main())
    with pytest.raises(NotConnected, match="another event loop"):
        trio.run(main)
    connection.drop()


# Forks.


def in_a_child(work: Callable[[], bool]) -> bool:
    """Run ``work`` in a forked process; True if it returned True there, and in time."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            threading.Timer(10, os._exit, (2,)).start()
            code = 0 if work() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("versions", [("HTTP/1.1",), ("HTTP/2",)])
def test_a_child_can_not_reach_into_a_response_of_its_parent(
    start_server: StartServer, versions: tuple[str, ...]
) -> None:
    server = start_server(keeping(b"x" * 1_000_000) if versions == ("HTTP/1.1",) else echo())
    pool = ConnectionPool(backend=BlockingBackend(), http_versions=versions)
    response = run_sync(pool.send(AsyncRequest("GET", server.url + "/1000000")))

    def work() -> bool:
        try:
            run_sync(response.read())
        except ReadError:
            run_sync(response.close())
            return pool.active_connections == [] and repr(pool) == "<ConnectionPool 0 active, 0 idle>"
        return False

    assert in_a_child(work)
    assert len(run_sync(response.read())) == 1_000_000
    assert len(pool.keepalive_connections) == 1
    run_sync(pool.close())


def test_a_lock_that_was_held_at_the_fork_does_not_matter(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))
    pool = ConnectionPool(backend=BlockingBackend())
    response = run_sync(pool.send(AsyncRequest("GET", server.url)))
    assert pool._scope is not None

    def work() -> bool:
        run_sync(response.close())
        return run_sync(fetch(pool, server.url)).status_code == 200

    with pool._scope._lock:
        assert in_a_child(work)
    run_sync(response.close())
    run_sync(pool.close())


def test_a_connection_alone_is_the_parents(start_server: StartServer) -> None:
    server = start_server(keeping())
    connection = HTTPConnection(server.url, backend=BlockingBackend())
    run_sync(run_sync(connection.send(AsyncRequest("GET", server.url))).read())

    def work() -> bool:
        with pytest.raises(NotConnected):
            run_sync(connection.send(AsyncRequest("GET", server.url)))
        run_sync(connection.close())
        return True

    assert in_a_child(work)
    assert run_sync(run_sync(connection.send(AsyncRequest("GET", server.url))).read()) == b"ok"
    run_sync(connection.close())


# Backends of the user's.


class Reader(BaseReader):
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def read(self, n: int, timeout: Any = None, flag: Any = None) -> bytes:
        return self.sock.recv(n)


class Writer(BaseWriter):
    """Counts how often it was closed, and fails then."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.closed = 0

    def write_no_block(self, data: bytes) -> None:
        self.sock.sendall(data)

    async def write(self, data: bytes, timeout: Any = None) -> None:
        self.sock.sendall(data)

    async def close(self) -> None:
        self.closed += 1
        self.sock.close()
        raise LookupError("closing failed")


class OwnBackend(ConcurrencyBackend):
    """Connects, or raises what it was told to."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure
        self.writers: list[Writer] = []

    async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        sock = socket.create_connection((hostname, port))
        self.writers.append(Writer(sock))
        return Reader(sock), self.writers[-1], Protocol.HTTP_11


def test_a_writer_that_can_not_close_costs_nothing(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 300_000))
    backend = OwnBackend()

    async def main() -> None:
        pool = ConnectionPool(backend=backend)
        response = await pool.send(AsyncRequest("GET", server.url))
        assert in_a_child(lambda: backend.writers[-1].closed == 0 and pool.active_connections == [])
        await response.close()
        settled(pool)
        assert backend.writers[-1].closed == 1
        await pool.close()

    asyncio.run(main())
    asyncio.run(main())
    trio.run(main)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (TimeoutError(), ConnectTimeout),
        (TimeoutError(110, "Connection timed out"), ConnectError),
        (ConnectError("no group for us"), ConnectError),
        (ConnectTimeout(), ConnectTimeout),
    ],
)
def test_what_a_backend_of_the_users_raises(failure: BaseException, kind: type[RequestError]) -> None:
    async def main() -> None:
        pool = ConnectionPool(backend=OwnBackend(failure))
        with pytest.raises(kind) as caught:
            await fetch(pool, "http://example.org/")
        assert type(caught.value) is kind
        assert caught.value.delivery is Delivery.NOT_SENT
        assert caught.value.timings is not None
        settled(pool)

    asyncio.run(main())


def test_a_backend_over_blocking_sockets_that_connects_by_itself_may_suspend() -> None:
    class Elsewhere(BlockingBackend):
        async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
            await asyncio.sleep(0)
            return await super().connect(hostname, port, ssl_context, timeout)

    assert not ConnectionPool(backend=Elsewhere()).blocks
    assert ConnectionPool(backend=BlockingBackend()).blocks
    assert HTTPConnection("http://example.org", backend=BlockingBackend()).blocks


# Interruptions.


MODULES = (
    "_pool/pool.py",
    "_pool/state.py",
    "_pool/scope.py",
    "_pool/entries.py",
    "_pool/connection.py",
    "_connect/open_connection.py",
    "_connect/opening.py",
)


class Interruption(KeyboardInterrupt):
    """Distinct from a KeyboardInterrupt of the keyboard."""


class Tracer:
    """Raises at the n-th line that is run in the pool's modules.

    Not at a ``with``: its line comes up once more when the block is left, where Python itself delivers no
    signal before the lock is released.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.where = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        path = frame.f_code.co_filename
        if not path.endswith(MODULES) or "http3_transport" not in path:
            return None
        if event == "line" and not linecache.getline(path, frame.f_lineno).strip().startswith("with "):
            self.left -= 1
            if self.left == 0:
                self.where = f"{path}:{frame.f_lineno}"
                raise Interruption(self.where)
        return self

    def run(self, work: Callable[[], object]) -> bool:
        """True if it raised on the way."""
        previous = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        except (Interruption, RequestError, HttpError):
            pass
        finally:
            sys.settrace(previous)
        return self.left <= 0


def scenario_fresh(pool: ConnectionPool, url: str) -> None:
    run_sync(fetch(pool, url))


def scenario_reused(pool: ConnectionPool, url: str) -> None:
    run_sync(fetch(pool, url))
    run_sync(fetch(pool, url))


def scenario_dead(pool: ConnectionPool, url: str) -> None:
    run_sync(fetch(pool, url))
    for connection in pool.keepalive_connections:
        connection.engine.stream.abort()
    run_sync(fetch(pool, url))


def scenario_waiting(pool: ConnectionPool, url: str) -> None:
    held = run_sync(pool.send(AsyncRequest("GET", url)))
    try:
        with pytest.raises(PoolTimeout):
            run_sync(fetch(pool, url))
    finally:
        run_sync(held.close())


@pytest.mark.parametrize("scenario", [scenario_fresh, scenario_reused, scenario_dead, scenario_waiting])
@pytest.mark.parametrize(("version", "step"), [("HTTP/1.1", 1), ("HTTP/2", 3)])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_at_any_line_loses_nothing(
    start_server: StartServer, scenario: Callable[[ConnectionPool, str], None], version: str, step: int
) -> None:
    if scenario is scenario_waiting and version == "HTTP/2":
        pytest.skip("no request has to wait")
    size = 70_000
    server = start_server(keeping(b"x" * size) if version == "HTTP/1.1" else echo())
    url, number, raised = f"{server.url}/{size}", 0, True
    set_aside()
    while raised:
        number += step
        pool = ConnectionPool(
            backend=BlockingBackend(),
            http_versions=(version,),
            pool_limits=PoolLimits(hard_limit=1, pool_timeout=0.01),
        )
        tracer = Tracer(number)
        raised = tracer.run(partial(scenario, pool, url))
        gc.collect()
        try:
            assert len(run_sync(fetch(pool, url)).content) == size
            settled(pool)
        except BaseException as exc:
            exc.add_note(f"interrupted at {tracer.where}")
            raise
        run_sync(pool.close())
    assert number > 100


class Cancelled:
    """Awaits a coroutine, and cancels it the n-th time that it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], number: int) -> None:
        self.coroutine = coroutine
        self.left = number

    def __await__(self) -> Generator[Any, Any, object]:
        task = asyncio.current_task()
        assert task is not None
        step: Callable[[], Any] = partial(self.coroutine.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration as stop:
                return stop.value
            self.left -= 1
            if self.left == 0:
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                step = partial(self.coroutine.send, (yield waits_for))
            except BaseException as exc:  # noqa: BLE001
                step = partial(self.coroutine.throw, exc)


@pytest.mark.parametrize("kind", ["plain", "tls", "tls_h2", "h2c"])
def test_a_cancellation_at_any_await_loses_nothing(kind: str, nginx: Nginx, authority: Authority) -> None:
    url = getattr(nginx, kind) + "/1k"
    versions = ("HTTP/2",) if kind == "h2c" else ("HTTP/1.1", "HTTP/2")

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None
        number = 0
        while True:
            number += 1
            pool = ConnectionPool(
                verify=authority.ca_file, http_versions=versions, pool_limits=PoolLimits(hard_limit=1)
            )
            attempt = Cancelled(fetch(pool, url), number)
            try:
                await attempt
            except asyncio.CancelledError:
                task.uncancel()
            assert len((await fetch(pool, url)).content) == 1024
            settled(pool)
            await pool.close()
            if attempt.left > 0:
                return number

    assert asyncio.run(main()) >= 3


def test_a_cancellation_that_comes_with_a_grant_passes_it_on(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        first, second = [asyncio.create_task(fetch(pool, server.url)) for _ in range(2)]
        await asyncio.sleep(0.02)
        await holder.close()
        first.cancel()
        assert (await second).status_code == 200
        assert first.cancelled()
        settled(pool)
        await pool.close()

    asyncio.run(main())


def test_a_coroutine_that_is_collected_takes_no_lock(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        waiting = fetch(pool, server.url)
        waiting.send(None)
        assert pool._scope is not None
        with pool._scope._lock:
            waiting.close()
        await holder.close()
        assert (await fetch(pool, server.url)).status_code == 200
        settled(pool)
        await pool.close()

    asyncio.run(main())
