"""HTTP/2 connections on which nothing is heard any more: they are not used again, and living ones are.

In virtual time. `tests/interop/test_silent_connections` does the same over sockets, in every world.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import http3
from http3_transport.testing import (
    Cancelled,
    Faults,
    HTTP2Server,
    ServerConnection,
    SimulatedServer,
    Simulation,
    Task,
)

URL = "http://api.test"
ROUND = 0.1
"""Seconds there and back."""
LATENCY = Faults(latency=ROUND / 2)
SILENCE = Faults(latency=ROUND / 2, blackhole=1)
OPEN_AND_ASK = pytest.approx(2 * ROUND)
PATIENCE = 0.5
"""Seconds that a PING has to be answered in."""

pytestmark = pytest.mark.filterwarnings("error")


class Site:
    """A simulation with one HTTP/2 server, and a client whose pool can be looked into."""

    def __init__(self, server: Any = None, *, timeout: Any = 5, **options: Any) -> None:
        self.simulation = Simulation(faults=LATENCY)
        self.server: SimulatedServer = self.simulation.serve(
            "api.test", 80, server or HTTP2Server(self.answer)
        )
        self.pool = http3.ConnectionPool(
            backend=self.simulation.backend, http_versions=("HTTP/2",), **options
        )
        self.client = http3.AsyncClient(dispatch=self.pool, timeout=timeout)
        self.served: list[str] = []

    async def answer(self, request: http3.Request) -> http3.Response:
        """After as many seconds as the query says."""
        self.served.append(request.url.path)
        await self.simulation.sleep(float(request.url.query or 0))
        return http3.Response(200, text=request.url.path)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a test; nothing may be left of it."""

        async def whole() -> None:
            try:
                await main()
                assert self.pool.active_connections == []
            finally:
                await self.client.close()
            assert self.simulation.open_connections == 0

        self.simulation.run(whole)

    async def warm_up(self) -> None:
        """A connection is there and was used."""
        assert (await self.client.get(URL + "/first")).text == "/first"
        assert self.server.connections == 1

    def go_silent(self) -> None:
        """From its next packet on, nothing passes on a connection that is open; new ones are well."""
        (end,) = [end for end in self.simulation._network.client_ends if not end.is_closed]
        end._link.is_silent = True

    async def timed(self, path: str, method: str = "GET", **options: Any) -> float:
        """How long a request took that was answered."""
        started = self.simulation.now()
        assert (await self.client.request(method, URL + path, **options)).text == path.partition("?")[0]
        return self.simulation.now() - started

    def cancelled_after(self, seconds: float, path: str, **options: Any) -> Coroutine[Any, Any, None]:
        """A request that is cancelled."""
        task = self.simulation.start(self.client.get(URL + path, **options))

        async def cancel() -> None:
            await self.simulation.sleep(seconds)
            task.cancel()
            await task.wait()
            with pytest.raises(Cancelled):
                task.result()

        return cancel()


async def fails(kind: type[BaseException], call: Coroutine[Any, Any, object]) -> Any:
    """The exception with which it ends."""
    with pytest.raises(kind) as caught:
        await call
    return caught.value


# A connection that was used before.


def test_after_a_read_timeout_on_a_silent_connection_the_next_request_opens_another() -> None:
    site = Site(timeout=3)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        await fails(http3.ReadTimeout, site.client.get(URL))
        assert site.pool.keepalive_connections == []
        assert site.simulation.open_connections == 0
        assert await site.timed("/second") == OPEN_AND_ASK
        assert await site.timed("/third") == pytest.approx(ROUND)
        assert site.server.connections == 2

    site.run(main)


def test_many_requests_on_a_silent_connection_fail_by_their_own_limits_and_nobody_joins_them() -> None:
    site = Site()

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        ended: list[float] = []

        async def one(limit: float) -> None:
            error = await fails(http3.ReadTimeout, site.client.get(URL, timeout=limit))
            assert error.delivery == "maybe_processed"
            ended.append(site.simulation.now() - started)

        started = site.simulation.now()
        tasks = [site.simulation.start(one(1 + number / 10)) for number in range(50)]
        await site.simulation.sleep(1.05)
        assert await site.timed("/second") == OPEN_AND_ASK  # while most of them still wait
        assert len(site.pool.active_connections) == 1
        for task in tasks:
            await task.wait()
            task.result()
        assert ended == pytest.approx([1 + number / 10 for number in range(50)])
        assert site.server.connections == 2
        assert len(site.pool.keepalive_connections) == site.simulation.open_connections == 1

    site.run(main)


def test_a_body_that_stops_with_its_connection() -> None:
    def streamed(request: http3.Request) -> http3.AsyncResponse:
        async def pieces() -> Any:
            yield b"some"
            await site.simulation.sleep(60)

        return http3.AsyncResponse(200, content=pieces())

    site = Site(HTTP2Server(streamed), timeout=3)

    async def main() -> None:
        for number in (1, 2):
            response = await site.client.get(URL, stream=True)
            assert site.server.connections == number
            site.go_silent()
            await fails(http3.ReadTimeout, response.read())
            assert site.pool.keepalive_connections == []

    site.run(main)


def test_an_upload_that_a_silent_connection_does_not_take() -> None:
    site = Site(timeout=3)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        await fails(http3.WriteTimeout, site.client.post(URL, data=bytes(10**6)))
        assert await site.timed("/second") <= PATIENCE + 2 * ROUND + 0.001
        assert site.server.connections == 2

    site.run(main)


def test_many_uploads_that_a_silent_connection_does_not_take() -> None:
    site = Site(timeout=3)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        tasks = [site.simulation.start(site.client.post(URL, data=bytes(10**6))) for _ in range(20)]
        for task in tasks:
            await task.wait()
            with pytest.raises(http3.WriteTimeout):
                task.result()
        assert await site.timed("/second") <= PATIENCE + 2 * ROUND + 0.001
        assert site.server.connections == 2

    site.run(main)


@pytest.mark.parametrize("total", [0.3, 0.4, 1, 3])
def test_total_timeouts_on_a_silent_connection(total: float) -> None:
    site = Site(timeout=http3.TimeoutConfig(None, total_timeout=total))

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        await fails(http3.TotalTimeout, site.client.get(URL))
        assert await site.timed("/second") < total
        assert site.server.connections == 2

    site.run(main)


@pytest.mark.parametrize(("seconds", "wait"), [(0.01, PATIENCE), (0.9, PATIENCE), (20, 0)])
def test_cancelled_requests_on_a_silent_connection(seconds: float, wait: float) -> None:
    """Somebody else's patience is no proof, but the PING stays unanswered. (After a second one was sent.)"""
    site = Site(timeout=None)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        await site.cancelled_after(seconds, "/lost")
        assert await site.timed("/second") == pytest.approx(wait + 2 * ROUND)
        assert site.server.connections == 2

    site.run(main)


def test_a_ping_that_stays_unanswered_for_long_is_not_waited_for_again() -> None:
    site = Site(timeout=None)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        await site.cancelled_after(1, "/lost")
        await site.simulation.sleep(5)
        assert await site.timed("/second") == OPEN_AND_ASK

    site.run(main)


def test_many_who_want_a_connection_that_is_in_doubt() -> None:
    """They wait together, and share the one that is opened in its place."""
    site = Site(timeout=None)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        await site.cancelled_after(1, "/lost")
        tasks = [site.simulation.start(site.timed(f"/{number}")) for number in range(30)]
        for task in tasks:
            await task.wait()
            assert task.result() <= PATIENCE + 3 * ROUND + 0.001
        assert site.server.connections == 2

    site.run(main)


def test_a_request_cancelled_while_it_waits_for_an_answer_to_the_ping() -> None:
    site = Site(timeout=None)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        await site.cancelled_after(1, "/lost")
        await site.cancelled_after(0.2, "/impatient")
        assert await site.timed("/second") == pytest.approx(PATIENCE - 0.2 + 2 * ROUND)
        assert site.server.connections == 2

    site.run(main)


def test_a_connection_alone_that_is_silent() -> None:
    site = Site()

    async def main() -> None:
        connection = http3.HTTPConnection(URL, backend=site.simulation.backend, http_versions=("HTTP/2",))
        client = http3.AsyncClient(dispatch=connection)
        assert (await client.get(URL + "/first")).text == "/first"
        site.go_silent()
        await fails(http3.ReadTimeout, client.get(URL))
        assert connection.is_closed
        await fails(http3.NotConnected, client.get(URL))
        await client.close()

    site.run(main)


@pytest.mark.parametrize("busy", [False, True])
def test_a_connection_alone_that_is_in_doubt(busy: bool) -> None:
    site = Site()

    async def main() -> None:
        connection = http3.HTTPConnection(URL, backend=site.simulation.backend, http_versions=("HTTP/2",))
        client = http3.AsyncClient(dispatch=connection, timeout=None)
        assert (await client.get(URL + "/first")).text == "/first"
        sibling = site.simulation.start(client.get(URL + "/slow?3"))
        if not busy:
            await sibling.wait()
        site.go_silent()
        with pytest.raises(http3.TotalTimeout):
            await client.get(URL, timeout=http3.TimeoutConfig(None, total_timeout=0.5))
        await fails(http3.NotConnected, client.get(URL))
        assert connection.is_closed
        if busy:
            sibling.cancel()
            await sibling.wait()
        await client.close()

    site.run(main)


def test_while_one_request_waits_on_a_silent_connection_others_do_not_join_it_for_long() -> None:
    """After a second without a word a PING is sent, and half a second later another connection is opened."""
    site = Site(timeout=60)

    async def main() -> None:
        await site.warm_up()
        site.go_silent()
        lost = site.simulation.start(fails(http3.ReadTimeout, site.client.get(URL)))
        await site.simulation.sleep(1.2)
        assert await site.timed("/second") == pytest.approx(0.3 + 2 * ROUND)
        assert await site.timed("/third") == pytest.approx(ROUND)
        await lost.wait()
        lost.result()
        assert site.server.connections == 2

    site.run(main)


# One that lives.


def test_a_slow_connection_on_which_something_comes_for_others_stays() -> None:
    """The network does not answer our PING here either: it is lost."""
    site = Site()

    async def main() -> None:
        await site.warm_up()
        sibling = site.simulation.start(site.timed("/sibling?0.5"))
        error = await fails(http3.ReadTimeout, site.client.get(URL + "/slow?9", timeout=1))
        assert error.delivery == "maybe_processed"
        await sibling.wait()
        assert await site.timed("/next") == pytest.approx(ROUND)
        assert site.server.connections == 1

    site.run(main)


def test_a_server_that_is_slow_with_everything_answers_a_ping() -> None:
    """While others wait on the connection for their answers somebody reads it: so it goes on."""
    site = Site()

    async def main() -> None:
        await site.warm_up()
        sibling = site.simulation.start(site.timed("/sibling?5", timeout=9))
        await fails(http3.ReadTimeout, site.client.get(URL + "/slow?9", timeout=1))
        await site.simulation.sleep(2 * ROUND)
        assert await site.timed("/next") == pytest.approx(ROUND)
        await sibling.wait()
        assert sibling.result() == pytest.approx(5 + ROUND)
        assert site.server.connections == 1

    site.run(main)


def test_who_waits_for_a_stream_gets_it_when_the_connection_turns_out_to_live() -> None:
    site = Site(pool_limits=http3.PoolLimits(hard_limit=1))

    async def main() -> None:
        await site.warm_up()
        sibling = site.simulation.start(site.timed("/sibling?5", timeout=9))
        await fails(http3.ReadTimeout, site.client.get(URL + "/slow?9", timeout=1))
        assert await site.timed("/next") == pytest.approx(2 * ROUND)  # a PING, and the request
        await sibling.wait()
        sibling.result()
        assert site.server.connections == 1

    site.run(main)


@pytest.mark.parametrize("pause", [0, 1])
def test_a_cancelled_request_costs_a_living_connection_no_more_than_a_ping(pause: float) -> None:
    site = Site()

    async def main() -> None:
        await site.warm_up()
        for _ in range(5):
            await site.cancelled_after(1, "/slow?9")
            await site.simulation.sleep(pause)
            assert await site.timed("/next") == pytest.approx(ROUND if pause else 2 * ROUND)
        assert site.server.connections == 1

    site.run(main)


def test_one_who_waits_long_asks_once() -> None:
    """Some servers (gRPC) end a connection on which there are many PINGs."""
    pings: list[bytes] = []

    class Counting(HTTP2Server):
        async def __call__(self, connection: ServerConnection) -> None:
            read = connection.read

            async def counted(max_bytes: int = 65536) -> bytes:
                data = await read(max_bytes)
                pings.extend([data] * (data[3:4] == b"\x06" and data[4] == 0))
                return data

            connection.read = counted  # type: ignore[method-assign]
            await super().__call__(connection)

    async def slow(request: http3.Request) -> http3.Response:
        await site.simulation.sleep(float(request.url.query or 0))
        return http3.Response(200, text=request.url.path)

    site = Site(Counting(slow), timeout=None)

    async def main() -> None:
        await site.warm_up()
        assert await site.timed("/slow?60") == pytest.approx(60 + ROUND)
        assert await site.timed("/slow?60") == pytest.approx(60 + ROUND)
        assert await site.timed("/quick?0.5") == pytest.approx(0.5 + ROUND)
        assert len(pings) == 2
        assert site.server.connections == 1

    site.run(main)


def test_an_upload_that_is_slow_but_moves() -> None:
    """Nothing is heard for a while, but what is sent is taken; so it is no timeout, and no silence."""
    site = Site(timeout=3)

    async def main() -> None:
        await site.warm_up()
        site.server.faults = Faults(latency=1)
        await site.timed("/upload", "POST", data=bytes(500_000))
        site.server.faults = None
        assert await site.timed("/next") == pytest.approx(ROUND)
        assert site.server.connections == 1

    site.run(main)


class Pausing(HTTP2Server):
    """Reads nothing while it is told so."""

    is_paused = False

    async def __call__(self, connection: ServerConnection) -> None:
        read, is_first = connection.read, site_is_new(connection)

        async def late(max_bytes: int = 65536) -> bytes:
            while self.is_paused and is_first:
                await connection.sleep(0.05)
            return await read(max_bytes)

        connection.read = late  # type: ignore[method-assign]
        await super().__call__(connection)


def site_is_new(connection: ServerConnection) -> bool:
    """Whether it is the first connection of its simulation."""
    return str(connection._end) == "connection 1 server"


@pytest.mark.parametrize("how", ["write_timeout", "total_timeout", "cancelled"])
def test_a_connection_that_takes_nothing_is_not_lent_until_it_does(how: str) -> None:
    """What was to be sent waits; siblings wait for it, others need not."""

    async def answer(request: http3.Request) -> http3.Response:
        await site.simulation.sleep(float(request.url.query or 0))
        return http3.Response(200, text=request.url.path)

    server = Pausing(answer)
    site = Site(server, timeout=60)
    site.simulation.faults = Faults(latency=ROUND / 2, buffer=20_000)

    async def give_up() -> None:
        data = bytes(60_000)
        if how == "cancelled":
            task = site.simulation.start(site.client.post(URL + "/lost", data=data))
            await site.simulation.sleep(0.5)
            task.cancel()
            await task.wait()
            with pytest.raises(Cancelled):
                task.result()
        elif how == "write_timeout":
            limit = http3.TimeoutConfig(60, write_timeout=0.5)
            await fails(http3.WriteTimeout, site.client.post(URL + "/lost", data=data, timeout=limit))
        else:
            limit = http3.TimeoutConfig(60, total_timeout=0.5)
            await fails(http3.TotalTimeout, site.client.post(URL + "/lost", data=data, timeout=limit))

    async def main() -> None:
        await site.warm_up()
        server.is_paused = True
        sibling = site.simulation.start(site.timed("/sibling?3"))
        await site.simulation.sleep(0.01)
        await give_up()
        assert await site.timed("/other") == OPEN_AND_ASK
        assert site.server.connections == 2
        server.is_paused = False
        await sibling.wait()
        sibling.result()
        await site.simulation.sleep(2)
        assert [connection.stream_limit for connection in site.pool.keepalive_connections] == [100, 100]
        server.is_paused = True  # and with nobody beside it, it is not kept
        await give_up()
        assert len(site.pool.keepalive_connections) >= 1
        assert await site.timed("/last") <= 2 * ROUND + 0.001

    site.run(main)


# One on which the SETTINGS never come.


class MuteAtFirst:
    """The first connections are read and never answered."""

    def __init__(self, count: int = 1) -> None:
        self._count = count
        self._good = HTTP2Server(lambda request: http3.Response(200, text=request.url.path))

    async def __call__(self, connection: ServerConnection) -> None:
        if self._count:
            self._count -= 1
            while await connection.read():
                pass
        else:
            await self._good(connection)


LIMITS = {
    "read": (http3.ReadTimeout, http3.TimeoutConfig(5, read_timeout=0.7)),
    "total": (http3.TotalTimeout, http3.TimeoutConfig(None, total_timeout=0.7)),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_without_settings_the_connection_ends_with_its_request(limit: str) -> None:
    site = Site(MuteAtFirst())
    kind, timeout = LIMITS[limit]

    async def main() -> None:
        await fails(kind, site.client.get(URL, timeout=timeout))
        assert site.simulation.open_connections == 0
        assert await site.timed("/second", timeout=timeout) == OPEN_AND_ASK

    site.run(main)


def test_without_settings_an_upload_that_waits_for_windows() -> None:
    site = Site(MuteAtFirst())

    async def main() -> None:
        timeout = http3.TimeoutConfig(5, write_timeout=0.7)
        await fails(http3.WriteTimeout, site.client.post(URL, data=bytes(10**6), timeout=timeout))
        assert site.simulation.open_connections == 0
        assert await site.timed("/second", timeout=timeout) == OPEN_AND_ASK

    site.run(main)


def test_without_settings_a_request_that_is_cancelled() -> None:
    site = Site(MuteAtFirst(), timeout=None)

    async def main() -> None:
        await site.cancelled_after(0.7, "/lost")
        assert await site.timed("/second") == pytest.approx(PATIENCE + 2 * ROUND)

    site.run(main)


@pytest.mark.parametrize(("pool_timeout", "wait"), [(5, 1), (None, 1), (1, 0.5)])
def test_without_settings_others_wait_for_a_second(pool_timeout: float | None, wait: float) -> None:
    """Or for half of what they would wait in line; then one of them opens another connection, for all."""
    site = Site(MuteAtFirst(), timeout=8, pool_limits=http3.PoolLimits(pool_timeout=pool_timeout))

    async def main() -> None:
        lost = site.simulation.start(fails(http3.ReadTimeout, site.client.get(URL)))
        others: list[Task[float]] = [site.simulation.start(site.timed(f"/{number}")) for number in range(60)]
        for other in others:
            await other.wait()
            assert wait < other.result() < 1.5 * wait + 4 * ROUND
        assert site.server.connections == 2
        await lost.wait()
        lost.result()

    site.run(main)


def test_a_server_that_never_sends_settings_leaves_nothing_behind() -> None:
    site = Site(MuteAtFirst(1000), timeout=3)

    async def main() -> None:
        tasks = [site.simulation.start(site.client.get(URL)) for _ in range(20)]
        for task in tasks:
            await task.wait()
            with pytest.raises((http3.ReadTimeout, http3.PoolTimeout)):
                task.result()
        assert 3 <= site.server.connections <= 8
        assert site.simulation.open_connections == 0

    site.run(main)
