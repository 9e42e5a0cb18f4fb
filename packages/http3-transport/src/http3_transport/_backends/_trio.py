"""trio, by a thin backend: our own non-blocking sockets, and trio's word for when they are ready.

Cancel scopes and nurseries live inside one call only. Every operation that may wait is a checkpoint;
a read that need not wait yields before it receives, so that no cancellation can lose what it got.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

try:
    import trio
except ImportError:  # an extra; the class can be named without it, and says so when one is made
    pass


from .._interfaces import Address, Clock, OperationTimeout, Stream, Timer, Waiter
from ._alarm_clock import set_alarm
from ._connecting import Race, run_race
from ._legacy_connect import BackendWithConnect
from ._lookup import look_up
from ._sockets import (
    SocketSettings,
    SocketStream,
    closed_error,
    finish_connect,
    make_socket,
    peer_at,
    start_connect,
)


def seconds_for_trio(timeout: float | None) -> float:
    """A timeout as trio's scopes take it."""
    return float("inf") if timeout is None else max(timeout, 0.0)


class TrioStream(SocketStream):
    """A `Stream` whose waits let other tasks run."""

    __slots__ = ()

    async def _turn(self) -> None:
        await trio.lowlevel.checkpoint()

    def _wake(self) -> None:
        # Outside of a run (or in another one) there is no task to wake.
        with suppress(RuntimeError):
            trio.lowlevel.notify_closing(self._socket)

    async def _wait_readable(self, timeout: float | None) -> None:
        try:
            with trio.move_on_after(seconds_for_trio(timeout)) as scope:
                await trio.lowlevel.wait_readable(self._socket)
        except trio.ClosedResourceError as exc:
            raise closed_error() from exc
        self._check(scope)

    async def _wait_writable(self, timeout: float | None) -> None:
        try:
            with trio.move_on_after(seconds_for_trio(timeout)) as scope:
                await trio.lowlevel.wait_writable(self._socket)
        except trio.ClosedResourceError as exc:
            raise closed_error() from exc
        self._check(scope)

    async def _wait_either(self, timeout: float | None) -> None:
        ended = trio.Event()

        async def wait(ready: Callable[[socket.socket], Awaitable[None]]) -> None:
            # Closed: the operation that waits here finds out by itself.
            with suppress(trio.ClosedResourceError):
                await ready(self._socket)
            ended.set()

        with trio.move_on_after(seconds_for_trio(timeout)) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait, trio.lowlevel.wait_readable)
                nursery.start_soon(wait, trio.lowlevel.wait_writable)
                await ended.wait()
                nursery.cancel_scope.cancel()
        self._check(scope)

    def _check(self, scope: trio.CancelScope) -> None:
        if scope.cancelled_caught:
            raise OperationTimeout


class TrioWaiter:
    """A `Waiter` on a `trio.Event` that other threads can set as well."""

    __slots__ = ("_event", "_is_set", "_thread", "_token")

    def __init__(self) -> None:
        self._event = trio.Event()
        self._is_set = False
        self._thread = threading.get_ident()
        self._token = trio.lowlevel.current_trio_token()

    @property
    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        if self._is_set:
            return
        self._is_set = True
        if threading.get_ident() == self._thread:
            self._event.set()
        else:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._event.set)

    async def wait(self, timeout: float | None) -> bool:
        with trio.move_on_after(seconds_for_trio(timeout)):
            await self._event.wait()
        return self._is_set


class TrioAttempts:
    """Connects under way, each in a task of the nursery; those that succeed go to ``connected``."""

    __slots__ = ("_connected", "_ended", "_news", "_nursery", "_socket_settings")

    def __init__(
        self, nursery: trio.Nursery, connected: set[socket.socket], settings: SocketSettings
    ) -> None:
        self._socket_settings = settings
        self._nursery = nursery
        self._connected = connected
        self._ended: list[socket.socket | OSError] = []
        self._news = trio.Event()

    def start(self, address: Address) -> None:
        self._nursery.start_soon(self._attempt, address)

    async def _attempt(self, address: Address) -> None:
        try:
            sock = await connect_socket(address, self._socket_settings)
        except OSError as exc:
            self._ended.append(exc)
        else:
            self._connected.add(sock)
            self._ended.append(sock)
        self._news.set()

    async def wait(self, seconds: float | None) -> Sequence[socket.socket | OSError]:
        with trio.move_on_after(seconds_for_trio(seconds)):
            await self._news.wait()
        self._news = trio.Event()
        ended, self._ended = self._ended, []
        return ended


async def connect_socket(address: Address, settings: SocketSettings) -> socket.socket:
    """A socket connected to the address. Raises OSError; cancelled, it leaves nothing open."""
    sock = make_socket(address, settings)
    try:
        if start_connect(sock, address):
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_writable(sock)
            finish_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def make_stream(sock: socket.socket, peer: tuple[str, int] | None = None) -> TrioStream:
    """A stream over a connected socket, which is closed if that does not come about."""
    try:
        return TrioStream(sock, peer)
    except BaseException:  # an interrupt
        sock.close()
        raise


class TrioBackend(BackendWithConnect):
    """trio, for `AsyncClient` inside ``trio.run``. Not tied to a run; may serve several, one by one.

    Raises ImportError where trio is not installed.
    """

    __module__ = "http3_transport"

    blocks = False
    must_look = True

    def __init__(self) -> None:
        try:
            import trio as _installed  # noqa: F401
        except ImportError as exc:
            if sys.is_finalizing():  # nothing can be imported any more, not even what was before
                return
            raise ImportError("TrioBackend needs trio: pip install 'http3[trio]'") from exc

    def loop_token(self) -> object:
        try:
            return trio.lowlevel.current_trio_token()
        except RuntimeError as exc:
            raise RuntimeError(
                "TrioBackend needs trio: await AsyncClient inside trio.run(), or give Client a runner= for it"
            ) from exc

    def loop_has_ended(self, loop_token: object) -> bool:
        if not isinstance(loop_token, trio.lowlevel.TrioToken):
            return False
        try:
            # trio has no question for this; what a run that is over says to a call from outside answers it.
            loop_token.run_sync_soon(_nothing, idempotent=True)
        except trio.RunFinishedError:
            return True
        return False

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        return await look_up(host, port, timeout, TrioWaiter)

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        with trio.move_on_after(seconds_for_trio(timeout)):
            return make_stream(await connect_socket(address, self._socket_settings), peer_at(address))
        raise OperationTimeout

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        winner: socket.socket | None = None
        failure: OSError | OperationTimeout | None = None
        connected: set[socket.socket] = set()
        try:
            async with trio.open_nursery() as nursery:
                # Nothing but a cancellation leaves the nursery as an exception: it would arrive wrapped.
                try:
                    attempts = TrioAttempts(nursery, connected, self._socket_settings)
                    winner = await run_race(Race(addresses, stagger), attempts, timeout, trio.current_time)
                    connected.discard(winner)
                except (OSError, OperationTimeout) as exc:
                    failure = exc
                nursery.cancel_scope.cancel()
        except BaseException:
            if winner is not None:
                winner.close()
            raise
        finally:
            for loser in connected:
                loser.close()
        if winner is None:
            raise failure or OperationTimeout
        return make_stream(winner)

    def waiter(self) -> Waiter:
        return TrioWaiter()

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer | None:
        return set_alarm(seconds, partial(self.call_soon, self.loop_token(), action))

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        if not isinstance(loop_token, trio.lowlevel.TrioToken):
            return False
        try:
            loop_token.run_sync_soon(_quietly, action)
        except trio.RunFinishedError:
            return False
        return True

    def _clock(self) -> Clock:
        return trio.current_time


def _nothing() -> None:
    pass


def _quietly(action: Callable[[], object]) -> None:
    """An exception here would take the whole run down."""
    with suppress(Exception):
        action()
