"""1xx, early final answers and `Expect: 100-continue` over HTTP/1.1; trailers that mean to be headers."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import http3
from support.hostile_peers import StartServer, hostile, marking, watched
from support.servers import answer, read_head
from support.worlds import World, do, raised

pytestmark = pytest.mark.thorough

INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Interim: yes\r\n\r\n",
    "unknown": b"HTTP/1.1 199 What\r\n\r\n",
    "without reason": b"HTTP/1.1 103\r\n\r\n",
    "with a length": b"HTTP/1.1 103 Early Hints\r\nContent-Length: 50\r\n\r\n",
    "of HTTP/1.0": b"HTTP/1.0 100 Continue\r\n\r\n",
    "five": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5,
}


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("case", INTERIM)
async def test_an_interim_answer_is_never_the_answer(
    world: World, start_server: StartServer, case: str, bytewise: bool
) -> None:
    data = INTERIM[case] + answer(b"hello", status="201 Created")

    def script(connection: socket.socket) -> None:
        hostile(data, bytewise=bytewise, closes=True)(connection)
        marking(connection)

    server = start_server(script)
    user = watched(world)
    assert await user.body(server.url + "/first") == b"/first"
    response = await do(user.client.get(server.url + "/case"))
    assert (response.status_code, response.content) == (201, b"hello")
    assert "x-interim" not in response.headers
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 1


@pytest.mark.parametrize("case", INTERIM)
async def test_an_interim_answer_alone_is_an_error(
    world: World, start_server: StartServer, case: str
) -> None:
    """It counts as the beginning of an answer too: nothing is sent again."""
    server = start_server(hostile(INTERIM[case], closes=True), marking)
    user = watched(world)
    assert await user.body(server.url + "/first") == b"/first"
    error = await raised(http3.Http3Error, user.body, server.url + "/case")
    assert type(error) is http3.RemoteProtocolError
    assert error.delivery == "maybe_processed"
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 2


async def test_a_switch_of_protocols_is_refused_even_if_asked_for(
    world: World, start_server: StartServer
) -> None:
    data = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    server = start_server(hostile(data + answer(b"evil")), marking)
    user = watched(world)
    assert await user.body(server.url + "/first") == b"/first"
    headers = {"Upgrade": "x", "Connection": "Upgrade"}
    error = await raised(
        http3.RemoteProtocolError, lambda: user.client.get(server.url + "/case", headers=headers)
    )
    assert "101" in str(error)
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"


FORBIDDEN_TRAILERS = ("Content-Encoding: gzip", "Set-Cookie: evil=1", "Location: /evil", "Host: evil")


@pytest.mark.parametrize("trailer", FORBIDDEN_TRAILERS)
async def test_trailers_do_not_become_headers(world: World, start_server: StartServer, trailer: str) -> None:
    name, _, value = trailer.partition(": ")
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n%b\r\n\r\n"

    def script(connection: socket.socket) -> None:
        hostile(data % trailer.encode(), closes=True)(connection)
        marking(connection)

    server = start_server(script)
    user = watched(world)
    assert await user.body(server.url + "/first") == b"/first"
    response = await do(user.client.get(server.url + "/case"))
    assert response.content == b"hello"
    assert name not in response.headers
    assert response.trailers[name] == value
    assert not user.client.cookies
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 1


# Uploads.

BIG = 8_000_000


def pieces() -> Iterator[bytes]:
    for _ in range(BIG // 100_000):
        yield bytes(100_000)


UPLOADS: dict[str, Any] = {"bytes": lambda: bytes(BIG), "iterator": pieces}


@pytest.mark.parametrize("end", ["stays", "shuts", "closes"])
@pytest.mark.parametrize("kind", UPLOADS)
async def test_an_early_answer_is_delivered(
    world: World, start_server: StartServer, kind: str, end: str
) -> None:
    """413 as soon as the head is there. "closes" leaves what was uploaded unread, which sends a reset."""
    refusal = answer(b"too large", status="413 Content Too Large", headers=("Connection: close",))

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(refusal)
        if end == "closes":
            return
        if end == "shuts":
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    server = start_server(script, marking)
    user = watched(world)
    response = await do(user.client.post(server.url + "/case", data=UPLOADS[kind]()))
    assert (response.status_code, response.content) == (413, b"too large")
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 2


async def test_an_early_answer_that_keeps_the_connection(world: World, start_server: StartServer) -> None:
    """The rest of the upload will never come, so nothing else may go out on it."""

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer(b"no", status="403 Forbidden"))
        while connection.recv(65536):
            pass

    server = start_server(script, marking)
    user = watched(world)
    response = await do(user.client.post(server.url + "/case", data=bytes(BIG)))
    assert (response.status_code, response.content) == (403, b"no")
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 2


EXPECT = {"Expect": "100-continue"}


def is_silent(connection: socket.socket) -> bool:
    """The client sends nothing for a moment."""
    return not select.select([connection], [], [], 0.05)[0]


@pytest.mark.parametrize("interim", [b"HTTP/1.1 103 Early Hints\r\n\r\n", b""], ids=["103 before", "alone"])
@pytest.mark.parametrize("kind", ["bytes", "iterator"])
async def test_expect_waits_for_the_servers_word(
    world: World, start_server: StartServer, kind: str, interim: bytes
) -> None:
    def script(connection: socket.socket) -> None:
        assert b"content-length: 5\r\n" in read_head(connection).lower()
        assert is_silent(connection)
        connection.sendall(interim + b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b""
        while len(body) < 5:
            body += connection.recv(5)
        connection.sendall(answer(body))
        marking(connection)

    server = start_server(script)
    user = watched(world)
    data: Any = b"hello" if kind == "bytes" else iter([b"he", b"llo"])
    headers = {**EXPECT, "Content-Length": "5"}
    assert await user.body(server.url + "/case", "POST", data=data, headers=headers) == b"hello"
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 1


async def test_expect_does_not_wait_forever(world: World, start_server: StartServer) -> None:
    def script(connection: socket.socket) -> None:
        read_head(connection)
        assert is_silent(connection)
        assert connection.recv(5) == b"hello"
        connection.sendall(answer(b"taken"))
        marking(connection)

    server = start_server(script)
    user = watched(world)
    assert await user.body(server.url + "/case", "POST", data=b"hello", headers=EXPECT) == b"taken"
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 1


@pytest.mark.parametrize("status", ["413 Content Too Large", "401 Unauthorized", "200 OK"])
async def test_expect_with_a_final_answer_sends_no_body(
    world: World, start_server: StartServer, status: str
) -> None:
    after: list[bytes] = []

    def script(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(answer(b"final", status=status))
        while data := connection.recv(65536):
            after.append(data)

    server = start_server(script, marking)
    user = watched(world)
    response = await do(user.client.post(server.url + "/case", data=b"hello", headers=EXPECT))
    assert (response.status_code, response.content) == (int(status[:3]), b"final")
    assert user.is_empty
    assert await user.body(server.url + "/last") == b"/last"
    assert server.connections == 2
    server.close()
    assert not after
