"""Blocking sockets: coroutines that never suspend, for `Client`.

Sockets are non-blocking; where nothing can be done, `select.poll` waits inside the call. The kernel
counts the time (and PEP 475 goes on with what is left of it after a signal), so there are no clocks
here but in the race of several addresses.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from .._interfaces import Address, Clock, OperationTimeout, Stream, Timer, Waiter
from ._connecting import Race, run_race
from ._legacy_connect import BackendWithConnect
from ._lookup import look_up
from ._sockets import (
    READABLE,
    WRITABLE,
    Poller,
    SocketSettings,
    SocketStream,
    finish_connect,
    make_poller,
    make_socket,
    peer_at,
    start_connect,
)

# The longest sleep of a waiting thread: finalisers in other threads may leave work behind that the pool's
# waiters pick up, and can't wake them.
WAIT_SLICE = 0.5

# Seconds, 23 days.
LONGEST = 2e6

_SCOPE = object()


def milliseconds(timeout: float | None) -> float | None:
    """Seconds as what poll takes. Capped, because poll refuses more than an int holds (and select, too)."""
    if timeout is None:
        return None
    return timeout * 1000 if timeout < LONGEST else LONGEST * 1000


class BlockingStream(SocketStream):
    """A `Stream` whose waits block the thread."""

    __slots__ = ("_either", "_writable")

    def __init__(self, sock: socket.socket, peer: tuple[str, int] | None = None) -> None:
        super().__init__(sock, peer)
        # A poll object serves one thread at a time, and one may read while another writes.
        self._writable: Poller | None = None
        self._either: Poller | None = None

    def _wait_readable(self, timeout: float | None) -> None:
        if not self._readable.poll(milliseconds(timeout)):
            raise OperationTimeout

    def _wait_writable(self, timeout: float | None) -> None:
        if self._writable is None:
            self._writable = make_poller(self._socket, WRITABLE)
        if not self._writable.poll(milliseconds(timeout)):
            raise OperationTimeout

    def _wait_either(self, timeout: float | None) -> None:
        if self._either is None:
            self._either = make_poller(self._socket, READABLE | WRITABLE)
        if not self._either.poll(milliseconds(timeout)):
            raise OperationTimeout


class BlockingWaiter:
    """A `Waiter` between threads: a lock that is released once."""

    __slots__ = ("_is_set", "_lock")

    def __init__(self) -> None:
        self._is_set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    @property
    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        with suppress(RuntimeError):  # released before: it was set already
            self._lock.release()

    async def wait(self, timeout: float | None) -> bool:
        left = timeout
        while not self._is_set:
            portion = WAIT_SLICE if left is None or left > WAIT_SLICE else max(left, 0)
            if self._lock.acquire(timeout=portion):
                break
            if left is not None:
                left -= portion
                if left <= 0:
                    break
        return self._is_set


class BlockingAttempts:
    """Connects under way: their sockets, and what each connects to."""

    __slots__ = ("_ended", "_socket_settings", "_sockets")

    def __init__(self, settings: SocketSettings) -> None:
        self._socket_settings = settings
        self._sockets: dict[socket.socket, Address] = {}
        self._ended: list[socket.socket | OSError] = []

    def start(self, address: Address) -> None:
        sock = None
        try:
            sock = make_socket(address, self._socket_settings)
            self._sockets[sock] = address
            if start_connect(sock, address):
                self._ended.append(sock)
        except OSError as exc:
            if sock is not None:
                self._drop(sock)
            self._ended.append(exc)

    async def wait(self, seconds: float | None) -> Sequence[socket.socket | OSError]:
        if not self._ended:
            for sock in wait_any_writable(list(self._sockets), seconds):
                self._finish(sock)
        ended, self._ended = self._ended, []
        return ended

    def _finish(self, sock: socket.socket) -> None:
        try:
            finish_connect(sock, self._sockets[sock])
        except OSError as exc:
            self._drop(sock)
            self._ended.append(exc)
        else:
            self._ended.append(sock)

    def _drop(self, sock: socket.socket) -> None:
        del self._sockets[sock]
        sock.close()

    def close(self, winner: socket.socket | None) -> None:
        """Close all but the winner."""
        for sock in self._sockets:
            if sock is not winner:
                sock.close()


def wait_any_writable(sockets: Sequence[socket.socket], seconds: float | None) -> Sequence[socket.socket]:
    """Those of the sockets that connected or failed; none if time is up."""
    if not hasattr(select, "poll"):
        ready = select.select([], sockets, sockets, None if seconds is None else min(seconds, LONGEST))
        return list({*ready[1], *ready[2]})
    poller = select.poll()
    for sock in sockets:
        poller.register(sock, select.POLLOUT)
    numbers = {number for number, _ in poller.poll(milliseconds(seconds))}
    return [sock for sock in sockets if sock.fileno() in numbers]


class BlockingBackend(BackendWithConnect):
    """Blocking sockets, the default of `Client`. No await on it ever suspends; any thread may use it."""

    __module__ = "http3_transport"

    blocks = True
    must_look = False  # no event loop that could read

    _now: Clock = staticmethod(time.monotonic)

    def loop_token(self) -> object:
        return _SCOPE

    def loop_has_ended(self, loop_token: object) -> bool:
        return False

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        return await look_up(host, port, timeout, BlockingWaiter)

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        sock = make_socket(address, self._socket_settings)
        try:
            if not start_connect(sock, address):
                ready = make_poller(sock, WRITABLE).poll(milliseconds(timeout))
                if not ready:
                    raise OperationTimeout
                # A failure would be among what poll says, so that it needs no further question (-4 us).
                if ready != [(sock.fileno(), WRITABLE)]:
                    finish_connect(sock, address)
            return BlockingStream(sock, peer_at(address))
        except BaseException:
            sock.close()
            raise

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        attempts = BlockingAttempts(self._socket_settings)
        try:
            winner = await run_race(Race(addresses, stagger), attempts, timeout, self._now)
            stream = BlockingStream(winner)
            attempts.close(winner)
        except BaseException:  # an interruption, too: the winner has no owner yet
            attempts.close(None)
            raise
        return stream

    def waiter(self) -> Waiter:
        return BlockingWaiter()

    async def sleep(self, seconds: float) -> None:
        await BlockingWaiter().wait(seconds)

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer | None:
        return None

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        return False

    def _clock(self) -> Clock:
        return self._now
