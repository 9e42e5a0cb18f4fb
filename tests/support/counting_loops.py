"""An asyncio loop that counts the timers it is asked for, to hold code to few of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

Arguments = TypeVarTuple("Arguments")


class CountingLoop(asyncio.SelectorEventLoop):
    """Counts the timers that it is asked for. Its clock can be put forward."""

    timers = 0
    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)
