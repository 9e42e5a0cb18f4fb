"""The connection pool: carries out what `_pool_state` decides.

`ConnectionPool.exchange` is the way of every request: take a ticket, wait in line if need be, open or check
the connection, hand the request to its engine, and send it once more where that is proven safe.

A pool belongs to one event loop and one process at a time. What it knows lives in `Books`; for another
loop (once the first has ended) or after a fork it starts with new ones, locks included, and only drops the
sockets of the old.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from http3_models._config import (
    DEFAULT_LIMITS,
    DEFAULT_POOL_LIMITS,
    DEFAULT_TIMEOUT_CONFIG,
    SSLConfig,
    TimeoutConfig,
)
from http3_models._exceptions import (
    ClientClosed,
    Delivery,
    LocalProtocolError,
    RequestError,
    Timeout,
    TotalTimeout,
)
from http3_models._interfaces import AsyncDispatcher
from http3_models._response import AsyncResponse

from ._backends._choice import choose_backend
from ._connection import HTTP_VERSIONS, HTTPConnection, Opening, check_http_versions, check_scheme
from ._errors import timeout_error, total_timeout
from ._pool_books import Books, PoolLease
from ._pool_state import Entry, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from http3_models._config import CertTypes, Limits, PoolLimits, TimeoutTypes, VerifyTypes
    from http3_models._interfaces import ConcurrencyBackend
    from http3_models._records import RequestState, ResponseState
    from http3_models._request import AsyncRequest
    from http3_models._url import Origin


WAIT_SLICE = 0.5
"""Seconds after which somebody in line looks for connections that finalisers gave back."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2."""


class ConnectionPool(AsyncDispatcher):
    """Sends requests over pooled connections, HTTP/1.1 and HTTP/2. The default dispatcher of both clients.

    ``verify``, ``cert`` and ``timeout`` are the defaults for requests that name none. ``pool_limits`` bounds
    the connections, ``limits`` what a peer can grow. ``http_versions`` is what may be negotiated.
    ``backend`` None stands for the async library that runs at the first await. ``trust_env`` reads
    SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE. ``replay`` sends a request a second time where that is
    safe. ``now`` is the clock, in seconds.
    """

    __module__ = "http3_transport"

    def __init__(
        self,
        *,
        verify: VerifyTypes = True,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT_CONFIG,
        pool_limits: PoolLimits = DEFAULT_POOL_LIMITS,
        backend: ConcurrencyBackend | None = None,
        http_versions: tuple[str, ...] = HTTP_VERSIONS,
        trust_env: bool = True,
        replay: bool = True,
        limits: Limits | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.pool_limits = pool_limits
        self.timeout: TimeoutConfig = TimeoutConfig(timeout)
        self.replay = replay
        self.now = now
        self._config = SSLConfig(verify=verify, cert=cert, trust_env=trust_env)
        self._given_backend = backend
        self._http_versions = check_http_versions(http_versions)
        self._limits = DEFAULT_LIMITS if limits is None else limits
        self._closed = False
        self._books: Books | None = None

    def __repr__(self) -> str:
        if self._closed:
            return "<ConnectionPool closed>"
        return (
            f"<ConnectionPool {len(self.active_connections)} active, {len(self.keepalive_connections)} idle>"
        )

    @property
    def active_connections(self) -> list[HTTPConnection]:
        """Connections with a request under way."""
        return [] if self._books is None else self._books.connections(idle=False)

    @property
    def keepalive_connections(self) -> list[HTTPConnection]:
        """Idle connections, the one that is idle for the longest time first."""
        return [] if self._books is None else self._books.connections(idle=True)

    @property
    def suspends(self) -> bool:
        """False over blocking sockets: then no event loop is needed to drive it."""
        from ._backends._blocking import BlockingBackend

        return not isinstance(self._given_backend, BlockingBackend)

    async def send(
        self,
        request: AsyncRequest,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> AsyncResponse:
        """Send a request; the response's body is still to be read. Raises TransportError subclasses."""
        state = request._state
        state.verify = verify
        state.cert = cert
        if timeout is not None:
            state.timeout = TimeoutConfig(timeout)
        return AsyncResponse._of(await self.exchange(state))

    async def exchange(self, request: RequestState) -> ResponseState:
        """Records in, records out; see `Exchange`."""
        books = self._open_books()
        request.phases.begin(self.now)
        if request.timeout is None:
            request.timeout = self.timeout
        check_scheme(request.url)
        origin = request.url.origin
        ticket = Ticket(self._key(request, origin), origin, self._known_protocol(origin))
        lease = await self._lease(books, request, ticket)
        try:
            return await lease.connection.engine.exchange(request, lease)
        except RequestError as exc:
            if not (self.replay and may_send_again(request, exc, lease)):
                raise
            first = exc
        return await self._send_again(books, request, ticket, first)

    async def close(self) -> None:
        """Close idle connections at once, busy ones when their response ends. Idempotent.

        Who waits in line gets ClientClosed, and so does every later request.
        """
        self._closed = True
        books = self._books
        if books is not None:
            if books.is_foreign():
                books.drop()
            else:
                books.close()

    # The steps of a request.

    def _open_books(self) -> Books:
        """The books for this process and loop. Raises ClientClosed, or RuntimeError for a second loop."""
        if self._closed:
            raise ClientClosed("This client is closed; make a new one")
        books = self._books
        if books is not None and books.is_of_this_process():
            if books.is_here():
                if books.abandoned:
                    books.settle()
                return books
            if not books.backend.scope_has_ended(books.scope):
                raise RuntimeError(
                    "an AsyncClient serves one event loop at a time, and its first one still runs"
                )
        if books is not None:
            books.drop()
        self._books = books = Books(choose_backend(self._given_backend), self.pool_limits, self.now)
        return books

    def _key(self, request: RequestState, origin: Origin) -> Hashable:
        """Equal keys share connections: the origin, with the TLS configuration where it is not the pool's."""
        if not origin.is_ssl or (request.verify is None and request.cert is None):
            return origin
        return (origin, self._ssl_config(request))

    def _ssl_config(self, request: RequestState) -> SSLConfig:
        if request.verify is None and request.cert is None:
            return self._config
        return self._config.with_overrides(verify=request.verify, cert=request.cert)

    def _known_protocol(self, origin: Origin) -> bool | None:
        """Whether connections to the origin will multiplex; None where only the handshake tells."""
        if "HTTP/2" not in self._http_versions:
            return False
        if "HTTP/1.1" not in self._http_versions:
            return True
        return None if origin.is_ssl else False

    async def _lease(self, books: Books, request: RequestState, ticket: Ticket) -> PoolLease:
        """A connection for the ticket: waited for, opened, or reused after a last look."""
        books.join(ticket)
        while True:
            if ticket.entry is None:
                await self._wait(books, request, ticket)
            entry = ticket.entry
            assert entry is not None
            if entry.connection is None:
                return PoolLease(books, entry, await self._open(books, entry, request), reused=False)
            connection = books.connection(entry)
            if entry.leases > 1 or self._usable(entry, connection):
                return PoolLease(books, entry, connection, reused=True)
            ticket.entry = None
            books.replace(entry, ticket)

    def _usable(self, entry: Entry, connection: HTTPConnection) -> bool:
        expiry = self.pool_limits.keepalive_expiry
        if expiry is not None and entry.idle_since and self.now() - entry.idle_since > expiry:
            return False
        return connection.engine.check()

    async def _open(self, books: Books, entry: Entry, request: RequestState) -> HTTPConnection:
        connection = HTTPConnection(
            request.url.origin,
            timeout=self.timeout,
            http_versions=self._http_versions,
            limits=self._limits,
            now=self.now,
        )
        opening = Opening(books.backend, self._http_versions, self._limits, self.now)
        try:
            await connection.open(opening, request, self._ssl_config(request))
        except BaseException:
            books.failed(entry)
            raise
        books.opened(entry, connection)
        return connection

    async def _wait(self, books: Books, request: RequestState, ticket: Ticket) -> None:
        """Wait in line. Raises PoolTimeout, TotalTimeout or ClientClosed."""
        limit = self.pool_limits.pool_timeout
        started = self.now()
        try:
            while not books.take_place(ticket):
                request.phases.pool = self.now() - started
                left = None if limit is None else limit - request.phases.pool
                if request.deadline is not None:
                    left = request.deadline.within(left)
                if left is not None and left <= 0:
                    raise timeout_error(request, "pool", limit, Delivery.NOT_SENT)
                waiter = ticket.waiter
                assert waiter is not None
                await waiter.wait(WAIT_SLICE if left is None else min(left, WAIT_SLICE))
                if self._closed and ticket.entry is None:
                    raise ClientClosed("The client was closed while this request waited for a connection")
        except TotalTimeout as exc:
            books.leave(ticket)
            if exc.delivery is not None:
                raise
            raise total_timeout(request, exc, Delivery.NOT_SENT) from exc
        except BaseException:
            books.leave(ticket)
            raise
        finally:
            request.phases.pool = self.now() - started

    async def _send_again(
        self, books: Books, request: RequestState, ticket: Ticket, first: RequestError
    ) -> ResponseState:
        """The one replay, on a connection opened for it (or, for HTTP/2, after the failure)."""
        request.body.rewind()
        fresh = Ticket(ticket.key, ticket.origin, ticket.multiplexes, newer_than=books.state.serial)
        try:
            lease = await self._lease(books, request, fresh)
            return await lease.connection.engine.exchange(request, lease)
        except RequestError as second:
            if first.delivery is Delivery.MAYBE_PROCESSED:
                # The second try may not even have been sent; the first one still counts.
                second.delivery = Delivery.MAYBE_PROCESSED
            raise second from first


def may_send_again(request: RequestState, error: RequestError, lease: PoolLease) -> bool:
    """The replay rule: once, and only where the request was certainly not processed, or is idempotent and met
    a connection that the server was closing."""
    if isinstance(error, (Timeout, LocalProtocolError)) or not request.body.can_send_again:
        return False
    if error.delivery in (Delivery.NOT_SENT, Delivery.REFUSED):
        return True
    return lease.reused and not lease.answered and request.method in IDEMPOTENT
