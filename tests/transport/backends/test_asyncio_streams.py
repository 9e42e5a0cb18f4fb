"""What asyncio's streams do past the loop (ask the kernel itself), and how they and waiters share timers."""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

import http3
from http3_transport import AsyncioBackend
from http3_transport._backends import _asyncio_stream
from http3_transport._backends._asyncio_stream import HIGH_WATER, SMALL_READ, AsyncioStream
from http3_transport.testing import OperationTimeout, Peer, ScriptedConnection, ScriptedServer, plain_pairs
from http3_transport.testing._conformance.steps import pattern, read_to_end
from support.counting_loops import CountingLoop
from support.servers import StartServer
from support.stalling_peers import never_bad, serve_http2, serve_http11
from support.stream_pairs import run_uvloop
from support.worlds import World

Run = Callable[..., Any]
Main = Callable[[AsyncioStream, Peer], Awaitable[None]]


NEVER_DUE = 60.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there the loop alone reads")

RUNNERS: dict[str, Run] = {"asyncio": World("asyncio").run, "uvloop": run_uvloop}


@pytest.fixture(params=RUNNERS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine function on asyncio's own loop, and on uvloop."""
    return RUNNERS[request.param]


@pytest.fixture
def turns_are_due(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Say after how many seconds a busy stream lets the loop have a turn."""
    return lambda seconds: monkeypatch.setattr(_asyncio_stream, "TURN_AFTER", seconds)


def on(run: Run, main: Main) -> None:
    """Run ``main`` with a stream and its peer."""

    async def with_pair() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        assert isinstance(stream, AsyncioStream)
        try:
            await main(stream, peer)
        finally:
            stream.abort()
            peer.close()
            await asyncio.sleep(0)

    run(with_pair)


class Turns:
    """Counts the turns that the loop takes from `start` to `stop`."""

    def __init__(self) -> None:
        self.count = 0
        self._counting = False

    def start(self) -> None:
        self.count = 0
        self._counting = True
        asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        if self._counting:
            self.count += 1
            asyncio.get_running_loop().call_soon(self._turn)

    def stop(self) -> int:
        self._counting = False
        return self.count


def wait_for_bytes(stream: AsyncioStream) -> None:
    """Block, without a turn of the loop, until the kernel has something for the stream."""
    assert select.select([stream._socket], [], [], 10.0)[0]


def wait_for_size(stream: AsyncioStream, size: int) -> None:
    """Block, without a turn of the loop, until the kernel has so many bytes for the stream."""
    while True:
        wait_for_bytes(stream)
        if len(stream._socket.recv(size, socket.MSG_PEEK)) == size:
            return


async def first_read(stream: AsyncioStream, peer: Peer, rest: int) -> None:
    """Have the loop read once, so much that there may be more, and then ``rest`` bytes be in the kernel."""
    peer.send(pattern(SMALL_READ))
    wait_for_size(stream, SMALL_READ)
    assert len(await stream.read(SMALL_READ, 5.0)) == SMALL_READ
    if rest:
        peer.send(pattern(rest))
        wait_for_size(stream, rest)


# Reading.


@pytest.mark.parametrize("into", [False, True], ids=["read", "read_into"])
def test_what_is_left_in_the_kernel_is_read_without_a_turn(
    run: Run, turns_are_due: Callable[[float], None], into: bool
) -> None:
    turns_are_due(NEVER_DUE)

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        await first_read(stream, peer, 3000)
        turns = Turns()
        turns.start()
        buffer = bytearray(3000)
        for start in range(0, 3000, 1000):
            with memoryview(buffer)[start : start + 1000] as part:
                if into:
                    assert await stream.read_into(part, 5.0) == 1000
                else:
                    part[:] = await stream.read(1000, 5.0)
        assert turns.stop() == 0
        assert buffer == pattern(3000)

    on(run, main)


@pytest.mark.parametrize("into", [False, True], ids=["read", "read_into"])
def test_a_busy_reader_lets_others_run(run: Run, turns_are_due: Callable[[float], None], into: bool) -> None:
    turns_are_due(0.0)
    size = 8 << 20

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        sending = peer.in_background(peer.send, pattern(size))
        turns = Turns()
        turns.start()
        buffer = memoryview(bytearray(size))
        arrived = 0
        while arrived < size:
            if into:
                arrived += await stream.read_into(buffer[arrived:], 5.0)
            else:
                data = await stream.read(size, 5.0)
                buffer[arrived : arrived + len(data)] = data
                arrived += len(data)
        assert turns.stop() >= size // HIGH_WATER // 4  # uvloop may read more than once a turn
        assert buffer == pattern(size)
        sending.result()

    on(run, main)


@pytest.mark.parametrize(
    ("size", "room"),
    [
        (10, 7),
        (10, 1 << 20),
        (SMALL_READ, 7),
        (SMALL_READ, SMALL_READ),
        (8 << 20, SMALL_READ),
        (8 << 20, 1 << 20),
    ],
)
def test_read_into_fills_from_the_beginning(run: Run, size: int, room: int) -> None:
    async def main(stream: AsyncioStream, peer: Peer) -> None:
        def send_all() -> None:
            peer.send(pattern(size))
            peer.finish()

        sending = peer.in_background(send_all)
        got = bytearray()
        buffer = bytearray(room)
        while count := await stream.read_into(memoryview(buffer), 5.0):
            assert 1 <= count <= room
            got += buffer[:count]
        assert got == pattern(size)
        assert await stream.read_into(memoryview(buffer), 5.0) == 0
        sending.result()

    on(run, main)


def test_a_reset_met_past_the_loop_is_not_taken_for_the_end(
    run: Run, turns_are_due: Callable[[float], None]
) -> None:
    turns_are_due(NEVER_DUE)

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        await first_read(stream, peer, 0)
        peer.reset()
        wait_for_bytes(stream)
        for _ in range(2):
            with pytest.raises(ConnectionResetError):
                await stream.read(10, 5.0)
        # The kernel tells of the reset once. Now the transport is told that the stream has ended.
        for _ in range(10):
            await asyncio.sleep(0.01)
            with pytest.raises(OSError):
                await stream.read(10, 5.0)
            with pytest.raises(OSError):
                stream.read_nowait(10)
        with pytest.raises(OSError):
            stream.write_nowait(b"x")

    on(run, main)


def test_the_end_met_past_the_loop(run: Run, turns_are_due: Callable[[float], None]) -> None:
    turns_are_due(NEVER_DUE)

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        await first_read(stream, peer, 0)
        peer.finish()
        wait_for_bytes(stream)
        assert await stream.read(10, 5.0) == b""
        await asyncio.sleep(0.02)
        assert await stream.read(10, 5.0) == b""
        await stream.write(b"still", 5.0)  # only the other half has ended
        assert peer.receive_exactly(5) == b"still"

    on(run, main)


# Writing.


def test_a_broken_transport_is_not_written_to(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """It is told of the failure by the loop only; asyncio's log would warn of each write until then."""

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        peer.reset()
        wait_for_bytes(stream)
        written = [stream.write_nowait(b"x") for _ in range(10)]
        assert written[1:] == [0] * 9
        with pytest.raises(OSError):
            await stream.wait_writable(5.0)

    on(run, main)
    assert not caplog.records


def test_a_reader_that_is_slower_than_the_loop_bounds_it(run: Run) -> None:
    """The same bound as ever, also where the loop reads small pieces only."""

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        data = pattern(4 << 20)
        stop = threading.Event()

        def drip() -> None:
            for start in range(0, len(data), 1000):
                if stop.is_set():
                    return
                peer.send(data[start : start + 1000])
            peer.finish()

        sending = peer.in_background(drip)
        try:
            for _ in range(20):
                await asyncio.sleep(0.01)
                assert stream._buffered <= 2 * HIGH_WATER
            assert await read_to_end(stream, 10_000) == data
        finally:
            stop.set()
        sending.result()

    on(run, main)


def test_an_early_answer_is_heard_without_a_turn(run: Run, turns_are_due: Callable[[float], None]) -> None:
    turns_are_due(NEVER_DUE)

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        assert await stream.write_until_readable(b"first", 5.0) == 5
        peer.send(b"413")
        wait_for_bytes(stream)
        turns = Turns()
        turns.start()
        assert await stream.write_until_readable(b"second", 5.0) == 0
        assert turns.stop() == 0
        assert stream.read_nowait(10) == b"413"
        assert await stream.write_until_readable(b"third", 5.0) == 5
        assert peer.receive_exactly(10) == b"firstthird"

    on(run, main)


def test_pieces_leave_without_a_turn_for_each(run: Run, turns_are_due: Callable[[float], None]) -> None:
    turns_are_due(NEVER_DUE)

    async def main(stream: AsyncioStream, peer: Peer) -> None:
        assert await stream.write_until_readable(b"0", 5.0) == 1
        turns = Turns()
        turns.start()
        for number in range(1, 10):
            assert await stream.write_until_readable(b"%d" % number, 5.0) == 1
        assert turns.stop() == 0
        assert peer.receive_exactly(10) == b"0123456789"

    on(run, main)


def test_an_upload_that_never_waits_can_be_cancelled(run: Run) -> None:
    async def main(stream: AsyncioStream, peer: Peer) -> None:
        stop = threading.Event()

        def swallow() -> None:
            with suppress(OSError):
                while not stop.is_set() and peer.receive(1 << 20):
                    pass

        swallowing = peer.in_background(swallow)

        async def upload() -> None:
            for _ in range(100_000):
                await stream.write_until_readable(bytes(1000), 5.0)

        task = asyncio.ensure_future(upload())
        # No timer and no message from elsewhere: both would need the turn that is tested for.
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, lambda: task.cancel())
        with pytest.raises(asyncio.CancelledError):
            await task
        stop.set()
        stream.abort()
        await asyncio.sleep(0.01)
        swallowing.result()

    on(run, main)


# Waiters.


def run_counting(main: Callable[[CountingLoop], Coroutine[Any, Any, None]]) -> None:
    loop = CountingLoop()
    try:
        loop.run_until_complete(main(loop))
    finally:
        loop.close()


def test_waiters_share_timers() -> None:
    async def main(loop: CountingLoop) -> None:
        backend = AsyncioBackend()
        waiters = [backend.waiter() for _ in range(1000)]
        waits = [asyncio.ensure_future(waiter.wait(60.0)) for waiter in waiters]
        await asyncio.sleep(0)
        assert loop.timers == 1
        for waiter in waiters:
            waiter.set()
        assert await asyncio.gather(*waits) == [True] * 1000

    run_counting(main)


def test_waiters_are_woken_when_their_own_time_is_up() -> None:
    async def main(loop: CountingLoop) -> None:
        backend = AsyncioBackend()
        ended: dict[float, float] = {}

        async def wait(seconds: float) -> None:
            begun = loop.time()
            assert not await backend.waiter().wait(seconds)
            ended[seconds] = loop.time() - begun

        seconds = [0.3, 0.1, 0.0, 0.2, 0.05]
        await asyncio.gather(*map(wait, seconds))
        assert list(ended) == sorted(seconds)
        for limit, taken in ended.items():
            # Timers of asyncio fire early by what its clock can't tell apart.
            assert taken >= limit - 0.001

    run_counting(main)


def test_a_waiter_that_was_woken_or_cancelled_is_not_kept() -> None:
    async def main(loop: CountingLoop) -> None:
        backend = AsyncioBackend()
        waiters = [backend.waiter() for _ in range(3)]
        waits = [asyncio.ensure_future(waiter.wait(60.0)) for waiter in waiters]
        await asyncio.sleep(0)
        waiters[0].set()
        waits[1].cancel()
        await asyncio.wait(waits[:2])
        assert backend._alarms is not None
        kept = [future for waiting in backend._alarms._waiting.values() for future in waiting]
        assert len(kept) == 1
        waiters[2].set()
        assert await waits[2]

    run_counting(main)


HOUR = 3600.0


def test_timers_of_long_waits_that_are_over_do_not_pile_up() -> None:
    """64 a second for an hour, one for each tick of the clock in which somebody had waited."""

    async def main(loop: CountingLoop) -> None:
        backend = AsyncioBackend()

        async def wait() -> None:
            waiter = backend.waiter()
            loop.call_soon(waiter.set)
            assert await waiter.wait(HOUR)

        for _ in range(1000):
            loop.ahead += 0.1
            await asyncio.gather(wait(), wait())
        assert backend._alarms is not None
        assert loop.timers == 1
        assert not backend._alarms._waiting
        loop.ahead += HOUR  # the one fires, and there is nobody to set another for
        await asyncio.sleep(0.01)
        assert loop.timers == 2  # that of the sleep
        assert not await backend.waiter().wait(0.01)

    run_counting(main)


def test_a_shorter_wait_is_over_before_a_longer_one() -> None:
    async def main(loop: CountingLoop) -> None:
        backend = AsyncioBackend()
        long = backend.waiter()
        waiting = asyncio.ensure_future(long.wait(HOUR))
        await asyncio.sleep(0)
        assert not await backend.waiter().wait(0.02)
        assert not waiting.done()
        loop.ahead += HOUR
        assert not await waiting

    run_counting(main)


def test_reads_and_writes_with_long_limits_need_one_timer() -> None:
    async def main(loop: CountingLoop) -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        before = loop.timers
        for _ in range(500):
            loop.ahead += 0.1
            await stream.write(b"x", HOUR)
            peer.send(b"y")
            assert await stream.read(1, HOUR) == b"y"
        assert loop.timers - before <= 1
        stream.abort()
        peer.close()
        await asyncio.sleep(0)

    run_counting(main)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize(
    "timeout",
    [http3.TimeoutConfig(HOUR), http3.TimeoutConfig(HOUR, total_timeout=HOUR, pool_timeout=HOUR)],
    ids=["phases", "total"],
)
def test_timers_of_requests_with_long_limits_do_not_pile_up(
    start_server: StartServer, version: str, timeout: http3.TimeoutConfig
) -> None:
    """Three at a time; so over HTTP/2 some wait for what another one reads, and over HTTP/1.1 in line."""
    url = start_server(serve_http2(never_bad) if version == "HTTP/2" else serve_http11(never_bad)).url
    limits = http3.PoolLimits(hard_limit=2)

    async def main(loop: CountingLoop) -> None:
        client = http3.AsyncClient(timeout=timeout, http_versions=(version,), pool_limits=limits)
        async with client:
            await client.get(url)
            before = loop.timers
            for number in range(40):
                loop.ahead += 0.3
                await asyncio.gather(*[client.get(f"{url}/{number}") for _ in range(3)])
            # Who waits in line looks twice a second for what was forgotten: that takes short timers.
            assert loop.timers - before <= 60

    run_counting(main)


def test_a_backend_serves_loops_one_after_the_other() -> None:
    backend = AsyncioBackend()

    async def main(loop: CountingLoop) -> None:
        assert not await backend.waiter().wait(0.01)
        assert loop.timers == 1

    run_counting(main)
    run_counting(main)


def test_what_the_transport_holds_has_not_been_sent() -> None:
    """Else a connection would be offered again while the rest of an upload is still here."""

    async def main(port: int) -> None:
        backend = AsyncioBackend()
        (address,) = await backend.resolve("127.0.0.1", port, 5)
        stream = await backend.connect_address(address, 5)
        await stream.write(b"x", 5)
        assert not stream.has_unsent
        with pytest.raises(OperationTimeout):
            await stream.write(bytes(20_000_000), 0.1)
        assert stream.has_unsent
        stream.abort()

    with ScriptedServer(ScriptedConnection.stall) as server:
        asyncio.run(main(server.port))
