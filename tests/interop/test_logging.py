"""No logger of any library shows a header, at whatever level and in whatever direction."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

import http3
from http3_transport._http2 import fast_h2
from http3_transport.testing import HTTP2Frames, ScriptedConnection, ScriptedServer
from support.secrecy import HEADERS, MARK, SET_COOKIE
from support.servers import Authority
from support.worlds import Site, World, collect, do, raised

LONG_MARK = f"{MARK}-long-enough-to-be-indexed"
"""A cookie of 20 bytes and more is put into HPACK's table."""

SET_COOKIES = [
    ("set-cookie", f"sid={LONG_MARK}; Path=/"),
    ("set-cookie", f"{MARK}={MARK}"),
    ("authentication-info", f"nextnonce={MARK}"),
]


QUERY = re.compile(r"\?[^\s']+")


class Everything(logging.Handler):
    """Keeps all records as text, with the values that they were made of."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, without the queries of URLs, which are shown."""
        text = f"{record.name}: {self.format(record)} {record.args!r}"
        self.texts.append(QUERY.sub("?", text))

    def secrets(self) -> list[str]:
        """Records that show a header. (asyncio logs at length, but nothing of what is sent.)"""
        return [text[:300] for text in self.texts if MARK in text or "Bearer" in text]


@pytest.fixture
def records() -> Iterator[Everything]:
    """What is logged during a test, by any logger, at level DEBUG."""
    root, handler = logging.getLogger(), Everything()
    names = ("h11", "h2", "hpack", "hpack.hpack", "hpack.table", "hyperframe", "http3", "asyncio", "trio")
    loggers = [root, *map(logging.getLogger, names)]
    levels = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(params=[True, False], ids=["tamed", "plain-h2"])
def h2(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our h2, and the one that serves where a version of it lacks what ours stands on."""
    monkeypatch.setattr(fast_h2, "IS_FAST", request.param)


def watch_loop(world: World) -> None:
    """In asyncio's debug mode every callback is logged that takes any time at all."""
    if world.name == "asyncio":
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        loop.slow_callback_duration = 0.0


def secret_client(world: World, site: Site | None = None, **options: Any) -> Any:
    """Sends secrets in many fields."""
    headers = {**HEADERS, "X-Auth-Token": MARK, "Cookie": f"a={LONG_MARK}"}
    return world.client(site, auth=("me", LONG_MARK), headers=headers, cookies={"b": LONG_MARK}, **options)


async def test_of_requests_and_responses(world: World, site: Site, records: Everything) -> None:
    watch_loop(world)
    client = secret_client(world, site)
    for _ in range(3):  # what was in HPACK's table comes from there
        for body in ({}, {"data": b"x" * 100_000}, {"json": {"a": MARK}}):
            await do(client.request("POST" if body else "GET", site.url + "/echo", **body))
        await do(client.get(site.url + f"/cookies/set?sid={LONG_MARK}&b={MARK}"))
        response = await do(client.get(site.url + "/trailers", stream=True))
        await collect(response.stream())
    assert not records.secrets()
    assert any(text.startswith("http3.pool: opened") for text in records.texts)


async def test_of_huffman_code_and_evictions(world: World, records: Everything, h2: None) -> None:
    """A server that packs its strings, changes the sizes of both tables, and sends trailers."""
    watch_loop(world)

    def script(connection: ScriptedConnection) -> None:
        frames = HTTP2Frames(connection)
        frames.handshake()
        sizes = iter((4096, 0, 65536, 4096, 100, 0))
        while True:
            stream_id, _, _ = frames.read_request()
            frames._encoder.header_table_size = next(sizes, 4096)
            frames.send_head(stream_id, 200, SET_COOKIES)
            frames.send_body(stream_id, b"abc", end=False)
            frames.send(1, 0x4 | 0x1, stream_id, frames.encode(SET_COOKIES))
            frames.send(4, payload=(1).to_bytes(2, "big") + next(sizes, 4096).to_bytes(4, "big"))

    with ScriptedServer(script) as server:
        client = secret_client(world, http_versions=("HTTP/2",))
        for _ in range(6):
            response = await do(client.get(server.url))
            assert response.trailers["set-cookie"] == ", ".join(value for _, value in SET_COOKIES[:2])
        await do(client.close())
    assert not records.secrets()


def failing_http2(connection: ScriptedConnection) -> None:
    """Breaks the header block behind a secret one."""
    frames = HTTP2Frames(connection)
    frames.handshake()
    stream_id, _, _ = frames.read_request()
    block = frames.encode([(":status", "200"), *SET_COOKIES])
    frames.send(1, 0x4, stream_id, block + b"\xff\xff\xff\xff\xff\x7f")
    connection.stall()


def failing_http11(connection: ScriptedConnection) -> None:
    """Breaks a line that is secret."""
    connection.read_request()
    connection.write(b"HTTP/1.1 200 OK\r\n" + SET_COOKIE[:-2] + b"\x00\r\n\r\n")
    connection.stall()


@pytest.mark.parametrize(("version", "script"), [("HTTP/1.1", failing_http11), ("HTTP/2", failing_http2)])
@pytest.mark.parametrize("tls", [False, True])
async def test_of_failures(
    world: World, records: Everything, authority: Authority, version: str, script: Any, tls: bool
) -> None:
    watch_loop(world)
    alpn = "h2" if version == "HTTP/2" else "http/1.1"
    with ScriptedServer(script, ssl_context=authority.server_context(alpn) if tls else None) as server:
        client = secret_client(world, verify=authority.ca_file, http_versions=(version,))
        await raised(http3.RemoteProtocolError, client.get, server.url)
        await do(client.close())
    assert not records.secrets()
