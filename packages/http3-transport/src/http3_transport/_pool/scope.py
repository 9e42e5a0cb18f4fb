"""What a pool knows, in one process and one event loop: its state, its lock, and who gave what back.

A connection pool that is used in another loop (once the first has ended) or after a fork starts with new
books, locks included. Those of old are only dropped: their sockets belong to somebody else. In a forked child
that is done at once, so that nothing there can reach into its parent's connections.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from http3_models import ClientClosed

from .. import _process
from .._connect import HTTPConnection, IdleWatch, check_quietly, give_back, open_connections, weakly
from .state import PoolState

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import Origin, PoolLimits

    from .._connect import Opening
    from .._interfaces import ProtocolConnection
    from .entries import Entry, Ticket

beginning = threading.Lock()
"""Guards the moment in which a pool gets new books."""


_inherited: list[HTTPConnection] = []
"""In a forked child, its parent's connections, kept for good: to free a TLS object OpenSSL takes a lock. A
thread of the parent may have held it at the fork, and then the child would wait for ever."""


def _start_anew() -> None:
    """In a forked child: the connections are the parent's, and a lock may be held by a thread of its."""
    global beginning
    beginning = threading.Lock()
    connections = list(open_connections)
    _inherited.extend(connections)
    for connection in connections:
        connection.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


class PoolLease:
    """See `Lease` in `_interfaces`. It has the ticket from before that joins until it has left.

    So there is no moment at which what a request was given could get lost: whatever interrupts it, the lease
    is released by who holds it, or else by its own finaliser.
    """

    __slots__ = ("_books", "_held", "answered", "reused", "ticket")

    def __init__(self, books: Books, ticket: Ticket) -> None:
        self.ticket = ticket
        self.answered = False
        self.reused = False
        self._books = books
        self._held = True

    def release(self) -> None:
        """Give the connection back."""
        if self._held:
            self._books.leave(self.ticket)
            self._held = False

    def abandon(self, cleanup: Callable[[], None]) -> None:
        """Give it back from a finaliser."""
        if self._held:
            self._held = False
            books = self._books
            books.abandoned.append((self.ticket, cleanup))
            if books.is_of_this_process():
                books.backend.call_soon(books.loop_token, books.settle)  # the next use may be far away

    def give_up(self) -> None:
        """Release it unless the engine has; then nobody knows what became of its connection."""
        if self._held:
            if self.ticket.holds:
                abort_of(self.ticket)
            self.release()

    def __del__(self) -> None:
        if getattr(self, "_held", False):  # its constructor may have been interrupted
            self.abandon(partial(abort_of, self.ticket))


def abort_of(ticket: Ticket) -> None:
    """Drop the connection that the ticket has, if it is open."""
    entry = ticket.entry
    if entry is not None and isinstance(entry.connection, HTTPConnection):
        entry.connection.abort()


class Books:
    """The pool's state with its lock, for one process and one event loop.

    Each method is one change under the lock; what the change discards is closed after it.
    """

    def __init__(
        self, opening: Opening, limits: PoolLimits, http11_only: dict[Origin, None] | None = None
    ) -> None:
        self.opening = opening
        self.backend = opening.backend
        self.loop_token = self.backend.loop_token()
        self.generation = _process.generation
        self.state = PoolState(limits)
        if http11_only is not None:
            self.state.http11_only = http11_only
        self.abandoned: deque[tuple[Ticket, Callable[[], None]]] = deque()
        self.now = opening.now
        self._lock = threading.Lock()
        self._closed = False
        self.tend_later = weakly(self.tend_idle)
        self._watch = IdleWatch(self)

    def __del__(self) -> None:
        # Its constructor may have been interrupted.
        if hasattr(self, "_watch") and self.is_of_this_process():
            self._watch.forget(self.backend, self.loop_token)
            give_back(self.backend, self.loop_token, self._engines())

    def connections(self, *, idle: bool) -> list[HTTPConnection]:
        if not self.is_of_this_process():
            return []
        with self._lock:
            found = self.state.connections(idle=idle)
        return [connection for connection in found if isinstance(connection, HTTPConnection)]

    # What tickets do.

    def join(self, ticket: Ticket) -> None:
        """Raises ClientClosed once the pool is closed."""
        state = self.state
        with self._lock:
            if self._closed:
                raise ClientClosed("This client is closed; make a new one")
            state.join(ticket)
        if state.discarded:
            self._close_discarded()

    def take_place(self, ticket: Ticket, patience: float) -> bool:
        """True if the ticket was served meanwhile; else it gets a new waiter to wait with.

        ``patience``: seconds for which a new HTTP/2 connection holds up others until its server has said how
        many streams it takes. Raises ClientClosed if the pool was closed.
        """
        if self.abandoned:
            self.settle()
        route = ticket.route
        overdue = self.now() - patience if route is not None and route.opening else None
        with self._lock:
            if overdue is not None and route is not None and ticket.entry is None and not self._closed:
                self.state.pass_by(route, overdue)
            if ticket.entry is not None:
                return True
            if self._closed:
                raise ClientClosed("The client was closed while this request waited for a connection")
            if ticket.waiter is None or ticket.waiter.is_set:
                ticket.waiter = self.backend.waiter()
            return False

    def replace(self, ticket: Ticket) -> None:
        """The connection turned out to be dead: the ticket gets another one, or is first in line."""
        with self._lock:
            self.state.replace(ticket)
        self._close_discarded()

    def leave(self, ticket: Ticket) -> None:
        """The request gives back what it has: its place in line, the right to open, a connection."""
        if self.generation != _process.generation:
            return  # all that was dropped, and the lock may be held for ever
        state, now, watch = self.state, self.now(), self._watch
        with self._lock:
            state.leave(ticket, now)
            if self._closed:
                state.close_idle()
        if state.discarded:
            self._close_discarded()
        if not watch.is_on and state.has_idle:
            watch.start()

    def replays_after(self, ticket: Ticket) -> int:
        """See `PoolState.replays_after`."""
        with self._lock:
            return self.state.replays_after(ticket)

    def require_http11(self, origin: Origin) -> bool:
        """The server wants HTTP/1.1: from now on it gets that, if it may be spoken. True then."""
        if "HTTP/1.1" not in self.opening.http_versions:
            return False
        with self._lock:
            self.state.require_http11(origin)
        self._close_discarded()
        return True

    def opening_for(self, origin: Origin) -> Opening:
        """How connections to an origin are opened."""
        return self.opening.by_http11() if origin in self.state.http11_only else self.opening

    # What connections do.

    def opened(self, ticket: Ticket, connection: HTTPConnection) -> None:
        now = self.now()
        with self._lock:
            if ticket.entry is not None:
                ticket.entry.opened_at = now
            self.state.opened(ticket, connection)
        self._close_discarded()

    def settled(self, entry: Entry) -> None:
        """Called by an HTTP/2 connection when it is known how many streams it takes, or that has changed."""
        connection = entry.connection
        http2 = connection._http2 if isinstance(connection, HTTPConnection) else None
        if http2 is not None and http2.requires_http11:
            self.require_http11(entry.route.host.origin)
        with self._lock:
            self.state.settled(entry)
        self._close_discarded()

    def look_for_room(self, ticket: Ticket) -> None:
        """For one in line: read what HTTP/2 connections have to say that nobody reads just now, as the
        responses on them are not asked for more. Their servers may allow more streams meanwhile."""
        with self._lock:
            entries = [] if ticket.route is None else list(ticket.route.entries)
        for entry in entries:
            connection = entry.connection
            if isinstance(connection, HTTPConnection) and connection._http2 is not None:
                try:
                    connection._http2.look()
                except BaseException:
                    connection.abort()
                    raise

    def tend_idle(self, *, look: bool = False) -> None:
        """Close the idle connections that are due, or over; ``look`` at each first. In the loop's thread."""
        if look:
            for connection in self.connections(idle=True):
                check_quietly(connection.engine)
        now = self.now()
        with self._lock:
            self.state.close_due(now)
        self._close_discarded()

    def settle(self) -> None:
        """Do what finalisers left to be done."""
        while self.abandoned:
            try:
                ticket, cleanup = self.abandoned.popleft()
            except IndexError:
                return
            try:
                if ticket.holds:
                    cleanup()
            finally:
                self.leave(ticket)

    # The end.

    def close(self) -> None:
        """Close what is idle; what is in line goes empty-handed."""
        self.settle()
        self._watch.stop(self)
        now = self.now()
        with self._lock:
            self._closed = True
            waiting = self.state.waiting()
            for ticket in reversed(waiting):  # the last first: none comes to the head of a line
                self.state.leave(ticket, now)
            self.state.close_idle()
        for ticket in waiting:
            if ticket.waiter is not None:
                ticket.waiter.set()
        self._close_discarded()

    def is_of_this_process(self) -> bool:
        """False after a fork, in the child."""
        return self.generation == _process.generation

    def is_here(self) -> bool:
        """True in the event loop that these connections belong to."""
        try:
            return self.backend.loop_token() is self.loop_token
        except RuntimeError:  # another library's loop runs
            return False

    def is_foreign(self) -> bool:
        """True if these connections belong to another process, or to a loop that has ended."""
        return not self.is_of_this_process() or self.backend.loop_has_ended(self.loop_token)

    def drop(self) -> None:
        """Let go of the sockets of another loop or process, touching nothing else. The lock may be held by a
        thread that does not exist here: it is left alone."""
        for connection in self._opened():
            connection.drop()

    def _opened(self) -> list[HTTPConnection]:
        """All connections. Takes no lock."""
        found = self.state.connections(idle=True) + self.state.connections(idle=False)
        return [connection for connection in found if isinstance(connection, HTTPConnection)]

    def _engines(self) -> list[ProtocolConnection]:
        """Those of all connections that were not dropped. Takes no lock."""
        return [connection.engine for connection in self._opened() if not connection._is_dropped]

    def _close_discarded(self) -> None:
        discarded = self.state.discarded
        while discarded:
            try:
                connection = discarded.pop()
            except IndexError:
                return
            if isinstance(connection, HTTPConnection):
                try:
                    connection.engine.close()
                except BaseException:
                    connection.abort()
                    raise
