"""Which async library runs this task, and a turn for other tasks during work that never waits.

No async library is imported here: one that was never imported can't be running.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Any

Pause = Callable[[], Awaitable[None]]
"""`checkpoint`; None in a sync client, where no other task waits for the thread."""


class _Turn:
    """What ``asyncio.sleep(0)`` awaits: the task continues in the next iteration of the event loop."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        yield


async def checkpoint() -> None:
    """Let other tasks of asyncio or trio run, and raise a pending cancellation. Does nothing elsewhere."""
    if in_trio_task():
        await sys.modules["trio"].lowlevel.checkpoint()
    elif in_asyncio_task():
        await _Turn()


def in_trio_task() -> bool:
    """True in a task of trio."""
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    return lowlevel is not None and bool(lowlevel.in_trio_task())


def in_asyncio_task() -> bool:
    """True in a task of asyncio, or of uvloop."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
