"""Virtual time: a scheduler that runs coroutines by ``send``, and a clock that moves only when all of them
wait.

No event loop, no threads: one step runs one task until it waits. When no task can go on, the clock jumps to
the moment of the next timer. So an hour takes as long as what happens in it, and the same coroutines run in
the same order each time: nothing here depends on the machine's clock, on addresses in memory or on hashes.
With ``order`` given, its draws decide which of the tasks that could go on does.

Cycles of garbage are collected after fixed numbers of steps, because finalisers do things as well.
"""

from __future__ import annotations

import gc
import heapq
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, TypeVar

from .deadlocks import Deadlock, report
from .tasks import Task, Timer, Wait

if TYPE_CHECKING:
    from random import Random

T = TypeVar("T")

STEPS_AT_ONCE = 1_000_000
"""Steps without time passing after which tasks only keep each other busy."""

IDLE_TIMERS = 1000
"""Waits that run out in a row, and nothing else, are waiting in slices; fewer may each have a purpose."""

STEPS_TO_END = 100_000
"""Steps that cancelled tasks may take to tidy up after the run."""

YOUNG_STEPS, OLD_STEPS = 1_000, 20_000
"""Steps between two collections of young garbage, and of what survived one."""


class Scheduler:
    """Tasks, timers and the clock. ``note(name, what)`` is called when tasks begin and end."""

    def __init__(self, order: Random | None, note: Callable[[str, str], object], patience: float) -> None:
        self.moment: float = 0.0
        self.current: Task[Any] | None = None
        self.failure: Exception | None = None
        """The error of a vital task (see `start`)."""
        self.tasks: dict[Task[Any], None] = {}
        self.is_running: bool = False
        self._failed: list[Task[Any]] = []
        self._order = order
        self._note = note
        self._patience = patience
        self._ready: list[Task[Any]] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._timers_made = 0
        self._started = 0
        self._steps = 0
        self._steps_at_once = 0
        self._progress = 0.0
        self._idle_timers = 0

    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self.moment

    # For tasks and the network.

    def after(self, seconds: float) -> float:
        """The moment after so many seconds.

        It is later than now if ``seconds`` is above 0, however small: else a loop that waits for the rest of
        a limit might never end.
        """
        return max(self.moment + seconds, nextafter(self.moment, inf)) if seconds > 0 else self.moment

    def call_at(self, moment: float, action: Callable[[], object], *, is_idle: bool = False) -> Timer:
        """Call ``action`` at the moment, after all that was set for the same moment before. To cancel the
        timer, set its ``action`` to None."""
        timer = Timer(action, is_idle=is_idle)
        self._timers_made += 1
        heapq.heappush(self._timers, (moment, self._timers_made, timer))
        if self._timers_made % 10_000 == 0:
            self._timers[:] = [entry for entry in self._timers if entry[2].action is not None]
            heapq.heapify(self._timers)
        return timer

    def make_ready(self, task: Task[Any]) -> None:
        """Queue the task for its next step."""
        task.wait_under_way = None
        self._ready.append(task)

    def start(
        self, coroutine: Coroutine[Any, Any, T], name: str | None = None, *, is_vital: bool = False
    ) -> Task[T]:
        """A task for the coroutine; ``is_vital``: the run fails with it, unless it is an OSError (a client
        that has gone away)."""
        self._started += 1
        task = Task(self, coroutine, name or f"task {self._started}", is_vital=is_vital)
        self.tasks[task] = None
        self._ready.append(task)
        self._note(task.name, "starts")
        return task

    def ended(self, task: Task[Any]) -> None:
        """Forget a task that has ended."""
        del self.tasks[task]
        if task.unseen_error is not None:
            self._failed.append(task)
        self._note(task.name, "ends")

    async def sleep(self, seconds: float) -> None:
        """Wait; 0 seconds let the other tasks run."""
        wait = Wait(self, ("a sleep to end",))
        if seconds > 0:
            timer = self.call_at(self.after(seconds), wait.end)
            try:
                await wait.until(None)
            finally:
                timer.action = None
        else:
            wait.end()
            await _turn(wait)

    def progress(self) -> None:
        """Something has happened other than the end of a timeout."""
        self._progress = self.moment
        self._idle_timers = 0

    # The run.

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine and all it starts until it ends; then cancel what is left.

        Raises what it raises, what a vital task raised, or `Deadlock`; else the error of a task whose
        result was never asked for.
        """
        self.failure = None
        self._failed.clear()
        self.progress()
        self.is_running = True
        with _collecting_at_steps():
            main = self.start(coroutine, "main")
            try:
                while not main.is_done and self.failure is None:
                    self._go_on()
            finally:
                try:
                    self._end_all()
                finally:
                    self.is_running = False
        if self.failure is not None:
            raise self.failure
        value = main.result()
        for task in self._failed:
            if task.unseen_error is not None:
                task.unseen_error.add_note(f"{task.name} of the simulation failed, and was never awaited")
                raise task.unseen_error
        return value

    def _go_on(self) -> None:
        """Run one step of a task, or the next timers if no task is ready. Raises Deadlock."""
        if not self._ready:
            self._advance()
            return
        self._steps += 1
        self._steps_at_once += 1
        if self._steps_at_once > STEPS_AT_ONCE:
            raise self._deadlock("The tasks keep each other busy, and no time passes")
        if self._steps % YOUNG_STEPS == 0:
            gc.collect(1 if self._steps % OLD_STEPS == 0 else 0)
        ready, order = self._ready, self._order
        task = ready.pop(order.randrange(len(ready)) if order is not None and len(ready) > 1 else 0)
        self.current = task
        try:
            task.step()
        finally:
            self.current = None

    def _advance(self) -> None:
        """Move the clock to the next timer and fire all of that moment. Raises Deadlock."""
        timers = self._timers
        while timers and timers[0][2].action is None:
            heapq.heappop(timers)
        if not timers:
            raise self._deadlock("All tasks wait, and nothing is left that could happen")
        moment = timers[0][0]
        if moment > self.moment:
            self.moment = moment
            self._steps_at_once = 0
        while timers and timers[0][0] <= moment:
            timer = heapq.heappop(timers)[2]
            action, timer.action = timer.action, None
            if action is not None:
                if timer.is_idle:
                    self._idle_timers += 1
                else:
                    self.progress()
                action()
        if self._idle_timers > IDLE_TIMERS and moment - self._progress > self._patience:
            raise self._deadlock(f"For {self._patience:g} s nothing has happened but that waits ran out")

    def _deadlock(self, what: str) -> Deadlock:
        return Deadlock(report(f"{what}, at {self.moment:.6f} s", self.tasks))

    def _end_all(self) -> None:
        """Cancel the tasks that are left and run them to their ends; close those that do not end."""
        ends = self._steps + STEPS_TO_END
        for task in list(self.tasks):
            task.cancel()
        try:
            while self.tasks and self._steps < ends:
                self._go_on()
        except Deadlock:
            pass
        for task in list(self.tasks):
            task.coroutine.close()
            self.tasks.pop(task, None)
        self._ready.clear()
        self._timers.clear()


@types.coroutine
def _turn(wait: Wait) -> Generator[Wait, None, None]:
    """A wait that ends at once, so that the other tasks run."""
    yield wait


@contextmanager
def _collecting_at_steps() -> Iterator[None]:
    """Collect garbage at fixed steps: when the collector would run depends on what the process did before."""
    was_on = gc.isenabled()
    gc.collect(0)
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
