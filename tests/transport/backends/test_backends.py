"""Lookups that hang, the choice of a backend, and the documented ``connect``."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import trio

from http3_models import (
    ConcurrencyBackend,
    ConnectTimeout,
    Protocol,
    ReadTimeout,
    TimeoutConfig,
    TimeoutFlag,
    WriteTimeout,
)
from http3_models.engine import run_sync
from http3_transport import AsyncioBackend, BlockingBackend, TrioBackend
from http3_transport._backends import _lookup
from http3_transport._backends._detect import running_backend
from http3_transport._interfaces import Address, Backend, OperationTimeout, Waiter
from http3_transport.testing import Peer
from http3_transport.testing._conformance.backends import SilentListener
from http3_transport.testing._conformance.peers import Background, Listener
from support.stream_pairs import client_context, server_context
from support.worlds import World


class Resolver:
    """A system resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.answer = threading.Event()
        self.error: Exception | None = None

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.calls.append((host, port))
        assert self.answer.wait(10)
        if self.error is not None:
            raise self.error
        return [(socket.AF_INET, ("192.0.2.1", port))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(_lookup, "get_addresses", resolver)
    yield resolver
    resolver.answer.set()
    for _ in range(500):
        if not _lookup._under_way:
            break
        time.sleep(0.01)


def test_a_lookup_that_hangs_is_abandoned(world: World, resolver: Resolver) -> None:
    async def main() -> None:
        start = time.monotonic()
        with pytest.raises(OperationTimeout):
            await world.backend.resolve("slow.test", 80, 0.1)
        assert time.monotonic() - start < 1.0

    start = time.monotonic()
    world.run(main)
    assert time.monotonic() - start < 2.0  # nor does the end of the run wait for it


HANGING_LOOKUP = """
import time
from http3_models.engine import run_sync
from http3_transport import BlockingBackend
from http3_transport._backends import _lookup
from http3_transport._interfaces import OperationTimeout

_lookup.get_addresses = lambda host, port: time.sleep(300)
try:
    run_sync(BlockingBackend().resolve("slow.test", 80, 0.1))
except OperationTimeout:
    print("abandoned")
"""


def test_a_process_ends_while_a_lookup_hangs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING_LOOKUP], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "abandoned\n"


def test_equal_lookups_share_a_thread(world: World, resolver: Resolver) -> None:
    async def main() -> Sequence[Address]:
        for _ in range(3):
            with pytest.raises(OperationTimeout):
                await world.backend.resolve("slow.test", 80, 0.01)
        assert resolver.calls == [("slow.test", 80)]
        threading.Timer(0.05, resolver.answer.set).start()
        return await world.backend.resolve("slow.test", 80, 5.0)

    assert world.run(main) == [(socket.AF_INET, ("192.0.2.1", 80))]
    assert resolver.calls == [("slow.test", 80)]
    assert not _lookup._under_way


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label")])
async def test_failed_lookups_are_oserrors(world: World, resolver: Resolver, error: Exception) -> None:
    resolver.error = error
    resolver.answer.set()
    with pytest.raises(OSError, match=r"Name or service|label") as caught:
        await world.backend.resolve("bad.test", 80, 5.0)
    assert caught.value.__cause__ is error


def test_a_lookup_that_breaks_lets_nobody_hang(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    resolver.error = MemoryError()
    resolver.answer.set()
    with pytest.raises(OSError, match="lookup failed"):
        run_sync(BlockingBackend().resolve("bad.test", 80, 5.0))


def test_a_forked_child_starts_lookups_anew(resolver: Resolver) -> None:
    with pytest.raises(OperationTimeout):
        run_sync(BlockingBackend().resolve("slow.test", 80, 0.01))
    assert _lookup._under_way
    with _lookup._lock:  # as if another thread held it at the moment of the fork
        _lookup._start_anew()
        assert not _lookup._under_way
        with _lookup._lock:
            pass


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", (socket.AF_INET, ("127.0.0.1", 80))),
        ("2001:db8::1", (socket.AF_INET6, ("2001:db8::1", 80, 0, 0))),
        ("example.com", None),
        ("127.1", None),
        ("::zz", None),
        ("fe80::1%no-such-zone", None),
        ("nul\0", None),
    ],
)
def test_literals(host: str, expected: Address | None) -> None:
    assert _lookup.literal_address(host, 80) == expected


def test_a_zone_becomes_its_number() -> None:
    address = _lookup.literal_address("fe80::1%lo", 80)
    if address is None:
        pytest.skip("no interface lo with IPv6 here")
    assert address[1][3:] == (socket.if_nametoindex("lo"),)


# Connecting.


def unreachable() -> Address:
    """One that the kernel refuses to connect to at once."""
    return (socket.AF_INET, ("255.255.255.255", 80))


def impossible() -> Address:
    """One for which there is not even a socket."""
    return (12345, ("127.0.0.1", 80))


@pytest.mark.parametrize("bad", [unreachable(), impossible()], ids=["unreachable", "impossible"])
async def test_addresses_that_fail_at_once(world: World, bad: Address) -> None:
    with pytest.raises(OSError):
        await world.backend.connect_address(bad, 5.0)
    with Listener() as listener:
        good: Address = (listener.family, (listener.host, listener.port))
        stream = await world.backend.connect_first([bad, good], 5.0, 5.0)
        stream.abort()
        listener.accept().close()
    await world.backend.sleep(0.01)


def test_errors_name_the_address(world: World) -> None:
    async def main(address: Address, name: str) -> None:
        with pytest.raises(ConnectionRefusedError, match=re.escape(name)):
            await world.backend.connect_address(address, 5.0)

    for family in (socket.AF_INET, socket.AF_INET6):
        with Listener(family) as listener:
            port = listener.port
        if family == socket.AF_INET:
            world.run(main, (family, ("127.0.0.1", port)), f"refused (127.0.0.1:{port})")
        else:
            world.run(main, (family, ("::1", port, 0, 0)), f"refused ([::1]:{port})")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_cancelled_connect_leaves_nothing_open(library: str, count: int) -> None:
    world = World(library)

    async def connect(listener: Listener) -> None:
        address: Address = (listener.family, (listener.host, listener.port))
        if count == 1:
            await world.backend.connect_address(address, 5.0)
        else:
            await world.backend.connect_first([address] * count, 5.0, 0.01)

    async def on_asyncio(listener: Listener) -> None:
        task = asyncio.ensure_future(connect(listener))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1

    async def on_trio(listener: Listener) -> None:
        with trio.move_on_after(0.05) as scope:
            await connect(listener)
        assert scope.cancelled_caught

    with SilentListener() as listener:
        world.run(on_asyncio if library == "asyncio" else on_trio, listener)
    gc.collect()  # warnings are errors


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("times", [1, 2])
def test_a_race_cancelled_at_any_turn_leaves_nothing_open(turns: int, times: int) -> None:
    async def main(listener: Listener) -> None:
        address: Address = (listener.family, (listener.host, listener.port))
        task = asyncio.ensure_future(AsyncioBackend().connect_first([address, address], 5.0, 0.0))
        for _ in range(turns):
            await asyncio.sleep(0)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        done = (await asyncio.gather(task, return_exceptions=True))[0]
        if not isinstance(done, BaseException):
            done.abort()
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1

    with Listener() as listener:
        asyncio.run(main(listener))
    gc.collect()  # warnings are errors


def test_a_waiter_set_after_its_loop_has_ended() -> None:
    for world in (World("asyncio"), World("trio")):

        async def main(backend: Backend = world.backend) -> Waiter:
            waiter = backend.waiter()
            assert not await waiter.wait(0.01)
            return waiter

        waiter = world.run(main)
        setting = threading.Thread(target=waiter.set)
        setting.start()
        setting.join()
        assert waiter.is_set


# The backend of what runs.


def test_the_running_library_is_found() -> None:
    async def main() -> object:
        return running_backend()

    assert isinstance(asyncio.run(main()), AsyncioBackend)
    assert isinstance(trio.run(main), TrioBackend)
    with pytest.raises(RuntimeError, match=r"asyncio\.run"):
        running_backend()


def test_asyncio_callbacks_count_as_running() -> None:
    async def main() -> object:
        found = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: found.set_result(running_backend()))
        return await found

    assert isinstance(asyncio.run(main()), AsyncioBackend)


def test_trio_as_a_guest_of_asyncio() -> None:
    async def inside() -> object:
        return running_backend()

    async def main() -> object:
        loop = asyncio.get_running_loop()
        outcome = loop.create_future()
        trio.lowlevel.start_guest_run(
            inside,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda result: outcome.set_result(result.unwrap()),
        )
        return await outcome

    assert isinstance(asyncio.run(main()), TrioBackend)


def test_backends_load_only_what_they_need() -> None:
    code = (
        "import sys; import http3_transport; http3_transport.BlockingBackend(); "
        "print([name for name in ('asyncio', 'trio', 'ssl', 'h11', 'h2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


# The documented interface.


@contextmanager
def server(work: Callable[[socket.socket], object]) -> Iterator[int]:
    with Listener() as listener:

        def serve() -> None:
            with listener.accept() as sock:
                sock.settimeout(5)
                work(sock)

        serving = Background(serve)
        yield listener.port
        serving.result()


def documented(world: World) -> ConcurrencyBackend:
    assert isinstance(world.backend, ConcurrencyBackend)
    return world.backend


def test_documented_connect(world: World) -> None:
    def work(sock: socket.socket) -> None:
        assert Peer(sock, world.backend.sleep).receive_exactly(100) == b"pi" + bytes(98)
        sock.sendall(b"pong")

    async def main(port: int) -> None:
        connected = await documented(world).connect("localhost", port, None, TimeoutConfig(5))
        reader, writer, protocol = connected
        assert protocol is Protocol.HTTP_11
        writer.write_no_block(b"pi" + bytes(49))
        await writer.write(bytes(49))
        assert await reader.read(100) == b"pong"
        assert await reader.read(100) == b""
        await writer.close()
        await world.backend.sleep(0.01)

    with server(work) as port:
        world.run(main, port)


def test_documented_connect_with_tls(world: World) -> None:
    def work(sock: socket.socket) -> None:
        with server_context(protocols=("h2",)).wrap_socket(sock, server_side=True) as tls:
            assert tls.recv(100) == b"ping"

    async def main(port: int) -> None:
        context = client_context("h2", "http/1.1")
        _, writer, protocol = await documented(world).connect("localhost", port, context, TimeoutConfig(5))
        assert protocol is Protocol.HTTP_2
        await writer.write(b"ping")
        await writer.close()
        await world.backend.sleep(0.01)

    with server(work) as port:
        world.run(main, port)


def test_documented_timeouts(world: World) -> None:
    answer, done = threading.Event(), threading.Event()

    async def main(port: int) -> None:
        timeout = TimeoutConfig(5, read_timeout=0.05, write_timeout=0.05)
        reader, writer, _ = await documented(world).connect("127.0.0.1", port, None, timeout)
        with pytest.raises(ReadTimeout, match=r"0\.05 s"):
            await reader.read(10)
        flag = TimeoutFlag()
        with pytest.raises(ReadTimeout, match=r"0\.1 s"):
            flag.set_read_timeouts()
            await reader.read(10, TimeoutConfig(read_timeout=0.1), flag)
        flag.set_write_timeouts()
        threading.Timer(0.15, answer.set).start()
        assert await reader.read(10, None, flag) == b"late"
        with pytest.raises(WriteTimeout, match=r"0\.05 s"):
            await writer.write(bytes(1 << 26))
        await writer.close()
        done.set()
        await world.backend.sleep(0.01)

    def work(sock: socket.socket) -> None:
        answer.wait(10)
        sock.sendall(b"late")
        done.wait(10)

    with server(work) as port:
        world.run(main, port)


def test_documented_connect_times_out(world: World) -> None:
    async def main(port: int) -> None:
        with pytest.raises(ConnectTimeout, match=r"within 0\.1 s"):
            await documented(world).connect("127.0.0.1", port, None, TimeoutConfig(connect_timeout=0.1))

    with SilentListener() as listener:
        world.run(main, listener.port)


def test_documented_tls_failures_are_oserrors(world: World) -> None:
    def work(sock: socket.socket) -> None:
        with pytest.raises(OSError):
            server_context("other.test").wrap_socket(sock, server_side=True).recv(1)

    async def main(port: int) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            await documented(world).connect("localhost", port, client_context(), TimeoutConfig(5))
        await world.backend.sleep(0.01)

    with server(work) as port:
        world.run(main, port)
