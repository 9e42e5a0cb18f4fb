"""Counters for one thread of one process: of calls, and of what an asyncio loop does.

Neither counts itself: what functions of this folder call or are is left out.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeVarTuple, Unpack

from .steps import StepSelector

Arguments = TypeVarTuple("Arguments")

HERE = str(Path(__file__).parent)

# Methods that ask the kernel, by the names of their types in C; not those that only look at the object.
KERNEL_TYPES = ("socket.", "poll.", "epoll.", "kqueue.")
NOT_KERNEL = ("socket.fileno", "socket.gettimeout", "socket.detach", "poll.register", "poll.unregister")


class CallCounter:
    """Counts calls of Python functions (each step of a coroutine is one) and of functions written in C."""

    def __init__(self) -> None:
        self._functions: Counter[CodeType] = Counter()
        self._builtins: Counter[str] = Counter()

    def start(self) -> None:
        """From here on, in this thread."""
        sys.setprofile(self._note)

    def stop(self) -> None:
        """Up to here."""
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, callee: Any) -> None:
        if event == "call":
            self._functions[frame.f_code] += 1
        elif event == "c_call":
            name = callee.__qualname__
            # What `steps` hands on to polls it does for somebody else.
            if name.startswith(KERNEL_TYPES) or not frame.f_code.co_filename.startswith(HERE):
                self._builtins[name] += 1

    def found(self) -> dict[str, Counter[str]]:
        """How often each was called: "functions" by names like "engine:HTTP11Connection.exchange", "builtins"
        like "socket.recv", and "kernel", those builtins that ask the kernel something about a socket.
        """
        functions: Counter[str] = Counter()
        for code, count in self._functions.items():
            if not code.co_filename.startswith(HERE):
                functions[f"{Path(code.co_filename).stem}:{code.co_qualname}"] += count
        kernel = {
            name: count
            for name, count in self._builtins.items()
            if name.startswith(KERNEL_TYPES) and name not in NOT_KERNEL
        }
        return {"functions": functions, "builtins": self._builtins, "kernel": Counter(kernel)}


class StepLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, which counts what it is asked for, on a `StepSelector`."""

    def __init__(self) -> None:
        self._steps = StepSelector()
        self._asked: Counter[str] = Counter()
        super().__init__(self._steps)
        self.step = self._steps.step

    def asked(self) -> Counter[str]:
        """So far: turns of the loop, callbacks it ran, and timers, futures and tasks that were made."""
        callbacks = self._asked["callbacks"] + self._steps.events
        return Counter(self._asked | {"turns": self._steps.turns, "callbacks": callbacks})

    def call_soon(
        self,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        self._asked["callbacks"] += 1
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._asked["timers"] += 1
        return super().call_at(when, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        self._asked["futures"] += 1
        return super().create_future()

    def create_task(self, *args: Any, **options: Any) -> asyncio.Task[Any]:
        self._asked["tasks"] += 1
        return super().create_task(*args, **options)
