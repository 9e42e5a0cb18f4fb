"""The simulation itself: time, tasks, deadlocks, and a network that fails as it is told to."""

from __future__ import annotations

import gc
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import http3
from http3_transport.testing import (
    Cancelled,
    Deadlock,
    Faults,
    HTTP11Server,
    ServerConnection,
    Simulation,
    Task,
)
from http3_transport.testing._simulation import time, trace

URL = "http://api.test/"


def hello(request: http3.Request) -> http3.Response:
    return http3.Response(200, text="hello")


def echo(request: http3.Request) -> http3.Response:
    return http3.Response(200, content=request.read())


def simulated(faults: Faults | None = None, seed: int = 0) -> Simulation:
    """A simulation with an HTTP server for `URL`."""
    simulation = Simulation(seed, faults=faults)
    simulation.serve("api.test", 80, HTTP11Server(hello))
    return simulation


def get(simulation: Simulation, url: str = URL, **options: Any) -> http3.AsyncResponse:
    """One GET in a run of its own."""

    async def main() -> http3.AsyncResponse:
        async with http3.AsyncClient(backend=simulation.backend) as client:
            return await client.get(url, **options)

    return simulation.run(main)


class TestTime:
    def test_it_moves_only_where_all_wait(self) -> None:
        simulation = Simulation()
        seen: list[tuple[str, float]] = []

        async def ticking(name: str, period: float) -> None:
            for _ in range(3):
                await simulation.sleep(period)
                seen.append((name, simulation.now()))

        async def main() -> str:
            tasks = [simulation.start(ticking("a", 1000)), simulation.start(ticking("b", 1500))]
            for task in tasks:
                await task
            return "done"

        assert simulation.run(main) == "done"
        assert seen == [("a", 1000), ("b", 1500), ("a", 2000), ("b", 3000), ("a", 3000), ("b", 4500)]

    def test_it_goes_on_in_the_next_run(self) -> None:
        simulation = Simulation()
        simulation.run(simulation.sleep, 10)
        simulation.run(simulation.sleep, 5)
        assert simulation.now() == 15

    def test_even_the_shortest_limit_takes_time(self) -> None:
        simulation = Simulation()

        async def main() -> None:
            await simulation.sleep(1e6)
            while simulation.now() <= 1e6:
                await simulation.backend.waiter().wait(1e-20)

        simulation.run(main)

    def test_a_sleep_of_nothing_lets_others_run(self) -> None:
        simulation = Simulation()
        seen: list[str] = []

        async def other() -> None:
            seen.append("other")

        async def main() -> None:
            _ = simulation.start(other())
            await simulation.sleep(0)
            seen.append("main")

        simulation.run(main)
        assert seen == ["other", "main"]
        assert simulation.now() == 0


class TestTasks:
    def test_results(self) -> None:
        simulation = Simulation()

        async def double(value: int) -> int:
            await simulation.sleep(1)
            return 2 * value

        async def main() -> list[int]:
            tasks = [simulation.start(double(value)) for value in range(3)]
            with pytest.raises(RuntimeError, match="not ended"):
                tasks[0].result()
            assert not await tasks[0].wait(0.5)
            return [await task for task in tasks]

        assert simulation.run(main) == [0, 2, 4]

    def test_a_failure_is_raised_where_it_is_awaited(self) -> None:
        simulation = Simulation()

        async def failing() -> None:
            raise LookupError("nothing there")

        async def main() -> None:
            task = simulation.start(failing())
            with pytest.raises(LookupError, match="nothing there"):
                await task

        simulation.run(main)

    def test_a_failure_that_nobody_sees_fails_the_run(self) -> None:
        simulation = Simulation()

        async def failing() -> None:
            raise LookupError("nothing there")

        async def main() -> None:
            _ = simulation.start(failing(), "the forgotten one")
            await simulation.sleep(1)

        with pytest.raises(LookupError) as caught:
            simulation.run(main)
        assert "the forgotten one" in caught.value.__notes__[0]

    def test_what_main_raises_comes_out(self) -> None:
        async def main() -> None:
            raise KeyError("main")

        with pytest.raises(KeyError):
            Simulation().run(main)

    def test_interrupts_come_out_at_once(self) -> None:
        simulation = Simulation()

        async def interrupted() -> None:
            raise KeyboardInterrupt

        async def main() -> None:
            await simulation.start(interrupted())

        with pytest.raises(KeyboardInterrupt):
            simulation.run(main)

    @pytest.mark.parametrize("moment", [0, 1])
    def test_cancelled_where_it_waits(self, moment: float) -> None:
        simulation = Simulation()
        ended: list[float] = []

        async def sleeping() -> None:
            try:
                await simulation.sleep(100)
            finally:
                await simulation.sleep(2)  # a cancellation is raised once
                ended.append(simulation.now())

        async def main() -> None:
            task = simulation.start(sleeping())
            await simulation.sleep(moment)
            task.cancel()
            task.cancel()
            with pytest.raises(Cancelled):
                await task
            task.cancel()

        simulation.run(main)
        assert ended == [moment + 2]

    def test_cancelled_before_it_began(self) -> None:
        simulation = Simulation()

        async def never() -> None:
            raise AssertionError

        async def main() -> None:
            task = simulation.start(never())
            task.cancel()
            assert await task.wait()

        simulation.run(main)

    def test_cancelled_though_it_could_go_on(self) -> None:
        """As in asyncio: what was waited for has come, and the cancellation comes first all the same."""
        simulation = Simulation()

        async def main() -> None:
            waiter = simulation.backend.waiter()

            async def waiting() -> None:
                with pytest.raises(Cancelled):
                    await waiter.wait(None)

            task = simulation.start(waiting())
            await simulation.sleep(1)
            waiter.set()
            task.cancel()
            await task

        simulation.run(main)

    def test_a_task_may_cancel_itself(self) -> None:
        simulation = Simulation()

        async def main() -> None:
            tasks: list[Task[None]] = []

            async def itself() -> None:
                tasks[0].cancel()
                await simulation.sleep(1)

            tasks.append(simulation.start(itself()))
            with pytest.raises(Cancelled):
                await tasks[0]
            assert simulation.now() == 0

        simulation.run(main)

    def test_the_end_of_main_is_the_end_of_all(self) -> None:
        simulation = Simulation()
        ended: list[str] = []

        async def endless(name: str) -> None:
            try:
                while True:
                    await simulation.sleep(1)
            finally:
                ended.append(name)

        async def stubborn() -> None:
            while True:
                try:
                    await simulation.backend.waiter().wait(None)
                except Cancelled:
                    ended.append("not me")

        async def main() -> None:
            for task in (endless("a"), endless("b"), stubborn()):
                _ = simulation.start(task)
            await simulation.sleep(10)

        simulation.run(main)
        assert ended == ["a", "b", "not me"]

    def test_tasks_are_started_in_a_run_only(self) -> None:
        simulation = Simulation()
        with pytest.raises(RuntimeError, match="inside simulation"):
            _ = simulation.start(simulation.sleep(1))

    def test_one_run_at_a_time(self) -> None:
        simulation = Simulation()

        async def main() -> None:
            with pytest.raises(RuntimeError, match="running already"):
                simulation.run(main)

        simulation.run(main)

    def test_what_belongs_to_another_loop(self) -> None:
        class Foreign:
            def __await__(self) -> Any:
                yield "a future of some other loop"

        async def main() -> None:
            with pytest.raises(RuntimeError, match="'a future of some other loop' can't be awaited"):
                await Foreign()

        Simulation().run(main)

    def test_the_collector_is_left_as_it_was(self) -> None:
        async def main() -> bool:
            return gc.isenabled()

        assert gc.isenabled()
        assert not Simulation().run(main)
        assert gc.isenabled()


class TestShuffling:
    def order(self, seed: int, *, shuffle: bool) -> str:
        simulation = Simulation(seed, faults=Faults(shuffle=shuffle))
        seen: list[str] = []

        async def one(name: str) -> None:
            await simulation.sleep(1)
            seen.append(name)

        async def main() -> None:
            for name in "abcdefgh":
                _ = simulation.start(one(name))
            await simulation.sleep(2)

        simulation.run(main)
        return "".join(seen)

    def test_in_order_unless_told_otherwise(self) -> None:
        assert {self.order(seed, shuffle=False) for seed in range(5)} == {"abcdefgh"}

    def test_the_seed_decides(self) -> None:
        orders = [self.order(seed, shuffle=True) for seed in range(20)]
        assert len(set(orders)) > 15
        assert orders == [self.order(seed, shuffle=True) for seed in range(20)]


class TestDeadlocks:
    def test_it_names_who_waits_for_what(self) -> None:
        simulation = Simulation()

        async def silent(connection: ServerConnection) -> None:
            await connection.read_until(b"a request that never comes")

        simulation.serve("api.test", 80, silent)

        async def main() -> None:
            async with http3.AsyncClient(backend=simulation.backend, timeout=None) as client:
                await simulation.start(client.get(URL), "the one who asks")

        with pytest.raises(Deadlock) as caught:
            simulation.run(main)
        lines = str(caught.value).splitlines()
        assert lines[0] == "All tasks wait, and nothing is left that could happen, at 0.000000 s:"
        assert "  main waits for the end of <Task the one who asks under way>" in lines
        assert "  the one who asks waits for data on connection 1 client" in lines
        assert "  server api.test:80 of connection 1 server waits for data on connection 1 server" in lines
        assert any("VirtualStream.read:" in line for line in lines)

    def test_waiting_in_slices(self) -> None:
        """A waiter that looks around now and then has timers, and waits for ever all the same."""
        simulation = Simulation(patience=5000)

        async def main() -> None:
            waiter = simulation.backend.waiter()
            while not await waiter.wait(0.5):
                pass

        with pytest.raises(Deadlock, match="For 5000 s nothing has happened but that waits ran out"):
            simulation.run(main)

    def test_a_long_wait_with_an_end_is_none(self) -> None:
        simulation = Simulation(patience=10)

        async def main() -> bool:
            await simulation.sleep(1000)
            return await simulation.backend.waiter().wait(1000)

        assert simulation.run(main) is False

    def test_keeping_each_other_busy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "STEPS_AT_ONCE", 1000)
        simulation = Simulation()

        async def main() -> None:
            while True:
                await simulation.sleep(0)

        with pytest.raises(Deadlock, match="busy"):
            simulation.run(main)


Make = Callable[[], Awaitable[None]]


class TestNetwork:
    def test_latency(self) -> None:
        """Connecting takes a round trip, the request and its answer another one."""
        simulation = simulated(Faults(latency=1.0, lookup=0.5))
        response = get(simulation)
        assert response.elapsed is not None
        assert response.elapsed.total_seconds() == 4.5
        assert simulation.now() == 4.5

    def test_clients_take_their_time_from_the_backend(self) -> None:
        simulation = simulated()
        pool = http3.ConnectionPool(backend=simulation.backend)
        assert pool.now == simulation.backend.now
        assert http3.ConnectionPool(backend=simulation.backend, now=simulation.now).now == simulation.now
        assert http3.HTTPConnection(URL, backend=simulation.backend).now == simulation.backend.now

    @pytest.mark.parametrize(
        ("faults", "error", "text"),
        [
            (Faults(lookup_failure=1), http3.ConnectError, "Name or service not known"),
            (Faults(lookup_hang=1), http3.ConnectTimeout, "Could not connect within 5 s"),
            (Faults(refusal=1), http3.ConnectError, "refused"),
            (Faults(connect_hang=1), http3.ConnectTimeout, "Could not connect within 5 s"),
            (Faults(reset=1), http3.WriteError, "reset"),
            (Faults(blackhole=1), http3.ReadTimeout, "No data received for 5 s"),
        ],
    )
    def test_what_always_fails(self, faults: Faults, error: type[Exception], text: str) -> None:
        simulation = simulated(faults)
        with pytest.raises(error, match=text):
            get(simulation)
        assert simulation.now() == (5 if issubclass(error, http3.Timeout) else 0)
        assert simulation.open_connections == 0

    @pytest.mark.parametrize(
        ("url", "text"),
        [
            ("http://unknown.test/", "Name or service not known"),
            ("http://192.0.2.1/", "No route to host"),
            ("http://api.test:81/", "refused"),
        ],
    )
    def test_what_is_not_there(self, url: str, text: str) -> None:
        with pytest.raises(http3.ConnectError, match=text):
            get(simulated(), url)

    def test_data_that_drips(self) -> None:
        simulation = simulated(Faults(drip=1, drip_interval=0.01))
        assert get(simulation).text == "hello"
        assert 1 < simulation.now() < 10

    def test_a_total_timeout_is_not_outlasted_by_a_drip(self) -> None:
        simulation = Simulation(faults=Faults(latency=0.01))

        async def dripping(connection: ServerConnection) -> None:
            await connection.read()
            await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                await connection.sleep(4)
                await connection.write(b".")

        simulation.serve("api.test", 80, dripping)
        with pytest.raises(http3.TotalTimeout):
            get(simulation, timeout=http3.TimeoutConfig(total_timeout=60))
        assert simulation.now() == 60

    def test_partial_reads_and_writes(self) -> None:
        data = bytes(range(256)) * 400
        simulation = Simulation(3, faults=Faults(partial_read=1, partial_write=1, buffer=(500, 5000)))
        simulation.serve("api.test", 80, HTTP11Server(echo))

        async def main() -> None:
            async with http3.AsyncClient(backend=simulation.backend) as client:
                assert (await client.post(URL, data=data)).content == data

        simulation.run(main)
        assert len(simulation.trace) > 100

    def test_a_peer_that_does_not_read(self) -> None:
        simulation = Simulation(faults=Faults(buffer=1000))

        async def deaf(connection: ServerConnection) -> None:
            await connection.sleep(1e6)

        simulation.serve("api.test", 80, deaf)

        async def main() -> None:
            async with http3.AsyncClient(backend=simulation.backend) as client:
                with pytest.raises(http3.WriteTimeout):
                    await client.post(URL, data=bytes(1001))

        simulation.run(main)
        assert simulation.now() == 5

    def test_faults_of_one_server_that_change(self) -> None:
        simulation = Simulation()
        server = simulation.serve("api.test", 80, HTTP11Server(hello), faults=Faults(refusal=1))
        simulation.serve("other.test", 80, HTTP11Server(hello))
        assert get(simulation, "http://other.test/").status_code == 200
        with pytest.raises(http3.ConnectError):
            get(simulation)
        server.faults = None
        assert get(simulation).status_code == 200
        simulation.faults = Faults(refusal=1)
        with pytest.raises(http3.ConnectError):
            get(simulation)

    def test_a_server_that_stops_and_listens_again(self) -> None:
        simulation = Simulation()
        server = simulation.serve("api.test", 80, HTTP11Server(hello))
        with pytest.raises(ValueError, match="listens at API.test:80 already"):
            simulation.serve("API.test", 80, HTTP11Server(hello))
        server.close()
        with pytest.raises(http3.ConnectError):
            get(simulation)
        server.listen()
        assert get(simulation).status_code == 200
        assert server.connections == 1
        assert repr(server) == "<SimulatedServer api.test:80 listening, 1 connections so far>"

    def test_hosts_and_their_addresses(self) -> None:
        simulation = Simulation()
        assert simulation.add_host("api.test") == simulation.add_host("Api.test")
        assert simulation.add_host("other.test", "10.1.1.1", "fd00::1") == ["10.1.1.1", "fd00::1"]
        assert simulation.add_host("10.1.1.2") == ["10.1.1.2"]
        with pytest.raises(ValueError, match="IP address"):
            simulation.add_host("api.test", "no address")

        async def main() -> None:
            found = await simulation.backend.resolve("other.test", 443, None)
            assert list(found) == [
                (socket.AF_INET, ("10.1.1.1", 443)),
                (socket.AF_INET6, ("fd00::1", 443, 0, 0)),
            ]

        simulation.run(main)

    def test_the_second_address_overtakes_the_first(self) -> None:
        """RFC 8305, to the millisecond."""
        simulation = Simulation(faults=Faults(latency=0.001))
        simulation.add_host("api.test", "fd00::1", "10.1.1.1")
        simulation.serve("fd00::1", 80, HTTP11Server(hello), faults=Faults(connect_hang=1))
        simulation.serve("10.1.1.1", 80, HTTP11Server(hello))
        response = get(simulation)
        assert response.timings is not None
        assert response.timings.connect == pytest.approx(0.252)
        assert response.connection is not None
        assert response.connection.peer_address == ("10.1.1.1", 80)

    def test_the_backend_is_for_async_clients_inside(self) -> None:
        simulation = simulated()
        with http3.Client(backend=simulation.backend) as client:
            with pytest.raises(RuntimeError, match="AsyncClient"):
                client.get(URL)

        async def main() -> None:
            with http3.Client(backend=simulation.backend) as inside, pytest.raises(RuntimeError):
                inside.get(URL)

        simulation.run(main)

    def test_a_client_in_two_runs_starts_anew(self) -> None:
        """As an `AsyncClient` does in a second event loop."""
        simulation = simulated()
        client = http3.AsyncClient(backend=simulation.backend)

        async def main() -> tuple[str, int] | None:
            response = await client.get(URL)
            assert response.connection is not None
            return response.connection.local_address

        assert simulation.run(main) != simulation.run(main)
        simulation.run(client.close)


class TestServers:
    def test_a_script(self) -> None:
        simulation = Simulation()
        seen: list[object] = []

        async def server(connection: ServerConnection) -> None:
            seen.extend([connection.address, connection.now(), connection.is_tls, connection.alpn_protocol])
            seen.append(await connection.read_until(b"\n"))
            seen.append(await connection.read_exactly(5))
            seen.append(await connection.read(2))
            await connection.write(b"bye")
            connection.finish()
            seen.append(await connection.read())

        simulation.serve("10.0.0.9", 7, server)

        async def main() -> None:
            stream = await simulation.backend.connect_address((socket.AF_INET, ("10.0.0.9", 7)), None)
            await stream.write(b"first\nsecond", None)
            assert [await stream.read(10, None), await stream.read(10, None)] == [b"bye", b""]
            stream.close()
            await simulation.sleep(1)

        simulation.run(main)
        assert seen == [("10.0.0.9", 7), 0.0, False, None, b"first\n", b"secon", b"d", b""]

    @pytest.mark.parametrize(
        ("end", "error"),
        [("reset", http3.ReadError), ("close", http3.RemoteProtocolError), ("", http3.ReadError)],
    )
    def test_how_it_may_end(self, end: str, error: type[Exception]) -> None:
        """Returning, with something left unread, is a reset, as it is from a program that just exits."""
        simulation = Simulation()

        async def server(connection: ServerConnection) -> None:
            if end == "close":
                await connection.read()
            else:
                await connection.read(10)
            if end:
                getattr(connection, end)()
                assert connection.is_closed

        simulation.serve("api.test", 80, server)
        with pytest.raises(error):
            get(simulation)

    def test_the_client_going_away_is_no_failure(self) -> None:
        simulation = Simulation()
        ended: list[str] = []

        async def server(connection: ServerConnection) -> None:
            try:
                while True:
                    await connection.write(bytes(1000))
                    await connection.sleep(0.1)
            finally:
                ended.append("server")

        simulation.serve("api.test", 80, server)

        async def main() -> None:
            stream = await simulation.backend.connect_first(
                list(await simulation.backend.resolve("api.test", 80, None)), None, 1
            )
            await stream.read(10, None)
            stream.abort()
            await simulation.sleep(1)
            assert ended == ["server"]

        simulation.run(main)

    def test_what_else_a_server_raises_fails_the_run(self) -> None:
        simulation = Simulation()

        async def server(connection: ServerConnection) -> None:
            await connection.read()
            raise AssertionError("no such request was expected")

        simulation.serve("api.test", 80, server)
        with pytest.raises(AssertionError, match="no such request"):
            get(simulation)

    def test_a_separator_that_never_comes(self) -> None:
        simulation = Simulation()

        async def server(connection: ServerConnection) -> None:
            await connection.read_until(b"\0")

        simulation.serve("api.test", 80, server)

        async def main() -> None:
            async with http3.AsyncClient(backend=simulation.backend) as client:
                await client.post(URL, data=b"x" * (1 << 21))

        with pytest.raises(ValueError, match="not among the first"):
            simulation.run(main)


class TestTrace:
    def test_it_tells_what_happened(self) -> None:
        simulation = simulated(Faults(latency=0.5))
        get(simulation)
        events = list(simulation.trace)
        begins = ["starts", "finds api.test", "takes a connect to 10.0.0.1 port 80"]
        assert [event.what for event in events[:3]] == begins
        assert events[1].moment == 0.0
        accepted = "    0.500000  connection 1 server is accepted at 10.0.0.1 port 80"
        assert accepted in simulation.trace.text().splitlines()
        assert simulation.trace.text(1).endswith(" ends")
        assert len(simulation.trace) == len(events)
        assert repr(simulation.trace) == f"<Trace of {len(events)} events>"

    def test_old_events_go_and_stay_in_the_digest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = simulated()
        get(whole)
        monkeypatch.setattr(trace, "KEPT", 3)
        short = simulated()
        get(short)
        assert short.trace.digest == whole.trace.digest
        assert len(short.trace) == len(whole.trace)
        assert list(short.trace) == list(whole.trace)[-len(list(short.trace)) :]
        assert len(list(short.trace)) < 6

    def test_seeds_make_runs(self) -> None:
        def digest(seed: int) -> str:
            simulation = simulated(Faults(latency=(0, 1), partial_read=0.5), seed)
            get(simulation)
            return simulation.trace.digest

        assert digest(1) == digest(1)
        assert digest(1) != digest(2)


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"latency": -1}, ValueError),
            ({"latency": (2, 1)}, ValueError),
            ({"latency": (0, float("inf"))}, ValueError),
            ({"latency": "1"}, TypeError),
            ({"latency": True}, TypeError),
            ({"lookup": (1, 2, 3)}, TypeError),
            ({"reset": 1.5}, ValueError),
            ({"reset": "often"}, TypeError),
            ({"buffer": 0}, ValueError),
            ({"buffer": (10, 5)}, ValueError),
            ({"buffer": 1.5}, TypeError),
        ],
    )
    def test_faults_that_none_can_be(self, options: dict[str, Any], error: type[Exception]) -> None:
        with pytest.raises(error, match=next(iter(options))):
            Faults(**options)

    def test_faults_are_values(self) -> None:
        faults = Faults(latency=1, reset=0.5)
        assert faults == Faults(latency=(1.0, 1.0), reset=0.5)
        assert eval(repr(faults)) == faults
        with pytest.raises(AttributeError):
            faults.reset = 0.1

    @pytest.mark.parametrize("seed", ["1", 1.5, True, None])
    def test_a_seed_is_a_whole_number(self, seed: Any) -> None:
        with pytest.raises(TypeError, match="seed"):
            Simulation(seed)

    def test_a_handler_can_be_called(self) -> None:
        with pytest.raises(TypeError, match="handler"):
            HTTP11Server("no handler")  # type: ignore[arg-type]


def test_hosts_of_a_simulation_have_addresses_of_their_own() -> None:
    simulation = Simulation()
    simulation.serve("10.0.0.2", 80, HTTP11Server(lambda request: http3.Response(200, text="by address")))
    simulation.serve("two.test", 80, HTTP11Server(lambda request: http3.Response(200, text="by name")))
    assert simulation.add_host("three.test") not in (["10.0.0.2"], simulation.add_host("two.test"))

    async def main() -> list[str]:
        async with http3.AsyncClient(backend=simulation.backend) as client:
            return [(await client.get(f"http://{host}/")).text for host in ("10.0.0.2", "two.test")]

    assert simulation.run(main) == ["by address", "by name"]
