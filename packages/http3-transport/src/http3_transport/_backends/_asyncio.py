"""asyncio and uvloop: how connections are opened. The stream is in `_asyncio_stream`.

Sockets are made and connected by us, then handed to a transport. Tasks are started for a race of
several addresses only, and none outlives the call. Loops are looked up when something is awaited, so
one backend may serve several loops, one after the other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from .._interfaces import Address, Clock, OperationTimeout, Stream, Timer, Waiter
from ._asyncio_stream import AsyncioStream
from ._asyncio_waits import LONGEST, Alarms, AsyncioWaiter
from ._connecting import Race, run_race
from ._legacy_connect import BackendWithConnect
from ._lookup import look_up
from ._sockets import SocketSettings, connect_error, make_socket, socket_name


class AsyncioAttempts:
    """Connects under way, each in a task that does not outlive the race."""

    __slots__ = ("_loop", "_socket_settings", "_tasks")

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: SocketSettings) -> None:
        self._loop = loop
        self._socket_settings = settings
        self._tasks: set[asyncio.Task[socket.socket]] = set()

    def start(self, address: Address) -> None:
        self._tasks.add(self._loop.create_task(connect_socket(self._loop, address, self._socket_settings)))

    async def wait(self, seconds: float | None) -> Sequence[socket.socket | OSError]:
        done, _ = await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        outcomes: list[socket.socket | OSError] = []
        for task in done:
            failure = task.exception()
            if failure is None:
                outcomes.append(task.result())  # the task stays in the set: one of several may win
                continue
            self._tasks.discard(task)
            if not isinstance(failure, OSError):
                raise failure
            outcomes.append(failure)
        return outcomes

    async def close(self, winner: socket.socket | None) -> None:
        """Cancel what still tries, close what connected and did not win; all, if cancelled here as well."""
        for task in self._tasks:
            task.cancel()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        except BaseException:
            winner = None
            raise
        finally:
            for task in self._tasks:
                # One that is not done yet was cancelled, and closes its socket itself.
                connected = task.done() and not task.cancelled() and task.exception() is None
                if connected and task.result() is not winner:
                    task.result().close()


async def connect_socket(
    loop: asyncio.AbstractEventLoop, address: Address, settings: SocketSettings
) -> socket.socket:
    """A socket connected to the address. Raises OSError; cancelled, it leaves nothing open."""
    sock = make_socket(address, settings)
    try:
        await loop.sock_connect(sock, socket_name(address))
    except OSError as exc:
        sock.close()
        raise (connect_error(exc.errno, address) if exc.errno else exc) from exc
    except BaseException:
        sock.close()
        raise
    return sock


async def make_stream(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> AsyncioStream:
    """Hand a connected socket over to a transport."""
    try:
        stream = AsyncioStream(sock, loop)
    except BaseException:  # an interrupt
        sock.close()
        raise
    try:
        await loop.create_connection(lambda: stream, sock=sock)
    except BaseException:
        stream.abort()
        raise
    return stream


class AsyncioBackend(BackendWithConnect):
    """asyncio and uvloop, for `AsyncClient`. Not tied to a loop; may serve several, one after the other."""

    __module__ = "http3_transport"

    blocks = False
    must_look = False  # transports read all the time

    _alarms: Alarms | None = None  # of the loop that was seen last

    def loop_token(self) -> object:
        try:
            return asyncio.get_running_loop()
        except RuntimeError as exc:
            raise RuntimeError(
                "AsyncioBackend needs asyncio: await AsyncClient inside asyncio.run()"
            ) from exc

    def loop_has_ended(self, loop_token: object) -> bool:
        return isinstance(loop_token, asyncio.AbstractEventLoop) and loop_token.is_closed()

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        return await look_up(host, port, timeout, self.waiter)

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                sock = await connect_socket(loop, address, self._socket_settings)
        except TimeoutError as exc:  # of `asyncio.timeout`, or of the kernel
            if limit.expired():
                raise OperationTimeout from exc
            raise
        return await make_stream(loop, sock)

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        loop = asyncio.get_running_loop()
        attempts = AsyncioAttempts(loop, self._socket_settings)
        winner = None
        try:
            winner = await run_race(Race(addresses, stagger), attempts, timeout, loop.time)
        finally:
            await attempts.close(winner)
        return await make_stream(loop, winner)

    def waiter(self) -> Waiter:
        loop = asyncio.get_running_loop()
        alarms = self._alarms
        if alarms is None or alarms.loop is not loop:
            alarms = self._alarms = Alarms(loop)
        return AsyncioWaiter(alarms)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer | None:
        return asyncio.get_running_loop().call_later(min(seconds, LONGEST), action)

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        if not isinstance(loop_token, asyncio.AbstractEventLoop):
            return False
        try:
            loop_token.call_soon_threadsafe(action)
        except RuntimeError:  # it is closed
            return False
        return True

    def _clock(self) -> Clock:
        return asyncio.get_running_loop().time
