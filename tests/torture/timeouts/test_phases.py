"""Every limit of time ends its request in time, whatever the peer does, and says which one it was."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest

import http3
from support.bounded import GAP, LATE, LIMIT, TRIES, TotalOnly, bounded, goes_on, in_time, tells
from support.http2_peer import Incoming, Peer
from support.servers import StartServer
from support.stalling_peers import (
    READ_ALL,
    BadHTTP2,
    BadHTTP11,
    answer_by_stream,
    drip_to_stream,
    exhaust,
    serve_http2,
    serve_http11,
    ticks,
    ticks_of_stream,
)
from support.worlds import World

names = itertools.count()  # a lookup of the same name may still be under way

pytestmark = pytest.mark.thorough

# --- connecting --------------------------------------------------------------------------------------------


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections that nobody accepts is full."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as full:
        port: int = full.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port
        for one in held:
            one.close()


def never(*_: object) -> None:
    raise AssertionError("no request of this test is bad")


def good(version: str) -> Callable[[socket.socket], None]:
    return serve_http11(never) if version == "HTTP/1.1" else serve_http2(never)


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def version(request: pytest.FixtureRequest) -> str:
    """What is spoken, in clear text if a test does not say otherwise."""
    value: str = request.param
    return value


ConnectOnly = http3.TimeoutConfig(5, connect_timeout=LIMIT)


@pytest.mark.parametrize("timeout", [ConnectOnly, TotalOnly], ids=["connect", "total"])
async def test_a_queue_that_is_full(
    world: World, version: str, full_port: int, start_server: StartServer, timeout: http3.TimeoutConfig
) -> None:
    sut = bounded(world, version, timeout)
    url = f"http://127.0.0.1:{full_port}"
    kind = http3.ConnectTimeout if timeout is ConnectOnly else http3.TotalTimeout
    error = await in_time(kind, lambda: sut.client.get(url + "/x"))
    tells(error, url + "/x", "connect", "dns", "connect")
    assert error.delivery == "not_sent"
    await goes_on(sut, start_server(good(version)).url)


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
async def test_a_handshake_that_does_not_come_on(
    world: World, version: str, start_server: StartServer, drips: bool
) -> None:
    def stalled(connection: socket.socket) -> None:
        connection.recv(READ_ALL)
        record = iter(b"\x16\x03\x03\x40\x00\x02" + bytes(1000))
        for _ in ticks(connection, GAP):
            if drips:
                connection.sendall(bytes([next(record)]))

    sut = bounded(world, version, ConnectOnly, verify=False)
    url = start_server(stalled).url.replace("http:", "https:")
    error = await in_time(http3.ConnectTimeout, lambda: sut.client.get(url + "/x"))
    tells(error, url + "/x", "connect", "dns", "connect", "tls")
    assert error.timings.tls > 0
    await goes_on(sut, start_server(good(version)).url)


@pytest.mark.parametrize("timeout", [ConnectOnly, TotalOnly], ids=["connect", "total"])
def test_a_lookup_that_hangs(
    world: World,
    version: str,
    start_server: StartServer,
    monkeypatch: pytest.MonkeyPatch,
    timeout: http3.TimeoutConfig,
) -> None:
    released = threading.Event()

    def hanging(*_: object, **__: object) -> list[Any]:
        released.wait(20)
        return []

    url = start_server(good(version)).url
    hangs = f"http://hanging-{next(names)}.test/x"
    over: list[float] = []

    async def main() -> None:
        sut = bounded(world, version, timeout)
        kind = http3.ConnectTimeout if timeout is ConnectOnly else http3.TotalTimeout
        error = await in_time(kind, lambda: sut.client.get(hangs))
        tells(error, hangs, "connect", "dns")
        await goes_on(sut, url)
        over.append(time.monotonic())

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    try:
        leaving: list[float] = []
        while len(leaving) < TRIES and min(leaving, default=9) > LATE:
            world.run(main)
            leaving.append(time.monotonic() - over[-1])
        print(f"leaving {world.name}: {min(leaving):+.3f}")
        assert min(leaving) <= LATE
    finally:
        released.set()


# --- what a server does to a request -----------------------------------------------------------------------


class Case(NamedTuple):
    """How a server treats a request, in both versions, and what comes of it."""

    http11: BadHTTP11
    http2: BadHTTP2
    timeout: http3.TimeoutConfig
    kind: type[http3.Timeout]
    phase: str
    spent_in: tuple[str, ...]


ReadOnly = http3.TimeoutConfig(5, read_timeout=LIMIT)
ShortReads = http3.TimeoutConfig(5, read_timeout=0.15, total_timeout=LIMIT)


def silent_http11(connection: socket.socket, _target: str) -> None:
    exhaust(ticks(connection, GAP))


def silent_http2(peer: Peer, incoming: Incoming) -> None:
    exhaust(ticks_of_stream(peer, incoming, GAP))


def half_http11(connection: socket.socket, _target: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    exhaust(ticks(connection, GAP))


def half_http2(peer: Peer, incoming: Incoming) -> None:
    answer_by_stream(peer, incoming, b"abc", length=100)
    exhaust(ticks_of_stream(peer, incoming, GAP))


def half_chunk_http11(connection: socket.socket, _target: str) -> None:
    """Bytes that bring no content: a chunk's size with an extension that does not end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;")
    for _ in ticks(connection, GAP):
        connection.sendall(b"x")


def dripping_http11(connection: socket.socket, _target: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in ticks(connection, GAP):
        connection.sendall(b"x")


def dripping_http2(peer: Peer, incoming: Incoming) -> None:
    answer_by_stream(peer, incoming, b"x", length=1000)
    drip_to_stream(peer, incoming, GAP)


def slow_head_http11(connection: socket.socket, _target: str) -> None:
    head = iter(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000)
    for _ in ticks(connection, GAP):
        connection.sendall(bytes([next(head)]))


def slow_head_http2(peer: Peer, incoming: Incoming) -> None:
    peer.h2.send_headers(incoming.stream_id, [(":status", "200"), ("x-slow", "x" * 500)])
    frame = peer.h2.data_to_send()
    sent = 0
    for _ in ticks_of_stream(peer, incoming, GAP):
        peer.socket.sendall(frame[sent : sent + 1])
        sent += 1
    peer.socket.sendall(frame[sent:])


def informational_http11(connection: socket.socket, _target: str) -> None:
    for _ in ticks(connection, GAP):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")


def informational_http2(peer: Peer, incoming: Incoming) -> None:
    for _ in ticks_of_stream(peer, incoming, GAP):
        peer.head(incoming.stream_id, 103, [("link", "</x>")])


CASES = {
    "silence": Case(silent_http11, silent_http2, ReadOnly, http3.ReadTimeout, "read", ("send", "wait")),
    "half": Case(half_http11, half_http2, ReadOnly, http3.ReadTimeout, "read", ("receive",)),
    "total-silence": Case(
        silent_http11, silent_http2, TotalOnly, http3.TotalTimeout, "read", ("connect", "send", "wait")
    ),
    "drip": Case(
        dripping_http11, dripping_http2, ShortReads, http3.TotalTimeout, "read", ("wait", "receive")
    ),
    "drip-of-no-content": Case(
        half_chunk_http11, dripping_http2, ShortReads, http3.TotalTimeout, "read", ("wait", "receive")
    ),
    "drip-of-head": Case(
        slow_head_http11, slow_head_http2, TotalOnly, http3.TotalTimeout, "read", ("send", "wait")
    ),
    "informational": Case(
        informational_http11, informational_http2, ShortReads, http3.TotalTimeout, "read", ("send", "wait")
    ),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


async def test_an_answer_that_does_not_come(
    world: World, version: str, start_server: StartServer, case: Case
) -> None:
    serving = serve_http11(case.http11) if version == "HTTP/1.1" else serve_http2(case.http2)
    url = start_server(serving).url
    sut = bounded(world, version, case.timeout)
    error = await in_time(case.kind, lambda: sut.client.get(url + "/bad"))
    tells(error, url + "/bad", case.phase, *case.spent_in)
    assert error.delivery == "maybe_processed"
    await goes_on(sut, url)
