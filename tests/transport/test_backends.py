"""Lookups that hang, the choice of a backend, and the documented ``connect``."""

from __future__ import annotations

import asyncio
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

from http3_models._config import TimeoutConfig
from http3_models._exceptions import ConnectTimeout, ReadTimeout, WriteTimeout
from http3_models._interfaces import ConcurrencyBackend, Protocol, TimeoutFlag
from http3_models._records import drive
from http3_transport import AsyncioBackend, BlockingBackend, TrioBackend
from http3_transport._backends import _lookup
from http3_transport._backends._detect import running_backend
from http3_transport._interfaces import Address, OperationTimeout
from http3_transport.testing._backends import SilentListener
from http3_transport.testing._peers import Background, Listener
from runtimes import Runtime
from transport.stream_pairs import client_context, server_context


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
    for thread in threading.enumerate():
        if thread.name.startswith("http3-lookup"):
            thread.join(5)


def test_a_lookup_that_hangs_is_abandoned(runtime: Runtime, resolver: Resolver) -> None:
    async def main() -> None:
        start = time.monotonic()
        with pytest.raises(OperationTimeout):
            await runtime.backend.resolve("slow.test", 80, 0.1)
        assert time.monotonic() - start < 1.0

    start = time.monotonic()
    runtime.run(main)
    assert time.monotonic() - start < 2.0  # nor does the end of the run wait for it
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("http3-lookup"))


def test_equal_lookups_share_a_thread(runtime: Runtime, resolver: Resolver) -> None:
    async def main() -> Sequence[Address]:
        for _ in range(3):
            with pytest.raises(OperationTimeout):
                await runtime.backend.resolve("slow.test", 80, 0.01)
        assert resolver.calls == [("slow.test", 80)]
        threading.Timer(0.05, resolver.answer.set).start()
        return await runtime.backend.resolve("slow.test", 80, 5.0)

    assert runtime.run(main) == [(socket.AF_INET, ("192.0.2.1", 80))]
    assert resolver.calls == [("slow.test", 80)]
    assert not _lookup._under_way


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label")])
def test_failed_lookups_are_oserrors(runtime: Runtime, resolver: Resolver, error: Exception) -> None:
    resolver.error = error
    resolver.answer.set()

    async def main() -> None:
        with pytest.raises(OSError, match=r"Name or service|label") as caught:
            await runtime.backend.resolve("bad.test", 80, 5.0)
        assert caught.value.__cause__ is error

    runtime.run(main)


def test_a_lookup_that_breaks_lets_nobody_hang(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    resolver.error = MemoryError()
    resolver.answer.set()
    with pytest.raises(OSError, match="lookup failed"):
        drive(BlockingBackend().resolve("bad.test", 80, 5.0))


def test_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            drive(BlockingBackend().resolve("localhost", 80, 5.0))
    assert drive(BlockingBackend().resolve("localhost", 80, 5.0))


def test_a_forked_child_starts_lookups_anew(resolver: Resolver) -> None:
    with pytest.raises(OperationTimeout):
        drive(BlockingBackend().resolve("slow.test", 80, 0.01))
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


def documented(runtime: Runtime) -> ConcurrencyBackend:
    assert isinstance(runtime.backend, ConcurrencyBackend)
    return runtime.backend


def test_documented_connect(runtime: Runtime) -> None:
    def work(sock: socket.socket) -> None:
        assert sock.recv(100, socket.MSG_WAITALL | 0)[:2] == b"pi"
        sock.sendall(b"pong")

    async def main(port: int) -> None:
        connected = await documented(runtime).connect("localhost", port, None, TimeoutConfig(5))
        reader, writer, protocol = connected
        assert protocol is Protocol.HTTP_11
        writer.write_no_block(b"pi" + bytes(49))
        await writer.write(bytes(49))
        assert await reader.read(100) == b"pong"
        assert await reader.read(100) == b""
        await writer.close()
        await runtime.backend.sleep(0.01)

    with server(work) as port:
        runtime.run(main, port)


def test_documented_connect_with_tls(runtime: Runtime) -> None:
    def work(sock: socket.socket) -> None:
        with server_context(protocols=("h2",)).wrap_socket(sock, server_side=True) as tls:
            assert tls.recv(100) == b"ping"

    async def main(port: int) -> None:
        context = client_context("h2", "http/1.1")
        _, writer, protocol = await documented(runtime).connect("localhost", port, context, TimeoutConfig(5))
        assert protocol is Protocol.HTTP_2
        await writer.write(b"ping")
        await writer.close()
        await runtime.backend.sleep(0.01)

    with server(work) as port:
        runtime.run(main, port)


def test_documented_timeouts(runtime: Runtime) -> None:
    done = threading.Event()

    async def main(port: int) -> None:
        timeout = TimeoutConfig(5, read_timeout=0.05, write_timeout=0.05)
        reader, writer, _ = await documented(runtime).connect("127.0.0.1", port, None, timeout)
        with pytest.raises(ReadTimeout, match=r"0\.05 s"):
            await reader.read(10)
        flag = TimeoutFlag()
        with pytest.raises(ReadTimeout, match=r"0\.1 s"):
            flag.set_read_timeouts()
            await reader.read(10, TimeoutConfig(read_timeout=0.1), flag)
        flag.set_write_timeouts()
        threading.Timer(0.15, done.set).start()
        assert await reader.read(10, None, flag) == b"late"
        with pytest.raises(WriteTimeout, match=r"0\.05 s"):
            await writer.write(bytes(1 << 26))
        await writer.close()
        await runtime.backend.sleep(0.01)

    def work(sock: socket.socket) -> None:
        done.wait(5)
        sock.sendall(b"late")
        time.sleep(0.2)

    with server(work) as port:
        runtime.run(main, port)


def test_documented_connect_times_out(runtime: Runtime) -> None:
    async def main(port: int) -> None:
        with pytest.raises(ConnectTimeout, match=r"within 0\.1 s"):
            await documented(runtime).connect("127.0.0.1", port, None, TimeoutConfig(connect_timeout=0.1))

    with SilentListener() as listener:
        runtime.run(main, listener.port)


def test_documented_tls_failures_are_oserrors(runtime: Runtime) -> None:
    def work(sock: socket.socket) -> None:
        with pytest.raises(OSError):
            server_context("other.test").wrap_socket(sock, server_side=True).recv(1)

    async def main(port: int) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            await documented(runtime).connect("localhost", port, client_context(), TimeoutConfig(5))
        await runtime.backend.sleep(0.01)

    with server(work) as port:
        runtime.run(main, port)
