"""How the suites run their checks, and how an AssertionError of theirs names the check and the operation that
ran out of time.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol, TypeVar, cast

from http3_models.engine import run_sync, short_repr

from ..._interfaces import OperationTimeout

T = TypeVar("T")

LIMITED = frozenset(
    {
        "connect_address",
        "connect_first",
        "read",
        "resolve",
        "wait_writable",
        "write",
        "write_until_readable",
    }
)
"""The operations of streams and backends that raise OperationTimeout."""

LONGEST_SHOWN = 20
"""Bytes of data that a message shows; of more it says how many they are."""


class RunFunction(Protocol):
    """Runs a coroutine function, called with the arguments, to its end. `trio.run` is one; for asyncio:
    ``lambda function, *args: asyncio.run(function(*args))``."""

    def __call__(self, function: Callable[..., Coroutine[Any, Any, T]], /, *args: object) -> T: ...


def run_without_loop(function: Callable[..., Coroutine[Any, Any, T]], /, *args: object) -> T:
    """Runs a coroutine function that never suspends, as those over blocking sockets and sync dispatchers."""
    return run_sync(function(*args))


def picked(checks: Mapping[str, object], names: Iterable[str] | None) -> list[str]:
    """The names of the checks to run; None: all. Raises ValueError for a name that no check has."""
    found = list(checks if names is None else names)
    for name in found:
        if name not in checks:
            raise ValueError(f"no check is called {name!r}; there are {', '.join(checks)}")
    return found


async def named(check: Callable[..., Awaitable[None]], name: str, *args: object) -> None:
    """Await ``check(name, *args)``. What it raises becomes an AssertionError that begins with the name."""
    try:
        await check(name, *args)
    except AssertionError as exc:
        raise AssertionError(f"{name}: {exc}") from exc
    except Exception as exc:
        raise AssertionError(f"{name}: {type(exc).__name__}: {exc}") from exc


class Reporting:
    """A stream or backend as it is, but the OperationTimeout of an operation names it."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        member = getattr(self._inner, name)
        return reporting_operation(name, member) if name in LIMITED else member


def reporting(thing: T) -> T:
    """The stream or backend, in a `Reporting`."""
    return cast(T, Reporting(thing))


def reporting_operation(
    name: str, operation: Callable[..., Awaitable[object]]
) -> Callable[..., Awaitable[object]]:
    """The operation; its OperationTimeout says with which arguments it was called, and how long it took."""

    async def call(*args: object, **options: object) -> object:
        start = time.monotonic()
        try:
            return await operation(*args, **options)
        except OperationTimeout as exc:
            taken = time.monotonic() - start
            raise OperationTimeout(
                f"{shown_call(name, *args, **options)} gave up after {taken:.1f} s"
            ) from exc

    return call


def shown_call(name: str, *args: object, **options: object) -> str:
    """A call, as it would be written, without long data."""
    parts = [*map(shown, args), *(f"{key}={shown(value)}" for key, value in options.items())]
    return f"{name}({', '.join(parts)})"


def shown(value: object) -> str:
    """A value in a message: long data by its length."""
    if isinstance(value, bytes | memoryview) and len(value) > LONGEST_SHOWN:
        return f"<{len(value)} bytes>"
    return short_repr(bytes(value) if isinstance(value, memoryview) else value)
