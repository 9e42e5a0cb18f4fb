"""Closes the idle connections of a pool in time, where an event loop runs.

A pool has one timer, which is set while connections are idle, so a request costs nothing for it. The timer
refers to the pool weakly, and keeps neither a client nor an event loop alive. Over blocking sockets there is
no timer: what is due is closed at the client's next use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from .._interfaces import Backend, ProtocolConnection, Timer
    from .scope import PoolScope

FIRST_LOOK, LAST_LOOK = 0.1, 0.5
"""Seconds between two checks of idle connections, if the event loop does not read them by itself (trio): the
first pause, doubled each time up to the second."""

LEAST = 0.001
"""Seconds for which a timer is set at least: it may fire early by the resolution of its clock."""


class IdleWatch:
    """The timer of a pool. ``is_on``: it is set, or need not be."""

    __slots__ = ("_pause", "_scope", "_timer", "is_on")

    def __init__(self, scope: PoolScope) -> None:
        self._scope = ref(scope)
        self._pause = FIRST_LOOK
        self._timer: Timer | None = None
        self.is_on = False

    def start(self) -> None:
        """A connection has become idle."""
        self.is_on = True
        self._pause = FIRST_LOOK
        scope = self._scope()
        if scope is not None:
            if scope.is_here():
                self._set_timer(scope)
            else:
                scope.backend.call_soon(scope.loop_token, self._on_timer)

    def stop(self, scope: PoolScope) -> None:
        """No connection is idle any more. From any thread."""
        if self._timer is not None and scope.is_here():
            self._timer.cancel()
            self._timer = None
        self.forget(scope.backend, scope.loop_token)

    def forget(self, backend: Backend, loop_token: object) -> None:
        """`stop` for finalisers, which may run at any point of the event loop's work."""
        timer, self._timer = self._timer, None
        if timer is not None:
            backend.call_soon(loop_token, timer.cancel)

    def _on_timer(self) -> None:
        self._timer = None
        scope = self._scope()
        if scope is not None:
            try:
                scope.tend_idle(look=scope.backend.must_look)
            finally:
                self.is_on = scope.state.has_idle
                if self.is_on:
                    self._pause = min(2 * self._pause, LAST_LOOK)
                    self._set_timer(scope)

    def _set_timer(self, scope: PoolScope) -> None:
        """Without a timer (none needed, or none available) what is due is closed at the next use."""
        left = scope.state.next_expiry - scope.now()
        if scope.backend.must_look:
            left = min(left, self._pause)
        if left < float("inf"):
            self._timer = scope.backend.call_later(max(left, LEAST), self._on_timer)


def check_quietly(engine: ProtocolConnection) -> None:
    """Check an idle connection, which closes it if the server has closed it or sent something."""
    try:
        engine.check()
    except Exception:  # noqa: BLE001 - the event loop calls, and no caller is there to catch it
        engine.abort()
