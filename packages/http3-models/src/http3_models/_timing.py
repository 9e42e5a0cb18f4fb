"""What is noted of one exchange: how long its phases took, and the connection that it used."""

from __future__ import annotations

from sys import modules
from typing import TYPE_CHECKING, NamedTuple

from ._logging import DEBUG, LOGGERS, find_loggers, may_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._headers import Headers
    from ._url import URL


class ConnectionInfo(NamedTuple):
    """The connection that a response came over; None for what does not apply or is not known.

    Addresses are ``(host, port)``; ``peer_certificate`` is the server's certificate in DER form. ``proxy`` is
    the URL of the proxy, without credentials (then ``peer_address`` is the proxy's); ``via`` are the header
    fields of its answer to CONNECT.
    """

    peer_address: tuple[str, int] | None = None
    local_address: tuple[str, int] | None = None
    tls_version: str | None = None
    peer_certificate: bytes | None = None
    proxy: URL | None = None
    via: Headers | None = None

    def __repr__(self) -> str:
        certificate = self.peer_certificate
        shown = None if certificate is None else f"<{len(certificate)} bytes>"
        tail = "" if self.proxy is None else f", proxy={self.proxy!r}, via={self.via!r}"
        return (
            f"ConnectionInfo(peer_address={self.peer_address}, local_address={self.local_address}, "
            f"tls_version={self.tls_version!r}, peer_certificate={shown}{tail})"
        )


class Timings(NamedTuple):
    """Seconds spent in each phase of one exchange; None where a phase did not happen.

    ``dns`` and ``connect`` lead to the proxy if there is one; ``proxy`` is what it takes from there to the
    target (TLS to the proxy, CONNECT or SOCKS).

    The repr shows the phases that did happen, in seconds to the millisecond.
    """

    pool: float | None = None
    dns: float | None = None
    connect: float | None = None
    proxy: float | None = None
    tls: float | None = None
    send: float | None = None
    wait: float | None = None
    receive: float | None = None

    def __repr__(self) -> str:
        phases = zip(self._fields, self, strict=True)
        return f"Timings({', '.join([f'{name}={took:.3f}' for name, took in phases if took is not None])})"


class PhaseTimes:
    """What becomes `Timings`: the transport sets the fields, in one object for each exchange.

    ``started`` is when the transport was given the request, on the clock ``now``. ``connection`` is set where
    a dispatcher sends without a client. ``logged``: a logger of http3 may be on. It has no slots, so that a
    new one costs nothing: what did not happen is a default of the class.
    """

    now: Callable[[], float] | None = None
    started: float = 0.0
    connection: ConnectionInfo | None = None
    logged: bool = False

    pool: float | None = None
    dns: float | None = None
    connect: float | None = None
    proxy: float | None = None
    tls: float | None = None
    send: float | None = None
    wait: float | None = None
    receive: float | None = None

    def begin(self, now: Callable[[], float]) -> float:
        """Set ``now``, ``logged`` and ``started``; returns the latter."""
        self.now = now
        self.started = moment = now()
        if "logging" in modules:  # no call for levels that nothing has set: nearly no exchange is logged
            root, top, pool, tls, http1, http2 = LOGGERS or find_loggers()
            if root.level <= DEBUG or top.level or pool.level or tls.level or http1.level or http2.level:
                self.logged = may_log()
        return moment

    def elapsed(self) -> float | None:
        """Seconds since `begin`; None before it."""
        return None if self.now is None else self.now() - self.started

    @classmethod
    def of(cls, timings: Timings) -> PhaseTimes:
        """The record of an exchange that has ended."""
        phases = cls()
        phases.__dict__.update(timings._asdict())
        return phases

    def freeze(self) -> Timings:
        """The phases until now, as a value."""
        return Timings(
            self.pool, self.dns, self.connect, self.proxy, self.tls, self.send, self.wait, self.receive
        )
