"""What the transport tells the loggers of http3: one line for each event, with the URL and the connection.

Called only where `PhaseTimes.logged` or `OpenConnection.logged` is set, and under no lock. No header and no
body is shown, and no password of a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models.engine import describe, log

if TYPE_CHECKING:
    from http3_models import ConnectionInfo, Origin, Proxy, RequestError
    from http3_models.engine import RequestState

    from ._interfaces import ProtocolConnection, Stream

_OF_PROTOCOL = {"HTTP/1.1": "http1", "HTTP/2": "http2"}


def handshake_done(stream: Stream, request: RequestState) -> None:
    """TLS was negotiated."""
    alpn = stream.alpn_protocol or "nothing"
    version = stream.info.tls_version or "TLS"  # a backend in 0.6.7's shape may not tell
    log("tls", "%s, ALPN %s on %s: %s", version, alpn, ends(stream.info), describe(request))


def opened(engine: ProtocolConnection, proxy: Proxy | None, request: RequestState) -> None:
    """A connection was opened for a request; the password of a proxy is no part of its URL."""
    how = engine.protocol if proxy is None else f"{engine.protocol}, through {proxy.url}"
    log("pool", "opened %s, %s: %s", ends(engine.stream.info), how, describe(request))


def reused(engine: ProtocolConnection, request: RequestState) -> None:
    """A request is sent over a connection that was opened before."""
    log("pool", "reused %s: %s", ends(engine.stream.info), describe(request))


def closed(engine: ProtocolConnection, origin: Origin) -> None:
    """A connection has left the pool."""
    log("pool", "closed %s: %s", ends(engine.stream.info), origin)


def replayed(request: RequestState, failure: RequestError) -> None:
    """A request is sent a second time."""
    log("pool", "replayed %s; the first try failed: %s", describe(request), failure)


def sent(protocol: str, info: ConnectionInfo, request: RequestState, stream_id: int = 0) -> None:
    """The request has left; of a streamed body at least a part."""
    log(_OF_PROTOCOL[protocol], "sent on %s%s: %s", ends(info), _stream(stream_id), describe(request))


def received(
    protocol: str, info: ConnectionInfo, request: RequestState, status: int, stream_id: int = 0
) -> None:
    """The head of the final response has come."""
    where = f"{ends(info)}{_stream(stream_id)}"
    log(_OF_PROTOCOL[protocol], "received %d on %s: %s", status, where, describe(request))


def ends(info: ConnectionInfo) -> str:
    """``127.0.0.1:50000 -> 127.0.0.1:443``: what tells connections apart."""
    return f"{_address(info.local_address)} -> {_address(info.peer_address)}"


def _address(address: tuple[str, int] | None) -> str:
    if address is None:
        return "?"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _stream(stream_id: int) -> str:
    return f", stream {stream_id}" if stream_id else ""
