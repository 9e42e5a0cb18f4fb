"""Frames that RFC 9113 lets pass, frames that come too late, and servers that speak not what was agreed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from struct import pack

import pytest

import http3
from support.hostile_http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITISED,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    STATUS_200,
    WINDOW_UPDATE,
    frame,
    marking_http2,
    setting,
)
from support.hostile_peers import StartServer, marking, watched
from support.http2_peer import Peer
from support.servers import Authority, answer
from support.worlds import World, do, raised

pytestmark = pytest.mark.thorough

BEGIN = frame(HEADERS, STATUS_200, flags=END_HEADERS)
END = frame(DATA, b"hello", flags=END_STREAM)

TOLERATED = {
    "padding of everything": frame(HEADERS, b"\x03" + STATUS_200 + bytes(3), flags=PADDED | END_HEADERS)
    + frame(DATA, b"\x03hel" + bytes(3), flags=PADDED)
    + frame(DATA, b"\x00lo", flags=PADDED | END_STREAM),
    "padding and nothing else": BEGIN + frame(DATA, b"\x05" + bytes(5), flags=PADDED) + END,
    "priority of a head": frame(HEADERS, pack(">IB", 0, 15) + STATUS_200, flags=PRIORITISED | END_HEADERS)
    + END,
    "a head in many frames": frame(HEADERS, b"")
    + frame(CONTINUATION, STATUS_200)
    + frame(CONTINUATION, b"")
    + frame(CONTINUATION, b"", flags=END_HEADERS)
    + END,
    "DATA without data": BEGIN + frame(DATA) * 3 + END,
    "an end without data": BEGIN + frame(DATA, b"hello") + frame(DATA, flags=END_STREAM),
    "trailers": BEGIN
    + frame(DATA, b"hello")
    + frame(HEADERS, b"\x00\x01x\x01y", flags=END_HEADERS | END_STREAM),
    "an unknown frame": frame(0xEE, b"what") + BEGIN + frame(0xEE, b"what") + END + frame(0xEE, b"what"),
    "an unknown frame on no stream": frame(0xEE, b"what", 0) + BEGIN + END,
    "an unknown frame on an idle stream": frame(0xEE, b"what", 7) + BEGIN + END,
    "an alternative service": frame(0xA, pack(">H", 0) + b'h3=":443"', 1) + BEGIN + END,
    "unknown flags": frame(HEADERS, STATUS_200, flags=END_HEADERS | 0xD2)
    + frame(DATA, b"hello", flags=END_STREAM | 0xF6),
    "the reserved bit": frame(HEADERS, STATUS_200, 3 | 2**31, END_HEADERS)
    + frame(DATA, b"hello", 3 | 2**31, END_STREAM),
    "an unknown setting": setting(0xEEEE, 1) + BEGIN + END,
    "the same settings twice": setting(3, 50) * 2 + BEGIN + END,
    "an acknowledgement too many": frame(SETTINGS, b"", 0, ACK) + BEGIN + END,
    "PING": frame(PING, bytes(8), 0) + BEGIN + END,
    "an answer to a PING that nobody sent": frame(PING, bytes(8), 0, ACK) + BEGIN + END,
    "PRIORITY": frame(PRIORITY, pack(">IB", 0, 15)) + BEGIN + END,
    "PRIORITY on an idle stream": frame(PRIORITY, pack(">IB", 0, 15), 7) + BEGIN + END,
    "103": frame(HEADERS, b"\x08\x03103", flags=END_HEADERS) + BEGIN + END,
    "the same length twice": frame(
        HEADERS, STATUS_200 + b"\x0f\x0d\x015" + b"\x0f\x0d\x015", flags=END_HEADERS
    )
    + END,
    "an end with a reset": BEGIN + END + frame(RST_STREAM, bytes(4)),
}


@pytest.mark.parametrize("case", TOLERATED)
async def test_what_is_taken(world: World, start_server: StartServer, case: str) -> None:
    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(connection)
        peer.respond(peer.request(0).stream_id, b"/first")
        peer.request(1)
        connection.sendall(TOLERATED[case])
        peer.respond(peer.request(2).stream_id, b"/last")
        peer.until_closed()

    server = start_server(script)
    user = watched(world, "HTTP/2")
    assert await user.body(server.url + "/first") == b"/first"
    assert await user.body(server.url + "/case", "POST") == b"hello"
    assert await user.body(server.url + "/last", "POST") == b"/last"
    assert server.connections == 1
    assert not user.pool.active_connections


# Stream 1 is over; the case comes before the head of stream 3. DATA is its own stream's fault, as section 5.1
# allows; a head would have to be unpacked first.

LATE = {
    "WINDOW_UPDATE": (frame(WINDOW_UPDATE, pack(">I", 5), 1), True),
    "RST_STREAM": (frame(RST_STREAM, bytes(4), 1), True),
    "PRIORITY": (frame(PRIORITY, bytes(4) + b"\x0f", 1), True),
    "DATA": (frame(DATA, b"evil", 1), True),
    "DATA and the end": (frame(DATA, b"evil", 1, END_STREAM), True),
    "HEADERS": (frame(HEADERS, STATUS_200, 1, END_HEADERS), False),
    "trailers": (frame(HEADERS, b"\x00\x01x\x01y", 1, END_HEADERS | END_STREAM), False),
}


@pytest.mark.parametrize("case", LATE)
async def test_frames_on_a_stream_that_is_over(world: World, start_server: StartServer, case: str) -> None:
    data, is_fine = LATE[case]

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(connection)
        peer.respond(peer.request(0).stream_id, b"/first")
        peer.request(1)
        connection.sendall(data)
        if is_fine:
            peer.respond(3, b"/case")
            peer.respond(peer.request(2).stream_id, b"/last")
        peer.until_closed()

    server = start_server(script, marking_http2)
    user = watched(world, "HTTP/2")
    assert await user.body(server.url + "/first") == b"/first"
    if is_fine:
        assert await user.body(server.url + "/case", "POST") == b"/case"
    else:
        error = await raised(http3.Http3Error, user.body, server.url + "/case", "POST")
        assert type(error) is http3.RemoteProtocolError
        assert user.is_empty
    assert await user.body(server.url + "/last", "POST") == b"/last"
    assert server.connections == (1 if is_fine else 2)


ON_THEIR_WAY: dict[str, bytes] = {
    "DATA": frame(DATA, b"more", 1),
    "much DATA": frame(DATA, bytes(16384), 1) * 7,
    "DATA and the end": frame(DATA, b"more", 1, END_STREAM),
    "trailers": frame(HEADERS, b"\x00\x01x\x01y", 1, END_HEADERS | END_STREAM),
    "malformed trailers": frame(HEADERS, b"\x00\x01X\x01y", 1, END_HEADERS | END_STREAM),
    "RST_STREAM": frame(RST_STREAM, bytes(4), 1),
    "WINDOW_UPDATE": frame(WINDOW_UPDATE, pack(">I", 5), 1),
}


@pytest.mark.parametrize("case", ON_THEIR_WAY)
async def test_frames_on_a_stream_that_was_given_up(
    world: World, start_server: StartServer, case: str
) -> None:
    """They were on their way when the response was closed, so they do no harm."""

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(connection)
        peer.head(peer.request(0).stream_id)
        peer.data(1, b"some")
        peer.request(1)
        assert 1 in peer.resets
        connection.sendall(ON_THEIR_WAY[case])
        peer.respond(3, b"/case")
        peer.respond(peer.request(2).stream_id, b"/last")
        peer.until_closed()

    server = start_server(script)
    user = watched(world, "HTTP/2")
    given_up = await do(user.client.get(server.url + "/first", stream=True))
    await do(given_up.close())
    assert await user.body(server.url + "/case", "POST") == b"/case"
    assert await user.body(server.url + "/last", "POST") == b"/last"
    assert server.connections == 1
    assert not user.pool.active_connections


# What arrives while no request is under way.

IDLE: dict[str, tuple[bytes, bool]] = {
    "PING": (frame(PING, bytes(8), 0), True),
    "SETTINGS": (setting(3, 10), True),
    "an unknown frame": (frame(0xEE, b"what", 0), True),
    "GOAWAY": (frame(GOAWAY, pack(">II", 1, 0), 0), False),
    "GOAWAY with an error": (frame(GOAWAY, pack(">II", 0, 11), 0), False),
    "an answer to what nobody asked": (BEGIN + END, False),
    "a push": (frame(HEADERS, STATUS_200, 2, END_HEADERS), False),
    "SETTINGS on a stream": (frame(SETTINGS, b"", 1), False),
    "a frame above the limit": (frame(0xEE, bytes(16385), 0), False),
    "an answer of HTTP/1.1": (answer(b"evil"), False),
}


@pytest.mark.parametrize("pause", [0, 0.01], ids=["at once", "later"])
@pytest.mark.parametrize("case", IDLE)
async def test_frames_on_an_idle_connection(
    world: World, start_server: StartServer, case: str, pause: float
) -> None:
    """What ends it is noticed before the next request goes out: even a POST meets no failure."""
    data, is_fine = IDLE[case]
    idle, done = threading.Event(), threading.Event()

    def script(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(connection)
        peer.respond(peer.request(0).stream_id, b"/first")
        idle.wait(10)
        connection.sendall(data)
        done.set()
        if is_fine:
            peer.respond(peer.request(1).stream_id, b"/case")
            peer.respond(peer.request(2).stream_id, b"/last")
        peer.until_closed()

    server = start_server(script, marking_http2)
    user = watched(world, "HTTP/2")
    assert await user.body(server.url + "/first") == b"/first"
    idle.set()
    done.wait(10)
    if pause:
        await world.sleep(pause)
    assert await user.body(server.url + "/case", "POST") == b"/case"
    assert await user.body(server.url + "/last", "POST") == b"/last"
    assert server.connections == (1 if is_fine else 2)
    assert len(user.pool.keepalive_connections) == 1


# What was agreed on by ALPN, and what is spoken.


def settings_only(connection: socket.socket) -> None:
    """HTTP/2, whatever was asked."""
    connection.recv(65536)
    connection.sendall(setting(3, 100))
    connection.recv(65536)


def http11_only(connection: socket.socket) -> None:
    """HTTP/1.1, whatever was asked."""
    connection.recv(65536)
    connection.sendall(answer(b"evil"))
    connection.recv(65536)


BOTH = ("HTTP/1.1", "HTTP/2")

MISMATCHES: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[socket.socket], None], str]] = {
    "only HTTP/1.1": (("http/1.1",), ("HTTP/2",), marking, "not_sent"),
    "no ALPN": ((), ("HTTP/2",), marking, "not_sent"),
    "HTTP/2 agreed, HTTP/1.1 spoken": (("h2",), BOTH, http11_only, "maybe_processed"),
    "HTTP/1.1 agreed, HTTP/2 spoken": (
        ("http/1.1",),
        ("HTTP/1.1", "HTTP/2"),
        settings_only,
        "maybe_processed",
    ),
    "nothing agreed, HTTP/2 spoken": ((), BOTH, settings_only, "maybe_processed"),
}


@pytest.mark.parametrize("case", MISMATCHES)
async def test_another_http_than_agreed(
    world: World, start_server: StartServer, authority: Authority, case: str
) -> None:
    offered, wanted, script, delivery = MISMATCHES[case]
    server = start_server(script, tls=authority.server_context(*offered))
    user = watched(world, *wanted, verify=authority.ca_file)
    error = await raised(http3.Http3Error, user.body, server.url + "/case", "POST")
    assert type(error) is http3.RemoteProtocolError
    assert error.delivery == delivery
    assert server.url + "/case" in str(error)
    assert user.is_empty
    good = start_server(marking_http2, tls=authority.server_context("h2"))
    assert await user.body(good.url + "/last", "POST") == b"/last"


@pytest.mark.parametrize("offered", [("h2",), ()], ids=["HTTP/2 alone", "no ALPN"])
async def test_a_server_that_agrees_to_nothing_speaks_http11(
    world: World, start_server: StartServer, authority: Authority, offered: tuple[str, ...]
) -> None:
    server = start_server(marking, tls=authority.server_context(*offered))
    user = watched(world, "HTTP/1.1", verify=authority.ca_file)
    response = await do(user.client.get(server.url + "/case"))
    assert (response.protocol, response.content) == ("HTTP/1.1", b"/case")
