"""One connection to one origin: what a pool is made of, and a dispatcher by itself.

How it is opened is in `establish`; what is spoken on it, in its engine. Here is who may use it when it is
used alone: one request opens it and the others wait; HTTP/1.1 takes one at a time, HTTP/2 as many as the
server has said. It belongs to the process and the event loop in which it was opened.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Self, cast
from weakref import WeakSet

from http3_models import (
    DEFAULT_LIMITS,
    DEFAULT_SSL_CONFIG,
    DEFAULT_TIMEOUT_CONFIG,
    URL,
    AsyncDispatcher,
    AsyncResponse,
    Delivery,
    EgressPolicy,
    Limits,
    LocalProtocolError,
    NotConnected,
    Origin,
)
from http3_models.engine import (
    HTTP_VERSIONS,
    as_timeout,
    check_http_scheme,
    check_http_versions,
    hide_arguments,
    sends_by_exchange,
    view_response,
)

from .. import _process
from .._errors import limit_left, network_error, phase_timeout, protocol_error, timeout_error
from .._interfaces import OperationTimeout, WatchedStream
from .backend_choice import check_backend, choose_backend, choose_clock, never_suspends
from .establish import TransportOptions, establish
from .standalone import as_ssl_config, check_argument, outgoing, send_by
from .unclosed import give_back, weakly

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import (
        AsyncRequest,
        AsyncResponse,
        CertTypes,
        ConcurrencyBackend,
        SSLConfig,
        TimeoutConfig,
        TimeoutTypes,
        VerifyTypes,
    )
    from http3_models.engine import RequestState, ResponseState

    from .._http2 import HTTP2Connection
    from .._interfaces import Backend, Clock, ProtocolConnection, Waiter

open_connections: WeakSet[HTTPConnection] = WeakSet()
"""All that were opened in this process: a forked child must let go of them."""


class HTTPConnection(AsyncDispatcher):
    """A single connection to one origin; what a `ConnectionPool` is made of, and a dispatcher by itself.

    Opened with the first request. HTTP/1.1 takes one request at a time (a second one meanwhile raises
    LocalProtocolError), HTTP/2 many. Once closed, by either side, requests raise NotConnected; so they do in
    another event loop, and in a forked process.

    ``origin`` is an `Origin`, URL or str; ``verify``, ``cert``, ``timeout``, ``http_versions``, ``backend``,
    ``trust_env``, ``limits``, ``egress`` and ``now`` mean what they mean in `ConnectionPool`.
    """

    __module__ = "http3_transport"

    origin: Origin
    timeout: TimeoutConfig
    now: Callable[[], float]
    stream_limit_known: bool = True
    """False while an HTTP/2 server has not said yet how many streams it takes."""
    multiplexes: bool = False
    """True for HTTP/2, once it is open."""
    _http2: HTTP2Connection | None = None
    """The engine then."""

    _config: SSLConfig = DEFAULT_SSL_CONFIG
    _given_backend: ConcurrencyBackend | Backend | None = None
    _http_versions: tuple[str, ...] = HTTP_VERSIONS
    _limits: Limits = DEFAULT_LIMITS
    _egress: EgressPolicy | None = None
    _backend: Backend | None = None
    _loop_token: object = None
    _engine: ProtocolConnection | None = None
    _closing = False
    _own: _OwnUse | None = None

    _when_stream_limit_known: Callable[[], object] | None = None
    """For the pool: called when an HTTP/2 server has said how many streams it takes. Holds no pool alive."""
    _when_over: Callable[[], object] | None = None
    """For the pool: called when the server closes the connection, if the event loop notices."""
    _is_dropped: bool = False
    """True if its socket was let go without a word."""

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
        self.origin = _as_origin(origin)
        self.timeout = as_timeout(timeout)
        self.now = choose_clock(now, backend)
        self._config = as_ssl_config(verify, cert, trust_env)
        self._given_backend = check_backend(backend)
        self._http_versions = check_http_versions(http_versions)
        if limits is not None:
            self._limits = check_argument("limits", limits, Limits)
        if egress is not None:
            self._egress = check_argument("egress", egress, EgressPolicy)

    @classmethod
    def _of_pool(cls, origin: Origin, timeout: TimeoutConfig, now: Clock) -> Self:
        """One that a pool opens: it has checked all that is to be checked (-2 us)."""
        connection = cls.__new__(cls)
        connection.origin = origin
        connection.timeout = timeout
        connection.now = now
        return connection

    def __repr__(self) -> str:
        if not hasattr(self, "origin"):  # the constructor failed
            return "<HTTPConnection>"
        state = "not open" if self._engine is None else repr(self._engine)
        scheme = "https" if self.origin.is_ssl else "http"
        return f"<HTTPConnection {scheme}://{self.origin.host}:{self.origin.port} {state}>"

    @property
    def is_http2(self) -> bool:
        """True if HTTP/2 was agreed on; False before the connection is open."""
        return self.multiplexes

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request."""
        return self._closing or (self._engine is not None and self._engine.is_closed)

    @property
    def blocks(self) -> bool:
        """True over blocking sockets: no event loop is needed to drive it."""
        return never_suspends(self._given_backend)

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
            what = f"This connection goes to another origin, {self.origin!r}"
            raise protocol_error(LocalProtocolError, request, what, Delivery.NOT_SENT)
        self._check_open(request)
        # Two threads may come here at once; both get the same.
        own: _OwnUse = self._own or self.__dict__.setdefault("_own", _OwnUse())
        self._settle_abandoned(own)
        lease = _OwnLease(self, own)
        try:
            engine = await self._take(request, own, lease)
            return await engine.exchange(request, lease)
        except BaseException:
            if own.opener is lease:
                own.opener = None
                own.wake()
            if lease in own.leases:  # not even the engine knows what has become of the connection
                self.abort()
                lease.release()
            raise

    async def open(
        self,
        options: TransportOptions,
        request: RequestState,
        config: SSLConfig,
    ) -> None:
        """Connect, for the request that is waiting for it."""
        engine = await establish(options, self.origin, config, request, self._note_settled)
        if engine.protocol == "HTTP/2":
            self.multiplexes = True
            self._http2 = cast("HTTP2Connection", engine)
            self.stream_limit_known = False
        self._engine = engine
        open_connections.add(self)
        if isinstance(engine.stream, WatchedStream):
            engine.stream.when_over(weakly(self._note_end))

    def _note_settled(self) -> None:
        self.stream_limit_known = True
        if self._own is not None:
            self._own.wake()
        if self._when_stream_limit_known is not None:
            self._when_stream_limit_known()

    def _note_end(self) -> None:
        """The server has closed the connection: those who use it will find out, and nobody else gets it."""
        self._closing = True
        if self._when_over is not None:
            self._when_over()
        elif self._own is not None and not self._own.leases and self._engine is not None:
            self._engine.close()

    async def close(self) -> None:
        """Close at once if idle, else when the last response ends."""
        self._closing = True
        engine, own = self._engine, self._own
        if engine is None or not self._is_here():
            return
        if own is None:
            engine.close()
            return
        self._settle_abandoned(own)
        if not own.leases:
            engine.close()
        own.wake()

    # Who may use it, where no pool decides that.

    async def _take(self, request: RequestState, own: _OwnUse, lease: _OwnLease) -> ProtocolConnection:
        """Give the lease the connection, once that is open and known to have room."""
        backend = self._backend = self._backend or choose_backend(self._given_backend)
        started = self.now()
        while True:
            waiter = None
            with own.lock:
                self._check_open(request)
                engine = self._engine
                if engine is not None and len(own.leases) < engine.stream_limit:
                    own.leases.add(lease)
                    break
                if engine is not None and self.stream_limit_known:
                    what = "This connection carries as many requests as it can"
                    raise protocol_error(LocalProtocolError, request, what, Delivery.NOT_SENT)
                if engine is not None or own.opener is not None:
                    waiter = backend.waiter()
                    own.line.append(waiter)
                else:
                    own.opener = lease
            if waiter is None:
                await self._open_alone(backend, own, request)
            else:
                await waiter.wait(self._left(request, started))
        if len(own.leases) == 1 and not engine.check():
            self._check_open(request)
        http2 = self._http2
        if http2 is not None and http2.pulse.doubted_since is not None and not await self._reassure(request):
            lease.release()
            self._check_open(request)
        return engine

    def _left(self, request: RequestState, started: float) -> float | None:
        """Seconds that the request may still wait for somebody else to open the connection."""
        try:
            return limit_left(request, phase_timeout(request, "connect"), self.now() - started)
        except OperationTimeout as exc:
            raise timeout_error(request, "connect", Delivery.NOT_SENT) from exc

    async def _open_alone(self, backend: Backend, own: _OwnUse, request: RequestState) -> None:
        self._loop_token = backend.loop_token()
        options = TransportOptions(backend, self._http_versions, self._limits, self.now, self._egress)
        await self.open(options, request, self._config)
        own.opened = (_process.generation, backend, self._loop_token, [self.engine])
        own.opener = None
        if self._closing and self._engine is not None:
            self._engine.close()
        own.wake()

    def _check_open(self, request: RequestState) -> None:
        if self.is_closed:
            raise network_error(NotConnected, request, "This connection is closed", Delivery.NOT_SENT)
        if self._engine is not None and not self._is_here():
            what = "This connection belongs to another event loop"
            raise network_error(NotConnected, request, what, Delivery.NOT_SENT)

    def _is_here(self) -> bool:
        """True in the event loop that it was opened in; also where a pool has opened it and knows."""
        if self._backend is None:
            return True
        try:
            return self._backend.loop_token() is self._loop_token
        except RuntimeError:  # no loop, or another library's
            return False

    def _released(self, own: _OwnUse, lease: _OwnLease) -> None:
        own.leases.discard(lease)
        if own.line:
            own.wake()
        if self._closing and not own.leases and self._engine is not None:
            self._engine.close()

    def _settle_abandoned(self, own: _OwnUse) -> None:
        """Do what finalisers left to be done."""
        while own.abandoned:
            lease, cleanup = own.abandoned.popleft()
            if lease in own.leases:
                cleanup()
            self._released(own, lease)

    # What the pool asks.

    async def _reassure(self, request: RequestState) -> bool:
        """Where there is doubt whether anybody is at the other end of HTTP/2, wait for a sign of life.

        False if it can't be used; then it is closed, unless others use it still.
        """
        engine = self._http2
        assert engine is not None
        if await engine.reassure(request.deadline):
            return True
        if engine.is_idle:
            engine.close()
        return False

    @property
    def engine(self) -> ProtocolConnection:
        """The protocol engine. Raises RuntimeError before the connection is open."""
        if self._engine is None:
            raise RuntimeError("the connection is not open")
        return self._engine

    @property
    def stream_limit(self) -> int:
        """See `Engine.stream_limit`; 0 before it is open, once the server has closed it, and while it takes
        nothing."""
        http2 = self._http2
        if self._engine is None or self._closing or (http2 is not None and http2.pulse.is_clogged):
            return 0
        return self._engine.stream_limit

    def abort(self) -> None:
        """Drop the socket; every exchange under way fails."""
        if self._engine is not None:
            self._engine.abort()

    def drop(self) -> None:
        """Let go of the socket without a word: it belongs to another process, or to a loop that has ended."""
        self._closing = self._is_dropped = True
        if self._own is not None:
            self._own.lock, self._own.line, self._own.opened = threading.Lock(), [], None
        if self._engine is not None:
            self._engine.drop()


def _as_origin(origin: object) -> Origin:
    """Raises TypeError, InvalidURL or UnsupportedProtocol."""
    if isinstance(origin, Origin):
        return origin
    if not isinstance(origin, URL | str):
        raise TypeError(f"origin must be an Origin, URL or str, not {type(origin).__name__}")
    url = URL(origin)
    check_http_scheme(url)
    return Origin(url)


class _OwnUse:
    """Who uses a connection that no pool lends; made with the first of them, whom most connections never see.

    The lock guards ``line`` and ``opener``, and that ``leases`` do not become too many.
    """

    __slots__ = ("abandoned", "leases", "line", "lock", "opened", "opener")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.leases: set[_OwnLease] = set()
        self.line: list[Waiter] = []
        self.opener: _OwnLease | None = None
        self.abandoned: deque[tuple[_OwnLease, Callable[[], None]]] = deque()
        self.opened: tuple[int, Backend, object, list[ProtocolConnection]] | None = None
        """In which process, and what `give_back` needs to know."""

    def __del__(self) -> None:
        opened = getattr(self, "opened", None)  # its constructor may have been interrupted
        if opened is not None and opened[0] == _process.generation:
            give_back(*opened[1:])

    def wake(self) -> None:
        """Something has changed: whoever waits looks again."""
        with self.lock:
            line, self.line = self.line, []
        for waiter in line:
            waiter.set()


class _OwnLease:
    """The lease of a connection that is used without a pool."""

    __slots__ = ("_connection", "_own", "answered")

    def __init__(self, connection: HTTPConnection, own: _OwnUse) -> None:
        self._connection = connection
        self._own = own
        self.answered = False

    def release(self) -> None:
        self._connection._released(self._own, self)

    def release_from_finalizer(self, cleanup: Callable[[], None]) -> None:
        self._own.abandoned.append((self, cleanup))
