"""A turn for other tasks, in the midst of work that waits for nothing.

No async library is imported here: one that was never imported can't be running.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Generator
from typing import Any

Pause = Callable[[], Awaitable[None]]
"""`give_turn`, or None in a sync client, where nobody else waits for the thread."""


class _Turn:
    """What ``asyncio.sleep(0)`` awaits: the task goes on in the loop's next turn."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        yield


async def give_turn() -> None:
    """Let the other tasks of asyncio or trio run, and a cancellation strike. Nothing where neither runs."""
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is not None and lowlevel.in_trio_task():
        await lowlevel.checkpoint()
    elif _in_asyncio_task():
        await _Turn()


def _in_asyncio_task() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
