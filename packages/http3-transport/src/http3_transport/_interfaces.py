"""The seams inside the transport: what a backend gives, and what the pool asks of a connection.

Three small protocols hide the world: a `Stream` carries bytes, a `Waiter` lets one coroutine wait for
another, a `Backend` makes both. Everything above them is written once and runs over blocking sockets,
asyncio and trio alike. `http3_transport.testing` holds the suites that every implementation must pass.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Protocol

from http3_models import ConnectionInfo
from http3_models.engine import RequestState, ResponseState

CONTINUE_WAIT = 1.0
"""Seconds that ``Expect: 100-continue`` waits for the server's word before the body is sent anyway
(RFC 9110 section 10.1.1 lets the client choose; curl takes one second too)."""

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
"""A resolved address: the socket family (``AF_INET``, ``AF_INET6``) and what ``socket.connect`` takes. That
of a Unix socket (``AF_UNIX``) has the path and 0; `socket_name` makes of either what ``socket.connect``
takes."""


class OperationTimeout(Exception):
    """An operation of a `Stream` or `Backend` took longer than the seconds it was given."""

    __module__ = "http3_transport"


class Stream(Protocol):
    """A byte stream over one socket, with or without TLS.

    Failures are OSError, limits that ran out OperationTimeout; both are translated by the layer above.
    ``timeout`` is in seconds, None for no limit. One reader and one writer may be active at a time, also
    from two threads. A read or write that is cancelled or times out loses no byte on the way in.
    """

    @property
    def info(self) -> ConnectionInfo:
        """Addresses and TLS facts, gathered when first asked for."""

    @property
    def alpn_protocol(self) -> str | None:
        """What ALPN picked ("h2", "http/1.1"), None without TLS or without agreement."""

    @property
    def is_truncated(self) -> bool:
        """True once reading met the end of a TLS stream without a close_notify alert (RFC 8446 6.1)."""

    @property
    def has_unsent(self) -> bool:
        """True while bytes that a write has taken were not given to the kernel (TLS: they are encrypted, and
        stay here). The next write sends them first; ``write(b"")`` sends them alone."""

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Between 1 and ``max_bytes`` bytes as soon as there are any; b"" at the end of the stream."""

    def read_nowait(self, max_bytes: int) -> bytes | None:
        """What can be had without waiting: bytes, b"" at the end of the stream, None for nothing yet."""

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        """Send all of ``data``; ``timeout`` limits each wait without a byte accepted."""

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        """Like `write`, but stop as soon as the peer has sent something (or closed).

        Returns how many bytes were taken; less than all only if there is something to read. Over TLS
        whole records are taken.
        """

    def write_nowait(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes at once; returns the number of bytes taken (over TLS: all or none is
        acceptable, what is encrypted and not yet sent leaves before the next write)."""

    def close(self) -> None:
        """Close in good order (TLS: send close_notify if that does not block), waiting for nothing."""

    def abort(self) -> None:
        """Drop the socket at once. Idempotent; a pending read or write ends with an OSError."""


class DirectStream:
    """What a `Stream` offers besides where nothing stands between it and the kernel's socket (no TLS, no
    transport of an event loop). A base class, not a protocol: whether a stream is one is asked at run time.
    """

    __slots__ = ()

    def write_pieces_nowait(self, pieces: Sequence[bytes]) -> int:
        """`Stream.write_nowait` for several pieces in a row, without joining them."""
        raise NotImplementedError

    async def write_file_until_readable(
        self, descriptor: int, offset: int, size: int, timeout: float | None
    ) -> int | None:
        """Have the kernel send up to ``size`` bytes of a file from ``offset`` by itself (sendfile). The
        file's own position stays as it is.

        Returns how many were taken by one system call, once the kernel takes any; 0 where the file ends; None
        if there is something to read first. Raises OSError with one of `NO_SENDFILE` if the file or the
        system does not do that. Whatever is raised, nothing was taken.
        """
        raise NotImplementedError


class FillingStream:
    """What a `Stream` offers besides where it can put what arrives straight into the reader's own memory. A
    base class, as `DirectStream`."""

    __slots__ = ()

    async def read_into(self, buffer: memoryview, timeout: float | None) -> int:
        """As `Stream.read`, into the beginning of ``buffer``, which is writable and not empty.

        Returns the number of bytes, 0 at the end of the stream.
        """
        raise NotImplementedError


class PatientStream:
    """What a `Stream` offers besides where one can wait for room before one sends. A base class, as
    `DirectStream`."""

    __slots__ = ()

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        """Wait until `Stream.write_nowait` may take something, or (``or_readable``) a read gives something.

        Returns True if it was asked for and there is something to read (or the end). It takes no data, so
        whatever it raises, OperationTimeout after ``timeout`` seconds included, nothing is lost.
        """
        raise NotImplementedError


class WatchedStream:
    """What a `Stream` offers besides if an event loop reads it in the background. A base class, as
    `DirectStream`."""

    __slots__ = ()

    def when_over(self, tell: Callable[[], object]) -> None:
        """Have the loop call ``tell``, once, when the peer has closed the connection or it broke; at once if
        that has happened. Not when it is closed on this side."""
        raise NotImplementedError


NO_SENDFILE = frozenset(
    {
        errno.ENOSYS,  # no such system call, here or in this sandbox (then EPERM, too)
        errno.EPERM,
        errno.EBADF,  # not open for reading
        errno.EINVAL,  # not for this file, or this file system
        errno.ENOTSOCK,
        errno.EOPNOTSUPP,
        errno.ENOTSUP,
        errno.EOVERFLOW,  # beyond what the call can count
        errno.ENOMEM,
        errno.EIO,  # reading the file finds out more
    }
)
"""What sendfile says of the file or of itself, not of the connection: read the file then, and write."""


class Waiter(Protocol):
    """A one-shot flag that one coroutine waits for. Made by the backend, where it is going to be awaited."""

    def set(self) -> None:
        """Raise the flag and wake the one that waits. Idempotent; from any thread, never blocks."""

    @property
    def is_set(self) -> bool:
        """True once `set` was called."""

    async def wait(self, timeout: float | None) -> bool:
        """Wait until the flag is up: True; False when ``timeout`` seconds passed first."""


class Timer(Protocol):
    """What `Backend.call_later` has set."""

    def cancel(self) -> object:
        """Don't fire. In the loop's thread; harmless afterwards."""


class Backend(Protocol):
    """Opens connections and waits, for one kind of I/O: blocking sockets, asyncio, trio.

    ``backend=`` takes any object with these methods. It need not have the ``connect`` of
    `ConcurrencyBackend`, the smaller interface of 0.6.7. `http3_transport.testing.check_backend` tests one.

    Nothing here is tied to an event loop at construction: the running one is looked up at each call.
    """

    blocks: bool
    """True where no method ever suspends, so that no event loop is needed."""

    must_look: bool
    """True where an event loop runs that does not read idle connections by itself: only a look tells whether
    the peer has closed one."""

    def loop_token(self) -> object:
        """What connections made now belong to: the running event loop (asyncio), the run (trio), or one
        constant (blocking). Raises RuntimeError where none runs."""

    def loop_has_ended(self, loop_token: object) -> bool:
        """True if the loop is closed; its connections can only be dropped."""

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        """Addresses of a host name or literal, in the resolver's order. Raises OSError."""

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        """Open one address. Every socket: TCP_NODELAY, non-inheritable. Raises OSError."""

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        """Race several addresses (RFC 8305): the next starts after ``stagger`` seconds, or at once when one
        fails; the first that connects wins, the others are closed. Raises the last OSError if all fail."""

    def waiter(self) -> Waiter:
        """A new flag."""

    async def sleep(self, seconds: float) -> None:
        """Do nothing for a while."""

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer | None:
        """Have the running loop call ``action`` later, if it still runs then; None where there is none.

        The action raises nothing and does not wait."""

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        """Have the loop of ``loop_token`` call ``action`` soon. From any thread, also from a finaliser. False
        if it has ended, or there never was one."""


BACKEND_METHODS = tuple(name for name, member in vars(Backend).items() if callable(member) and name[0] != "_")
"""What makes an object a `Backend`."""


class Lease(Protocol):
    """The right to one exchange on a connection; owned by the pool, carried by the response body."""

    answered: bool
    """Set by the engine with the first byte of an answer: from then on the request is never sent again."""

    def release(self) -> None:
        """The exchange is over, in whatever way: the connection tells what it is good for. Idempotent, never
        waits; from any thread."""

    def release_from_finalizer(self, cleanup: Callable[[], None]) -> None:
        """`release` for finalisers, which may run anywhere, also under our own locks: takes no lock and
        closes nothing. The pool calls ``cleanup`` (which resets a stream, drops a socket) and releases at
        its next step."""


class ProtocolConnection(Protocol):
    """One HTTP connection after its handshake, whatever the version: what the pool and `HTTPConnection`
    need to know of it."""

    protocol: str
    """"HTTP/1.1" or "HTTP/2"."""

    @property
    def stream(self) -> Stream:
        """What it speaks over."""

    async def exchange(self, request: RequestState, lease: Lease) -> ResponseState:
        """Send one request and return its response; the body, or a failure here, releases the lease.

        Raises TransportError subclasses with `delivery` set.
        """

    @property
    def is_closed(self) -> bool:
        """True once it can take no further request, ever."""

    @property
    def stream_limit(self) -> int:
        """How many exchanges it may carry at a time, as far as known now (HTTP/1.1: 1; HTTP/2: the lower of
        our bound and the peer's SETTINGS_MAX_CONCURRENT_STREAMS, 1 until these are here; 0 once it takes no
        new ones). The pool
        counts its leases against it."""

    def check(self) -> bool:
        """A last look before an idle connection is reused: reads what is there without waiting. False: it
        was closed by the peer or broke the protocol, and is closed now."""

    def close(self) -> None:
        """Close in good order without waiting. For idle connections."""

    def abort(self) -> None:
        """Drop the socket; every exchange under way fails."""

    def drop(self) -> None:
        """`abort` in a forked child, or where the loop has ended: a thread or task that no longer exists may
        have left a lock held."""


Clock = Callable[[], float]
"""Seconds, monotonic."""

for _public in (Stream, Waiter, Backend):  # in the body of a protocol it would be a member
    _public.__module__ = "http3_transport"


def remaining(timeout: float | None, start: float, moment: float) -> float | None:
    """What is left of ``timeout`` seconds that began at ``start``. Raises OperationTimeout if nothing is."""
    if timeout is None:
        return None
    left = timeout - (moment - start)
    if left <= 0:
        raise OperationTimeout
    return left
