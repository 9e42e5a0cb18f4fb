"""A server that dies at every byte of a request and of its answer, and what is sent again.

Each case is one request to a server that closes, resets or half-closes its connection after so many bytes:
the first request of a connection, or one that reuses it. From the second connection on the server is well.
What the server saw is compared with the rule of docs/errors.md: a request goes out again only where it
may, once, on a new connection; and what is said of the delivery is true.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import http3
from http3_transport.testing import ScriptedServer
from support.replay_points import DEATHS, KINDS, MANY, Case, Kind, Ledger, attempt, name
from support.servers import Script, answer
from support.worlds import World, do

pytestmark = pytest.mark.thorough

StartServer = Callable[..., ScriptedServer]

CLOSING = answer(b"again", headers=("Connection: close",))
ANSWER = answer(b"ok")


def whole(data: bytes) -> bool:
    """Whether an HTTP/1.1 request of `KINDS` has been received."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    if b"chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return not data.startswith((b"PUT", b"POST")) or len(body) == 2


def read_up_to(connection: socket.socket, size: int) -> bytes:
    """A request, or its first bytes."""
    data = b""
    while len(data) < size and not whole(data):
        piece = connection.recv(1)
        if not piece:
            break
        data += piece
    return data


def mortal(ledger: Ledger) -> Script:
    """HTTP/1.1."""

    def script(connection: socket.socket) -> None:
        case, ledger.connections = ledger.case, ledger.connections + 1
        if ledger.connections > 1:
            ledger.seen.append(read_up_to(connection, MANY))
            connection.sendall(CLOSING)
            return
        if case.reused:
            read_up_to(connection, MANY)
            connection.sendall(ANSWER)
        data = read_up_to(connection, case.read)
        ledger.seen.append(data)
        if whole(data):
            connection.sendall(ANSWER[: case.sent])
        ledger.end(connection)

    return script


def check_seen(ledger: Ledger, error: http3.RequestError | None, kind: Kind, mark: bytes) -> None:
    """What must hold whatever happens."""
    sightings = [data for data in ledger.seen if data]
    assert len(sightings) <= 2
    assert ledger.connections <= 2
    if error is not None:
        assert error.delivery is not None
        assert error.delivery is not http3.Delivery.REFUSED
        assert error.delivery is not http3.Delivery.NOT_SENT or not sightings
    if kind.method == "POST":
        assert len(sightings) <= 1, ledger.seen
    if len(sightings) == 2:
        assert mark in sightings[1]


async def check_point(client: Any, url: str, ledger: Ledger, kind: Kind, case: Case) -> bytes:
    """One point over HTTP/1.1; gives what was seen of the request."""
    ledger.begin(case)
    content, error = await attempt(client, url, ledger, kind)
    first = ledger.seen[0]
    check_seen(ledger, error, kind, case.mark.encode())
    answered = case.sent if whole(first) else 0
    if answered == len(ANSWER):
        assert content == b"ok", case
    elif case.reused and not answered and kind.method != "POST" and kind.can_be_sent_again:
        assert content == b"again", (case, error)
        assert len(ledger.seen) == 2
    else:
        assert content is None, case
        assert error is not None
        assert error.delivery is http3.Delivery.MAYBE_PROCESSED
        assert len(ledger.seen) == 1
    return first


@pytest.mark.parametrize("reused", [False, True], ids=["first", "reused"])
@pytest.mark.parametrize("die", DEATHS, ids=name)
@pytest.mark.parametrize("kind", KINDS, ids=name)
async def test_every_byte_over_http11(
    world: World, start_server: StartServer, kind: Kind, die: Any, reused: bool
) -> None:
    ledger = Ledger()
    url, client = start_server(mortal(ledger)).url, world.client()
    request = await check_point(client, url, ledger, kind, Case("/000", reused, MANY, 0, die))
    assert whole(request)
    for size in range(1, len(request), 3 if world.is_async else 1):  # the bytes are the same in each world
        await check_point(client, url, ledger, kind, Case(f"/{size:03}", reused, size, 0, die))
    for size in range(1, len(ANSWER) + 1):
        await check_point(client, url, ledger, kind, Case(f"/{size:03}", reused, MANY, size, die))


@pytest.mark.parametrize("kind", KINDS, ids=name)
@pytest.mark.parametrize("die", DEATHS, ids=name)
async def test_a_connection_that_ended_while_idle(
    world: World, start_server: StartServer, kind: Kind, die: Any
) -> None:
    """That is seen before anything is sent: any request gets a new connection, also one with an iterator."""
    seen: list[bytes] = []
    ended = threading.Event()

    def script(connection: socket.socket) -> None:
        seen.append(read_up_to(connection, MANY))
        connection.sendall(ANSWER if len(seen) == 1 else CLOSING)
        if len(seen) == 1:
            die(connection)
            ended.set()
            with suppress(OSError):
                while connection.fileno() >= 0 and (data := connection.recv(65536)):
                    seen.append(data)

    url, client = start_server(script).url, world.client()
    assert (await do(client.get(url))).content == b"ok"
    assert ended.wait(10)
    response = await do(client.request(kind.method, f"{url}/mark", **kind.options()))
    assert response.content == b"again"
    assert len([data for data in seen if b"/mark" in data]) == 1
