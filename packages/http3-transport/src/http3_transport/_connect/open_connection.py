"""`OpenConnection`: a connection after its handshake, as a pool holds it; and what a fork does to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakSet, ref

from .._interfaces import WatchedStream
from .unclosed import weakly

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import ConnectionInfo, Headers, Origin
    from http3_models.engine import RequestState

    from .._http2 import HTTP2Connection
    from .._interfaces import ProtocolConnection
    from .routes import ForwardForm, Route

_open_connections: WeakSet[OpenConnection] = WeakSet()
"""All that were opened in this process and are still referred to."""

_inherited: list[OpenConnection] = []
"""In a forked child: the connections of its parent, which are never freed. OpenSSL takes a lock to free a TLS
object. If a thread of the parent held it at the fork, the child would wait forever."""


def _drop_inherited() -> None:
    """In a forked child: drop the parent's connections, so that no code can use them."""
    connections = list(_open_connections)
    _inherited.extend(connections)
    for connection in connections:
        connection.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)


class OpenConnection:
    """A `ProtocolConnection` with what a pool needs to know besides."""

    __slots__ = (
        "__weakref__",
        "_form",
        "_route",
        "_via",
        "engine",
        "has_ended",
        "http2",
        "is_dropped",
        "logged",
        "multiplexes",
        "on_end",
        "on_settings",
        "origin",
        "shown_as",
        "stream_limit_known",
    )

    def __init__(
        self, origin: Origin, engine: ProtocolConnection, http2: HTTP2Connection | None = None
    ) -> None:
        self.origin = origin
        self.engine = engine
        self.http2 = http2
        """The same as ``engine``, for HTTP/2."""
        self.multiplexes = http2 is not None
        """Whether several exchanges share it."""
        self.stream_limit_known = http2 is None
        """False until an HTTP/2 server has sent its SETTINGS."""
        self.has_ended = False
        """True once it gets no further request: the server has closed it, or a user has."""
        self.is_dropped = False
        self.logged = False
        """Whether the last request that used it is logged; its end is, then."""
        self.on_settings: Callable[[], object] | None = None
        """Called when the stream limit has become known or has changed."""
        self.on_end: Callable[[], object] | None = None
        """Called when the server closes the connection, if the event loop notices."""
        self._route: Route | None = None
        self._via: Headers | None = None
        self._form: ForwardForm | None = None
        self.shown_as: ref[object] | None = None
        """The `HTTPConnection` that was last made for users."""
        _open_connections.add(self)
        if http2 is not None:
            http2.when_limit_changes(weakly(self._settings_received))
        if isinstance(engine.stream, WatchedStream):
            engine.stream.when_over(weakly(self._stream_ended))

    def came_by(self, route: Route | None, via: Headers | None, form: ForwardForm | None) -> None:
        """Note the route that it took, the header fields of the proxy's answer to CONNECT, and the form of
        requests that the proxy forwards."""
        self._route = route
        self._via = via
        self._form = form

    def follow(self, route: Route) -> None:
        """Use the challenge of a route, if this connection has met none."""
        if self._form is not None:
            self._form.credentials.borrow(route.challenge)

    def route_after(self, challenge: Headers, *, is_first: bool) -> Route | None:
        """How a request is to be sent again after a 407 of a proxy that forwards it, with these fields; None
        if it is not. ``is_first``: it is the first one of this request."""
        if self._form is None or self._route is None:
            return None
        if not self._form.credentials.learn(challenge, is_first=is_first):
            return None
        return self._route.after(self._form.credentials.challenge)

    def info_by_proxy(self, info: ConnectionInfo) -> ConnectionInfo:
        """The facts of its stream, with those of the proxy."""
        return info if self._route is None else info._replace(proxy=self._route.proxy.url, via=self._via)

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request."""
        return self.has_ended or self.engine.is_closed

    @property
    def stream_limit(self) -> int:
        """See `ProtocolConnection.stream_limit`; also 0 once it has ended, and while HTTP/2 can't write."""
        http2 = self.http2
        if self.has_ended or (http2 is not None and http2.pulse.is_clogged):
            return 0
        return self.engine.stream_limit

    async def reassure(self, request: RequestState) -> bool:
        """If it is in doubt whether the HTTP/2 server still answers, wait for a frame.

        False if the connection can't be used; it is closed then, unless other requests use it.
        """
        http2 = self.http2
        if http2 is None or http2.pulse.doubted_since is None or await http2.reassure(request.deadline):
            return True
        if http2.is_idle:
            http2.close()
        return False

    def close(self) -> None:
        """Close in good order without waiting; exchanges under way fail."""
        try:
            self.engine.close()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Drop the socket; every exchange under way fails."""
        self.engine.abort()

    def drop(self) -> None:
        """Drop the socket of another process, or of an event loop that has ended."""
        self.has_ended = self.is_dropped = True
        self.engine.drop()

    def _settings_received(self) -> None:
        self.stream_limit_known = True
        if self.on_settings is not None:
            self.on_settings()

    def _stream_ended(self) -> None:
        """Exchanges under way find out by themselves."""
        self.has_ended = True
        if self.on_end is not None:
            self.on_end()
