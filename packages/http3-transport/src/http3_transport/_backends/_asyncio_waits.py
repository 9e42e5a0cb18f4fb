"""Waiting on asyncio with a limit, but without a timer for each wait.

A timer costs more than the wait itself: an object that is made, compared and sorted in, and cancelled.
So a stream has one for all its waits, and waiters share those of their loop.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from math import ceil

from ._asyncio_tasks import wake

# How often within one write timeout it is looked whether the peer took something: four times, or more if that
# were less than once in so many seconds. By so much the timeout may come late.
PROGRESS_CHECKS = 4
CHECK_SECONDS = 0.05

# Waiters that time out within the same 1/64 s are woken together at its end.
ALARMS_PER_SECOND = 64

NEVER = float("inf")

# Seconds, 30 years: what a longer wait is cut to, so that no timer has to count further.
LONGEST = 1e9


class StreamWaits:
    """The waits of one stream: one that reads, one that writes, and the timer that ends both.

    ``reader`` and ``writer`` are futures that end with True (look again) or False (time is up). The timer is
    left running when a wait has ended, and is set again only when it fires.
    """

    __slots__ = (
        "_idle_checks",
        "_loop",
        "_timer",
        "_timer_due",
        "_transport",
        "_unsent",
        "_write_checks",
        "_write_limit",
        "_write_step",
        "read_limit",
        "reader",
        "writer",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.reader: asyncio.Future[bool] | None = None
        self.writer: asyncio.Future[bool] | None = None
        self.read_limit = self._write_limit = NEVER  # moments of the loop's clock
        self._transport: asyncio.Transport | None = None  # during a write with a timeout
        self._write_checks = PROGRESS_CHECKS
        self._write_step = 0.0
        self._idle_checks = 0
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = NEVER

    def limit_read(self, timeout: float) -> None:
        """Wake the reader after ``timeout`` seconds, unless ``read_limit`` is reset to NEVER before."""
        limit = self.read_limit = self._loop.time() + timeout
        if self._timer is None or self._timer_due > limit:
            self._set_timer(limit)

    def limit_write(self, timeout: float, transport: asyncio.Transport) -> None:
        """Wake the writer after ``timeout`` seconds in which the transport sent nothing."""
        timeout = min(timeout, LONGEST)
        self._transport = transport
        self._write_checks = max(PROGRESS_CHECKS, ceil(timeout / CHECK_SECONDS))
        self._write_step = timeout / self._write_checks
        self._idle_checks = 0
        self._unsent = transport.get_write_buffer_size()
        limit = self._write_limit = self._loop.time() + self._write_step
        if self._timer is None or self._timer_due > limit:
            self._set_timer(limit)

    def end_write(self) -> None:
        """The wait of the writer has ended."""
        self.writer = None
        self._write_limit = NEVER
        self._transport = None

    def wake_both(self) -> None:
        """Have reader and writer look again, and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake(self.reader, True)
        wake(self.writer, True)

    def _set_timer(self, limit: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = limit
        self._timer = self._loop.call_at(limit, self._on_timer)

    def _on_timer(self) -> None:
        due, self._timer = self._timer_due, None
        if self.read_limit <= due:
            self.read_limit = NEVER
            wake(self.reader, False)
        if self._write_limit <= due:
            self._check_progress()
        following = min(self.read_limit, self._write_limit)
        if following != NEVER:
            self._set_timer(following)

    def _check_progress(self) -> None:
        """Time out a writer if the transport sent nothing since as many checks as make up the timeout."""
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        self._idle_checks = self._idle_checks + 1 if unsent >= self._unsent else 0
        self._unsent = unsent
        if self._idle_checks >= self._write_checks:
            self._write_limit = NEVER
            wake(self.writer, False)
        else:
            self._write_limit = self._loop.time() + self._write_step


class Alarms:
    """The timer that the waiters of one loop share (-5 us for a request that waits for a connection).

    It is set for the first of them. It stays set when that one has been served, and finds the next one only
    when it fires; so there is one timer, however many wait, and however long their limits are.
    """

    __slots__ = ("_due", "_timer", "_waiting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: dict[int, set[asyncio.Future[bool]]] = {}
        """By the tick at which their time is up; no set is empty."""
        self._due: float = NEVER
        """The tick at which the timer fires."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiter: asyncio.Future[bool], seconds: float) -> int:
        """Wake the waiter when the time is up, unless it is removed before; the tick to remove it with."""
        if seconds > LONGEST:
            seconds = LONGEST
        tick = ceil((self.loop.time() + seconds) * ALARMS_PER_SECOND)
        waiting = self._waiting.get(tick)
        if waiting is None:
            waiting = self._waiting[tick] = set()
            if tick < self._due:
                self._set_timer(tick)
        waiting.add(waiter)
        return tick

    def remove(self, tick: int, waiter: asyncio.Future[bool]) -> None:
        """The waiter waits no more; its time may have been up before."""
        if tick in self._waiting:
            waiting = self._waiting[tick]
            waiting.discard(waiter)
            if not waiting:
                del self._waiting[tick]

    def _set_timer(self, tick: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = tick
        self._timer = self.loop.call_at(tick / ALARMS_PER_SECOND, self._ring, tick)

    def _ring(self, tick: int) -> None:
        self._due, self._timer = NEVER, None
        for waiter in self._waiting.pop(tick, ()):
            wake(waiter, False)
        if self._waiting:
            self._set_timer(min(self._waiting))


class AsyncioWaiter:
    """A `Waiter` on a future that other threads can set as well."""

    __slots__ = ("_alarms", "_future", "_is_set", "_thread")

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._thread = threading.get_ident()
        self._is_set = False
        self._future: asyncio.Future[bool] | None = None

    @property
    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        if self._is_set:
            return
        self._is_set = True  # before looking for a future; `wait` makes one and looks at the flag then
        with suppress(RuntimeError):  # the loop was closed: nothing waits any more
            if threading.get_ident() == self._thread:
                wake(self._future, True)
            elif self._future is not None:
                self._alarms.loop.call_soon_threadsafe(wake, self._future, True)

    async def wait(self, timeout: float | None) -> bool:
        future = self._future = self._alarms.loop.create_future()
        tick = None
        try:
            if not self._is_set:
                if timeout is not None:
                    tick = self._alarms.add(future, timeout)
                await future
        finally:
            self._future = None
            if tick is not None:
                self._alarms.remove(tick, future)
        return self._is_set
