"""What the pool's books are made of: connections, origins, routes, and requests that want a connection.

Plain records. `PoolState` fills them in and keeps them consistent; how is said there.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from http3_models import Origin

    from .._interfaces import Waiter


class Pooled(Protocol):
    """What the books ask of a connection."""

    @property
    def stream_limit(self) -> int:
        """Exchanges it may carry at a time now; 0 once it is closed or takes no new ones."""

    @property
    def multiplexes(self) -> bool:
        """True for HTTP/2: several exchanges share it."""

    @property
    def is_settled(self) -> bool:
        """False while it is not known how many: until an HTTP/2 server has sent its SETTINGS."""


class Entry:
    """A connection in the pool, or the slot for one that is being opened (``connection`` None)."""

    __slots__ = (
        "__weakref__", "connection", "idle_since", "opened_at", "replays_after", "route", "serial", "tickets",
    )  # fmt: skip

    def __init__(self, route: Route, serial: int) -> None:
        self.route = route
        self.serial = serial
        self.connection: Pooled | None = None
        self.tickets: set[Ticket] = set()
        """Who holds it: the one that opens it, then those with an exchange on it."""
        self.idle_since: float | None = None
        """Since when it lay idle before its present holder; None where somebody used it all the time."""
        self.opened_at: float | None = None
        """When the opening ended; None before, and where nobody has noted it."""
        self.replays_after = 0
        """The newest connection there was when an exchange on this one failed: replays want a newer one."""

    @property
    def free(self) -> int:
        """Further leases it can carry."""
        return 0 if self.connection is None else self.connection.stream_limit - len(self.tickets)


class Host:
    """An origin: what the per-host limits count."""

    __slots__ = ("entries", "idle", "origin", "routes")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.routes: dict[Route, None] = {}
        self.entries: dict[Entry, None] = {}
        self.idle: OrderedDict[Entry, None] = OrderedDict()

    @property
    def slots(self) -> int:
        """Connections, open or being opened."""
        return len(self.entries)


class Route:
    """An origin under one TLS configuration: what makes connections interchangeable."""

    __slots__ = ("entries", "host", "idle", "key", "line", "multiplexes", "opening", "replays", "shared")

    def __init__(self, key: Hashable, host: Host, multiplexes: bool | None) -> None:
        self.key = key
        self.host = host
        self.multiplexes = multiplexes
        """What was negotiated here last; None while unknown: then one handshake goes ahead of the others."""
        self.entries: dict[Entry, None] = {}
        self.opening: dict[Entry, None] = {}
        """Connections of which it is not known yet what they can carry."""
        self.idle: OrderedDict[Entry, None] = OrderedDict()
        self.shared: OrderedDict[Entry, None] = OrderedDict()
        self.replays: OrderedDict[Ticket, None] = OrderedDict()
        """Who needs a newer connection: in a line of its own, since the others can use what there is."""
        self.line: OrderedDict[Ticket, None] = OrderedDict()

    @property
    def waits(self) -> bool:
        """Whether anybody is in line."""
        return bool(self.line or self.replays)

    def line_of(self, ticket: Ticket) -> OrderedDict[Ticket, None]:
        """Where the ticket waits."""
        return self.replays if ticket.newer_than else self.line

    def oldest(self) -> int:
        """The number of the ticket that waits longest; to be asked only if one does."""
        return min([next(iter(line)).number for line in (self.replays, self.line) if line])


class Ticket:
    """A request that wants a connection. ``entry`` is set when it has one: to use, or to open."""

    __slots__ = ("entry", "key", "multiplexes", "newer_than", "number", "origin", "route", "waiter")

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
        self.number = 0
        """Its place in the order in which tickets came."""
        self.route: Route | None = None
        self.entry: Entry | None = None
        self.waiter: Waiter | None = None

    @property
    def holds(self) -> bool:
        """True while it has a connection, or the right to open one."""
        return self.entry is not None and self in self.entry.tickets
