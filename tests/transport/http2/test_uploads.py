"""HTTP/2 uploads: answers before their end, and peers that read late or never."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from hyperframe.frame import (
    HeadersFrame,
)

from http3_models import (
    Delivery,
    LocalProtocolError,
    ReadError,
    TimeoutConfig,
    WriteError,
    WriteTimeout,
)
from http3_transport._http2.connection import HTTP2Connection
from support.http2_client import (
    MIB,
    Answer,
    echo,
    establish,
    fetch,
    late_reader,
    make_request,
    narrow,
    reset,
    scripted,
    talk,
    together,
)
from support.http2_peer import Peer
from support.servers import Authority, StartServer
from support.worlds import World

# Uploads, and answers that come before their end.


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_an_early_413_stops_the_upload(
    world: World, start_server: StartServer, streamed: bool, reset: bool
) -> None:
    asked: list[int] = []

    def chunks() -> Iterator[bytes]:
        for index in range(1000):
            asked.append(index)
            yield bytes(100_000)

    def act(peer: Peer) -> None:
        stream_id = peer.request(whole=False).stream_id
        peer.respond(stream_id, b"too large", 413)
        if reset:
            peer.h2.reset_stream(stream_id, 0)
            peer.flush()
        peer.respond(peer.request(1).stream_id, b"second")
        assert len(peer.requests[1].body) < 20 * MIB

    async def main(engine: HTTP2Connection) -> None:
        body = chunks() if streamed else bytes(100 * MIB)
        answer = await fetch(engine, make_request("POST", body=body))
        assert (answer.status_code, answer.content) == (413, b"too large")
        assert len(asked) < 500
        assert (await fetch(engine, make_request())).content == b"second"

    talk(world, start_server(scripted(act)), main)


def test_a_413_that_is_not_whole_yet_stops_the_upload(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.credit = False
        stream_id = peer.request(whole=False).stream_id
        peer.head(stream_id, 413)
        time.sleep(0.1)
        peer.data(stream_id, b"too large", end=True)
        peer.until(lambda: bool(peer.resets))
        assert peer.resets == {1: 0}  # NO_ERROR: the rest of the request is not going to come

    async def main(engine: HTTP2Connection) -> None:
        answer = await fetch(engine, make_request("POST", body=bytes(MIB)))
        assert (answer.status_code, answer.content) == (413, b"too large")

    talk(world, start_server(scripted(act)), main)


def test_an_answer_in_step_with_the_upload(world: World, start_server: StartServer) -> None:
    """A server that gives credit for the request only as its answer is read: the body's reader uploads on."""

    def act(peer: Peer) -> None:
        stream_id = peer.request(whole=False).stream_id
        peer.head(stream_id)
        request = peer.requests[stream_id]
        while not request.ended or request.body:
            peer.until(lambda: bool(request.body) or request.ended)
            piece = bytes(request.body)
            request.body.clear()
            peer.data(stream_id, piece)
        peer.data(stream_id, b"", end=True)

    async def main(engine: HTTP2Connection) -> None:
        body = bytes(range(256)) * 4000
        answer = await fetch(engine, make_request("POST", body=[body[:500_000], body[500_000:]]))
        assert answer.content == body

    talk(world, start_server(scripted(act)), main)


def test_the_end_of_an_upload_takes_no_credit(world: World, start_server: StartServer) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(65535)
        time.sleep(0.2)  # the head arrives before the body's end is known

    def act(peer: Peer) -> None:
        peer.credit = False
        request = peer.request(whole=False)
        peer.until(lambda: len(request.body) == 65535)
        peer.head(request.stream_id)
        peer.until(lambda: request.ended)
        peer.data(request.stream_id, b"all", end=True)

    async def main(engine: HTTP2Connection) -> None:
        assert (await fetch(engine, make_request("POST", body=chunks()))).content == b"all"

    talk(world, start_server(scripted(act)), main)


def test_a_streamed_upload_ends(world: World, start_server: StartServer) -> None:
    async def main(engine: HTTP2Connection) -> None:
        for body in ([b"a", b"bc"], [], [b"x" * 200_000]):
            answer = await fetch(engine, make_request("POST", body=iter(body)))
            assert answer.content == b"".join(body)

    talk(world, start_server(echo()), main)


def test_what_the_body_raises_reaches_the_caller(world: World, start_server: StartServer) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise OSError("the file is gone")

    def act(peer: Peer) -> None:
        peer.until(lambda: peer.resets == {1: 8})
        peer.respond(peer.request(1).stream_id, b"second")

    async def main(engine: HTTP2Connection) -> None:
        with pytest.raises(OSError, match="the file is gone") as caught:
            await fetch(engine, make_request("POST", body=broken()))
        assert type(caught.value) is OSError
        assert (await fetch(engine, make_request())).content == b"second"

    talk(world, start_server(scripted(act)), main)


@pytest.mark.parametrize(
    ("body", "length", "sent"),
    [
        (b"abc", "4", False),
        (b"abc", "2", False),
        ([b"abc"], "4", True),
        ([b"abc"], "2", True),
        (b"", "1", False),
    ],
)
def test_a_body_that_differs_from_its_length(
    world: World, start_server: StartServer, body: bytes, length: str, sent: bool
) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request(1 if sent else 0).stream_id, b"second")

    async def main(engine: HTTP2Connection) -> None:
        with pytest.raises(LocalProtocolError, match="Content-Length says") as caught:
            await fetch(engine, make_request("POST", body=body, fields=[("Content-Length", length)]))
        assert caught.value.delivery is (Delivery.MAYBE_PROCESSED if sent else Delivery.NOT_SENT)
        assert (await fetch(engine, make_request())).content == b"second"

    talk(world, start_server(scripted(act)), main)


@pytest.mark.parametrize(
    ("method", "fields", "match"),
    [
        ("CONNECT", [], "CONNECT"),
        ("GE T", [], "method"),
        ("GET", [("a b", "c")], "a b"),
        ("GET", [("a", "b\r\nc: d")], "a"),
        ("GET", [("Content-Length", "one")], "Content-Length"),
    ],
)
def test_requests_that_can_not_be_sent(
    world: World, start_server: StartServer, method: str, fields: list[tuple[str, str]], match: str
) -> None:
    async def main(engine: HTTP2Connection) -> None:
        with pytest.raises(LocalProtocolError, match=match) as caught:
            await fetch(engine, make_request(method, fields=fields))
        assert caught.value.delivery is Delivery.NOT_SENT
        assert engine._state.output.bytes_written == 0

    talk(world, start_server(lambda sock: None), main)


# A kernel buffer that is full.


def test_requests_go_on_when_the_server_reads_late(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(
            lambda: len(peer.requests) == 4 and all(request.ended for request in peer.requests.values())
        )
        for request in list(peer.requests.values())[1:]:
            peer.respond(request.stream_id, b"%d" % len(request.body))

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        # One waits for its response and reads for all while the others have to wait with their uploads.
        results = await together(
            world,
            lambda: fetch(engine, make_request()),
            lambda: fetch(engine, make_request("POST", body=bytes(500_000))),
            lambda: fetch(engine, make_request("POST", body=iter([bytes(300_000)] * 2))),
        )
        contents = [result.content for result in results if isinstance(result, Answer)]
        assert contents == [b"0", b"500000", b"600000"], results

    talk(world, start_server(late_reader(act)), main)


def test_a_single_upload_goes_on_when_the_server_reads_late(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        request = peer.request(1)
        peer.respond(request.stream_id, b"%d" % len(request.body))

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        answer = await fetch(engine, make_request("POST", body=bytes(2 * MIB)))
        assert answer.content == b"%d" % (2 * MIB)

    talk(world, start_server(late_reader(act)), main)


def test_an_early_answer_while_nothing_can_be_sent(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.frame(
            HeadersFrame(3, peer.h2.encoder.encode([(":status", "413")]), flags=["END_HEADERS", "END_STREAM"])
        )
        time.sleep(0.3)

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        answer = await fetch(engine, make_request("POST", body=bytes(20 * MIB), timeout=TimeoutConfig(3)))
        assert answer.status_code == 413
        assert engine._state.output.bytes_written < 20 * MIB

    talk(world, start_server(late_reader(act)), main)


def test_a_server_that_never_reads_is_a_write_timeout(world: World, start_server: StartServer) -> None:
    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)

        async def upload() -> Answer:
            await world.backend.sleep(0.1)
            timeout = TimeoutConfig(5, write_timeout=0.3)
            return await fetch(engine, make_request("POST", body=bytes(8 * MIB), timeout=timeout))

        results = await together(world, upload, lambda: fetch(engine, make_request()))
        assert isinstance(results[0], WriteTimeout)
        assert results[0].delivery is Delivery.MAYBE_PROCESSED
        assert isinstance(results[1], Answer), results  # the other was sent before, and is not hurt
        assert results[1].content == b"second"

    def act(peer: Peer) -> None:
        peer.respond(peer.request(1).stream_id, b"second")

    talk(world, start_server(late_reader(act, seconds=1)), main)


def test_waiting_in_line_for_a_writer_is_limited_too(world: World, start_server: StartServer) -> None:
    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)

        async def second() -> Answer:
            await world.backend.sleep(0.1)
            return await fetch(engine, make_request("PUT", timeout=TimeoutConfig(5, write_timeout=0.2)))

        results = await together(
            world,
            lambda: fetch(
                engine, make_request("POST", body=bytes(8 * MIB), timeout=TimeoutConfig(5, write_timeout=0.8))
            ),
            second,
        )
        assert isinstance(results[0], WriteTimeout)
        assert isinstance(results[1], WriteTimeout)

    talk(world, start_server(late_reader(lambda peer: None, seconds=1.5)), main)


def test_a_connection_that_breaks_while_sending(world: World, start_server: StartServer) -> None:
    def script(sock: socket.socket) -> None:
        peer = Peer(sock)
        peer.respond(peer.request().stream_id)
        peer.request(1, whole=False)
        time.sleep(0.1)
        reset(sock)

    def slowly() -> Iterator[bytes]:
        for _ in range(30):
            time.sleep(0.02)
            yield b"some"

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        with pytest.raises((WriteError, ReadError)) as caught:
            await fetch(engine, make_request("POST", body=slowly()))
        assert caught.value.delivery is Delivery.MAYBE_PROCESSED
        assert engine.is_closed

    talk(world, start_server(script), main)


# Over TLS.


async def test_exchanges_over_tls(world: World, start_server: StartServer, authority: Authority) -> None:
    server = start_server(echo(), tls=authority.server_context("h2"))
    engine = await establish(world, server, authority=authority)
    calls = [lambda size=size: fetch(engine, make_request(path=f"/{size * 20_000}")) for size in range(20)]
    calls += [
        lambda size=size: fetch(engine, make_request("POST", body=bytes(size * 20_000 + 1)))
        for size in range(20)
    ]
    for index, answer in enumerate(await together(world, *calls)):
        assert isinstance(answer, Answer), answer
        assert len(answer.content) == index % 20 * 20_000 + index // 20
    assert engine.check()
    engine.close()


async def test_the_end_of_an_upload_leaves_a_full_kernel_buffer(
    world: World, start_server: StartServer, authority: Authority
) -> None:
    """A server that begins to read late: what TLS has encrypted must leave while we wait for the answer."""

    def act(peer: Peer) -> None:
        request = peer.request(1)
        peer.respond(request.stream_id, b"%d" % len(request.body))

    server = start_server(late_reader(act), tls=authority.server_context("h2"))
    engine = await establish(world, server, authority=authority)
    await fetch(engine, make_request())
    narrow(engine)
    for size in (200_000,):  # one step, and more than the buffers hold
        answer = await fetch(engine, make_request("POST", body=bytes(size), timeout=TimeoutConfig(8)))
        assert answer.content == b"%d" % size
    engine.close()


# Expect: 100-continue (RFC 9110 section 10.1.1).


@pytest.mark.parametrize("informed", [True, False])
def test_expect_100_continue_sends_the_body_when_told_or_after_a_while(
    world: World, start_server: StartServer, informed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("http3_transport._http2.exchange.CONTINUE_WAIT", 0.5)
    early: list[bytes] = []

    def act(peer: Peer) -> None:
        request = peer.request(whole=False)
        peer.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            peer.until(lambda: bool(request.body))
        peer.socket.settimeout(5)
        early.append(bytes(request.body))
        if informed:
            peer.head(request.stream_id, 100)
        peer.respond(request.stream_id, bytes(peer.request().body))

    async def main(engine: HTTP2Connection) -> None:
        request = make_request("POST", body=b"body", fields=[("Expect", "100-continue")])
        assert (await fetch(engine, request)).content == b"body"

    talk(world, start_server(scripted(act)), main)
    assert early == [b""]


def test_expect_100_continue_with_a_final_answer_sends_no_body(
    world: World, start_server: StartServer
) -> None:
    def act(peer: Peer) -> None:
        request = peer.request(whole=False)
        peer.respond(request.stream_id, status=417)
        peer.until(lambda: request.stream_id in peer.resets)
        assert not request.body

    async def main(engine: HTTP2Connection) -> None:
        request = make_request("POST", body=b"body", fields=[("Expect", "100-continue")])
        assert (await fetch(engine, request)).status_code == 417

    talk(world, start_server(scripted(act)), main)
