"""Our streams pass the public suite, and the suite can fail."""

from __future__ import annotations

import select

import pytest

from http3_transport import OperationTimeout, Stream
from http3_transport.testing import STREAM_CHECKS, Peer, check_stream, plain_pairs
from support.stream_pairs import make_pairs, run_uvloop
from support.worlds import World


@pytest.mark.parametrize("kind", ["plain", "tls", "tls12"])
@pytest.mark.parametrize("name", STREAM_CHECKS)
def test_streams_conform(world: World, kind: str, name: str) -> None:
    check_stream(world.run, make_pairs(world.backend, kind), [name])


@pytest.mark.parametrize("kind", ["plain", "tls"])
@pytest.mark.parametrize("name", STREAM_CHECKS)
def test_streams_on_uvloop_conform(kind: str, name: str) -> None:
    check_stream(run_uvloop, make_pairs(World("asyncio").backend, kind), [name])


@pytest.mark.parametrize("name", STREAM_CHECKS)
def test_streams_conform_without_poll(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    world = World("sync")
    check_stream(world.run, make_pairs(world.backend, "plain"), [name])


class Wrapper:
    """Hands everything on to another stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


class ReadsTooMuch(Wrapper):
    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        return await self.stream.read(max_bytes + 10, timeout)


class LosesBytes(Wrapper):
    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        return (await self.stream.read(max_bytes, timeout)).replace(b"\x07\x08", b"")


class HasNoReadTimeout(Wrapper):
    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        return await self.stream.read(max_bytes, None if timeout is None else timeout + 3)


class WritesHalf(Wrapper):
    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        await self.stream.write(data[: len(data) // 2 + 1], timeout)


class TimesOutAsOSError(Wrapper):
    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        try:
            await self.stream.write(data, timeout)
        except OperationTimeout as exc:
            raise TimeoutError("late") from exc


class IgnoresEarlyAnswers(Wrapper):
    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        await self.stream.write(data, 0.5)
        return len(data)


class StaysOpen(Wrapper):
    def close(self) -> None:
        """Forget to."""


class IsBlind(Wrapper):
    def read_nowait(self, max_bytes: int) -> bytes | None:
        return None


class HasNoRoom(Wrapper):
    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        return or_readable


@pytest.mark.parametrize(
    ("broken", "name", "message"),
    [
        (
            ReadsTooMuch,
            "read_gives_what_was_sent",
            r"read\(4\) must return 1 to 4 bytes, but returned b'hello world'",
        ),
        (
            LosesBytes,
            "end_comes_after_the_data",
            r"read before the end: expected 4194304 bytes, got \d+, and from byte \d+ on they differ",
        ),
        (
            HasNoReadTimeout,
            "read_times_out",
            r"read with a timeout of 0.1 s raised OperationTimeout after 3.\d+ s",
        ),
        (WritesHalf, "write_sends_all", r"the peer waits for more, but no byte arrived within 1 s"),
        (
            TimesOutAsOSError,
            "write_times_out",
            "write .* must raise OperationTimeout, but it raised TimeoutError after 0.2 s: late",
        ),
        (
            IgnoresEarlyAnswers,
            "write_until_readable_stops",
            r"OperationTimeout: write_until_readable\(<67108864 bytes>, 10.0\) gave up after \d.\d s",
        ),
        (
            StaysOpen,
            "close_ends_the_stream",
            r"the peer waits for more, but no byte arrived within 1 s",
        ),
        (
            IsBlind,
            "read_nowait_takes_what_is_there",
            r"read_nowait\(\) must return b'b', which is left over, but returned None",
        ),
        (
            IsBlind,
            "read_nowait_sees_the_end",
            r"the peer has closed: read_nowait\(\) must return b'', but returned None",
        ),
        (
            HasNoRoom,
            "wait_writable_waits_for_room",
            "wait_writable with a timeout of 0.1 s .* but it returned False after 0.0 s",
        ),
    ],
)
def test_broken_streams_are_found(
    broken: type[Wrapper], name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A failure need not take its time.
    monkeypatch.setattr("http3_transport.testing._conformance.peers.LIMIT", 1.0)
    world = World("sync")
    make = plain_pairs(world.backend)

    async def make_pair() -> tuple[Stream, Peer]:
        stream, peer = await make()
        wrapped: Stream = broken(stream)  # type: ignore[assignment]
        return wrapped, peer

    with pytest.raises(AssertionError, match=f"^{name}: {message}$"):
        check_stream(world.run, make_pair, [name])
