"""What a server can grow has an end: each attack ends with an exception that says so, the client works on."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

import http3
from http3_transport.testing import HTTP2Frames, Script, ScriptedConnection, ScriptedServer, response_bytes
from support import attacks
from support.servers import Authority
from support.worlds import World, collect, do, raised

pytestmark = pytest.mark.thorough

LIMITS = http3.TimeoutConfig(connect_timeout=5, read_timeout=0.3, write_timeout=5, total_timeout=1.5)

EXPECTED_HTTP11: dict[str, type[Exception] | None] = {
    "fields without end": http3.ResponseTooLarge,
    "a field without end": http3.ResponseTooLarge,
    "a status line without end": http3.ResponseTooLarge,
    "informational heads without end": http3.RemoteProtocolError,
    "an informational head without end": http3.ResponseTooLarge,
    "a chunk's extension without end": http3.RemoteProtocolError,
    "a chunk's size without end": http3.RemoteProtocolError,
    "trailers without end": http3.ResponseTooLarge,
    "a trailer without end": http3.ResponseTooLarge,
    "small chunks": http3.TotalTimeout,
    "a body without end": http3.TotalTimeout,
    "bytes behind the answer": None,
    "cookies": http3.ResponseTooLarge,
}

EXPECTED_HTTP2: dict[str, type[Exception] | None] = {
    "a bomb of header fields": http3.ResponseTooLarge,
    "CONTINUATION without end": http3.RemoteProtocolError,
    "empty CONTINUATION without end": http3.RemoteProtocolError,
    "informational heads without end": http3.RemoteProtocolError,
    "trailers without end": http3.RemoteProtocolError,
    "SETTINGS without end": http3.TransportError,
    "SETTINGS of all identifiers": http3.RemoteProtocolError,
    "PRIORITY without end": http3.RemoteProtocolError,
    "PUSH_PROMISE without end": http3.RemoteProtocolError,
    "GOAWAY without end": http3.RemoteProtocolError,
    "PING without end": http3.TransportError,
    "RST_STREAM without end": http3.RemoteProtocolError,
    "WINDOW_UPDATE without end": http3.RemoteProtocolError,
    "empty DATA without end": http3.TransportError,
    "padding without end": http3.TransportError,
    "DATA beyond the window": http3.TransportError,
    "unknown frames without end": http3.TransportError,
}


def test_all_attacks_are_here() -> None:
    assert EXPECTED_HTTP11.keys() == attacks.FLOODS_HTTP11.keys()
    assert EXPECTED_HTTP2.keys() == attacks.FLOODS_HTTP2.keys()


async def attacked(world: World, script: Script, version: str, expected: Any, *, reads: bool = True) -> None:
    with ScriptedServer(script) as server:
        client = world.client(http_versions=(version,), timeout=LIMITS)
        assert (await do(client.get(server.url))).content == attacks.GOOD
        error: http3.RequestError | None = None
        try:
            response = await do(client.get(f"{server.url}/attack", stream=True))
            if reads:
                await do(response.read())
            await do(response.close())
        except http3.RequestError as exc:
            error = exc
        assert error is None if expected is None else isinstance(error, expected), repr(error)
        assert await next_answer(client, server.url) == attacks.GOOD
        await do(client.close())


async def next_answer(client: Any, url: str) -> bytes:
    """Where a server goes on sending, a request or two may get stuck behind what is on its way."""
    for _ in range(3):
        try:
            content: bytes = (await do(client.get(url))).content
        except http3.ReadTimeout:
            continue
        return content
    raise AssertionError("the client is of no use any more")


@pytest.mark.parametrize("attack", EXPECTED_HTTP11)
async def test_http11(world: World, attack: str) -> None:
    await attacked(world, attacks.serve_http11(attack), "HTTP/1.1", EXPECTED_HTTP11[attack])


@pytest.mark.parametrize("attack", EXPECTED_HTTP2)
async def test_http2(world: World, attack: str) -> None:
    await attacked(world, attacks.serve_http2(attack), "HTTP/2", EXPECTED_HTTP2[attack])


@pytest.mark.parametrize("coding", attacks.BOMBS)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_bombs_that_are_kept(world: World, coding: str, version: str) -> None:
    """Whatever the coding, 16 MiB at most, or 250 times what was received."""
    serve = attacks.serve_http11 if version == "HTTP/1.1" else attacks.serve_http2
    await attacked(world, serve(coding), version, http3.DecodedSizeExceeded)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_bombs_that_are_given_up_unread(world: World, version: str) -> None:
    serve = attacks.serve_http11 if version == "HTTP/1.1" else attacks.serve_http2
    await attacked(world, serve("zstd"), version, None, reads=False)


# what is bounded beyond a message


async def lines_of(response: Any) -> list[Any]:
    return await collect(response.iter_lines())


def serve_body(body: bytes, **headers: str) -> Script:
    def script(connection: ScriptedConnection) -> None:
        while connection.read_request().target != "/attack":
            connection.write(response_bytes(attacks.GOOD))
        connection.write(response_bytes(body, headers=headers))

    return script


async def refused(world: World, script: Script, take: Any, **options: Any) -> Any:
    """The DecodedSizeExceeded of ``take(response)``; the body is given up, the next request is served."""
    with ScriptedServer(script) as server:
        client = world.client(timeout=5, **options)
        response = await do(client.get(f"{server.url}/attack", stream=True))
        error = await raised(http3.DecodedSizeExceeded, take, response)
        assert error.delivery is http3.Delivery.MAYBE_PROCESSED
        assert str(error.request.url) == f"{server.url}/attack"
        assert response.is_closed
        assert (await do(client.get(server.url))).content == attacks.GOOD
        await do(client.close())
    return error


async def test_lines_that_are_bombs(world: World) -> None:
    body = gzip.compress(b"first\n" + b"a" * (64 << 20), mtime=0)
    script = serve_body(body, **{"Content-Encoding": "gzip"})
    error = await refused(world, script, lines_of)
    assert "max_ratio=250" in str(error)


async def test_lines_beyond_a_limit_of_the_callers(world: World) -> None:
    script = serve_body(b"a\n" + b"b" * 5000)
    error = await refused(world, script, lines_of, limits=http3.Limits(max_decoded=4096))
    assert "max_decoded=4096 bytes. Use iter_text()" in str(error)


async def test_long_lines_are_lines(world: World) -> None:
    """Of 20 MB, as sent and encoded with an honest ratio."""
    line = b"0123456789abcdef" * (20 << 16)
    for body, headers in [(line, {}), (gzip.compress(line, 1), {"Content-Encoding": "gzip"})]:
        with ScriptedServer(serve_body(body, **headers)) as server:
            client = world.client(timeout=20)
            response = await do(client.get(f"{server.url}/attack", stream=True))
            assert [len(found) for found in await lines_of(response)] == [len(line)]
            await do(client.close())


async def test_redirects_without_end(world: World) -> None:
    targets = []

    def script(connection: ScriptedConnection) -> None:
        while True:
            targets.append(connection.read_request().target)
            where = {"Location": f"/{len(targets)}"}
            connection.write(response_bytes(b"", status="302 Found", headers=where))

    with ScriptedServer(script) as server:
        client = world.client(timeout=LIMITS)
        await raised(http3.TooManyRedirects, client.get, f"{server.url}/0")
        assert targets == [f"/{number}" for number in range(21)]
        await do(client.close())


@pytest.mark.parametrize("size", [60_000, None])
async def test_bodies_of_redirects(world: World, size: int | None) -> None:
    """A small one is read, so that the connection goes on; one without end is not."""
    connections = []

    def script(connection: ScriptedConnection) -> None:
        connections.append(connection)
        while connection.read_request().target != "/attack":
            connection.write(response_bytes(attacks.GOOD))
        head = b"HTTP/1.1 302 Found\r\nLocation: /\r\n"
        if size is None:
            connection.write(head + b"\r\n")
            connection.flood(b"a" * 65536)
        else:
            connection.write(head + b"Content-Length: %d\r\n\r\n" % size + bytes(size))
            connection.read_request()
            connection.write(response_bytes(attacks.GOOD))

    with ScriptedServer(script) as server:
        client = world.client(timeout=LIMITS)
        assert (await do(client.get(f"{server.url}/attack"))).content == attacks.GOOD
        assert len(connections) == (1 if size is not None else 2)
        await do(client.close())


async def test_challenges_without_end(world: World) -> None:
    """Each says that merely its nonce was stale, at length."""
    requests = []

    def script(connection: ScriptedConnection) -> None:
        while True:
            requests.append(connection.read_request())
            nonce = f"{len(requests)}" + "n" * 60_000
            challenge = f'Digest realm="r", qop="auth", stale=true, nonce="{nonce}"'
            headers = {"WWW-Authenticate": challenge}
            connection.write(response_bytes(b"", status="401 Unauthorized", headers=headers))

    with ScriptedServer(script) as server:
        client = world.client(timeout=LIMITS, auth=http3.DigestAuth("user", "secret"))
        assert (await do(client.get(server.url))).status_code == 401
        assert len(requests) == 3
        await do(client.close())


async def test_cookies_of_a_domain(world: World) -> None:
    lines = [f"Set-Cookie: c{number}=v" for number in range(200)]
    lines += ["Set-Cookie: large=" + "v" * 4096]
    with ScriptedServer(attacks.serve_answer(attacks.answer(b"", *lines, "Content-Length: 0"))) as server:
        client = world.client(timeout=LIMITS)
        await do(client.get(f"{server.url}/attack"))
        assert sorted(client.cookies) == sorted(f"c{number}" for number in range(20, 200))
        await do(client.close())


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_answers_without_end_during_an_upload(world: World, version: str) -> None:
    serve = attacks.serve_early_http11 if version == "HTTP/1.1" else attacks.serve_early_http2
    with ScriptedServer(serve) as server:
        limits = http3.TimeoutConfig(timeout=0.3, total_timeout=1.5)
        client = world.client(http_versions=(version,), timeout=limits)
        assert (await do(client.get(server.url))).content == attacks.GOOD
        await raised(http3.TransportError, client.put, f"{server.url}/attack", data=bytes(1 << 24))
        assert await next_answer(client, server.url) == attacks.GOOD
        await do(client.close())


@pytest.fixture
def long_chain(authority: Authority, tmp_path: Path) -> str:
    """A certificate file with 400 certificates behind the server's."""
    chain = tmp_path / "chain.pem"
    chain.write_text(Path(authority.server_cert).read_text() + Path(authority.ca_file).read_text() * 400)
    return str(chain)


async def test_chains_of_certificates_without_end(
    world: World, authority: Authority, long_chain: str
) -> None:
    """OpenSSL takes 100 KiB."""
    context = authority.server_context("http/1.1")
    context.load_cert_chain(long_chain, authority.server_key)
    with ScriptedServer(lambda connection: connection.stall(), ssl_context=context) as server:
        client = world.client(verify=authority.ca_file, timeout=LIMITS)
        await raised(http3.TLSError, client.get, server.url)
        await do(client.close())


async def test_streams_that_nobody_reads(world: World) -> None:
    """Each gets its window and no more, in however small frames; what came is in order; others go on."""
    count, size = 4, 4000
    rest = (attacks.WINDOW - 2 * size) // attacks.FRAME * attacks.FRAME
    updates: list[int] = []

    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        streams: list[int] = []
        while len(streams) < count:
            streams.append(frames.read_request()[0])
            frames.send_head(streams[-1])
        for number in range(size):
            for stream in streams:
                frames.send_body(stream, b"%02d" % (number % 100), end=False)
        for stream in streams:
            for _ in range(rest // attacks.FRAME):
                frames.send_body(stream, b"a" * attacks.FRAME, end=False)
        frame = frames.read()
        while frame.type != 1:
            updates.append(frame.stream_id)
            frame = frames.read()
        frames.send_head(frame.stream_id)
        frames.send_body(frame.stream_id, attacks.GOOD)
        for stream in streams:
            frames.send_body(stream, b"b" * 5)
        connection.stall()

    with ScriptedServer(script) as server:
        client = world.client(http_versions=("HTTP/2",), timeout=5)
        unread = [await do(client.get(f"{server.url}/attack", stream=True)) for _ in range(count)]
        assert (await do(client.get(server.url))).content == attacks.GOOD
        assert set(updates) <= {0}
        begin = b"".join(b"%02d" % (number % 100) for number in range(size))
        for response in unread:
            content = await do(response.read())
            assert content == begin + b"a" * rest + b"b" * 5
        await do(client.close())
