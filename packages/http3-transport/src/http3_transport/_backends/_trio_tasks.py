"""Tasks on trio that outlive the call that started them.

A nursery must not live across two public calls, and a caller's coroutine whose steps ran in different tasks
would break its cancel scopes. So it is a system task: trio cancels it when the run ends, and the cancel
scope with which we cancel it is opened inside it.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import trio

from ._trio import seconds_for_trio


class TrioTask:
    """See `Task` in `_tasks`."""

    __slots__ = ("_done", "_scope", "_token")

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._done = trio.Event()
        self._scope = trio.CancelScope()
        self._token = token

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def cancel(self) -> None:
        with suppress(trio.RunFinishedError):  # and has cancelled its tasks before
            self._token.run_sync_soon(self._scope.cancel)

    async def wait(self, timeout: float | None) -> bool:
        with trio.move_on_after(seconds_for_trio(timeout)):
            await self._done.wait()
        return self._done.is_set()

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """The task's whole life. It must not raise: a failed system task takes the whole run down."""
        try:
            with self._scope:
                await work()
        except Exception:  # noqa: BLE001 (``work`` keeps its own; this is what a nursery wrapped about our cancelling)
            pass
        finally:
            self._done.set()


def spawn_trio(work: Callable[[], Coroutine[Any, Any, None]]) -> TrioTask:
    """Start ``work`` with the caller's context variables."""
    task = TrioTask(trio.lowlevel.current_trio_token())
    trio.lowlevel.spawn_system_task(task.run, work, context=contextvars.copy_context())
    return task
