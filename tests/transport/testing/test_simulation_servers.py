"""The HTTP servers of the simulation: what they understand, what they answer, how they die."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import http3
from http3_transport.testing import Faults, HTTP2Server, HTTP11Server, ServerConnection, Simulation
from support.stream_pairs import client_context, server_context

URL = "http://api.test/path?query"
VERSIONS = ("HTTP/1.1", "HTTP/2")

pytestmark = pytest.mark.filterwarnings("error")


def echo(request: http3.Request) -> http3.Response:
    """What was asked, as JSON."""
    body = request.read()
    told = {"method": request.method, "url": str(request.url), "size": len(body), "sum": sum(body)}
    return http3.Response(200, json=told, headers={"X-Given": request.headers.get("x-given", "")})


def serve(simulation: Simulation, version: str, handler: Any, **options: Any) -> None:
    """Serve `URL` in one version."""
    server = (HTTP11Server if version == "HTTP/1.1" else HTTP2Server)(handler, **options)
    simulation.serve("api.test", 80, server)


def client(simulation: Simulation, version: str, **options: Any) -> http3.AsyncClient:
    """A client that speaks one version."""
    return http3.AsyncClient(backend=simulation.backend, http_versions=(version,), **options)


@pytest.mark.parametrize("version", VERSIONS)
class TestBoth:
    def test_requests_and_answers(self, version: str) -> None:
        simulation = Simulation(faults=Faults(latency=0.01))
        serve(simulation, version, echo)

        async def main() -> None:
            async with client(simulation, version) as made:
                response = await made.get(URL, headers={"X-Given": "seen"})
                assert await_json(response) == {"method": "GET", "url": URL, "size": 0, "sum": 0}
                assert response.headers["x-given"] == "seen"
                assert response.protocol == version
                response = await made.put(URL, data=b"12345")
                assert await_json(response) == {"method": "PUT", "url": URL, "size": 5, "sum": sum(b"12345")}
                response = await made.head(URL)
                assert response.content == b""
                assert response.headers["content-type"] == "application/json"

        simulation.run(main)

    def test_large_bodies_both_ways(self, version: str) -> None:
        data = bytes(range(256)) * 2000
        simulation = Simulation(2, faults=Faults(latency=0.01, buffer=(3000, 9000)))
        serve(simulation, version, lambda request: http3.Response(200, content=request.read()))

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(data), 7000):
                yield data[start : start + 7000]

        async def main() -> None:
            async with client(simulation, version) as made:
                assert (await made.post(URL, data=data)).content == data
                assert (await made.post(URL, data=pieces())).content == data

        simulation.run(main)

    def test_one_connection_is_enough(self, version: str) -> None:
        simulation = Simulation()
        serve(simulation, version, echo)

        async def main() -> None:
            async with client(simulation, version) as made:
                for _ in range(5):
                    assert (await made.get(URL)).status_code == 200
                assert simulation.open_connections == 1

        simulation.run(main)
        assert sum("is accepted" in event.what for event in simulation.trace) == 1

    def test_a_handler_that_waits_and_streams(self, version: str) -> None:
        simulation = Simulation()

        class Ticks:
            left = 3

            def __aiter__(self) -> AsyncIterator[bytes]:
                return self

            async def __anext__(self) -> bytes:
                if not self.left:
                    raise StopAsyncIteration
                self.left -= 1
                await simulation.sleep(1)
                return b"tick "

        async def handler(request: http3.Request) -> http3.AsyncResponse:
            await simulation.sleep(2)
            return http3.AsyncResponse(200, content=Ticks())

        serve(simulation, version, handler, delay=3)

        async def main() -> None:
            async with client(simulation, version, timeout=30) as made:
                response = await made.get(URL, stream=True)
                moments = [simulation.now()]
                async for piece in response.stream():
                    assert piece == b"tick "
                    moments.append(simulation.now())
                assert moments == [5, 6, 7, 8]

        simulation.run(main)

    @pytest.mark.parametrize("status", [204, 304, 500])
    def test_answers_without_a_body(self, version: str, status: int) -> None:
        simulation = Simulation()
        serve(simulation, version, lambda request: http3.Response(status))

        async def main() -> None:
            async with client(simulation, version) as made:
                for _ in range(2):
                    response = await made.get(URL)
                    assert (response.status_code, response.content) == (status, b"")

        simulation.run(main)

    def test_a_failing_handler_fails_the_run(self, version: str) -> None:
        async def run(handler: Any) -> None:
            async with client(simulation, version) as made:
                await made.get(URL)

        for handler, error in ((divide, ZeroDivisionError), (missing, RuntimeError), (nothing, TypeError)):
            simulation = Simulation()
            serve(simulation, version, handler)
            with pytest.raises(error):
                simulation.run(run, handler)

    def test_a_server_that_dies(self, version: str) -> None:
        """Whatever the seed makes of it: no answer is another's, no POST is executed twice, all ends."""
        outcomes: Counter[str] = Counter()
        for seed in range(20):
            simulation = Simulation(seed, faults=Faults(latency=(0.001, 0.01)))
            executed: Counter[str] = Counter()

            def handler(request: http3.Request, executed: Counter[str] = executed) -> http3.Response:
                mark = request.url.path
                executed[mark] += 1
                return http3.Response(200, text=mark * 50)

            serve(simulation, version, handler, dies=0.5)

            async def main(simulation: Simulation = simulation) -> None:
                async with client(simulation, version) as made:
                    for number in range(10):
                        try:
                            response = await made.post(f"http://api.test/{number}")
                        except http3.RequestError as exc:
                            outcomes[type(exc).__name__] += 1
                        else:
                            assert response.text == f"/{number}" * 50
                            outcomes["answered"] += 1

            simulation.run(main)
            assert max(executed.values()) == 1
        assert outcomes["answered"] > 50
        assert outcomes["RemoteProtocolError"] + outcomes["ReadError"] > 20, outcomes


def await_json(response: http3.AsyncResponse) -> Any:
    """The body as JSON; it was read already."""
    import json

    return json.loads(response.content)


def divide(request: http3.Request) -> http3.Response:
    return http3.Response(1 // 0)


def missing(request: http3.Request) -> http3.Response:
    raise FileNotFoundError("a file of the handler's")


def nothing(request: http3.Request) -> Any:
    return None


class TestHTTP11:
    def test_chunks(self) -> None:
        simulation = Simulation()
        serve(simulation, "HTTP/1.1", lambda request: http3.Response(200, content=b"abc" * 100), chunked=1)

        async def main() -> None:
            async with client(simulation, "HTTP/1.1") as made:
                response = await made.get(URL)
                assert response.headers["transfer-encoding"] == "chunked"
                assert response.content == b"abc" * 100

        simulation.run(main)

    def test_expect_100_continue(self) -> None:
        simulation = Simulation(faults=Faults(latency=0.1))
        serve(simulation, "HTTP/1.1", echo)

        async def main() -> None:
            async with client(simulation, "HTTP/1.1") as made:
                response = await made.post(URL, data=b"12345", headers={"Expect": "100-continue"})
                assert await_json(response)["size"] == 5
                assert simulation.now() == pytest.approx(0.6)  # three round trips: no second was waited for

        simulation.run(main)

    @pytest.mark.parametrize("side", ["client", "server"])
    def test_connection_close(self, side: str) -> None:
        simulation = Simulation()
        closing = {"Connection": "close"}
        answer = http3.Response(200, text="bye", headers=closing if side == "server" else None)
        serve(simulation, "HTTP/1.1", lambda request: answer)

        async def main() -> None:
            async with client(simulation, "HTTP/1.1") as made:
                for _ in range(2):
                    response = await made.get(URL, headers=closing if side == "client" else None)
                    assert response.headers["connection"] == "close"
                    assert simulation.open_connections == 0

        simulation.run(main)


@pytest.mark.parametrize(
    ("timeout", "in_time"),
    [
        (None, 350),
        (60, 350),
        (http3.TimeoutConfig(pool_timeout=60), 350),
        (http3.TimeoutConfig(None, total_timeout=7), 200),
        (http3.DEFAULT_TIMEOUT_CONFIG, 200),
        ((5, 60), 200),
    ],
    ids=repr,
)
def test_a_crowd_in_line_waits_as_long_as_it_may(timeout: Any, in_time: int) -> None:
    simulation = Simulation()

    async def handler(request: http3.Request) -> http3.Response:
        await simulation.sleep(3)
        return http3.Response(204)

    serve(simulation, "HTTP/1.1", handler)

    async def main() -> None:
        async with client(simulation, "HTTP/1.1", timeout=timeout) as made:
            answers = 0
            for task in [simulation.start(made.get(URL)) for _ in range(350)]:
                try:
                    answers += (await task).is_success
                except (http3.PoolTimeout, http3.TotalTimeout):
                    pass
            assert answers == in_time

    simulation.run(main)


class TestHTTP2:
    def test_many_at_a_time(self) -> None:
        simulation = Simulation()

        async def handler(request: http3.Request) -> http3.Response:
            await simulation.sleep(1)
            return http3.Response(200, text=request.url.path)

        serve(simulation, "HTTP/2", handler)

        async def main() -> None:
            async with client(simulation, "HTTP/2") as made:
                await made.get(URL)
                tasks = [simulation.start(made.get(f"http://api.test/{number}")) for number in range(100)]
                assert [(await task).text for task in tasks] == [f"/{number}" for number in range(100)]

        simulation.run(main)
        assert simulation.now() == 2

    def test_its_limit_of_streams(self) -> None:
        simulation = Simulation()

        async def handler(request: http3.Request) -> http3.Response:
            await simulation.sleep(1)
            return http3.Response(204)

        serve(simulation, "HTTP/2", handler, max_streams=1)

        async def main() -> None:
            limits = http3.PoolLimits(soft_limit=1, hard_limit=1, pool_timeout=60)
            async with client(simulation, "HTTP/2", pool_limits=limits) as made:
                for task in [simulation.start(made.get(URL)) for _ in range(5)]:
                    await task

        simulation.run(main)
        assert simulation.now() == 5


@pytest.mark.parametrize("version", VERSIONS)
def test_tls(version: str) -> None:
    protocol = {"HTTP/1.1": "http/1.1", "HTTP/2": "h2"}[version]
    simulation = Simulation(faults=Faults(latency=0.01, partial_read=0.5))
    picked: list[str | None] = []
    http: Any = HTTP11Server(echo) if version == "HTTP/1.1" else HTTP2Server(echo)

    async def server(connection: ServerConnection) -> None:
        picked.append(connection.alpn_protocol)
        await http(connection)

    context = server_context("api.test", protocols=(protocol,))
    simulation.serve("api.test", 443, server, ssl_context=context)
    data = bytes(range(256)) * 500

    async def main() -> None:
        async with http3.AsyncClient(backend=simulation.backend, verify=client_context()) as made:
            response = await made.post("https://api.test/", data=data)
            assert await_json(response)["sum"] == sum(data)
            assert await_json(response)["url"] == "https://api.test/"
            assert response.protocol == version
            assert response.connection is not None
            assert response.connection.tls_version == "TLSv1.3"

    simulation.run(main)
    assert picked == [protocol]


def test_tls_that_fails() -> None:
    simulation = Simulation()
    simulation.serve("api.test", 443, HTTP11Server(echo), ssl_context=server_context("other.test"))
    simulation.serve("plain.test", 443, HTTP11Server(echo))

    async def silent(connection: ServerConnection) -> None:
        await connection.sleep(1e9)

    simulation.serve("silent.test", 443, silent)

    async def main() -> None:
        context: ssl.SSLContext = client_context()
        async with http3.AsyncClient(backend=simulation.backend, verify=context) as made:
            with pytest.raises(http3.TLSError, match="certificate"):
                await made.get("https://api.test/")
            with pytest.raises(http3.ConnectTimeout):
                await made.get("https://silent.test/")
            assert simulation.now() == 5

    simulation.run(main)
