"""What of asyncio's loop, futures and tasks the rest of the backend uses.

Tasks here outlive the call that started them: an application under way, for example.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any


class AsyncioTask:
    """See `Task` in `_tasks`."""

    __slots__ = ("_loop", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
        self._loop = loop
        self._task = task

    @property
    def is_done(self) -> bool:
        return self._task.done()

    def cancel(self) -> None:
        with suppress(RuntimeError):  # the loop was closed, and has cancelled its tasks before
            self._loop.call_soon_threadsafe(self._task.cancel)

    async def wait(self, timeout: float | None) -> bool:
        await asyncio.wait((self._task,), timeout=timeout)
        return self._task.done()


def spawn_asyncio(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncioTask:
    """Start ``work`` with the caller's context variables."""
    loop = asyncio.get_running_loop()
    return AsyncioTask(loop, loop.create_task(work()))


def wake(waiter: asyncio.Future[bool] | None, in_time: bool) -> None:
    """End a wait, unless it has ended or was cancelled already."""
    if waiter is not None and not waiter.done():
        waiter.set_result(in_time)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
