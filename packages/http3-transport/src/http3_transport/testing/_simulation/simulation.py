"""`Simulation`: a world for http3 to run in, with a time, a network and faults of its own, from one seed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from .backend import SimulatedBackend
from .faults import Dice, Faults
from .network import SimulatedServer, VirtualNetwork
from .server_connections import ServerConnection, open_server_end
from .sockets import World
from .tasks import Task
from .time import Scheduler
from .trace import Trace

if TYPE_CHECKING:
    import ssl

    from .sockets import VirtualSocket

T = TypeVar("T")

Server = Callable[[ServerConnection], Coroutine[Any, Any, None]]
"""What serves one connection."""

PATIENCE = 86_400.0


class Simulation:
    """Runs coroutines in virtual time over a network in memory; the same run each time from the same seed.

    ``backend`` is for `AsyncClient` and the pool, and brings its clock along. ``seed`` decides everything
    that is drawn: the ``faults`` of the network, what servers draw, the order of tasks (`Faults.shuffle`).
    ``patience`` is how many virtual seconds may pass in which nothing happens but that waits run out, before
    that counts as a deadlock; a day by default.

    It is for one thread. Coroutines inside must wait by its means only: on http3, `sleep`, tasks.
    """

    def __init__(self, seed: int = 0, *, faults: Faults | None = None, patience: float = PATIENCE) -> None:
        self.seed: int = seed
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"seed must be an int, not {type(seed).__name__}")
        faults = Faults() if faults is None else faults
        self.random: Random = Random(seed)
        """The draws of the simulation, for what tests and servers draw."""
        self._scheduler = Scheduler(self.random if faults.shuffle else None, self._note, patience)
        self.trace: Trace = Trace(self._scheduler.now)
        """What has happened so far."""
        self._world = World(self._scheduler, Dice(self.random), self.trace, faults)
        self._network = VirtualNetwork(self._world)
        self.backend: SimulatedBackend = SimulatedBackend(self._network)
        """``backend=`` of clients and pools."""

    def __repr__(self) -> str:
        moment = f" at {self.now():g} s" if hasattr(self, "_scheduler") else ""
        return f"<Simulation of seed {self.seed}{moment}>"

    def now(self) -> float:
        """Virtual seconds since the simulation began. A clock for what takes one (``now=``)."""
        return self._scheduler.moment

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on, with servers that have no faults of their own. May be set, but for
        ``shuffle``, which stays as it was at first."""
        return self._world.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._world.faults = faults

    @property
    def open_connections(self) -> int:
        """How many connections the clients have not closed."""
        return sum(not end.is_closed for end in self._network.client_ends)

    # Hosts.

    def add_host(self, name: str, *addresses: str) -> list[str]:
        """Make a name known, with these IP addresses; without any, with one of its own. Returns all it has.

        Names that are not known can't be looked up; addresses that are not known can't be reached.
        """
        return self._network.add_host(name, *addresses)

    def serve(
        self,
        host: str,
        port: int,
        server: Server,
        *,
        faults: Faults | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> SimulatedServer:
        """Have ``await server(connection)`` run for each connection to this host name or IP address.

        ``faults`` hold in place of the simulation's for this server. ``ssl_context``: a server's, to speak
        TLS (what TLS sends is not the same in two runs). Raises ValueError if a server listens already.
        """
        accept = partial(self._serve, server, ssl_context)
        listening = SimulatedServer(host, port, accept, faults)
        self._network.add_server(host, port, listening)
        return listening

    async def _serve(self, server: Server, context: ssl.SSLContext | None, end: VirtualSocket) -> None:
        try:
            connection = await open_server_end(self._world, end, context)
            await server(connection)
        except BaseException:
            end.reset()
            raise
        connection.close()
        end.close()

    # Running.

    def run(self, main: Callable[..., Coroutine[Any, Any, T]], *args: object) -> T:
        """Run ``await main(*args)`` and all it starts, in virtual time; its result.

        When it ends, what still runs is cancelled. Raises what ``main`` raises, or what a server raised;
        `Deadlock` when it can never end; and the error of a task whose result was never asked for.
        """
        if self._scheduler.is_running:
            raise RuntimeError("the simulation is running already")
        self.backend.begin()
        return self._scheduler.run(main(*args))

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass; 0 lets other tasks run."""
        await self._scheduler.sleep(seconds)

    def start(self, coroutine: Coroutine[Any, Any, T], name: str | None = None) -> Task[T]:
        """Run a coroutine beside the others, under this name. Raises RuntimeError outside of `run`."""
        if not self._scheduler.is_running:
            coroutine.close()
            raise RuntimeError("tasks can be started inside simulation.run() only")
        return self._scheduler.start(coroutine, name)

    def _note(self, who: str, what: str) -> None:
        self._scheduler.progress()
        self.trace.note(who, what)
