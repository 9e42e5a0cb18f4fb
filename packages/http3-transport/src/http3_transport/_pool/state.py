"""Which connection serves which request: the pool's books, without I/O, clock or lock.

Connections are indexed by `Route`: an origin under one TLS configuration. Limits count per origin (`Host`),
whatever the TLS configuration, and over all. A request is a `Ticket`; it gets a connection to reuse, the
right to open one, or a place in its route's line, first come, first served. Every method is O(1) in the
number of connections and waiters; nothing here scans the pool.

This file owns two invariants. **Slots**: a connection counts from the moment its opening is granted until it
is discarded or its opening given up, so limits hold at every moment. **Leases**: a connection never carries
more tickets than its stream limit, and what is free goes to the oldest ticket that can use it.

Nothing is counted: connections and tickets are members of sets. So a change that is interrupted half-way
(KeyboardInterrupt) is mended by doing it again, and `PoolState.leave` may be called as often as one likes.

The caller holds the pool's lock, performs the I/O, and closes what `PoolState.discarded` collects after
letting go of the lock.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING

from .entries import Entry, Host, Route, Ticket

if TYPE_CHECKING:
    from collections.abc import Hashable

    from http3_models import Origin, PoolLimits

    from .entries import Pooled


REMEMBERED_ORIGINS = 1000
"""Of how many origins the negotiated protocol is remembered after their last connection is gone; forgetting
one costs its next request a look at the handshake before others start theirs."""


class PoolState:
    """The books. Public methods say what happened; tickets are served as a consequence."""

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        # None is no limit.
        self._soft_limit = inf if limits.soft_limit is None else limits.soft_limit
        self._total_idle = inf if limits.total_idle is None else limits.total_idle
        self._expiry = inf if limits.keepalive_expiry is None else limits.keepalive_expiry
        self.serial = 0
        """The number of the newest connection."""
        self.discarded: list[Pooled] = []
        self._joined = 0
        self._routes: dict[Hashable, Route] = {}
        self._hosts: dict[Origin, Host] = {}
        self._entries: dict[Entry, None] = {}
        self._idle: OrderedDict[Entry, None] = OrderedDict()
        self._starved: OrderedDict[Route, None] = OrderedDict()
        """Routes of which the first in line waits for the overall limit."""
        self._remembered: dict[Origin, bool] = {}
        self.http11_only: dict[Origin, None] = {}
        """Origins that have asked for HTTP/1.1 over HTTP/2; the pool's own dict, for all its books."""

    # Looking.

    @property
    def slots(self) -> int:
        """Connections, open or being opened."""
        return len(self._entries)

    def connections(self, *, idle: bool) -> list[Pooled]:
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

    def waiting(self) -> list[Ticket]:
        """Everybody who is in line."""
        return [ticket for route in self._routes.values() for ticket in (*route.replays, *route.line)]

    # A request comes, and goes.

    def join(self, ticket: Ticket) -> None:
        """Serve the ticket or put it in line."""
        self._joined += 1
        ticket.number = self._joined
        route = ticket.route = self._routes.get(ticket.key) or self._new_route(ticket)
        line = route.replays if ticket.newer_than else route.line
        if line or not self._grant(ticket, route):
            line[ticket] = None

    def replace(self, ticket: Ticket) -> None:
        """The connection that the ticket was given is dead: it gets another one ahead of those in line."""
        route, entry = ticket.route, ticket.entry
        assert route is not None
        assert entry is not None
        line = route.line_of(ticket)
        line[ticket] = None
        line.move_to_end(ticket, last=False)
        if entry.tickets <= {ticket}:
            self._discard(entry)
        entry.tickets.discard(ticket)
        ticket.entry = None  # last: until then `leave` can still undo it
        self._serve(route)
        self._freed(route.host)

    def leave(self, ticket: Ticket, now: float) -> None:
        """The ticket's claim ends, whatever it is: a place in line, the right to open, an exchange."""
        route, entry = ticket.route, ticket.entry
        if entry is None:
            if route is not None:
                route.line_of(ticket).pop(ticket, None)
                self._serve(route)  # a replay may have stood before others that can use what it can't
                self._tidy(route)
            return
        tickets, connection = entry.tickets, entry.connection
        tickets.discard(ticket)
        if entry not in self._entries:
            # Gone already. (The ticket is in line as well if `replace` was interrupted.)
            entry.route.line_of(ticket).pop(ticket, None)
            self._freed(entry.route.host)
            self._tidy(entry.route)
            return
        if connection is None or (not tickets and connection.stream_limit == 0):
            self.closed(entry)
            return
        route, multiplexes = entry.route, connection.multiplexes
        host = route.host
        if self.http11_only and self._is_superseded(entry):
            if not tickets:
                self.closed(entry)
            return
        if multiplexes and entry.free > 0:
            route.shared[entry] = None
        if not tickets:
            entry.idle_since = now
            self._idle[entry] = host.idle[entry] = None
            if multiplexes:
                route.opening.pop(entry, None)  # nobody reads what the server has to say
            else:
                route.idle[entry] = None
        self._freed(host)
        if not tickets:
            self._trim(host, now)

    # What happens to connections.

    def opened(self, ticket: Ticket, connection: Pooled) -> None:
        """The opening that the ticket was granted succeeded; the ticket holds its first lease."""
        entry = ticket.entry
        assert entry is not None
        route = entry.route
        entry.connection = connection
        if not (self.http11_only and self._is_superseded(entry)):
            route.multiplexes = connection.multiplexes
            self._remember(route.host.origin, connection.multiplexes)
        if connection.is_settled:
            self.settled(entry)

    def settled(self, entry: Entry) -> None:
        """It is known now how many exchanges the connection carries, or it carries more than before."""
        route = entry.route
        route.opening.pop(entry, None)
        multiplexes = entry.connection is not None and entry.connection.multiplexes
        if multiplexes and entry in self._entries and not self._is_superseded(entry):
            route.shared[entry] = None
        self._serve(route)

    def require_http11(self, origin: Origin) -> None:
        """The origin's server wants HTTP/1.1: what is open over HTTP/2 is not lent again."""
        self.http11_only[origin] = None
        if len(self.http11_only) > REMEMBERED_ORIGINS:
            del self.http11_only[next(iter(self.http11_only))]
        self._remember(origin, multiplexes=False)
        host = self._hosts.get(origin)
        if host is None:
            return
        for route in host.routes:
            route.multiplexes = False
            route.shared.clear()
        for entry in list(host.entries):
            if self._is_superseded(entry) and not entry.tickets:
                self._discard(entry)
        self._freed(host)

    def _is_superseded(self, entry: Entry) -> bool:
        """Whether it is an HTTP/2 connection to an origin that wants HTTP/1.1."""
        connection = entry.connection
        return (
            connection is not None and connection.multiplexes and entry.route.host.origin in self.http11_only
        )

    def pass_by(self, route: Route, moment: float) -> None:
        """Nobody waits any longer for what the server of a connection says that was opened by then."""
        for entry in list(route.opening):
            if entry.opened_at is not None and entry.opened_at <= moment:
                del route.opening[entry]
        self._serve(route)

    def replays_after(self, ticket: Ticket) -> int:
        """For a ticket whose exchange failed: replays of it are for connections newer than this.

        It is the same for all that fail on one connection, so that these can share the next one.
        """
        entry = ticket.entry
        assert entry is not None
        entry.replays_after = entry.replays_after or self.serial
        return entry.replays_after

    def closed(self, entry: Entry) -> None:
        """The connection is gone or must go, or its opening was given up."""
        self._discard(entry)
        self._freed(entry.route.host)
        self._tidy(entry.route)

    def close_idle(self) -> None:
        """Discard all idle connections."""
        while self._idle:
            self.closed(next(iter(self._idle)))

    def close_due(self, now: float) -> None:
        """Discard the idle connections that have expired, and those that take no requests any more."""
        for entry in list(self._idle):
            connection = entry.connection
            if self.has_expired(entry, now) or connection is None or connection.stream_limit == 0:
                self.closed(entry)

    # How tickets are served.

    def _freed(self, host: Host) -> None:
        """Something has become free: first come, first served, among those who wait here and the first of
        those whom the overall limit holds up (these take turns)."""
        if len(host.routes) == 1 and not self._starved:  # mostly; no list for it
            for route in host.routes:
                self._serve(route)
            return
        here = [route for route in host.routes if route.waits]
        others_too = True
        while here or (self._starved and others_too):
            first_starved = next(iter(self._starved), None) if others_too else None
            route = min(here if first_starved is None else [*here, first_starved], key=Route.oldest)
            self._starved.pop(route, None)
            served = self._serve_first(route)
            if not (served and route.waits) and route in here:
                here.remove(route)
            if served and route is first_starved and route.waits:
                self._starved[route] = None
            elif not served and route in self._starved:  # the overall limit: nothing is left for others
                if route is first_starved:
                    self._starved.move_to_end(route, last=False)
                others_too = False

    def _serve(self, route: Route) -> None:
        while (route.line or route.replays) and self._serve_first(route):
            pass

    def _serve_first(self, route: Route) -> bool:
        """Serve the first in line who can be; False if nobody can."""
        for line in (route.replays, route.line):
            ticket = next(iter(line), None)
            # One that has an entry was served by somebody who was interrupted.
            if ticket is not None and (ticket.entry is not None or self._grant(ticket, route)):
                line.pop(ticket, None)
                if ticket.waiter is not None:
                    ticket.waiter.set()
                if not route.waits:
                    self._starved.pop(route, None)
                return True
        return False

    def _grant(self, ticket: Ticket, route: Route) -> bool:
        """Give the ticket a connection with room for one more, or a slot for a new one.

        What the ticket was given is noted in it first: then `leave` can take it back at any moment.
        """
        entry = self._reusable(ticket, route)
        if entry is not None:
            ticket.entry = entry
            if entry.tickets:
                entry.idle_since = None
            entry.tickets.add(ticket)
            self._no_longer_idle(entry)
            connection = entry.connection
            if connection is not None and not connection.is_settled:
                route.opening[entry] = None
            return True
        if not self._may_open(route):
            return False
        self.serial += 1
        ticket.entry = entry = Entry(route, self.serial)
        entry.tickets.add(ticket)
        self._entries[entry] = route.entries[entry] = route.host.entries[entry] = route.opening[entry] = None
        return True

    def _reusable(self, ticket: Ticket, route: Route) -> Entry | None:
        if ticket.newer_than:
            newest = next(reversed(route.entries), None)
            if newest is None or newest not in route.shared or newest.free <= 0:
                return None
            return newest if newest.serial > ticket.newer_than else None
        while route.shared:
            entry = next(reversed(route.shared))
            if entry.free > 0:
                return entry
            # A full one leaves this table, and comes back when one of its leases ends.
            del route.shared[entry]
        # The one used last: the others may grow old and go.
        return next(reversed(route.idle)) if route.idle else None

    def _may_open(self, route: Route) -> bool:
        """Whether the limits allow one more; idle connections that nobody in line can use make room."""
        if route.opening and route.multiplexes is not False:
            return False
        hard_limit, total = self.limits.hard_limit, self.limits.total
        host = route.host
        if hard_limit is not None and len(host.entries) >= hard_limit:
            if not host.idle:
                return False
            self._make_room(next(iter(host.idle)), route)
        if total is not None and len(self._entries) >= total:
            if not self._idle:
                self._starved[route] = None
                return False
            self._make_room(next(iter(self._idle)), route)
        return True

    # Letting go.

    def _make_room(self, entry: Entry, taker: Route) -> None:
        """Discard an idle connection for ``taker``, which gets its slot."""
        self._discard(entry)
        if entry.route is not taker:
            self._tidy(entry.route)

    def _discard(self, entry: Entry) -> None:
        if entry.connection is not None and entry in self._entries:
            self.discarded.append(entry.connection)
        route = entry.route
        route.shared.pop(entry, None)
        route.opening.pop(entry, None)
        route.entries.pop(entry, None)
        route.host.entries.pop(entry, None)
        self._entries.pop(entry, None)
        self._no_longer_idle(entry)

    def _no_longer_idle(self, entry: Entry) -> None:
        route = entry.route
        route.idle.pop(entry, None)
        route.host.idle.pop(entry, None)
        self._idle.pop(entry, None)

    def _trim(self, host: Host, now: float) -> None:
        """Close what is idle beyond the limits or for too long."""
        idle = self._idle
        while len(host.idle) > self._soft_limit:
            self.closed(next(iter(host.idle)))
        while len(idle) > self._total_idle:
            self.closed(next(iter(idle)))
        while idle and self.has_expired(next(iter(idle)), now):
            self.closed(next(iter(idle)))

    def has_expired(self, entry: Entry, now: float) -> bool:
        """Whether it is, or was, idle for too long."""
        since = entry.idle_since
        return since is not None and now - since >= self._expiry

    # Routes.

    def _new_route(self, ticket: Ticket) -> Route:
        host = self._hosts.get(ticket.origin)
        if host is None:
            host = self._hosts[ticket.origin] = Host(ticket.origin)
        known = self._remembered.get(ticket.origin, ticket.multiplexes)
        route = self._routes[ticket.key] = Route(ticket.key, host, known)
        host.routes[route] = None
        return route

    def _tidy(self, route: Route) -> None:
        """Forget a route without connections and waiters, so that a crawler's books do not grow."""
        if route.waits:
            return
        self._starved.pop(route, None)
        if not route.entries and self._routes.get(route.key) is route:
            host = route.host
            host.routes.pop(route, None)
            if not host.routes:
                self._hosts.pop(host.origin, None)
            del self._routes[route.key]

    def _remember(self, origin: Origin, multiplexes: bool) -> None:
        self._remembered[origin] = multiplexes
        if len(self._remembered) > REMEMBERED_ORIGINS:
            del self._remembered[next(iter(self._remembered))]
