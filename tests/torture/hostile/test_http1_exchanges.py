"""What surrounds an HTTP/1.1 answer: bytes behind it, bytes before it, 1xx, doubtful framing, early answers.

A connection serves the next request only if it is proven idle. Each test asks for something afterwards, and
gets the answer to that.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

import http3
from http3_transport.testing import ScriptedServer
from support.cut_bodies import say_goodbye
from support.hostile_peers import StartServer, Watched, await_close, hostile, marking, reset, watched
from support.servers import Authority, answer, read_request
from support.worlds import World, raised

pytestmark = pytest.mark.thorough

OK = b"HTTP/1.1 200 OK\r\n"
EVIL = answer(b"evil")
TWO_CHUNKS = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


async def goes_on(user: Watched, server: ScriptedServer, connections: int) -> None:
    """The next request gets its own answer; so many connections there were by then."""
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == connections
    assert not user.pool.active_connections
    assert len(user.pool.keepalive_connections) == 1


# Unusual, but without doubt: taken.

TOLERATED = {
    "the same length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "the same length in a list": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "zeros before a length": OK + b"Content-Length: 0005\r\n\r\nhello",
    "blanks around a length": OK + b"Content-Length: \t 5 \t\r\n\r\nhello",
    "another case of chunked": OK + b"tRANSFER-eNCODING: cHUNKED\r\n\r\n" + TWO_CHUNKS,
    "LF for all line ends": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "LF for one line end": OK + b"X: a\nContent-Length: 5\r\n\r\nhello",
    "a folded line": OK + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    "a control character in a value": OK + b"X: a\x01b\r\nContent-Length: 5\r\n\r\nhello",
    "a control character in the reason": b"HTTP/1.1 200 O\x1bK\r\nContent-Length: 5\r\n\r\nhello",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
    "an unknown status": b"HTTP/1.1 299 What\r\nContent-Length: 5\r\n\r\nhello",
    "chunk extensions": OK + b'Transfer-Encoding: chunked\r\n\r\n5;a;b=c;d="e\t"\r\nhello\r\n0;f\r\n\r\n',
    "blanks before a chunk's extension": OK
    + b"Transfer-Encoding: chunked\r\n\r\n2 ;a\r\nhe\r\n3\t ; b = c ;d\r\nllo\r\n0 ;e\r\n\r\n",
    "blanks before an extension behind an unusual head": OK
    + b"Transfer-Encoding: Chunked\r\n\r\n2 ;a\r\nhe\r\n3 ;b=c\r\nllo\r\n0 ;d\r\nX: y\r\n\r\n",
    "blanks behind a chunk's size": OK + b"Transfer-Encoding: chunked\r\n\r\n5 \t\r\nhello\r\n0 \r\n\r\n",
    "zeros before a chunk's size": OK + b"Transfer-Encoding: chunked\r\n\r\n0005\r\nhello\r\n000\r\n\r\n",
}


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("case", TOLERATED)
async def test_what_is_taken(world: World, start_server: StartServer, case: str, bytewise: bool) -> None:
    def script(connection: socket.socket) -> None:
        hostile(TOLERATED[case], bytewise=bytewise, closes=True)(connection)
        marking(connection)

    server = start_server(script)
    user = watched(world)
    assert await user.body(server.url + "/first") == b"/first"
    assert await user.body(server.url + "/case") == b"hello"
    await goes_on(user, server, 1)


# Framing in doubt: the answer may be taken, its connection may not.

DOUBTFUL = {
    "coding before length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + TWO_CHUNKS,
    "length before coding": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + TWO_CHUNKS,
    "coding and the right length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(TWO_CHUNKS)
    + TWO_CHUNKS,
    "coding and a length of zero": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"
    + TWO_CHUNKS,
    "coding and keep-alive": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n"
    + TWO_CHUNKS,
    "HTTP/1.0 with a coding": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + TWO_CHUNKS,
    "HTTP/1.0 with keep-alive and a coding": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n" + TWO_CHUNKS,
}


@pytest.mark.parametrize("case", DOUBTFUL)
async def test_doubtful_framing_ends_the_connection(
    world: World, start_server: StartServer, case: str
) -> None:
    for bytewise in (False, True):
        server = start_server(hostile(DOUBTFUL[case], bytewise=bytewise), marking)
        user = watched(world)
        assert await user.body(server.url + "/first") == b"/first"
        assert await user.body(server.url + "/case") == b"hello"
        assert user.is_empty
        await goes_on(user, server, 2)


BEYOND = {
    "18 digits": OK + b"Content-Length: 999999999999999999\r\n\r\nhello",
    "64 bits": OK + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "20 digits": OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "chunk of 64 bits": OK + b"Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk of 20 digits": OK
    + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", BEYOND)
async def test_sizes_that_no_integer_holds(world: World, start_server: StartServer, case: str) -> None:
    """They neither wrap around to a small one nor ask for the memory that they speak of."""
    for streamed in (False, True):
        server = start_server(hostile(BEYOND[case], closes=True), marking)
        user = watched(world)
        assert await user.body(server.url + "/first") == b"/first"
        call = user.streamed if streamed else user.body
        error = await raised(http3.Http3Error, call, server.url + "/case")
        assert type(error) is http3.RemoteProtocolError, repr(error)
        assert user.is_empty
        await goes_on(user, server, 2)


# Bytes behind an answer.

BEHIND = {
    "a byte": ("GET", OK + b"Content-Length: 5\r\n\r\nhello" + b"X", b"hello"),
    "a line end": ("GET", OK + b"Content-Length: 5\r\n\r\nhello" + b"\r\n", b"hello"),
    "an answer": ("GET", OK + b"Content-Length: 5\r\n\r\nhello" + EVIL, b"hello"),
    "an answer behind no body": ("GET", OK + b"Content-Length: 0\r\n\r\n" + EVIL, b""),
    "an answer behind chunks": (
        "GET",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + TWO_CHUNKS + EVIL,
        b"hello",
    ),
    "an answer behind trailers": (
        "GET",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n" + EVIL,
        b"hello",
    ),
    "a 1xx": (
        "GET",
        OK + b"Content-Length: 5\r\n\r\nhello" + b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"hello",
    ),
    "an answer behind an unusual one": (
        "GET",
        OK + b"Content-Length: 5, 5\r\n\r\nhello" + EVIL,
        b"hello",
    ),
    "an answer behind unusual chunks": (
        "GET",
        OK + b"Transfer-Encoding: Chunked\r\n\r\n" + TWO_CHUNKS + EVIL,
        b"hello",
    ),
    "the body of a 204": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", b""),
    "the chunks of a 204": (
        "GET",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + TWO_CHUNKS,
        b"",
    ),
    "the body of a 304": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", b""),
    "an answer behind a 304": (
        "GET",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + EVIL,
        b"",
    ),
    "the body of a HEAD": ("HEAD", OK + b"Content-Length: 5\r\n\r\nhello", b""),
    "the chunks of a HEAD": ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n" + TWO_CHUNKS, b""),
    "the body of a HEAD without length": ("HEAD", OK + b"\r\nhello", b""),
}


@pytest.mark.parametrize("case", BEHIND)
async def test_bytes_behind_an_answer(world: World, start_server: StartServer, case: str) -> None:
    method, data, body = BEHIND[case]
    server = start_server(hostile(data), marking)
    user = watched(world)
    assert await user.body(server.url + "/first") == b"/first"
    assert await user.body(server.url + "/case", method) == body
    assert user.is_empty
    await goes_on(user, server, 2)


@pytest.mark.parametrize("case", [name for name in BEHIND if "hello" in str(BEHIND[name][2])])
async def test_bytes_behind_a_streamed_answer(world: World, start_server: StartServer, case: str) -> None:
    """Bytes that come behind the next request can't be told from its answer; these come before."""
    _, data, body = BEHIND[case]
    for bytewise in (False, True):
        sent = threading.Event()
        server = start_server(hostile(data, bytewise=bytewise, sent=sent), marking)
        user = watched(world)
        assert await user.body(server.url + "/first") == b"/first"
        assert await user.streamed(server.url + "/case") == body
        sent.wait(10)
        await goes_on(user, server, 2)


NO_BODY = {
    "HEAD": ("HEAD", OK + b"Content-Length: 5\r\n\r\n"),
    "HEAD of chunks": ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "HEAD without length": ("HEAD", OK + b"\r\n"),
    "HEAD of a 304": ("HEAD", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "204 of length 0": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "304 of length 0": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 00\r\n\r\n"),
}


@pytest.mark.parametrize("late", [b"", b"hello", EVIL], ids=["nothing", "body", "answer"])
@pytest.mark.parametrize("case", NO_BODY)
async def test_answers_without_body(world: World, start_server: StartServer, case: str, late: bytes) -> None:
    """They leave the connection to the next request, unless the body comes all the same, if late."""
    method, data = NO_BODY[case]
    taken, sent = threading.Event(), threading.Event()

    def script(connection: socket.socket) -> None:
        assert read_request(connection)
        connection.sendall(data)
        taken.wait(10)
        connection.sendall(late)
        sent.set()
        if late:
            await_close(connection)
        marking(connection)

    server = start_server(script, marking)
    user = watched(world)
    assert await user.body(server.url + "/case", method) == b""
    assert len(user.pool.keepalive_connections) == 1
    taken.set()
    sent.wait(10)
    await goes_on(user, server, 2 if late else 1)


def answering_late(data: bytes, late: bytes) -> Callable[[socket.socket], None]:
    """A script that sends ``late`` 10 ms behind an answer, and then answers what else has come."""

    def script(connection: socket.socket) -> None:
        assert read_request(connection)
        connection.sendall(data)
        time.sleep(0.01)
        with suppress(ConnectionError):
            connection.sendall(late)
            marking(connection)

    return script


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("case", NO_BODY)
async def test_a_late_body_that_nothing_has_announced_is_no_answer(
    world: World, start_server: StartServer, case: str, method: str
) -> None:
    """The next request is on its way by then: it is sent again on another connection."""
    server = start_server(answering_late(NO_BODY[case][1], b"hello"), marking)
    user = watched(world)
    assert await user.body(server.url + "/case", NO_BODY[case][0]) == b""
    assert await user.body(server.url + "/next", method) == b"/next"
    await goes_on(user, server, 2)


async def test_a_late_body_before_the_answer_to_a_post(world: World, start_server: StartServer) -> None:
    server = start_server(answering_late(NO_BODY["204"][1], b"hello"), marking)
    user = watched(world)
    assert await user.body(server.url + "/case") == b""
    error = await raised(http3.RemoteProtocolError, user.body, server.url + "/next", "POST")
    assert "b'hello'" in str(error)
    assert error.delivery == "maybe_processed"
    assert user.is_empty
    await goes_on(user, server, 2)


ANNOUNCED = {
    "204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n",
    "204 of chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\nX: %d\r\n\r\n",
    "304 with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: %d\r\n\r\n",
    "304 of chunks": b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\nX: %d\r\n\r\n",
    "204 with an unusual head": b"HTTP/1.1 204 No Content\r\nX: a\r\n folded\r\nContent-Length: %d\r\n\r\n",
}


@pytest.mark.parametrize("pause", [0, 0.05], ids=["at once", "later"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("late", [b"", b"hello", EVIL], ids=["nothing", "body", "answer"])
@pytest.mark.parametrize("case", ANNOUNCED)
async def test_a_body_that_is_announced_where_there_can_be_none(
    world: World, start_server: StartServer, case: str, late: bytes, method: str, pause: float
) -> None:
    """Nothing else goes out on the connection, since what comes late would be taken for its answer."""
    server = start_server(answering_late(ANNOUNCED[case] % len(EVIL), late), marking)
    user = watched(world)
    assert await user.body(server.url + "/case") == b""
    if pause:
        await world.sleep(pause)
    assert await user.body(server.url + "/next", method) == b"/next"
    await goes_on(user, server, 2)


async def test_a_304_with_a_length_that_stays_alone_leaves_its_connection(
    world: World, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The length is that of the 200 which was not sent (RFC 9110 section 8.6): allowed, and not rare."""
    monkeypatch.setattr("http3_transport._http1.connection.DOUBT_SECONDS", 0.02)
    server = start_server(answering_late(ANNOUNCED["304 with a length"] % 5, b""))
    user = watched(world)
    assert await user.body(server.url + "/case") == b""
    await world.sleep(0.05)
    await goes_on(user, server, 1)


# What arrives on an idle connection.


def end_answered(connection: socket.socket) -> None:
    connection.sendall(EVIL)
    connection.shutdown(socket.SHUT_WR)


def break_off(connection: socket.socket) -> None:
    reset(connection)
    connection.close()


LATE = answer(b"late", status="408 Request Timeout", headers=("Connection: close",))

IDLE: dict[str, Callable[[socket.socket], None]] = {
    "an answer": lambda connection: connection.sendall(EVIL),
    "a part of an answer": lambda connection: connection.sendall(b"H"),
    "408": lambda connection: connection.sendall(LATE),
    "100 Continue": lambda connection: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an answer and the end": end_answered,
    "half of the end": lambda connection: connection.shutdown(socket.SHUT_WR),
    "a reset": break_off,
}


@pytest.mark.parametrize("pause", [0, 0.01], ids=["at once", "later"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("case", IDLE)
async def test_an_idle_connection_that_is_not_silent(
    world: World, start_server: StartServer, case: str, method: str, pause: float
) -> None:
    """It is not used; so even a POST, which is never sent twice, meets no failure.

    Later, an event loop has noticed; at once, it has not.
    """
    idle, done = threading.Event(), threading.Event()

    def script(connection: socket.socket) -> None:
        request = read_request(connection)
        assert request is not None
        connection.sendall(answer(request.target.encode()))
        idle.wait(10)
        IDLE[case](connection)
        done.set()
        if connection.fileno() >= 0:
            await_close(connection)

    server = start_server(script, marking)
    user = watched(world)
    assert await user.body(server.url + "/first") == b"/first"
    idle.set()
    done.wait(10)
    if pause:
        await world.sleep(pause)
    assert await user.body(server.url + "/case", method) == b"/case"
    await goes_on(user, server, 2)


@pytest.mark.parametrize("case", ["an answer", "close_notify"])
async def test_an_idle_connection_with_tls(
    world: World, start_server: StartServer, authority: Authority, case: str
) -> None:
    idle, done = threading.Event(), threading.Event()

    def script(connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        assert read_request(connection)
        connection.sendall(answer(b"/first"))
        idle.wait(10)
        if case == "an answer":
            connection.sendall(EVIL)
        else:
            connection.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):  # close_notify has left, the client's is not there
                say_goodbye(connection)
            connection.setblocking(True)
        done.set()
        select.select([connection], [], [], 10)

    server = start_server(script, marking, tls=authority.server_context())
    user = watched(world, verify=authority.ca_file)
    assert await user.body(server.url + "/first") == b"/first"
    idle.set()
    done.wait(10)
    assert await user.body(server.url + "/case", "POST") == b"/case"
    await goes_on(user, server, 2)
