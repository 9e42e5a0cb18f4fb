"""Streams of one HTTP/2 connection, one of them interrupted at every point, as the server sees it.

A sibling waits for its answer all the while. Whatever was interrupted, the server sees an end of each stream,
and the sibling gets its own answer; or a clear failure, where a write was cut in two, or where an exception
in blocking code may have struck in the midst of the connection's books. How many points there are is printed
(``pytest -s``).
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import socket
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from h2.exceptions import ProtocolError

import http3
from http3_transport import BlockingBackend, ConnectionPool
from http3_transport.testing import ScriptedServer
from support.http2_peer import Incoming, Peer
from support.interrupted_requests import narrow_sockets
from support.interruption import (
    EVERY_POINT,
    Alarm,
    AtCall,
    Interruption,
    check_pool,
    interrupted,
    open_sockets,
    take_turns,
    tasks,
)
from support.servers import Authority, StartServer
from support.worlds import World, do

pytestmark = pytest.mark.thorough

UPLOAD, DOWNLOAD = 150_000, 60_000
"""More than the window of a stream, so that an upload waits for credit; less, so that no server waits."""

SIBLING = b"of the sibling alone"


class Seen:
    """One connection as the server sees it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each answer takes 40 ms
        self.peer = Peer(sock)
        self.begun: set[int] = set()
        self.answered: set[int] = set()
        self.closed = threading.Event()

    def serve(self) -> None:
        """Until the client closes. A sibling has its head at once, its body when anything is marked."""
        try:
            with suppress(OSError):
                while self.peer.receive():
                    self._answer()
        finally:
            self.closed.set()

    def _answer(self) -> None:
        requests = list(self.peer.requests.values())
        is_marked = any(path_of(request).startswith(b"/mark") for request in requests)
        for request in requests:
            if request.ended and request.stream_id not in self.answered:
                with suppress(ProtocolError):  # it was reset
                    self._answer_one(request, is_marked)

    def _answer_one(self, request: Incoming, is_marked: bool) -> None:
        number, path = request.stream_id, path_of(request)
        if number not in self.begun:
            self.begun.add(number)
            self.peer.head(number)
        if path == b"/sibling" and not is_marked:
            return
        bodies = {b"/sibling": SIBLING, b"/download": bytes(DOWNLOAD)}
        body = bodies.get(path, path + b" %d" % len(request.body))
        self.answered.add(number)
        self.peer.data(number, body, end=True)

    @property
    def unended(self) -> set[int]:
        """Streams that were neither answered nor reset."""
        return self.peer.requests.keys() - self.answered - self.peer.resets.keys()


def path_of(request: Incoming) -> bytes:
    return request.field(b":path") or b""


class Observer:
    """All connections of a server."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def script(self, sock: socket.socket) -> None:
        seen = Seen(sock)
        self.seen.append(seen)
        seen.serve()

    def check(self) -> None:
        """After a request that was served: the last connection has served it, and what came before it."""
        *earlier, last = self.seen
        assert all(seen.closed.wait(5) for seen in earlier)
        assert not last.unended
        self.seen.clear()


class Site:
    """A server, and how a client gets there."""

    def __init__(self, server: ScriptedServer, observer: Observer, options: dict[str, Any]) -> None:
        self.server = server
        self.url = server.url
        self.observer = observer
        self.options = options
        self.is_tls = server.url.startswith("https")

    def pool(self, **options: Any) -> ConnectionPool:
        """With one connection at most."""
        limits = http3.PoolLimits(hard_limit=1, pool_timeout=10)
        return ConnectionPool(
            pool_limits=limits, timeout=10, http_versions=("HTTP/2",), **self.options, **options
        )

    def check_pool(self, pool: ConnectionPool, sockets: int) -> None:
        check_pool(pool, sockets=sockets, server_port=self.server.port)

    def open_sockets(self) -> int:
        """The clients'."""
        return open_sockets(self.server.port)


@pytest.fixture(params=["h2c", "tls_h2"])
def site(
    request: pytest.FixtureRequest,
    start_server: StartServer,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> Site:
    narrow_sockets(monkeypatch)
    observer = Observer()
    tls = authority.server_context("h2") if request.param == "tls_h2" else None
    return Site(start_server(observer.script, tls=tls), observer, {"verify": authority.ca_file})


@pytest.fixture(autouse=True)
def cheap_collections() -> Iterator[None]:
    """There is one at each point."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Upload:
    def __iter__(self) -> Iterator[bytes]:
        return iter([bytes(UPLOAD // 3)] * 3)


# The operations. Each lets the sibling begin to read where that is of interest.


Start = Callable[[], object]


async def one_request(client: Any, url: str, start: Start) -> None:
    start()
    assert (await do(client.get(f"{url}/work"))).content == b"/work 0"


async def upload(client: Any, url: str, start: Start) -> None:
    start()
    response = await do(client.post(f"{url}/work", data=bytes(UPLOAD)))
    assert response.content == b"/work %d" % UPLOAD


async def upload_pieces(client: Any, url: str, start: Start) -> None:
    start()
    response = await do(client.post(f"{url}/work", data=Upload()))
    assert response.content == b"/work %d" % UPLOAD


async def download(client: Any, url: str, start: Start) -> None:
    """Which reads for the sibling, too: it came first."""
    response = await do(client.get(f"{url}/download", stream=True))
    start()
    assert len(await do(response.read())) == DOWNLOAD


async def closed_early(client: Any, url: str, start: Start) -> None:
    response = await do(client.get(f"{url}/download", stream=True))
    start()
    iterator = response.stream(100)
    assert len(await anext(iterator) if hasattr(iterator, "__anext__") else next(iterator)) == 100
    await do(response.close())


Operation = Callable[[Any, str, Start], Coroutine[Any, Any, None]]

OPERATIONS: list[Operation] = [one_request, upload, upload_pieces, download, closed_early]
operations = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)

marks = itertools.count()


async def ask(client: Any, url: str) -> None:
    """A request whose answer shows that it is its own; the server lets the sibling go on with it."""
    mark = f"/mark/{next(marks)}"
    assert (await do(client.get(url + mark))).content == f"{mark} 0".encode()


def note(where: str, site: Site, operation: Operation, points: int, alive: int) -> None:
    name = "tls_h2" if site.is_tls else "h2c"
    print(f"{where}, {name}, {operation.__name__}: {points} points; the sibling lived {alive} times")
    assert points


# Of tasks.


class Sibling:
    """Reads its response in a task of its own, once that is started."""

    def __init__(
        self, response: Any, spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], Any]
    ) -> None:
        self.outcome: object = None
        self.is_started = False
        self._response = response
        self._spawn = spawn

    def start(self) -> None:
        if not self.is_started:
            self.is_started = True
            self._spawn(self.read)

    async def read(self) -> None:
        try:
            self.outcome = await self._response.read()
        except http3.RequestError as exc:
            self.outcome = exc


async def beside(world: World, client: Any, url: str, work: Callable[[Sibling], Any]) -> tuple[bool, Sibling]:
    """Interrupt ``work`` beside a sibling, and await both: whether it came so far, and the sibling."""
    response = await client.get(f"{url}/sibling", stream=True)
    if world.name == "asyncio":
        async with asyncio.TaskGroup() as group:
            sibling = Sibling(response, lambda read: group.create_task(read()))
            reached = await work(sibling)
    else:
        async with trio.open_nursery() as nursery:
            sibling = Sibling(response, nursery.start_soon)
            reached = await work(sibling)
    return reached, sibling


@operations
@pytest.mark.parametrize("late", [False, True], ids=["waiting", "served"])
def test_each_cancelled_stream_ends(world: World, site: Site, operation: Operation, late: bool) -> None:
    if world.name == "sync" or (late and world.name == "trio"):
        pytest.skip("nothing is cancelled there, or not then")

    async def once(number: int) -> tuple[bool, bool]:
        sockets, running = site.open_sockets(), tasks()
        pool = site.pool()
        client = http3.AsyncClient(dispatch=pool)

        async def work(sibling: Sibling) -> bool:
            reached = await interrupted(
                partial(operation, client, site.url, sibling.start), number, late=late
            )
            sibling.start()
            await take_turns()
            await ask(client, site.url)
            return reached

        reached, sibling = await beside(world, client, site.url, work)
        if sibling.outcome != SIBLING:
            assert isinstance(sibling.outcome, http3.NetworkError)
            assert "a write on it was interrupted" in str(sibling.outcome)
        gc.collect()
        assert tasks() == running
        site.check_pool(pool, sockets)
        site.observer.check()
        await client.close()
        await take_turns()
        return reached, sibling.outcome == SIBLING

    async def main() -> tuple[int, int]:
        alive = 0
        for number in itertools.count(1):
            try:
                reached, lived = await once(number)
            except BaseException as exc:
                exc.add_note(f"cancelled at wait {number}")
                raise
            alive += lived
            if not reached:
                break
        return number - 1, alive

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points, alive = world.run(main)
    note(f"{world.name}{', served' if late else ''}", site, operation, points, alive)
    assert alive > points // 2  # all, where no write waits for the kernel


# Of threads.


class ThreadedSibling:
    """Reads its response in a thread of its own, once that is started."""

    def __init__(self, response: http3.Response) -> None:
        self.outcome: object = None
        self._response = response
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    def join(self) -> object:
        self._thread.join(10)
        assert not self._thread.is_alive(), "it waits for ever"
        return self.outcome

    def _read(self) -> None:
        try:
            self.outcome = self._response.read()
        except http3.RequestError as exc:
            self.outcome = exc


@operations
@pytest.mark.parametrize(
    ("after", "kind"),
    [(False, Interruption), (True, Interruption), (False, Alarm)],
    ids=["before", "after", "by something unknown"],
)
def test_each_interrupted_stream_ends(
    site: Site, operation: Operation, after: bool, kind: type[BaseException]
) -> None:
    run_to_end = World("sync").run
    alive = 0

    def once(attempt: AtCall) -> tuple[bool, bool]:
        sockets = site.open_sockets()
        pool = site.pool(backend=BlockingBackend())
        client = http3.Client(dispatch=pool)
        sibling = ThreadedSibling(client.get(f"{site.url}/sibling", stream=True))
        reached = attempt.run(partial(run_to_end, operation, client, site.url, sibling.start))
        sibling.start()
        gc.collect()
        run_to_end(ask, client, site.url)
        outcome = sibling.join()
        if outcome != SIBLING:
            assert isinstance(outcome, http3.NetworkError)
            assert "was aborted on this side" in str(outcome) or "was interrupted" in str(outcome)
        site.check_pool(pool, sockets)
        site.observer.check()
        client.close()
        return reached, outcome == SIBLING

    points = 0
    step = 1 if kind is Interruption or EVERY_POINT else 3
    for number in itertools.count(1, step):
        attempt = AtCall(number, after=after, kind=kind)
        try:
            reached, lived = once(attempt)
        except BaseException as exc:
            exc.add_note(f"interrupted at {attempt.where}")
            raise
        alive += lived
        if not reached:
            break
        points += 1
    note(f"blocking, {'after' if after else 'before'}, {kind.__name__}", site, operation, points, alive)
    assert alive >= 1
