"""How a connection to an origin is opened, and which protocol it speaks.

The steps are resolve, order, connect, TLS and ALPN, all within one ``connect_timeout``. ALPN decides the
protocol (RFC 9113 section 3.2). Without TLS, HTTP/2 is used only if it is the one version allowed (prior
knowledge, section 3.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import (
    AddressRefused,
    ConnectError,
    Delivery,
    ProxyError,
    RemoteProtocolError,
    RequestError,
    TLSError,
)
from http3_models.engine import DEFAULT_NETWORK, ssl_context_for

from .. import _events
from .._backends._connecting import Refused, open_stream
from .._errors import handshake_failed, network_error, protocol_error, reason, time_left, timeout_error
from .._http1 import HTTP11Connection
from .._interfaces import OperationTimeout
from .legacy_backend import LegacyBackend
from .open_connection import OpenConnection

if TYPE_CHECKING:
    import ssl

    from http3_models import Headers, Origin, SSLConfig
    from http3_models.engine import RequestState

    from .._backends._address_book import AddressBook
    from .._interfaces import Backend, Stream
    from .options import TransportOptions
    from .routes import ForwardForm, Route

_ALPN_NAMES = {"HTTP/2": "h2", "HTTP/1.1": "http/1.1"}


def alpn_protocols(http_versions: tuple[str, ...]) -> tuple[str, ...]:
    """What ALPN offers, HTTP/2 first for servers that follow the client's order."""
    return tuple(name for version, name in _ALPN_NAMES.items() if version in http_versions)


async def establish(
    options: TransportOptions,
    backend: Backend,
    origin: Origin,
    config: SSLConfig,
    request: RequestState,
    *,
    addresses: AddressBook,
    route: Route | None = None,
) -> OpenConnection:
    """Connect to ``origin`` within the ``connect_timeout`` and deadline of ``request``; by ``route``, or
    directly.

    Raises TransportError subclasses with ``delivery`` ``not_sent``; OSError for a CA file or certificate that
    can't be read.
    """
    context = _context(options, config) if origin.is_ssl else None
    now = options.now
    try:
        left = time_left(request, "connect")
        ends = None if left is None else now() + left
        via, form, tls_done = None, None, False
        if route is not None:
            stream, via, form = await _by_proxy(options, backend, addresses, route, origin, request, ends)
        elif isinstance(backend, LegacyBackend):
            stream = await _by_legacy_backend(backend, options, origin, context, request)
            tls_done = True
        else:
            stream = await open_stream(
                backend,
                origin.host,
                origin.port,
                left,
                egress=options.egress,
                phases=request.phases,
                now=now,
                addresses=addresses,
                stagger=options.network.stagger,
            )
        if context is not None and not tls_done:
            if context is config.verify:  # the user's: another pool may have set other protocols
                _context(options, config)
            stream = await _secured(options, stream, context, origin, request, ends)
        try:
            if request.phases.logged and context is not None:
                _events.handshake_done(stream, request)
            if form is not None or _version(options.http_versions, stream, request) == "HTTP/1.1":
                http11 = HTTP11Connection(stream, now=now, limits=options.limits, form=form)
                opened = OpenConnection(origin, http11)
            else:
                opened = _start_http2(options, backend, origin, stream)
            opened.came_by(route, via, form)
            return opened
        except BaseException:
            stream.abort()
            raise
    except OperationTimeout as exc:
        raise timeout_error(request, "connect", Delivery.NOT_SENT) from exc
    except RequestError as exc:
        if exc.delivery is None:  # raised by a user's backend
            exc.delivery, exc.timings = Delivery.NOT_SENT, request.phases.freeze()
        raise
    except Refused as exc:
        raise network_error(AddressRefused, request, str(exc), Delivery.NOT_SENT) from exc
    except OSError as exc:
        what = f"Could not connect to {origin.host} port {origin.port}: {reason(exc)}"
        raise network_error(ConnectError, request, what, Delivery.NOT_SENT) from exc


def _context(options: TransportOptions, config: SSLConfig) -> ssl.SSLContext:
    return ssl_context_for(config, alpn_protocols(options.http_versions))


async def _by_proxy(
    options: TransportOptions,
    backend: Backend,
    addresses: AddressBook,
    route: Route,
    origin: Origin,
    request: RequestState,
    ends: float | None,
) -> tuple[Stream, Headers | None, ForwardForm | None]:
    """The stream, the header fields of the answer to CONNECT, and the form of requests that are forwarded."""
    from .by_proxy import ProxyOpener  # who uses no proxy does not load it
    from .routes import ForwardForm

    form = ForwardForm(route) if route.forwards(origin) else None
    if form is not None and "HTTP/1.1" not in options.http_versions:
        what = f"The proxy {route.proxy} forwards requests over HTTP/1.1, which http_versions excludes"
        raise network_error(ProxyError, request, what, Delivery.NOT_SENT)
    opener = ProxyOpener(options, backend, addresses, route, request, ends)
    stream, via = await opener.open(origin)
    return stream, via, form


async def _by_legacy_backend(
    backend: LegacyBackend,
    options: TransportOptions,
    origin: Origin,
    context: ssl.SSLContext | None,
    request: RequestState,
) -> Stream:
    if options.egress is not None:
        raise Refused("An egress policy can't be applied: the backend resolves host names itself")
    if options.network != DEFAULT_NETWORK:
        raise ValueError("network has no effect: a backend with only connect() opens connections itself")
    return await backend.open(origin, context, request)


async def _secured(
    options: TransportOptions,
    stream: Stream,
    context: ssl.SSLContext,
    origin: Origin,
    request: RequestState,
    ends: float | None,
) -> Stream:
    from .._tls import start_tls

    started = options.now()
    try:
        left = None if ends is None else ends - started
        return await start_tls(stream, context, origin.host, left, now=options.now)
    except OSError as exc:
        stream.abort()
        # The alert of RFC 7301 section 3.2; Python has no name for it.
        if "no application protocol" in str(exc):
            raise _no_version(options.http_versions, "nothing", request) from exc
        what = handshake_failed(origin.host, origin.port, exc)
        raise network_error(TLSError, request, what, Delivery.NOT_SENT) from exc
    except BaseException:
        stream.abort()
        raise
    finally:
        request.phases.tls = options.now() - started


def _start_http2(
    options: TransportOptions, backend: Backend, origin: Origin, stream: Stream
) -> OpenConnection:
    from .._http2 import HTTP2Connection

    http2 = HTTP2Connection(stream, backend, now=options.now, limits=options.limits)
    http2.start()
    return OpenConnection(origin, http2, http2)


def _version(http_versions: tuple[str, ...], stream: Stream, request: RequestState) -> str:
    """The HTTP version to speak. Raises RemoteProtocolError if the server picked another one."""
    alpn = stream.alpn_protocol
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
