"""Closes the connections of a client, or of a connection used alone, that was collected without `close`."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakMethod, ref

if TYPE_CHECKING:
    from .._interfaces import Backend, ProtocolConnection


def weakly(method: Callable[..., object], *arguments: object) -> Callable[[], None]:
    """A callable that calls ``method(*arguments)`` and keeps neither its object nor the arguments alive. Once
    one of them is gone it does nothing.

    For callbacks: the object called back mostly holds the caller, so a strong reference would be a cycle.
    """
    return partial(_call, WeakMethod(method), *map(ref, arguments))


def _call(method: WeakMethod[Callable[..., object]], *references: ref[object]) -> None:
    bound = method()
    arguments = [reference() for reference in references]
    if bound is not None and None not in arguments:
        bound(*arguments)


def give_back(backend: Backend, loop_token: object, engines: Sequence[ProtocolConnection]) -> None:
    """Close open connections with a ResourceWarning: in their event loop if it runs, else at once without
    waiting.

    For finalisers, in the process that opened the connections.
    """
    left = [engine for engine in engines if not engine.is_closed]
    if not left or sys.is_finalizing():
        return
    if backend.loop_has_ended(loop_token) or not backend.call_soon(loop_token, partial(_close_all, left)):
        for engine in left:
            engine.drop()
    warnings.warn(
        f"a client with {len(left)} open connection{'s' * (len(left) > 1)} was never closed; "
        "call close(), or use it in a with or async with statement",
        ResourceWarning,
        stacklevel=3,
    )


def _close_all(engines: Sequence[ProtocolConnection]) -> None:
    for engine in engines:
        engine.close()
