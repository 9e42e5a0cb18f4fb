"""Which async library runs? Asked at the first await of an `AsyncClient`, never at construction."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._interfaces import Backend


def running_backend() -> Backend:
    """A backend for the async library whose event loop runs in this thread.

    Raises RuntimeError where none does. A library that was never imported can't be running, so none is
    imported in order to ask.
    """
    if _asyncio_runs():
        from ._asyncio import AsyncioBackend

        return AsyncioBackend()
    if _trio_runs():
        from ._trio import TrioBackend

        return TrioBackend()
    raise RuntimeError(
        "AsyncClient needs a running event loop of asyncio or trio; await it inside asyncio.run() or "
        "trio.run(), or use Client"
    )


def _asyncio_runs() -> bool:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    # trio's guest mode inside asyncio: the loop runs, but the code that asks is trio's.
    return not (_trio_runs() and asyncio.current_task() is None)


def _trio_runs() -> bool:
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is None:
        return False
    try:
        lowlevel.current_task()
    except RuntimeError:
        return False
    return True
