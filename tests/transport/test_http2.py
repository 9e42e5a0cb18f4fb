"""HTTP/2 over real sockets, in all three worlds, against servers that do what a script says."""

from __future__ import annotations

import gc
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from conftest import StartRawServer
from http2_client import (
    Answer,
    CountingLease,
    cancelled_after,
    fetch,
    make_request,
    open_engine,
    read,
    together,
)
from http2_peer import EchoServer, Peer
from http3_models import (
    Delivery,
    Limits,
    LocalProtocolError,
    NotConnected,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    RequestError,
    ResponseTooLarge,
    TimeoutConfig,
    TotalTimeout,
    WriteError,
    WriteTimeout,
)
from http3_transport._http2 import HTTP2Engine
from http3_transport._tls import start_tls
from runtimes import Runtime
from servers import Authority, RawServer, Script

MIB = 1024 * 1024


def scripted(act: Callable[[Peer], object], **settings: int) -> Script:
    """A script over a `Peer`; afterwards it reads until the client closes, so that nothing is reset."""

    def script(sock: socket.socket) -> None:
        peer = Peer(sock, **settings)
        act(peer)
        peer.until_closed()

    return script


def reset(sock: socket.socket) -> None:
    """Close with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def echo(**settings: int) -> Script:
    def script(sock: socket.socket) -> None:
        EchoServer(sock, **settings).run()

    return script


def talk(
    runtime: Runtime, server: RawServer, main: Callable[[HTTP2Engine], object], **options: object
) -> object:
    """Run a coroutine function with an engine, and see that the engine is left in order."""

    async def run() -> object:
        engine = await open_engine(runtime, server, **options)  # type: ignore[arg-type]
        try:
            result = await main(engine)  # type: ignore[misc]
            assert engine.is_idle
            assert not engine._followers
            assert not engine._leading
            assert not engine._write_lock.is_held
        finally:
            engine.abort()
        return result

    return runtime.run(run)


# One exchange.


def test_a_response_has_head_body_and_trailers(runtime: Runtime, raw_server: StartRawServer) -> None:
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

    async def main(engine: HTTP2Engine) -> None:
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

    server = raw_server(scripted(act))
    talk(runtime, server, main)


def test_the_first_request_leaves_with_the_preface(runtime: Runtime, raw_server: StartRawServer) -> None:
    first: list[bytes] = []

    def script(sock: socket.socket) -> None:
        first.append(sock.recv(65536, socket.MSG_PEEK))
        scripted(lambda peer: peer.respond(peer.request().stream_id))(sock)

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())

    talk(runtime, raw_server(script), main)
    assert first[0].startswith(b"PRI * HTTP/2.0")
    assert (
        bytes([0x1, 0x5]) + bytes([0, 0, 0, 1]) in first[0]
    )  # HEADERS, END_STREAM and END_HEADERS, stream 1


def test_request_fields_on_the_wire(runtime: Runtime, raw_server: StartRawServer) -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    def act(peer: Peer) -> None:
        request = peer.request()
        seen.append(request.fields)
        peer.respond(request.stream_id)

    async def main(engine: HTTP2Engine) -> None:
        fields = [
            ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "1"),
            ("X-Kept", "2"),
            ("TE", "gzip, trailers"),
        ]
        await fetch(engine, make_request(path="/a?b=c", fields=fields))

    talk(runtime, raw_server(scripted(act)), main)
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
    runtime: Runtime,
    raw_server: StartRawServer,
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

    async def main(engine: HTTP2Engine) -> None:
        answer = await fetch(engine, make_request(method))
        assert (answer.status_code, answer.content) == (status, b"")
        assert engine.check()

    talk(runtime, raw_server(scripted(act)), main)


def test_informational_responses_are_passed_over(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        for _ in range(3):
            peer.head(stream_id, 103, [("link", "</style.css>")])
        peer.respond(stream_id, b"ok")

    async def main(engine: HTTP2Engine) -> None:
        assert (await fetch(engine, make_request())).content == b"ok"

    talk(runtime, raw_server(scripted(act)), main)


# What the server may do wrong: the fault of one stream.


def fails(
    kind: type[RequestError], match: str, delivery: Delivery = Delivery.MAYBE_PROCESSED
) -> Callable[[HTTP2Engine], object]:
    """A main that expects its first request to fail, and a second one to go well."""

    async def main(engine: HTTP2Engine) -> None:
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
        (lambda peer, sid: peer.respond(sid, fields=[("content-length", "x")]), "content-length"),
        (
            lambda peer, sid: peer.respond(sid, fields=[("content-length", "1"), ("content-length", "2")]),
            "content-length",
        ),
        (lambda peer, sid: peer.frame(DataFrame(sid, b"early", flags=["END_STREAM"])), "before headers"),
    ],
)
def test_a_malformed_response_fails_its_own_stream(
    runtime: Runtime, raw_server: StartRawServer, answer: Callable[[Peer, int], object], match: str
) -> None:
    def act(peer: Peer) -> None:
        answer(peer, peer.request().stream_id)
        peer.respond(peer.request(1).stream_id, b"second")
        peer.until_closed()
        assert peer.resets in ({}, {1: 1})  # PROTOCOL_ERROR, where the stream was not over already

    talk(runtime, raw_server(scripted(act)), fails(RemoteProtocolError, match))


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
    runtime: Runtime,
    raw_server: StartRawServer,
    limits: Limits,
    answer: Callable[[Peer, int], object],
    match: str,
) -> None:
    def act(peer: Peer) -> None:
        answer(peer, peer.request().stream_id)
        peer.respond(peer.request(1).stream_id, b"second")

    talk(runtime, raw_server(scripted(act)), fails(ResponseTooLarge, match), limits=limits)


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
    runtime: Runtime, raw_server: StartRawServer, code: int, delivery: Delivery
) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        if code != 7:
            peer.head(stream_id)
            peer.data(stream_id, b"some")
        peer.h2.reset_stream(stream_id, code)
        peer.flush()
        peer.respond(peer.request(1).stream_id, b"second")

    talk(runtime, raw_server(scripted(act)), fails(RemoteProtocolError, "reset the stream", delivery))


def test_what_came_before_a_reset_is_delivered(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        peer.data(stream_id, b"some")
        peer.h2.reset_stream(stream_id, 2)
        peer.flush()

    async def main(engine: HTTP2Engine) -> None:
        lease = CountingLease()
        response = await engine.exchange(make_request(), lease)
        assert response.body is not None
        assert await response.body.read_chunk() == b"some"
        for _ in range(2):
            with pytest.raises((RemoteProtocolError, ReadError)):
                await response.body.read_chunk()
        assert lease.released == 1

    talk(runtime, raw_server(scripted(act)), main)


# The fault of the connection.


@pytest.mark.parametrize(
    ("frames", "match"),
    [
        ([PushPromiseFrame(1, promised_stream_id=2, flags=["END_HEADERS"])], "pushed"),
        ([WindowUpdateFrame(0, window_increment=2**31 - 1)], "window"),
        ([ContinuationFrame(1, b"", flags=["END_HEADERS"])], "broke HTTP/2"),
        ([DataFrame(5, b"x")], "broke HTTP/2"),
        ([DataFrame(1, b"x" * 20000)], "overlong"),
        ([SettingsFrame(0, settings={4: 2**31})], "broke HTTP/2"),
        ([PingFrame(0, b"12345678"), ContinuationFrame(3, b"")], "broke HTTP/2"),
    ],
)
def test_broken_framing_ends_the_connection(
    runtime: Runtime, raw_server: StartRawServer, frames: list[Frame], match: str
) -> None:
    def act(peer: Peer) -> None:
        peer.request()
        peer.request(1)
        peer.frame(*frames)
        peer.until_closed()
        # Of two threads one may close while the other is about to send it.
        assert peer.goaway is not None or runtime.name == "blocking"

    async def main(engine: HTTP2Engine) -> None:
        results = await together(runtime, *[lambda: fetch(engine, make_request())] * 2)
        for result in results:
            assert type(result) is RemoteProtocolError
            assert match in str(result)
            assert result.delivery is Delivery.MAYBE_PROCESSED
        assert engine.is_closed
        assert engine.stream_limit == 0
        with pytest.raises(NotConnected) as caught:
            await fetch(engine, make_request())
        assert caught.value.delivery is Delivery.NOT_SENT

    talk(runtime, raw_server(scripted(act)), main)


def test_a_server_that_speaks_http_1(runtime: Runtime, raw_server: StartRawServer) -> None:
    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        sock.recv(65536)

    async def main(engine: HTTP2Engine) -> None:
        with pytest.raises(RemoteProtocolError, match="does not speak HTTP/2"):
            await fetch(engine, make_request())

    talk(runtime, raw_server(script), main)


# Many at once.


def test_a_hundred_requests_at_once(runtime: Runtime, raw_server: StartRawServer) -> None:
    async def main(engine: HTTP2Engine) -> None:
        calls = [
            lambda index=index: fetch(engine, make_request(path=f"/{index * 1000}")) for index in range(100)
        ]
        answers = await together(runtime, *calls)
        for index, answer in enumerate(answers):
            assert isinstance(answer, Answer), answer
            assert answer.headers["x-path"] == f"/{index * 1000}"
            assert len(answer.content) == index * 1000

    server = raw_server(echo(max_concurrent_streams=200))
    talk(runtime, server, main)
    assert server.connections == 1


def test_uploads_and_downloads_at_once(runtime: Runtime, raw_server: StartRawServer) -> None:
    bodies = [bytes([index]) * (index * 100_000 + 1) for index in range(12)]

    async def main(engine: HTTP2Engine) -> None:
        calls = [lambda body=body: fetch(engine, make_request("POST", body=body)) for body in bodies]
        calls += [lambda: fetch(engine, make_request(path="/1000000"))] * 6
        answers = await together(runtime, *calls)
        for answer, body in zip(answers, [*bodies, *[bytes(1_000_000)] * 6], strict=True):
            assert isinstance(answer, Answer), answer
            assert answer.content == body

    talk(runtime, raw_server(echo(max_concurrent_streams=100)), main)


@pytest.mark.parametrize("size", [20 * MIB])
def test_large_bodies(runtime: Runtime, raw_server: StartRawServer, size: int) -> None:
    async def main(engine: HTTP2Engine) -> None:
        download = await fetch(engine, make_request(path=f"/{size}"))
        assert len(download.content) == size
        upload = await fetch(engine, make_request("PUT", path="/3", body=bytes(size)))
        assert upload.content == bytes(3)

    talk(runtime, raw_server(echo()), main)


def test_thousands_of_requests_leave_nothing_behind(raw_server: StartRawServer) -> None:
    runtime = Runtime("blocking")

    async def main(engine: HTTP2Engine) -> None:
        for _ in range(4500):
            await fetch(engine, make_request())
        h2 = engine._state._h2
        assert len(h2.streams) <= 2
        assert len(h2._closed_streams) <= 4096
        assert not engine._state.streams
        assert engine._state.growth_left == 12 * MIB

    talk(runtime, raw_server(echo(initial_window_size=1000)), main)


# Limits of time.


def test_a_leader_that_times_out_fails_alone(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 3)
        time.sleep(0.4)
        for request in list(peer.requests.values()):
            if request.field(b":path") != b"/slow":
                peer.respond(request.stream_id, b"late")

    async def main(engine: HTTP2Engine) -> None:
        results = await together(
            runtime,
            lambda: fetch(engine, make_request(path="/slow", timeout=TimeoutConfig(5, read_timeout=0.2))),
            lambda: fetch(engine, make_request()),
            lambda: fetch(engine, make_request()),
        )
        assert isinstance(results[0], ReadTimeout)
        assert results[0].delivery is Delivery.MAYBE_PROCESSED
        assert [answer.content for answer in results[1:] if isinstance(answer, Answer)] == [b"late", b"late"]
        assert engine.check()

    talk(runtime, raw_server(scripted(act)), main)


def test_progress_of_others_is_not_ours(runtime: Runtime, raw_server: StartRawServer) -> None:
    """PING, SETTINGS and a busy stream beside it do not keep a silent response alive."""

    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 2)
        busy = next(r.stream_id for r in peer.requests.values() if r.field(b":path") == b"/busy")
        peer.head(busy)
        for _ in range(12):
            peer.frame(PingFrame(0, b"12345678"), SettingsFrame(0, settings={3: 50}))
            peer.data(busy, b"x" * 100)
            time.sleep(0.05)
        peer.data(busy, b"", end=True)

    async def main(engine: HTTP2Engine) -> None:
        started = time.monotonic()
        timeout = TimeoutConfig(5, read_timeout=0.3)
        elapsed: list[float] = []

        async def silent() -> Answer:
            try:
                return await fetch(engine, make_request(path="/silent", timeout=timeout))
            finally:
                elapsed.append(time.monotonic() - started)

        results = await together(
            runtime, silent, lambda: fetch(engine, make_request(path="/busy", timeout=timeout))
        )
        assert isinstance(results[0], ReadTimeout)
        assert 0.25 < elapsed[0] < 0.55
        assert isinstance(results[1], Answer)
        assert results[1].content == b"x" * 1200

    talk(runtime, raw_server(scripted(act)), main)


def test_a_body_that_stops_times_out(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        peer.data(stream_id, b"some")
        peer.until(lambda: bool(peer.resets))
        assert peer.resets == {1: 8}  # CANCEL

    async def main(engine: HTTP2Engine) -> None:
        lease = CountingLease()
        response = await engine.exchange(make_request(timeout=TimeoutConfig(5, read_timeout=0.1)), lease)
        with pytest.raises(ReadTimeout, match="0.1 s"):
            await read(response)
        with pytest.raises(ReadError, match="given up"):
            await read(response)
        assert lease.released == 1

    talk(runtime, raw_server(scripted(act)), main)


def test_a_total_timeout_outlasts_a_drip(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        while not peer.resets:
            peer.data(stream_id, b"x")
            peer.frame(PingFrame(0, b"12345678"))
            peer.receive()
            time.sleep(0.02)

    async def main(engine: HTTP2Engine) -> None:
        with pytest.raises(TotalTimeout):
            await fetch(engine, make_request(total=0.3))

    talk(runtime, raw_server(scripted(act)), main)


def test_no_credit_is_a_write_timeout(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.credit = False
        peer.until(lambda: bool(peer.resets))
        assert len(peer.requests[3].body) == 1000
        peer.respond(peer.request(2).stream_id, b"third")

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        timeout = TimeoutConfig(5, write_timeout=0.2)
        with pytest.raises(WriteTimeout, match="0.2 s") as caught:
            await fetch(engine, make_request("POST", body=bytes(5000), timeout=timeout))
        assert caught.value.delivery is Delivery.MAYBE_PROCESSED
        assert (await fetch(engine, make_request())).content == b"third"

    talk(runtime, raw_server(scripted(act, initial_window_size=1000)), main)


# Giving up.


def test_cancelling_leaves_the_connection_usable(runtime: Runtime, raw_server: StartRawServer) -> None:
    if runtime.name == "blocking":
        pytest.skip("a thread can't be cancelled")

    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 4)
        by_path = {request.field(b":path"): request.stream_id for request in peer.requests.values()}
        peer.respond(by_path[b"/last"], b"last")
        peer.respond(by_path[b"/kept"], b"kept")
        peer.until(lambda: len(peer.resets) == 2)
        assert peer.resets == {by_path[b"/first"]: 8, by_path[b"/second"]: 8}

    async def main(engine: HTTP2Engine) -> None:
        lease = CountingLease()
        late: list[Answer] = []

        async def kept() -> None:
            late.append(await fetch(engine, make_request(path="/kept")))

        async def first() -> None:
            await cancelled_after(runtime, 0.1, lambda: engine.exchange(make_request(path="/first"), lease))

        async def second() -> None:
            await cancelled_after(runtime, 0.2, lambda: fetch(engine, make_request(path="/second")))
            assert (await fetch(engine, make_request(path="/last"))).content == b"last"

        # One of them leads when it is cancelled, the others follow; whoever is left leads on.
        assert await together(runtime, first, kept, second) == [None, None, None]
        assert late[0].content == b"kept"
        assert lease.released == 1

    talk(runtime, raw_server(scripted(act)), main)


def test_cancelling_an_upload_without_credit(runtime: Runtime, raw_server: StartRawServer) -> None:
    if runtime.name == "blocking":
        pytest.skip("a thread can't be cancelled")

    def act(peer: Peer) -> None:
        peer.credit = False
        peer.until(lambda: peer.resets == {1: 8})
        peer.h2.increment_flow_control_window(65535)
        peer.flush()
        request = peer.request(1)
        peer.respond(request.stream_id, bytes(request.body))

    async def main(engine: HTTP2Engine) -> None:
        await cancelled_after(runtime, 0.2, lambda: fetch(engine, make_request("POST", body=bytes(MIB))))
        assert (await fetch(engine, make_request("POST", body=b"second"))).content == b"second"

    talk(runtime, raw_server(scripted(act)), main)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_closing_a_body_early_gives_everything_back(runtime: Runtime, raw_server: StartRawServer, how: str) -> None:
    async def main(engine: HTTP2Engine) -> None:
        for _ in range(300):  # 128 KiB each, 37 MiB in all: more than the connection's window
            lease = CountingLease()
            response = await engine.exchange(make_request(path=f"/{MIB}"), lease)
            assert response.body is not None
            if how == "close":
                await response.body.close()
            else:
                response.body.abort()
            response.body.abort()
            assert lease.released == 1
            with pytest.raises(ReadError, match="given up"):
                await response.body.read_chunk()
        assert len((await fetch(engine, make_request(path=f"/{MIB}"))).content) == MIB

    talk(runtime, raw_server(echo()), main)


def test_an_unread_response_never_stalls_another(runtime: Runtime, raw_server: StartRawServer) -> None:
    async def main(engine: HTTP2Engine) -> None:
        unread = [await engine.exchange(make_request(path=f"/{MIB}"), CountingLease()) for _ in range(50)]
        assert len((await fetch(engine, make_request(path=f"/{30 * MIB}"))).content) == 30 * MIB
        held = sum(len(piece) for stream in engine._state.streams.values() for piece in stream.inbox)
        assert held <= 50 * 128 * 1024
        for response in unread:
            assert len(await read(response)) == MIB

    talk(runtime, raw_server(echo()), main)


def test_windows_grow_within_their_bound(runtime: Runtime, raw_server: StartRawServer) -> None:
    async def main(engine: HTTP2Engine) -> None:
        response = await engine.exchange(make_request(path=f"/{20 * MIB}"), CountingLease())
        other = await engine.exchange(make_request(path=f"/{20 * MIB}"), CountingLease())
        assert response.body is not None
        for _ in range(900):
            await response.body.read_chunk()
        grown = engine._state.growth_left
        assert grown < 12 * MIB
        streams = list(engine._state.streams.values())
        assert sum(stream.window - 128 * 1024 for stream in streams) + grown == 12 * MIB
        response.body.abort()
        assert other.body is not None
        other.body.abort()
        assert engine._state.growth_left == 12 * MIB

    talk(runtime, raw_server(echo()), main)


def test_a_forgotten_response_is_cancelled_by_the_next_operation(
    runtime: Runtime, raw_server: StartRawServer
) -> None:
    def act(peer: Peer) -> None:
        peer.head(peer.request().stream_id)
        peer.respond(peer.request(1).stream_id, b"second")
        peer.until(lambda: peer.resets == {1: 8})

    async def main(engine: HTTP2Engine) -> None:
        lease = CountingLease()
        response = await engine.exchange(make_request(), lease)
        with pytest.warns(ResourceWarning, match="example.org/ was neither read nor closed"):
            response.body = None
            gc.collect()
        assert lease.released == 0  # a finaliser only notes
        assert len(lease.cleanups) == 1
        lease.cleanups[0]()
        assert not engine.is_idle
        assert (await fetch(engine, make_request())).content == b"second"
        assert engine.is_idle

    talk(runtime, raw_server(scripted(act)), main)


# Uploads, and answers that come before their end.


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("streamed", [True, False])
def test_an_early_413_stops_the_upload(
    runtime: Runtime, raw_server: StartRawServer, streamed: bool, reset: bool
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

    async def main(engine: HTTP2Engine) -> None:
        body = chunks() if streamed else bytes(100 * MIB)
        answer = await fetch(engine, make_request("POST", body=body))
        assert (answer.status_code, answer.content) == (413, b"too large")
        assert len(asked) < 500
        assert (await fetch(engine, make_request())).content == b"second"

    talk(runtime, raw_server(scripted(act)), main)


def test_a_413_that_is_not_whole_yet_stops_the_upload(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.credit = False
        stream_id = peer.request(whole=False).stream_id
        peer.head(stream_id, 413)
        time.sleep(0.1)
        peer.data(stream_id, b"too large", end=True)
        peer.until(lambda: bool(peer.resets))
        assert peer.resets == {1: 0}  # NO_ERROR: the rest of the request is not going to come

    async def main(engine: HTTP2Engine) -> None:
        answer = await fetch(engine, make_request("POST", body=bytes(MIB)))
        assert (answer.status_code, answer.content) == (413, b"too large")

    talk(runtime, raw_server(scripted(act)), main)


def test_an_answer_in_step_with_the_upload(runtime: Runtime, raw_server: StartRawServer) -> None:
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

    async def main(engine: HTTP2Engine) -> None:
        body = bytes(range(256)) * 4000
        answer = await fetch(engine, make_request("POST", body=[body[:500_000], body[500_000:]]))
        assert answer.content == body

    talk(runtime, raw_server(scripted(act)), main)


def test_a_streamed_upload_ends(runtime: Runtime, raw_server: StartRawServer) -> None:
    async def main(engine: HTTP2Engine) -> None:
        for body in ([b"a", b"bc"], [], [b"x" * 200_000]):
            answer = await fetch(engine, make_request("POST", body=iter(body)))
            assert answer.content == b"".join(body)

    talk(runtime, raw_server(echo()), main)


def test_what_the_body_raises_reaches_the_caller(runtime: Runtime, raw_server: StartRawServer) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise OSError("the file is gone")

    def act(peer: Peer) -> None:
        peer.until(lambda: peer.resets == {1: 8})
        peer.respond(peer.request(1).stream_id, b"second")

    async def main(engine: HTTP2Engine) -> None:
        with pytest.raises(OSError, match="the file is gone") as caught:
            await fetch(engine, make_request("POST", body=broken()))
        assert type(caught.value) is OSError
        assert (await fetch(engine, make_request())).content == b"second"

    talk(runtime, raw_server(scripted(act)), main)


@pytest.mark.parametrize(
    ("body", "length", "sent"),
    [(b"abc", "4", False), (b"abc", "2", False), ([b"abc"], "4", True), ([b"abc"], "2", True), (b"", "1", False)],
)
def test_a_body_that_differs_from_its_length(
    runtime: Runtime, raw_server: StartRawServer, body: bytes, length: str, sent: bool
) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request(1 if sent else 0).stream_id, b"second")

    async def main(engine: HTTP2Engine) -> None:
        with pytest.raises(LocalProtocolError, match="Content-Length says") as caught:
            await fetch(engine, make_request("POST", body=body, fields=[("Content-Length", length)]))
        assert caught.value.delivery is (Delivery.MAYBE_PROCESSED if sent else Delivery.NOT_SENT)
        assert (await fetch(engine, make_request())).content == b"second"

    talk(runtime, raw_server(scripted(act)), main)


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
    runtime: Runtime, raw_server: StartRawServer, method: str, fields: list[tuple[str, str]], match: str
) -> None:
    async def main(engine: HTTP2Engine) -> None:
        with pytest.raises(LocalProtocolError, match=match) as caught:
            await fetch(engine, make_request(method, fields=fields))
        assert caught.value.delivery is Delivery.NOT_SENT
        assert engine._state.handed == 0

    talk(runtime, raw_server(lambda sock: None), main)


# The connection's own life.


def test_goaway_refuses_what_came_after_it_and_lets_the_rest_end(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 4)
        peer.frame(GoAwayFrame(0, last_stream_id=2**31 - 1))
        peer.frame(GoAwayFrame(0, last_stream_id=3, additional_data=b"maintenance"))
        peer.respond(1, b"first")
        peer.respond(3, b"second")

    async def main(engine: HTTP2Engine) -> None:
        results = await together(runtime, *[lambda: fetch(engine, make_request())] * 4)
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
        assert "said goodbye" in str(caught.value)
        assert not engine.check()

    talk(runtime, raw_server(scripted(act)), main)


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_connection_that_breaks_fails_every_request(runtime: Runtime, raw_server: StartRawServer, how: str) -> None:
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

    async def main(engine: HTTP2Engine) -> None:
        results = await together(runtime, *[lambda: fetch(engine, make_request())] * 3)
        for result in results:
            assert type(result) is (RemoteProtocolError if how == "fin" else ReadError)
            assert result.delivery is Delivery.MAYBE_PROCESSED
        assert engine.is_closed

    talk(runtime, raw_server(script), main)


def test_check_answers_ping_and_settings(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.socket.sendall(b"\0\0\1\xbb\0\0\0\0\0?")  # a frame of no known type
        peer.frame(PingFrame(0, b"12345678"), SettingsFrame(0, settings={3: 7}))
        peer.until(lambda: any(type(event).__name__ == "PingAckReceived" for event in peer.events))
        peer.h2.close_connection()
        peer.flush()

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        give_up = time.monotonic() + 5
        while engine.check() and time.monotonic() < give_up:
            await runtime.backend.sleep(0.01)
        assert engine._state._remote_limit == 7
        assert engine.is_closed
        assert not engine.check()

    talk(runtime, raw_server(scripted(act)), main)


@pytest.mark.parametrize("how", ["fin", "reset", "garbage"])
def test_check_notices_a_dead_connection(runtime: Runtime, raw_server: StartRawServer, how: str) -> None:
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

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        give_up = time.monotonic() + 5
        while engine.check() and time.monotonic() < give_up:
            await runtime.backend.sleep(0.01)
        assert engine.is_closed
        with pytest.raises(NotConnected) as caught:
            await fetch(engine, make_request())
        assert caught.value.delivery is Delivery.NOT_SENT

    talk(runtime, raw_server(script), main)


def test_close_says_goodbye(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.until(lambda: peer.goaway is not None)

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        engine.close()
        engine.close()
        assert engine.is_closed

    talk(runtime, raw_server(scripted(act)), main)


def test_abort_fails_what_is_under_way(runtime: Runtime, raw_server: StartRawServer) -> None:
    async def main(engine: HTTP2Engine) -> None:
        async def abort() -> None:
            await runtime.backend.sleep(0.2)
            engine.abort()

        calls = [lambda: fetch(engine, make_request())] * 3
        results = await together(runtime, *calls, abort)  # type: ignore[list-item]
        for result in results[:3]:
            assert isinstance(result, ReadError)
            assert "aborted" in str(result)

    talk(runtime, raw_server(scripted(lambda peer: None)), main)


def test_the_server_lowers_and_raises_its_stream_limit(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 3)
        peer.frame(SettingsFrame(0, settings={SettingsFrame.MAX_CONCURRENT_STREAMS: 1}))
        peer.respond(1)
        peer.until(lambda: 7 in peer.requests)
        peer.respond(3)
        peer.respond(5)
        peer.respond(7)

    async def main(engine: HTTP2Engine) -> None:
        assert engine.stream_limit == 100
        results = await together(
            runtime, *[lambda: engine.exchange(make_request(), CountingLease())] * 3, self_test(engine)
        )
        assert not [result for result in results if isinstance(result, BaseException)], results

    def self_test(engine: HTTP2Engine) -> Callable[[], object]:
        async def later() -> None:
            while engine.stream_limit != 1:
                await runtime.backend.sleep(0.01)
            with pytest.raises(NotConnected, match="no further stream") as caught:
                await fetch(engine, make_request())
            assert caught.value.delivery is Delivery.NOT_SENT
            # The limit is the peer's word, the pool waits for a lease; here the streams are simply used up.
            engine._state._h2.remote_settings[3] = 100
            engine._state._h2.remote_settings.acknowledge()
            await fetch(engine, make_request())

        return later

    talk(runtime, raw_server(scripted(act)), main)


def test_window_games(runtime: Runtime, raw_server: StartRawServer) -> None:
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

    async def main(engine: HTTP2Engine) -> None:
        answer = await fetch(engine, make_request("POST", body=bytes(200_000)))
        assert answer.content == b"200000"

    talk(runtime, raw_server(scripted(act)), main)


def test_larger_frames_and_a_smaller_table(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.h2.update_settings({SettingsFrame.MAX_FRAME_SIZE: 100_000, SettingsFrame.HEADER_TABLE_SIZE: 0})
        peer.flush()
        request = peer.request(1)
        sizes = [len(event.data) for event in peer.events if type(event).__name__ == "DataReceived"]
        assert len(request.body) == 60_000
        assert max(sizes) == 60_000
        assert request.field(b"x-long") == b"y" * 100_000
        peer.respond(request.stream_id, b"second")

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        while engine._state._h2.max_outbound_frame_size != 100_000:
            assert engine.check()
            await runtime.backend.sleep(0.01)
        fields = [("x-long", "y" * 100_000)]  # takes CONTINUATION frames
        assert (await fetch(engine, make_request("POST", body=bytes(60_000), fields=fields))).content == b"second"

    talk(runtime, raw_server(scripted(act, max_header_list_size=10**6)), main)


def test_a_flood_of_pings_beside_a_download(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        for _ in range(50):
            peer.frame(*[PingFrame(0, b"12345678")] * 100)
            peer.data(stream_id, bytes(16384))
        peer.data(stream_id, b"", end=True)

    async def main(engine: HTTP2Engine) -> None:
        assert len((await fetch(engine, make_request())).content) == 50 * 16384

    talk(runtime, raw_server(scripted(act)), main)


def test_a_flood_that_is_never_read_ends(runtime: Runtime, raw_server: StartRawServer) -> None:
    """PING without end from a server that does not read: our answers must not fill memory."""

    def script(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        peer = Peer(sock)
        peer.request()
        flood = PingFrame(0, b"12345678").serialize() * 2000
        sock.settimeout(20)
        while True:
            sock.sendall(flood)

    async def main(engine: HTTP2Engine) -> None:
        narrow(engine)
        with pytest.raises(RequestError, match="flood"):
            await fetch(engine, make_request(timeout=20.0))

    talk(runtime, raw_server(script), main)


def test_stream_ids_run_out(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: bool(peer.requests))
        peer.respond(2**31 - 1, b"last")

    async def main(engine: HTTP2Engine) -> None:
        engine._state._h2.highest_outbound_stream_id = 2**31 - 3
        assert (await fetch(engine, make_request())).content == b"last"
        with pytest.raises(NotConnected, match="used up"):
            await fetch(engine, make_request())
        assert engine.is_closed

    talk(runtime, raw_server(scripted(act)), main)


# A kernel buffer that is full.


def narrow(engine: HTTP2Engine) -> None:
    """Make the socket's send buffer small."""
    stream = getattr(engine.stream, "_stream", engine.stream)
    stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)


def late_reader(act: Callable[[Peer], object], seconds: float = 0.4) -> Script:
    """A server with unlimited windows that answers a first request, then reads nothing for a while."""

    def script(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        peer = Peer(sock, initial_window_size=2**31 - 1)
        peer.h2.increment_flow_control_window(2**30)
        peer.flush()
        peer.respond(peer.request().stream_id)
        peer.credit = False
        time.sleep(seconds)
        act(peer)
        peer.until_closed()

    return script


def test_requests_go_on_when_the_server_reads_late(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 4 and all(request.ended for request in peer.requests.values()))
        for request in list(peer.requests.values())[1:]:
            peer.respond(request.stream_id, b"%d" % len(request.body))

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        # One waits for its response and reads for all while the others have to wait with their uploads.
        results = await together(
            runtime,
            lambda: fetch(engine, make_request()),
            lambda: fetch(engine, make_request("POST", body=bytes(500_000))),
            lambda: fetch(engine, make_request("POST", body=iter([bytes(300_000)] * 2))),
        )
        contents = [result.content for result in results if isinstance(result, Answer)]
        assert contents == [b"0", b"500000", b"600000"], results

    talk(runtime, raw_server(late_reader(act)), main)


def test_a_single_upload_goes_on_when_the_server_reads_late(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        request = peer.request(1)
        peer.respond(request.stream_id, b"%d" % len(request.body))

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        answer = await fetch(engine, make_request("POST", body=bytes(2 * MIB)))
        assert answer.content == b"%d" % (2 * MIB)

    talk(runtime, raw_server(late_reader(act)), main)


def test_an_early_answer_while_nothing_can_be_sent(runtime: Runtime, raw_server: StartRawServer) -> None:
    def act(peer: Peer) -> None:
        peer.frame(HeadersFrame(3, peer.h2.encoder.encode([(":status", "413")]), flags=["END_HEADERS", "END_STREAM"]))
        time.sleep(0.3)

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        answer = await fetch(engine, make_request("POST", body=bytes(20 * MIB), timeout=TimeoutConfig(3)))
        assert answer.status_code == 413
        assert engine._state.handed < 20 * MIB

    talk(runtime, raw_server(late_reader(act)), main)


def test_a_server_that_never_reads_is_a_write_timeout(runtime: Runtime, raw_server: StartRawServer) -> None:
    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        narrow(engine)

        async def upload() -> Answer:
            await runtime.backend.sleep(0.1)
            timeout = TimeoutConfig(5, write_timeout=0.3)
            return await fetch(engine, make_request("POST", body=bytes(8 * MIB), timeout=timeout))

        results = await together(runtime, upload, lambda: fetch(engine, make_request()))
        assert isinstance(results[0], WriteTimeout)
        assert results[0].delivery is Delivery.MAYBE_PROCESSED
        # Where a frame may be cut in two, nothing can follow it.
        assert isinstance(results[1], WriteError)
        assert "interrupted" in str(results[1])
        assert engine.is_closed

    talk(runtime, raw_server(late_reader(lambda peer: None, seconds=1.5)), main)


def test_waiting_in_line_for_a_writer_is_limited_too(runtime: Runtime, raw_server: StartRawServer) -> None:
    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        narrow(engine)

        async def second() -> Answer:
            await runtime.backend.sleep(0.1)
            return await fetch(engine, make_request("PUT", timeout=TimeoutConfig(5, write_timeout=0.2)))

        results = await together(
            runtime,
            lambda: fetch(engine, make_request("POST", body=bytes(8 * MIB), timeout=TimeoutConfig(5, write_timeout=0.8))),
            second,
        )
        assert isinstance(results[0], WriteTimeout)
        assert isinstance(results[1], WriteTimeout)

    talk(runtime, raw_server(late_reader(lambda peer: None, seconds=1.5)), main)


def test_a_connection_that_breaks_while_sending(runtime: Runtime, raw_server: StartRawServer) -> None:
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

    async def main(engine: HTTP2Engine) -> None:
        await fetch(engine, make_request())
        with pytest.raises((WriteError, ReadError)) as caught:
            await fetch(engine, make_request("POST", body=slowly()))
        assert caught.value.delivery is Delivery.MAYBE_PROCESSED
        assert engine.is_closed

    talk(runtime, raw_server(script), main)


# Over TLS.


def server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server_cert, authority.server_key)
    context.set_alpn_protocols(["h2"])
    return context


async def open_tls_engine(runtime: Runtime, server: RawServer, authority: Authority) -> HTTP2Engine:
    context = ssl.create_default_context(cafile=authority.ca_file)
    context.set_alpn_protocols(["h2"])
    stream = await runtime.backend.connect_address((socket.AF_INET, (server.host, server.port)), 5)
    secured = await start_tls(stream, context, "localhost", 5)
    assert secured.alpn_protocol == "h2"
    engine = HTTP2Engine(secured, runtime.backend, now=time.monotonic, limits=Limits())
    await engine.start(5)
    return engine


def test_exchanges_over_tls(runtime: Runtime, raw_server: StartRawServer, authority: Authority) -> None:
    server = raw_server(echo(), tls=server_context(authority))

    async def main() -> None:
        engine = await open_tls_engine(runtime, server, authority)
        calls = [lambda size=size: fetch(engine, make_request(path=f"/{size * 50_000}")) for size in range(20)]
        calls += [lambda size=size: fetch(engine, make_request("POST", body=bytes(size * 50_000 + 1))) for size in range(20)]
        for index, answer in enumerate(await together(runtime, *calls)):
            assert isinstance(answer, Answer), answer
            assert len(answer.content) == index % 20 * 50_000 + index // 20
        assert engine.check()
        engine.close()

    runtime.run(main)


def test_the_end_of_an_upload_leaves_a_full_kernel_buffer(
    runtime: Runtime, raw_server: StartRawServer, authority: Authority
) -> None:
    """A server that begins to read late: what TLS has encrypted must leave while we wait for the answer."""

    def script(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        peer = Peer(sock, initial_window_size=2**31 - 1)
        peer.h2.increment_flow_control_window(2**30)
        peer.flush()
        peer.respond(peer.request().stream_id)
        peer.credit = False
        time.sleep(0.4)
        request = peer.request(1)
        peer.respond(request.stream_id, b"%d" % len(request.body))
        peer.until_closed()

    server = raw_server(script, tls=server_context(authority))

    async def main() -> None:
        engine = await open_tls_engine(runtime, server, authority)
        await fetch(engine, make_request())
        narrow(engine)
        for size in (200_000,):  # one step, and more than the buffers hold
            answer = await fetch(engine, make_request("POST", body=bytes(size), timeout=TimeoutConfig(8)))
            assert answer.content == b"%d" % size
        engine.close()

    runtime.run(main)
