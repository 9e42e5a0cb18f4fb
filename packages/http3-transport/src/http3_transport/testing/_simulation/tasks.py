"""Tasks of a simulation, and how they wait.

A task is a coroutine that the scheduler runs step by step. At each step it yields a `Wait`,
and goes on once that has ended. Only the scheduler runs the coroutine.
"""

from __future__ import annotations

import contextvars
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Cancelled(BaseException):
    """Raised inside a task that was cancelled, where it waits. Let it pass."""


class Timer:
    """An action at a moment; None: cancelled. ``is_idle``: the action only ends a wait that has a timeout."""

    __slots__ = ("action", "is_idle")

    def __init__(self, action: Callable[[], object], *, is_idle: bool) -> None:
        self.action: Callable[[], object] | None = action
        self.is_idle: bool = is_idle


class Schedule(Protocol):
    """What tasks and waits need of the `Scheduler`."""

    failure: Exception | None

    def after(self, seconds: float) -> float:
        """The moment in so many seconds."""

    def call_at(self, moment: float, action: Callable[[], object], *, is_idle: bool = False) -> Timer:
        """Call ``action`` at the moment."""

    def make_ready(self, task: Task[Any]) -> None:
        """The task can go on."""

    def ended(self, task: Task[Any]) -> None:
        """The task has ended."""


class Wait:
    """One wait of one task; it ends once, by `end`, its timer, or a cancellation.

    ``what`` describes it in the message of a `Deadlock`: a text and its arguments.
    """

    __slots__ = ("_came", "_is_over", "_scheduler", "_task", "what")

    def __init__(self, scheduler: Schedule, what: tuple[object, ...]) -> None:
        self.what: tuple[object, ...] = what
        self._scheduler = scheduler
        self._task: Task[Any] | None = None
        self._is_over = False
        self._came = False

    def end(self, came: bool = True) -> None:
        """End the wait; ``came`` False: by its timeout. Only the first call counts."""
        if not self._is_over:
            self._is_over = True
            self._came = came
            self._wake()

    def leave(self) -> None:
        """End the wait because the task was cancelled."""
        self._is_over = True

    @types.coroutine
    def until(self, timeout: float | None) -> Generator[Wait, None, bool]:
        """Wait: True; False when ``timeout`` seconds passed first."""
        if self._is_over:
            return self._came
        if timeout is None:
            yield self
            return self._came
        scheduler = self._scheduler
        timer = scheduler.call_at(scheduler.after(timeout), self._run_out, is_idle=True)
        try:
            yield self
        finally:
            timer.action = None
        return self._came

    def _run_out(self) -> None:
        self.end(False)

    def _wake(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            self._scheduler.make_ready(task)

    def hold(self, task: Task[Any]) -> None:
        """Remember the task, which the scheduler resumes when the wait ends."""
        self._task = task
        if self._is_over:
            self._wake()


class Task(Generic[T]):
    """A coroutine that runs beside others. ``await task`` gives its result."""

    def __init__(
        self, scheduler: Schedule, coroutine: Coroutine[Any, Any, T], name: str, *, is_vital: bool
    ) -> None:
        self.name: str = name
        self.is_done: bool = False
        """True once it has ended, in whatever way."""
        self.coroutine: Coroutine[Any, Any, T] = coroutine
        self.wait_under_way: Wait | None = None
        self._scheduler = scheduler
        self._is_vital = is_vital
        self._context = contextvars.copy_context()
        self._thrown: BaseException | None = None
        self._joiners: dict[Wait, None] = {}
        self._error: BaseException | None = None
        self._outcome: list[T] = []
        self._is_seen = False

    def __repr__(self) -> str:
        return f"<Task {self.name} {'done' if self.is_done else 'under way'}>"

    def __await__(self) -> Generator[Any, None, T]:
        yield from self.wait().__await__()
        return self.result()

    def cancel(self) -> None:
        """Raise `Cancelled` in it, where it waits now or next. Harmless once it has ended."""
        if self.is_done or self._thrown is not None:
            return
        self._thrown = Cancelled(f"{self.name} was cancelled")
        wait, self.wait_under_way = self.wait_under_way, None
        if wait is not None:
            wait.leave()
            self._scheduler.make_ready(self)

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end: True; False when ``timeout`` virtual seconds passed first."""
        if not self.is_done:
            wait = Wait(self._scheduler, ("the end of", self))
            self._joiners[wait] = None
            try:
                await wait.until(timeout)
            finally:
                del self._joiners[wait]
        return self.is_done

    def result(self) -> T:
        """What it returned. Raises what it raised (`Cancelled`, too), RuntimeError while it runs."""
        if not self.is_done:
            raise RuntimeError(f"{self.name} has not ended yet")
        self._is_seen = True
        if self._error is not None:
            raise self._error
        return self._outcome[0]

    @property
    def unseen_error(self) -> Exception | None:
        """Its error, if its result was never asked for."""
        return (
            None if self._is_seen or self._is_vital or not isinstance(self._error, Exception) else self._error
        )

    def step(self) -> None:
        """Run it until it waits or ends."""
        try:
            thrown, self._thrown = self._thrown, None
            if thrown is None:
                yielded = self._context.run(self.coroutine.send, None)
            else:
                yielded = self._context.run(self.coroutine.throw, thrown)
        except StopIteration as exc:
            self._outcome.append(exc.value)
            self._end(None)
        except (Exception, Cancelled) as exc:  # noqa: BLE001  (it belongs to who asks for the result)
            self._end(exc)
        except BaseException as exc:
            self._end(exc)
            raise
        else:
            self._park(yielded)

    def _park(self, yielded: object) -> None:
        if not isinstance(yielded, Wait):
            what = f"{yielded!r} can't be awaited in a simulation, which is an event loop of its own"
            self._thrown = RuntimeError(what)
            self._scheduler.make_ready(self)
        elif self._thrown is not None:  # it has cancelled itself
            yielded.leave()
            self._scheduler.make_ready(self)
        else:
            self.wait_under_way = yielded
            yielded.hold(self)

    def _end(self, error: BaseException | None) -> None:
        self.is_done = True
        self._error = error
        self._scheduler.ended(self)
        if self._is_vital and isinstance(error, Exception) and not isinstance(error, OSError):
            self._scheduler.failure = self._scheduler.failure or error
        for joiner in list(self._joiners):
            joiner.end()
