"""Sockets as all backends make them, and the stream that blocking and trio share.

Every socket is non-blocking, non-inheritable and has TCP_NODELAY. `SocketStream` talks to the kernel
itself and leaves one thing to its subclasses: how to wait until the socket is readable or writable.
It is sparing with system calls. A read tries ``recv`` at once only where the last read brought data
(more is likely there); after a write it waits first, because the answer can't have come yet. A write
tries ``send`` at once, since the kernel's buffer nearly always has room.

Two rules keep file descriptors safe. A descriptor that an operation waits on is not closed: `abort` shuts the
socket down, which ends the wait, and the last operation closes it. And in a process forked from the one that
made the socket, only the descriptor is closed: a shutdown would affect the parent.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple
from typing import Protocol as TypingProtocol

from http3_models import ConnectionInfo

from .. import _process
from .._interfaces import Address, DirectStream, FillingStream

# Linux makes a socket non-blocking with the call that makes it; elsewhere that takes another one.
_STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)

# One send() of more would only be cut by the kernel; slices keep views of very large bodies cheap.
SEND_SIZE = 1 << 20

_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR, getattr(errno, "WSAEWOULDBLOCK", 10035))


_UNIX = getattr(socket, "AF_UNIX", -1)


class SocketSettings(NamedTuple):
    """What the sockets of a backend get before they connect."""

    local_address: tuple[str, int] | None = None
    options: tuple[tuple[int, int, int | bytes], ...] = ()

    def apply(self, sock: socket.socket) -> None:
        """Raises OSError that says which setting was refused."""
        for option in self.options:
            try:
                sock.setsockopt(*option)
            except OSError as exc:
                raise OSError(exc.errno, f"socket option {option}: {exc.strerror}") from exc
        if self.local_address is not None and sock.family != _UNIX:
            try:
                sock.bind(self.local_address)
            except OSError as exc:
                raise OSError(exc.errno, f"local address {self.local_address}: {exc.strerror}") from exc


PLAIN = SocketSettings()


def is_unix(address: Address) -> bool:
    """Whether it is that of a Unix socket."""
    return address[0] == _UNIX


def socket_name(address: Address) -> tuple[str, int] | tuple[str, int, int, int] | str:
    """What ``socket.connect`` takes."""
    return address[1][0] if address[0] == _UNIX else address[1]


def make_socket(address: Address, settings: SocketSettings = PLAIN) -> socket.socket:
    """A stream socket for this address, not connected yet. Raises OSError (no such family, no descriptors, a
    setting that the system refuses)."""
    sock = socket.socket(address[0], _STREAM)
    try:
        if sock.gettimeout() != 0:
            sock.setblocking(False)
        if address[0] != _UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if settings is not PLAIN:
            settings.apply(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def start_connect(sock: socket.socket, address: Address) -> bool:
    """Begin to connect: True if that is done already, False if it goes on. Raises OSError."""
    code = sock.connect_ex(socket_name(address))
    if code in _IN_PROGRESS:
        return False
    if code:
        raise connect_error(code, address)
    return True


def finish_connect(sock: socket.socket, address: Address) -> None:
    """Raise the OSError with which a connect ended, if it failed. For a socket that became writable."""
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise connect_error(code, address)


def connect_error(code: int, address: Address) -> OSError:
    """An OSError (of the right subclass) that names the address."""
    host, port = address[1][:2]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if is_unix(address):
        where = f"unix:{host}"
    return OSError(code, f"{os.strerror(code)} ({where})")


def closed_error() -> OSError:
    """What an operation on a closed or aborted stream raises."""
    return ConnectionAbortedError(errno.ECONNABORTED, "The connection was closed on this side")


def connection_info(sock: socket.socket, peer: tuple[str, int] | None = None) -> ConnectionInfo:
    """The addresses of both ends, None for what is not known (any more); ``peer`` spares asking for that."""
    return ConnectionInfo(peer or _endpoint(sock.getpeername), _endpoint(sock.getsockname))


def peer_at(address: Address) -> tuple[str, int] | None:
    """What the kernel calls the peer of a socket that was connected to this address; None where only the
    kernel knows (a zone, another spelling, "any address"), so that it has to be asked."""
    name = address[1]
    return (name[0], name[1]) if address[0] == socket.AF_INET and name[0] != "0.0.0.0" else None


def _endpoint(ask: Callable[[], object]) -> tuple[str, int] | None:
    try:
        name = ask()
    except OSError:
        return None
    # A path or "" for a UNIX socket, which has no host and port.
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None


# Windows, which has no poll, has no names for its events either.
READABLE = getattr(select, "POLLIN", 1)
WRITABLE = getattr(select, "POLLOUT", 4)


class Poller(TypingProtocol):
    """What `select.poll` objects can do."""

    def poll(self, timeout: float | None = None, /) -> Sequence[object]:
        """Wait at most that many milliseconds; something true as soon as the socket is ready."""


class SelectPoller:
    """`select.select` in the shape of a poll object, for where there is no poll (Windows)."""

    __slots__ = ("_readers", "_writers")

    def __init__(self, sock: socket.socket, events: int) -> None:
        self._readers = [sock] if events & READABLE else []
        self._writers = [sock] if events & WRITABLE else []

    def poll(self, timeout: float | None = None, /) -> Sequence[object]:
        # Windows reports a failed connect only in the third set.
        seconds = None if timeout is None else timeout / 1000
        ready = select.select(self._readers, self._writers, self._writers, seconds)
        return [*ready[0], *ready[1], *ready[2]]


def make_poller(sock: socket.socket, events: int) -> Poller:
    """A poll object for one socket, and `READABLE` or `WRITABLE` or both. One thread at a time may use it."""
    try:
        poller = select.poll()
    except AttributeError:
        return SelectPoller(sock, events)
    poller.register(sock, events)
    return poller


def _send_pieces(sock: socket.socket, pieces: Sequence[bytes]) -> int:
    return sock.sendmsg(pieces) if hasattr(sock, "sendmsg") else sock.send(b"".join(pieces))


def _send_file(sock: int, descriptor: int, offset: int, size: int) -> int:
    if not hasattr(os, "sendfile"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return os.sendfile(sock, descriptor, offset, size)


class SocketStream(DirectStream, FillingStream):
    """A `Stream` over a connected non-blocking socket; the subclass knows how to wait."""

    __slots__ = (
        "_closed",
        "_generation",
        "_info",
        "_peer",
        "_readable",
        "_reading",
        "_socket",
        "_wait_first",
        "_writing",
    )

    def __init__(self, sock: socket.socket, peer: tuple[str, int] | None = None) -> None:
        self._socket = sock
        self._peer = peer
        self._info: ConnectionInfo | None = None
        self._generation = _process.generation
        self._readable = make_poller(sock, READABLE)
        self._closed = False
        self._reading = False
        self._writing = False
        self._wait_first = True

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"to {self.info.peer_address}"
        return f"<{type(self).__name__} {state}>"

    @property
    def info(self) -> ConnectionInfo:
        if self._info is None:
            self._info = connection_info(self._socket, self._peer)
        return self._info

    @property
    def alpn_protocol(self) -> str | None:
        return None

    @property
    def is_truncated(self) -> bool:
        return False

    @property
    def has_unsent(self) -> bool:
        return False

    # What a subclass gives. Each wait raises OperationTimeout after ``timeout`` seconds. One that blocks is
    # over when it returns; of another there is something to await. (A coroutine for nothing costs 0.4 us.)

    def _wait_readable(self, timeout: float | None) -> Awaitable[None] | None:
        raise NotImplementedError

    def _wait_writable(self, timeout: float | None) -> Awaitable[None] | None:
        raise NotImplementedError

    def _wait_either(self, timeout: float | None) -> Awaitable[None] | None:
        """Until readable or writable."""
        raise NotImplementedError

    def _turn(self) -> Awaitable[None] | None:
        """Called before a read that may not have to wait: the moment to let others run."""

    def _wake(self) -> None:
        """Called before the socket is closed on this side: wake operations that wait for it."""

    # Each operation raises its flag first and looks at ``_closed`` then: from there on the descriptor is
    # safe to wait on, see _close_if_unused.

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        try:
            self._reading = True
            self._check_open()
            waiting = self._wait_readable(timeout) if self._wait_first else self._turn()
            if waiting is not None:
                await waiting
            while (data := self._receive(max_bytes)) is None:
                waiting = self._wait_readable(timeout)
                if waiting is not None:
                    await waiting
            return data
        finally:
            self._reading = False
            if self._closed:
                self._close_if_unused()

    async def read_into(self, buffer: memoryview, timeout: float | None) -> int:
        try:
            self._reading = True
            self._check_open()
            waiting = self._wait_readable(timeout) if self._wait_first else self._turn()
            while True:
                if waiting is not None:
                    await waiting
                with suppress(BlockingIOError):
                    count = self._socket.recv_into(buffer)
                    self._check_open()
                    self._wait_first = count < len(buffer)
                    return count
                waiting = self._wait_readable(timeout)
        finally:
            self._reading = False
            if self._closed:
                self._close_if_unused()

    def read_nowait(self, max_bytes: int) -> bytes | None:
        try:
            self._reading = True
            self._check_open()
            return self._receive(max_bytes) if self._readable.poll(0) else None
        finally:
            self._reading = False
            if self._closed:
                self._close_if_unused()

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        try:
            self._writing = True
            sent = self._send(data)
            if sent < len(data):
                view = memoryview(data)
                while sent < len(view):
                    waiting = self._wait_writable(timeout)
                    if waiting is not None:
                        await waiting
                    sent += self._send(view[sent : sent + SEND_SIZE])
        finally:
            self._writing = False
            if self._closed:
                self._close_if_unused()

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        try:
            self._writing = True
            self._check_open()
            sent = 0
            view = memoryview(data)
            while sent < len(view) and not self._readable.poll(0):
                taken = self._send(view[sent : sent + SEND_SIZE])
                sent += taken
                if not taken:
                    waiting = self._wait_either(timeout)
                    if waiting is not None:
                        await waiting
            self._check_open()  # the shutdown by `abort` makes it readable, too
            return sent
        finally:
            self._writing = False
            if self._closed:
                self._close_if_unused()

    async def write_file_until_readable(
        self, descriptor: int, offset: int, size: int, timeout: float | None
    ) -> int | None:
        try:
            self._writing = True
            self._check_open()
            self._wait_first = True
            while not self._readable.poll(0):
                try:
                    return _send_file(self._socket.fileno(), descriptor, offset, size)
                except BlockingIOError:
                    waiting = self._wait_either(timeout)
                if waiting is not None:
                    await waiting
            self._check_open()
            return None
        finally:
            self._writing = False
            if self._closed:
                self._close_if_unused()

    def write_pieces_nowait(self, pieces: Sequence[bytes]) -> int:
        try:
            self._writing = True
            self._check_open()
            self._wait_first = True
            return _send_pieces(self._socket, pieces)
        except BlockingIOError:
            return 0
        finally:
            self._writing = False
            if self._closed:
                self._close_if_unused()

    def write_nowait(self, data: bytes | memoryview) -> int:
        try:
            self._writing = True
            return self._send(data)
        finally:
            self._writing = False
            if self._closed:
                self._close_if_unused()

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        try:
            self._writing = True
            self._check_open()
            waiting = self._wait_either(timeout) if or_readable else self._wait_writable(timeout)
            if waiting is not None:
                await waiting
            self._check_open()  # the shutdown by `abort` ends the wait, too
            return or_readable and bool(self._readable.poll(0))
        finally:
            self._writing = False
            if self._closed:
                self._close_if_unused()

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._generation == _process.generation and (self._reading or self._writing):
            with suppress(OSError):  # not connected any more: then no operation waits
                self._socket.shutdown(socket.SHUT_RDWR)
            self._wake()
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        """Close the socket if no operation uses it.

        `abort` sets ``_closed`` and then looks at the flags; an operation lowers its flag and then looks
        at ``_closed``. In whatever order threads run, the last of them comes here and finds no flag set.
        """
        # In a forked child a flag may be set by a thread that only the parent has.
        if not (self._reading or self._writing) or self._generation != _process.generation:
            self._socket.close()

    def _check_open(self) -> None:
        if self._closed:
            raise closed_error()

    def _receive(self, max_bytes: int) -> bytes | None:
        try:
            data = self._socket.recv(max_bytes)
        except BlockingIOError:
            self._wait_first = True
            return None
        if self._closed:  # what looks like the end of the stream is the shutdown by `abort`
            raise closed_error()
        self._wait_first = len(data) < max_bytes  # less than asked for: the kernel has no more right now
        return data

    def _send(self, data: bytes | memoryview) -> int:
        if self._closed:
            raise closed_error()
        self._wait_first = True
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
