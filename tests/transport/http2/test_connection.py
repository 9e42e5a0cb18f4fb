"""The life of an HTTP/2 connection: GOAWAY, settings, windows, floods, its end."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable

import pytest
from h2.events import DataReceived
from hyperframe.frame import (
    GoAwayFrame,
    PingFrame,
    SettingsFrame,
)

from http3_models import (
    Delivery,
    NotConnected,
    ReadError,
    RemoteProtocolError,
    RequestError,
)
from http3_transport._http2.connection import HTTP2Connection
from support.http2_client import (
    MIB,
    Answer,
    CountingLease,
    fetch,
    make_request,
    narrow,
    reset,
    scripted,
    talk,
    together,
)
from support.http2_peer import Peer
from support.servers import StartServer
from support.worlds import World

# The connection's own life.


def test_goaway_refuses_what_came_after_it_and_lets_the_rest_end(
    world: World, start_server: StartServer
) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 4)
        peer.frame(GoAwayFrame(0, last_stream_id=2**31 - 1))
        peer.frame(GoAwayFrame(0, last_stream_id=3, additional_data=b"maintenance"))
        peer.respond(1, b"first")
        peer.respond(3, b"second")

    async def main(engine: HTTP2Connection) -> None:
        results = await together(world, *[lambda: fetch(engine, make_request())] * 4)
        bodies = [result.content for result in results if isinstance(result, Answer)]
        assert sorted(bodies) == [b"first", b"second"]
        for result in results:
            if not isinstance(result, Answer):
                assert isinstance(result, RemoteProtocolError)
                assert result.delivery is Delivery.REFUSED
        assert engine.is_closed
        assert engine.stream_limit == 0
        with pytest.raises(NotConnected) as caught:
            await fetch(engine, make_request())
        assert caught.value.delivery is Delivery.NOT_SENT
        assert "sent GOAWAY" in str(caught.value)
        assert not engine.check()

    talk(world, start_server(scripted(act)), main)


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_connection_that_breaks_fails_every_request(
    world: World, start_server: StartServer, how: str
) -> None:
    def script(sock: socket.socket) -> None:
        peer = Peer(sock)
        peer.until(lambda: len(peer.requests) == 3)
        peer.head(1)
        peer.data(1, b"some")
        time.sleep(0.1)
        if how == "reset":
            reset(sock)
            return
        sock.shutdown(socket.SHUT_WR)
        peer.until_closed()

    async def main(engine: HTTP2Connection) -> None:
        results = await together(world, *[lambda: fetch(engine, make_request())] * 3)
        for result in results:
            assert type(result) is (RemoteProtocolError if how == "fin" else ReadError)
            assert result.delivery is Delivery.MAYBE_PROCESSED
        assert engine.is_closed

    talk(world, start_server(script), main)


def test_check_answers_ping_and_settings(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.socket.sendall(b"\0\0\1\xbb\0\0\0\0\0?")  # a frame of no known type
        peer.frame(PingFrame(0, b"12345678"), SettingsFrame(0, settings={3: 7}))
        peer.until(lambda: any(type(event).__name__ == "PingAckReceived" for event in peer.events))
        peer.h2.close_connection()
        peer.flush()

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        give_up = time.monotonic() + 5
        while engine.check() and time.monotonic() < give_up:
            await world.backend.sleep(0.01)
        assert engine._state._remote_limit == 7
        assert engine.is_closed
        assert not engine.check()

    talk(world, start_server(scripted(act)), main)


@pytest.mark.parametrize("how", ["fin", "reset", "garbage"])
def test_check_notices_a_dead_connection(world: World, start_server: StartServer, how: str) -> None:
    def script(sock: socket.socket) -> None:
        peer = Peer(sock)
        peer.respond(peer.request().stream_id)
        time.sleep(0.1)
        if how == "reset":
            reset(sock)
            return
        if how == "garbage":
            sock.sendall(bytes(100))
        else:
            sock.shutdown(socket.SHUT_WR)
        peer.until_closed()

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        give_up = time.monotonic() + 5
        while engine.check() and time.monotonic() < give_up:
            await world.backend.sleep(0.01)
        assert engine.is_closed
        with pytest.raises(NotConnected) as caught:
            await fetch(engine, make_request())
        assert caught.value.delivery is Delivery.NOT_SENT

    talk(world, start_server(script), main)


def test_close_sends_goaway(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.until(lambda: peer.goaway is not None)

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        engine.close()
        engine.close()
        assert engine.is_closed

    talk(world, start_server(scripted(act)), main)


def test_abort_fails_what_is_under_way(world: World, start_server: StartServer) -> None:
    async def main(engine: HTTP2Connection) -> None:
        async def abort() -> None:
            await world.backend.sleep(0.2)
            engine.abort()

        calls = [lambda: fetch(engine, make_request())] * 3
        results = await together(world, *calls, abort)
        for result in results[:3]:
            assert isinstance(result, ReadError)
            assert "aborted" in str(result)

    talk(world, start_server(scripted(lambda peer: None)), main)


def test_the_server_lowers_and_raises_its_stream_limit(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 3)
        peer.frame(SettingsFrame(0, settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 1}))
        peer.respond(1)
        peer.until(lambda: 7 in peer.requests)
        peer.respond(3)
        peer.respond(5)
        peer.respond(7)

    async def main(engine: HTTP2Connection) -> None:
        assert engine.stream_limit == 1, "until the server has said how many it takes"
        while engine.stream_limit == 1:
            engine.look()
            await world.backend.sleep(0.01)
        assert engine.stream_limit == 100
        results = await together(
            world, *[lambda: engine.exchange(make_request(), CountingLease())] * 3, later_one(engine)
        )
        assert not [result for result in results if isinstance(result, BaseException)], results

    def later_one(engine: HTTP2Connection) -> Callable[[], Awaitable[object]]:
        async def later() -> None:
            while engine.stream_limit != 1:
                await world.backend.sleep(0.01)
            with pytest.raises(NotConnected, match="no further stream") as caught:
                await fetch(engine, make_request())
            assert caught.value.delivery is Delivery.NOT_SENT
            # The limit is the peer's word, the pool waits for a lease; here the streams are simply used up.
            engine._state._h2.remote_settings[3] = 100
            engine._state._h2.remote_settings.acknowledge()
            await fetch(engine, make_request())

        return later

    talk(world, start_server(scripted(act)), main)


def test_window_games(world: World, start_server: StartServer) -> None:
    """The initial window shrinks below what is in flight, then comes back byte by byte."""

    def act(peer: Peer) -> None:
        peer.credit = False
        stream_id = peer.request(whole=False).stream_id
        peer.until(lambda: len(peer.requests[stream_id].body) == 65535)
        peer.h2.update_settings({4: 10})
        peer.flush()
        peer.h2.increment_flow_control_window(MIB)
        for increment in (65525, 1, 1, 100, MIB):
            peer.h2.increment_flow_control_window(increment, stream_id)
            peer.flush()
            time.sleep(0.01)
        request = peer.request()
        peer.respond(stream_id, b"%d" % len(request.body))

    async def main(engine: HTTP2Connection) -> None:
        answer = await fetch(engine, make_request("POST", body=bytes(200_000)))
        assert answer.content == b"200000"

    talk(world, start_server(scripted(act)), main)


def test_larger_frames_and_a_smaller_table(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.h2.update_settings({SettingsFrame.MAX_FRAME_SIZE: 100_000, SettingsFrame.HEADER_TABLE_SIZE: 0})
        peer.flush()
        request = peer.request(1)
        sizes = [len(event.data or b"") for event in peer.events if isinstance(event, DataReceived)]
        assert len(request.body) == 60_000
        assert max(sizes) == 60_000
        assert request.field(b"x-long") == b"y" * 100_000
        peer.respond(request.stream_id, b"second")

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        while engine._state._h2.max_outbound_frame_size != 100_000:
            assert engine.check()
            await world.backend.sleep(0.01)
        fields = [("x-long", "y" * 100_000)]  # takes CONTINUATION frames
        assert (
            await fetch(engine, make_request("POST", body=bytes(60_000), fields=fields))
        ).content == b"second"

    talk(world, start_server(scripted(act, max_header_list_size=10**6)), main)


def test_a_flood_of_pings_beside_a_download(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        for _ in range(50):
            peer.frame(*[PingFrame(0, b"12345678")] * 100)
            peer.data(stream_id, bytes(16384))
        peer.data(stream_id, b"", end=True)

    async def main(engine: HTTP2Connection) -> None:
        assert len((await fetch(engine, make_request())).content) == 50 * 16384

    talk(world, start_server(scripted(act)), main)


def test_a_flood_that_is_never_read_ends(world: World, start_server: StartServer) -> None:
    """PING without end from a server that does not read: our answers must not fill memory."""

    def script(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        peer = Peer(sock)
        peer.request()
        flood = PingFrame(0, b"12345678").serialize() * 2000
        sock.settimeout(20)
        while True:
            sock.sendall(flood)

    async def main(engine: HTTP2Connection) -> None:
        narrow(engine)
        with pytest.raises(RequestError, match="flood"):
            await fetch(engine, make_request(timeout=20.0))

    talk(world, start_server(script), main)


def test_stream_ids_run_out(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: bool(peer.requests))
        peer.respond(2**31 - 1, b"last")

    async def main(engine: HTTP2Connection) -> None:
        engine._state._h2.highest_outbound_stream_id = 2**31 - 3
        assert (await fetch(engine, make_request())).content == b"last"
        with pytest.raises(NotConnected, match="used up"):
            await fetch(engine, make_request())
        assert engine.is_closed

    talk(world, start_server(scripted(act)), main)
