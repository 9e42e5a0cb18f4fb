"""What goes over the wire, byte by byte (RFC 9112, RFC 9113), and what is sent again (docs/errors.md)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

import http3
from support.http2_peer import Peer
from support.servers import answer, read_head, read_request
from support.worlds import Site, World, collect, do, raised


def recording(heads: list[bytes]) -> Callable[[socket.socket], None]:
    """Answers, and keeps the heads as they came."""

    def script(connection: socket.socket) -> None:
        while head := read_head(connection):
            heads.append(head)
            connection.sendall(answer(b"ok"))

    return script


async def head_of(world: World, start_server: Any, path: str = "/", **options: Any) -> list[str]:
    heads: list[bytes] = []
    server = start_server(recording(heads))
    await do(world.client().get(server.url + path, **options))
    return heads[0].decode("latin-1").rstrip("\r\n").split("\r\n")


async def test_header_names_go_out_as_written(world: World, start_server: Any) -> None:
    lines = await head_of(world, start_server, headers={"X-CaMeL": "Value", b"x-lower": b"caf\xc3\xa9"})
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
async def test_request_targets(world: World, start_server: Any, path: str, target: str) -> None:
    assert (await head_of(world, start_server, path))[0] == f"GET {target} HTTP/1.1"


async def test_request_targets_on_every_protocol(world: World, site: Site) -> None:
    echo = await do((await do(world.client(site).get(site.url + "/echo/%2F%c3é?x=%7e"))).json())
    assert echo["query"] == "x=%7e"
    assert echo["raw_path"] == "/echo/%2F%c3%C3%A9"


async def test_a_host_by_hand_is_sent_once(world: World, start_server: Any) -> None:
    lines = await head_of(world, start_server, headers={"host": "by-hand.example"})
    assert [line for line in lines if line.lower().startswith("host:")] in (
        ["host: by-hand.example"],
        ["Host: by-hand.example"],
    )


async def test_a_refused_stream_is_sent_again(world: World, start_server: Any) -> None:
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
        server = start_server(refuse, take)
        client = world.client(http_versions=("HTTP/2",), replay=replay)
        await do(client.get(server.url))
        if replay:
            assert (await do(client.post(server.url, data=b"again"))).content == b"again"
        else:
            error = await raised(http3.TransportError, lambda: client.post(server.url, data=b"again"))  # noqa: B023
            assert error.delivery == "refused"


async def test_total_limits_over_all_hosts(world: World, start_server: Any) -> None:
    open_now = 0

    def counted(connection: socket.socket) -> None:
        nonlocal open_now
        open_now += 1
        try:
            while read_request(connection):
                connection.sendall(answer(b"ok"))
        finally:
            open_now -= 1

    servers = [start_server(counted) for _ in range(4)]
    client = world.client(pool_limits=http3.PoolLimits(total=2))
    for server in servers * 2:
        assert (await do(client.get(server.url))).content == b"ok"
        latest = time.monotonic() + 5
        while open_now > 2 and time.monotonic() < latest:
            time.sleep(0.001)  # noqa: ASYNC251 - let the server's thread see the close
        assert open_now <= 2


async def test_an_empty_chunk_ends_nothing(world: World, site: Site) -> None:
    response = await do(
        world.client(site).post(site.url + "/echo", data=iter([b"", b"one", b"", b"two", b""]))
    )
    assert (await do(response.json()))["body"] == "onetwo"


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
