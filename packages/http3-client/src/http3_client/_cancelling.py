"""Cancellation at the deadline of a call: of a user's dispatcher, and of reading its response's body.

asyncio and trio can cancel. Under a user's runner neither may be running: nothing is cancelled then, and the
deadline is checked afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from http3_models import Delivery
from http3_models.engine import in_asyncio_task, in_trio_task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from http3_models import TotalTimeout
    from http3_models.engine import RequestState

T = TypeVar("T")

GRACE = 0.02
"""Seconds after the deadline: a dispatcher that keeps the deadline raises its own error first."""


async def until_deadline(request: RequestState, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of ``work()``, which is cancelled at the request's deadline. Raises TotalTimeout."""
    deadline = request.deadline
    if deadline is None:
        return await work()
    seconds = max(deadline.remaining(), 0.0) + GRACE
    if in_trio_task():
        return await _on_trio(request, seconds, work)
    if in_asyncio_task():
        return await _on_asyncio(request, seconds, work)
    return await work()


async def _on_asyncio(request: RequestState, seconds: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    import asyncio

    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work()
    except Exception as exc:  # the TimeoutError of `limit`, or what ``work`` raised when it was cancelled
        if limit.expired():
            raise _cancelled(request) from exc
        raise


async def _on_trio(request: RequestState, seconds: float, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    import trio

    with trio.move_on_after(seconds) as scope:
        try:
            return await work()
        except Exception as exc:
            if scope.cancel_called:
                raise _cancelled(request) from exc
            raise
    raise _cancelled(request)


async def ended_in_trio(wait: Callable[[], Coroutine[Any, Any, object]], seconds: float | None) -> bool:
    """Await ``wait()`` in a trio task. False if it was cancelled after ``seconds``."""
    import trio

    with trio.move_on_after(float("inf") if seconds is None else seconds) as scope:
        await wait()
    return not scope.cancelled_caught


def _cancelled(request: RequestState) -> TotalTimeout:
    assert request.deadline is not None
    return request.deadline.error(request, Delivery.MAYBE_PROCESSED, "; the dispatcher was cancelled")
