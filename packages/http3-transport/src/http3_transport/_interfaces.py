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
    """An operation of a `Stream` or `Backend` took longer than the seconds it was given.

    Raise it with or without a text. The layer above makes a ConnectTimeout, ReadTimeout or WriteTimeout of
    it.
    """

    __module__ = "http3_transport"

    def __str__(self) -> str:
        return super().__str__() or "the operation took longer than the seconds it was given"


class Stream(Protocol):
    """A byte stream over one socket, with or without TLS. `Backend.connect_address` returns one.

    ``timeout`` is in seconds, None for no limit, and counts from the call. Each operation raises OSError if
    the connection broke or was closed on this side, and OperationTimeout after ``timeout`` seconds. The layer
    above translates both. One task (or thread) may read while another writes. A read that is cancelled or
    times out loses no byte. `http3_transport.testing.check_stream` tests a stream.
    """

    @property
    def info(self) -> ConnectionInfo:
        """Addresses and TLS facts, gathered when first asked for; then they stay, also after `abort`."""

    @property
    def alpn_protocol(self) -> str | None:
        """The protocol that ALPN agreed on ("h2", "http/1.1"); None without TLS or without agreement."""

    @property
    def is_truncated(self) -> bool:
        """True once reading met the end of a TLS stream without a close_notify alert (RFC 8446 section 6.1).
        Without TLS always False."""

    @property
    def has_unsent(self) -> bool:
        """True while the stream holds bytes that a write has taken and the kernel has not: TLS encrypts a
        whole record before it sends it. The next write sends them first; ``write(b"")`` sends them alone.
        A stream without TLS holds none: always False."""

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        """Wait for bytes; return 1 to ``max_bytes`` of them as soon as there are any, b"" at the end of the
        stream.

        Raises OSError, OperationTimeout.
        """

    def read_nowait(self, max_bytes: int) -> bytes | None:
        """What there is to read now: 1 to ``max_bytes`` bytes, b"" at the end of the stream, None if nothing
        has arrived yet.

        Raises OSError.
        """

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        """Send all of ``data``. ``timeout`` limits each wait in which the kernel takes no byte, not the whole
        write.

        Raises OSError, OperationTimeout.
        """

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        """Like `write`, but stop as soon as there is something to read (or the end).

        Returns the number of bytes taken: less than ``len(data)`` only if there is something to read. Over
        TLS whole records are taken. Raises OSError, OperationTimeout.
        """

    def write_nowait(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes now; return the number of bytes taken, 0 if it takes none.

        Over TLS all of ``data`` or nothing is taken; what is encrypted and not sent is `has_unsent`. Raises
        OSError.
        """

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        """Wait until `write_nowait` may take something, or, with ``or_readable``, until there is something to
        read (or the end).

        Returns True if ``or_readable`` is True and there is something to read, else False. It sends nothing,
        so no byte is lost if it is cancelled or raises. Raises OSError, OperationTimeout.
        """

    def close(self) -> None:
        """Close without waiting, after what was written (TLS: send close_notify, if the kernel takes it now).
        Idempotent; raises nothing."""

    def abort(self) -> None:
        """Drop the socket at once. A read or write under way, also in another thread, ends with an OSError.
        Idempotent; raises nothing."""


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
    """A flag that is set once, and that one coroutine (or thread) waits for. `Backend.waiter` makes one."""

    def set(self) -> None:
        """Set the flag and wake the one that waits. From any thread; idempotent, never waits."""

    @property
    def is_set(self) -> bool:
        """True once `set` was called."""

    async def wait(self, timeout: float | None) -> bool:
        """Wait until the flag is set. Returns True then, also at once and again; False after ``timeout``
        seconds (None: no limit) without it."""


class Timer(Protocol):
    """What `Backend.call_later` returns."""

    def cancel(self) -> object:
        """Do not call the action. In the thread of the event loop; does nothing once the action was called.
        What it returns is ignored."""


class Backend(Protocol):
    """Opens connections and waits, for one kind of I/O: blocking sockets, asyncio, trio.

    ``backend=`` takes any object with these members; no base class is needed, and no ``connect`` as in
    `ConcurrencyBackend`, the smaller interface of 0.6.7. `http3_transport.testing.check_backend` tests one.

    A backend is made before an event loop runs, and may serve several, one after the other: each method
    looks up the one that runs when it is called. ``timeout`` is in seconds, None for no limit; after it
    OperationTimeout is raised.
    """

    blocks: bool
    """True if no method ever suspends (waiting blocks the thread), so that no event loop is needed."""

    must_look: bool
    """True if an event loop runs that does not read idle connections by itself. Then the pool looks from time
    to time whether the server has closed one. False without an event loop."""

    def loop_token(self) -> object:
        """What connections made now belong to: the running event loop (asyncio), the run (trio), or one
        constant (blocking). The same object on each call. Raises RuntimeError if no event loop runs."""

    def loop_has_ended(self, loop_token: object) -> bool:
        """True if the event loop of this `loop_token` is closed: its sockets can only be dropped then."""

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        """The addresses of a host name, in the resolver's order; those of an IP address in digits are itself.

        Raises OSError for a name that does not or can not exist, OperationTimeout.
        """

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        """Connect to one address. Sockets have TCP_NODELAY and are not inheritable.

        Raises OSError, OperationTimeout.
        """

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        """Connect to the first of several addresses that answers (RFC 8305 section 5).

        The next attempt starts ``stagger`` seconds after the one before it, or at once when that has failed.
        The first that connects wins; the others are closed. Raises the last OSError if all fail,
        OperationTimeout after ``timeout`` seconds for all together.
        """

    def waiter(self) -> Waiter:
        """A new flag, to be awaited in the event loop that runs now."""

    async def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass. 0 lets other tasks run."""

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer | None:
        """Have the event loop call ``action`` after ``seconds``, if it still runs then.

        ``action`` does not wait and raises nothing. Returns None, and never calls it, where there are no
        timers: then idle connections are closed when the pool is used next.
        """

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        """Have the event loop of ``loop_token`` call ``action`` soon. From any thread, also from a finaliser.

        Returns False, and never calls it, if that loop has ended or there is none.
        """


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

for _public in (Stream, Waiter, Timer, Backend):  # in the body of a protocol it would be a member
    _public.__module__ = "http3_transport"


def remaining(timeout: float | None, start: float, moment: float) -> float | None:
    """What is left of ``timeout`` seconds that began at ``start``. Raises OperationTimeout if nothing is."""
    if timeout is None:
        return None
    left = timeout - (moment - start)
    if left <= 0:
        raise OperationTimeout
    return left
