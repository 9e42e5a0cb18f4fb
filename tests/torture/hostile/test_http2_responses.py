"""Responses that RFC 9113 does not allow: the fault of one stream fails that stream and nothing else.

Each case happens beside a sibling whose body is half read. Afterwards the sibling ends well and the next
request is answered, both on the same connection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hyperframe.frame import DataFrame, Frame, HeadersFrame, RstStreamFrame, WindowUpdateFrame

import http3
from support.hostile_peers import StartServer, Watched, watched
from support.http2_peer import Peer
from support.worlds import World, do, raised

pytestmark = pytest.mark.thorough

Act = Callable[[Peer, int], None]
Fields = list[tuple[bytes, bytes]]

STATUS = (b":status", b"200")


def head(fields: Fields, *, end: bool = True) -> Act:
    """Any header list as HEADERS, past all that h2 would mind."""

    def act(peer: Peer, stream_id: int) -> None:
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        peer.frame(HeadersFrame(stream_id, peer.h2.encoder.encode(fields), flags=flags))

    return act


def data(content: bytes, *, end: bool = False) -> Act:
    def act(peer: Peer, stream_id: int) -> None:
        peer.frame(DataFrame(stream_id, content, flags=["END_STREAM"] if end else []))

    return act


def frame(make: Callable[[int], Frame]) -> Act:
    return lambda peer, stream_id: peer.frame(make(stream_id))


def field(name: bytes, value: bytes = b"a") -> list[Act]:
    return [head([STATUS, (name, value)])]


def status(value: bytes) -> list[Act]:
    return [head([(b":status", value)])]


def length(*values: bytes) -> list[Act]:
    return [
        head([STATUS, *[(b"content-length", value) for value in values]], end=False),
        data(b"hello", end=True),
    ]


def trailer(fields: Fields) -> list[Act]:
    return [head([STATUS], end=False), data(b"hello"), head(fields)]


BEGIN = head([STATUS], end=False)

PSEUDO: dict[str, list[Act]] = {
    "no fields at all": [head([])],
    "no :status": [head([(b"x", b"y")])],
    "two :status": [head([STATUS, STATUS])],
    "two different :status": [head([STATUS, (b":status", b"404")])],
    ":status behind a field": [head([(b"x", b"y"), STATUS])],
    "second :status behind a field": [head([STATUS, (b"x", b"y"), STATUS])],
    ":method": [head([STATUS, (b":method", b"GET")])],
    ":path": [head([STATUS, (b":path", b"/")])],
    ":scheme before :status": [head([(b":scheme", b"http"), STATUS])],
    ":authority behind a field": [head([STATUS, (b"x", b"y"), (b":authority", b"a")])],
    ":protocol": [head([STATUS, (b":protocol", b"websocket")])],
    "an unknown one": [head([STATUS, (b":what", b"a")])],
    "an empty one": [head([STATUS, (b":", b"a")])],
    "upper-case :Status": [head([(b":Status", b"200")])],
    "empty status": status(b""),
    "status of two digits": status(b"20"),
    "status of four digits": status(b"2000"),
    "status of letters": status(b"2xx"),
    "signed status": status(b"+20"),
    "status with a reason": status(b"200 OK"),
    "status with a space": status(b" 200"),
    "status with a line end": status(b"200\r\n"),
    "status zero": status(b"000"),
    "status below 100": status(b"099"),
    "status of another script": status("\u0662\u0660\u0660".encode()),
    "101": [head([(b":status", b"101")], end=False)],
}

FIELDS: dict[str, list[Act]] = {
    "upper-case name": field(b"X-Upper"),
    "one upper-case letter": field(b"x-uppeR"),
    "empty name": field(b""),
    "space in a name": field(b"x y"),
    "space behind a name": field(b"x "),
    "colon in a name": field(b"x:y"),
    "line end in a name": field(b"x\r\ny"),
    "NUL in a name": field(b"x\0"),
    "DEL in a name": field(b"x\x7f"),
    "letter beyond ASCII in a name": field(b"x\xe9"),
    "connection": field(b"connection", b"close"),
    "keep-alive": field(b"keep-alive", b"timeout=5"),
    "proxy-connection": field(b"proxy-connection", b"close"),
    "transfer-encoding": field(b"transfer-encoding", b"chunked"),
    "upgrade": field(b"upgrade", b"h2c"),
    "NUL in a value": field(b"x", b"a\0b"),
    "CR in a value": field(b"x", b"a\rb"),
    "LF in a value": field(b"x", b"a\nb"),
    "injected field": field(b"x", b"a\r\nset-cookie: evil=1"),
    "space before a value": field(b"x", b" a"),
    "tab behind a value": field(b"x", b"a\t"),
}

LENGTHS: dict[str, list[Act]] = {
    "more than there is": length(b"6"),
    "less than there is": length(b"4"),
    "zero": length(b"0"),
    "two different": length(b"5", b"6"),
    "a list": length(b"5, 5"),
    "letters": length(b"x"),
    "empty": length(b""),
    "negative": length(b"-5"),
    "signed": length(b"+5"),
    "hexadecimal": length(b"0x5"),
    "another script": length("\u0665".encode()),
    "huge": length(b"9" * 30),
    "64 bits and five": length(b"18446744073709551621"),
    "no body at all": [head([STATUS, (b"content-length", b"5")])],
    "an empty body": [head([STATUS, (b"content-length", b"5")], end=False), data(b"", end=True)],
    "more before the end": [head([STATUS, (b"content-length", b"3")], end=False), data(b"hello")],
    "less before trailers": [
        head([STATUS, (b"content-length", b"6")], end=False),
        data(b"hello"),
        head([(b"x", b"y")]),
    ],
}

SEQUENCE: dict[str, list[Act]] = {
    "DATA before HEADERS": [data(b"hello")],
    "DATA and the end before HEADERS": [data(b"hello", end=True)],
    "the end before HEADERS": [data(b"", end=True)],
    "DATA behind 103": [head([(b":status", b"103")], end=False), data(b"hello")],
    "the end with 103": [head([(b":status", b"103")])],
    "the end with 100": [head([(b":status", b"100")])],
    "two heads": [BEGIN, BEGIN],
    "two heads and data": [BEGIN, data(b"he"), BEGIN, data(b"llo", end=True)],
    "103 behind the head": [BEGIN, head([(b":status", b"103")], end=False)],
    "trailers without the end": [BEGIN, data(b"hello"), head([(b"x", b"y")], end=False)],
    "trailers with :status": trailer([STATUS]),
    "trailers with :path": trailer([(b":path", b"/")]),
    "trailers with an upper-case name": trailer([(b"X", b"y")]),
    "trailers with connection": trailer([(b"connection", b"close")]),
    "trailers with a line end": trailer([(b"x", b"a\r\nb")]),
    "too many 1xx": [head([(b":status", b"103")], end=False)] * 100,
    "body of a 204": [head([(b":status", b"204")], end=False), data(b"hello", end=True)],
    "body of a 304": [head([(b":status", b"304")], end=False), data(b"hello", end=True)],
    "body of a HEAD": [BEGIN, data(b"hello", end=True)],
    "reset in place of a head": [frame(lambda stream_id: RstStreamFrame(stream_id, error_code=2))],
    "reset in place of the end": [
        BEGIN,
        data(b"hello"),
        frame(lambda stream_id: RstStreamFrame(stream_id, error_code=0)),
    ],
    "window of the stream above 31 bits": [
        frame(lambda stream_id: WindowUpdateFrame(stream_id, window_increment=2**31 - 1))
    ],
}

METHODS = {
    "sequence: body of a HEAD": "HEAD",
    # No byte of an answer has come: another method would be sent again.
    "sequence: reset in place of a head": "POST",
    "sequence: window of the stream above 31 bits": "POST",
}

TABLES = {"pseudo": PSEUDO, "field": FIELDS, "length": LENGTHS, "sequence": SEQUENCE}
CASES = {f"{group}: {name}": acts for group, table in TABLES.items() for name, acts in table.items()}


def beside_a_sibling(acts: list[Act], peers: list[Peer]) -> Callable[[socket.socket], None]:
    """The sibling is stream 1 and the case stream 3; then every request gets its path."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(connection)
        peers.append(peer)
        sibling = peer.request(0).stream_id
        peer.head(sibling)
        peer.data(sibling, b"sib")
        stream_id = peer.request(1).stream_id
        for act in acts:
            act(peer, stream_id)
        peer.data(sibling, b"ling", end=True)
        number = 2
        while not peer.closed:
            if (request := peer.requests.get(2 * number + 1)) is not None and request.ended:
                peer.respond(request.stream_id, request.field(b":path") or b"")
                number += 1
            else:
                peer.receive()

    return script


async def begin(user: Watched, url: str) -> Any:
    """The sibling: answered, and its body under way."""
    return await do(user.client.get(url + "/sibling", stream=True))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("case", CASES)
async def test_the_fault_of_one_stream(
    world: World, start_server: StartServer, case: str, streamed: bool
) -> None:
    peers: list[Peer] = []
    server = start_server(beside_a_sibling(CASES[case], peers))
    user = watched(world, "HTTP/2")
    sibling = await begin(user, server.url)
    call = user.streamed if streamed else user.body
    error = await raised(http3.Http3Error, call, server.url + "/case", METHODS.get(case, "GET"))
    assert type(error) is http3.RemoteProtocolError, repr(error)
    assert error.delivery == "maybe_processed"
    assert server.url + "/case" in str(error)
    assert await do(sibling.read()) == b"sibling"
    assert await user.body(server.url + "/last", "POST") == b"/last"
    assert server.connections == 1
    assert not user.pool.active_connections
    assert peers[0].goaway is None
    assert set(peers[0].resets) <= {3}


LARGE = (b"x", b"y" * 4000)

TOO_LARGE: dict[str, list[Act]] = {
    "one that is packed small": [head([STATUS, *[LARGE] * 100])],
    "many fields": [head([STATUS, *[(b"x", b"y")] * 5000])],
    "trailers": [BEGIN, data(b"hello"), head([LARGE] * 20)],
}


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_a_head_that_is_too_large(world: World, start_server: StartServer, case: str) -> None:
    peers: list[Peer] = []
    server = start_server(beside_a_sibling(TOO_LARGE[case], peers))
    user = watched(world, "HTTP/2")
    sibling = await begin(user, server.url)
    error = await raised(http3.Http3Error, user.body, server.url + "/case")
    assert type(error) is http3.ResponseTooLarge, repr(error)
    assert await do(sibling.read()) == b"sibling"
    assert await user.body(server.url + "/last", "POST") == b"/last"
    assert server.connections == 1
    assert peers[0].goaway is None


def by_path(connection: socket.socket) -> None:
    """Requests for a case get that, others their own path; in the order in which they end."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer = Peer(connection)  # h2 does not know of what ends past it, so it must not count
    cases = list(CASES.values())
    while not peer.closed:
        for request in [request for request in peer.requests.values() if request.ended]:
            del peer.requests[request.stream_id]
            path = request.field(b":path") or b""
            if path.startswith(b"/case/"):
                for act in cases[int(path[6:])]:
                    act(peer, request.stream_id)
            else:
                peer.respond(request.stream_id, path)
        peer.receive()


async def test_all_faults_at_once(world: World, start_server: StartServer) -> None:
    """Among as many requests that are answered well."""
    server = start_server(by_path)
    user = watched(world, "HTTP/2", pool_limits=http3.PoolLimits(hard_limit=1, pool_timeout=30))
    paths = [f"/{kind}/{number}" for number in range(len(CASES)) for kind in ("case", "good")]
    methods = [METHODS.get(name, "POST") for name in CASES for _ in range(2)]

    def action(path: str, method: str) -> Callable[[], Coroutine[Any, Any, bytes]]:
        async def one() -> bytes:
            return await user.body(server.url + path, method if path[1] == "c" else "POST")

        return one

    assert await user.body(server.url + "/first") == b"/first"
    results = await world.together(*map(action, paths, methods))
    for path, result in zip(paths, results, strict=True):
        if path[1] == "c":
            assert type(result) is http3.RemoteProtocolError, f"{path}: {result!r}"
            assert f"{server.url}{path}," in str(result)
        else:
            assert result == path.encode()
    assert server.connections == 1
    assert not user.pool.active_connections
