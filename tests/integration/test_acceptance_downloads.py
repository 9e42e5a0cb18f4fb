"""Response bodies: streamed in every way, and cut off in every way (api.md section 7)."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest

import http3
from support.http2_peer import CHUNKED_TRAILERS, Peer, answer_with_trailers
from support.servers import Authority, Nginx, answer, answering, read_request
from support.worlds import Site, World, collect, do, raised

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


@pytest.mark.parametrize("size", [1000, 7777, 65536, 1_000_000])
@pytest.mark.parametrize("method", ["stream", "raw"])
async def test_chunks_of_an_exact_size(world: World, two_ways: Site, method: str, size: int) -> None:
    response = await streamed(world.client(two_ways), f"{two_ways.url}/download/{SIZE}")
    chunks = await collect(getattr(response, method)(size))
    assert {len(chunk) for chunk in chunks[:-1]} <= {size}
    assert 0 < len(chunks[-1]) <= size
    assert sum(map(len, chunks)) == SIZE


async def test_raw_is_as_sent(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    response = await streamed(client, two_ways.url + "/gzip")
    raw = b"".join(await collect(response.raw()))
    assert raw[:2] == b"\x1f\x8b"
    decoded = b"".join(await collect((await streamed(client, two_ways.url + "/gzip")).stream()))
    assert decoded.startswith(b'{"compressed": true}')


async def test_lines_and_text(world: World, site: Site) -> None:
    client = world.client(site)
    lines = await collect((await streamed(client, site.url + "/stream")).iter_lines())
    assert lines == [f"line {number}" for number in range(5)]
    text = "".join(await collect((await streamed(client, site.url + "/stream")).iter_text()))
    assert text == "".join(f"line {number}\n" for number in range(5))


async def test_parts_come_while_the_server_still_sends(world: World, site: Site) -> None:
    response = await streamed(world.client(site), site.url + "/drip/0.5")
    iterator = response.stream()
    first = await anext(iterator) if world.is_async else next(iterator)
    assert len(first) < 5
    assert not response.is_closed
    await do(response.close())


async def test_a_streamed_response_remembers_what_was_done(world: World, site: Site) -> None:
    client = world.client(site)
    url = f"{site.url}/download/{SIZE}"
    response = await streamed(client, url)
    with pytest.raises(http3.ResponseNotRead):
        response.content  # noqa: B018
    with pytest.raises(http3.ResponseNotRead):
        response.text  # noqa: B018
    assert len(await do(response.read())) == SIZE
    assert len(response.content) == SIZE
    assert sum(map(len, await collect(response.stream()))) == SIZE
    consumed = await streamed(client, url)
    await collect(consumed.stream())
    with pytest.raises(http3.StreamConsumed):
        await collect(consumed.stream())
    await raised(http3.StreamConsumed, consumed.read)
    closed = await streamed(client, url)
    await do(closed.close())
    assert closed.is_closed
    with pytest.raises(http3.ResponseClosed):
        await collect(closed.stream())
    await raised(http3.ResponseClosed, closed.read)
    await do(closed.close())
    for error in (http3.StreamConsumed, http3.ResponseClosed, http3.ResponseNotRead):
        assert issubclass(error, http3.StreamException)


async def test_with_closes(world: World, site: Site) -> None:
    client = world.client(site)
    response = await streamed(client, f"{site.url}/download/{SIZE}")
    if world.is_async:
        async with response as same:
            assert same is response
    else:
        with response as same:
            assert same is response
    assert response.is_closed
    assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_an_iterator_left_unfinished_harms_nothing(world: World, site: Site) -> None:
    client = world.client(site)
    for _ in range(3):
        response = await streamed(client, f"{site.url}/download/5000000")
        iterator = response.stream(1000)
        assert len(await anext(iterator) if world.is_async else next(iterator)) == 1000
        del iterator
        await do(response.close())
        assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_json_of_a_streamed_response(world: World, two_ways: Site) -> None:
    response = await streamed(world.client(two_ways), two_ways.url + "/json")
    if world.is_async:
        assert (await response.json())["message"] == "hello"
    else:
        response.read()
        assert response.json(parse_int=str)["numbers"] == ["1", "2", "3"]


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


async def test_raise_for_status(world: World, two_ways: Site, nginx: Nginx, authority: Authority) -> None:
    client = world.client(two_ways)
    good = await do(client.get(two_ways.url + "/json"))
    assert good.raise_for_status() is good
    missing = (nginx.plain if two_ways.name == "h1" else nginx.tls_h2) + "/missing"
    for url, text in (
        (missing, "404 Not Found"),
        (two_ways.url + "/status/500", "500"),
        (two_ways.url + "/status/418", "418"),
    ):
        response = await do(client.get(url))
        with pytest.raises(http3.HttpError) as caught:
            response.raise_for_status()
        assert caught.value.response is response
        assert caught.value.request is response.request
        assert text in str(caught.value)
        assert url in str(caught.value)


async def test_links(world: World, plain: Site) -> None:
    field = "%3C/page/2%3E%3B%20rel=next%3B%20title=%22two%22"
    response = await do(world.client().get(f"{plain.url}/answer?h=Link:{field}"))
    assert response.links["next"]["url"].endswith("/page/2")
    assert response.links["next"]["title"] == "two"


@pytest.mark.parametrize("code", [204, 304])
async def test_no_body_whatever_the_headers_say(world: World, plain: Site, code: int) -> None:
    client = world.client(plain)
    head = f"{plain.url}/answer?status={code}&h=Content-Encoding:gzip&length=no"
    assert (await do(client.get(head))).content == b""
    response = await do(client.head(plain.url + "/download/1000"))
    assert response.content == b""
    assert response.headers["content-length"] == "1000"
    assert (await do(client.get(plain.url + "/json"))).status_code == 200


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_trailers(world: World, raw_server: Any, version: str) -> None:
    server = raw_server(answering(CHUNKED_TRAILERS) if version == "HTTP/1.1" else answer_with_trailers)
    response = await streamed(world.client(http_versions=(version,)), server.url)
    assert len(response.trailers) == 0
    assert await do(response.read()) == b"abc"
    assert response.trailers["X-Checksum"] == "1"
    assert "x-checksum" not in response.headers


async def test_early_hints_are_not_the_answer(world: World, two_ways: Site, raw_server: Any) -> None:
    client = world.client(two_ways)
    assert (await do(client.get(two_ways.url + "/early-hints"))).content == b"at last\n"
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3
    assert (await do(client.get(raw_server(answering(hints + answer(b"ok"))).url))).content == b"ok"


async def test_a_body_that_breaks_off(world: World, sites: dict[str, Site]) -> None:
    for site in (sites["h1"], sites["h1-tls"]):
        client = world.client(site)
        error = await raised(http3.RemoteProtocolError, client.get, site.url + "/cut/100000")
        assert error.request.url.path == "/cut/100000"
        assert f"{site.url}/cut/100000" in str(error)
        assert error.delivery == "maybe_processed"
        assert error.timings.wait is not None
        response = await streamed(client, site.url + "/cut/100000")
        await raised(http3.RemoteProtocolError, response.read)
        assert response.is_closed
        assert (await do(client.get(site.url + "/json"))).status_code == 200


CUTS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n",
    "head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n",
}


@pytest.mark.parametrize("cut", CUTS)
async def test_cut_http11(world: World, raw_server: Any, cut: str) -> None:
    server = raw_server(answering(CUTS[cut]), answering(CUTS[cut]), answering(answer(b"fine")))
    client = world.client()
    error = await raised(http3.RemoteProtocolError, lambda: client.post(server.url, data=b"x"))
    assert server.url in str(error)
    response = None
    try:
        response = await do(client.post(server.url, data=b"x", stream=True))
    except http3.RemoteProtocolError:
        assert "head" in cut
    if response is not None:
        with pytest.raises(http3.RemoteProtocolError):
            await collect(response.stream())
        assert response.is_closed
    assert (await do(client.post(server.url, data=b"x"))).content == b"fine"


async def test_a_body_until_the_end_of_the_connection(
    world: World, raw_server: Any, authority: Authority
) -> None:
    until_close = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
    plain = raw_server(answering(until_close))
    assert (await do(world.client().get(plain.url))).content == b"until the end"

    def cut(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(until_close)
        connection.shutdown(socket.SHUT_RDWR)

    def clean(connection: socket.socket) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        read_request(connection)
        connection.sendall(until_close)
        connection.unwrap()

    server = raw_server(cut, clean, tls=authority.server_context())
    client = world.client(verify=authority.ca_file)
    error = await raised(http3.RemoteProtocolError, lambda: client.post(server.url))
    assert server.url in str(error)
    assert (await do(client.post(server.url))).content == b"until the end"


async def test_http2_that_breaks_off(world: World, raw_server: Any) -> None:
    def reset(connection: socket.socket) -> None:
        peer = Peer(connection)
        request = peer.request()
        peer.head(request.stream_id, 200, [("content-length", "10")])
        peer.data(request.stream_id, b"abc")
        peer.h2.reset_stream(request.stream_id, 2)
        peer.flush()
        again = peer.request(1)
        peer.respond(again.stream_id, b"fine")
        third = peer.request(2)
        peer.head(third.stream_id, 200, [("content-length", "10")])
        peer.data(third.stream_id, b"abc", end=True)
        peer.until_closed()

    server = raw_server(reset)
    client = world.client(http_versions=("HTTP/2",))
    error = await raised(http3.RemoteProtocolError, lambda: client.post(server.url))
    assert server.url in str(error)
    assert (await do(client.get(server.url))).content == b"fine"
    await raised(http3.RemoteProtocolError, lambda: client.post(server.url))
    assert server.connections == 1


async def test_big_bodies_from_nginx(world: World, nginx: Nginx, authority: Authority) -> None:
    expected = nginx.big_file.read_bytes()
    client = world.client(verify=authority.ca_file)
    for url in (nginx.plain, nginx.tls, nginx.tls_h2):
        assert (await do(client.get(url + "/big"))).content == expected
    prior = world.client(http_versions=("HTTP/2",))
    response = await streamed(prior, nginx.h2c + "/big")
    assert b"".join(await collect(response.stream())) == expected
