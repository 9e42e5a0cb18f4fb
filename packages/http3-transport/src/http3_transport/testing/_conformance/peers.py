"""The far end of a stream under test: an ordinary blocking socket, and ways to get a pair.

A peer lives in the test's own process. What it sends must fit the kernel's buffers, unless it does so
`in_background`, on a thread.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, Self, TypeVar

from ..._interfaces import Backend, Stream

T = TypeVar("T")

# Seconds after which a step that ought to have happened long before counts as never happening.
LIMIT = 10.0

# Small, so that a peer which does not read is felt soon.
RECEIVE_BUFFER = 64 * 1024


class Background(Generic[T]):
    """A function that runs on a thread; `result` waits for it."""

    def __init__(self, function: Callable[..., T], *args: object) -> None:
        self._function = function
        self._args = args
        self._outcome: list[T] = []
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._outcome.append(self._function(*self._args))
        except Exception as exc:  # noqa: BLE001  (it is raised in the thread that asks for the result)
            self._error = exc

    def result(self) -> T:
        """What the function returned. Raises what it raised, AssertionError if it takes over 10 s."""
        self._thread.join(LIMIT + 1)  # a peer that waits for a byte says more, and gives up first
        assert not self._thread.is_alive(), (
            f"the peer must have received (or sent) all within {LIMIT:g} s, but still waits for the stream"
        )
        if self._error is not None:
            raise self._error
        return self._outcome[0]


class Peer:
    """One end of a TCP connection or socket pair, with or without TLS, for use with blocking calls.

    ``sleep`` is how the other end's world waits: `Backend.sleep`, `asyncio.sleep`, `trio.sleep`.
    """

    def __init__(self, sock: socket.socket, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.sleep = sleep
        self._socket = sock
        self._socket.settimeout(LIMIT)

    @property
    def is_tls(self) -> bool:
        """Whether this end speaks TLS."""
        return isinstance(self._socket, ssl.SSLSocket)

    def send(self, data: bytes) -> None:
        """Send all of it. Raises AssertionError if the stream's side takes nothing for 10 s."""
        try:
            self._socket.sendall(data)
        except TimeoutError as exc:
            raise AssertionError(f"the peer sends, but no byte was taken within {LIMIT:g} s") from exc

    def receive(self, max_bytes: int) -> bytes:
        """Between 1 and ``max_bytes`` bytes; b"" at the end. Raises AssertionError after 10 s without any."""
        try:
            return self._socket.recv(max_bytes)
        except TimeoutError as exc:
            raise AssertionError(f"the peer waits for more, but no byte arrived within {LIMIT:g} s") from exc

    def receive_exactly(self, size: int) -> bytes:
        """Just so many bytes, fewer only if the stream ends."""
        parts = []
        while size and (part := self.receive(min(size, 65536))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def in_background(self, function: Callable[..., T], *args: object) -> Background[T]:
        """Run it on a thread."""
        return Background(function, *args)

    def finish(self) -> None:
        """End in good order: with TLS a close_notify, then FIN."""
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.settimeout(0.05)  # the answer to it may never come
            try:
                self._socket.unwrap()
            except (OSError, ValueError):
                pass
        self.cut()

    def cut(self) -> None:
        """FIN, and with TLS no close_notify before it. What was sent arrives."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self) -> None:
        """RST. What was sent may be lost."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Let go of the socket. Idempotent."""
        self._socket.close()


class Listener:
    """A TCP server on the loopback interface that accepts by hand."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET, backlog: int = 16) -> None:
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.bind((host, 0))
        self._socket.listen(backlog)
        self._socket.settimeout(LIMIT)
        self.family = int(family)
        self.host = host
        self.port: int = self._socket.getsockname()[1]

    def accept(self) -> socket.socket:
        """The next connection. Raises AssertionError if there is none for 10 s."""
        try:
            return self._socket.accept()[0]
        except TimeoutError as exc:
            raise AssertionError(f"no connection arrived within {LIMIT:g} s") from exc

    def has_connection(self) -> bool:
        """Whether a client has connected and was not accepted yet, or connects within 0.1 s."""
        self._socket.settimeout(0.1)
        try:
            self._socket.accept()[0].close()
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(LIMIT)
        return True

    def close(self) -> None:
        """Stop listening; who tries then is refused."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


MakePair = Callable[[], Awaitable[tuple[Stream, Peer]]]
"""Makes a connected stream and its far end; called inside the run."""


def plain_pairs(backend: Backend) -> MakePair:
    """A ``make_pair`` for `check_stream`: the backend's own streams, over TCP."""

    async def make_pair() -> tuple[Stream, Peer]:
        with Listener() as listener:
            stream = await backend.connect_address((listener.family, (listener.host, listener.port)), LIMIT)
            return stream, Peer(listener.accept(), backend.sleep)

    return make_pair


def tls_pairs(
    backend: Backend, server_context: ssl.SSLContext, client_context: ssl.SSLContext, hostname: str
) -> MakePair:
    """A ``make_pair`` for `check_stream`: TLS over the backend's streams, to a server in this process."""
    from ..._tls import start_tls

    async def make_pair() -> tuple[Stream, Peer]:
        with Listener() as listener:
            stream = await backend.connect_address((listener.family, (listener.host, listener.port)), LIMIT)
            sock = listener.accept()
        sock.settimeout(LIMIT)
        # A missing close_notify shall not look like an end to the peer either.
        wrapping = Background(
            lambda: server_context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)
        )
        tls_stream = await start_tls(stream, client_context, hostname, LIMIT)
        return tls_stream, Peer(wrapping.result(), backend.sleep)

    return make_pair
