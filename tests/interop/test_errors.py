"""Servers that are not there, or speak another protocol: the exception that docs/errors.md names."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

import http3
from http3_transport.testing import ScriptedConnection, ScriptedServer
from support.servers import answer, free_port
from support.worlds import Site, World, do, raised


async def fine(client: Any, site: Site) -> None:
    """The client serves the next request."""
    assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_refused_connections(world: World, plain: Site) -> None:
    client = world.client(plain)
    url = f"http://127.0.0.1:{free_port()}/path"
    error = await raised(http3.ConnectError, lambda: client.get(url))
    assert isinstance(error, http3.NetworkError)
    assert isinstance(error.__cause__, OSError)
    assert not isinstance(error, OSError)
    assert url in str(error)
    assert "refused" in str(error).lower()
    assert error.delivery == "not_sent"
    assert error.request.method == "GET"
    await fine(client, plain)


async def test_names_that_do_not_resolve(world: World, plain: Site) -> None:
    client = world.client(plain)
    for host in ("nowhere.invalid", "xn--nowhere-9xa.invalid"):
        error = await raised(http3.ConnectError, client.get, f"http://{host}/")
        assert host in str(error)
        assert error.delivery == "not_sent"
    await fine(client, plain)


async def test_prior_knowledge_with_a_server_that_speaks_http11(world: World, start_server: Any) -> None:
    def no_h2(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer(b"", status="400 Bad Request"))

    server = start_server(no_h2)
    client = world.client(http_versions=("HTTP/2",))
    error = await raised(http3.RemoteProtocolError, lambda: client.get(server.url))
    assert server.url in str(error)


async def test_a_reset_during_an_upload_is_called_so(world: World) -> None:
    def resetting(connection: ScriptedConnection) -> None:
        connection.read(1000)
        time.sleep(0.05)
        connection.reset()

    with ScriptedServer(resetting) as server:
        client = world.client()
        with pytest.raises(http3.NetworkError) as caught:
            await do(client.post(server.url, data=bytes(20_000_000)))
    assert "on this side" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ConnectionResetError | BrokenPipeError)
