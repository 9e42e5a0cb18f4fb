"""http3 in virtual time, over a network in memory.

From the bottom up: `time` and `tasks` are the scheduler (`deadlocks` says who waits for whom), `faults`,
`sockets` and `network` the network, `backend` the backend over both; `server_connections`, `http`, `http11`
and `http2` the servers; `simulation` is the public `Simulation`, `trace` what happened in it.
"""

from __future__ import annotations

from .backend import SimulatedBackend
from .deadlocks import Deadlock
from .faults import Faults
from .http2 import HTTP2Server
from .http11 import HTTP11Server
from .network import SimulatedServer
from .server_connections import ServerConnection
from .simulation import Simulation
from .tasks import Cancelled, Task
from .trace import Event, Trace

__all__ = [
    "Cancelled",
    "Deadlock",
    "Event",
    "Faults",
    "HTTP2Server",
    "HTTP11Server",
    "ServerConnection",
    "SimulatedBackend",
    "SimulatedServer",
    "Simulation",
    "Task",
    "Trace",
]
