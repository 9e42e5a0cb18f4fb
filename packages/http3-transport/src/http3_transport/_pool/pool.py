"""The connection pool: carries out what `state` decides.

`ConnectionPool.exchange` serves every request: it enqueues a `PoolRequest`, waits in the queue if needed,
opens or checks the connection, runs the exchange, and runs it once more if that is safe (the replay).

A pool belongs to one event loop and one process at a time. Its state there is a `PoolScope`. In another loop
(once the first has ended) or after a fork it starts a new scope, and only drops the sockets of the old one.

Whatever a request is granted (a place in the queue, the right to open a connection, an exchange on one)
belongs to its `PoolLease`, which is made first, and is released however the request ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import (
    DEFAULT_POOL_LIMITS,
    DEFAULT_TIMEOUT_CONFIG,
    AsyncDispatcher,
    AsyncResponse,
    ClientClosed,
    Delivery,
    EgressPolicy,
    Limits,
    LocalProtocolError,
    PoolLimits,
    RequestError,
    SSLConfig,
    Timeout,
    TimeoutConfig,
)
from http3_models.engine import (
    HTTP_VERSIONS,
    check_http_scheme,
    drain,
    effective_pool_timeout,
    hide_arguments,
    sends_by_exchange,
    view_response,
)

from .. import _events
from .._connect import (
    Routes,
    check_argument,
    check_options,
    choose_backend,
    never_suspends,
    outgoing,
    send_by,
)
from .._errors import HTTP11Required, limit_left, timeout_error
from .._interfaces import OperationTimeout
from .connection import HTTPConnection, show
from .entries import PoolRequest
from .scope import PoolLease, PoolScope, replace_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from http3_models import (
        AsyncRequest,
        CertTypes,
        ConcurrencyBackend,
        NetworkConfig,
        Origin,
        ProxyTypes,
        Request,
        TimeoutTypes,
        VerifyTypes,
    )
    from http3_models.engine import ProxyRules, RequestState, ResponseState

    from .._connect import Route
    from .._interfaces import Backend, ProtocolConnection


WAIT_SLICE = 0.5
"""Seconds after which a waiting request looks for releases that finalisers have deferred."""

SETTINGS_WAIT = 1.0
"""Seconds for which waiting requests wait for the SETTINGS of a new HTTP/2 connection; then one of them opens
another connection. A server that sends none for so long may never do."""

CHALLENGES = 3
"""Times that a request is sent again for a 407: for a challenge, and again if its nonce was stale or that of
another connection."""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2."""


class ConnectionPool(AsyncDispatcher):
    """Sends requests over pooled connections, HTTP/1.1 and HTTP/2. The default dispatcher of both clients.

    ``verify``, ``cert`` and ``timeout`` are the defaults for requests that name none. ``pool_limits`` limits
    the connections, ``limits`` what a server can make them store. ``http_versions`` may be negotiated.
    ``backend``: None selects one for the async library that runs at the first await. ``trust_env``: whether
    SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE are read. ``replay``: whether a request is sent a second
    time if that is safe. ``egress``: which addresses are refused; None: none. ``proxy``, ``network``: as in
    `http3_client.Client`. ``now``: the clock, in seconds; None: that of the backend, if it has one, else
    `time.monotonic`.
    Raises TypeError or ValueError for wrong arguments.
    """

    __module__ = "http3_transport"

    keeps_deadline = True

    @hide_arguments
    def __init__(
        self,
        *,
        verify: VerifyTypes = True,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT_CONFIG,
        pool_limits: PoolLimits = DEFAULT_POOL_LIMITS,
        backend: ConcurrencyBackend | Backend | None = None,
        http_versions: tuple[str, ...] = HTTP_VERSIONS,
        trust_env: bool = True,
        replay: bool = True,
        limits: Limits | None = None,
        egress: EgressPolicy | None = None,
        proxy: ProxyTypes | ProxyRules | None = None,
        network: NetworkConfig | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.pool_limits: PoolLimits = check_argument("pool_limits", pool_limits, PoolLimits)
        self.replay: bool = check_argument("replay", replay, bool)
        self._options = options = check_options(
            verify=verify,
            cert=cert,
            timeout=timeout,
            backend=backend,
            http_versions=http_versions,
            trust_env=trust_env,
            limits=limits,
            egress=egress,
            proxy=proxy,
            network=network,
            now=now,
        )
        self._routes = Routes(options.proxies)
        self.timeout: TimeoutConfig = options.timeout
        self.now: Callable[[], float] = options.now
        self._multiplexes = _known_protocols(options.http_versions)
        self._closed = False
        self._scope: PoolScope | None = None
        self._http11_only: dict[Origin, None] = {}

    def __repr__(self) -> str:
        if getattr(self, "_closed", True):
            return "<ConnectionPool closed>"
        return (
            f"<ConnectionPool {len(self.active_connections)} active, {len(self.keepalive_connections)} idle>"
        )

    @property
    def active_connections(self) -> list[HTTPConnection]:
        """Connections with a request under way."""
        return [] if self._scope is None else show(self._scope.connections(idle=False), self._options)

    @property
    def keepalive_connections(self) -> list[HTTPConnection]:
        """Idle connections, the one that is idle for the longest time first."""
        return [] if self._scope is None else show(self._scope.connections(idle=True), self._options)

    @property
    def blocks(self) -> bool:
        """True over blocking sockets: no await suspends, so no event loop is needed."""
        return never_suspends(self._options.backend)

    @sends_by_exchange
    async def send(
        self,
        request: AsyncRequest,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> AsyncResponse:
        """Send a request; the response's body is still to be read. Raises TransportError subclasses."""
        try:
            record = self._outgoing(request, verify, cert, timeout)
        finally:
            del cert  # see `http3_models._redaction`
        return view_response(AsyncResponse, await send_by(self.exchange, record, request))

    async def exchange(
        self, request: RequestState, *, challenges: int = CHALLENGES, route: Route | None = None
    ) -> ResponseState:
        """`Transport.exchange`. ``challenges`` of a proxy are answered at most, by ``route``."""
        scope = self._open_scope()
        if challenges == CHALLENGES:
            request.phases.begin(self.now)
        if request.timeout is None:
            request.timeout = self.timeout
        check_http_scheme(request.url)
        pool_request = self._pool_request(request) if route is None else self._by_route(request, route)
        lease = PoolLease(scope, pool_request)
        engine = await self._acquire(scope, request, lease)
        if route is not None and pool_request.entry is not None and pool_request.entry.connection is not None:
            pool_request.entry.connection.follow(route)
        try:
            response = await engine.exchange(request, lease)
        except RequestError as exc:
            origin = lease.pool_request.origin
            declined = requires_http11(lease.pool_request, exc) and scope.require_http11(origin)
            if not (self.replay and not self._closed and may_send_again(request, exc, lease, declined)):
                raise
            first = exc
        except BaseException:
            lease.abort_and_release()
            raise
        else:
            if lease.pool_request.route is None:
                return response
            return await self._answered_by_proxy(request, lease.pool_request, response, challenges)
        return await self._send_again(scope, request, lease.pool_request, first)

    async def close(self) -> None:
        """Close idle connections at once, busy ones when their response ends. Idempotent.

        Requests in the queue get ClientClosed, and so does every later request.
        """
        self._closed = True
        scope = self._scope
        if scope is not None:
            scope.close_or_drop()

    # The steps of a request.

    def _outgoing(
        self,
        request: AsyncRequest | Request,
        verify: VerifyTypes | None,
        cert: CertTypes | None,
        timeout: TimeoutTypes | None,
        *,
        asynchronous: bool = True,
    ) -> RequestState:
        """The state of a request that is sent without a client. Raises TypeError, ValueError or OSError."""
        try:
            limits = self.timeout if timeout is None else timeout
            record = outgoing(request, limits, self.now, asynchronous=asynchronous)
            record.verify = verify
            record.cert = cert
            record.without_cert = record.without_cert and cert is None
            self._ssl_config(record)  # raises for a wrong ``verify`` or ``cert``
        finally:
            del cert
        return record

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed("This client is closed; make a new one")

    def _open_scope(self) -> PoolScope:
        """The scope for this process and loop. Raises ClientClosed, or RuntimeError for a second loop."""
        self._check_open()
        scope = self._scope
        if scope is not None and scope.is_of_this_process():
            if scope.is_here():
                if scope.deferred:
                    scope.run_deferred_releases()
                return scope
            if not scope.backend.loop_has_ended(scope.loop_token):
                raise RuntimeError(
                    "an AsyncClient serves one event loop at a time, and its first one was not closed yet"
                )
        options = self._options
        fresh = PoolScope(options, choose_backend(options.backend), self.pool_limits, self._http11_only)
        if not replace_scope(self, scope, fresh):
            return self._open_scope()  # another thread was faster, maybe one with a loop of its own
        if scope is not None:
            scope.drop()
        if self._closed:  # meanwhile, by a `close` that may not have seen this scope
            fresh.close()
        return fresh

    def _pool_request(self, request: RequestState) -> PoolRequest:
        """Requests with equal keys may share connections: one origin, and one TLS configuration if that is
        not the pool's. So may requests that one proxy forwards, whatever their origin."""
        origin = request.url.origin
        key: Hashable = origin
        if request.proxy is not None or not self._routes.is_empty:
            route = self._routes.choose(request)
            if route is not None:
                return self._by_route(request, route)
        if origin.is_ssl and (request.verify is not None or request.cert is not None or request.without_cert):
            config = self._ssl_config(request)
            if config != self._options.tls:
                key = (origin, config)
        return PoolRequest(key, origin, self._multiplexes[origin.is_ssl])

    def _by_route(self, request: RequestState, route: Route) -> PoolRequest:
        origin = request.url.origin
        if route.forwards(origin):
            return PoolRequest(("forwards", route.key), route.proxy.origin, False, route=route)
        config = self._ssl_config(request) if origin.is_ssl else None
        return PoolRequest((origin, config, route.key), origin, self._multiplexes[origin.is_ssl], route=route)

    async def _answered_by_proxy(
        self, request: RequestState, pool_request: PoolRequest, response: ResponseState, challenges: int
    ) -> ResponseState:
        """The response, with the facts of the proxy. After a 407 of a proxy that forwards requests it is that
        of the request with other credentials, if there are such; ``challenges`` is how often at most."""
        connection = None if pool_request.entry is None else pool_request.entry.connection
        if response.status_code == 407 and challenges and request.body.can_send_again and connection:
            is_first = challenges == CHALLENGES
            route = connection.route_after(response.headers, is_first=is_first)
            if route is not None:
                await drain(response)
                if request.body.length != 0:
                    connection.close()  # squid leaves it open, and answers nothing more on it
                request.body.rewind()
                return await self.exchange(request, challenges=challenges - 1, route=route)
        return note_proxy(pool_request, response)

    def _ssl_config(self, request: RequestState) -> SSLConfig:
        own = self._options.tls
        if request.without_cert and own.cert is not None:
            own = SSLConfig(verify=own.verify, trust_env=own.trust_env)
        if request.verify is None and request.cert is None:
            return own
        return own.with_overrides(verify=request.verify, cert=request.cert)

    async def _acquire(self, scope: PoolScope, request: RequestState, lease: PoolLease) -> ProtocolConnection:
        """A connection for the lease: opened, or reused after a check; waited for if needed."""
        pool_request = lease.pool_request
        try:
            scope.enqueue(pool_request)
            while True:
                if pool_request.entry is None:
                    await self._wait(scope, request, pool_request)
                entry = pool_request.entry
                assert entry is not None
                connection = entry.connection
                if connection is None:
                    return (await scope.open(pool_request, request, self._ssl_config(request))).engine
                engine, http2 = connection.engine, connection.http2
                if scope.is_usable(entry, engine) and (
                    http2 is None or http2.pulse.doubted_since is None or await connection.reassure(request)
                ):
                    lease.reused = True
                    connection.logged = request.phases.logged
                    if connection.logged:
                        _events.reused(engine, request)
                    return engine
                if requires_http11(pool_request):
                    scope.require_http11(pool_request.origin)
                scope.replace(pool_request)
        except GeneratorExit:
            raise  # perhaps in a finaliser; that of the lease releases it
        except BaseException:
            lease.release()
            raise

    async def _wait(self, scope: PoolScope, request: RequestState, pool_request: PoolRequest) -> None:
        """Wait in the queue. Raises PoolTimeout, TotalTimeout or ClientClosed."""
        limit = effective_pool_timeout(request.timeout or self.timeout, self.pool_limits)
        phases = request.phases
        patience = SETTINGS_WAIT if limit is None else min(SETTINGS_WAIT, limit / 2)
        longest = min(WAIT_SLICE, patience / 2)
        started = self.now() - (phases.pool or 0.0)  # one limit, however often this request has to wait
        try:
            while not scope.poll(pool_request, patience):
                phases.pool = self.now() - started
                left = limit_left(request, limit, phases.pool)
                waiter = pool_request.waiter
                assert waiter is not None
                if not await waiter.wait(longest if left is None else min(left, longest)):
                    scope.look_for_room(pool_request)
        except OperationTimeout as exc:
            raise timeout_error(request, "pool", Delivery.NOT_SENT, pool_timeout=limit) from exc
        finally:
            phases.pool = self.now() - started

    async def _send_again(
        self, scope: PoolScope, request: RequestState, failed: PoolRequest, first: RequestError
    ) -> ResponseState:
        """The replay, on a connection that was opened after the failure."""
        request.body.rewind()
        if request.phases.logged:
            _events.replayed(request, first)
        pool_request = PoolRequest(
            failed.key, failed.origin, failed.multiplexes, scope.replays_after(failed), failed.route
        )
        lease = PoolLease(scope, pool_request)
        try:
            engine = await self._acquire(scope, request, lease)
            return note_proxy(pool_request, await engine.exchange(request, lease))
        except RequestError as second:
            if requires_http11(pool_request, second):
                scope.require_http11(pool_request.origin)
            if first.delivery is Delivery.MAYBE_PROCESSED:
                # The second try may not have been sent; what the first one did still counts.
                second.delivery = Delivery.MAYBE_PROCESSED
            second.add_note(f"This was the second try. The first one failed: {first}")
            raise
        except BaseException:
            lease.abort_and_release()
            raise


def note_proxy(pool_request: PoolRequest, response: ResponseState) -> ResponseState:
    """Add the facts of the proxy, if there is one, to those of the response's connection."""
    connection = None if pool_request.entry is None else pool_request.entry.connection
    if pool_request.route is not None and connection is not None and response.connection is not None:
        response.connection = connection.info_by_proxy(response.connection)
    return response


def _known_protocols(http_versions: tuple[str, ...]) -> tuple[bool | None, bool | None]:
    """Whether connections over http, and over https, multiplex; None if the handshake decides."""
    if "HTTP/2" not in http_versions:
        return False, False
    return (True, True) if "HTTP/1.1" not in http_versions else (False, None)


def requires_http11(pool_request: PoolRequest, error: RequestError | None = None) -> bool:
    """Whether the server has sent HTTP_1_1_REQUIRED, for one request (RST_STREAM) or for all (GOAWAY)."""
    connection = None if pool_request.entry is None else pool_request.entry.connection
    http2 = None if connection is None else connection.http2
    if http2 is not None and http2.requires_http11:
        return True
    return error is not None and isinstance(error.__cause__, HTTP11Required)


def may_send_again(
    request: RequestState, error: RequestError, lease: PoolLease, declined: bool = False
) -> bool:
    """The replay rule: only if the request certainly was not processed; or if it is idempotent, and failed on
    a reused connection before any byte of a response, or because the server has ``declined`` HTTP/2."""
    if isinstance(error, (Timeout, LocalProtocolError)) or not request.body.can_send_again:
        return False
    if error.delivery in (Delivery.NOT_SENT, Delivery.REFUSED):
        return True
    return (lease.reused or declined) and not lease.answered and request.method in IDEMPOTENT
