"""Which async library runs? Asked at the first await of an `AsyncClient`, never at construction."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from http3_models import ClientClosed

if TYPE_CHECKING:
    from .._interfaces import Backend

_seen: dict[str, ModuleType] = {}
_makers: dict[str, Callable[[], Backend]] = {}
"""Libraries, and their backends, by the library's name. At the very end of the interpreter `sys.modules` is
empty and nothing can be imported, but what was imported before still works."""


def running_backend() -> Backend:
    """A backend for the async library whose event loop runs in this thread.

    Raises RuntimeError where none does. A library that was never imported can't be running, so none is
    imported in order to ask.
    """
    if _asyncio_runs():
        return _make("asyncio")
    if _trio_runs():
        return _make("trio")
    raise RuntimeError(
        "AsyncClient needs a running event loop of asyncio or trio; await it inside asyncio.run() or "
        "trio.run(), or use Client"
    )


def _make(library: str) -> Backend:
    maker = _makers.get(library)
    if maker is None:
        try:
            maker = _makers[library] = _import_backend(library)
        except ImportError as exc:
            if sys.is_finalizing():
                raise ClientClosed(f"Python is shutting down: {library} can't be used any more") from exc
            raise
    return maker()


def _import_backend(library: str) -> Callable[[], Backend]:
    if library == "asyncio":
        from ._asyncio import AsyncioBackend

        return AsyncioBackend
    from ._trio import TrioBackend

    return TrioBackend


def _library(name: str) -> ModuleType | None:
    module = sys.modules.get(name)
    if module is None:
        return _seen.get(name)
    _seen[name] = module
    return module


def _asyncio_runs() -> bool:
    asyncio = _library("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    # trio's guest mode inside asyncio: the loop runs, but the code that asks is trio's.
    return not (_trio_runs() and asyncio.current_task() is None)


def _trio_runs() -> bool:
    lowlevel = getattr(_library("trio"), "lowlevel", None)
    if lowlevel is None:
        return False
    try:
        lowlevel.current_task()
    except RuntimeError:
        return False
    return True
