"""The far ends of the conformance suites, inside a simulation.

The suites use blocking sockets, threads and timers of their own. Here these are replaced: a socket is one
end of a simulated connection, a timer runs in virtual time, and a thread runs only while the simulation
stands still. Where it would block, it hands over to the simulation, until there is something to do for it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, Self, TypeVar

import pytest

from http3_transport._interfaces import Stream
from http3_transport.testing import Faults, SimulatedServer, Simulation
from http3_transport.testing._conformance import backends, reporting, steps, streams
from http3_transport.testing._conformance.peers import LIMIT
from http3_transport.testing._simulation.sockets import READ, WRITE, VirtualSocket

T = TypeVar("T")


class Step(NamedTuple):
    """What a thread waits for: something for the simulation to run, and whether it is there already."""

    wait: Callable[[], Coroutine[Any, Any, object]]
    is_there: Callable[[], bool]
    is_sleep: bool = False


class Handover(Generic[T]):
    """A function on a thread that takes turns with the simulation; `result` lets it run to its end."""

    current: Handover[Any] | None = None

    def __init__(self, simulation: Simulation, function: Callable[..., T], args: tuple[object, ...]) -> None:
        self._function = function
        self._args = args
        self._steps: SimpleQueue[Step | None] = SimpleQueue()
        self._turns: SimpleQueue[None] = SimpleQueue()
        self._outcome: list[T] = []
        self._error: Exception | None = None
        self._waits_for = self._resume(start=True)
        self._task = simulation.start(self._serve(), "the peer's thread")

    def block(self, step: Step) -> None:
        """On the thread: let the simulation run, and go on once the step is done."""
        self._steps.put(step)
        self._turns.get()

    def result(self) -> T:
        """What the function returned. All it still waits for must be there already."""
        while (step := self._waits_for) is not None:
            assert step.is_sleep or step.is_there(), "the peer is stuck: the stream does not do its part"
            self._waits_for = self._resume()
        if self._error is not None:
            raise self._error
        return self._outcome[0]

    def _run(self) -> None:
        try:
            self._outcome.append(self._function(*self._args))
        except Exception as exc:  # noqa: BLE001  (it is raised in the thread that asks for the result)
            self._error = exc
        self._steps.put(None)

    def _resume(self, *, start: bool = False) -> Step | None:
        """Let the thread run until it blocks or ends."""
        before, Handover.current = Handover.current, self
        try:
            if start:
                threading.Thread(target=self._run, daemon=True).start()
            else:
                self._turns.put(None)
            return self._steps.get(timeout=LIMIT)
        finally:
            Handover.current = before

    async def _serve(self) -> None:
        while (step := self._waits_for) is not None:
            if not step.is_there():
                await step.wait()
            if self._waits_for is step:
                self._waits_for = self._resume()


class VirtualPeer:
    """`Peer` over one end of a simulated connection."""

    is_tls = False

    def __init__(self, simulation: Simulation, end: VirtualSocket) -> None:
        self.sleep = simulation.sleep
        self._simulation = simulation
        self._end = end

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            taken = self._end.send(view)
            view = view[taken:]
            if not taken:
                self._block(WRITE)

    def receive(self, max_bytes: int) -> bytes:
        while (data := self._end.receive(max_bytes)) is None:
            self._block(READ)
        return data

    def receive_exactly(self, size: int) -> bytes:
        parts = []
        while size and (part := self.receive(min(size, 65536))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def in_background(self, function: Callable[..., T], *args: object) -> Handover[T]:
        return Handover(self._simulation, function, args)

    def finish(self) -> None:
        self._end.finish()

    cut = finish

    def reset(self) -> None:
        self._end.reset()

    def close(self) -> None:
        self._end.close()

    def _block(self, wants: int) -> None:
        assert Handover.current is not None, "the peer would block for ever"
        end = self._end

        def is_there() -> bool:
            return end.is_readable if wants == READ else end._in_flight < end._link.capacity

        Handover.current.block(Step(lambda: end.wait(wants, None), is_there))


class VirtualTimer:
    """`threading.Timer` in virtual time."""

    def __init__(
        self, simulation: Simulation, seconds: float, function: Callable[..., object], args: list[Any]
    ) -> None:
        self._simulation = simulation
        self._seconds = seconds
        self._function = function
        self._args = args

    def start(self) -> None:
        _ = self._simulation.start(self._run(), "timer")

    def join(self) -> None:
        """Nothing to wait for."""

    async def _run(self) -> None:
        await self._simulation.sleep(self._seconds)
        self._function(*self._args)


class AcceptingServer(SimulatedServer):
    """Keeps the ends of the connections that come."""

    def __init__(self, port: int, faults: Faults | None) -> None:
        super().__init__("test", port, self._do_nothing, faults)
        self.ends: list[VirtualSocket] = []

    def take(self, end: VirtualSocket) -> tuple[str, Coroutine[Any, Any, None]]:
        self.ends.append(end)
        return super().take(end)

    async def _do_nothing(self, end: VirtualSocket) -> None:
        """It is for the test to do something."""


class VirtualListener:
    """`Listener` in a simulation."""

    next_port = 10_000
    faults: Faults | None = None

    def __init__(self, simulation: Simulation) -> None:
        VirtualListener.next_port += 1
        self.host, self.port, self.family = "127.0.0.1", self.next_port, int(socket.AF_INET)
        self._server = AcceptingServer(self.port, self.faults)
        simulation._network.add_server(self.host, self.port, self._server)

    def accept(self) -> VirtualSocket:
        return self._server.ends.pop(0)

    def has_connection(self) -> bool:
        return bool(self._server.ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()


class SilentVirtualListener(VirtualListener):
    """`SilentListener` in a simulation."""

    faults = Faults(connect_hang=1)


def make_pairs(simulation: Simulation) -> Callable[[], Awaitable[tuple[Stream, Any]]]:
    """A ``make_pair`` for `check_stream`."""

    async def make_pair() -> tuple[Stream, Any]:
        with VirtualListener(simulation) as listener:
            address = (listener.family, (listener.host, listener.port))
            stream = await simulation.backend.connect_address(address, LIMIT)
            return stream, VirtualPeer(simulation, listener.accept())

    return make_pair


def move_in(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the suites use time, timers and sockets of the simulation."""

    def timer(seconds: float, function: Callable[..., object], args: list[Any] | None = None) -> VirtualTimer:
        return VirtualTimer(simulation, seconds, function, args or [])

    def sleep(seconds: float) -> None:
        assert Handover.current is not None
        Handover.current.block(Step(lambda: simulation.sleep(seconds), lambda: False, is_sleep=True))

    for module in (reporting, steps):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=simulation.now))
    for suite in (streams, backends):
        monkeypatch.setattr(suite, "threading", SimpleNamespace(Timer=timer, Event=threading.Event))
        monkeypatch.setattr(suite, "time", SimpleNamespace(monotonic=simulation.now, sleep=sleep))
    monkeypatch.setattr(backends, "Listener", lambda: VirtualListener(simulation))
    monkeypatch.setattr(backends, "SilentListener", lambda: SilentVirtualListener(simulation))
    monkeypatch.setattr(backends, "Peer", lambda end, _: VirtualPeer(simulation, end))
