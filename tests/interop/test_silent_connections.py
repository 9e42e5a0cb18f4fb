"""HTTP/2 connections that fall silent, or whose uploads are given up, over sockets and TLS, in every world.

`tests/transport/http2/test_silence` has the same in virtual time, and more of it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trio

import http3
from http3_transport import BlockingBackend, ConnectionPool
from http3_transport.testing import ScriptedServer
from support.http2_client import echo, late_reader
from support.http2_peer import Peer
from support.servers import Authority, Script, StartServer
from support.worlds import World, do, raised

pytestmark = pytest.mark.thorough

LIMIT = 0.3
BODY = b"body" * 1000

Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve(start_server: StartServer, secure: Authority | None) -> Serve:
    """Start a server with a script for each connection."""

    def start(*scripts: Script) -> ScriptedServer:
        return start_server(*scripts, tls=None if secure is None else secure.server_context("h2"))

    return start


def make_client(world: World, secure: Authority | None, **options: Any) -> tuple[Any, ConnectionPool]:
    """A client that speaks HTTP/2, and its pool."""
    backend = None if world.is_async else BlockingBackend()
    verify = True if secure is None else secure.ca_file
    pool = ConnectionPool(http_versions=("HTTP/2",), backend=backend, verify=verify)
    return world.client(dispatch=pool, **options), pool


def url_of(server: ScriptedServer, secure: Authority | None) -> str:
    return server.url if secure is None else server.url.replace("http:", "https:")


def falls_silent(sock: socket.socket) -> None:
    """Answer one request, then take and drop everything, as a proxy may that has forgotten the connection."""
    peer = Peer(sock)
    peer.respond(peer.request().stream_id, b"warm")
    drop_everything(sock)


def drop_everything(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def hangs(sock: socket.socket) -> None:
    """Answer one request, then read nothing any more, as a process that was stopped; for uploads."""
    late_reader(lambda peer: None, seconds=1.5)(sock)


def never_settles(sock: socket.socket) -> None:
    drop_everything(sock)


async def next_request_is_well(client: Any, pool: ConnectionPool, url: str, server: ScriptedServer) -> None:
    """It is answered, over a second connection, and nothing is left of the first."""
    response = await do(client.post(url + "/next", data=BODY, timeout=5))
    assert response.content == BODY
    assert server.connections == 2
    assert pool.active_connections == []
    assert len(pool.keepalive_connections) == 1


async def test_a_read_timeout(world: World, serve: Serve, secure: Authority | None) -> None:
    server = serve(falls_silent, echo())
    client, pool = make_client(world, secure)
    url = url_of(server, secure)
    assert (await do(client.get(url))).text == "warm"
    error = await raised(http3.ReadTimeout, client.post, url, data=BODY, timeout=LIMIT)
    assert error.delivery == "maybe_processed"
    assert pool.keepalive_connections == []
    await next_request_is_well(client, pool, url, server)


async def test_read_timeouts_of_many(world: World, serve: Serve, secure: Authority | None) -> None:
    server = serve(falls_silent, echo())
    client, pool = make_client(world, secure)
    url = url_of(server, secure)
    assert (await do(client.get(url))).text == "warm"

    async def one() -> Any:
        return await raised(http3.ReadTimeout, client.get, url, timeout=LIMIT)

    errors = await world.together(*[one] * 20)
    assert {type(error) for error in errors} == {http3.ReadTimeout}
    await next_request_is_well(client, pool, url, server)


async def test_a_total_timeout(world: World, serve: Serve, secure: Authority | None) -> None:
    server = serve(falls_silent, echo())
    client, pool = make_client(world, secure)
    url = url_of(server, secure)
    assert (await do(client.get(url))).text == "warm"
    limit = http3.TimeoutConfig(5, total_timeout=LIMIT)
    await raised(http3.TotalTimeout, client.get, url, timeout=limit)
    await next_request_is_well(client, pool, url, server)


async def test_a_write_timeout(world: World, serve: Serve, secure: Authority | None) -> None:
    server = serve(hangs, echo())
    client, pool = make_client(world, secure)
    url = url_of(server, secure)
    assert (await do(client.get(url))).status_code == 200
    limit = http3.TimeoutConfig(5, write_timeout=LIMIT)
    await raised(http3.WriteTimeout, client.post, url, data=bytes(20_000_000), timeout=limit)
    await next_request_is_well(client, pool, url, server)


async def test_a_cancellation(world: World, serve: Serve, secure: Authority | None) -> None:
    if world.name == "sync":
        pytest.skip("a thread can't be cancelled")
    server = serve(falls_silent, echo())
    client, pool = make_client(world, secure, timeout=None)
    url = url_of(server, secure)
    assert (await client.get(url)).text == "warm"
    if world.name == "asyncio":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LIMIT):
                await client.get(url)
    else:
        with trio.move_on_after(LIMIT) as scope:
            await client.get(url)
        assert scope.cancelled_caught
    await next_request_is_well(client, pool, url, server)


@pytest.mark.parametrize("what", ["read", "total", "write"])
async def test_settings_that_never_come(
    world: World, serve: Serve, secure: Authority | None, what: str
) -> None:
    server = serve(never_settles, echo())
    client, pool = make_client(world, secure)
    url = url_of(server, secure)
    limit = http3.TimeoutConfig(5, **{f"{what}_timeout": LIMIT})
    kinds = {"read": http3.ReadTimeout, "total": http3.TotalTimeout, "write": http3.WriteTimeout}
    body = bytes(1_000_000) if what == "write" else b"small"
    await raised(kinds[what], client.post, url, data=body, timeout=limit)
    assert pool.keepalive_connections == []
    await next_request_is_well(client, pool, url, server)


async def test_what_comes_for_others_keeps_a_connection(
    world: World, serve: Serve, secure: Authority | None
) -> None:
    def busy_with_another(sock: socket.socket) -> None:
        peer = Peer(sock)
        peer.respond(peer.request().stream_id, b"warm")
        peer.until(lambda: len(peer.requests) == 3)
        streams = {request.field(b":path"): request.stream_id for request in peer.requests.values()}
        peer.head(streams[b"/busy"])
        while not peer.resets:
            peer.socket.settimeout(LIMIT / 5)
            try:
                peer.receive()
            except TimeoutError:
                peer.data(streams[b"/busy"], b".")
        peer.socket.settimeout(5)
        peer.data(streams[b"/busy"], end=True)
        peer.respond(peer.request(3).stream_id, b"next")
        peer.until_closed()

    server = serve(busy_with_another)
    client, pool = make_client(world, secure)
    url = url_of(server, secure)
    assert (await do(client.get(url))).text == "warm"

    async def busy() -> Any:
        return (await do(client.get(url + "/busy"))).text

    async def stalled() -> Any:
        return await raised(http3.ReadTimeout, client.get, url + "/stalled", timeout=LIMIT)

    text, error = await world.together(busy, stalled)
    assert isinstance(error, http3.ReadTimeout)
    assert set(text) == {"."}
    assert (await do(client.get(url + "/next"))).text == "next"
    assert server.connections == 1
    assert len(pool.keepalive_connections) == 1


async def test_siblings_of_an_upload_that_times_out_are_sent_once(
    world: World, serve: Serve, secure: Authority | None
) -> None:
    """Also those that could be sent again: nothing has events to them."""
    paths: list[bytes | None] = []

    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.resets) == 1 and sum(one.ended for one in peer.requests.values()) == 4)
        for request in list(peer.requests.values()):
            paths.append(request.field(b":path"))
            if request.ended and request.stream_id != 1:
                peer.respond(request.stream_id, bytes(request.body))

    server = serve(late_reader(act, seconds=0.8))
    client, pool = make_client(world, secure)
    url = url_of(server, secure)
    assert (await do(client.get(url))).status_code == 200

    async def upload() -> Any:
        limit = http3.TimeoutConfig(5, write_timeout=LIMIT)
        return await raised(
            http3.WriteTimeout, client.post, url + "/lost", data=bytes(20_000_000), timeout=limit
        )

    async def sibling(number: int) -> Any:
        await world.sleep(0.1)
        return (await do(client.put(f"{url}/{number}", data=BODY))).content

    results = await world.together(upload, lambda: sibling(1), lambda: sibling(2), lambda: sibling(3))
    assert isinstance(results[0], http3.WriteTimeout)
    assert results[1:] == [BODY] * 3
    assert sorted(filter(None, paths)) == [b"/", b"/1", b"/2", b"/3", b"/lost"]
    assert server.connections == 1
    assert pool.active_connections == []
