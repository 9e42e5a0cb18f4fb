"""What every `Stream` must do. Each check is a coroutine function that gets a stream and its far end."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterable

from ..._interfaces import Stream
from .peers import LIMIT, MakePair, Peer
from .reporting import RunFunction, named, picked, reporting, run_without_loop
from .steps import (
    all_operations_fail,
    fails_with_oserror,
    pattern,
    poll,
    read_exactly,
    read_to_end,
    same_bytes,
    times_out,
)

MEGABYTE = 1 << 20

# More than any kernel buffers for one connection.
MORE_THAN_FITS = 64 * MEGABYTE


StreamCheck = Callable[[Stream, Peer], Awaitable[None]]


async def read_gives_what_was_sent(stream: Stream, peer: Peer) -> None:
    """Bytes arrive unchanged, in order, and never more at once than asked for."""
    peer.send(b"hello world")
    got = b""
    while len(got) < 11:
        part = await stream.read(4, LIMIT)
        assert 1 <= len(part) <= 4, f"read(4) must return 1 to 4 bytes, but returned {part!r}"
        got += part
    assert got == b"hello world", f"the peer sent b'hello world', but {got!r} was read"


async def read_does_not_wait_for_more(stream: Stream, peer: Peer) -> None:
    """Some bytes are enough for a read that allows for many."""
    peer.send(b"some")
    got = await stream.read(MEGABYTE, LIMIT)
    assert got, "read() returned b'' (the end), though the peer has sent b'some' and goes on"
    assert b"some".startswith(got), f"the peer sent b'some', but read() returned {got!r}"


async def read_waits_without_limit(stream: Stream, peer: Peer) -> None:
    """With the timeout None a read waits for bytes that come later."""
    timer = threading.Timer(0.1, peer.send, [b"late"])
    timer.start()
    got = await stream.read(100, None)
    timer.join()
    assert got, "read(100, None) must wait for bytes, but returned b'' (the end) before the peer sent any"


async def end_comes_after_the_data(stream: Stream, peer: Peer) -> None:
    """All that was sent before the end arrives; then every read gives b""."""
    data = pattern(4 * MEGABYTE)

    def send_all() -> None:
        peer.send(data)
        peer.finish()

    sending = peer.in_background(send_all)
    got = await read_to_end(stream, 65536)
    sending.result()
    same_bytes("read before the end", got, data)
    again = await stream.read(10, LIMIT)
    assert again == b"", f"read() after the end must return b'', but returned {again!r}"
    now = stream.read_nowait(10)
    assert now == b"", f"read_nowait() after the end must return b'', but returned {now!r}"
    assert stream.is_truncated is False, (
        f"is_truncated must be False after an orderly end, but is {stream.is_truncated!r}"
    )


async def read_times_out(stream: Stream, peer: Peer) -> None:
    """A read that gets nothing ends with OperationTimeout, about when it should, and nothing is lost."""
    await times_out("read", stream.read(10, 0.1), 0.1)
    peer.send(b"after")
    same_bytes("read after a read that timed out", await read_exactly(stream, 5), b"after")


async def read_nowait_takes_what_is_there(stream: Stream, peer: Peer) -> None:
    """None while there is nothing, and what an earlier read left over."""
    got = stream.read_nowait(10)
    assert got is None, f"nothing was sent: read_nowait() must return None, but returned {got!r}"
    peer.send(b"ab")
    first = await stream.read(1, LIMIT)
    assert first == b"a", f"the peer sent b'ab': read(1) must return b'a', but returned {first!r}"
    rest = await poll(stream, peer, 10)
    assert rest == b"b", f"read_nowait() must return b'b', which is left over, but returned {rest!r}"
    got = stream.read_nowait(10)
    assert got is None, f"all was read: read_nowait() must return None, but returned {got!r}"


async def read_nowait_sees_the_end(stream: Stream, peer: Peer) -> None:
    """An idle stream notices that its peer has closed."""
    peer.finish()
    got = await poll(stream, peer, 10)
    assert got == b"", f"the peer has closed: read_nowait() must return b'', but returned {got!r}"


async def write_sends_all(stream: Stream, peer: Peer) -> None:
    """Small and large, bytes and views: everything arrives in order."""
    large = pattern(8 * MEGABYTE)
    receiving = peer.in_background(peer.receive_exactly, 6 + len(large))
    await stream.write(b"abc", LIMIT)
    await stream.write(memoryview(b"-def-")[1:4], LIMIT)
    await stream.write(large, LIMIT)
    await stream.write(b"", LIMIT)
    same_bytes("what write() sent", receiving.result(), b"abcdef" + large)


async def write_times_out(stream: Stream, peer: Peer) -> None:
    """A peer that takes nothing makes a write end with OperationTimeout."""
    await times_out("write", stream.write(bytes(MORE_THAN_FITS), 0.2), 0.2)


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
    assert taken == len(data), (
        f"nothing is there to read: write_until_readable() must take all {len(data)} bytes, but took {taken}"
    )
    same_bytes("what write_until_readable() sent", receiving.result(), data)


async def write_until_readable_stops(stream: Stream, peer: Peer) -> None:
    """An early answer stops the sending, and can be read."""
    timer = threading.Timer(0.1, peer.send, [b"413"])
    timer.start()
    taken = await stream.write_until_readable(bytes(MORE_THAN_FITS), LIMIT)
    timer.join()
    assert taken < MORE_THAN_FITS, (
        f"the peer answered and read nothing: write_until_readable() must stop, but took all {taken} bytes"
    )
    same_bytes("read after an early answer", await read_exactly(stream, 3), b"413")


async def write_until_readable_times_out(stream: Stream, peer: Peer) -> None:
    """A peer that takes nothing and says nothing."""
    await times_out("write_until_readable", stream.write_until_readable(bytes(MORE_THAN_FITS), 0.2), 0.2)


async def write_nowait_never_waits(stream: Stream, peer: Peer) -> None:
    """It takes what fits, says how much, and takes nothing once the peer lags behind."""
    sent = 0
    chunk = pattern(16 * 1024)
    start = time.monotonic()
    while sent < MORE_THAN_FITS:
        taken = stream.write_nowait(chunk)
        assert 0 <= taken <= len(chunk), (
            f"write_nowait() of {len(chunk)} bytes must return 0 to {len(chunk)}, but returned {taken}"
        )
        sent += taken
        if taken < len(chunk):
            break
    assert sent < MORE_THAN_FITS, (
        f"write_nowait() must take nothing once the kernel's buffer is full, but took {sent} bytes"
    )
    seconds = time.monotonic() - start
    assert seconds < LIMIT, (
        f"write_nowait() must not wait, but took {seconds:.1f} s to fill the kernel's buffer"
    )
    receiving = peer.in_background(peer.receive_exactly, sent + 3)
    await stream.write(b"end", LIMIT)
    expected = (chunk * (sent // len(chunk) + 1))[:sent] + b"end"
    same_bytes("what write_nowait() took, and a write() after it", receiving.result(), expected)


async def unsent_leaves_with_an_empty_write(stream: Stream, peer: Peer) -> None:
    """What write_nowait took and could not send is told of, and goes with the next write, of nothing even."""
    assert not stream.has_unsent, "has_unsent must be False before anything was written, but is True"
    sent, taken = 0, 1
    chunk = pattern(16 * 1024)
    while taken and sent < MORE_THAN_FITS:
        taken = stream.write_nowait(chunk)
        sent += taken
    receiving = peer.in_background(peer.receive_exactly, sent)
    await stream.write(b"", LIMIT)
    assert not stream.has_unsent, (
        "has_unsent must be False after write(b''), which sends the rest, but is True"
    )
    got = len(receiving.result())
    assert got == sent, f"write_nowait() took {sent} bytes; after write(b'') all must arrive, but {got} did"


async def wait_writable_waits_for_room(stream: Stream, peer: Peer) -> None:
    """Until more is taken, or there is something to read; nothing is lost by it."""
    told = await stream.wait_writable(LIMIT)
    assert told is False, f"wait_writable() without or_readable must return False, but returned {told!r}"
    sent, taken = 0, 1
    chunk = pattern(16 * 1024)
    while taken and sent < MORE_THAN_FITS:
        taken = stream.write_nowait(chunk)
        sent += taken
    await times_out("wait_writable", stream.wait_writable(0.1), 0.1)
    await times_out("wait_writable, or_readable", stream.wait_writable(0.1, or_readable=True), 0.1)
    peer.send(b"news")
    told = await stream.wait_writable(LIMIT, or_readable=True)
    assert told is True, (
        f"the peer sent something: wait_writable(or_readable=True) must return True, but returned {told!r}"
    )
    same_bytes("read after wait_writable()", await read_exactly(stream, 4), b"news")
    receiving = peer.in_background(peer.receive_exactly, sent + 3)
    told = await stream.wait_writable(LIMIT)
    assert told is False, f"wait_writable() without or_readable must return False, but returned {told!r}"
    await stream.write(b"end", LIMIT)
    expected = (chunk * (sent // len(chunk) + 1))[:sent] + b"end"
    same_bytes("what was sent around wait_writable()", receiving.result(), expected)


async def close_ends_the_stream(stream: Stream, peer: Peer) -> None:
    """The peer sees an end in good order; afterwards everything fails with an OSError."""
    await stream.write(b"bye", LIMIT)
    stream.close()
    stream.close()
    ended = peer.in_background(peer.receive_exactly, 4)
    await peer.sleep(0.01)  # an event loop may close at its next turn only
    same_bytes("what was written before close()", ended.result(), b"bye")
    await all_operations_fail(stream, "close()")
    stream.abort()


async def abort_drops_the_stream(stream: Stream, peer: Peer) -> None:
    """At once, as often as one likes; afterwards everything fails with an OSError."""
    stream.abort()
    stream.abort()
    await all_operations_fail(stream, "abort()")
    stream.close()


async def abort_wakes_a_reader(stream: Stream, peer: Peer) -> None:
    """A read under way ends with an OSError when another thread aborts the stream."""
    timer = threading.Timer(0.1, stream.abort)
    timer.start()
    await fails_with_oserror("a read under way while another thread calls abort()", stream.read(10, LIMIT))
    timer.join()


async def abort_wakes_a_writer(stream: Stream, peer: Peer) -> None:
    """A write under way ends with an OSError when another thread aborts the stream."""
    timer = threading.Timer(0.1, stream.abort)
    timer.start()
    await fails_with_oserror(
        "a write under way while another thread calls abort()", stream.write(bytes(MORE_THAN_FITS), LIMIT)
    )
    timer.join()


async def reset_is_an_error(stream: Stream, peer: Peer) -> None:
    """A connection that the peer resets does not look like one that ended."""
    peer.reset()
    await fails_with_oserror("read after the peer reset the connection", stream.read(10, LIMIT))


async def broken_pipe_is_an_error(stream: Stream, peer: Peer) -> None:
    """Writing to a peer that is gone fails, if not at once."""
    peer.reset()

    async def write_on() -> None:
        for _ in range(100):
            await stream.write(bytes(65536), LIMIT)

    await fails_with_oserror("writing on after the peer reset the connection", write_on())


async def cut_is_told_from_end(stream: Stream, peer: Peer) -> None:
    """Over TLS an end without close_notify is truncation; without TLS there is no telling."""
    peer.send(b"half")
    peer.cut()
    same_bytes("read before the cut", await read_to_end(stream, 100), b"half")
    assert stream.is_truncated is peer.is_tls, (
        f"is_truncated must be {peer.is_tls} (TLS: {peer.is_tls}) after an end without close_notify, "
        f"but is {stream.is_truncated!r}"
    )


async def info_is_gathered_once(stream: Stream, peer: Peer) -> None:
    """The facts can be asked for, also later, and stay the same."""
    info = stream.info
    expected = "the TLS version" if peer.is_tls else "None without TLS"
    assert (info.tls_version is not None) is peer.is_tls, (
        f"info.tls_version must be {expected}, but is {info.tls_version!r}"
    )
    stream.abort()
    assert stream.info == info, f"info must stay {info} after abort(), but is {stream.info}"


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


def check_stream(run: RunFunction | None, make_pair: MakePair, names: Iterable[str] | None = None) -> None:
    """Check that a `Stream` keeps its contract.

    ``run(function, *args)`` runs a coroutine function as `trio.run` does, once for each check; None for a
    stream that never suspends. ``make_pair()`` is awaited inside and returns the stream and its `Peer`: see
    `plain_pairs`. ``names`` are those of the checks to run; None for all of `STREAM_CHECKS`.

    Raises AssertionError that begins with the check's name and says what was expected and what happened.
    """

    async def one(name: str) -> None:
        stream, peer = await make_pair()
        try:
            await STREAM_CHECKS[name](reporting(stream), peer)
        finally:
            stream.abort()
            peer.close()
            await peer.sleep(0.01)

    for name in picked(STREAM_CHECKS, names):
        (run or run_without_loop)(named, one, name)
