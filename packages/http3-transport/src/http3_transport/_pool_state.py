"""Which connection serves which request: the pool's books, without I/O, clock or lock.

Connections are indexed by `Route`: an origin under one TLS configuration. Limits count per origin (`Host`),
whatever the TLS configuration, and over all. A request is a `Ticket`; it gets a connection to reuse, the
right to open one, or a place in its route's line, first come, first served. Every method is O(1) in the
number of connections and waiters; nothing here scans the pool.

This file owns two invariants. **Slots**: a connection counts from the moment its opening is granted until
`closed` (or `failed`), so limits hold at every moment. **Leases**: a connection never carries more of them
than its stream limit, and a free one is given to the oldest ticket that can use it.

The caller holds the pool's lock, performs the I/O, and closes what `PoolState.discarded` collects after
letting go of the lock.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from http3_models._config import PoolLimits
    from http3_models._url import Origin

    from ._interfaces import Waiter


REMEMBERED_ROUTES = 1000
"""How many negotiated protocols are remembered after their last connection is gone; forgetting one costs
its next request a look at the handshake before others start theirs."""


class Pooled(Protocol):
    """What the books ask of a connection."""

    @property
    def stream_limit(self) -> int:
        """Exchanges it may carry at a time now; 0 once it is closed or takes no new ones."""

    @property
    def multiplexes(self) -> bool:
        """True for HTTP/2: several exchanges share it."""


class Entry:
    """A connection in the pool, or the slot for one that is being opened (``connection`` None)."""

    __slots__ = ("connection", "idle_since", "leases", "route", "serial")

    def __init__(self, route: Route, serial: int) -> None:
        self.route = route
        self.serial = serial
        self.connection: Pooled | None = None
        self.leases = 0
        self.idle_since = 0.0

    @property
    def free(self) -> int:
        """Further leases it can carry."""
        return 0 if self.connection is None else self.connection.stream_limit - self.leases


class Host:
    """An origin: what the per-host limits count."""

    __slots__ = ("idle", "origin", "routes", "slots")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.slots = 0
        self.routes: dict[Route, None] = {}
        self.idle: OrderedDict[Entry, None] = OrderedDict()


class Route:
    """An origin under one TLS configuration: what makes connections interchangeable."""

    __slots__ = ("host", "idle", "key", "line", "multiplexes", "opening", "shared", "slots")

    def __init__(self, key: Hashable, host: Host, multiplexes: bool | None) -> None:
        self.key = key
        self.host = host
        self.multiplexes = multiplexes
        """What was negotiated here last; None while unknown: then one handshake goes ahead of the others."""
        self.slots = 0
        self.opening = 0
        self.idle: OrderedDict[Entry, None] = OrderedDict()
        self.shared: OrderedDict[Entry, None] = OrderedDict()
        self.line: OrderedDict[Ticket, None] = OrderedDict()


class Ticket:
    """A request that wants a connection. ``entry`` is set when it has one: to use, or to open."""

    __slots__ = ("entry", "key", "multiplexes", "newer_than", "origin", "route", "waiter")

    def __init__(
        self, key: Hashable, origin: Origin, multiplexes: bool | None = None, newer_than: int = 0
    ) -> None:
        self.key = key
        """Equal for requests that may share connections."""
        self.origin = origin
        self.multiplexes = multiplexes
        """What is known of the protocol beforehand."""
        self.newer_than = newer_than
        """Only connections opened after this serial number will do; 0 for any."""
        self.route: Route | None = None
        self.entry: Entry | None = None
        self.waiter: Waiter | None = None


class PoolState:
    """The books. Public methods say what happened; tickets are served as a consequence."""

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        self.serial = 0
        self.slots = 0
        self.discarded: list[Pooled] = []
        self._routes: dict[Hashable, Route] = {}
        self._hosts: dict[Origin, Host] = {}
        self._idle: OrderedDict[Entry, None] = OrderedDict()
        self._starved: OrderedDict[Route, None] = OrderedDict()
        self._entries: dict[Entry, None] = {}
        self._remembered: OrderedDict[Hashable, bool] = OrderedDict()

    # Looking.

    def connections(self, *, idle: bool) -> list[Pooled]:
        """Those that are idle, or those that are busy."""
        entries = self._idle if idle else [entry for entry in self._entries if entry not in self._idle]
        return [entry.connection for entry in entries if entry.connection is not None]

    def _route(self, ticket: Ticket) -> Route:
        route = self._routes.get(ticket.key)
        if route is None:
            host = self._hosts.get(ticket.origin)
            if host is None:
                host = self._hosts[ticket.origin] = Host(ticket.origin)
            known = self._remembered.get(ticket.key, ticket.multiplexes)
            route = self._routes[ticket.key] = Route(ticket.key, host, known)
            host.routes[route] = None
        return route

    def waiting(self) -> list[Ticket]:
        """Everybody who is in line."""
        return [ticket for route in self._routes.values() for ticket in route.line]

    # A request comes, or goes without having been served.

    def join(self, ticket: Ticket, *, first: bool = False) -> None:
        """Serve the ticket or put it in line; ``first`` for one that was served badly (a dead connection)."""
        route = ticket.route = self._route(ticket)
        if first or not route.line:
            ticket.entry = self._reusable(ticket, route) or self._openable(route)
            if ticket.entry is not None:
                return
        route.line[ticket] = None
        if first:
            route.line.move_to_end(ticket, last=False)

    def leave(self, ticket: Ticket) -> None:
        """The request gives up its place in line."""
        route = ticket.route
        if route is not None:
            route.line.pop(ticket, None)
            if not route.line:
                self._starved.pop(route, None)
                self._drop_unused(route)

    # What happens to connections.

    def opened(self, entry: Entry, connection: Pooled) -> None:
        """The opening that a ticket was granted succeeded; the ticket holds its first lease."""
        route = entry.route
        entry.connection = connection
        entry.leases = 1
        route.opening -= 1
        route.multiplexes = connection.multiplexes
        self._remember(route.key, connection.multiplexes)
        if connection.multiplexes:
            route.shared[entry] = None
        self._serve(route)

    def failed(self, entry: Entry) -> None:
        """The opening failed or was given up."""
        entry.route.opening -= 1
        self._free_slot(entry)

    def released(self, entry: Entry, now: float) -> None:
        """One exchange on the connection is over."""
        connection = entry.connection
        if connection is None or entry not in self._entries:
            return
        entry.leases -= 1
        route = entry.route
        if not entry.leases:
            if connection.stream_limit == 0:
                self.closed(entry)
                return
            entry.idle_since = now
            self._idle[entry] = route.host.idle[entry] = None
            if not connection.multiplexes:
                route.idle[entry] = None
        if connection.multiplexes and entry.free > 0:
            route.shared[entry] = None
        self._serve_host(route.host)
        if not entry.leases:
            self._trim(route.host, now)

    def closed(self, entry: Entry) -> None:
        """The connection is gone, or must go; it is discarded unless exchanges are still under way on it."""
        if entry not in self._entries:
            return
        if entry.connection is not None:
            self.discarded.append(entry.connection)
        self._free_slot(entry)

    def close_idle(self) -> None:
        """Discard all idle connections."""
        while self._idle:
            self.closed(next(iter(self._idle)))

    # How tickets are served.

    def _serve_host(self, host: Host) -> None:
        """Something has become free here: serve who waits for it, and then whom the overall limit holds up.

        A host has more than one route only where it is asked under several TLS configurations.
        """
        for route in tuple(host.routes):
            if route.line:
                self._serve(route)
        if self._starved:
            self._serve_starved()

    def _serve(self, route: Route) -> None:
        while route.line:
            ticket = next(iter(route.line))
            entry = self._reusable(ticket, route) or self._openable(route)
            if entry is None:
                return
            del route.line[ticket]
            ticket.entry = entry
            if ticket.waiter is not None:
                ticket.waiter.set()
        self._starved.pop(route, None)

    def _reusable(self, ticket: Ticket, route: Route) -> Entry | None:
        """A connection with room for one more, the lease already counted."""
        while route.shared:
            entry = next(reversed(route.shared))
            if entry.free > 0:
                if entry.serial > ticket.newer_than:
                    return self._lease(entry)
                break
            # A full one leaves this table, and comes back when one of its leases ends.
            del route.shared[entry]
        if route.idle and not ticket.newer_than:
            # The one used last: the others may grow old and go.
            return self._lease(next(reversed(route.idle)))
        return None

    def _lease(self, entry: Entry) -> Entry:
        if not entry.leases:
            self._no_longer_idle(entry)
        entry.leases += 1
        return entry

    def _no_longer_idle(self, entry: Entry) -> None:
        route = entry.route
        self._idle.pop(entry, None)
        route.idle.pop(entry, None)
        route.host.idle.pop(entry, None)

    def _openable(self, route: Route) -> Entry | None:
        """A slot for a new connection, if one may be opened now."""
        if route.opening and route.multiplexes is not False:
            return None
        if not self._has_room(route):
            return None
        self.serial += 1
        entry = Entry(route, self.serial)
        self._entries[entry] = None
        route.opening += 1
        route.slots += 1
        route.host.slots += 1
        self.slots += 1
        return entry

    def _has_room(self, route: Route) -> bool:
        """Whether the limits allow one more; idle connections that nobody in line can use make room."""
        hard_limit, total = self.limits.hard_limit, self.limits.total
        host = route.host
        if hard_limit is not None and host.slots >= hard_limit:
            if not host.idle:
                return False
            self._discard_idle(next(iter(host.idle)), route)
        if total is not None and self.slots >= total:
            if not self._idle:
                self._starved[route] = None
                return False
            self._discard_idle(next(iter(self._idle)), route)
        return True

    def _serve_starved(self) -> None:
        """Routes that wait for the overall limit, oldest first, for as long as that helps."""
        while self._starved and (self.limits.total is None or self.slots < self.limits.total or self._idle):
            route = next(iter(self._starved))
            del self._starved[route]
            self._serve(route)
            if route in self._starved:
                self._starved.move_to_end(route, last=False)
                return

    # Letting go.

    def _discard_idle(self, entry: Entry, taker: Route) -> None:
        """Close an idle connection for ``taker``, which gets its slot."""
        if entry.connection is not None:
            self.discarded.append(entry.connection)
        self._forget(entry)
        if entry.route is not taker:
            self._drop_unused(entry.route)

    def _forget(self, entry: Entry) -> None:
        route = entry.route
        del self._entries[entry]
        self._no_longer_idle(entry)
        route.shared.pop(entry, None)
        route.slots -= 1
        route.host.slots -= 1
        self.slots -= 1

    def _free_slot(self, entry: Entry) -> None:
        self._forget(entry)
        self._serve_host(entry.route.host)
        self._drop_unused(entry.route)

    def _drop_unused(self, route: Route) -> None:
        """Forget a route without connections and waiters, so that a crawler's books do not grow."""
        if not route.slots and not route.line and self._routes.pop(route.key, None) is not None:
            del route.host.routes[route]
            if not route.host.routes:
                del self._hosts[route.host.origin]

    def _remember(self, key: Hashable, multiplexes: bool) -> None:
        self._remembered[key] = multiplexes
        if len(self._remembered) > REMEMBERED_ROUTES:
            self._remembered.popitem(last=False)

    def _trim(self, host: Host, now: float) -> None:
        """Close what is idle beyond the limits or for too long."""
        limits = self.limits
        while limits.soft_limit is not None and len(host.idle) > limits.soft_limit:
            self.closed(next(iter(host.idle)))
        while limits.total_idle is not None and len(self._idle) > limits.total_idle:
            self.closed(next(iter(self._idle)))
        expiry = limits.keepalive_expiry
        while expiry is not None and self._idle and now - next(iter(self._idle)).idle_since > expiry:
            self.closed(next(iter(self._idle)))
