"""A lock for coroutines that is fair, has a deadline, and works in every world of ours.

The plain state is guarded by a `threading.Lock` that is held for a few instructions and never across an
await; waiting itself goes through `Backend.waiter`. So one lock serves threads over the blocking backend
and tasks of one loop alike.

The invariant: **a lock that is let go belongs at once to the one that waited longest.** Handing over is
done by the one who lets go, so nobody can jump the line; and one that was chosen but gives up in the same
moment (cancelled, timed out) passes the lock on.
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
        """True while somebody has it."""
        return self._held

    @property
    def is_wanted(self) -> bool:
        """True while somebody waits for it."""
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
        """Let go; the lock goes to the one that waited longest. Raises RuntimeError if nobody holds it."""
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
        """From now on everybody gets it at once, those in line as well: what it guarded is used no more.

        For when nobody knows whether its holder will ever release it.
        """
        with self._state:
            self._is_open = True
            line, self._line = self._line, deque()
        for waiter in line:
            waiter.set()

    def _leave(self, waiter: Waiter) -> bool:
        """Give up the place in line; False if the lock was handed over already."""
        with self._state:
            try:
                self._line.remove(waiter)
            except ValueError:
                return False
            return True
