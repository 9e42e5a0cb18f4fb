"""A small body in every content coding, and servers that cut it where the request's path says.

One server serves all cuts of a test: ``/<coding>/<cut>`` gets that many bytes of what is to be sent, and then
the end that the server was made with.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator

import brotli
from backports import zstd
from hyperframe.frame import DataFrame

import http3
from support.hostile_peers import Watched, reset
from support.http2_peer import Peer
from support.servers import Script, answer, read_request
from support.worlds import raised

BODY = b"The quick brown fox jumps over the fox."
HALF = len(BODY) // 2

FIRST_MEMBER = gzip.compress(BODY[:HALF], mtime=0)

CODED = {
    "identity": BODY,
    "gzip": gzip.compress(BODY, mtime=0),
    "members": FIRST_MEMBER + gzip.compress(BODY[HALF:], mtime=0),
    "deflate": zlib.compress(BODY),
    "br": brotli.compress(BODY),
    "zstd": zstd.compress(BODY),
}
"""The body by coding; "members" is gzip in two members."""

WHOLE = -1
"""The cut that is none."""


def content_coding(coding: str) -> str:
    """What Content-Encoding says."""
    return "gzip" if coding == "members" else coding


def in_chunks(data: bytes) -> bytes:
    """In the chunked coding: up to three chunks with extensions, and trailers."""
    size = len(data) // 3 + 1
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    chunks = [b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join(chunks) + b"0\r\nX: y\r\n\r\n"


FRAMINGS: dict[str, tuple[Callable[[bytes], str], Callable[[bytes], bytes]]] = {
    "length": (lambda data: f"Content-Length: {len(data)}\r\n", lambda data: data),
    "chunked": (lambda data: "Transfer-Encoding: chunked\r\n", in_chunks),
    "closing": (lambda data: "Connection: close\r\n", lambda data: data),
}
"""How a body is framed: its header field, and its form on the wire."""


def framed(framing: str, coding: str, cut: int | None = None) -> tuple[bytes, bytes]:
    """Head and body as they are sent; ``cut`` is that of the coded body, which the frame knows nothing of."""
    field, form = FRAMINGS[framing]
    data = CODED[coding][:cut]
    head = f"HTTP/1.1 200 OK\r\n{field(data)}Content-Encoding: {content_coding(coding)}\r\n\r\n"
    return head.encode(), form(data)


def cutting_codings(framing: str) -> Script:
    """Answers with a coded body that is cut in a frame that is not."""

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            _, coding, cut = request.target.split("/")
            connection.sendall(b"".join(framed(framing, coding, int(cut))))

    return script


def cutting_codings_http2(connection: socket.socket) -> None:
    """The same over HTTP/2: END_STREAM comes with the cut, and there is no Content-Length."""
    peer = Peer(connection)
    for coding, cut, stream_id in targets(peer):
        peer.respond(stream_id, CODED[coding][:cut], fields=[("content-encoding", content_coding(coding))])


def targets(peer: Peer) -> Iterator[tuple[str, int, int]]:
    """Coding, cut and stream of each request, until the client closes."""
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    number = 0
    while not peer.closed:
        request = peer.requests.get(2 * number + 1)
        if request is not None and request.ended:
            number += 1
            _, coding, cut = (request.field(b":path") or b"").decode().split("/")
            yield coding, int(cut), request.stream_id
        else:
            peer.receive()


Cut = Callable[[Peer, int], bool]
"""Ends the stream, or more than that; says whether the connection goes on."""


def cutting_http2(end: Cut) -> Script:
    """Over HTTP/2, with a Content-Length of the whole body; ``end`` follows what is left of it."""

    def script(connection: socket.socket) -> None:
        peer = Peer(connection)
        for coding, cut, stream_id in targets(peer):
            data = CODED[coding]
            fields = [("content-length", str(len(data))), ("content-encoding", content_coding(coding))]
            if cut == WHOLE:
                peer.respond(stream_id, data, fields=fields)
                continue
            peer.head(stream_id, 200, fields)
            if cut:
                peer.frame(DataFrame(stream_id, data[:cut]))
            if not end(peer, stream_id):
                return

    return script


End = Callable[[socket.socket], None]


def cutting(framing: str, end: End | None = None) -> Script:
    """Answers until a body is cut; then the connection ends, with FIN if nothing else is said."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while request := read_request(connection):
            _, coding, cut = request.target.split("/")
            if coding == "mark":
                connection.sendall(answer(cut.encode()))
                continue
            head, body = framed(framing, coding)
            connection.sendall(head + (body if int(cut) == WHOLE else body[: int(cut)]))
            if int(cut) != WHOLE or framing == "closing":
                (end or shut)(connection)
                return

    return script


def shut(connection: socket.socket) -> None:
    """FIN; over TLS without close_notify."""
    socket.socket.shutdown(connection, socket.SHUT_RDWR)


def say_goodbye(connection: socket.socket) -> None:
    """Over TLS, close_notify."""
    assert isinstance(connection, ssl.SSLSocket)
    connection.unwrap()


def break_off(connection: socket.socket) -> None:
    """RST."""
    reset(connection)


Kinds = type[Exception] | tuple[type[Exception], ...]


async def fails(user: Watched, url: str, kinds: Kinds, *, streamed: bool) -> None:
    """The body is not handed over; what is streamed before the failure is its beginning."""
    received: list[bytes] = []
    if streamed:
        error = await raised(http3.Http3Error, user.streamed, url, "GET", received)
    else:
        error = await raised(http3.Http3Error, user.body, url)
    assert isinstance(error, kinds), f"{url}: {error!r}"
    assert url in str(error)
    assert BODY.startswith(b"".join(received)), url
    assert not user.pool.active_connections, url


async def is_whole(user: Watched, url: str, *, streamed: bool, body: bytes = BODY) -> None:
    """It is handed over."""
    found = await (user.streamed if streamed else user.body)(url)
    assert found == body, url
