"""Bodies of responses of real servers, whole and streamed (docs/streaming.md)."""

from __future__ import annotations

from typing import Any

import pytest

import http3
from http3_transport.testing import ScriptedServer, cutting, response_bytes
from support.servers import Authority, Nginx
from support.worlds import Site, World, collect, do

SIZE = 300_000


async def streamed(client: Any, url: str, **options: Any) -> Any:
    return await do(client.get(url, stream=True, **options))


@pytest.mark.parametrize("length", ["", "?length=no"])
async def test_stream(world: World, site: Site, length: str) -> None:
    client = world.client(site)
    whole = await do(client.get(f"{site.url}/download/{SIZE}{length}"))
    assert len(whole.content) == SIZE
    response = await streamed(client, f"{site.url}/download/{SIZE}{length}")
    assert not response.is_stream_consumed
    chunks = await collect(response.stream())
    assert b"".join(chunks) == whole.content
    assert len(chunks) > 1
    assert response.is_stream_consumed
    assert response.is_closed


async def test_raw_is_as_sent(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    response = await streamed(client, two_ways.url + "/gzip")
    raw = b"".join(await collect(response.raw()))
    assert raw[:2] == b"\x1f\x8b"
    decoded = b"".join(await collect((await streamed(client, two_ways.url + "/gzip")).stream()))
    assert decoded.startswith(b'{"compressed": true}')


async def test_bytes_taken_from_the_wire_are_counted_as_sent(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    whole = await do(client.get(two_ways.url + "/gzip"))
    response = await streamed(client, two_ways.url + "/gzip")
    assert response.num_bytes_downloaded == 0
    sent = b"".join(await collect(response.raw()))
    assert response.num_bytes_downloaded == whole.num_bytes_downloaded == len(sent) < len(whole.content)
    for length in ("", "?length=no"):
        large = await do(client.get(f"{two_ways.url}/download/{SIZE}{length}"))
        assert large.num_bytes_downloaded == SIZE
    response = await streamed(client, f"{two_ways.url}/download/{SIZE}")
    iterator = response.stream()
    piece = await anext(iterator) if world.is_async else next(iterator)
    assert response.num_bytes_downloaded == len(piece) < SIZE
    await do(response.close())
    assert response.num_bytes_downloaded == len(piece)


@pytest.mark.parametrize("kept", [10_000, 250_000])
async def test_bytes_that_came_before_a_cut_are_counted(world: World, kept: int) -> None:
    answer = response_bytes(b"x" * SIZE)
    with ScriptedServer(cutting(answer, len(answer) - SIZE + kept)) as server:
        response = await streamed(world.client(), server.url)
        with pytest.raises(http3.RemoteProtocolError):
            await do(response.read())
        assert response.num_bytes_downloaded == kept


async def test_parts_come_while_the_server_still_sends(world: World, site: Site) -> None:
    response = await streamed(world.client(site), site.url + "/drip/0.5")
    iterator = response.stream()
    first = await anext(iterator) if world.is_async else next(iterator)
    assert len(first) < 5
    assert not response.is_closed
    await do(response.close())


async def test_an_iterator_left_unfinished_harms_nothing(world: World, site: Site) -> None:
    client = world.client(site)
    for _ in range(3):
        response = await streamed(client, f"{site.url}/download/5000000")
        iterator = response.stream(1000)
        assert len(await anext(iterator) if world.is_async else next(iterator)) == 1000
        del iterator
        await do(response.close())
        assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_what_a_response_tells(world: World, site: Site) -> None:
    response = await do(world.client(site).get(site.url + "/json"))
    # hypercorn's HTTP/1.1 sends an empty reason phrase, HTTP/2 has none.
    assert repr(response) in (f"<{type(response).__name__} [200 OK]>", f"<{type(response).__name__} [200]>")
    assert response.reason_phrase in ("OK", "")
    assert response.protocol == site.protocol
    assert (response.is_success, response.ok, response.is_error, response.is_redirect) == (
        True,
        True,
        False,
        False,
    )
    assert response.url == http3.URL(site.url + "/json")
    assert 0 < response.elapsed.total_seconds() < 5
    assert response.connection.peer_address == ("127.0.0.1", response.url.port)
    assert response.connection.local_address[0] == "127.0.0.1"
    assert response.connection.tls_version == ("TLSv1.3" if site.is_tls else None)
    assert bool(response.connection.peer_certificate) == site.is_tls
    assert response.timings.connect is not None
    assert response.timings.wait >= 0
    assert (response.timings.tls is not None) == site.is_tls
    assert len(response.trailers) == 0
    assert response.history == [] or response.history == ()
    assert response.request.method == "GET"
    for name in ("pool", "dns", "connect", "tls", "send", "wait", "receive"):
        assert hasattr(response.timings, name)
    again = await do(world.client(site).get(site.url + "/status/404"))
    assert (again.is_client_error, again.is_error, again.ok) == (True, True, False)
    failed = await do(world.client(site).get(site.url + "/status/503"))
    assert (failed.is_server_error, failed.is_client_error) == (True, False)


async def test_big_bodies_from_nginx(world: World, nginx: Nginx, authority: Authority) -> None:
    expected = nginx.big_file.read_bytes()
    client = world.client(verify=authority.ca_file)
    for url in (nginx.plain, nginx.tls, nginx.tls_h2):
        assert (await do(client.get(url + "/big"))).content == expected
    prior = world.client(http_versions=("HTTP/2",))
    response = await streamed(prior, nginx.h2c + "/big")
    assert b"".join(await collect(response.stream())) == expected
