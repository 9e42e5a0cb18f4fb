"""One connection to one origin: how it is opened, and which engine speaks on it.

Opening is resolve, order, connect, TLS, ALPN, all within one ``connect_timeout``. What ALPN picked decides
the engine (RFC 9113 section 3.2); over cleartext HTTP/2 is spoken only where it is the one version allowed
(prior knowledge, section 3.3).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from http3_models._config import DEFAULT_LIMITS, DEFAULT_TIMEOUT_CONFIG, SSLConfig, TimeoutConfig
from http3_models._exceptions import (
    ConnectError,
    Delivery,
    LocalProtocolError,
    NotConnected,
    RemoteProtocolError,
    TLSError,
    TotalTimeout,
    UnsupportedProtocol,
)
from http3_models._interfaces import AsyncDispatcher
from http3_models._request import AsyncRequest
from http3_models._response import AsyncResponse
from http3_models._ssl import context_for
from http3_models._url import URL, Origin

from ._backends._choice import choose_backend
from ._connecting import open_stream
from ._errors import network_error, protocol_error, reason, timeout_error, total_timeout
from ._foreign import ForeignBackend
from ._interfaces import OperationTimeout

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from http3_models._config import CertTypes, Limits, TimeoutTypes, VerifyTypes
    from http3_models._interfaces import ConcurrencyBackend
    from http3_models._records import RequestState, ResponseState

    from ._interfaces import Backend, Clock, Engine, Stream

HTTP_VERSIONS = ("HTTP/1.1", "HTTP/2")
"""What may be asked for with ``http_versions``; the default of it."""

_ALPN_NAMES = {"HTTP/2": "h2", "HTTP/1.1": "http/1.1"}


def check_http_versions(http_versions: object) -> tuple[str, ...]:
    """The versions as a tuple. Raises TypeError or ValueError for anything that is not in `HTTP_VERSIONS`."""
    if not isinstance(http_versions, (tuple, list)):
        raise TypeError("http_versions must be a tuple of strings, such as ('HTTP/1.1', 'HTTP/2')")
    known = [version for version in HTTP_VERSIONS if version in http_versions]
    if not known or len(known) < len(http_versions):
        raise ValueError(f"http_versions must name some of {HTTP_VERSIONS}, not {tuple(http_versions)!r}")
    return tuple(known)


def alpn_protocols(http_versions: tuple[str, ...]) -> tuple[str, ...]:
    """What ALPN offers, HTTP/2 first: a server that prefers the client's order should pick it."""
    return tuple(name for version, name in _ALPN_NAMES.items() if version in http_versions)


class Opening:
    """What opening needs to know and does not change from request to request."""

    __slots__ = ("backend", "http_versions", "limits", "now")

    backend: Backend
    http_versions: tuple[str, ...]
    limits: Limits
    now: Clock

    def __init__(self, backend: Backend, http_versions: tuple[str, ...], limits: Limits, now: Clock) -> None:
        self.backend = backend
        self.http_versions = http_versions
        self.limits = limits
        self.now = now


async def open_engine(opening: Opening, origin: Origin, config: SSLConfig, request: RequestState) -> Engine:
    """Connect to ``origin`` for ``request``, whose connect limit and deadline apply to all of it.

    A CA file or certificate that is missing is the caller's OSError, and passes as it is.
    """
    context = None
    if origin.is_ssl:
        context = context_for(config, alpn_protocols(opening.http_versions))
    limit = request.timeout.connect_timeout if request.timeout is not None else None
    try:
        left = limit if request.deadline is None else request.deadline.within(limit)
        ends = None if left is None else opening.now() + left
        stream, protocol = await _connected(opening, origin, context, request, ends)
        return await _engine(opening, stream, protocol, request, ends)
    except OperationTimeout as exc:
        raise timeout_error(request, "connect", limit, Delivery.NOT_SENT) from exc
    except TotalTimeout as exc:
        raise total_timeout(request, exc, Delivery.NOT_SENT) from exc
    except OSError as exc:
        what = f"Could not connect to {origin.host} port {origin.port}: {reason(exc)}"
        raise network_error(ConnectError, request, what, Delivery.NOT_SENT) from exc


async def _connected(
    opening: Opening,
    origin: Origin,
    context: ssl.SSLContext | None,
    request: RequestState,
    ends: float | None,
) -> tuple[Stream, str | None]:
    """A stream, with TLS where the origin wants it, and what ALPN picked."""
    backend = opening.backend
    if isinstance(backend, ForeignBackend):
        return await backend.open(origin, context, request)
    left = None if ends is None else ends - opening.now()
    stream = await open_stream(
        backend, origin.host, origin.port, left, phases=request.phases, now=opening.now
    )
    if context is None:
        return stream, None
    return await _secured(opening, stream, context, origin, request, ends)


async def _secured(
    opening: Opening,
    stream: Stream,
    context: ssl.SSLContext,
    origin: Origin,
    request: RequestState,
    ends: float | None,
) -> tuple[Stream, str | None]:
    from ._tls import start_tls

    started = opening.now()
    left = None if ends is None else ends - started
    try:
        secured = await start_tls(stream, context, origin.host, left, now=opening.now)
    except OSError as exc:
        if "NO_APPLICATION_PROTOCOL" in (getattr(exc, "reason", None) or ""):  # RFC 7301 section 3.2
            raise _no_version(opening.http_versions, "nothing", request) from exc
        what = f"The TLS handshake with {origin.host} port {origin.port} failed: {reason(exc)}"
        raise network_error(TLSError, request, what, Delivery.NOT_SENT) from exc
    finally:
        request.phases.tls = opening.now() - started
    return secured, secured.alpn_protocol


async def _engine(
    opening: Opening, stream: Stream, alpn: str | None, request: RequestState, ends: float | None
) -> Engine:
    version = _version(opening.http_versions, stream, alpn, request)
    if version == "HTTP/1.1":
        from ._http11 import HTTP11Engine

        return HTTP11Engine(stream, now=opening.now, limits=opening.limits)
    from ._http2 import HTTP2Engine

    engine = HTTP2Engine(stream, opening.backend, now=opening.now, limits=opening.limits)
    try:
        await engine.start(None if ends is None else max(ends - opening.now(), 0.001))
    except BaseException:
        engine.abort()
        raise
    return engine


def _version(http_versions: tuple[str, ...], stream: Stream, alpn: str | None, request: RequestState) -> str:
    """The HTTP version to speak. Raises RemoteProtocolError where the server picked none of ours."""
    if alpn == "h2" and "HTTP/2" in http_versions:
        return "HTTP/2"
    if alpn in (None, "http/1.1") and "HTTP/1.1" in http_versions:
        return "HTTP/1.1"
    if alpn is None and not request.url.is_ssl:
        return "HTTP/2"
    stream.abort()
    raise _no_version(http_versions, alpn or "nothing", request)


def _no_version(http_versions: tuple[str, ...], picked: str, request: RequestState) -> RemoteProtocolError:
    what = f"The server did not agree to {' or '.join(http_versions)} (ALPN picked {picked})"
    return protocol_error(RemoteProtocolError, request, what, Delivery.NOT_SENT)


class HTTPConnection(AsyncDispatcher):
    """A single connection to one origin; what a `ConnectionPool` is made of, and a dispatcher by itself.

    Opened with the first request. HTTP/1.1 takes one request at a time (a second one meanwhile raises
    LocalProtocolError), HTTP/2 many. Once closed, by either side, requests raise NotConnected.

    ``origin`` is an `Origin`, URL or str; ``verify``, ``cert``, ``timeout``, ``http_versions``, ``backend``,
    ``trust_env`` and ``limits`` mean what they mean in `ConnectionPool`.
    """

    __module__ = "http3_transport"

    def __init__(
        self,
        origin: Origin | URL | str,
        *,
        verify: VerifyTypes = True,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes = DEFAULT_TIMEOUT_CONFIG,
        http_versions: tuple[str, ...] = HTTP_VERSIONS,
        backend: ConcurrencyBackend | None = None,
        trust_env: bool = True,
        limits: Limits | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.origin: Origin = origin if isinstance(origin, Origin) else Origin(origin)
        self.timeout: TimeoutConfig = TimeoutConfig(timeout)
        self.now = now
        self._config = SSLConfig(verify=verify, cert=cert, trust_env=trust_env)
        self._backend = backend
        self._http_versions = check_http_versions(http_versions)
        self._limits = DEFAULT_LIMITS if limits is None else limits
        self._engine: Engine | None = None
        self._leases = 0
        self._closing = False

    def __repr__(self) -> str:
        state = "not open" if self._engine is None else repr(self._engine)
        scheme = "https" if self.origin.is_ssl else "http"
        return f"<HTTPConnection {scheme}://{self.origin.host}:{self.origin.port} {state}>"

    @property
    def is_http2(self) -> bool:
        """True if HTTP/2 was agreed on; False before the connection is open."""
        return self._engine is not None and self._engine.protocol == "HTTP/2"

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request."""
        return self._closing or (self._engine is not None and self._engine.is_closed)

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
        state = request._state
        if timeout is not None:
            state.timeout = TimeoutConfig(timeout)
        return AsyncResponse._of(await self.exchange(state))

    async def exchange(self, request: RequestState) -> ResponseState:
        """Records in, records out; see `Exchange`."""
        if request.timeout is None:
            request.timeout = self.timeout
        request.phases.begin(self.now)
        if request.url.origin != self.origin:
            what = f"This connection goes to another origin, {self.origin!r}"
            raise protocol_error(LocalProtocolError, request, what, Delivery.NOT_SENT)
        if self.is_closed:
            raise network_error(NotConnected, request, "This connection is closed", Delivery.NOT_SENT)
        if self._engine is None:
            await self.open(
                Opening(choose_backend(self._backend), self._http_versions, self._limits, self.now), request
            )
        engine = self.engine
        if self._leases >= engine.stream_limit:
            what = "This connection carries as many requests as it can"
            raise protocol_error(LocalProtocolError, request, what, Delivery.NOT_SENT)
        self._leases += 1
        return await engine.exchange(request, _OwnLease(self))

    async def open(self, opening: Opening, request: RequestState, config: SSLConfig | None = None) -> None:
        """Connect, for the request that is waiting for it."""
        self._engine = await open_engine(opening, self.origin, config or self._config, request)

    async def close(self) -> None:
        """Close at once if idle, else when the last response ends."""
        self._closing = True
        if self._engine is not None and not self._leases:
            self._engine.close()

    # What the pool asks.

    @property
    def engine(self) -> Engine:
        """The protocol engine. Raises RuntimeError before the connection is open."""
        if self._engine is None:
            raise RuntimeError("the connection is not open")
        return self._engine

    @property
    def stream_limit(self) -> int:
        """See `Engine.stream_limit`; 0 before it is open."""
        return 0 if self._engine is None else self._engine.stream_limit

    @property
    def multiplexes(self) -> bool:
        """True for HTTP/2."""
        return self.is_http2

    def drop(self) -> None:
        """Let go of the socket without a word: it belongs to another process, or to a loop that has ended."""
        if self._engine is not None:
            self._engine.stream.abort()

    def _released(self) -> None:
        self._leases -= 1
        if self._closing and not self._leases:
            self.engine.close()


class _OwnLease:
    """The lease of a connection that is used without a pool."""

    __slots__ = ("_connection", "_held", "answered")

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._held = True
        self.answered = False

    def release(self) -> None:
        if self._held:
            self._held = False
            self._connection._released()

    def abandon(self, cleanup: Callable[[], None]) -> None:
        # There is no next step of a pool at which to do it; nothing here takes a lock.
        cleanup()
        self.release()


def check_scheme(url: URL) -> None:
    """Raises UnsupportedProtocol for anything but http and https."""
    if url.scheme not in ("http", "https"):
        raise UnsupportedProtocol(f"The scheme of a URL must be http or https, not {url.scheme!r}: {url!r}")
