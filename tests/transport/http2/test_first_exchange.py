"""HTTP/2: until SETTINGS have come a connection carries one exchange, whose body holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator

import http3
from http3_transport.testing import HTTP2Frames, HTTP2Server, ScriptedConnection, ScriptedServer, Simulation


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
