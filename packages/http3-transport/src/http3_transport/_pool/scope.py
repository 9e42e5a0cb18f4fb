"""`PoolScope`: the state of a pool in one process and one event loop, with its lock and its deferred
releases.

A pool that is used in another event loop (once the first has ended) or after a fork starts a new scope, lock
included. The sockets of the old one belong to another loop or process, so its connections are only dropped.
In a forked child that happens at once, so that no code there can use its parent's connections.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Protocol

from http3_models import ClientClosed

from .. import _events, _process
from .._connect import AddressBook, establish, give_back, weakly, with_network
from .idle_watch import IdleWatch, check_quietly
from .state import PoolState

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import Origin, PoolLimits, SSLConfig
    from http3_models.engine import RequestState

    from .._connect import OpenConnection, TransportOptions
    from .._interfaces import Backend, ProtocolConnection
    from .entries import PooledConnection, PoolRequest

_replacing = threading.Lock()
"""Held while a pool replaces its scope."""


def _start_anew() -> None:
    """In a forked child: a thread of the parent may hold the lock."""
    global _replacing
    _replacing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


class ScopeHolder(Protocol):
    """What has a scope, and a new one at times."""

    _scope: PoolScope | None


def replace_scope(holder: ScopeHolder, known: PoolScope | None, fresh: PoolScope) -> bool:
    """Give the holder a new scope; False if another thread has replaced the known one first."""
    with _replacing:
        if holder._scope is not known:
            return False
        holder._scope = fresh
        return True


class PoolLease:
    """A `Lease` of the pool. It is made before its pool request is enqueued, and ends after that is released.

    So nothing that a request was granted can be lost: after any interruption the lease is released by its
    holder, or by its own finaliser.
    """

    __slots__ = ("_held", "_scope", "answered", "pool_request", "reused")

    def __init__(self, scope: PoolScope, pool_request: PoolRequest) -> None:
        self.pool_request = pool_request
        self.answered = False
        self.reused = False
        self._scope = scope
        self._held = True

    def release(self) -> None:
        """Release the connection. Idempotent."""
        if self._held:
            self._scope.release(self.pool_request)
            self._held = False

    def release_from_finalizer(self, cleanup: Callable[[], None]) -> None:
        """Defer the release: the scope runs ``cleanup`` and releases at its next use."""
        if self._held:
            self._held = False
            scope = self._scope
            scope.deferred.append((self.pool_request, cleanup))
            if scope.is_of_this_process():
                scope.backend.call_soon(
                    scope.loop_token, scope.run_deferred_releases
                )  # there may be no next use for long

    def abort_and_release(self) -> None:
        """Release, and abort the connection: what was interrupted may have left it in any state."""
        if self._held:
            if self.pool_request.holds:
                abort_of(self.pool_request)
            self.release()

    def __del__(self) -> None:
        if getattr(self, "_held", False):  # its constructor may have been interrupted
            self.release_from_finalizer(partial(abort_of, self.pool_request))


def abort_of(pool_request: PoolRequest) -> None:
    """Abort the connection that the request holds, if it is open."""
    entry = pool_request.entry
    if entry is not None and entry.connection is not None:
        entry.connection.abort()


class PoolScope:
    """A pool's state with its lock, in one process and one event loop.

    Each method is one change under the lock. Connections that the change discards are closed after it.
    """

    def __init__(
        self,
        options: TransportOptions,
        backend: Backend,
        limits: PoolLimits,
        http11_only: dict[Origin, None] | None = None,
    ) -> None:
        self.options = options
        self.backend = with_network(backend, options.network)
        self._addresses = AddressBook(options.network, options.now)
        self.loop_token = self.backend.loop_token()
        self.generation = _process.generation
        self.state = PoolState(limits)
        if http11_only is not None:
            self.state.http11_only = http11_only
        self.deferred: deque[tuple[PoolRequest, Callable[[], None]]] = deque()
        self.now = options.now
        self._lock = threading.Lock()
        self._closed = False
        self.tend_later = weakly(self.tend_idle)
        self._watch = IdleWatch(self)

    def __del__(self) -> None:
        # Its constructor may have been interrupted.
        if hasattr(self, "_watch") and self.is_of_this_process():
            self._watch.forget(self.backend, self.loop_token)
            give_back(self.backend, self.loop_token, self._engines())

    def connections(self, *, idle: bool) -> list[OpenConnection]:
        if not self.is_of_this_process():
            return []
        with self._lock:
            return self.state.connections(idle=idle)

    # Requests.

    def enqueue(self, pool_request: PoolRequest) -> None:
        """Raises ClientClosed once the pool is closed."""
        state = self.state
        with self._lock:
            if self._closed:
                raise ClientClosed("This client is closed; make a new one")
            state.enqueue(pool_request)
        if state.discarded:
            self._close_discarded()

    def poll(self, pool_request: PoolRequest, patience: float) -> bool:
        """True if the request was granted a connection meanwhile; else it has a new waiter to wait for.

        ``patience``: seconds for which a new HTTP/2 connection holds up other requests until its stream limit
        is known. Raises ClientClosed if the pool was closed.
        """
        if self.deferred:
            self.run_deferred_releases()
        group = pool_request.group
        overdue = self.now() - patience if group is not None and group.opening else None
        with self._lock:
            if overdue is not None and group is not None and pool_request.entry is None and not self._closed:
                self.state.pass_by(group, overdue)
            if pool_request.entry is not None:
                return True
            if self._closed:
                raise ClientClosed("The client was closed while this request waited for a connection")
            if pool_request.waiter is None or pool_request.waiter.is_set:
                pool_request.waiter = self.backend.waiter()
            return False

    def replace(self, pool_request: PoolRequest) -> None:
        """The granted connection is closed: grant another one, or put the request first in the queue."""
        with self._lock:
            self.state.replace(pool_request)
        self._close_discarded()

    def release(self, pool_request: PoolRequest) -> None:
        """Release what the request has: its place in the queue, the right to open a connection, or a
        connection."""
        if self.generation != _process.generation:
            return  # all was dropped, and the lock may be held forever
        state, now, watch = self.state, self.now(), self._watch
        with self._lock:
            state.release(pool_request, now)
            if self._closed:
                state.close_idle()
        if state.discarded:
            self._close_discarded()
        if not watch.is_on and state.has_idle:
            watch.start()

    def replays_after(self, pool_request: PoolRequest) -> int:
        """See `PoolState.replays_after`."""
        with self._lock:
            return self.state.replays_after(pool_request)

    def require_http11(self, origin: Origin) -> bool:
        """The server requires HTTP/1.1: use it from now on. False if ``http_versions`` excludes it."""
        if "HTTP/1.1" not in self.options.http_versions:
            return False
        with self._lock:
            self.state.require_http11(origin)
        self._close_discarded()
        return True

    # Connections.

    async def open(
        self, pool_request: PoolRequest, request: RequestState, config: SSLConfig
    ) -> OpenConnection:
        """Open the connection that a request has the right to open."""
        entry, origin = pool_request.entry, pool_request.origin
        assert entry is not None
        connection = None
        try:
            options = self.options.by_http11() if origin in self.state.http11_only else self.options
            connection = await establish(
                options,
                self.backend,
                request.url.origin,
                config,
                request,
                addresses=self._addresses,
                route=pool_request.route,
            )
            connection.on_end = self.tend_later
            if connection.multiplexes:
                connection.on_settings = weakly(self.on_settings, entry)
            entry.opened_at = self.now()
            with self._lock:
                self.state.opened(pool_request, connection)
            self._close_discarded()
            if request.phases.logged:
                connection.logged = True
                route = pool_request.route
                _events.opened(connection.engine, None if route is None else route.proxy, request)
        except BaseException:
            if connection is not None:
                connection.abort()
            raise
        return connection

    def is_usable(self, entry: PooledConnection, engine: ProtocolConnection) -> bool:
        """Whether a connection can still be used. Only its sole holder reads from it to check."""
        if len(entry.pool_requests) > 1:
            return not engine.is_closed
        if self.state.has_expired(entry, self.now()):
            return False
        try:
            return engine.check()
        except BaseException:
            engine.abort()
            raise

    def on_settings(self, entry: PooledConnection) -> None:
        """The stream limit of an HTTP/2 connection has become known, or has changed."""
        connection = entry.connection
        http2 = None if connection is None else connection.http2
        if http2 is not None and http2.requires_http11:
            self.require_http11(entry.group.of_origin.origin)
        with self._lock:
            self.state.on_settings(entry)
        self._close_discarded()

    def look_for_room(self, pool_request: PoolRequest) -> None:
        """For a request in the queue: read from HTTP/2 connections on which no response is being read just
        now. Their servers may allow more streams meanwhile."""
        with self._lock:
            entries = [] if pool_request.group is None else list(pool_request.group.entries)
        for entry in entries:
            connection = entry.connection
            if connection is not None and connection.http2 is not None:
                try:
                    connection.http2.look()
                except BaseException:
                    connection.abort()
                    raise

    def tend_idle(self, *, look: bool = False) -> None:
        """Close idle connections that have expired or are closed; ``look``: check each. In the loop's
        thread."""
        if look:
            for connection in self.connections(idle=True):
                check_quietly(connection.engine)
        now = self.now()
        with self._lock:
            self.state.close_due(now)
        self._close_discarded()

    def run_deferred_releases(self) -> None:
        """Run the releases that finalisers have deferred."""
        while self.deferred:
            try:
                pool_request, cleanup = self.deferred.popleft()
            except IndexError:
                return
            try:
                if pool_request.holds:
                    cleanup()
            finally:
                self.release(pool_request)

    # The end.

    def close(self) -> None:
        """Close idle connections; requests in the queue get ClientClosed."""
        self.run_deferred_releases()
        self._watch.stop(self)
        now = self.now()
        with self._lock:
            self._closed = True
            waiting = self.state.waiting()
            for pool_request in reversed(waiting):  # the last first, so that none gets to the front
                self.state.release(pool_request, now)
            self.state.close_idle()
        for pool_request in waiting:
            if pool_request.waiter is not None:
                pool_request.waiter.set()
        self._close_discarded()

    def close_or_drop(self) -> None:
        """`close`, or `drop` the connections of another process or of a loop that has ended."""
        if self.is_lost():
            self.drop()
        else:
            self.close()

    def wake_waiting(self) -> None:
        """Have the requests in queues poll again."""
        with self._lock:
            waiting = self.state.waiting()
        for pool_request in waiting:
            if pool_request.waiter is not None:
                pool_request.waiter.set()

    def is_of_this_process(self) -> bool:
        """False after a fork, in the child."""
        return self.generation == _process.generation

    def is_here(self) -> bool:
        """True in the event loop that these connections belong to."""
        try:
            return self.backend.loop_token() is self.loop_token
        except RuntimeError:  # another library's loop runs
            return False

    def is_lost(self) -> bool:
        """True if these connections belong to another process, or to a loop that has ended."""
        return not self.is_of_this_process() or self.backend.loop_has_ended(self.loop_token)

    def drop(self) -> None:
        """Drop the sockets of another loop or process. The lock is not taken: a thread that does not exist
        here may hold it."""
        for connection in self._opened():
            connection.drop()

    def _opened(self) -> list[OpenConnection]:
        """All connections. Takes no lock."""
        return self.state.connections(idle=True) + self.state.connections(idle=False)

    def _engines(self) -> list[ProtocolConnection]:
        """The protocol connections that were not dropped. Takes no lock."""
        return [connection.engine for connection in self._opened() if not connection.is_dropped]

    def _close_discarded(self) -> None:
        discarded = self.state.discarded
        while discarded:
            try:
                connection = discarded.pop()
            except IndexError:
                return
            connection.close()
            if connection.logged:
                _events.closed(connection.engine, connection.origin)
