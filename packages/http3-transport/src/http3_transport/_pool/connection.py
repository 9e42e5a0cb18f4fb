"""`HTTPConnection`: one connection to one origin, as a dispatcher.

Used alone, it is a pool of one connection that is opened once: a `PoolScope` with ``hard_limit=1`` knows
which request opens it, which ones wait for that, and how many may use it at a time.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING
from weakref import ref

from http3_models import (
    DEFAULT_TIMEOUT_CONFIG,
    URL,
    AsyncDispatcher,
    AsyncResponse,
    ClientClosed,
    Delivery,
    LocalProtocolError,
    NetworkError,
    NotConnected,
    Origin,
    PoolLimits,
    TimeoutConfig,
)
from http3_models.engine import (
    HTTP_VERSIONS,
    check_http_scheme,
    hide_arguments,
    sends_by_exchange,
    view_response,
)

from .._connect import (
    OpenConnection,
    TransportOptions,
    check_options,
    choose_backend,
    never_suspends,
    outgoing,
    send_by,
    weakly,
)
from .._errors import limit_left, network_error, phase_timeout, protocol_error, timeout_error
from .._interfaces import OperationTimeout
from .entries import PoolRequest
from .scope import PoolLease, PoolScope, replace_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from http3_models import (
        AsyncRequest,
        CertTypes,
        ConcurrencyBackend,
        EgressPolicy,
        Limits,
        TimeoutTypes,
        VerifyTypes,
    )
    from http3_models.engine import RequestState, ResponseState

    from .._interfaces import Backend, ProtocolConnection
    from .entries import PooledConnection

ONE_CONNECTION = PoolLimits(hard_limit=1, keepalive_expiry=None)


class HTTPConnection(AsyncDispatcher):
    """A single connection to one origin, and a dispatcher by itself.

    Opened with the first request. HTTP/1.1 takes one request at a time (a second one meanwhile raises
    LocalProtocolError), HTTP/2 many. Once closed, by either side, requests raise NotConnected; so they do in
    another event loop, and in a forked process. One that a `ConnectionPool` shows is used by that pool:
    sending on it raises LocalProtocolError.

    ``origin`` is an `Origin`, URL or str; ``verify``, ``cert``, ``timeout``, ``http_versions``, ``backend``,
    ``trust_env``, ``limits``, ``egress`` and ``now`` mean what they mean in `ConnectionPool`.
    """

    __module__ = "http3_transport"

    @hide_arguments
    def __init__(
        self,
        origin: Origin | URL | str,
        *,
        verify: VerifyTypes = True,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT_CONFIG,
        http_versions: tuple[str, ...] = HTTP_VERSIONS,
        backend: ConcurrencyBackend | Backend | None = None,
        trust_env: bool = True,
        limits: Limits | None = None,
        egress: EgressPolicy | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        options = check_options(
            verify=verify,
            cert=cert,
            timeout=timeout,
            backend=backend,
            http_versions=http_versions,
            trust_env=trust_env,
            limits=limits,
            egress=egress,
            now=now,
        )
        self._set_up(_as_origin(origin), options, None)

    def _set_up(self, origin: Origin, options: TransportOptions, pooled: OpenConnection | None) -> None:
        self.origin: Origin = origin
        self.timeout: TimeoutConfig = options.timeout
        self.now: Callable[[], float] = options.now
        self._options = options
        self._connection = pooled
        self._is_pooled = pooled is not None
        self._scope: PoolScope | None = None
        self._closed = False

    def __repr__(self) -> str:
        if not hasattr(self, "_closed"):  # the constructor failed
            return "<HTTPConnection>"
        state = "not open" if self._connection is None else repr(self._connection.engine)
        scheme = "https" if self.origin.is_ssl else "http"
        return f"<HTTPConnection {scheme}://{self.origin.host}:{self.origin.port} {state}>"

    # What is known of the connection.

    @property
    def is_http2(self) -> bool:
        """True if HTTP/2 was agreed on; False before the connection is open."""
        return self._connection is not None and self._connection.multiplexes

    @property
    def multiplexes(self) -> bool:
        """True if several requests share it, as over HTTP/2; False before the connection is open."""
        return self.is_http2

    @property
    def stream_limit(self) -> int:
        """Requests that it may carry at a time, as far as known now; 0 before it is open, and once closed."""
        return 0 if self._connection is None or self._closed else self._connection.stream_limit

    @property
    def stream_limit_known(self) -> bool:
        """False until an HTTP/2 server has said how many requests it takes at a time."""
        return self._connection is None or self._connection.stream_limit_known

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request."""
        return self._closed or (self._connection is not None and self._connection.is_closed)

    @property
    def blocks(self) -> bool:
        """True over blocking sockets: no await suspends, so no event loop is needed."""
        return never_suspends(self._options.backend)

    @property
    def engine(self) -> ProtocolConnection:
        """The protocol connection. Raises RuntimeError before the connection is open."""
        if self._connection is None:
            raise RuntimeError("the connection is not open")
        return self._connection.engine

    # Requests.

    @sends_by_exchange
    async def send(
        self,
        request: AsyncRequest,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> AsyncResponse:
        """Send a request over this connection.

        ``verify`` and ``cert`` must be left out: a connection has the ones it was made with. Raises
        LocalProtocolError for a request to another origin, NotConnected once the connection is closed.
        """
        if verify is not None or cert is not None:
            raise TypeError("verify and cert belong to the connection, not to one request on it")
        record = outgoing(request, self.timeout if timeout is None else timeout, self.now)
        return view_response(AsyncResponse, await send_by(self.exchange, record, request))

    async def exchange(self, request: RequestState) -> ResponseState:
        """`Transport.exchange`."""
        if request.timeout is None:
            request.timeout = self.timeout
        request.phases.begin(self.now)
        check_http_scheme(request.url)
        if request.url.origin != self.origin:
            raise _refused(request, f"This connection goes to another origin, {self.origin!r}")
        if self._is_pooled:
            raise _refused(request, "This connection belongs to a pool")
        scope = self._open_scope(request)
        lease = PoolLease(scope, PoolRequest(self.origin, self.origin))
        engine = await self._acquire(scope, request, lease)
        try:
            return await engine.exchange(request, lease)
        except BaseException:
            lease.abort_and_release()
            raise

    def _open_scope(self, request: RequestState) -> PoolScope:
        """The scope, made for the first request. Raises NotConnected."""
        scope = self._scope
        is_here = scope is not None and scope.is_of_this_process() and scope.is_here()
        if scope is not None and is_here and scope.deferred:
            scope.run_deferred_releases()
        self._check_open(request)
        if scope is not None and is_here:
            return scope
        if self._connection is not None or (scope is not None and scope.state.slots):
            what = "This connection belongs to another event loop"
            raise network_error(NotConnected, request, what, Delivery.NOT_SENT)
        fresh = PoolScope(self._options, choose_backend(self._options.backend), ONE_CONNECTION)
        replace_scope(self, scope, fresh)
        return self._open_scope(request)  # another thread may have been faster

    def _check_open(self, request: RequestState) -> None:
        if self.is_closed:
            raise _closed(request)

    async def _acquire(self, scope: PoolScope, request: RequestState, lease: PoolLease) -> ProtocolConnection:
        """The connection for the lease: opened, or waited for and checked. Raises NotConnected."""
        pool_request = lease.pool_request
        try:
            scope.enqueue(pool_request)
            if pool_request.entry is None:
                await self._wait(scope, request, pool_request)
            entry = pool_request.entry
            assert entry is not None
            connection = entry.connection
            if connection is None:
                return await self._open(scope, request, pool_request, entry)
            self._connection = connection  # again, if that was interrupted when it had been opened
            if scope.is_usable(entry, connection.engine) and await connection.reassure(request):
                return connection.engine
            raise _closed(request)
        except GeneratorExit:
            raise  # the finaliser of the lease releases it
        except ClientClosed as exc:
            lease.release()
            raise _closed(request) from exc
        except BaseException:
            lease.release()
            raise

    async def _open(
        self, scope: PoolScope, request: RequestState, pool_request: PoolRequest, entry: PooledConnection
    ) -> ProtocolConnection:
        self._check_open(request)
        if self._connection is not None:  # it was discarded: there is no second one
            raise _closed(request)
        self._connection = connection = await scope.open(pool_request, request, self._options.tls)
        if connection.multiplexes:
            connection.on_settings = weakly(self._on_settings, entry)
        scope.wake_waiting()
        self._check_open(request)  # it may have been closed meanwhile
        return connection.engine

    def _on_settings(self, entry: PooledConnection) -> None:
        if self._scope is not None:
            self._scope.on_settings(entry)
            self._scope.wake_waiting()

    async def _wait(self, scope: PoolScope, request: RequestState, pool_request: PoolRequest) -> None:
        """Wait until another request has opened the connection and its stream limit is known.

        Raises LocalProtocolError if it carries as many requests as it can.
        """
        started, limit = self.now(), phase_timeout(request, "connect")
        try:
            while not scope.poll(pool_request, inf):
                group, waiter = pool_request.group, pool_request.waiter
                assert group is not None
                assert waiter is not None
                if not group.opening:
                    raise _refused(request, "This connection carries as many requests as it can")
                await waiter.wait(limit_left(request, limit, self.now() - started))
        except OperationTimeout as exc:
            raise timeout_error(request, "connect", Delivery.NOT_SENT) from exc

    # The end.

    async def close(self) -> None:
        """Close at once if idle, else when the last response ends."""
        self._closed = True
        scope, connection = self._scope, self._connection
        if scope is not None:
            scope.close_or_drop()
        elif connection is not None:  # a pool's
            connection.has_ended = True
            connection.close()

    def abort(self) -> None:
        """Drop the socket; every request under way fails."""
        if self._connection is not None:
            self._connection.abort()

    def drop(self) -> None:
        """Drop the socket of another process, or of an event loop that has ended."""
        self._closed = True
        if self._connection is not None:
            self._connection.drop()


def show(connections: Sequence[OpenConnection], options: TransportOptions) -> list[HTTPConnection]:
    """What users see of a pool's connections: the same object while it is referred to."""
    shown = []
    for connection in connections:
        view = None if connection.shown_as is None else connection.shown_as()
        if not isinstance(view, HTTPConnection):
            view = HTTPConnection.__new__(HTTPConnection)
            view._set_up(connection.origin, options, connection)
            connection.shown_as = ref(view)
        shown.append(view)
    return shown


def _closed(request: RequestState) -> NetworkError:
    return network_error(NotConnected, request, "This connection is closed", Delivery.NOT_SENT)


def _refused(request: RequestState, what: str) -> LocalProtocolError:
    return protocol_error(LocalProtocolError, request, what, Delivery.NOT_SENT)


def _as_origin(origin: object) -> Origin:
    """Raises TypeError, InvalidURL or UnsupportedProtocol."""
    if isinstance(origin, Origin):
        return origin
    if not isinstance(origin, URL | str):
        raise TypeError(f"origin must be an Origin, URL or str, not {type(origin).__name__}")
    url = URL(origin)
    check_http_scheme(url)
    return Origin(url)
