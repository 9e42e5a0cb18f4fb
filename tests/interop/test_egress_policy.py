"""`egress=`: what the policy refuses is never connected to, in whatever spelling, at whatever hop."""

from __future__ import annotations

import socket
from typing import Any

import pytest

import http3
from support.servers import StartServer, answering, read_request
from support.worlds import World, do, raised

SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def never(connection: socket.socket) -> None:
    raise AssertionError("a connection was made")


@pytest.mark.parametrize("host", SPELLINGS)
async def test_loopback_is_refused_in_every_spelling(
    world: World, start_server: StartServer, host: str
) -> None:
    server = start_server(never)
    client = world.client(egress=http3.EgressPolicy())
    url = f"http://{host}:{server.port}/"
    for method in ("GET", "POST"):
        error = await raised(Exception, client.request, method, url, data=b"secret")
        # A spelling that no lookup knows is no way around the policy either.
        assert isinstance(error, http3.ConnectError | http3.InvalidURL), error
        if host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
            assert isinstance(error, http3.AddressRefused), error
            assert "egress policy refuses" in str(error)
            assert "loopback" in str(error)
            assert f"{method} http://" in str(error)
            assert error.delivery is http3.Delivery.NOT_SENT
    assert server.connections == 0


async def test_a_redirect_is_judged_like_the_first_hop(world: World, start_server: StartServer) -> None:
    inner = start_server(never)

    def script(connection: socket.socket) -> None:
        read_request(connection)
        location = f"http://127.0.0.2:{inner.port}/latest/meta-data"
        head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(head.encode())

    outer = start_server(script)
    client = world.client(egress=http3.EgressPolicy(allow=["127.0.0.1"]))
    error = await raised(http3.RequestError, client.get, outer.url)
    assert isinstance(error, http3.AddressRefused), error
    assert error.request.url.host == "127.0.0.2"
    assert (outer.connections, inner.connections) == (1, 0)


async def test_what_is_allowed_works_as_ever(world: World, start_server: StartServer) -> None:
    server = start_server(answering(OK, OK))
    client = world.client(egress=http3.EgressPolicy(allow=["127.0.0.0/8"], deny=["10.0.0.0/8"]))
    for _ in range(2):
        assert (await do(client.get(server.url))).status_code == 200
    assert server.connections == 1


async def test_the_address_that_was_judged_is_the_one_connected_to(
    world: World, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means something else each time (DNS rebinding): there is one lookup for a connection."""
    server = start_server(answering(OK, OK))
    answers = iter(["127.0.0.1", "127.0.0.9", "127.0.0.9"])
    lookups: list[str] = []

    def rebinding(host: str, port: int, *arguments: Any, **options: Any) -> list[Any]:
        address = next(answers)
        lookups.append(address)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    client = world.client(egress=http3.EgressPolicy(allow=["127.0.0.1"]))
    assert (await do(client.get(f"http://rebinding.example:{server.port}/"))).status_code == 200
    assert lookups == ["127.0.0.1"]
    assert server.connections == 1
    other = start_server(never)
    error = await raised(http3.RequestError, client.get, f"http://rebinding.example:{other.port}/")
    assert isinstance(error, http3.AddressRefused), error
    assert other.connections == 0


async def test_of_several_addresses_the_permitted_ones_are_used(
    world: World, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(answering(OK, OK))
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.port))
        for address in ("10.0.0.1", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found)
    client = world.client(egress=http3.EgressPolicy(allow=["127.0.0.1"]))
    response = await do(client.get(f"http://mixed.example:{server.port}/"))
    assert response.status_code == 200
    assert response.connection.peer_address == ("127.0.0.1", server.port)


def test_what_egress_cannot_be(world: World) -> None:
    with pytest.raises(TypeError, match="egress must be an EgressPolicy, not str"):
        world.client_class(egress="10.0.0.0/8")
    with pytest.raises(ValueError, match="egress is for the client's own connections"):
        world.client_class(egress=http3.EgressPolicy(), app=lambda environ, start_response: [])
