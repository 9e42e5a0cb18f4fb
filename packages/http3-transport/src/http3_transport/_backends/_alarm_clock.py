"""Timers kept by a thread, for trio, where only a task can wait for a moment.

A system task would count among the program's tasks and move its test clocks, and its deadline, being
the first to come, would keep trio from tidying up behind those of requests. The thread lives while timers are
set, and a little longer. It serves all runs of the process, and is never joined.
"""

from __future__ import annotations

import _thread
import heapq
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import _process

if TYPE_CHECKING:
    from .._interfaces import Clock

LINGER = 5.0
"""Seconds that the thread waits for the next timer before it ends."""


class Alarm:
    """A timer. ``ring`` is called in the thread."""

    __slots__ = ("moment", "ring")

    def __init__(self, moment: float, ring: Callable[[], object]) -> None:
        self.moment = moment
        self.ring: Callable[[], object] | None = ring

    def __lt__(self, other: Alarm) -> bool:
        return self.moment < other.moment

    def cancel(self) -> None:
        """Don't ring. Takes no lock; what is left of it goes when it is due."""
        self.ring = None


class AlarmClock:
    """The thread and its timers."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self.generation = _process.generation
        self._now = now
        self._changed = threading.Condition()
        self._alarms: list[Alarm] = []
        self._is_running = False

    def set(self, seconds: float, ring: Callable[[], object]) -> Alarm | None:
        """Have ``ring`` called in so many seconds; None where no thread can be had."""
        alarm = Alarm(self._now() + seconds, ring)
        with self._changed:
            heapq.heappush(self._alarms, alarm)
            if self._is_running:
                self._changed.notify()
                return alarm
            try:
                _thread.start_new_thread(self._run, ())
            except RuntimeError:
                self._alarms.clear()
                return None
            self._is_running = True
        return alarm

    def _run(self) -> None:
        while (due := self._next_due()) is not None:
            ring = due.ring
            if ring is not None:
                ring()

    def _next_due(self) -> Alarm | None:
        """Wait for the next alarm; None if none is set in a while."""
        with self._changed:
            while True:
                if not self._alarms:
                    if not self._changed.wait(LINGER) and not self._alarms:
                        self._is_running = False
                        return None
                    continue
                left = self._alarms[0].moment - self._now()
                if left <= 0:
                    return heapq.heappop(self._alarms)
                self._changed.wait(min(left, threading.TIMEOUT_MAX))


_clock = AlarmClock()


def set_alarm(seconds: float, ring: Callable[[], object]) -> Alarm | None:
    """A timer of the one clock of this process. None where no thread can be had."""
    global _clock
    if _clock.generation != _process.generation:
        _clock = AlarmClock()  # in a forked child: the thread is gone, and may have held the lock
    return _clock.set(seconds, ring)
