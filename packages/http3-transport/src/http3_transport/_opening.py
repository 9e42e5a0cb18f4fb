"""How a connection to an origin is opened, and which engine speaks on it.

Opening is resolve, order, connect, TLS, ALPN, all within one ``connect_timeout``. What ALPN picked decides
the engine (RFC 9113 section 3.2); over cleartext HTTP/2 is spoken only where it is the one version allowed
(prior knowledge, section 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models._exceptions import (
    ConnectError,
    Delivery,
    RemoteProtocolError,
    RequestError,
    TLSError,
    TotalTimeout,
    UnsupportedProtocol,
)
from http3_models._ssl import context_for

from ._connecting import open_stream
from ._errors import network_error, protocol_error, reason, timeout_error
from ._foreign import ForeignBackend
from ._interfaces import OperationTimeout

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from http3_models._config import Limits, SSLConfig
    from http3_models._records import RequestState
    from http3_models._url import URL, Origin

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


def check_scheme(url: URL) -> None:
    """Raises UnsupportedProtocol for anything but http and https."""
    if url.scheme not in ("http", "https"):
        what = f"The scheme of a URL must be http or https, not {url.scheme!r}: {url!r}"
        raise UnsupportedProtocol(what, delivery=Delivery.NOT_SENT)


def alpn_protocols(http_versions: tuple[str, ...]) -> tuple[str, ...]:
    """What ALPN offers, HTTP/2 first: a server that prefers the client's order should pick it."""
    return tuple(name for version, name in _ALPN_NAMES.items() if version in http_versions)


def _nothing() -> None:
    pass


class Opening:
    """What opening needs to know beside origin, TLS configuration and request.

    ``settled`` is called once, when an HTTP/2 server has said how many streams it takes.
    """

    __slots__ = ("backend", "http_versions", "limits", "now", "settled")

    def __init__(
        self,
        backend: Backend,
        http_versions: tuple[str, ...],
        limits: Limits,
        now: Clock,
        settled: Callable[[], None] = _nothing,
    ) -> None:
        self.backend: Backend = backend
        self.http_versions: tuple[str, ...] = http_versions
        self.limits: Limits = limits
        self.now: Clock = now
        self.settled: Callable[[], None] = settled


async def open_engine(opening: Opening, origin: Origin, config: SSLConfig, request: RequestState) -> Engine:
    """Connect to ``origin`` for ``request``, whose connect limit and deadline apply to all of it.

    A CA file or certificate that is missing is the caller's OSError, and passes as it is.
    """
    if origin.is_ssl:
        context_for(config, alpn_protocols(opening.http_versions))
    limit = request.timeout.connect_timeout if request.timeout is not None else None
    try:
        left = limit if request.deadline is None else request.deadline.within(limit)
        ends = None if left is None else opening.now() + left
        stream, protocol = await _connected(opening, origin, config, request, ends)
        return await _engine(opening, stream, protocol, request, ends)
    except OperationTimeout as exc:
        raise timeout_error(request, "connect", limit, Delivery.NOT_SENT) from exc
    except TotalTimeout as exc:
        if exc.delivery is not None:
            raise
        raise timeout_error(request, "connect", limit, Delivery.NOT_SENT) from exc
    except RequestError as exc:
        if exc.delivery is None:  # from a backend of the user's
            exc.delivery, exc.timings = Delivery.NOT_SENT, request.phases.freeze()
        raise
    except OSError as exc:
        what = f"Could not connect to {origin.host} port {origin.port}: {reason(exc)}"
        raise network_error(ConnectError, request, what, Delivery.NOT_SENT) from exc


async def _connected(
    opening: Opening, origin: Origin, config: SSLConfig, request: RequestState, ends: float | None
) -> tuple[Stream, str | None]:
    """A stream, with TLS where the origin wants it, and what ALPN picked."""
    backend = opening.backend
    if isinstance(backend, ForeignBackend):
        return await backend.open(origin, _context(opening, config) if origin.is_ssl else None, request)
    left = None if ends is None else ends - opening.now()
    stream = await open_stream(
        backend, origin.host, origin.port, left, phases=request.phases, now=opening.now
    )
    if not origin.is_ssl:
        return stream, None
    return await _secured(opening, stream, config, origin, request, ends)


def _context(opening: Opening, config: SSLConfig) -> ssl.SSLContext:
    """Asked for at the last moment: somebody else may set other ALPN protocols on a context of the user's."""
    return context_for(config, alpn_protocols(opening.http_versions))


async def _secured(
    opening: Opening,
    stream: Stream,
    config: SSLConfig,
    origin: Origin,
    request: RequestState,
    ends: float | None,
) -> tuple[Stream, str | None]:
    from ._tls import start_tls

    started = opening.now()
    try:
        left = None if ends is None else ends - started
        context = _context(opening, config)
        secured = await start_tls(stream, context, origin.host, left, now=opening.now)
    except OSError as exc:
        stream.abort()
        # The alert of RFC 7301 section 3.2; Python has no name for it.
        if "no application protocol" in str(exc):
            raise _no_version(opening.http_versions, "nothing", request) from exc
        what = f"The TLS handshake with {origin.host} port {origin.port} failed: {reason(exc)}"
        raise network_error(TLSError, request, what, Delivery.NOT_SENT) from exc
    except BaseException:
        stream.abort()
        raise
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

    engine = HTTP2Engine(
        stream, opening.backend, now=opening.now, limits=opening.limits, settled=opening.settled
    )
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
