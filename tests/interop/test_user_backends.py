"""Backends of the user's, in the shape they had in 0.6.7, and our own by name (docs/transports.md)."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

import http3
from support.servers import Nginx
from support.worlds import Site, World, collect, do, raised

# --- a backend of 0.6.7's shape, on asyncio's streams -------------------------------------------------


class Reader(http3.BaseReader):
    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def read(self, n: int, timeout: Any = None, flag: Any = None) -> bytes:
        limit = getattr(timeout, "read_timeout", None)
        try:
            return await asyncio.wait_for(self._reader.read(n), limit)
        except TimeoutError:
            raise http3.ReadTimeout from None

    def is_connection_dropped(self) -> bool:
        return self._reader.at_eof()


class Writer(http3.BaseWriter):
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write_no_block(self, data: bytes) -> None:
        self._writer.write(data)

    async def write(self, data: bytes, timeout: Any = None) -> None:
        self._writer.write(data)
        await asyncio.wait_for(self._writer.drain(), getattr(timeout, "write_timeout", None))

    async def close(self) -> None:
        self._writer.transport.abort()  # close() would want somebody to wait for it


class Backend(http3.ConcurrencyBackend):
    """What a user of 0.6.7 wrote."""

    def __init__(self) -> None:
        self.connects: list[tuple[str, int, bool]] = []

    async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
        self.connects.append((hostname, port, ssl_context is not None))
        try:
            reader, writer = await asyncio.wait_for(
                asyncio.open_connection(hostname, port, ssl=ssl_context),
                getattr(timeout, "connect_timeout", None),
            )
        except TimeoutError:
            raise http3.ConnectTimeout from None
        tls = writer.get_extra_info("ssl_object")
        protocol = http3.Protocol.HTTP_11
        if isinstance(tls, ssl.SSLObject) and tls.selected_alpn_protocol() == "h2":
            protocol = http3.Protocol.HTTP_2
        return Reader(reader), Writer(writer), protocol


async def test_a_backend_of_0_6_7(world: World, site: Site) -> None:
    if world.name == "trio":
        pytest.skip("asyncio's streams need asyncio")
    if site.name == "h2-prior":
        pytest.skip("such a backend learns the protocol from ALPN")
    backend = Backend()
    client = world.client(site, backend=backend)
    for number in range(3):
        response = await do(client.post(site.url + "/echo", data=b"x" * 100_000, params={"n": number}))
        assert response.status_code == 200
        assert response.protocol == site.protocol
        assert len((await do(response.json()))["body"]) == 100_000
    streamed = await do(client.get(site.url + "/download/500000", stream=True))
    assert sum(map(len, await collect(streamed.stream()))) == 500_000
    assert len(backend.connects) == 1
    assert backend.connects[0][2] == site.is_tls
    error = await raised(http3.ReadTimeout, lambda: client.get(site.url + "/delay/3", timeout=0.2))
    assert site.url in str(error)
    assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_a_backend_that_cannot_connect(world: World, plain: Site) -> None:
    if world.name == "trio":
        pytest.skip("asyncio's streams need asyncio")
    client = world.client(plain, backend=Backend())
    error = await raised(http3.ConnectError, lambda: client.get("http://127.0.0.1:1/"))
    assert "127.0.0.1:1" in str(error)


async def test_a_subclass_that_overrides_connect(world: World, nginx: Nginx) -> None:
    if world.name == "trio":
        pytest.skip("AsyncioBackend needs asyncio")
    calls: list[str] = []

    class Elsewhere(http3.AsyncioBackend):
        async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
            calls.append(hostname)
            return await super().connect("127.0.0.1", port, ssl_context, timeout)

    client = world.client(backend=Elsewhere())
    url = nginx.plain.replace("127.0.0.1", "nowhere.invalid")
    assert (await do(client.get(url + "/small"))).content == b"hello\n"
    assert (await do(client.get(url + "/small"))).content == b"hello\n"
    assert calls == ["nowhere.invalid"]


async def test_our_own_backends_by_name(world: World, site: Site) -> None:
    kinds = {"sync": http3.BlockingBackend, "asyncio": http3.AsyncioBackend, "trio": http3.TrioBackend}
    client = world.client(site, backend=kinds[world.name]())
    assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_what_is_no_backend(world: World, plain: Site) -> None:
    async def ask() -> Any:
        return await do(world.client(backend=42).get(plain.url + "/json"))

    assert "backend" in str(await raised(TypeError, ask))


async def test_a_backend_of_another_library_works_or_says_why_not(world: World, plain: Site) -> None:
    backend = http3.AsyncioBackend() if world.name == "trio" else http3.TrioBackend()
    why = ""
    try:
        await do(world.client(backend=backend).get(plain.url + "/json"))
    except (RuntimeError, TypeError) as exc:
        why = str(exc)
    assert why == "" or "Backend" in why
