"""HTTP/1.1 on the wire: framing, reuse, uploads and early answers, and what the server may do wrong."""

from __future__ import annotations

import re
import socket
import threading
import traceback
from collections.abc import Callable, Iterator

import pytest

from http3_models import (
    AsyncRequest,
    Delivery,
    Limits,
    LocalProtocolError,
    PoolLimits,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    RequestError,
    ResponseTooLarge,
    TimeoutConfig,
    TotalTimeout,
    WriteTimeout,
)
from http3_models._request.encode import encode_request
from http3_models.engine import BytesBody, Deadline, RequestBody, state_of
from support.exchanges import Pieces, answering, fetch, make_pool, ok, silent
from support.servers import Authority, Nginx, StartServer, read_head, read_request
from support.worlds import World


@pytest.fixture(params=["strict", "h11"], autouse=True)
def read_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything here holds with the strict modules first, and with h11 alone."""
    by: str = request.param
    monkeypatch.setattr("http3_transport._http1.connection.FAST", by == "strict")
    return by


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def request_body(data: Pieces) -> RequestBody:
    return encode_request(data=data, files=None, json=None, asynchronous=False)[0]


def test_two_requests_share_a_connection(world: World, start_server: StartServer) -> None:
    server = start_server(answering(ok(b"one"), ok(b"two")))

    async def main() -> list[bytes]:
        pool = make_pool(world)
        bodies = [(await fetch(pool, server.url)).content for _ in range(2)]
        assert len(pool.keepalive_connections) == 1
        assert pool.active_connections == []
        await pool.close()
        return bodies

    assert world.run(main) == [b"one", b"two"]
    assert server.connections == 1


def test_the_request_goes_out_as_written(world: World, start_server: StartServer) -> None:
    heads: list[bytes] = []

    def script(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(ok())

    server = start_server(script)

    async def main() -> None:
        pool = make_pool(world)
        await fetch(pool, server.url + "/a%2Fb?c=d", headers={"X-CamelCase": "Value"})
        await pool.close()

    world.run(main)
    lines = heads[0].split(b"\r\n")
    assert lines[0] == b"GET /a%2Fb?c=d HTTP/1.1"
    assert lines[1].lower() == b"host: 127.0.0.1:%d" % server.port
    assert b"X-CamelCase: Value" in lines


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
            b"hello",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 ;x=y\r\nhello\r\n0\t;z\r\n\r\n",
            b"hello",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(b"hello"),
            b"hello",
        ),
    ],
)
@pytest.mark.parametrize("pieces", ["whole", "bytewise"])
def test_every_framing_whole_and_byte_by_byte(
    world: World, start_server: StartServer, answer: bytes, body: bytes, pieces: str
) -> None:
    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_request(connection)
        for piece in [answer] if pieces == "whole" else [bytes([byte]) for byte in answer]:
            connection.sendall(piece)

    server = start_server(script)

    async def main() -> bytes:
        pool = make_pool(world)
        response = await fetch(pool, server.url)
        await pool.close()
        return response.content

    assert world.run(main) == body


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"one") + b"X",
        ok(b"one") + ok(b"two"),
        ok(b"one", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\none",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
    ],
    ids=["byte beyond", "answer beyond", "close", "HTTP/1.0", "beyond chunked", "two framings"],
)
def test_a_connection_that_is_not_proven_idle_is_not_used_again(
    world: World, start_server: StartServer, answer: bytes
) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)
        connection.recv(1)

    server = start_server(script, answering(ok(b"fresh")))

    async def main() -> list[bytes]:
        pool = make_pool(world)
        bodies = [(await fetch(pool, server.url)).content for _ in range(2)]
        await pool.close()
        return bodies

    assert world.run(main) == [b"one", b"fresh"]
    assert server.connections == 2


def test_bytes_that_arrive_while_idle_are_nobodys_answer(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ok(b"one"))
        connection.sendall(ok(b"stale"))
        connection.recv(1)

    server = start_server(script, answering(ok(b"fresh")))

    async def main() -> bytes:
        pool = make_pool(world)
        await fetch(pool, server.url)
        await world.backend.sleep(0.05)
        response = await fetch(pool, server.url)
        await pool.close()
        return response.content

    assert world.run(main) == b"fresh"


def test_a_connection_that_the_server_closed_is_replaced(world: World, start_server: StartServer) -> None:
    server = start_server(answering(ok(b"one")), answering(ok(b"two")))

    async def main() -> bytes:
        pool = make_pool(world)
        await fetch(pool, server.url)
        await world.backend.sleep(0.05)
        response = await fetch(pool, server.url, "POST", data=b"x")
        await pool.close()
        return response.content

    assert world.run(main) == b"two"


# Requests are sent again only where that is safe.


def dropping_the_second(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(ok(b"one"))
    read_request(connection)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_idempotent_request_is_sent_again_when_a_reused_connection_dies(
    world: World, start_server: StartServer, method: str
) -> None:
    server = start_server(dropping_the_second, answering(ok(b"again")))

    async def main() -> bytes:
        pool = make_pool(world)
        await fetch(pool, server.url)
        response = await fetch(pool, server.url, method, data=b"body" if method == "PUT" else None)
        await pool.close()
        return response.content

    assert world.run(main) == b"again"


@pytest.mark.parametrize("replay", [True, False])
def test_a_post_that_may_have_been_processed_is_not(
    world: World, start_server: StartServer, replay: bool
) -> None:
    server = start_server(dropping_the_second, answering(ok(b"again")))

    async def main() -> RequestError:
        pool = make_pool(world, replay=replay)
        await fetch(pool, server.url)
        with pytest.raises(RemoteProtocolError, match="without sending a response") as caught:
            await fetch(pool, server.url, "POST" if replay else "GET")
        assert (await fetch(pool, server.url)).content == b"again"
        await pool.close()
        return caught.value

    assert world.run(main).delivery is Delivery.MAYBE_PROCESSED


async def test_nothing_is_sent_again_after_the_first_byte_of_an_answer(
    world: World, start_server: StartServer
) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(ok(b"one"))
        read_request(connection)
        connection.sendall(b"H")

    server = start_server(script, answering(ok(b"again")))
    pool = make_pool(world)
    await fetch(pool, server.url)
    with pytest.raises(RemoteProtocolError, match="in the middle of the response's head"):
        await fetch(pool, server.url)
    await pool.close()
    assert server.connections == 1


# Broken and cut answers.


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConte",
        b"",
    ],
)
async def test_a_malformed_or_cut_answer_is_an_error_and_the_next_request_works(
    world: World, start_server: StartServer, answer: bytes
) -> None:
    server = start_server(answering(answer), answering(ok(b"fine")))
    pool = make_pool(world)
    with pytest.raises(RemoteProtocolError, match="http://127.0.0.1") as caught:
        await fetch(pool, server.url)
    assert caught.value.delivery is Delivery.MAYBE_PROCESSED
    assert pool.active_connections == pool.keepalive_connections == []
    assert (await fetch(pool, server.url)).content == b"fine"
    await pool.close()


JARGON = re.compile(r"_SWITCH|h11|bytearray|Informational|Sentinel|state|request line")
"""What h11 would say of a response."""


@pytest.mark.parametrize("fields", [{}, {"Upgrade": "x", "Connection": "Upgrade"}, {"Upgrade": "h2c"}])
async def test_a_switch_of_protocols_is_refused_and_told_what_is_supported(
    world: World, start_server: StartServer, fields: dict[str, str]
) -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nx"
    server = start_server(answering(answer))
    pool = make_pool(world)
    with pytest.raises(RemoteProtocolError, match=r"101 Switching Protocols.*not supported") as caught:
        await fetch(pool, server.url, headers=fields)
    assert "HTTP/1.1, or HTTP/2" in str(caught.value)
    shown = "".join(traceback.format_exception_only(caught.value))
    for cause in (caught.value.__cause__, caught.value.__cause__ and caught.value.__cause__.__cause__):
        shown += str(cause)
    assert not JARGON.search(shown)
    assert "not asked for" not in shown
    assert pool.active_connections == pool.keepalive_connections == []
    await pool.close()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"garbage\r\n\r\n", "status line .* malformed: it begins with 'garbage'"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS on this port; write https://"),
        (b"\r\n\r\n", "empty line instead of a status line"),
        (b"HTTP/1.1 099 Odd\r\n\r\n", "less than 100"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "first header line .* blank"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header line .* malformed: GET"),
        (b"HTTP/1.1 200 OK\r\nSet-Cookie: hunter2\x00\r\n\r\n", "malformed: it begins with 'Set-Cookie'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "several values"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not a number of bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "only chunked is"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "several Transfer-Encoding",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + bytes(2_000_000), r"larger than max_head_size \(\d+ bytes\)"),
    ],
    ids=lambda value: "" if isinstance(value, str) else repr(value[:40]),
)
def test_what_is_wrong_with_a_head_is_told_in_words_of_http(
    start_server: StartServer, answer: bytes, text: str
) -> None:
    world = World("sync")

    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)
        connection.recv(1)

    server = start_server(script)

    async def main() -> None:
        pool = make_pool(world)
        with pytest.raises(RemoteProtocolError, match=text) as caught:
            await fetch(pool, server.url)
        assert not JARGON.search(str(caught.value))
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
        await pool.close()

    world.run(main)


async def test_a_reset_is_a_read_error(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    server = start_server(script)
    pool = make_pool(world)
    response = await pool.send(AsyncRequest("GET", server.url))
    await world.backend.sleep(0.05)
    with pytest.raises(ReadError):
        await response.read()
    assert pool.active_connections == []
    await pool.close()


@pytest.mark.parametrize(
    ("answer", "limits"),
    [
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000 + b"\r\n\r\n", Limits(max_head_size=4096)),
        (
            b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 20 + b"Content-Length: 0\r\n\r\n",
            Limits(max_head_fields=10),
        ),
        (
            CHUNKED_HEAD + b"0\r\nX: " + b"x" * 500 + b"\r\n\r\n",
            Limits(max_trailer_size=100),
        ),
    ],
    ids=["head", "fields", "trailers"],
)
async def test_what_the_server_can_grow_is_bounded(
    world: World, start_server: StartServer, answer: bytes, limits: Limits
) -> None:
    server = start_server(answering(answer))
    pool = make_pool(world, limits=limits)
    with pytest.raises(ResponseTooLarge):
        await fetch(pool, server.url)
    await pool.close()


async def test_endless_informational_responses_are_refused(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        while True:
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")

    server = start_server(script)
    pool = make_pool(world)
    with pytest.raises(RemoteProtocolError, match="max_informational"):
        await fetch(pool, server.url)
    await pool.close()


async def test_trailers_are_kept(world: World, start_server: StartServer) -> None:
    server = start_server(
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n\r\n")
    )
    pool = make_pool(world)
    response = await pool.send(AsyncRequest("GET", server.url))
    assert not response.trailers
    await response.read()
    assert response.trailers == {"x-sum": "1"}
    await pool.close()


# Uploads.


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
@pytest.mark.parametrize("kind", ["bytes", "iterator"])
def test_bodies_of_all_sizes_arrive(world: World, start_server: StartServer, size: int, kind: str) -> None:
    received: list[tuple[bytes, dict[str, str]]] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            received.append((request.body, request.headers))
            connection.sendall(ok())

    server = start_server(script)
    body = bytes(size)

    async def main() -> None:
        pool = make_pool(world)
        data = body if kind == "bytes" else Pieces(*(body[at : at + 9999] for at in range(0, size, 9999)))
        await fetch(pool, server.url, "POST", data=data)
        assert len(pool.keepalive_connections) == 1
        await pool.close()

    world.run(main)
    assert received[0][0] == body
    if kind == "iterator":
        assert received[0][1]["transfer-encoding"] == "chunked"
    else:
        assert received[0][1]["content-length"] == str(size)


@pytest.mark.parametrize("data", [b"", b"four", bytes(100_000)], ids=len)
async def test_a_body_in_memory_is_chunked_if_the_caller_says_so(
    world: World, start_server: StartServer, data: bytes
) -> None:
    received: list[bytes] = []

    def script(connection: socket.socket) -> None:
        while request := read_request(connection):
            received.append(request.body)
            connection.sendall(ok())

    server = start_server(script)
    pool = make_pool(world)
    for _ in range(2):
        await fetch(pool, server.url, "POST", data=data, headers={"Transfer-Encoding": "chunked"})
    await pool.close()
    assert received == [data, data]
    assert server.connections == 1


@pytest.mark.parametrize("kind", ["bytes", "iterator"])
async def test_an_early_answer_stops_the_upload_and_is_delivered(
    world: World, start_server: StartServer, kind: str
) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        connection.recv(1)

    server = start_server(script, answering(ok(b"next")))
    pool = make_pool(world)
    data = bytes(50_000_000) if kind == "bytes" else Pieces(*[bytes(100_000)] * 500)
    response = await fetch(pool, server.url, "POST", data=data)
    assert response.status_code == 413
    assert response.content == b"big"
    assert pool.keepalive_connections == []
    assert (await fetch(pool, server.url)).content == b"next"
    await pool.close()


def test_a_100_continue_during_the_upload_does_not_stop_it(world: World, start_server: StartServer) -> None:
    sizes: list[int] = []

    def script(connection: socket.socket) -> None:
        head = read_head(connection)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        left = length
        while left:
            left -= len(connection.recv(65536))
        sizes.append(length)
        connection.sendall(ok(b"done"))

    server = start_server(script)

    async def main() -> bytes:
        pool = make_pool(world)
        response = await fetch(pool, server.url, "POST", data=bytes(20_000_000))
        assert len(pool.keepalive_connections) == 1
        await pool.close()
        return response.content

    assert world.run(main) == b"done"
    assert sizes == [20_000_000]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 100 Continue\r\n\r\n", b""], ids=["told", "silence"])
def test_expect_100_continue_sends_the_body_when_told_or_after_a_while(
    world: World, start_server: StartServer, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("http3_transport._http1.upload.CONTINUE_WAIT", 0.5)

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        connection.sendall(answer)
        assert connection.recv(4) == b"body"
        connection.sendall(ok(b"done"))

    server = start_server(script)

    async def main() -> bytes:
        pool = make_pool(world)
        response = await fetch(pool, server.url, "POST", data=b"body", headers={"Expect": "100-continue"})
        await pool.close()
        return response.content

    assert world.run(main) == b"done"


def test_expect_100_continue_with_a_final_answer_sends_no_body(
    world: World, start_server: StartServer
) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(1) == b""

    server = start_server(script)

    async def main() -> int:
        pool = make_pool(world)
        response = await fetch(pool, server.url, "POST", data=b"body", headers={"Expect": "100-continue"})
        await pool.close()
        return response.status_code

    assert world.run(main) == 417


@pytest.mark.parametrize(("declared", "sent"), [("5", b"four"), ("3", b"four")])
async def test_a_body_that_differs_from_its_content_length_is_our_own_fault(
    world: World, start_server: StartServer, declared: str, sent: bytes
) -> None:
    server = start_server(silent)
    pool = make_pool(world)
    with pytest.raises(LocalProtocolError, match="Content-Length says"):
        await fetch(pool, server.url, "POST", data=Pieces(sent), headers={"Content-Length": declared})
    assert pool.active_connections == pool.keepalive_connections == []
    await pool.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: request.headers.add("X", "a\r\nb"),
        lambda request: request.headers.add("Bad name", "x"),
        lambda request: request.headers.add("Host", "another.example"),
        lambda request: request.headers.pop("host"),
        lambda request: request.headers.add("Content-Length", "five"),
        lambda request: request.headers.add("Transfer-Encoding", "gzip"),
        lambda request: request.headers.add("Content-Length", "5"),
        lambda request: setattr(state_of(request), "method", "GET /x"),
        lambda request: setattr(state_of(request).url, "_full_path", "/a b"),
        lambda request: setattr(state_of(request), "body", BytesBody(b"unannounced")),
        lambda request: setattr(state_of(request), "body", request_body(Pieces(b"unannounced"))),
    ],
    ids=[
        "break",
        "name",
        "hosts",
        "no host",
        "length",
        "coding",
        "no body",
        "method",
        "target",
        "body",
        "stream",
    ],
)
async def test_a_request_that_is_no_valid_http_is_refused_before_a_byte_is_sent(
    world: World, start_server: StartServer, spoil: Callable[[AsyncRequest], object]
) -> None:
    server = start_server(answering(ok(b"one"), ok(b"two")))
    pool = make_pool(world)
    await fetch(pool, server.url)
    request = AsyncRequest("GET", server.url + "/spoiled")  # URLs are shared: not the others' one
    spoil(request)
    with pytest.raises(LocalProtocolError, match="http://127.0.0.1") as caught:
        await pool.send(request)
    assert caught.value.delivery is Delivery.NOT_SENT
    assert (await fetch(pool, server.url)).content == b"two"
    await pool.close()
    assert server.connections == 1


# Limits of time.


async def test_a_silent_server_is_a_read_timeout_that_says_so(
    world: World, start_server: StartServer
) -> None:
    server = start_server(silent)
    pool = make_pool(world, timeout=TimeoutConfig(read_timeout=0.05))
    with pytest.raises(ReadTimeout, match=r"0\.05 s \(read_timeout\)") as caught:
        await fetch(pool, server.url + "/path")
    assert f"GET {server.url}/path" in str(caught.value)
    assert caught.value.timings is not None
    assert caught.value.timings.connect is not None
    assert pool.active_connections == []
    await pool.close()


async def test_a_body_that_stalls_is_a_read_timeout(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        silent(connection)

    server = start_server(script)
    pool = make_pool(world, timeout=TimeoutConfig(read_timeout=0.05))
    response = await pool.send(AsyncRequest("GET", server.url))
    with pytest.raises(ReadTimeout):
        await response.read()
    await pool.close()


def test_a_server_that_does_not_read_is_a_write_timeout(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        done.wait(5)

    done = threading.Event()
    server = start_server(script)

    async def main() -> None:
        pool = make_pool(world, timeout=TimeoutConfig(write_timeout=0.1))
        with pytest.raises(WriteTimeout, match="write_timeout"):
            await fetch(pool, server.url, "POST", data=bytes(100_000_000))
        await pool.close()

    try:
        world.run(main)
    finally:
        done.set()


async def test_a_drip_does_not_outlast_the_total_limit(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            connection.settimeout(0.02)
            try:
                connection.recv(1)
                return
            except TimeoutError:
                pass

    server = start_server(script)
    pool = make_pool(world)
    request = AsyncRequest("GET", server.url)
    state_of(request).deadline = Deadline(0.2, pool.now)
    response = await pool.send(request)
    with pytest.raises(TotalTimeout, match="total_timeout"):
        await response.read()
    await pool.close()


# Giving up.


def test_closing_an_unread_response_gives_the_slot_back(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        silent(connection)

    server = start_server(script, answering(ok(b"next")))

    async def main() -> bytes:
        pool = make_pool(world, pool_limits=PoolLimits(hard_limit=1))
        response = await pool.send(AsyncRequest("GET", server.url))
        await response.close()
        assert pool.active_connections == []
        content = (await fetch(pool, server.url)).content
        await pool.close()
        return content

    assert world.run(main) == b"next"


def test_a_forgotten_response_gives_the_slot_back_and_warns(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        silent(connection)

    server = start_server(script, answering(ok(b"next")))

    async def main() -> bytes:
        pool = make_pool(world, pool_limits=PoolLimits(hard_limit=1))
        response = await pool.send(AsyncRequest("GET", server.url))
        with pytest.warns(ResourceWarning, match="neither read nor closed"):
            del response
        content = (await fetch(pool, server.url)).content
        await pool.close()
        return content

    assert world.run(main) == b"next"


def test_a_body_error_is_raised_as_it_is_and_breaks_the_connection(
    world: World, start_server: StartServer
) -> None:
    class Broken:
        def __iter__(self) -> Iterator[bytes]:
            yield b"begun"
            raise RuntimeError("the body's own")

    server = start_server(silent, answering(ok(b"next")))

    async def main() -> bytes:
        pool = make_pool(world)
        with pytest.raises(RuntimeError, match="the body's own"):
            await fetch(pool, server.url, "POST", data=Broken())
        content = (await fetch(pool, server.url)).content
        await pool.close()
        return content

    assert world.run(main) == b"next"


# Against nginx.


async def test_nginx_plain_and_tls(world: World, nginx: Nginx, authority: Authority) -> None:
    pool = make_pool(world, verify=authority.ca_file, http_versions=("HTTP/1.1",))
    for base in (nginx.plain, nginx.tls, nginx.tls_h2):
        for _ in range(3):
            response = await fetch(pool, base + "/small")
            assert (response.content, response.protocol) == (b"hello\n", "HTTP/1.1")
        big = await fetch(pool, base + "/big")
        assert big.content == nginx.big_file.read_bytes()
        put = await fetch(pool, base + "/files/put.bin", "PUT", data=big.content)
        assert put.status_code in (201, 204)
        assert (nginx.files / "put.bin").read_bytes() == big.content
        assert len(pool.active_connections) == 0
    assert len(pool.keepalive_connections) == 3
    await pool.close()
