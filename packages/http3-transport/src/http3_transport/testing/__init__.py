"""For tests: conformance suites for the parts of http3 that can be swapped, a deterministic simulation, and
servers that misbehave on real sockets.

`check_stream`, `check_backend` and `check_dispatcher` take a way to make the thing and, where it is
asynchronous, a way to run coroutines. They need no test framework: what is wrong is an AssertionError
that names the check. With pytest, the names make parameters::

    @pytest.mark.parametrize("name", BACKEND_CHECKS)
    def test_my_backend(name):
        check_backend(trio.run, MyBackend(), [name])

The checks open connections on the loopback interface only, and start helper threads. A thing that
hangs hangs its check as well: give the test run a limit of its own.

`Simulation` runs http3 in virtual time, over a network in memory with the faults that one asks for; the same
run each time from the same seed::

    simulation = Simulation(seed=7, faults=Faults(latency=(0.01, 0.2), reset=0.01))
    simulation.serve("api.test", 80, HTTP11Server(lambda request: Response(200, text="Hello")))

    async def main():
        async with AsyncClient(backend=simulation.backend) as client:
            return await client.get("http://api.test/")

    simulation.run(main)

`ScriptedServer` is for what needs real sockets: it does what a test says, byte by byte, over HTTP/1.1, TLS
and HTTP/2 (`HTTP2Frames`)::

    with ScriptedServer(cutting(response_bytes(b"Hello"), 40, "reset")) as server:
        http3.get(server.url)  # raises ReadError
"""

from __future__ import annotations

from .._interfaces import Address, Backend, OperationTimeout, Stream, Timer, Waiter
from ._conformance import (
    BACKEND_CHECKS,
    DISPATCHER_CHECKS,
    STREAM_CHECKS,
    MakePair,
    Peer,
    RunFunction,
    answer,
    asgi_app,
    check_backend,
    check_dispatcher,
    check_stream,
    plain_pairs,
    tls_pairs,
    wsgi_app,
)
from ._scripted import (
    HTTP2Frames,
    ReceivedFrame,
    ReceivedRequest,
    Script,
    ScriptedConnection,
    ScriptedServer,
    cutting,
    responding,
    response_bytes,
)
from ._simulation import (
    Cancelled,
    Deadlock,
    Event,
    Faults,
    HTTP2Server,
    HTTP11Server,
    ServerConnection,
    SimulatedBackend,
    SimulatedServer,
    Simulation,
    Task,
    Trace,
)

__all__ = [
    "BACKEND_CHECKS",
    "DISPATCHER_CHECKS",
    "STREAM_CHECKS",
    "Address",
    "Backend",
    "Cancelled",
    "Deadlock",
    "Event",
    "Faults",
    "HTTP2Frames",
    "HTTP2Server",
    "HTTP11Server",
    "MakePair",
    "OperationTimeout",
    "Peer",
    "ReceivedFrame",
    "ReceivedRequest",
    "RunFunction",
    "Script",
    "ScriptedConnection",
    "ScriptedServer",
    "ServerConnection",
    "SimulatedBackend",
    "SimulatedServer",
    "Simulation",
    "Stream",
    "Task",
    "Timer",
    "Trace",
    "Waiter",
    "answer",
    "asgi_app",
    "check_backend",
    "check_dispatcher",
    "check_stream",
    "cutting",
    "plain_pairs",
    "responding",
    "response_bytes",
    "tls_pairs",
    "wsgi_app",
]

for _name in __all__:
    _object = globals()[_name]
    if isinstance(_object, type) and _object.__module__ != "http3_transport":
        # One public address for each class, whatever module it is written in.
        _object.__module__ = __name__
