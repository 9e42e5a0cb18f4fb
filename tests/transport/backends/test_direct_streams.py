"""What streams right over a socket offer besides: pieces that are not joined, files that the kernel sends."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from http3_transport import AsyncioBackend
from http3_transport._backends import _sockets
from http3_transport._interfaces import NO_SENDFILE, DirectStream, OperationTimeout, Stream
from http3_transport.testing import Peer, plain_pairs
from http3_transport.testing._conformance.steps import pattern
from support.worlds import World

SIZE = 3 * 1024 * 1024 + 17
STEP = 256 * 1024
LIMIT = 5.0


@pytest.fixture(params=["sync", "trio"])
def direct(request: pytest.FixtureRequest) -> World:
    """The worlds whose streams are direct."""
    return World(request.param)


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    """A file of `SIZE` bytes of a pattern."""
    path = tmp_path / "file"
    path.write_bytes(pattern(SIZE))
    with path.open("rb") as file:
        yield file.fileno()


async def direct_pair(world: World) -> tuple[Stream, DirectStream, Peer]:
    stream, peer = await plain_pairs(world.backend)()
    assert isinstance(stream, DirectStream)
    return stream, stream, peer


def test_others_are_not_direct() -> None:
    async def main() -> None:
        stream, peer = await plain_pairs(AsyncioBackend())()
        assert not isinstance(stream, DirectStream)
        stream.abort()
        peer.close()

    World("asyncio").run(main)


def test_a_file_goes_out(direct: World, descriptor: int) -> None:
    async def main() -> None:
        stream, kernel, peer = await direct_pair(direct)
        receiving = peer.in_background(peer.receive_exactly, SIZE)
        position = os.lseek(descriptor, 11, os.SEEK_SET)
        sent = 0
        while taken := await kernel.write_file_until_readable(descriptor, sent, STEP, LIMIT):
            assert 0 < taken <= STEP
            sent += taken
        assert taken == 0
        assert sent == SIZE
        assert receiving.result() == pattern(SIZE)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == position
        stream.abort()
        peer.close()

    direct.run(main)


def test_something_to_read_comes_first(direct: World, descriptor: int) -> None:
    async def main() -> None:
        stream, kernel, peer = await direct_pair(direct)
        while taken := kernel.write_pieces_nowait([bytes(STEP)]):
            assert taken <= STEP
        timer = threading.Timer(0.1, peer.send, [b"413"])  # while it waits
        timer.start()
        assert await kernel.write_file_until_readable(descriptor, 0, STEP, LIMIT) is None
        assert await kernel.write_file_until_readable(descriptor, 0, STEP, LIMIT) is None
        assert stream.read_nowait(10) == b"413"
        timer.join()
        stream.abort()
        peer.close()

    direct.run(main)


def test_a_peer_that_takes_nothing(direct: World, descriptor: int) -> None:
    async def main() -> None:
        stream, kernel, peer = await direct_pair(direct)
        while kernel.write_pieces_nowait([b"head", bytes(STEP)]):
            pass
        started = time.monotonic()
        with pytest.raises(OperationTimeout):
            await kernel.write_file_until_readable(descriptor, 0, STEP, 0.1)
        assert time.monotonic() - started >= 0.1
        stream.abort()
        peer.close()

    direct.run(main)


def test_a_cancelled_write_has_taken_nothing(descriptor: int) -> None:
    async def main() -> None:
        stream, kernel, peer = await direct_pair(World("trio"))
        full = 0
        while taken := kernel.write_pieces_nowait([pattern(STEP)]):
            full += taken
        with trio.move_on_after(0.05) as scope:
            await kernel.write_file_until_readable(descriptor, 0, STEP, None)
        assert scope.cancelled_caught
        receiving = peer.in_background(peer.receive_exactly, full + STEP)
        sent = 0
        while sent < STEP:
            sent += await kernel.write_file_until_readable(descriptor, sent, STEP - sent, LIMIT) or 0
        assert (await trio.to_thread.run_sync(receiving.result))[full:] == pattern(STEP)
        stream.abort()
        peer.close()

    trio.run(main)


def test_another_thread_aborts(descriptor: int) -> None:
    async def main() -> None:
        stream, kernel, peer = await direct_pair(World("sync"))
        while kernel.write_pieces_nowait([bytes(STEP)]):
            pass
        timer = threading.Timer(0.1, stream.abort)
        timer.start()
        with pytest.raises(ConnectionAbortedError):
            await kernel.write_file_until_readable(descriptor, 0, STEP, LIMIT)
        with pytest.raises(ConnectionAbortedError):
            await kernel.write_file_until_readable(descriptor, 0, STEP, LIMIT)
        with pytest.raises(ConnectionAbortedError):
            kernel.write_pieces_nowait([b"x"])
        timer.join()
        peer.close()

    World("sync").run(main)


def test_pieces_go_out_in_order(direct: World) -> None:
    async def main() -> None:
        stream, kernel, peer = await direct_pair(direct)
        pieces = [b"5\r\n", b"hello", b"\r\n"]
        assert kernel.write_pieces_nowait(pieces) == 10
        assert peer.receive_exactly(10) == b"5\r\nhello\r\n"
        sent, data = 0, pattern(STEP)
        while taken := kernel.write_pieces_nowait([data[:100], data[100:]]):
            sent += taken
        assert sent % STEP, "the last one was cut by the kernel, or this shows nothing"
        assert kernel.write_pieces_nowait([b"x"]) == 0
        whole = data * (sent // STEP + 1)
        assert peer.receive_exactly(sent) == whole[:sent]
        stream.abort()
        peer.close()

    direct.run(main)


def test_what_a_platform_lacks(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutSendmsg:
        sent = b""

        def send(self, data: bytes) -> int:
            self.sent += data
            return len(data)

    sock = WithoutSendmsg()
    assert _sockets._send_pieces(sock, [b"a", b"bc"]) == 3  # type: ignore[arg-type]
    assert sock.sent == b"abc"
    left, right = socket.socketpair()
    with left, right:
        monkeypatch.delattr(os, "sendfile")
        with pytest.raises(OSError, match="not implemented") as caught:
            _sockets._send_file(left.fileno(), descriptor, 0, 1)
    assert caught.value.errno == errno.ENOSYS
    assert errno.ENOSYS in NO_SENDFILE
