"""When nothing can happen any more: who waits, where, and for what."""

from __future__ import annotations

from collections.abc import Iterable
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tasks import Task

DEEPEST = 6
"""Calls shown of each task, the innermost ones."""


class Deadlock(Exception):
    """The run of a simulation can't come to its end; the message names every task and what it waits for."""


def report(what: str, tasks: Iterable[Task[Any]]) -> str:
    """The message."""
    return "\n".join([f"{what}:", *[f"  {line}" for task in tasks for line in _lines(task)]])


def _lines(task: Task[Any]) -> list[str]:
    wait = task.wait_under_way
    waits = "could go on" if wait is None else f"waits for {' '.join(map(str, wait.what))}"
    places = _places(task.coroutine)
    if len(places) > DEEPEST:
        places = [places[0], "...", *places[1 - DEEPEST :]]
    return [f"{task.name} {waits}", f"    in {' > '.join(places)}"] if places else [f"{task.name} {waits}"]


def _places(coroutine: object) -> list[str]:
    """Where a coroutine stands, from the outermost call to the innermost."""
    places = []
    awaited: object = coroutine
    while awaited is not None:
        if isinstance(awaited, CoroutineType):
            frame, awaited = awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, GeneratorType):
            frame, awaited = awaited.gi_frame, awaited.gi_yieldfrom
        else:
            break
        if frame is not None:
            places.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
    return places
