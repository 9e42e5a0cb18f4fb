"""Connections that nobody uses: idle ones where an event loop runs, and those of a client that was forgotten.

A request costs nothing of it: a pool has one timer, which is set while connections are idle and looks for
what is due when it fires. It knows the pool by a weak reference and keeps neither a client nor an event loop
alive. Over blocking sockets nobody is there to look; what is due is closed at the client's next use.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakMethod, ref

if TYPE_CHECKING:
    from .._interfaces import Backend, ProtocolConnection, Timer
    from .._pool import Books

FIRST_LOOK, LAST_LOOK = 0.1, 0.5
"""Seconds between two looks at idle connections where the loop does not read them by itself (trio): after the
first the pause doubles, up to the second."""

LEAST = 0.001
"""Seconds that a timer is set for at least: one may fire early by what its clock can't tell apart."""


class IdleWatch:
    """Has idle connections of a pool closed in time. ``is_on``: there is nothing to start."""

    __slots__ = ("_books", "_pause", "_timer", "is_on")

    def __init__(self, books: Books) -> None:
        self._books = ref(books)
        self._pause = FIRST_LOOK
        self._timer: Timer | None = None
        self.is_on = False

    def start(self) -> None:
        """A connection has become idle."""
        self.is_on = True
        self._pause = FIRST_LOOK
        books = self._books()
        if books is not None:
            if books.is_here():
                self._set_timer(books)
            else:
                books.backend.call_soon(books.loop_token, self._on_timer)

    def stop(self, books: Books) -> None:
        """Nothing is idle any more. From any thread."""
        if self._timer is not None and books.is_here():
            self._timer.cancel()
            self._timer = None
        self.forget(books.backend, books.loop_token)

    def forget(self, backend: Backend, loop_token: object) -> None:
        """`stop` for a finaliser, which may run in the midst of the loop's own work."""
        timer, self._timer = self._timer, None
        if timer is not None:
            backend.call_soon(loop_token, timer.cancel)

    def _on_timer(self) -> None:
        self._timer = None
        books = self._books()
        if books is not None:
            try:
                books.tend_idle(look=books.backend.must_look)
            finally:
                self.is_on = books.state.has_idle
                if self.is_on:
                    self._pause = min(2 * self._pause, LAST_LOOK)
                    self._set_timer(books)

    def _set_timer(self, books: Books) -> None:
        """Where none is needed, or none can be had, that is all: what is due is closed at the next use."""
        left = books.state.next_expiry - books.now()
        if books.backend.must_look:
            left = min(left, self._pause)
        if left < float("inf"):
            self._timer = books.backend.call_later(max(left, LEAST), self._on_timer)


def check_quietly(engine: ProtocolConnection) -> None:
    """See whether an idle connection is still open; one that is not is closed then, or aborted."""
    try:
        engine.check()
    except Exception:  # noqa: BLE001 - a loop calls, which has nobody to tell
        engine.abort()


def weakly(method: Callable[..., object], *arguments: object) -> Callable[[], None]:
    """A call of a method that keeps neither its object nor the arguments alive; without them it does nothing.

    Who is told of something mostly holds the one who tells: it would be a cycle.
    """
    return partial(_call, WeakMethod(method), *map(ref, arguments))


def _call(method: WeakMethod[Callable[..., object]], *references: ref[object]) -> None:
    bound = method()
    arguments = [reference() for reference in references]
    if bound is not None and None not in arguments:
        bound(*arguments)


def give_back(backend: Backend, loop_token: object, engines: Sequence[ProtocolConnection]) -> None:
    """Close the open connections of a client or connection that was collected without being closed, with a
    ResourceWarning. For finalisers, in the process of the connections: where a loop runs, it does that."""
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
