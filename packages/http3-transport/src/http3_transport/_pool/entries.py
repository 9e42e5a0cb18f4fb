"""The records of a pool: connections, origins, groups of connections, and requests that need one.

`PoolState` fills them and keeps them consistent.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from http3_models import Origin

    from .._connect import OpenConnection, Route
    from .._interfaces import Waiter


class PooledConnection:
    """A connection in the pool, or a slot for one that is being opened (``connection`` None)."""

    __slots__ = (
        "__weakref__",
        "connection",
        "group",
        "idle_since",
        "opened_at",
        "pool_requests",
        "replays_after",
        "serial",
    )

    def __init__(self, group: ConnectionGroup, serial: int) -> None:
        self.group = group
        self.serial = serial
        self.connection: OpenConnection | None = None
        self.pool_requests: set[PoolRequest] = set()
        """The request that opens it, then those with an exchange on it."""
        self.idle_since: float | None = None
        """When it became idle the last time; None while several requests use it in turn."""
        self.opened_at: float | None = None
        """When it was opened; None before."""
        self.replays_after = 0
        """The serial number of the newest connection when an exchange on this one failed: replays need a
        newer one."""

    @property
    def free(self) -> int:
        """Further exchanges that it can carry."""
        return 0 if self.connection is None else self.connection.stream_limit - len(self.pool_requests)


class OriginConnections:
    """The connections of an origin, which ``soft_limit`` and ``hard_limit`` count."""

    __slots__ = ("entries", "groups", "idle", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.groups: dict[ConnectionGroup, None] = {}
        self.entries: dict[PooledConnection, None] = {}
        self.idle: OrderedDict[PooledConnection, None] = OrderedDict()

    @property
    def slots(self) -> int:
        """Connections, open or being opened."""
        return len(self.entries)


class ConnectionGroup:
    """The interchangeable connections of an origin: those with one TLS configuration and one route; and the
    requests for them."""

    __slots__ = (
        "entries",
        "idle",
        "key",
        "multiplexes",
        "of_origin",
        "opening",
        "queue",
        "replays",
        "shared",
    )

    def __init__(self, key: Hashable, of_origin: OriginConnections, multiplexes: bool | None) -> None:
        self.key = key
        self.of_origin = of_origin
        self.multiplexes = multiplexes
        """Whether HTTP/2 was negotiated last; None while unknown: then one handshake is made before any
        other."""
        self.entries: dict[PooledConnection, None] = {}
        self.opening: dict[PooledConnection, None] = {}
        """Connections whose stream limit is not known yet."""
        self.idle: OrderedDict[PooledConnection, None] = OrderedDict()
        self.shared: OrderedDict[PooledConnection, None] = OrderedDict()
        self.replays: OrderedDict[PoolRequest, None] = OrderedDict()
        """Requests that need a newer connection. They have a queue of their own: others may use any."""
        self.queue: OrderedDict[PoolRequest, None] = OrderedDict()

    @property
    def has_waiting(self) -> bool:
        """Whether requests are in a queue."""
        return bool(self.queue or self.replays)

    def queue_of(self, pool_request: PoolRequest) -> OrderedDict[PoolRequest, None]:
        """The queue for this request."""
        return self.replays if pool_request.newer_than else self.queue

    def oldest(self) -> int:
        """The number of the request that has waited longest; only if there is one."""
        return min([next(iter(line)).number for line in (self.replays, self.queue) if line])


class PoolRequest:
    """A request that needs a connection. ``entry`` is set once it has one, to use or to open."""

    __slots__ = ("entry", "group", "key", "multiplexes", "newer_than", "number", "origin", "route", "waiter")

    def __init__(
        self,
        key: Hashable,
        origin: Origin,
        multiplexes: bool | None = None,
        newer_than: int = 0,
        route: Route | None = None,
    ) -> None:
        self.key = key
        """Equal for requests that may share connections."""
        self.origin = origin
        self.multiplexes = multiplexes
        """Whether the connection will be HTTP/2; None if that is known only after the handshake."""
        self.route = route
        """The way through a proxy; None: directly."""
        self.newer_than = newer_than
        """Only connections with a larger serial number will do; 0: any."""
        self.number = 0
        """Its place in the order of arrival."""
        self.group: ConnectionGroup | None = None
        self.entry: PooledConnection | None = None
        self.waiter: Waiter | None = None

    @property
    def holds(self) -> bool:
        """True while it has a connection, or the right to open one."""
        return self.entry is not None and self in self.entry.pool_requests
