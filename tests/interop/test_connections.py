"""Connections to real servers: when they are reused, and when they are not (docs/clients.md)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import http3
from support.servers import Authority, Nginx, answer, answering, read_request
from support.worlds import Site, World, collect, do, raised


async def serial(client: Any, url: str) -> tuple[int, int]:
    """nginx's numbers of the connection and of the request on it."""
    echo = await do((await do(client.get(url + "/echo"))).json())
    return echo["connection"], echo["requests"]


async def test_connections_are_reused(world: World, nginx: Nginx, authority: Authority) -> None:
    client = world.client(verify=authority.ca_file)
    for url in (nginx.plain, nginx.tls, nginx.tls_h2):
        numbers = [await serial(client, url) for _ in range(4)]
        assert len({connection for connection, _ in numbers}) == 1
        assert [request for _, request in numbers] == [1, 2, 3, 4]


@pytest.mark.parametrize("path", ["/missing", "/empty", "/redirect", "/cookie", "/1k"])
async def test_reuse_after_every_kind_of_answer(world: World, nginx: Nginx, path: str) -> None:
    client = world.client()
    first = await serial(client, nginx.plain)
    await do(client.get(nginx.plain + path, allow_redirects=False))
    await do(client.head(nginx.plain + path))
    streamed = await do(client.get(nginx.plain + "/1k", stream=True))
    await collect(streamed.stream())
    assert (await serial(client, nginx.plain))[0] == first[0]


async def test_http2_shares_one_connection(world: World, site: Site) -> None:
    client = world.client(site)

    async def port() -> int:
        echo = await do((await do(client.get(site.url + "/echo"))).json())
        return int(echo["client_port"])

    ports = await world.together(*[port] * 12)
    assert all(isinstance(one, int) for one in ports), ports
    assert (len(set(ports)) == 1) == (site.protocol == "HTTP/2")


async def test_a_server_that_closes_idle_connections(world: World, nginx: Nginx) -> None:
    client = world.client()
    for _ in range(8):
        assert (await do(client.get(nginx.short + "/small"))).status_code == 200
        assert (await do(client.post(nginx.short + "/sink", data=b"x"))).status_code == 200


async def test_replay_may_be_turned_off(world: World, start_server: Any) -> None:
    def once(connection: Any) -> None:
        assert read_request(connection)
        connection.sendall(answer(b"one"))
        assert read_request(connection)

    server = start_server(once, answering(answer(b"two")))
    client = world.client(replay=False)
    assert (await do(client.get(server.url))).content == b"one"
    await raised(http3.TransportError, lambda: client.get(server.url))


async def test_a_streamed_response_outlives_its_client(world: World, site: Site) -> None:
    client = world.client(site)
    response = await do(client.get(site.url + "/download/3000000", stream=True))
    await do(client.close())
    assert len(await do(response.read())) == 3_000_000
    await raised(http3.ClientClosed, lambda: client.get(site.url + "/json"))


def test_a_client_within_a_running_loop(site: Site) -> None:
    async def main() -> list[int]:
        with http3.Client(**site.options) as client:
            return [client.get(site.url + "/json").status_code for _ in range(3)]

    assert asyncio.run(main()) == [200, 200, 200]
