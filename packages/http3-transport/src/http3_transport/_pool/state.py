"""Which connection serves which request: decided here, without I/O, clock or lock.

Connections are indexed by `ConnectionGroup`: an origin under one TLS configuration. Limits count per origin
(`OriginConnections`) and over all. A request is a `PoolRequest`: it is granted a connection to reuse or the
right to open one, or gets a place in the queue of its group, first come, first served. Every method is O(1)
in the number of connections and requests.

This file owns two invariants. **Slots**: a connection counts from the moment its opening is granted until it
is discarded or its opening has failed, so the limits hold at every moment. **Exchanges**: a connection never
carries more requests than its stream limit, and free capacity goes to the oldest request that can use it.

There are no counters: connections and requests are members of sets. So a change that was interrupted half-way
(KeyboardInterrupt) is completed by repeating it, and `PoolState.release` may be called any number of times.

The caller holds the pool's lock, performs the I/O, and closes the connections in `PoolState.discarded` after
it has released the lock.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING

from .entries import ConnectionGroup, OriginConnections, PooledConnection, PoolRequest

if TYPE_CHECKING:
    from collections.abc import Hashable

    from http3_models import Origin, PoolLimits

    from .._connect import OpenConnection


REMEMBERED_ORIGINS = 1000
"""Origins whose negotiated protocol is remembered after their last connection was closed. For a forgotten one
the next handshake is made before any other."""


class PoolState:
    """The state of a pool. A method notes what has happened, and grants connections as a consequence."""

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        # None is no limit.
        self._soft_limit = inf if limits.soft_limit is None else limits.soft_limit
        self._total_idle = inf if limits.total_idle is None else limits.total_idle
        self._expiry = inf if limits.keepalive_expiry is None else limits.keepalive_expiry
        self.serial = 0
        """The number of the newest connection."""
        self.discarded: list[OpenConnection] = []
        self._enqueued = 0
        self._groups: dict[Hashable, ConnectionGroup] = {}
        self._origins: dict[Origin, OriginConnections] = {}
        self._entries: dict[PooledConnection, None] = {}
        self._idle: OrderedDict[PooledConnection, None] = OrderedDict()
        self._blocked_by_total: OrderedDict[ConnectionGroup, None] = OrderedDict()
        """Groups whose first request waits for the total limit."""
        self._remembered: dict[Origin, bool] = {}
        self.http11_only: dict[Origin, None] = {}
        """Origins that have required HTTP/1.1 over HTTP/2; one dict for all scopes of the pool."""

    # Queries.

    @property
    def slots(self) -> int:
        """Connections, open or being opened."""
        return len(self._entries)

    def connections(self, *, idle: bool) -> list[OpenConnection]:
        """Those that are idle, or those that are busy."""
        entries = list(self._idle) if idle else [entry for entry in self._entries if entry not in self._idle]
        return [entry.connection for entry in entries if entry.connection is not None]

    @property
    def has_idle(self) -> bool:
        """True if a connection is idle."""
        return bool(self._idle)

    @property
    def next_expiry(self) -> float:
        """The moment at which the first idle connection will be idle for too long; infinity for never."""
        for entry in self._idle:
            return inf if entry.idle_since is None else entry.idle_since + self._expiry
        return inf

    def waiting(self) -> list[PoolRequest]:
        """All requests in queues."""
        return [
            pool_request for group in self._groups.values() for pool_request in (*group.replays, *group.queue)
        ]

    # Requests.

    def enqueue(self, pool_request: PoolRequest) -> None:
        """Grant the request a connection, or put it into its queue."""
        self._enqueued += 1
        pool_request.number = self._enqueued
        group = pool_request.group = self._groups.get(pool_request.key) or self._new_group(pool_request)
        queue = group.replays if pool_request.newer_than else group.queue
        if queue or not self._grant(pool_request, group):
            queue[pool_request] = None

    def replace(self, pool_request: PoolRequest) -> None:
        """The connection that the request was granted is closed: it gets another one before all others in
        its queue."""
        group, entry = pool_request.group, pool_request.entry
        assert group is not None
        assert entry is not None
        queue = group.queue_of(pool_request)
        queue[pool_request] = None
        queue.move_to_end(pool_request, last=False)
        if entry.pool_requests <= {pool_request}:
            self._discard(entry)
        entry.pool_requests.discard(pool_request)
        pool_request.entry = None  # last: until then `release` can undo it
        self._serve(group)
        self._freed(group.of_origin)

    def release(self, pool_request: PoolRequest, now: float) -> None:
        """End what the request has: a place in the queue, the right to open a connection, or an exchange."""
        group, entry = pool_request.group, pool_request.entry
        if entry is None:
            if group is not None:
                group.queue_of(pool_request).pop(pool_request, None)
                self._serve(group)  # a replay may have blocked others that can use more connections
                self._tidy(group)
            return
        pool_requests, connection = entry.pool_requests, entry.connection
        pool_requests.discard(pool_request)
        if entry not in self._entries:
            # Discarded already. (The request is in a queue too if `replace` was interrupted.)
            entry.group.queue_of(pool_request).pop(pool_request, None)
            self._freed(entry.group.of_origin)
            self._tidy(entry.group)
            return
        if connection is None or (not pool_requests and connection.stream_limit == 0):
            self.closed(entry)
            return
        group, multiplexes = entry.group, connection.multiplexes
        of_origin = group.of_origin
        if self.http11_only and self._is_superseded(entry):
            if not pool_requests:
                self.closed(entry)
            return
        if multiplexes and entry.free > 0:
            group.shared[entry] = None
        if not pool_requests:
            entry.idle_since = now
            self._idle[entry] = of_origin.idle[entry] = None
            if multiplexes:
                group.opening.pop(entry, None)  # nothing reads what the server sends
            else:
                group.idle[entry] = None
        self._freed(of_origin)
        if not pool_requests:
            self._trim(of_origin, now)

    # Connections.

    def opened(self, pool_request: PoolRequest, connection: OpenConnection) -> None:
        """The connection that the request was granted to open is open; the request has its first exchange."""
        entry = pool_request.entry
        assert entry is not None
        group = entry.group
        entry.connection = connection
        if not (self.http11_only and self._is_superseded(entry)):
            group.multiplexes = connection.multiplexes
            self._remember(group.of_origin.origin, connection.multiplexes)
        if connection.stream_limit_known:
            self.on_settings(entry)

    def on_settings(self, entry: PooledConnection) -> None:
        """The stream limit of the connection has become known, or was raised."""
        group = entry.group
        group.opening.pop(entry, None)
        multiplexes = entry.connection is not None and entry.connection.multiplexes
        if multiplexes and entry in self._entries and not self._is_superseded(entry):
            group.shared[entry] = None
        self._serve(group)

    def require_http11(self, origin: Origin) -> None:
        """The server requires HTTP/1.1: HTTP/2 connections to it get no further request."""
        self.http11_only[origin] = None
        if len(self.http11_only) > REMEMBERED_ORIGINS:
            del self.http11_only[next(iter(self.http11_only))]
        self._remember(origin, multiplexes=False)
        of_origin = self._origins.get(origin)
        if of_origin is None:
            return
        for group in of_origin.groups:
            group.multiplexes = False
            group.shared.clear()
        for entry in list(of_origin.entries):
            if self._is_superseded(entry) and not entry.pool_requests:
                self._discard(entry)
        self._freed(of_origin)

    def _is_superseded(self, entry: PooledConnection) -> bool:
        """Whether it is an HTTP/2 connection to an origin that requires HTTP/1.1."""
        connection = entry.connection
        return (
            connection is not None
            and connection.multiplexes
            and entry.group.of_origin.origin in self.http11_only
        )

    def pass_by(self, group: ConnectionGroup, moment: float) -> None:
        """No request waits any longer for the stream limits of connections that were opened by ``moment``."""
        for entry in list(group.opening):
            if entry.opened_at is not None and entry.opened_at <= moment:
                del group.opening[entry]
        self._serve(group)

    def replays_after(self, pool_request: PoolRequest) -> int:
        """For a request whose exchange failed: the serial number after which a connection may carry its
        replay.

        It is the same for all that failed on one connection, so that they can share the next one.
        """
        entry = pool_request.entry
        assert entry is not None
        entry.replays_after = entry.replays_after or self.serial
        return entry.replays_after

    def closed(self, entry: PooledConnection) -> None:
        """The connection is closed or is to be closed, or its opening has failed."""
        self._discard(entry)
        self._freed(entry.group.of_origin)
        self._tidy(entry.group)

    def close_idle(self) -> None:
        """Discard all idle connections."""
        while self._idle:
            self.closed(next(iter(self._idle)))

    def close_due(self, now: float) -> None:
        """Discard idle connections that have expired or take no further request."""
        for entry in list(self._idle):
            connection = entry.connection
            if self.has_expired(entry, now) or connection is None or connection.stream_limit == 0:
                self.closed(entry)

    # Granting.

    def _freed(self, of_origin: OriginConnections) -> None:
        """Capacity has become free: grant it in the order of arrival to the requests for this origin, and to
        the first of each group that the total limit blocks (these take turns)."""
        if len(of_origin.groups) == 1 and not self._blocked_by_total:  # the usual case, without a list
            for group in of_origin.groups:
                self._serve(group)
            return
        here = [group for group in of_origin.groups if group.has_waiting]
        others_too = True
        while here or (self._blocked_by_total and others_too):
            first_blocked = next(iter(self._blocked_by_total), None) if others_too else None
            group = min(here if first_blocked is None else [*here, first_blocked], key=ConnectionGroup.oldest)
            self._blocked_by_total.pop(group, None)
            served = self._serve_first(group)
            if not (served and group.has_waiting) and group in here:
                here.remove(group)
            if served and group is first_blocked and group.has_waiting:
                self._blocked_by_total[group] = None
            elif (
                not served and group in self._blocked_by_total
            ):  # by the total limit: nothing is left for other groups
                if group is first_blocked:
                    self._blocked_by_total.move_to_end(group, last=False)
                others_too = False

    def _serve(self, group: ConnectionGroup) -> None:
        while (group.queue or group.replays) and self._serve_first(group):
            pass

    def _serve_first(self, group: ConnectionGroup) -> bool:
        """Grant the first request of a queue its connection; False if none can be granted."""
        for queue in (group.replays, group.queue):
            pool_request = next(iter(queue), None)
            # One that has an entry was granted it by a call that was interrupted.
            if pool_request is not None and (
                pool_request.entry is not None or self._grant(pool_request, group)
            ):
                queue.pop(pool_request, None)
                if pool_request.waiter is not None:
                    pool_request.waiter.set()
                if not group.has_waiting:
                    self._blocked_by_total.pop(group, None)
                return True
        return False

    def _grant(self, pool_request: PoolRequest, group: ConnectionGroup) -> bool:
        """Grant a connection with capacity for one more exchange, or a slot for a new one.

        The request notes what it was granted first, so that `release` can take it back at any moment.
        """
        entry = self._reusable(pool_request, group)
        if entry is not None:
            pool_request.entry = entry
            if entry.pool_requests:
                entry.idle_since = None
            entry.pool_requests.add(pool_request)
            self._no_longer_idle(entry)
            connection = entry.connection
            if connection is not None and not connection.stream_limit_known:
                group.opening[entry] = None
            return True
        if not self._may_open(group):
            return False
        self.serial += 1
        pool_request.entry = entry = PooledConnection(group, self.serial)
        entry.pool_requests.add(pool_request)
        self._entries[entry] = group.entries[entry] = group.of_origin.entries[entry] = group.opening[
            entry
        ] = None
        return True

    def _reusable(self, pool_request: PoolRequest, group: ConnectionGroup) -> PooledConnection | None:
        if pool_request.newer_than:
            newest = next(reversed(group.entries), None)
            if newest is None or newest not in group.shared or newest.free <= 0:
                return None
            return newest if newest.serial > pool_request.newer_than else None
        while group.shared:
            entry = next(reversed(group.shared))
            if entry.free > 0:
                return entry
            # A full one leaves this table, and returns when one of its exchanges ends.
            del group.shared[entry]
        # The one used last, so that others expire.
        return next(reversed(group.idle)) if group.idle else None

    def _may_open(self, group: ConnectionGroup) -> bool:
        """Whether the limits allow one more. An idle connection of another group is closed for it if
        needed."""
        if group.opening and group.multiplexes is not False:
            return False
        hard_limit, total = self.limits.hard_limit, self.limits.total
        of_origin = group.of_origin
        if hard_limit is not None and len(of_origin.entries) >= hard_limit:
            if not of_origin.idle:
                return False
            self._make_room(next(iter(of_origin.idle)), group)
        if total is not None and len(self._entries) >= total:
            if not self._idle:
                self._blocked_by_total[group] = None
                return False
            self._make_room(next(iter(self._idle)), group)
        return True

    # Discarding.

    def _make_room(self, entry: PooledConnection, taker: ConnectionGroup) -> None:
        """Discard an idle connection for ``taker``, which gets its slot."""
        self._discard(entry)
        if entry.group is not taker:
            self._tidy(entry.group)

    def _discard(self, entry: PooledConnection) -> None:
        if entry.connection is not None and entry in self._entries:
            self.discarded.append(entry.connection)
        group = entry.group
        group.shared.pop(entry, None)
        group.opening.pop(entry, None)
        group.entries.pop(entry, None)
        group.of_origin.entries.pop(entry, None)
        self._entries.pop(entry, None)
        self._no_longer_idle(entry)

    def _no_longer_idle(self, entry: PooledConnection) -> None:
        group = entry.group
        group.idle.pop(entry, None)
        group.of_origin.idle.pop(entry, None)
        self._idle.pop(entry, None)

    def _trim(self, of_origin: OriginConnections, now: float) -> None:
        """Close idle connections beyond the limits, and expired ones."""
        idle = self._idle
        while len(of_origin.idle) > self._soft_limit:
            self.closed(next(iter(of_origin.idle)))
        while len(idle) > self._total_idle:
            self.closed(next(iter(idle)))
        while idle and self.has_expired(next(iter(idle)), now):
            self.closed(next(iter(idle)))

    def has_expired(self, entry: PooledConnection, now: float) -> bool:
        """Whether it is, or was, idle for longer than ``keepalive_expiry``."""
        since = entry.idle_since
        return since is not None and now - since >= self._expiry

    # Groups.

    def _new_group(self, pool_request: PoolRequest) -> ConnectionGroup:
        of_origin = self._origins.get(pool_request.origin)
        if of_origin is None:
            of_origin = self._origins[pool_request.origin] = OriginConnections(pool_request.origin)
        known = self._remembered.get(pool_request.origin, pool_request.multiplexes)
        group = self._groups[pool_request.key] = ConnectionGroup(pool_request.key, of_origin, known)
        of_origin.groups[group] = None
        return group

    def _tidy(self, group: ConnectionGroup) -> None:
        """Forget a group without connections and requests, so that a crawler's memory does not grow."""
        if group.has_waiting:
            return
        self._blocked_by_total.pop(group, None)
        if not group.entries and self._groups.get(group.key) is group:
            of_origin = group.of_origin
            of_origin.groups.pop(group, None)
            if not of_origin.groups:
                self._origins.pop(of_origin.origin, None)
            del self._groups[group.key]

    def _remember(self, origin: Origin, multiplexes: bool) -> None:
        self._remembered[origin] = multiplexes
        if len(self._remembered) > REMEMBERED_ORIGINS:
            del self._remembered[next(iter(self._remembered))]
