"""Tasks that live from one public call to another, on whichever async library runs.

Only applications need them: a connection has no life of its own between two calls.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from ._detect import _asyncio_runs

if TYPE_CHECKING:
    from .._interfaces import Waiter


class Task(Protocol):
    """Something under way."""

    @property
    def is_done(self) -> bool:
        """True once it has ended."""

    def cancel(self) -> None:
        """Ask it to end, soon. From any thread, also from a finaliser; harmless once it has ended."""

    async def wait(self, timeout: float | None) -> bool:
        """Wait for its end: True; False when ``timeout`` seconds passed first."""


def spawn(work: Callable[[], Coroutine[Any, Any, None]]) -> Task:
    """Start ``work`` as a task of its own, with the caller's context variables.

    It keeps its failures to itself: of what it raises only a cancellation may come out.
    """
    if _asyncio_runs():
        from ._asyncio_tasks import spawn_asyncio

        return spawn_asyncio(work)
    from ._trio_tasks import spawn_trio

    return spawn_trio(work)


class Changes:
    """Coroutines that wait until something they look at has changed."""

    __slots__ = ("_make", "_waiters")

    def __init__(self, make: Callable[[], Waiter]) -> None:
        self._make = make
        self._waiters: list[Waiter] = []

    @property
    def is_awaited(self) -> bool:
        """True if a task waits."""
        return bool(self._waiters)

    def announce(self) -> None:
        """Wake all that wait."""
        for waiter in self._waiters:
            waiter.set()

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the next change, or ``timeout`` seconds."""
        waiter = self._make()
        self._waiters.append(waiter)
        try:
            await waiter.wait(timeout)
        finally:
            self._waiters.remove(waiter)
