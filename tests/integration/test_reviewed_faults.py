"""Faults that only show when several things come together, each with what must happen instead."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import http3
from http3_transport import AsyncioBackend
from http3_transport.testing import (
    HTTP2Frames,
    HTTP2Server,
    HTTP11Server,
    OperationTimeout,
    ScriptedConnection,
    ScriptedServer,
    Simulation,
    cutting,
    response_bytes,
)
from support.worlds import World, do


def hello(request: http3.Request) -> http3.Response:
    return http3.Response(200, text=f"{len(request.read())}")


def test_a_slow_upload_holds_up_nobody() -> None:
    """Before the server has said how many streams it takes, there is one; no body must be waited for then."""
    simulation = Simulation()
    simulation.serve("one.test", 80, HTTP2Server(hello))

    async def body() -> AsyncIterator[bytes]:
        yield b"x"
        await simulation.sleep(7)
        yield b"y"

    async def main() -> None:
        async with http3.AsyncClient(backend=simulation.backend, http_versions=("HTTP/2",)) as client:
            upload = simulation.start(client.post("http://one.test/", data=body()))
            await simulation.sleep(0.1)
            response = await client.get("http://one.test/")
            assert response.text == "0"
            assert simulation.now() < 1
            assert (await upload).text == "2"

    simulation.run(main)


def test_a_body_may_make_a_request_to_where_it_goes() -> None:
    simulation = Simulation()
    simulation.serve("one.test", 80, HTTP2Server(hello))

    async def main() -> None:
        async with http3.AsyncClient(backend=simulation.backend, http_versions=("HTTP/2",)) as client:

            async def body() -> AsyncIterator[bytes]:
                yield (await client.get("http://one.test/")).content

            assert (await client.post("http://one.test/", data=body())).text == "1"

    simulation.run(main)


def test_total_timeout_holds_for_what_another_client_answers() -> None:
    def dripping(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        connection.drip(b"x" * 100, 0.02)

    with ScriptedServer(dripping) as server, http3.Client() as inner:

        class Forwarding(http3.Dispatcher):
            def send(self, request: http3.Request, *options: Any, **more: Any) -> http3.Response:
                return inner.get(server.url, stream=True)

        limits = http3.TimeoutConfig(timeout=5, total_timeout=0.2)
        with http3.Client(dispatch=Forwarding(), timeout=limits) as client:
            started = time.monotonic()
            with pytest.raises(http3.TotalTimeout):
                client.get(server.url)
            assert time.monotonic() - started < 1


def test_a_failed_read_that_is_collected_in_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views of a `BytesIO` must be gone by then: else Python says so on stderr, or crashes."""
    noticed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", noticed.append)

    def fail(url: str) -> None:
        try:
            http3.get(url)
        except http3.RemoteProtocolError as exc:
            failure = exc  # which has a traceback, which has this frame
            assert failure.__traceback__ is not None
        else:
            raise AssertionError("the body was cut")

    cut = response_bytes(bytes(3_000_000))[:1_000_000]
    with ScriptedServer(cutting(cut, len(cut))) as server:
        for _ in range(3):
            fail(server.url)
            gc.collect()
    assert not noticed


def test_a_read_that_nobody_goes_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", noticed.append)

    async def main(url: str) -> None:
        async with http3.AsyncClient() as client:
            response = await client.get(url, stream=True)
            reading = response.read()
            waits_for = reading.send(None)
            cycle: list[object] = [reading, response, waits_for]
            cycle.append(cycle)

    cut = response_bytes(bytes(3_000_000))[:1_000_000]
    with ScriptedServer(cutting(cut, len(cut), "stall")) as server:
        for _ in range(3):
            asyncio.run(main(server.url))
            gc.collect()
    # That nobody closed the response may be said; nothing else.
    assert all(issubclass(each.exc_type, ResourceWarning) for each in noticed)


async def test_a_reset_during_an_upload_is_called_so(world: World) -> None:
    def resetting(connection: ScriptedConnection) -> None:
        connection.read(1000)
        time.sleep(0.05)
        connection.reset()

    with ScriptedServer(resetting) as server:
        client = world.client()
        with pytest.raises(http3.NetworkError) as caught:
            await do(client.post(server.url, data=bytes(20_000_000)))
    assert "on this side" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ConnectionResetError | BrokenPipeError)


def test_what_the_transport_holds_has_not_been_sent() -> None:
    """Else a connection would be offered again while the rest of an upload is still here."""

    async def main(port: int) -> None:
        backend = AsyncioBackend()
        (address,) = await backend.resolve("127.0.0.1", port, 5)
        stream = await backend.connect_address(address, 5)
        await stream.write(b"x", 5)
        assert not stream.has_unsent
        with pytest.raises(OperationTimeout):
            await stream.write(bytes(20_000_000), 0.1)
        assert stream.has_unsent
        stream.abort()

    with ScriptedServer(ScriptedConnection.stall) as server:
        asyncio.run(main(server.port))


def test_hosts_of_a_simulation_have_addresses_of_their_own() -> None:
    simulation = Simulation()
    simulation.serve("10.0.0.2", 80, HTTP11Server(lambda request: http3.Response(200, text="by address")))
    simulation.serve("two.test", 80, HTTP11Server(lambda request: http3.Response(200, text="by name")))
    assert simulation.add_host("three.test") not in (["10.0.0.2"], simulation.add_host("two.test"))

    async def main() -> list[str]:
        async with http3.AsyncClient(backend=simulation.backend) as client:
            return [(await client.get(f"http://{host}/")).text for host in ("10.0.0.2", "two.test")]

    assert simulation.run(main) == ["by address", "by name"]


def test_a_slow_upload_holds_up_no_thread() -> None:
    """The same as the first, over real sockets."""

    def serve(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        ended = 0
        while ended < 2:
            frame = frames.read()
            if frame.type in (0, 1) and frame.flags & 1:
                frames.send_head(frame.stream_id, 200, end=True)
                ended += 1
        connection.stall()

    going_on = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"x"
        assert going_on.wait(10)
        yield b"y"

    with ScriptedServer(serve) as server, http3.Client(http_versions=("HTTP/2",)) as client:
        statuses: list[int] = []
        upload = threading.Thread(
            target=lambda: statuses.append(client.post(server.url, data=body()).status_code)
        )
        upload.start()
        time.sleep(0.1)
        assert client.get(server.url, timeout=3).status_code == 200
        going_on.set()
        upload.join()
        assert statuses == [200]
