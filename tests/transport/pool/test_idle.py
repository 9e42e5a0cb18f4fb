"""When idle connections are closed: to the moment in virtual time; and what the timers for it cost."""

from __future__ import annotations

import _thread
import os
import time
from functools import partial

import pytest
import trio

import http3
from http3_transport import ConnectionPool, TrioBackend
from http3_transport._backends import _alarm_clock
from http3_transport._backends._alarm_clock import AlarmClock
from http3_transport.testing import Faults, HTTP2Server, HTTP11Server, ServerConnection, Simulation
from support.counting_loops import CountingLoop
from support.servers import StartServer
from support.stalling_peers import never_bad, serve_http11

# In virtual time.


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_an_idle_connection_is_closed_at_its_moment(version: str) -> None:
    simulation = Simulation()
    make_server = HTTP11Server if version == "HTTP/1.1" else HTTP2Server
    simulation.serve("api.test", 80, make_server(lambda request: http3.Response(200)))
    simulation.serve("other.test", 80, make_server(lambda request: http3.Response(200)))

    async def main() -> list[int]:
        seen = []
        # It keeps connections for 30 s.
        async with http3.AsyncClient(backend=simulation.backend, http_versions=(version,)) as client:
            await client.get("http://api.test/")
            await simulation.sleep(20)
            await client.get("http://other.test/")
            await client.get("http://api.test/")  # is idle from now on
            for until in (49.99, 50.01, 1000):
                await simulation.sleep(until - simulation.now())
                seen.append(simulation.open_connections)
            await client.get("http://api.test/")
            await simulation.sleep(29)
            await client.get("http://api.test/")
            await simulation.sleep(29)
            seen.append(simulation.open_connections)
        return seen

    assert simulation.run(main) == [2, 0, 0, 1]


def test_each_connection_has_a_moment_of_its_own() -> None:
    simulation = Simulation()
    for number in range(5):
        simulation.serve(f"host{number}.test", 80, HTTP11Server(lambda request: http3.Response(200)))

    async def main() -> list[int]:
        limits = http3.PoolLimits(keepalive_expiry=10)
        async with http3.AsyncClient(backend=simulation.backend, pool_limits=limits) as client:
            for number in range(5):
                await client.get(f"http://host{number}.test/")
                await simulation.sleep(1)
            await simulation.sleep(4.5)
            seen = []
            for _ in range(6):
                seen.append(simulation.open_connections)
                await simulation.sleep(1)
            return seen

    assert simulation.run(main) == [5, 4, 3, 2, 1, 0]


def test_a_connection_that_the_server_ends_is_closed_at_once() -> None:
    simulation = Simulation(faults=Faults(latency=(0.01, 0.01)))

    async def serve(connection: ServerConnection) -> None:
        await connection.read_until(b"\r\n\r\n")
        await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await connection.sleep(1)

    simulation.serve("api.test", 80, serve)

    async def main() -> list[int]:
        async with http3.AsyncClient(backend=simulation.backend) as client:
            await client.get("http://api.test/")
            seen = [simulation.open_connections]
            await simulation.sleep(1.1)
            return [*seen, simulation.open_connections]

    assert simulation.run(main) == [1, 0]


# On asyncio.


def test_requests_set_no_timer_of_their_own(start_server: StartServer) -> None:
    url = start_server(serve_http11(never_bad)).url
    loop = CountingLoop()

    async def main() -> int:
        async with http3.AsyncClient() as client:
            await client.get(url)
            before = loop.timers
            for _ in range(100):
                await client.get(url)
            return loop.timers - before

    try:
        assert loop.run_until_complete(main()) == 0
    finally:
        loop.close()


# On trio: the clock.


def test_no_task_of_ours_lives_beside_the_programs(start_server: StartServer) -> None:
    url = start_server(serve_http11(never_bad)).url

    async def main() -> None:
        before = trio.lowlevel.current_statistics().tasks_living
        async with http3.AsyncClient() as client:
            await client.get(url)
            await trio.sleep(0.3)
            assert trio.lowlevel.current_statistics().tasks_living == before

    trio.run(main)


def test_requests_go_on_where_no_thread_can_be_had_for_the_clock(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start_server(serve_http11(never_bad)).url

    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_alarm_clock, "_clock", AlarmClock())

    async def main() -> None:
        pool = ConnectionPool(backend=TrioBackend(), pool_limits=http3.PoolLimits(keepalive_expiry=0.05))
        for _ in range(2):
            monkeypatch.setattr(_thread, "start_new_thread", refuse)
            response = await pool.send(http3.AsyncRequest("GET", url))
            assert await response.read() == b"/"
            monkeypatch.undo()
            await trio.sleep(0.1)
        await pool.close()

    trio.run(main)


def test_alarms_ring_in_the_order_of_their_moments() -> None:
    clock = AlarmClock()
    rung: list[float] = []
    for seconds in (0.06, 0.02, 0.04):
        clock.set(seconds, partial(rung.append, seconds))
    cancelled = clock.set(0.03, partial(rung.append, 0.03))
    assert cancelled is not None
    cancelled.cancel()
    end = time.monotonic() + 5
    while len(rung) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert rung == [0.02, 0.04, 0.06]


def test_the_thread_ends_when_it_is_not_needed_and_another_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_alarm_clock, "LINGER", 0.02)
    clock = AlarmClock()
    rung: list[int] = []
    for number in range(2):
        clock.set(0, partial(rung.append, number))
        end = time.monotonic() + 5
        while (len(rung) <= number or clock._is_running) and time.monotonic() < end:
            time.sleep(0.01)
        assert not clock._is_running
    assert rung == [0, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_clock_of_its_own() -> None:
    _alarm_clock.set_alarm(3600, never_bad)
    pid = os.fork()
    if pid == 0:
        rung: list[int] = []
        _alarm_clock.set_alarm(0.01, lambda: rung.append(1))
        end = time.monotonic() + 5
        while not rung and time.monotonic() < end:
            time.sleep(0.01)
        os._exit(0 if rung else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
