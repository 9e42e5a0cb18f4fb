"""HTTP/2, one exchange: what goes out, what comes in, and what a server may do wrong."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    PingFrame,
    PushPromiseFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from http3_models import (
    Delivery,
    Limits,
    NotConnected,
    ReadError,
    RemoteProtocolError,
    RequestError,
    ResponseTooLarge,
)
from http3_transport._http2.connection import HTTP2Connection
from support.http2_client import (
    CountingLease,
    fetch,
    make_request,
    scripted,
    talk,
    together,
)
from support.http2_peer import Peer
from support.servers import StartServer
from support.worlds import World

# One exchange.


def test_a_response_has_head_body_and_trailers(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        request = peer.request()
        peer.head(
            request.stream_id,
            203,
            [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
        )
        peer.data(request.stream_id, b"one ")
        peer.data(request.stream_id, b"two", pad=100)
        peer.h2.send_headers(request.stream_id, [("x-checksum", "7")], end_stream=True)
        peer.flush()

    async def main(engine: HTTP2Connection) -> None:
        request = make_request()
        answer = await fetch(engine, request)
        response = answer.response
        assert (response.status_code, response.protocol, answer.content) == (203, "HTTP/2", b"one two")
        assert response.reason_phrase == "Non-Authoritative Information"
        assert answer.headers.getlist("set-cookie") == ["a=1", "b=2"]
        assert response.body is not None
        assert response.body.trailers is not None
        assert response.body.trailers["x-checksum"] == "7"
        assert await response.body.read_chunk() == b""
        assert response.connection is not None
        assert response.connection.peer_address == (server.host, server.port)
        assert answer.lease.answered
        assert None not in (request.phases.send, request.phases.wait, request.phases.receive)
        assert engine.check()

    server = start_server(scripted(act))
    talk(world, server, main)


def test_the_first_request_leaves_with_the_preface(world: World, start_server: StartServer) -> None:
    first: list[bytes] = []

    def script(sock: socket.socket) -> None:
        first.append(sock.recv(65536, socket.MSG_PEEK))
        scripted(lambda peer: peer.respond(peer.request().stream_id))(sock)

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())

    talk(world, start_server(script), main)
    assert first[0].startswith(b"PRI * HTTP/2.0")
    assert (
        bytes([0x1, 0x5]) + bytes([0, 0, 0, 1]) in first[0]
    )  # HEADERS, END_STREAM and END_HEADERS, stream 1


def test_request_fields_on_the_wire(world: World, start_server: StartServer) -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    def act(peer: Peer) -> None:
        request = peer.request()
        seen.append(request.fields)
        peer.respond(request.stream_id)

    async def main(engine: HTTP2Connection) -> None:
        fields = [
            ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "1"),
            ("X-Kept", "2"),
            ("TE", "gzip, trailers"),
        ]
        await fetch(engine, make_request(path="/a?b=c", fields=fields))

    talk(world, start_server(scripted(act)), main)
    assert seen[0] == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":authority", b"example.org"),
        (b":path", b"/a?b=c"),
        (b"x-kept", b"2"),
        (b"te", b"trailers"),
    ]


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("HEAD", 200, [("content-length", "10")]),
        ("GET", 204, []),
        ("GET", 304, [("content-length", "10")]),
        ("GET", 200, []),
    ],
)
@pytest.mark.parametrize("separate_end", [False, True])
def test_responses_without_body(
    world: World,
    start_server: StartServer,
    method: str,
    status: int,
    fields: list[tuple[str, str]],
    separate_end: bool,
) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id, status, fields, end=not separate_end)
        if separate_end:
            peer.data(stream_id, b"", end=True)

    async def main(engine: HTTP2Connection) -> None:
        answer = await fetch(engine, make_request(method))
        assert (answer.status_code, answer.content) == (status, b"")
        assert engine.check()

    talk(world, start_server(scripted(act)), main)


def test_informational_responses_are_passed_over(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        for _ in range(3):
            peer.head(stream_id, 103, [("link", "</style.css>")])
        peer.respond(stream_id, b"ok")

    async def main(engine: HTTP2Connection) -> None:
        assert (await fetch(engine, make_request())).content == b"ok"

    talk(world, start_server(scripted(act)), main)


# What the server may do wrong: the fault of one stream.


def fails(
    kind: type[RequestError], match: str, delivery: Delivery = Delivery.MAYBE_PROCESSED
) -> Callable[[HTTP2Connection], Coroutine[Any, Any, None]]:
    """A main that expects its first request to fail, and a second one to go well."""

    async def main(engine: HTTP2Connection) -> None:
        with pytest.raises(kind, match=match) as caught:
            await fetch(engine, make_request())
        assert type(caught.value) is kind
        assert caught.value.delivery is delivery
        assert "http://example.org/" in str(caught.value)
        assert (await fetch(engine, make_request(path="/second"))).content == b"second"

    return main


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (lambda peer, sid: peer.respond(sid, fields=[("Upper", "x")]), "b'Upper' is not allowed"),
        (lambda peer, sid: peer.respond(sid, fields=[("connection", "close")]), "belongs to HTTP/1.1"),
        (
            lambda peer, sid: peer.respond(sid, fields=[("transfer-encoding", "chunked")]),
            "belongs to HTTP/1.1",
        ),
        (lambda peer, sid: peer.respond(sid, fields=[("x", "a\r\nset-cookie: b")]), "value of x"),
        (lambda peer, sid: peer.respond(sid, fields=[("x", "a\x00b")]), "value of x"),
        (lambda peer, sid: peer.respond(sid, fields=[("x", " a")]), "value of x"),
        (lambda peer, sid: peer.respond(sid, fields=[("x y", "a")]), "not allowed"),
        (lambda peer, sid: peer.respond(sid, fields=[("", "a")]), "not allowed"),
        (lambda peer, sid: peer.respond(sid, fields=[(":path", "/")]), "not allowed"),
        (lambda peer, sid: peer.head(sid, "20", end=True), "not a status code"),
        (lambda peer, sid: peer.head(sid, "2000", end=True), "not a status code"),
        (lambda peer, sid: peer.head(sid, "+20", end=True), "not a status code"),
        (lambda peer, sid: peer.head(sid, 101), "switched protocols"),
        (lambda peer, sid: [peer.head(sid, 103) for _ in range(40)], "max_informational"),
        (
            lambda peer, sid: peer.respond(sid, b"abc", fields=[("content-length", "4")]),
            "4 bytes announced, 3 received",
        ),
        (
            lambda peer, sid: peer.respond(sid, b"abc", fields=[("content-length", "2")]),
            "2 bytes announced, 3 received",
        ),
        (
            lambda peer, sid: peer.respond(sid, b"", fields=[("content-length", "4")]),
            "4 bytes announced, 0 received",
        ),
        (lambda peer, sid: peer.respond(sid, fields=[("content-length", "x")]), "is not a number"),
        (
            lambda peer, sid: peer.respond(sid, fields=[("content-length", "1"), ("content-length", "2")]),
            "both 1 and 2",
        ),
        (lambda peer, sid: peer.frame(DataFrame(sid, b"early", flags=["END_STREAM"])), "before headers"),
    ],
)
def test_a_malformed_response_fails_its_own_stream(
    world: World, start_server: StartServer, answer: Callable[[Peer, int], object], match: str
) -> None:
    def act(peer: Peer) -> None:
        answer(peer, peer.request().stream_id)
        peer.respond(peer.request(1).stream_id, b"second")
        peer.until_closed()
        assert peer.resets in ({}, {1: 1})  # PROTOCOL_ERROR, where the stream was not over already

    talk(world, start_server(scripted(act)), fails(RemoteProtocolError, match))


@pytest.mark.parametrize(
    ("limits", "answer", "match"),
    [
        (
            Limits(max_head_size=1000),
            lambda peer, sid: peer.respond(sid, fields=[("x", "a" * 1000)]),
            "max_head_size",
        ),
        (
            Limits(max_head_fields=3),
            lambda peer, sid: peer.respond(sid, fields=[("x", "a")] * 4),
            "max_head_fields",
        ),
        (
            Limits(max_trailer_size=100),
            lambda peer, sid: (
                peer.head(sid),
                peer.h2.send_headers(sid, [("x", "a" * 100)], end_stream=True),
                peer.flush(),
            ),
            "max_trailer_size",
        ),
    ],
)
def test_heads_and_trailers_are_bounded(
    world: World,
    start_server: StartServer,
    limits: Limits,
    answer: Callable[[Peer, int], object],
    match: str,
) -> None:
    def act(peer: Peer) -> None:
        answer(peer, peer.request().stream_id)
        peer.respond(peer.request(1).stream_id, b"second")

    talk(world, start_server(scripted(act)), fails(ResponseTooLarge, match), limits=limits)


@pytest.mark.parametrize(
    ("code", "delivery"),
    [
        (7, Delivery.REFUSED),
        (8, Delivery.MAYBE_PROCESSED),
        (0, Delivery.MAYBE_PROCESSED),
        (99, Delivery.MAYBE_PROCESSED),
    ],
)
def test_a_reset_stream_is_never_the_end_of_a_body(
    world: World, start_server: StartServer, code: int, delivery: Delivery
) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        if code != 7:
            peer.head(stream_id)
            peer.data(stream_id, b"some")
        peer.h2.reset_stream(stream_id, code)
        peer.flush()
        peer.respond(peer.request(1).stream_id, b"second")

    talk(world, start_server(scripted(act)), fails(RemoteProtocolError, "reset the stream", delivery))


def test_what_came_before_a_reset_is_delivered(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        peer.data(stream_id, b"some")
        peer.h2.reset_stream(stream_id, 2)
        peer.flush()

    async def main(engine: HTTP2Connection) -> None:
        lease = CountingLease()
        response = await engine.exchange(make_request(), lease)
        assert response.body is not None
        assert await response.body.read_chunk() == b"some"
        for _ in range(2):
            with pytest.raises((RemoteProtocolError, ReadError)):
                await response.body.read_chunk()
        assert lease.released == 1

    talk(world, start_server(scripted(act)), main)


# The fault of the connection.

JARGON = re.compile(r"Inputs|States?\.|state |stream_id|Error|Frame\b")
"""What h2 and hyperframe would say."""


@pytest.mark.parametrize(
    ("frames", "match"),
    [
        ([PushPromiseFrame(1, promised_stream_id=2, flags=["END_HEADERS"])], "pushed"),
        ([WindowUpdateFrame(0, window_increment=2**31 - 1)], "window"),
        ([ContinuationFrame(1, b"", flags=["END_HEADERS"])], "broke HTTP/2"),
        ([DataFrame(5, b"x")], "broke HTTP/2: a frame on stream 5, which is not open"),
        ([DataFrame(1, b"x" * 20000)], "overlong"),
        ([SettingsFrame(0, settings={4: 2**31})], "broke HTTP/2"),
        ([PingFrame(0, b"12345678"), ContinuationFrame(3, b"")], "broke HTTP/2"),
    ],
)
def test_broken_framing_ends_the_connection(
    world: World, start_server: StartServer, frames: list[Frame], match: str
) -> None:
    def act(peer: Peer) -> None:
        peer.request()
        peer.request(1)
        peer.frame(*frames)
        peer.until_closed()
        # Of two threads one may close while the other is about to send it.
        assert peer.goaway is not None or world.name == "sync"

    async def main(engine: HTTP2Connection) -> None:
        results = await together(world, *[lambda: fetch(engine, make_request())] * 2)
        for result in results:
            assert type(result) is RemoteProtocolError
            assert match in str(result)
            assert not JARGON.search(str(result))
            assert result.delivery is Delivery.MAYBE_PROCESSED
        assert engine.is_closed
        assert engine.stream_limit == 0
        with pytest.raises(NotConnected) as caught:
            await fetch(engine, make_request())
        assert caught.value.delivery is Delivery.NOT_SENT

    talk(world, start_server(scripted(act)), main)


def test_a_server_that_speaks_http_1(world: World, start_server: StartServer) -> None:
    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        sock.recv(65536)

    async def main(engine: HTTP2Connection) -> None:
        with pytest.raises(RemoteProtocolError, match="does not speak HTTP/2"):
            await fetch(engine, make_request())

    talk(world, start_server(script), main)
