"""What every `Stream` must do. Each check is a coroutine function that gets a stream and its far end."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from ..._interfaces import OperationTimeout, PatientStream, Stream
from .peers import LIMIT, MakePair, Peer

T = TypeVar("T")

MEGABYTE = 1 << 20

# More than any kernel buffers for one connection.
MORE_THAN_FITS = 64 * MEGABYTE


class RunFunction(Protocol):
    """Runs a coroutine function, called with the arguments, to its end. `trio.run` is one."""

    def __call__(self, function: Callable[..., Coroutine[Any, Any, T]], /, *args: object) -> T: ...


StreamCheck = Callable[[Stream, Peer], Awaitable[None]]


async def read_gives_what_was_sent(stream: Stream, peer: Peer) -> None:
    """Bytes arrive unchanged, in order, and never more at once than asked for."""
    peer.send(b"hello world")
    got = b""
    while len(got) < 11:
        part = await stream.read(4, LIMIT)
        assert 1 <= len(part) <= 4, f"read(4) gave {len(part)} bytes"
        got += part
    assert got == b"hello world", f"got {got!r}"


async def read_does_not_wait_for_more(stream: Stream, peer: Peer) -> None:
    """Some bytes are enough for a read that allows for many."""
    peer.send(b"some")
    got = await stream.read(MEGABYTE, LIMIT)
    assert got, "the stream ended instead"
    assert b"some".startswith(got), f"got {got!r}"


async def read_waits_without_limit(stream: Stream, peer: Peer) -> None:
    """With the timeout None a read waits for bytes that come later."""
    timer = threading.Timer(0.1, peer.send, [b"late"])
    timer.start()
    got = await stream.read(100, None)
    timer.join()
    assert got, "read ended before anything was sent"


async def end_comes_after_the_data(stream: Stream, peer: Peer) -> None:
    """All that was sent before the end arrives; then every read gives b""."""
    data = pattern(4 * MEGABYTE)

    def send_all() -> None:
        peer.send(data)
        peer.finish()

    sending = peer.in_background(send_all)
    got = await read_to_end(stream, 65536)
    sending.result()
    assert got == data, f"{len(got)} of {len(data)} bytes arrived, or others"
    assert await stream.read(10, LIMIT) == b"", "a read after the end gave something"
    assert stream.read_nowait(10) == b"", "read_nowait after the end does not tell of it"
    assert not stream.is_truncated, "an orderly end counts as truncated"


async def read_times_out(stream: Stream, peer: Peer) -> None:
    """A read that gets nothing ends with OperationTimeout, about when it should, and nothing is lost."""
    await times_out(stream.read(10, 0.1), 0.1)
    peer.send(b"after")
    assert await read_exactly(stream, 5) == b"after", "bytes were lost to a read that timed out"


async def read_nowait_takes_what_is_there(stream: Stream, peer: Peer) -> None:
    """None while there is nothing, and what an earlier read left over."""
    assert stream.read_nowait(10) is None, "read_nowait gave something that was never sent"
    peer.send(b"ab")
    first = await stream.read(1, LIMIT)
    assert first == b"a", f"read(1) gave {first!r}"
    assert await poll(stream, peer, 10) == b"b", "read_nowait does not see what is left over"
    assert stream.read_nowait(10) is None, "read_nowait gave a byte twice"


async def read_nowait_sees_the_end(stream: Stream, peer: Peer) -> None:
    """An idle stream notices that its peer has closed."""
    peer.finish()
    assert await poll(stream, peer, 10) == b"", "read_nowait does not see the end"


async def write_sends_all(stream: Stream, peer: Peer) -> None:
    """Small and large, bytes and views: everything arrives in order."""
    large = pattern(8 * MEGABYTE)
    receiving = peer.in_background(peer.receive_exactly, 6 + len(large))
    await stream.write(b"abc", LIMIT)
    await stream.write(memoryview(b"-def-")[1:4], LIMIT)
    await stream.write(large, LIMIT)
    await stream.write(b"", LIMIT)
    got = receiving.result()
    assert got == b"abcdef" + large, f"{len(got)} bytes arrived, not all or not in order"


async def write_times_out(stream: Stream, peer: Peer) -> None:
    """A peer that takes nothing makes a write end with OperationTimeout."""
    await times_out(stream.write(bytes(MORE_THAN_FITS), 0.2), 0.2)


async def slow_is_no_write_timeout(stream: Stream, peer: Peer) -> None:
    """The limit is for each wait without a byte accepted, not for the whole write."""
    size = 6 * MEGABYTE
    stop = threading.Event()

    def read_slowly() -> None:
        left = size
        while left and not stop.is_set():
            left -= len(peer.receive_exactly(min(left, 128 * 1024)))
            time.sleep(0.02)

    reading = peer.in_background(read_slowly)
    try:
        await stream.write(bytes(size), 1.0)
    finally:
        stop.set()
    reading.result()


async def write_until_readable_sends_all(stream: Stream, peer: Peer) -> None:
    """While the peer says nothing, all is sent."""
    data = pattern(4 * MEGABYTE)
    receiving = peer.in_background(peer.receive_exactly, len(data))
    taken = await stream.write_until_readable(data, LIMIT)
    assert taken == len(data), f"{taken} of {len(data)} bytes were taken, and nothing was there to read"
    assert receiving.result() == data, "not all arrived, or not in order"


async def write_until_readable_stops(stream: Stream, peer: Peer) -> None:
    """An early answer stops the sending, and can be read."""
    timer = threading.Timer(0.1, peer.send, [b"413"])
    timer.start()
    taken = await stream.write_until_readable(bytes(MORE_THAN_FITS), LIMIT)
    timer.join()
    assert taken < MORE_THAN_FITS, "it claims to have sent more than the peer can have taken"
    assert await read_exactly(stream, 3) == b"413", "the early answer was lost"


async def write_until_readable_times_out(stream: Stream, peer: Peer) -> None:
    """A peer that takes nothing and says nothing."""
    await times_out(stream.write_until_readable(bytes(MORE_THAN_FITS), 0.2), 0.2)


async def write_nowait_never_waits(stream: Stream, peer: Peer) -> None:
    """It takes what fits, says how much, and takes nothing once the peer lags behind."""
    sent = 0
    chunk = pattern(16 * 1024)
    start = time.monotonic()
    while sent < MORE_THAN_FITS:
        taken = stream.write_nowait(chunk)
        assert 0 <= taken <= len(chunk), f"write_nowait returned {taken}"
        sent += taken
        if taken < len(chunk):
            break
    assert sent < MORE_THAN_FITS, "write_nowait buffers without bound"
    assert time.monotonic() - start < LIMIT, "write_nowait waits"
    receiving = peer.in_background(peer.receive_exactly, sent + 3)
    await stream.write(b"end", LIMIT)
    got = receiving.result()
    expected = (chunk * (sent // len(chunk) + 1))[:sent] + b"end"
    assert got == expected, "what write_nowait took did not leave before the next write, or not in order"


async def unsent_leaves_with_an_empty_write(stream: Stream, peer: Peer) -> None:
    """What write_nowait took and could not send is told of, and goes with the next write, of nothing even."""
    assert not stream.has_unsent, "has_unsent before anything was written"
    sent, taken = 0, 1
    chunk = pattern(16 * 1024)
    while taken and sent < MORE_THAN_FITS:
        taken = stream.write_nowait(chunk)
        sent += taken
    receiving = peer.in_background(peer.receive_exactly, sent)
    await stream.write(b"", LIMIT)
    assert not stream.has_unsent, "has_unsent after a write of nothing"
    assert len(receiving.result()) == sent, "what write_nowait took did not leave with a write of nothing"


async def wait_writable_waits_for_room(stream: Stream, peer: Peer) -> None:
    """Where a stream offers it: until more is taken, or there is something to read; nothing is lost by it."""
    if not isinstance(stream, PatientStream):
        return
    assert not await stream.wait_writable(LIMIT), "there is something to read, it says, and was not asked"
    sent, taken = 0, 1
    chunk = pattern(16 * 1024)
    while taken and sent < MORE_THAN_FITS:
        taken = stream.write_nowait(chunk)
        sent += taken
    await times_out(stream.wait_writable(0.1), 0.1)
    await times_out(stream.wait_writable(0.1, or_readable=True), 0.1)
    peer.send(b"news")
    assert await stream.wait_writable(LIMIT, or_readable=True), "it does not tell of what there is to read"
    assert await read_exactly(stream, 4) == b"news", "what there was to read was lost"
    receiving = peer.in_background(peer.receive_exactly, sent + 3)
    assert not await stream.wait_writable(LIMIT), "there is something to read, it says, once more"
    await stream.write(b"end", LIMIT)
    expected = (chunk * (sent // len(chunk) + 1))[:sent] + b"end"
    assert receiving.result() == expected, "what was to be sent did not arrive, or not in order"


async def close_ends_the_stream(stream: Stream, peer: Peer) -> None:
    """The peer sees an end in good order; afterwards everything fails with an OSError."""
    await stream.write(b"bye", LIMIT)
    stream.close()
    stream.close()
    ended = peer.in_background(peer.receive_exactly, 4)
    await peer.sleep(0.01)  # an event loop may close at its next turn only
    assert ended.result() == b"bye", "what was written before close() did not arrive"
    await all_operations_fail(stream)
    stream.abort()


async def abort_drops_the_stream(stream: Stream, peer: Peer) -> None:
    """At once, as often as one likes; afterwards everything fails with an OSError."""
    stream.abort()
    stream.abort()
    await all_operations_fail(stream)
    stream.close()


async def abort_wakes_a_reader(stream: Stream, peer: Peer) -> None:
    """A read under way ends with an OSError when another thread aborts the stream."""
    timer = threading.Timer(0.1, stream.abort)
    timer.start()
    await fails_with_oserror("a read under way", stream.read(10, LIMIT))
    timer.join()


async def abort_wakes_a_writer(stream: Stream, peer: Peer) -> None:
    """A write under way ends with an OSError when another thread aborts the stream."""
    timer = threading.Timer(0.1, stream.abort)
    timer.start()
    await fails_with_oserror("a write under way", stream.write(bytes(MORE_THAN_FITS), LIMIT))
    timer.join()


async def reset_is_an_error(stream: Stream, peer: Peer) -> None:
    """A connection that the peer resets does not look like one that ended."""
    peer.reset()
    await fails_with_oserror("a read after a reset", stream.read(10, LIMIT))


async def broken_pipe_is_an_error(stream: Stream, peer: Peer) -> None:
    """Writing to a peer that is gone fails, if not at once."""
    peer.reset()

    async def write_on() -> None:
        for _ in range(100):
            await stream.write(bytes(65536), LIMIT)

    await fails_with_oserror("writing after a reset", write_on())


async def cut_is_told_from_end(stream: Stream, peer: Peer) -> None:
    """Over TLS an end without close_notify is truncation; without TLS there is no telling."""
    peer.send(b"half")
    peer.cut()
    assert await read_to_end(stream, 100) == b"half", "bytes before the cut were lost"
    assert stream.is_truncated is peer.is_tls, f"is_truncated is {stream.is_truncated}"


async def info_is_gathered_once(stream: Stream, peer: Peer) -> None:
    """The facts can be asked for, also later, and stay the same."""
    info = stream.info
    assert (info.tls_version is not None) is peer.is_tls, f"tls_version is {info.tls_version!r}"
    stream.abort()
    assert stream.info == info, "info changed when the stream was dropped"


STREAM_CHECKS: dict[str, StreamCheck] = {
    check.__name__: check
    for check in (
        read_gives_what_was_sent,
        read_does_not_wait_for_more,
        read_waits_without_limit,
        end_comes_after_the_data,
        read_times_out,
        read_nowait_takes_what_is_there,
        read_nowait_sees_the_end,
        write_sends_all,
        write_times_out,
        slow_is_no_write_timeout,
        write_until_readable_sends_all,
        write_until_readable_stops,
        write_until_readable_times_out,
        write_nowait_never_waits,
        unsent_leaves_with_an_empty_write,
        wait_writable_waits_for_room,
        close_ends_the_stream,
        abort_drops_the_stream,
        abort_wakes_a_reader,
        abort_wakes_a_writer,
        reset_is_an_error,
        broken_pipe_is_an_error,
        cut_is_told_from_end,
        info_is_gathered_once,
    )
}
"""All checks of a stream by name."""


def check_stream(run: RunFunction, make_pair: MakePair, names: Iterable[str] = STREAM_CHECKS) -> None:
    """Check that a `Stream` keeps its contract.

    ``run(function, *args)`` runs a coroutine function (as `trio.run` does), once for each check;
    ``make_pair()`` is awaited inside and returns the stream and its `Peer`. ``names`` picks from
    `STREAM_CHECKS`, all by default. Raises AssertionError that names the check and what is wrong.
    """

    async def one(name: str) -> None:
        stream, peer = await make_pair()
        try:
            await STREAM_CHECKS[name](stream, peer)
        except AssertionError as exc:
            raise AssertionError(f"{name}: {exc}") from exc
        except Exception as exc:
            raise AssertionError(f"{name}: {type(exc).__name__}: {exc}") from exc
        finally:
            stream.abort()
            peer.close()
            await peer.sleep(0.01)

    for name in names:
        run(one, name)


# What the checks are made of.


def pattern(size: int) -> bytes:
    """Bytes in which a gap or a swap shows."""
    block = b"".join(number.to_bytes(4, "big") for number in range(4096))
    return (block * (size // len(block) + 1))[:size]


async def read_to_end(stream: Stream, max_bytes: int) -> bytes:
    """All until b""."""
    parts = []
    while part := await stream.read(max_bytes, LIMIT):
        parts.append(part)
    return b"".join(parts)


async def read_exactly(stream: Stream, size: int) -> bytes:
    """Just so many bytes, fewer only at the end."""
    data = b""
    while len(data) < size and (part := await stream.read(size - len(data), LIMIT)):
        data += part
    return data


async def poll(stream: Stream, peer: Peer, max_bytes: int) -> bytes | None:
    """``read_nowait`` until it gives something; None if that takes too long."""
    for _ in range(100):
        got = stream.read_nowait(max_bytes)
        if got is not None:
            return got
        await peer.sleep(0.01)
    return None


async def times_out(operation: Coroutine[Any, Any, object], limit: float) -> None:
    """Await something that must end with OperationTimeout after about ``limit`` seconds."""
    start = time.monotonic()
    try:
        await operation
    except OperationTimeout:
        taken = time.monotonic() - start
        # Clocks differ a little, busy machines are late; twice and more would be another mistake.
        assert limit * 0.9 <= taken <= limit * 2 + 2, f"the limit of {limit} s ran out after {taken:.3f} s"
        return
    raise AssertionError("it ended without OperationTimeout")


async def fails_with_oserror(what: str, operation: Coroutine[Any, Any, object]) -> None:
    """Await something that must end with an OSError, and soon."""
    start = time.monotonic()
    try:
        await operation
    except OSError:
        taken = time.monotonic() - start
        assert taken < LIMIT / 2, f"{what} noticed only after {taken:.1f} s"
        return
    except OperationTimeout as exc:
        raise AssertionError(f"{what} ran into its limit and not into an OSError") from exc
    raise AssertionError(f"{what} ended without an OSError")


async def all_operations_fail(stream: Stream) -> None:
    """What holds once a stream was closed on this side."""
    await fails_with_oserror("read", stream.read(10, LIMIT))
    await fails_with_oserror("write", stream.write(b"x", LIMIT))
    await fails_with_oserror("write_until_readable", stream.write_until_readable(b"x", LIMIT))
    for what, operation in (
        ("read_nowait", lambda: stream.read_nowait(10)),
        ("write_nowait", lambda: stream.write_nowait(b"x")),
    ):
        try:
            operation()
        except OSError:
            continue
        raise AssertionError(f"{what} ended without an OSError")
