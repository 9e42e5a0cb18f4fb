"""What a server can grow has an end: each attack ends with an exception that says so, the client works on."""

from __future__ import annotations

from typing import Any

import pytest

import attacks
import http3
from http3_transport.testing import Script, ScriptedServer
from worlds import World, do

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
    "PING without end": http3.TransportError,
    "RST_STREAM without end": http3.RemoteProtocolError,
    "WINDOW_UPDATE without end": http3.RemoteProtocolError,
    "empty DATA without end": http3.TransportError,
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
    expected: Any = http3.DecodedSizeExceeded
    if (coding, version) == ("gzip", "HTTP/2"):
        expected = (http3.DecodedSizeExceeded, http3.Timeout)  # what was sent may be below the bound
    await attacked(world, serve(coding), version, expected)


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_bombs_that_are_given_up_unread(world: World, version: str) -> None:
    serve = attacks.serve_http11 if version == "HTTP/1.1" else attacks.serve_http2
    await attacked(world, serve("zstd"), version, None, reads=False)
