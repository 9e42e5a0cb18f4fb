"""What the public suite does not see of our streams: descriptors, signals, cancellation, loops, forks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

import pytest
import trio
import trio.lowlevel

from http3_models import ConnectionInfo
from http3_models.engine import run_sync
from http3_transport import AsyncioBackend, BlockingBackend, TrioBackend
from http3_transport._backends import _sockets
from http3_transport._backends._asyncio_stream import HIGH_WATER, AsyncioStream
from http3_transport._backends._blocking import LONGEST, BlockingStream, milliseconds
from http3_transport._backends._lookup import literal_address
from http3_transport._backends._sockets import SocketStream, connection_info, make_socket, peer_at
from http3_transport._interfaces import OperationTimeout, Stream
from http3_transport.testing import Peer, plain_pairs
from http3_transport.testing._conformance.peers import Background
from http3_transport.testing._conformance.steps import pattern, read_exactly, read_to_end
from support.stream_pairs import run_uvloop
from support.worlds import World


def raw_socket(stream: Stream) -> socket.socket:
    assert isinstance(stream, SocketStream | AsyncioStream)
    return stream._socket


async def test_sockets_are_set_up(world: World) -> None:
    stream, peer = await plain_pairs(world.backend)()
    sock = raw_socket(stream)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert not sock.get_inheritable()
    assert not sock.getblocking()
    assert "127.0.0.1" in repr(stream)
    stream.abort()
    assert "closed" in repr(stream)
    peer.close()
    await peer.sleep(0.01)
    assert sock.fileno() == -1


def test_unix_sockets_have_no_addresses() -> None:
    left, right = socket.socketpair()
    with left, right:
        assert connection_info(left) == ConnectionInfo()
    assert connection_info(left) == ConnectionInfo()


# Blocking: threads and signals.


def blocking_pair() -> tuple[Stream, Peer]:
    return run_sync(_await(plain_pairs(BlockingBackend())))


async def _await(make: Callable[[], Any]) -> tuple[Stream, Peer]:
    pair: tuple[Stream, Peer] = await make()
    return pair


class Watched(BlockingStream):
    """Notes whether the descriptor was still open when a wait ended."""

    __slots__ = ("descriptors",)

    def _wait_readable(self, timeout: float | None) -> None:
        super()._wait_readable(timeout)
        self.descriptors = [self._socket.fileno()]

    def _wait_writable(self, timeout: float | None) -> None:
        super()._wait_writable(timeout)
        self.descriptors = [self._socket.fileno()]


@pytest.mark.parametrize("operation", ["read", "write"])
def test_a_descriptor_is_not_closed_under_a_waiting_thread(operation: str) -> None:
    sock, peer = socket.socketpair()
    sock.setblocking(False)
    stream = Watched(sock)
    number = sock.fileno()

    def work() -> None:
        with pytest.raises(ConnectionAbortedError):
            run_sync(stream.read(10, 10.0) if operation == "read" else stream.write(bytes(1 << 26), 10.0))

    working = Background(work)
    time.sleep(0.1)
    start = time.monotonic()
    stream.abort()
    working.result()
    assert time.monotonic() - start < 1.0
    assert stream.descriptors == [number]
    assert sock.fileno() == -1
    peer.close()


def test_one_thread_reads_while_another_writes() -> None:
    stream, peer = blocking_pair()
    data = pattern(8 << 20)

    def echo() -> None:
        left = len(data)
        while left:
            part = peer.receive(65536)
            peer.send(part)
            left -= len(part)

    echoing = peer.in_background(echo)
    writer = threading.Thread(target=lambda: run_sync(stream.write(data, 10.0)))
    writer.start()
    assert run_sync(read_exactly_fast(stream, len(data))) == data
    writer.join()
    echoing.result()
    stream.close()
    peer.close()


async def read_exactly_fast(stream: Stream, size: int) -> bytes:
    parts = []
    while size:
        part = await stream.read(65536, 10.0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


@pytest.mark.parametrize("what", ["read", "write", "waiter", "connect"])
def test_signals_stretch_no_timeout(what: str) -> None:
    stream, peer = blocking_pair()
    hits = []

    def handler(number: int, frame: FrameType | None) -> None:
        hits.append(number)

    operations: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "read": lambda: stream.read(10, 0.3),
        "write": lambda: stream.write(bytes(1 << 26), 0.3),
        "waiter": lambda: BlockingBackend().waiter().wait(0.3),
        "connect": lambda: BlockingBackend().sleep(0.3),
    }
    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    start = time.monotonic()
    try:
        run_sync(operations[what]())
    except OperationTimeout:
        pass
    finally:
        taken = time.monotonic() - start
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        stream.abort()
        peer.close()
    assert len(hits) > 3
    assert 0.29 < taken < 2.0  # restarted by each signal, it would never end


def test_an_interrupt_leaves_the_stream_usable() -> None:
    stream, peer = blocking_pair()

    def handler(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        for what in (lambda: stream.read(10, 5.0), lambda: BlockingBackend().sleep(5.0)):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                run_sync(what())
    finally:
        signal.signal(signal.SIGALRM, previous)
    peer.send(b"still")
    assert run_sync(read_exactly(stream, 5)) == b"still"
    stream.close()
    assert raw_socket(stream).fileno() == -1
    peer.close()


# Cancellation.


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05])
def test_a_cancelled_asyncio_read_loses_nothing(delay: float) -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        task = asyncio.ensure_future(stream.read(100, 5.0))
        await asyncio.sleep(0.02)
        peer.send(b"precious")
        if delay:
            time.sleep(delay)  # noqa: ASYNC251  (data and cancellation reach the loop in the same turn)
        task.cancel()
        done = await asyncio.gather(task, return_exceptions=True)
        if isinstance(done[0], asyncio.CancelledError):
            assert await read_exactly(stream, 8) == b"precious"
        else:
            assert done[0] == b"precious"
        stream.abort()
        peer.close()
        await asyncio.sleep(0)

    asyncio.run(main())


def test_data_and_cancellation_in_one_turn() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        assert isinstance(stream, AsyncioStream)
        task = asyncio.ensure_future(stream.read(100, 5.0))
        await asyncio.sleep(0)
        stream.data_received(b"precious")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await stream.read(100, 1.0) == b"precious"
        stream.abort()
        peer.close()
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_cancelled_trio_read_loses_nothing() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(TrioBackend())()
        for _ in range(20):
            with trio.CancelScope() as scope:
                scope.cancel()
                await stream.read(100, 5.0)
        peer.send(b"precious")
        assert await stream.read(3, 5.0) == b"pre"
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.read(100, 5.0)
        assert scope.cancelled_caught
        assert await stream.read(100, 5.0) == b"cious"
        stream.abort()
        peer.close()

    trio.run(main)


def test_a_busy_trio_reader_lets_others_run() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(TrioBackend())()
        sending = peer.in_background(peer.send, bytes(8 << 20))
        turns = 0
        done = False

        async def other() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            left = 8 << 20
            while left:
                left -= len(await stream.read(65536, 5.0))
            done = True
        assert turns > 50
        sending.result()
        stream.abort()
        peer.close()

    trio.run(main)


@pytest.mark.parametrize("operation", ["read", "write", "write_until_readable"])
@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_another_task_aborts(library: str, operation: str) -> None:
    async def use(stream: Stream) -> None:
        data = bytes(1 << 26)
        operations: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "read": lambda: stream.read(10, 5.0),
            "write": lambda: stream.write(data, 5.0),
            "write_until_readable": lambda: stream.write_until_readable(data, 5.0),
        }
        with pytest.raises(ConnectionAbortedError):
            await operations[operation]()

    async def on_asyncio() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        task = asyncio.ensure_future(use(stream))
        await asyncio.sleep(0.05)
        stream.abort()
        await task
        peer.close()

    async def on_trio() -> None:
        stream, peer = await plain_pairs(TrioBackend())()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(use, stream)
            await trio.sleep(0.05)
            stream.abort()
        assert raw_socket(stream).fileno() == -1
        peer.close()

    start = time.monotonic()
    World(library).run(on_asyncio if library == "asyncio" else on_trio)
    assert time.monotonic() - start < 3.0


# asyncio: buffers, loops, threads.


def test_unread_bytes_are_bounded_and_come_before_the_end() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        assert isinstance(stream, AsyncioStream)
        data = pattern(16 << 20)

        def send_all() -> None:
            peer.send(data)
            peer.cut()

        sending = peer.in_background(send_all)
        most = 0
        for _ in range(20):
            await asyncio.sleep(0.01)
            most = max(most, stream._buffered)
        assert HIGH_WATER < most <= 2 * HIGH_WATER
        assert await read_to_end(stream, 10_000) == data
        assert stream._buffered == 0
        sending.result()
        stream.abort()
        peer.close()
        await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize("runner", ["asyncio", "uvloop"])
def test_an_answer_survives_the_failure_of_the_upload(runner: str) -> None:
    """The server answers, closes, and resets what is still sent to it."""

    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        peer.send(b"413 too large")
        peer.close()
        with pytest.raises(OSError):
            for _ in range(100):
                await stream.write(bytes(1 << 20), 5.0)
        if runner == "asyncio":  # uvloop closes the descriptor first; there it is luck
            assert await read_exactly(stream, 13) == b"413 too large"
        with pytest.raises(OSError):
            while await stream.read(100, 5.0):
                pass
        with pytest.raises(OSError):
            stream.write_nowait(b"x")
        stream.abort()
        await asyncio.sleep(0)

    (World("asyncio").run if runner == "asyncio" else run_uvloop)(main)


@pytest.mark.parametrize("runner", ["asyncio", "uvloop"])
@pytest.mark.parametrize("how", ["close", "abort"])
def test_streams_of_a_dead_loop_are_dropped_quietly(runner: str, how: str) -> None:
    run: Callable[..., Any] = World("asyncio").run if runner == "asyncio" else run_uvloop
    backend = AsyncioBackend()

    async def first() -> tuple[Stream, Peer, object]:
        stream, peer = await plain_pairs(backend)()
        return stream, peer, backend.loop_token()

    async def second() -> None:
        stream, peer = await plain_pairs(backend)()
        await stream.write(b"alive", 1.0)
        assert peer.receive_exactly(5) == b"alive"
        stream.close()
        peer.close()
        await asyncio.sleep(0)

    with warnings.catch_warnings():
        if runner == "uvloop":  # it complains itself, when it is closed, about what is still open
            warnings.simplefilter("ignore", ResourceWarning)
        stream, peer, scope = run(first)
    assert backend.loop_has_ended(scope)
    getattr(stream, how)()
    getattr(stream, how)()
    assert raw_socket(stream).fileno() == -1
    assert peer.receive(10) == b""
    peer.close()
    del stream
    gc.collect()  # warnings are errors
    run(second)


def test_scopes_end() -> None:
    for world in (World("trio"), World("asyncio")):

        async def main(backend: Any = world.backend) -> object:
            scope = backend.loop_token()
            assert not backend.loop_has_ended(scope)
            return scope

        scope = world.run(main)
        assert world.backend.loop_has_ended(scope)
    with pytest.raises(RuntimeError):
        AsyncioBackend().loop_token()
    with pytest.raises(RuntimeError):
        TrioBackend().loop_token()
    assert not TrioBackend().loop_has_ended(object())


def test_a_trio_stream_outlives_its_run() -> None:
    async def main() -> tuple[Stream, Peer]:
        return await plain_pairs(TrioBackend())()

    stream, peer = trio.run(main)
    stream.abort()
    assert raw_socket(stream).fileno() == -1
    assert peer.receive(10) == b""
    peer.close()


def test_one_timer_serves_many_reads() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        assert isinstance(stream, AsyncioStream)
        timers = set()
        for _ in range(10):
            task = asyncio.ensure_future(stream.read(1, 60.0))
            await asyncio.sleep(0)
            timers.add(stream._waits._timer)
            peer.send(b"x")
            await task
        assert len(timers) == 1
        # A shorter limit needs an earlier one.
        with pytest.raises(OperationTimeout):
            await stream.read(1, 0.05)
        stream.abort()
        assert stream._waits._timer is None
        peer.close()
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_timer_that_fires_early_is_armed_anew() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        task = asyncio.ensure_future(stream.read(1, 0.1))
        await asyncio.sleep(0.06)
        peer.send(b"x")
        assert await task == b"x"
        start = time.monotonic()
        with pytest.raises(OperationTimeout):
            await stream.read(1, 0.1)
        assert 0.09 < time.monotonic() - start < 1.0
        stream.abort()
        peer.close()
        await asyncio.sleep(0)

    asyncio.run(main())


def test_idle_asyncio_streams_see_a_close_the_loop_has_not_seen() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        peer.send(b"bye")
        peer.close()
        # No turn of the loop in between.
        assert stream.read_nowait(100) == b"bye"
        assert stream.read_nowait(100) == b""
        assert await stream.read(100, 1.0) == b""
        stream.abort()
        await asyncio.sleep(0)

    asyncio.run(main())


FORK = """
import os, sys
from http3_models.engine import run_sync
from http3_transport.testing import plain_pairs
{imports}

async def main():
    stream, peer = await plain_pairs(backend)()
    child = os.fork()
    if child == 0:
        stream.{how}()
        os._exit(0 if stream._socket.fileno() == -1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    peer.send(b"still")
    assert await stream.read(100, 5.0) == b"still"
    await stream.write(b"here", 5.0)
    assert peer.receive_exactly(4) == b"here"
    stream.abort()
    peer.close()
    await peer.sleep(0.01)

{run}
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("how", ["close", "abort"])
@pytest.mark.parametrize(
    ("imports", "run"),
    [
        ("from http3_transport import BlockingBackend; backend = BlockingBackend()", "run_sync(main())"),
        (
            "import asyncio; from http3_transport import AsyncioBackend; backend = AsyncioBackend()",
            "asyncio.run(main())",
        ),
        ("import trio; from http3_transport import TrioBackend; backend = TrioBackend()", "trio.run(main)"),
    ],
    ids=["blocking", "asyncio", "trio"],
)
def test_a_forked_child_leaves_the_connection_alone(how: str, imports: str, run: str) -> None:
    code = FORK.format(how=how, imports=imports, run=run)
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=30)


FORK_DURING_A_READ = """
import os, threading, time
from http3_models.engine import run_sync
from http3_transport import BlockingBackend
from http3_transport.testing import plain_pairs

async def pair():
    return await plain_pairs(BlockingBackend())()

stream, peer = run_sync(pair())
found = []
thread = threading.Thread(target=lambda: found.append(run_sync(stream.read(100, 10.0))))
thread.start()
while not stream._reading:
    time.sleep(0.01)
time.sleep(0.05)
child = os.fork()
if child == 0:
    stream.abort()  # the thread that reads is the parent's: nobody here will lower its flag
    os._exit(0 if stream._socket.fileno() == -1 else 1)
assert os.waitpid(child, 0)[1] == 0
peer.send(b"still")
thread.join(10.0)
assert found == [b"still"], found
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_shut_down_what_its_parent_reads_from() -> None:
    subprocess.run([sys.executable, "-c", FORK_DURING_A_READ], check=True, timeout=30)


# How sockets are made and connected.


@pytest.mark.parametrize("kind", [_sockets._STREAM, socket.SOCK_STREAM])
def test_sockets_never_block_whatever_the_default(monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    monkeypatch.setattr(_sockets, "_STREAM", kind)
    socket.setdefaulttimeout(3.0)
    try:
        sock = make_socket((socket.AF_INET, ("127.0.0.1", 80)))
    finally:
        socket.setdefaulttimeout(None)
    with sock:
        assert sock.gettimeout() == 0
        assert not os.get_blocking(sock.fileno())
        assert not sock.get_inheritable()


@pytest.mark.parametrize(
    ("host", "is_known"),
    [("127.0.0.1", True), ("0.0.0.0", False), ("::1", False), ("0:0::1", False), ("::", False)],
)
def test_the_peer_is_what_the_kernel_says(host: str, is_known: bool) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server(("", 0), family=family)
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        address = literal_address(host, server.getsockname()[1])
        assert address is not None
        assert (peer_at(address) is not None) == is_known
        stream = run_sync(BlockingBackend().connect_address(address, 5.0))
        kernel = connection_info(raw_socket(stream))
        assert None not in kernel[:2]
        assert stream.info == kernel
        stream.abort()
        assert stream.info == kernel


def test_waits_of_any_length_are_taken() -> None:
    for seconds in (0.001, LONGEST, 1e12):
        wait = milliseconds(seconds)
        assert wait is not None
        assert 0 < wait < 2**31
    assert milliseconds(None) is None
