"""Many lookups at once: how many threads they take, who waits in line, and where no thread is to be had."""

from __future__ import annotations

import _thread
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import pytest

import http3
from http3_models.engine import run_sync
from http3_transport import BlockingBackend
from http3_transport._backends import _lookup
from http3_transport._backends._lookup import WORKERS
from http3_transport._interfaces import Address, OperationTimeout
from support.servers import StartServer
from support.stalling_peers import serve_http11
from support.worlds import World

FOUND: Address = (socket.AF_INET, ("192.0.2.1", 80))


class Resolver:
    """A system resolver that answers at once, but for names that begin with "slow": when it is told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answer = threading.Event()
        self.most = 0
        """Lookups that ran at a time, at most."""
        self.in_threads: set[int] = set()
        self._running = 0
        self._lock = threading.Lock()

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        with self._lock:
            self.calls.append(host)
            self._running += 1
            self.most = max(self.most, self._running)
            self.in_threads.add(threading.get_ident())
        if host.startswith("slow"):
            assert self.answer.wait(20)
        with self._lock:
            self._running -= 1
        if host.startswith("unknown"):
            raise socket.gaierror(-2, "Name or service not known")
        return [FOUND]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(_lookup, "get_addresses", resolver)
    yield resolver
    resolver.answer.set()
    end = time.monotonic() + 10
    while _lookup._workers and time.monotonic() < end:
        time.sleep(0.01)
    left = [_lookup._workers, _lookup._running, _lookup._line, _lookup._under_way]
    assert not any(left), left


@pytest.fixture(params=["asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def together(world: World, names: Sequence[str], timeout: float) -> Coroutine[Any, Any, list[Any]]:
    """Look names up at once: addresses, or exceptions."""

    def one(name: str) -> Callable[[], Coroutine[Any, Any, Any]]:
        async def look_up() -> Any:
            try:
                return await world.backend.resolve(name, 80, timeout)
            except OperationTimeout as exc:
                return exc

        return look_up

    return world.together(*map(one, names))


def test_three_thousand_names_at_once(loop: World, resolver: Resolver) -> None:
    names = [f"{'slow' if number < 200 else 'fast'}{number}.test" for number in range(3000)]
    threading.Timer(0.3, resolver.answer.set).start()

    async def main() -> list[Any]:
        return await together(loop, names, 20)

    assert loop.run(main) == [[FOUND]] * 3000
    assert resolver.most <= WORKERS
    assert len(resolver.calls) == len(set(resolver.calls)) == 3000
    if loop.name == "asyncio":  # trio begins tasks in an order of its own
        assert resolver.calls[:WORKERS] == names[:WORKERS]


def test_threads_share_the_workers(resolver: Resolver) -> None:
    names = [f"slow{number}.test" for number in range(2 * WORKERS)]
    threading.Timer(0.3, resolver.answer.set).start()
    world = World("sync")
    assert run_sync(together(world, names, 20)) == [[FOUND]] * len(names)
    assert resolver.most <= WORKERS


async def test_names_that_hang_do_not_stop_the_line(world: World, resolver: Resolver) -> None:
    for number in range(2):
        hanging = [f"slow{number}-{index}.test" for index in range(10 * WORKERS)]
        outcomes = await together(world, hanging, 0.2)
        assert {type(outcome) for outcome in outcomes} == {OperationTimeout}
        assert not _lookup._line
        assert await world.backend.resolve(f"fast{number}.test", 80, 10) == [FOUND]
    assert len(_lookup._workers) <= 4 * WORKERS


def test_names_in_line_go_on_when_those_before_are_given_up(loop: World, resolver: Resolver) -> None:
    hanging = [f"slow{number}.test" for number in range(WORKERS)]

    async def main() -> None:
        outcomes = await loop.together(
            lambda: together(loop, hanging, 0.3), lambda: together(loop, ["fast.test"], 10)
        )
        assert outcomes[1] == [[FOUND]]

    loop.run(main)


def test_threads_are_bounded_however_many_hang(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lookup, "MOST", 5)
    backend = BlockingBackend()
    for number in range(8):
        with pytest.raises(OperationTimeout):
            run_sync(backend.resolve(f"slow{number}.test", 80, 0.05))
    assert len(_lookup._workers) == 5
    with pytest.raises(OperationTimeout):
        run_sync(backend.resolve("fast.test", 80, 0.05))
    threading.Timer(0.1, resolver.answer.set).start()
    assert run_sync(backend.resolve("fast.test", 80, 10)) == [FOUND]
    assert "slow7.test" not in resolver.calls  # nobody waits for it


def test_a_name_whose_lookup_hangs_is_tried_anew_after_a_while(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = BlockingBackend()
    for _ in range(2):
        with pytest.raises(OperationTimeout):
            run_sync(backend.resolve("slow.test", 80, 0.02))
    assert resolver.calls == ["slow.test"]
    monkeypatch.setattr(_lookup, "STALE", 0.01)
    monkeypatch.setattr(_lookup, "get_addresses", lambda host, port: [FOUND])
    assert run_sync(backend.resolve("slow.test", 80, 5)) == [FOUND]


# --- no thread ---------------------------------------------------------------------------------------------


def refuse(*_: object) -> int:
    raise RuntimeError("can't start new thread")


async def test_without_a_thread_names_are_looked_up_in_place(
    world: World, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_thread, "start_new_thread", refuse)
        for number in range(3):
            assert await world.backend.resolve(f"{number}.test", 80, 5) == [FOUND]
        with pytest.raises(socket.gaierror):
            await world.backend.resolve("unknown.test", 80, 5)
        assert resolver.in_threads == {threading.get_ident()}
    assert await world.backend.resolve("after.test", 80, 5) == [FOUND]
    assert len(resolver.in_threads) == 2


def test_without_a_further_thread_names_wait_for_those_there_are(
    loop: World, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late() -> list[Any]:
        while not resolver.calls:
            await loop.backend.sleep(0.01)
        monkeypatch.setattr(_thread, "start_new_thread", refuse)
        threading.Thread  # noqa: B018 - that of the timer was started before
        return await together(loop, [f"late{number}.test" for number in range(5)], 10)

    async def main() -> list[Any]:
        return await loop.together(lambda: together(loop, ["slow.test"], 10), late)

    threading.Timer(0.3, resolver.answer.set).start()
    assert loop.run(main) == [[[FOUND]], [[FOUND]] * 5]
    assert resolver.most == 1
    assert threading.get_ident() not in resolver.in_threads


def test_requests_go_on_without_threads(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start_server(serve_http11(lambda *_: None))
    assert http3.get(server.url).text == "/"  # the server's thread has started
    monkeypatch.setattr(_lookup, "get_addresses", in_vain)
    real = _thread.start_new_thread

    def sometimes(function: Callable[..., object], *arguments: Any) -> int:
        return refuse() if "Worker" in getattr(function, "__qualname__", "") else real(function, *arguments)

    monkeypatch.setattr(_thread, "start_new_thread", sometimes)
    with pytest.raises(http3.ConnectError, match="nowhere") as caught:
        http3.get("http://nowhere.test/")
    assert caught.value.delivery is http3.Delivery.NOT_SENT


def in_vain(host: str, port: int) -> Sequence[Address]:
    raise socket.gaierror(-2, f"{host} is nowhere")


AT_EXIT = """
import asyncio, atexit, sys
import http3
url, kind = sys.argv[1:]

def sync():
    with http3.Client() as client:
        print(client.get(url).text)

async def main():
    async with http3.AsyncClient() as client:
        print((await client.get(url)).text)

if kind == "trio":
    import trio
runs = {"sync": sync, "asyncio": lambda: asyncio.run(main(), debug=False), "trio": lambda: trio.run(main)}
atexit.register(runs[kind])
"""


@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
def test_a_host_name_at_exit(start_server: StartServer, kind: str) -> None:
    """From Python 3.12 on no thread can be started then."""
    url = start_server(serve_http11(lambda *_: None)).url.replace("127.0.0.1", "localhost") + "/at-exit"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", AT_EXIT, url, kind],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "/at-exit\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_no_part_in_its_parents_line(resolver: Resolver) -> None:
    backend = BlockingBackend()
    waiting = threading.Thread(
        target=lambda: run_sync(together(World("sync"), [f"slow{n}.test" for n in range(WORKERS + 5)], 20))
    )
    waiting.start()
    while len(_lookup._line) < 5:
        time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _lookup.get_addresses = lambda host, port: [FOUND]
            code = 0 if run_sync(backend.resolve("fast.test", 80, 5)) == [FOUND] else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    resolver.answer.set()
    waiting.join()
