"""Hosts of a simulated network: names, addresses, servers, and how connections are made."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._backends._lookup import literal_address
from ..._backends._sockets import connect_error
from ..._interfaces import Address, OperationTimeout
from .sockets import Link, VirtualSocket
from .tasks import Wait

if TYPE_CHECKING:
    from .faults import Faults
    from .sockets import World

Accept = Callable[[VirtualSocket], Coroutine[Any, Any, None]]
"""Run for each connection, with the server's end of it."""

CLIENT_HOST = "10.255.255.254"
FIRST_CLIENT_PORT = 49152


class SimulatedServer:
    """A server in a simulation; see `Simulation.serve`.

    ``faults`` are the faults of connections to it; None: those of the simulation. May be set at any time.
    """

    def __init__(self, name: str, port: int, accept: Accept, faults: Faults | None) -> None:
        self.faults: Faults | None = faults
        self.connections: int = 0
        """The number of connections accepted so far."""
        self.is_listening: bool = True
        self._name = f"{name}:{port}"
        self._accept = accept

    def __repr__(self) -> str:
        state = "listening" if self.is_listening else "closed"
        return f"<SimulatedServer {self._name} {state}, {self.connections} connections so far>"

    def close(self) -> None:
        """Stop listening: connects are refused. Connections that were accepted go on."""
        self.is_listening = False

    def listen(self) -> None:
        """Listen again."""
        self.is_listening = True

    def take(self, end: VirtualSocket) -> tuple[str, Coroutine[Any, Any, None]]:
        """Accept a connection: a name for it, and the coroutine that serves it."""
        self.connections += 1
        return f"server {self._name} of {end}", self._accept(end)


class Attempt:
    """A connect under way. ``outcome`` is set when it ends, and ``ended`` is called with it."""

    __slots__ = ("_ended", "_is_aborted", "_wait", "outcome")

    def __init__(self, ended: Callable[[VirtualSocket | OSError], object] | None = None) -> None:
        self.outcome: VirtualSocket | OSError | None = None
        self._ended = ended
        self._is_aborted = False
        self._wait: Wait | None = None

    def end(self, outcome: VirtualSocket | OSError) -> None:
        """It has succeeded or failed."""
        if self._is_aborted:
            if isinstance(outcome, VirtualSocket):
                outcome.close()
            return
        self.outcome = outcome
        if self._wait is not None:
            self._wait.end()
        if self._ended is not None:
            self._ended(outcome)

    def abort(self) -> None:
        """End it: a connection that is made is closed."""
        self._is_aborted = True
        if isinstance(self.outcome, VirtualSocket):
            self.outcome.close()

    async def wait(self, wait: Wait, timeout: float | None) -> VirtualSocket:
        """Its outcome. Raises OSError, or OperationTimeout."""
        if self.outcome is None:
            self._wait = wait
            await wait.until(timeout)
        if self.outcome is None:
            raise OperationTimeout
        if isinstance(self.outcome, OSError):
            raise self.outcome
        return self.outcome


class VirtualNetwork:
    """Names, listeners and connections of one simulation."""

    def __init__(self, world: World) -> None:
        self.world: World = world
        self.client_ends: dict[VirtualSocket, None] = {}
        """The clients' ends of all connections that may be open still."""
        self._names: dict[str, list[str]] = {"localhost": ["127.0.0.1"]}
        self._servers: dict[tuple[str, int], SimulatedServer] = {}
        self._addresses: dict[str, None] = {"127.0.0.1": None}
        self._links = 0

    # Names and servers.

    def add_host(self, name: str, *addresses: str) -> list[str]:
        """Give a name addresses: a new one, if none are given and it has none. Returns all it has.

        Raises ValueError for what is no IP address.
        """
        known = self._names.setdefault(name.lower(), [])
        literal = [name] if literal_address(name, 0) is not None else []
        if not known and not addresses and not literal:
            addresses = (self._unused_address(),)
        for address in [*literal, *addresses]:
            if literal_address(address, 0) is None:
                raise ValueError(f"an address must be an IP address, not {address!r}")
            if address not in known:
                known.append(address)
            self._addresses[address] = None
        return known

    def _unused_address(self) -> str:
        count = len(self._addresses)
        while (address := f"10.{count >> 16 & 255}.{count >> 8 & 255}.{count & 255}") in self._addresses:
            count += 1
        return address

    def add_server(self, host: str, port: int, server: SimulatedServer) -> None:
        """Listen at every address of the host. Raises ValueError if a server does already."""
        addresses = self.add_host(host)
        for address in addresses:
            listening = self._servers.get((address, port))
            if listening is not None and listening.is_listening:
                raise ValueError(f"a server listens at {host}:{port} already")
        for address in addresses:
            self._servers[address, port] = server

    # For clients.

    async def look_up(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        """The addresses of a name. Raises OSError, OperationTimeout."""
        literal = literal_address(host, port)
        if literal is not None:
            return [literal]
        world = self.world
        name = host.lower()
        addresses = self._names.get(name)
        faults = self._faults_of(name, addresses, port)
        wait = Wait(world.scheduler, ("the lookup of", host))
        if world.dice.happens(faults.lookup_hang):
            world.trace.note("resolver", f"hangs on {host}")
            await wait.until(timeout)
            raise OperationTimeout
        if seconds := world.dice.seconds(faults.lookup):
            timer = world.scheduler.call_at(world.scheduler.moment + seconds, wait.end)
            try:
                if not await wait.until(timeout):
                    raise OperationTimeout
            finally:
                timer.action = None
        if addresses is None or world.dice.happens(faults.lookup_failure):
            world.trace.note("resolver", f"does not find {host}")
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        world.trace.note("resolver", f"finds {host}")
        found = [literal_address(address, port) for address in addresses]
        return [address for address in found if address is not None]

    def _faults_of(self, name: str, addresses: list[str] | None, port: int) -> Faults:
        """Those of the server at this name and port, else those of the network."""
        for address in addresses or ():
            server = self._servers.get((address, port))
            if server is not None and server.faults is not None:
                return server.faults
        return self.world.faults

    def connect(self, address: Address, attempt: Attempt) -> None:
        """Begin to connect; `Attempt.end` is called when it is done."""
        world = self.world
        host, port = address[1][0], address[1][1]
        server = self._servers.get((host, port))
        faults = world.faults if server is None or server.faults is None else server.faults
        where = f"{host} port {port}"
        if world.dice.happens(faults.connect_hang):
            world.trace.note("network", f"loses a connect to {where}")
            return
        world.trace.note("network", f"takes a connect to {where}")
        there = world.scheduler.moment + world.dice.seconds(faults.latency)
        back = there + world.dice.seconds(faults.latency)
        if host not in self._addresses:
            error = OSError(errno.EHOSTUNREACH, f"{os.strerror(errno.EHOSTUNREACH)} ({where})")
            world.scheduler.call_at(back, partial(attempt.end, error))
        elif server is None or world.dice.happens(faults.refusal):
            self._refuse(address, attempt, back)
        else:
            world.scheduler.call_at(there, partial(self._arrive, server, address, attempt, back))

    def _refuse(self, address: Address, attempt: Attempt, back: float) -> None:
        error = connect_error(errno.ECONNREFUSED, address)
        self.world.scheduler.call_at(back, partial(attempt.end, error))

    def _arrive(self, server: SimulatedServer, address: Address, attempt: Attempt, back: float) -> None:
        """A connect has reached its server."""
        world = self.world
        if not server.is_listening:
            self._refuse(address, attempt, back)
            return
        self._links += 1
        link = Link(world, self._links, lambda: world.faults if server.faults is None else server.faults)
        here = (CLIENT_HOST, FIRST_CLIENT_PORT + self._links % (65536 - FIRST_CLIENT_PORT))
        near = VirtualSocket(link, "client", here, world.scheduler.moment)
        far = VirtualSocket(link, "server", (address[1][0], address[1][1]), back)
        near.peer, far.peer = far, near
        self._remember(near)
        world.trace.note(str(far), f"is accepted at {far.address[0]} port {far.address[1]}")
        name, serving = server.take(far)
        _ = world.scheduler.start(serving, name, is_vital=True)
        world.scheduler.call_at(back, partial(attempt.end, near))

    def _remember(self, end: VirtualSocket) -> None:
        if self._links % 1000 == 0:
            self.client_ends = {end: None for end in self.client_ends if not end.is_closed}
        self.client_ends[end] = None
