"""The three worlds that the engine runs in, for tests that are written once.

A test takes the ``runtime`` fixture, builds what it needs on ``runtime.backend`` and hands a coroutine
function to ``runtime.run``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import trio

from http3_models.engine import run_sync
from http3_transport import AsyncioBackend, BlockingBackend, TrioBackend
from http3_transport._interfaces import Backend

T = TypeVar("T")


BACKENDS: dict[str, Callable[[], Backend]] = {
    "blocking": BlockingBackend,
    "asyncio": AsyncioBackend,
    "trio": TrioBackend,
}


class Runtime:
    """One of blocking, asyncio and trio: a backend, and a way to run coroutines over it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.backend = BACKENDS[name]()

    def __repr__(self) -> str:
        return f"<Runtime {self.name}>"

    def run(self, function: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
        """Call the coroutine function and run it to its end."""
        if self.name == "blocking":
            return run_sync(function(*args))
        if self.name == "asyncio":
            return asyncio.run(function(*args))
        run: Callable[..., T] = trio.run
        return run(function, *args)
