"""Servers that answer every request with its own path, but for those to /bad...: these they keep waiting.

How is said by a test: ``bad`` gets the connection and the request. When it returns the server goes on with
the next request, so that one connection shows what a request that was given up leaves behind.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.http2_peer import Incoming, Peer
from support.servers import Script, answer, read_head

READ_ALL = 65536

BadHTTP11 = Callable[[socket.socket, str], None]
BadHTTP2 = Callable[[Peer, Incoming], None]


def serve_http11(bad: BadHTTP11) -> Script:
    """HTTP/1.1; ``bad`` gets the connection when the head was read, and the request's target."""

    def script(connection: socket.socket) -> None:
        while head := read_head(connection):
            target = head.split(b" ", 2)[1].decode()
            if target.startswith("/bad"):
                bad(connection, target)
            else:
                connection.sendall(answer(target.encode()))

    return script


def serve_http2(bad: BadHTTP2, *, windows: int = 0, **settings: int) -> Script:
    """HTTP/2; ``bad`` gets each request as soon as its head is there. ``windows`` opens the connection's."""

    def script(sock: socket.socket) -> None:
        peer = Peer(sock, **settings)
        if windows:
            peer.h2.increment_flow_control_window(windows)
            peer.flush()
        served: set[int] = set()
        while True:
            fresh = [incoming for incoming in peer.requests.values() if incoming.stream_id not in served]
            fresh = [incoming for incoming in fresh if incoming.ended or is_bad(incoming)]
            for incoming in fresh:
                served.add(incoming.stream_id)
                if is_bad(incoming):
                    bad(peer, incoming)
                elif incoming.stream_id not in peer.resets:
                    peer.respond(incoming.stream_id, path_of(incoming).encode())
            if not fresh and not peer.receive():
                return

    return script


def path_of(incoming: Incoming) -> str:
    return (incoming.field(b":path") or b"").decode()


def is_bad(incoming: Incoming) -> bool:
    return path_of(incoming).startswith("/bad")


@contextmanager
def patience(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Reads and writes of the server take no longer for a while."""
    before = sock.gettimeout()
    sock.settimeout(seconds)
    try:
        yield
    finally:
        sock.settimeout(before)


def ticks(connection: socket.socket, gap: float) -> Iterator[None]:
    """Once in a while, until the client closes; what it sends meanwhile is read."""
    with patience(connection, gap):
        while True:
            try:
                if not connection.recv(READ_ALL):
                    return
            except TimeoutError:
                yield


def ticks_of_stream(peer: Peer, incoming: Incoming, gap: float) -> Iterator[None]:
    """Once in a while, until the client gives the stream up."""
    with patience(peer.socket, gap):
        while incoming.stream_id not in peer.resets and not peer.closed:
            try:
                peer.receive()
            except TimeoutError:
                yield


def exhaust(moments: Iterator[None]) -> None:
    """Let the time pass."""
    for _ in moments:
        pass


def half_http11(connection: socket.socket, _: str) -> None:
    """A part of an answer, and no more until the client leaves."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
    exhaust(ticks(connection, 0.2))


def half_http2(peer: Peer, incoming: Incoming) -> None:
    """The same, until the client gives up the stream."""
    peer.head(incoming.stream_id, 200, [("content-length", "4")])
    peer.data(incoming.stream_id, b"ha")
    exhaust(ticks_of_stream(peer, incoming, 0.2))


def never_bad(*_: object) -> None:
    raise AssertionError("no request of these tests is bad")


def deaf(connection: socket.socket) -> None:
    """Read nothing more until the connection ends, on whatever side. Raises ConnectionAbortedError then."""
    poller = select.poll()
    poller.register(connection, 0)  # errors and the end are always told
    poller.poll(10_000)
    raise ConnectionAbortedError


def small_buffer(script: Script) -> Script:
    """The kernel takes little on the server's behalf."""

    def limited(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        script(connection)

    return limited


def answer_by_stream(peer: Peer, incoming: Incoming, body: bytes, *, length: int) -> None:
    """A head that promises more than the body that follows."""
    peer.head(incoming.stream_id, 200, [("content-length", str(length))])
    peer.data(incoming.stream_id, body)


def drip_to_stream(peer: Peer, incoming: Incoming, gap: float, *, to: Incoming | None = None) -> int:
    """A byte of body now and then, until the stream is given up; returns how many. They go to it, or to
    another one."""
    count = 0
    for _ in ticks_of_stream(peer, incoming, gap):
        peer.data((to or incoming).stream_id, b"x")
        count += 1
    return count


class TLSByHand:
    """The server's side of TLS whose records a script can send in pieces."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self.connection = connection
        self._received, self._made = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._made, server_side=True)
        self._until(self._tls.do_handshake)

    def _until(self, step: Callable[[], object]) -> object:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError as exc:
                self.connection.sendall(self._made.read())
                data = self.connection.recv(READ_ALL)
                if not data:
                    raise ConnectionResetError from exc
                self._received.write(data)
            else:
                self.connection.sendall(self._made.read())
                return result

    def recv(self, size: int) -> bytes:
        """As a socket's."""
        data = self._until(lambda: self._tls.read(size))
        assert isinstance(data, bytes)
        return data

    def record(self, data: bytes) -> bytes:
        """The ciphertext of one record, which is not sent yet."""
        self._tls.write(data)
        return self._made.read()
