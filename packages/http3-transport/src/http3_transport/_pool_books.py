"""What a pool knows, in one process and one event loop: its state, its lock, and who gave what back.

A connection pool that is used in another loop (once the first has ended) or after a fork starts with new
books, locks included. Those of old are only dropped: their sockets belong to somebody else.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from ._connection import HTTPConnection
from ._pool_state import Entry, PoolState, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models._config import PoolLimits

    from ._interfaces import Backend, Clock

_process_generation = 0


def _count_fork() -> None:
    global _process_generation
    _process_generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class PoolLease:
    """See `Lease` in `_interfaces`."""

    __slots__ = ("_books", "_entry", "_held", "answered", "connection", "reused")

    def __init__(self, books: Books, entry: Entry, connection: HTTPConnection, *, reused: bool) -> None:
        self._books = books
        self._entry = entry
        self._held = True
        self.connection = connection
        self.reused = reused
        self.answered = False

    def release(self) -> None:
        """Give the connection back."""
        if self._held:
            self._held = False
            self._books.released(self._entry)

    def abandon(self, cleanup: Callable[[], None]) -> None:
        """Give it back from a finaliser."""
        if self._held:
            self._held = False
            self._books.abandoned.append((self._entry, cleanup))


class Books:
    """The pool's state with its lock, for one process and one event loop.

    Each method is one change under the lock; what the change discards is closed after it.
    """

    def __init__(self, backend: Backend, limits: PoolLimits, now: Clock) -> None:
        self.backend = backend
        self.scope = backend.scope()
        self.generation = _process_generation
        self.state = PoolState(limits)
        self.abandoned: deque[tuple[Entry, Callable[[], None]]] = deque()
        self._now = now
        self._lock = threading.Lock()
        self._closed = False

    def connections(self, *, idle: bool) -> list[HTTPConnection]:
        with self._lock:
            found = self.state.connections(idle=idle)
        return [connection for connection in found if isinstance(connection, HTTPConnection)]

    def connection(self, entry: Entry) -> HTTPConnection:
        connection = entry.connection
        assert isinstance(connection, HTTPConnection)
        return connection

    def join(self, ticket: Ticket) -> None:
        with self._lock:
            self.state.join(ticket)
        self._close_discarded()

    def take_place(self, ticket: Ticket) -> bool:
        """True if the ticket was served meanwhile; else it gets a new waiter to wait with."""
        if self.abandoned:
            self.settle()
        with self._lock:
            if ticket.entry is not None:
                return True
            if ticket.waiter is None or ticket.waiter.is_set:
                ticket.waiter = self.backend.waiter()
            return False

    def replace(self, entry: Entry, ticket: Ticket) -> None:
        """The connection turned out to be dead: put the ticket first in line again."""
        with self._lock:
            self.state.closed(entry)
            self.state.join(ticket, first=True)
        self._close_discarded()

    def leave(self, ticket: Ticket) -> None:
        """The request gives up: its place, or what it was given at the last moment."""
        with self._lock:
            entry = ticket.entry
            if entry is None:
                self.state.leave(ticket)
            elif entry.connection is None:
                self.state.failed(entry)
            else:
                self.state.released(entry, self._now())
        self._close_discarded()

    def opened(self, entry: Entry, connection: HTTPConnection) -> None:
        with self._lock:
            self.state.opened(entry, connection)
        self._close_discarded()

    def failed(self, entry: Entry) -> None:
        with self._lock:
            self.state.failed(entry)
        self._close_discarded()

    def released(self, entry: Entry) -> None:
        with self._lock:
            self.state.released(entry, self._now())
            if self._closed and not entry.leases:
                self.state.closed(entry)
        self._close_discarded()

    def settle(self) -> None:
        """Do what finalisers left to be done."""
        while self.abandoned:
            try:
                entry, cleanup = self.abandoned.popleft()
            except IndexError:
                return
            cleanup()
            self.released(entry)

    def close(self) -> None:
        self.settle()
        with self._lock:
            self._closed = True
            self.state.close_idle()
            waiters = [ticket.waiter for ticket in self.state.waiting()]
        for waiter in waiters:
            if waiter is not None:
                waiter.set()
        self._close_discarded()

    def is_of_this_process(self) -> bool:
        """False after a fork, in the child."""
        return self.generation == _process_generation

    def is_here(self) -> bool:
        """True in the event loop that these connections belong to."""
        try:
            return self.backend.scope() is self.scope
        except RuntimeError:  # another library's loop runs
            return False

    def is_foreign(self) -> bool:
        """True if these connections belong to another process, or to a loop that has ended."""
        return not self.is_of_this_process() or self.backend.scope_has_ended(self.scope)

    def drop(self) -> None:
        """Let go of the sockets of another loop or process, touching nothing else. The lock may be held by a
        thread that does not exist here: it is left alone."""
        for idle in (True, False):
            for connection in self.state.connections(idle=idle):
                if isinstance(connection, HTTPConnection):
                    connection.drop()

    def _close_discarded(self) -> None:
        discarded = self.state.discarded
        while discarded:
            try:
                connection = discarded.pop()
            except IndexError:
                return
            if isinstance(connection, HTTPConnection):
                connection.engine.close()
