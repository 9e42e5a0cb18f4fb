"""asyncio (and uvloop), by transports and a protocol of our own; no `asyncio.StreamReader`.

The transport reads all the time, into a buffer that is bounded by pausing it. So an idle connection
notices its end, and a read finds what is there. The end of the stream, or its failure, may be reported
while the buffer still holds data: the buffer comes first.

What it costs is one future for each wait, and one timer for each stream that is left running when its
wait is over and re-arms itself only when it fires. Futures carry no data, they only wake: a reader that
is cancelled the moment data arrives loses none of it.

Sockets are made and connected by us and handed over. When their loop is dead, or their process was
forked, only the descriptor is closed: a transport that closes then would touch a selector which is not
there any more, or is shared with the parent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from .._interfaces import OperationTimeout
from ._asyncio_tasks import running_loop, wake
from ._sockets import READABLE, closed_error, connection_info, make_poller

if TYPE_CHECKING:
    from http3_models._records import ConnectionInfo

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

# How often within one write timeout it is looked whether the peer took something.
PROGRESS_CHECKS = 4

NEVER = float("inf")

# Windows' proactor has a receive of its own under way all the time; ours would overtake it.
CAN_LOOK_AT_SOCKET = sys.platform != "win32"


class AsyncioStream(asyncio.Protocol):
    """A `Stream` over a transport. Belongs to one event loop; `abort` may be called from anywhere."""

    __slots__ = (
        "_at_end", "_buffered", "_chunks", "_closed", "_error", "_idle_checks", "_info", "_look", "_loop",
        "_offset", "_process", "_read_limit", "_read_size", "_reader", "_reading_paused", "_socket", "_timer",
        "_timer_due", "_transport", "_unsent", "_write_limit", "_write_step", "_writer", "_writing_paused",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = sock
        self._loop = loop
        self._process = os.getpid()
        self._transport: asyncio.Transport | None = None
        self._info: ConnectionInfo | None = None
        self._chunks: deque[bytes] = deque()
        self._offset = 0  # into the first chunk
        self._buffered = 0
        self._read_size = 0  # the transport's; 0 where it has none
        self._at_end = False
        self._error: OSError | None = None
        self._closed = False
        self._reading_paused = False
        self._writing_paused = False
        # Futures that end with True (look again) or False (time is up).
        self._reader: asyncio.Future[bool] | None = None
        self._writer: asyncio.Future[bool] | None = None
        self._read_limit = self._write_limit = NEVER  # moments of the loop's clock
        self._write_step = 0.0
        self._idle_checks = 0
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = NEVER
        self._look = make_poller(sock, READABLE) if CAN_LOOK_AT_SOCKET else None

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
        return False  # what the transport holds it sends by itself

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        while not self._chunks:
            if self._at_end or self._error is not None or self._closed:
                return self._after_last()
            waiter = self._reader = self._loop.create_future()
            if timeout is not None:
                self._read_limit = self._loop.time() + timeout
                self._arm(self._read_limit)
            try:
                in_time = await waiter
            finally:
                self._reader = None
                self._read_limit = NEVER
            if not in_time and not self._is_readable():
                raise OperationTimeout
        return self._take(max_bytes)

    def read_nowait(self, max_bytes: int) -> bytes | None:
        if self._chunks:
            return self._take(max_bytes)
        if self._at_end or self._error is not None or self._closed:
            return self._after_last()
        return self._receive_nowait(max_bytes)

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        transport = self._usable()
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
        # Let the loop look at the socket: a sender that never has to wait would never hear of an answer.
        await asyncio.sleep(0)
        view = memoryview(data)
        sent = 0
        while sent < len(view) and not self._is_readable():
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
        if self._writing_paused:
            return 0
        transport.write(data)
        return len(data)

    def close(self) -> None:
        self._shut(in_order=True)

    def abort(self) -> None:
        self._shut(in_order=False)

    # Reading: what the buffer holds.

    def _is_readable(self) -> bool:
        return bool(self._chunks) or self._at_end or self._error is not None or self._closed

    def _take(self, max_bytes: int) -> bytes:
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

    def _receive_nowait(self, max_bytes: int) -> bytes | None:
        """Ask the kernel itself: the loop may not have turned since the peer closed.

        Nothing is buffered here, so what comes is next in line; the transport finds an empty socket.
        """
        if self._look is None or not self._look.poll(0):
            return None
        try:
            data = self._socket.recv(max_bytes)
        except BlockingIOError:
            return None
        if not data:
            self._at_end = True
        return data

    # Writing: the transport's buffer, which is bounded by waiting until it is empty.

    def _usable(self) -> asyncio.Transport:
        if self._closed or self._transport is None:
            raise closed_error()
        if self._error is not None:
            raise type(self._error)(*self._error.args) from self._error
        return self._transport

    async def _drain(self, timeout: float | None, *, until_readable: bool) -> None:
        """Wait until the transport's buffer is empty, or there is something to read if that is wanted."""
        transport = self._usable()
        if timeout is not None:
            self._write_step = timeout / PROGRESS_CHECKS
            self._idle_checks = 0
            self._unsent = transport.get_write_buffer_size()
            self._write_limit = self._loop.time() + self._write_step
            self._arm(self._write_limit)
        try:
            while (self._writing_paused or transport.is_closing()) and not (
                until_readable and self._is_readable()
            ):
                self._usable()
                waiter = self._writer = self._loop.create_future()
                if until_readable:
                    self._reader = waiter
                if not await waiter:
                    raise OperationTimeout
        finally:
            self._writer = None
            self._write_limit = NEVER
            if until_readable:
                self._reader = None

    # The timer.

    def _arm(self, limit: float) -> None:
        """See to it that the timer fires no later than ``limit``."""
        if self._timer is not None:
            if self._timer_due <= limit:
                return
            self._timer.cancel()
        self._timer_due = limit
        self._timer = self._loop.call_at(limit, self._on_timer)

    def _on_timer(self) -> None:
        due, self._timer = self._timer_due, None
        if self._read_limit <= due:
            self._read_limit = NEVER
            wake(self._reader, False)
        if self._write_limit <= due:
            self._check_progress()
        following = min(self._read_limit, self._write_limit)
        if following != NEVER:
            self._arm(following)

    def _check_progress(self) -> None:
        """Time out a writer if the peer took nothing since as many checks as make up the timeout."""
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self._idle_checks = self._idle_checks + 1 if unsent >= self._unsent else 0
        self._unsent = unsent
        if self._idle_checks >= PROGRESS_CHECKS:
            self._write_limit = NEVER
            wake(self._writer, False)
        else:
            self._write_limit = self._loop.time() + self._write_step

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's have the methods, not the class
        # With no room at all a transport tells each time that the kernel did not take everything.
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
        if self._read_size and (size >= SMALL_READ) != (self._read_size > SMALL_READ):
            self._ask_for(HIGH_WATER if size >= SMALL_READ else SMALL_READ)
        if self._buffered > HIGH_WATER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        wake(self._reader, True)

    def eof_received(self) -> bool:
        self._at_end = True
        wake(self._reader, True)
        return True  # keep the transport: when to close is for us to say, and we may still be sending

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        wake(self._writer, True)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed:
            self._rescue()
            self._error = exc if isinstance(exc, OSError) else closed_error()
        self._transport = None
        self._cancel_timer()
        wake(self._reader, True)
        wake(self._writer, True)

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
        self._chunks.clear()
        self._offset = self._buffered = 0
        if os.getpid() != self._process or self._loop.is_closed():
            self._let_go()
        elif running_loop() is self._loop:
            self._close_transport(in_order)
        else:
            try:
                self._loop.call_soon_threadsafe(self._close_transport, in_order)
            except RuntimeError:  # closed meanwhile
                self._let_go()

    def _close_transport(self, in_order: bool) -> None:
        self._cancel_timer()
        wake(self._reader, True)
        wake(self._writer, True)
        if self._transport is None:
            self._socket.close()
        elif in_order and not self._writing_paused:
            self._transport.close()
        else:
            self._transport.abort()

    def _let_go(self) -> None:
        """Close the descriptor, no more."""
        self._socket.close()
        # The transport would otherwise complain, when it is collected, that nobody closed it; nobody can.
        with suppress(AttributeError):
            setattr(self._transport, "_sock", None)  # noqa: B010  (private to asyncio, unknown to checkers)
        self._transport = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
