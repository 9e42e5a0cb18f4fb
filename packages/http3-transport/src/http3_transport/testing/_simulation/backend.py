"""The backend of a simulation: streams, waiters and time of a virtual world, behind the engine's seams."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from http3_models import ConnectionInfo

from ..._backends._connecting import Race, run_race
from ..._backends._legacy_connect import BackendWithConnect
from ..._backends._sockets import closed_error
from ..._interfaces import Address, Clock, DirectStream, Stream, Timer, Waiter, WatchedStream
from .network import Attempt, VirtualNetwork
from .sockets import READ, WRITE, VirtualSocket
from .tasks import Timer as SchedulerTimer
from .tasks import Wait
from .time import Scheduler

if TYPE_CHECKING:
    from .sockets import World

FILE_PIECE = 64 * 1024
"""Bytes of a file that are read at a time."""


class VirtualStream(DirectStream, WatchedStream):
    """A `Stream` over one end of a simulated connection."""

    __slots__ = ("_info", "_socket", "_world")

    def __init__(self, world: World, end: VirtualSocket) -> None:
        self._world = world
        self._socket = end
        self._info = ConnectionInfo(end.peer.address, end.address)

    def __repr__(self) -> str:
        return f"<VirtualStream {self._socket}{' closed' if self._socket.is_closed else ''}>"

    @property
    def info(self) -> ConnectionInfo:
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

    async def _turn(self) -> None:
        """Backends differ in whether an operation that need not wait lets others run; here it is drawn."""
        world = self._world
        if world.faults.shuffle and world.dice.happens(0.5):
            await world.scheduler.sleep(0)

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        await self._turn()
        while (data := self._socket.receive(max_bytes)) is None:
            await self._socket.wait(READ, timeout)
        return data

    def read_nowait(self, max_bytes: int) -> bytes | None:
        return self._socket.receive(max_bytes)

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        view = memoryview(data)
        self._check_open()
        while view:
            taken = self._socket.send(view)
            view = view[taken:]
            if not taken:
                await self._socket.wait(WRITE, timeout)

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        self._check_open()
        await self._turn()
        view, sent = memoryview(data), 0
        while sent < len(view) and not self._socket.is_readable:
            taken = self._socket.send(view[sent:])
            sent += taken
            if not taken:
                await self._socket.wait(READ | WRITE, timeout)
        self._check_open()
        return sent

    def write_nowait(self, data: bytes | memoryview) -> int:
        return self._socket.send(data)

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        self._check_open()
        end = self._socket
        if not (end.has_room or (or_readable and end.is_readable)):
            await end.wait(READ | WRITE if or_readable else WRITE, timeout)
        self._check_open()
        return or_readable and end.is_readable

    def write_pieces_nowait(self, pieces: Sequence[bytes]) -> int:
        return self._socket.send(b"".join(pieces))

    async def write_file_until_readable(
        self, descriptor: int, offset: int, size: int, timeout: float | None
    ) -> int | None:
        self._check_open()
        if not hasattr(os, "pread"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        data = os.pread(descriptor, min(size, FILE_PIECE), offset)
        while not self._socket.is_readable:
            taken = self._socket.send(data)
            if taken or not data:
                return taken
            await self._socket.wait(READ | WRITE, timeout)
        self._check_open()
        return None

    def when_over(self, tell: Callable[[], object]) -> None:
        self._socket.when_over(tell)

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        self._socket.close()

    def _check_open(self) -> None:
        if self._socket.is_closed:
            raise closed_error()


class VirtualWaiter:
    """A `Waiter` between tasks of one simulation."""

    __slots__ = ("_is_set", "_scheduler", "_wait")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._is_set = False
        self._wait: Wait | None = None

    @property
    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        if self._wait is not None:
            self._wait.end()

    async def wait(self, timeout: float | None) -> bool:
        if not self._is_set:
            self._wait = Wait(self._scheduler, ("another task",))
            await self._wait.until(timeout)
        return self._is_set


class VirtualAttempts:
    """Connects under way, in a race."""

    __slots__ = ("_ended", "_network", "_started", "_wait")

    def __init__(self, network: VirtualNetwork) -> None:
        self._network = network
        self._started: list[Attempt] = []
        self._ended: list[VirtualSocket | OSError] = []
        self._wait: Wait | None = None

    def start(self, address: Address) -> None:
        attempt = Attempt(self._note)
        self._started.append(attempt)
        self._network.connect(address, attempt)

    def _note(self, outcome: VirtualSocket | OSError) -> None:
        self._ended.append(outcome)
        if self._wait is not None:
            self._wait.end()

    async def wait(self, seconds: float | None) -> Sequence[VirtualSocket | OSError]:
        if not self._ended:
            self._wait = Wait(self._network.world.scheduler, ("the end of a connect",))
            await self._wait.until(seconds)
        ended, self._ended = self._ended, []
        return ended

    def close(self, winner: VirtualSocket | None) -> None:
        """Give up all but the winner."""
        for attempt in self._started:
            if winner is None or attempt.outcome is not winner:
                attempt.abort()


class VirtualTimer:
    """What `SimulatedBackend.call_later` has set."""

    __slots__ = ("_timer",)

    def __init__(self, timer: SchedulerTimer) -> None:
        self._timer = timer

    def cancel(self) -> None:
        """Don't fire."""
        self._timer.action = None


class SimulatedBackend(BackendWithConnect):
    """``backend=`` of an `AsyncClient` or a pool inside a `Simulation`. It brings its own clock, `now`."""

    blocks = False
    must_look = False

    def __init__(self, network: VirtualNetwork) -> None:
        self._network = network
        self._scheduler = network.world.scheduler
        self._run: object = None
        self._thread = 0

    def __repr__(self) -> str:
        return f"<SimulatedBackend at {self._scheduler.moment:g} s>"

    def now(self) -> float:
        """Virtual seconds since the simulation began."""
        return self._scheduler.moment

    def begin(self) -> None:
        """A run begins, in this thread."""
        self._run = object()
        self._thread = threading.get_ident()

    def loop_token(self) -> object:
        """The run. Raises RuntimeError outside of one, and in another thread (a sync client's)."""
        if not self._scheduler.is_running or threading.get_ident() != self._thread:
            raise RuntimeError(
                "the backend of a simulation needs AsyncClient, inside simulation.run(); Client can't use it"
            )
        return self._run

    def loop_has_ended(self, loop_token: object) -> bool:
        """True for a run that is over."""
        return loop_token is not self._run or not self._scheduler.is_running

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        """What the simulated resolver knows."""
        return await self._network.look_up(host, port, timeout)

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        """Connect to a simulated host."""
        attempt = Attempt()
        self._network.connect(address, attempt)
        wait = Wait(self._scheduler, (f"the connect to {address[1][0]} port {address[1][1]}",))
        try:
            return VirtualStream(self._network.world, await attempt.wait(wait, timeout))
        except BaseException:
            attempt.abort()
            raise

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        """The race of RFC 8305 in virtual time."""
        attempts = VirtualAttempts(self._network)
        winner = None
        try:
            winner = await run_race(Race(addresses, stagger), attempts, timeout, self.now)
        finally:
            attempts.close(winner)
        return VirtualStream(self._network.world, winner)

    def waiter(self) -> Waiter:
        """A flag between tasks."""
        return VirtualWaiter(self._scheduler)

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await self._scheduler.sleep(seconds)

    def call_later(self, seconds: float, action: Callable[[], object]) -> Timer | None:
        """Have the scheduler do something after so many virtual seconds, if the run has not ended then."""
        moment = self._scheduler.after(seconds)
        return VirtualTimer(self._scheduler.call_at(moment, action, is_idle=True))

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        """The same, at once. From any thread, also from a finaliser."""
        if self.loop_has_ended(loop_token):
            return False
        self._scheduler.call_at(self._scheduler.moment, action, is_idle=True)
        return True

    def _clock(self) -> Clock:
        return self.now
