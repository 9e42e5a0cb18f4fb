"""What goes over the wire, byte by byte, and what is sent again (api.md sections 6, 8, 10 and 11)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

import http3
from support.http2_peer import Peer
from support.servers import answer, answering, read_head, read_request
from support.worlds import Site, World, collect, do, raised


def recording(heads: list[bytes]) -> Callable[[socket.socket], None]:
    """Answers, and keeps the heads as they came."""

    def script(connection: socket.socket) -> None:
        while head := read_head(connection):
            heads.append(head)
            connection.sendall(answer(b"ok"))

    return script


async def head_of(world: World, raw_server: Any, path: str = "/", **options: Any) -> list[str]:
    heads: list[bytes] = []
    server = raw_server(recording(heads))
    await do(world.client().get(server.url + path, **options))
    return heads[0].decode("latin-1").rstrip("\r\n").split("\r\n")


async def test_header_names_go_out_as_written(world: World, raw_server: Any) -> None:
    lines = await head_of(world, raw_server, headers={"X-CaMeL": "Value", b"x-lower": b"caf\xc3\xa9"})
    assert "X-CaMeL: Value" in lines
    assert "x-lower: caf\u00c3\u00a9" in lines
    assert lines[1].lower().startswith("host:")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/"),
        ("/a%2Fb%2fc?x=%7e~&y=%41", "/a%2Fb%2fc?x=%7e~&y=%41"),
        ("/é?q=ü b", "/%C3%A9?q=%C3%BC%20b"),
        ("/a/./b/../c", "/a/c"),
        ("/x#fragment", "/x"),
        ("?q=1", "/?q=1"),
        ("/100%", "/100%25"),
        ("/a;b=1,2/(c)!$'*@:~", "/a;b=1,2/(c)!$'*@:~"),
        ("//double//slash", "//double//slash"),
    ],
)
async def test_request_targets(world: World, raw_server: Any, path: str, target: str) -> None:
    assert (await head_of(world, raw_server, path))[0] == f"GET {target} HTTP/1.1"


async def test_request_targets_on_every_protocol(world: World, site: Site) -> None:
    echo = await do((await do(world.client(site).get(site.url + "/echo/%2F%c3é?x=%7e"))).json())
    assert echo["query"] == "x=%7e"
    assert echo["raw_path"] == "/echo/%2F%c3%C3%A9"


async def test_one_request_is_one_packet_and_no_host_twice(world: World, raw_server: Any) -> None:
    lines = await head_of(world, raw_server, headers={"host": "by-hand.example"})
    assert [line for line in lines if line.lower().startswith("host:")] in (
        ["host: by-hand.example"],
        ["Host: by-hand.example"],
    )


async def test_a_large_head_is_refused(world: World, raw_server: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 300_000 + b"\r\nContent-Length: 0\r\n\r\n"
    server = raw_server(answering(head))
    error = await raised(http3.ResponseTooLarge, lambda: world.client().post(server.url))
    assert server.url in str(error)
    wide = world.client(limits=http3.Limits(max_head_size=400_000))
    assert (await do(wide.post(server.url))).status_code == 200


async def test_many_headers_are_taken(world: World, two_ways: Site) -> None:
    response = await do(world.client(two_ways).get(two_ways.url + "/many-headers/200"))
    assert response.headers["x-header-199"] == "value 199"


async def test_a_refused_stream_is_sent_again(world: World, raw_server: Any) -> None:
    def refuse(connection: socket.socket) -> None:
        peer = Peer(connection)
        peer.respond(peer.request(0).stream_id, b"first")
        peer.h2.reset_stream(peer.request(1).stream_id, 7)
        peer.flush()
        peer.until_closed()

    def take(connection: socket.socket) -> None:
        peer = Peer(connection)
        request = peer.request()
        peer.respond(request.stream_id, bytes(request.body))
        peer.until_closed()

    for replay in (True, False):
        server = raw_server(refuse, take)
        client = world.client(http_versions=("HTTP/2",), replay=replay)
        await do(client.get(server.url))
        if replay:
            assert (await do(client.post(server.url, data=b"again"))).content == b"again"
        else:
            error = await raised(http3.TransportError, lambda: client.post(server.url, data=b"again"))  # noqa: B023
            assert error.delivery == "refused"


async def test_a_goaway_below_the_request_is_sent_again(world: World, raw_server: Any) -> None:
    def leave(connection: socket.socket) -> None:
        peer = Peer(connection)
        peer.respond(peer.request(0).stream_id, b"first")
        peer.request(1)
        peer.h2.close_connection(error_code=0, last_stream_id=1)
        peer.flush()

    def take(connection: socket.socket) -> None:
        peer = Peer(connection)
        peer.respond(peer.request(0).stream_id, b"second")
        peer.until_closed()

    server = raw_server(leave, take)
    client = world.client(http_versions=("HTTP/2",))
    assert (await do(client.get(server.url))).content == b"first"
    assert (await do(client.post(server.url, data=b"x"))).content == b"second"


async def test_an_idle_connection_that_was_closed_is_not_used(world: World, raw_server: Any) -> None:
    def once(connection: socket.socket) -> None:
        assert read_request(connection)
        connection.sendall(answer(b"ok"))

    server = raw_server(once)
    client = world.client()
    for _ in range(3):
        assert (await do(client.post(server.url, data=b"x"))).content == b"ok"
        await world.sleep(0.05)
    assert server.connections == 3


async def test_connection_close_is_obeyed(world: World, raw_server: Any) -> None:
    server = raw_server(
        answering(answer(b"1", headers=("Connection: close",)), answer(b"never")), answering(answer(b"2"))
    )
    client = world.client()
    assert (await do(client.post(server.url))).content == b"1"
    assert (await do(client.post(server.url))).content == b"2"


async def test_the_body_of_a_redirect_is_kept_if_small(world: World, raw_server: Any) -> None:
    def moved(size: int) -> bytes:
        return answer(bytes(size), status="302 Found", headers=("Location: /next",))

    for size, kept in ((1000, True), (5_000_000, False)):
        server = raw_server(answering(moved(size), answer(b"there")), answering(answer(b"there")))
        response = await do(world.client().get(server.url))
        assert response.content == b"there"
        if kept:
            assert len(response.history[0].content) == size
        else:
            with pytest.raises(http3.StreamException):
                response.history[0].content  # noqa: B018


async def test_total_limits_over_all_hosts(world: World, raw_server: Any) -> None:
    open_now, most = 0, 0

    def counted(connection: socket.socket) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            while read_request(connection):
                connection.sendall(answer(b"ok"))
        finally:
            open_now -= 1

    servers = [raw_server(counted) for _ in range(4)]
    client = world.client(pool_limits=http3.PoolLimits(total=2))
    for server in servers * 2:
        assert (await do(client.get(server.url))).content == b"ok"
        time.sleep(0.01)  # noqa: ASYNC251 - let the server's thread see the close
    assert most <= 3


async def test_an_empty_chunk_ends_nothing(world: World, site: Site) -> None:
    response = await do(
        world.client(site).post(site.url + "/echo", data=iter([b"", b"one", b"", b"two", b""]))
    )
    assert (await do(response.json()))["body"] == "onetwo"


async def test_chunked_in_every_way(world: World, raw_server: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    bodies = (b"3;name=value\r\nabc\r\n003\r\ndef\r\n0\r\n\r\n", b"6\r\nabcdef\r\n0\r\nA: b\r\n\r\n")

    def bytewise(connection: socket.socket) -> None:
        for body in bodies:
            read_request(connection)
            for byte in head + body:
                connection.sendall(bytes([byte]))

    server = raw_server(bytewise)
    client = world.client()
    for _ in bodies:
        assert (await do(client.get(server.url))).content == b"abcdef"
    assert server.connections == 1


async def test_answers_without_a_reason_and_of_http10(world: World, raw_server: Any) -> None:
    server = raw_server(
        answering(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.0 201 Fine\r\n\r\nbody")
    )
    client = world.client()
    first = await do(client.get(server.url))
    assert (first.status_code, first.reason_phrase) in ((200, ""), (200, "OK"))
    second = await do(client.get(server.url))
    assert (second.status_code, second.reason_phrase, second.content) == (201, "Fine", b"body")


async def test_hundreds_of_streams(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)

    async def get(number: int) -> int:
        response = await do(client.get(f"{two_ways.url}/download/{number}", stream=True))
        return sum(map(len, await collect(response.stream())))

    numbers = range(1000, 1060)

    def action(number: int) -> Any:
        async def one() -> int:
            return await get(number)

        return one

    assert await world.together(*map(action, numbers)) == list(numbers)
