"""A fair lock for coroutines with a deadline, for blocking code, asyncio and trio.

Its state is guarded by a `threading.Lock` that is held for a few instructions and never across an await;
waiting goes through `Backend.waiter`. So one lock serves threads over the blocking backend and tasks of an
event loop.

The invariant: **a released lock belongs at once to the waiter that has waited longest.** `release` passes it
on, so no other can take it first. A waiter that is cancelled or times out just then passes it on, too.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._interfaces import Backend, Waiter


class FIFOLock:
    """First come, first served. Not reentrant; any task or thread may release it."""

    __slots__ = ("_backend", "_held", "_is_open", "_line", "_state")

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._state = threading.Lock()
        self._held = False
        self._is_open = False
        self._line: deque[Waiter] = deque()

    def __repr__(self) -> str:
        state = "held" if self._held else "free"
        return f"<FIFOLock {state}, {len(self._line)} waiting>"

    @property
    def is_held(self) -> bool:
        """True while it is held."""
        return self._held

    @property
    def is_wanted(self) -> bool:
        """True while others wait for it."""
        return bool(self._line)

    def try_acquire(self) -> bool:
        """Take the lock if it is free; never waits."""
        with self._state:
            if self._held and not self._is_open:
                return False
            self._held = True
            return True

    async def acquire(self, timeout: float | None) -> bool:
        """Take the lock: True; False when ``timeout`` seconds passed first (None: wait for ever)."""
        with self._state:
            if not self._held or self._is_open:
                self._held = True
                return True
            waiter = self._backend.waiter()
            self._line.append(waiter)
        try:
            await waiter.wait(timeout)
        except BaseException:
            if not self._leave(waiter):
                self.release()
            raise
        return not self._leave(waiter)

    def release(self) -> None:
        """Pass the lock to the waiter that has waited longest. Raises RuntimeError if it is not held."""
        with self._state:
            if self._is_open:
                return
            if not self._held:
                raise RuntimeError("the lock is not held")
            if self._line:
                # It stays held: from here on by the one that is woken.
                self._line.popleft().set()
            else:
                self._held = False

    def open(self) -> None:
        """Let all waiters have it, now and later: what it guarded is not used any more.

        For a lock whose holder may never release it.
        """
        with self._state:
            self._is_open = True
            line, self._line = self._line, deque()
        for waiter in line:
            waiter.set()

    def _leave(self, waiter: Waiter) -> bool:
        """Leave the queue; False if the lock was passed to this waiter already."""
        with self._state:
            try:
                self._line.remove(waiter)
            except ValueError:
                return False
            return True
