"""asyncio (and uvloop), by transports and a protocol of our own; no `asyncio.StreamReader`.

The transport reads all the time, into a buffer that is bounded by pausing it. So an idle connection
notices its end, and a read finds what is there. The end of the stream, or its failure, may be reported
while the buffer still holds data: the buffer comes first.

What it costs is one future for each wait; the timer is shared (see `_asyncio_waits`). Futures carry no
data, they only wake: a reader that is cancelled the moment data arrives loses none of it.

Where the loop has nothing to add, the kernel is asked directly: by a download for what the last read left
there, by an upload whether there is an answer. Both let the loop have its turn after a while.

Sockets are made and connected by us and handed over. When their loop is dead, or their process was
forked, only the descriptor is closed: a transport that closes then would touch a selector which is not
there any more, or is shared with the parent.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

from .. import _process
from .._interfaces import FillingStream, OperationTimeout, WatchedStream
from ._asyncio_tasks import running_loop, wake
from ._asyncio_waits import NEVER, StreamWaits
from ._sockets import READABLE, closed_error, connection_info, make_poller

if TYPE_CHECKING:
    from http3_models import ConnectionInfo

Argument = TypeVar("Argument")
Received = TypeVar("Received", bytes, int)

# Reading pauses above this many unread bytes, one recv() of asyncio's; and goes on below a quarter.
HIGH_WATER = 256 * 1024
LOW_WATER = HIGH_WATER // 4

# What the transport asks for until an answer fills it: with asyncio's 256 KiB, malloc gets a buffer from the
# system for each small answer (-25 us).
SMALL_READ = 64 * 1024

# What the transport is handed at once. While it holds any of it we wait, so this bounds its buffer.
WRITE_SIZE = 256 * 1024

# When a connection breaks, this much of what its kernel buffer still holds is rescued.
RESCUE_SIZE = 1 << 20

# Seconds that reading or writing may go on without a wait until the loop gets a turn: asyncio itself finds
# fault with a hundred times as much.
TURN_AFTER = 0.001

# Windows' proactor always has a receive under way, which another one would overtake.
CAN_LOOK_AT_SOCKET = sys.platform != "win32"


class AsyncioStream(FillingStream, WatchedStream, asyncio.Protocol):
    """A `Stream` over a transport. Belongs to one event loop; `abort` may be called from anywhere."""

    __slots__ = (
        "_at_end",
        "_buffered",
        "_chunks",
        "_closed",
        "_error",
        "_generation",
        "_info",
        "_look",
        "_loop",
        "_offset",
        "_on_end",
        "_read_size",
        "_reading_paused",
        "_socket",
        "_transport",
        "_turn_due",
        "_wait_first",
        "_waits",
        "_writing_paused",
    )

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waits = StreamWaits(loop)
        self._transport: asyncio.Transport | None = None
        self._socket = sock
        self._generation = _process.generation
        self._info: ConnectionInfo | None = None
        self._read_size = 0  # the transport's; 0 where it has none
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # into the first chunk
        self._buffered = 0
        self._at_end = False
        self._error: OSError | None = None
        self._closed = False
        self._reading_paused = False
        self._writing_paused = False
        self._wait_first = True
        self._turn_due = 0.0  # a moment of the loop's clock
        self._look = make_poller(sock, READABLE) if CAN_LOOK_AT_SOCKET else None
        self._on_end: Callable[[], object] | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"to {self.info.peer_address}"
        return f"<AsyncioStream {state}, {self._buffered} bytes unread>"

    @property
    def info(self) -> ConnectionInfo:
        if self._info is None:
            self._info = connection_info(self._socket)
        return self._info

    @property
    def alpn_protocol(self) -> str | None:
        return None

    @property
    def is_truncated(self) -> bool:
        return False

    @property
    def has_unsent(self) -> bool:
        return self._writing_paused  # the transport sends it by itself, but it has not left

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        while not self._chunks:
            if self._at_end or self._error is not None or self._closed:
                return self._after_last()
            # What the last read left in the kernel needs no future and no turn (-15 % of a download).
            if not self._wait_first and self._loop.time() < self._turn_due:
                data = self._receive(max_bytes)
                if data is not None:
                    return data
            waits = self._waits
            waiter = waits.reader = self._loop.create_future()
            if timeout is not None:
                waits.limit_read(timeout)
            try:
                in_time = await waiter
            finally:
                waits.reader = None
                waits.read_limit = NEVER
            if not in_time and not self._is_readable():
                raise OperationTimeout
        return self._take(max_bytes)

    async def read_into(self, buffer: memoryview, timeout: float | None) -> int:
        if not self._wait_first and not self._is_readable() and self._loop.time() < self._turn_due:
            count = self._receive_into(buffer)
            if count is not None:
                return count
        data = await self.read(len(buffer), timeout)
        buffer[: len(data)] = data
        return len(data)

    def read_nowait(self, max_bytes: int) -> bytes | None:
        if self._chunks:
            return self._take(max_bytes)
        if self._at_end or self._error is not None or self._closed:
            return self._after_last()
        return self._receive_nowait(max_bytes)

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        transport = self._usable()
        self._wait_first = True  # an answer to this can't have come yet
        if len(data) <= WRITE_SIZE:
            transport.write(data)
            if self._writing_paused or transport.is_closing():
                await self._drain(timeout, until_readable=False)
            return
        view = memoryview(data)
        for start in range(0, len(view), WRITE_SIZE):
            await self.write(view[start : start + WRITE_SIZE], timeout)

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        transport = self._usable()
        self._wait_first = True
        view = memoryview(data)
        sent = 0
        if not view and self._writing_paused:
            await self._drain(timeout, until_readable=True)
        while sent < len(view):
            # A turn for each piece of 64 KiB would make an upload a seventh dearer.
            if self._look is None or self._loop.time() >= self._turn_due:
                await self._turn()
            if self._writing_paused:  # the wait of an earlier write ended with something to read
                await self._drain(timeout, until_readable=True)
            if self._is_readable() or (self._look is not None and self._look.poll(0)):
                break
            piece = view[sent : sent + WRITE_SIZE]
            transport.write(piece)
            sent += len(piece)
            if self._writing_paused or transport.is_closing():
                await self._drain(timeout, until_readable=True)
        if self._closed:
            raise closed_error()
        return sent

    def write_nowait(self, data: bytes | memoryview) -> int:
        transport = self._usable()
        # One that is closing has failed, and will say so in a moment; asyncio warns of writes until then.
        if self._writing_paused or transport.is_closing():
            return 0
        transport.write(data)
        return len(data)

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        transport = self._usable()
        if self._writing_paused or transport.is_closing():
            await self._drain(timeout, until_readable=or_readable)
        return or_readable and self._is_readable()

    def close(self) -> None:
        self._shut(in_order=True)

    def abort(self) -> None:
        self._shut(in_order=False)

    def when_over(self, callback: Callable[[], object]) -> None:
        self._on_end = callback
        if self._at_end or self._error is not None:
            self._tell_once()

    def _tell_once(self) -> None:
        callback, self._on_end = self._on_end, None
        if callback is not None and not self._closed:
            callback()

    async def _turn(self) -> None:
        """Let the loop run others: one that never has to wait could not even be cancelled."""
        await asyncio.sleep(0)
        self._turn_due = self._loop.time() + TURN_AFTER

    # Reading: what the buffer holds.

    def _is_readable(self) -> bool:
        return bool(self._chunks) or self._at_end or self._error is not None or self._closed

    def _take(self, max_bytes: int) -> bytes:
        if self._closed:  # by another thread
            raise closed_error()
        chunk = self._chunks[0]
        start = self._offset
        if start == 0 and len(chunk) <= max_bytes:
            self._chunks.popleft()
        else:
            stop = start + max_bytes
            self._offset = stop
            if stop >= len(chunk):
                self._chunks.popleft()
                self._offset = 0
            chunk = chunk[start:stop]
        self._buffered -= len(chunk)
        if self._reading_paused and self._buffered <= LOW_WATER:
            self._reading_paused = False
            if self._transport is not None:
                self._transport.resume_reading()
        return chunk

    def _after_last(self) -> bytes:
        """What a read gives once the buffer is empty and nothing will follow."""
        if self._closed:
            raise closed_error()
        if self._at_end:
            return b""
        assert self._error is not None
        raise type(self._error)(*self._error.args) from self._error

    # Reading: what the kernel has. It is asked if nothing is buffered, so its bytes are the next;
    # the transport finds less, or nothing.

    def _receive_nowait(self, max_bytes: int) -> bytes | None:
        """With a look before: the loop may not have turned since the peer closed."""
        return self._receive(max_bytes) if self._look is not None and self._look.poll(0) else None

    def _receive(self, max_bytes: int) -> bytes | None:
        data = self._ask_kernel(self._socket.recv, max_bytes)
        if data is not None:
            self._note_received(len(data), max_bytes)
        return data

    def _receive_into(self, buffer: memoryview) -> int | None:
        count = self._ask_kernel(self._socket.recv_into, buffer)
        if count is not None:
            self._note_received(count, len(buffer))
        return count

    def _ask_kernel(self, receive: Callable[[Argument], Received], argument: Argument) -> Received | None:
        try:
            return receive(argument)
        except BlockingIOError:
            self._wait_first = True
            return None
        except OSError as exc:
            self._error = exc  # the kernel says it once; to the transport it will look like the end
            raise

    def _note_received(self, size: int, asked: int) -> None:
        self._wait_first = size < asked  # then the kernel has no more right now
        if not size:
            self._at_end = True

    # Writing: the transport's buffer, which is bounded by waiting until it is empty.

    def _usable(self) -> asyncio.Transport:
        if self._closed:
            raise closed_error()
        if self._error is not None:
            raise type(self._error)(*self._error.args) from self._error
        if self._transport is None:
            raise closed_error()
        return self._transport

    async def _drain(self, timeout: float | None, *, until_readable: bool) -> None:
        """Wait until the transport's buffer is empty, or there is something to read if that is wanted."""
        transport, waits = self._usable(), self._waits
        if timeout is not None:
            waits.limit_write(timeout, transport)
        try:
            while (self._writing_paused or transport.is_closing()) and not (
                until_readable and self._is_readable()
            ):
                self._usable()
                waiter = waits.writer = self._loop.create_future()
                if until_readable:
                    waits.reader = waiter
                if not await waiter:
                    raise OperationTimeout
        finally:
            waits.end_write()
            if until_readable:
                waits.reader = None

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's have the methods, not the class
        # With a limit of 0 a transport calls `pause_writing` whenever the kernel has not taken everything.
        self._transport.set_write_buffer_limits(high=0)
        if hasattr(transport, "max_size"):
            self._ask_for(SMALL_READ)

    def _ask_for(self, size: int) -> None:
        self._read_size = size
        setattr(self._transport, "max_size", size)  # noqa: B010  (asyncio's; checkers don't know it)

    def data_received(self, data: bytes) -> None:
        size = len(data)
        self._chunks.append(data)
        self._buffered += size
        is_large = size >= SMALL_READ
        if self._read_size and is_large != (self._read_size > SMALL_READ):
            self._ask_for(HIGH_WATER if is_large else SMALL_READ)
        self._wait_first = not is_large or self._look is None
        if is_large:
            self._turn_due = self._loop.time() + TURN_AFTER
        if self._buffered > HIGH_WATER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        wake(self._waits.reader, True)

    def eof_received(self) -> bool:
        if self._error is None:
            self._at_end = True
        wake(self._waits.reader, True)
        self._tell_once()
        return True  # keep the transport: when to close is for us to say, and we may still be sending

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        wake(self._waits.writer, True)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._rescue()
            self._error = self._error or (exc if isinstance(exc, OSError) else closed_error())
        self._transport = None
        self._waits.wake_both()
        self._tell_once()

    def _rescue(self) -> None:
        """Take what the kernel still holds: a write that failed must not cost us the answer that explains it.

        (413 and close, say. asyncio stops reading the moment a write fails.) Where this ends is no end of
        the stream: what the kernel says after a failure is not to be relied on.
        """
        rescued = 0
        with suppress(OSError):
            while CAN_LOOK_AT_SOCKET and not self._at_end and rescued < RESCUE_SIZE:
                data = self._socket.recv(HIGH_WATER)
                if not data:
                    break
                rescued += len(data)
                self._chunks.append(data)
                self._buffered += len(data)

    # Giving up.

    def _shut(self, in_order: bool) -> None:
        if self._closed:
            return
        self._closed = True
        if self._generation != _process.generation or self._loop.is_closed():
            self._drop()
        elif running_loop() is self._loop:
            self._close_transport(in_order)
        else:
            try:
                self._loop.call_soon_threadsafe(self._close_transport, in_order)
            except RuntimeError:  # closed meanwhile
                self._drop()

    def _close_transport(self, in_order: bool) -> None:
        self._chunks.clear()  # here, in the loop's thread, which may be in the midst of a read
        self._offset = self._buffered = 0
        self._waits.wake_both()
        if self._transport is None:
            self._socket.close()
        elif in_order and not self._writing_paused:
            self._transport.close()
        else:
            self._transport.abort()

    def _drop(self) -> None:
        """Close the descriptor, no more."""
        self._socket.close()
        # The transport would otherwise warn, when it is collected, that it was not closed; it can't be.
        with suppress(AttributeError):
            setattr(self._transport, "_sock", None)  # noqa: B010  (private to asyncio, unknown to checkers)
        self._transport = None
