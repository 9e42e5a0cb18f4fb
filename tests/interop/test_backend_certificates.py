"""Backends whose ``connect`` goes to another host than the URL's: its certificate is to be for the URL's."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import http3
from support.servers import Authority
from support.worlds import World, do, raised

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def received() -> list[bytes]:
    """What the server read after its handshakes."""
    return []


@pytest.fixture
def port(start_server: Any, authority: Authority, received: list[bytes]) -> int:
    """A TLS server with a certificate for localhost, 127.0.0.1 and ::1."""

    def script(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            received.append(data)
            connection.sendall(ANSWER)

    url: str = start_server(script, tls=authority.server_context("http/1.1")).url
    return int(url.rpartition(":")[2])


class Reader(http3.BaseReader):
    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def read(self, n: int, timeout: Any = None, flag: Any = None) -> bytes:
        return await self._reader.read(n)


class Silent(http3.BaseWriter):
    """Says nothing of TLS."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def write_no_block(self, data: bytes) -> None:
        self._writer.write(data)

    async def write(self, data: bytes, timeout: Any = None) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.transport.abort()


class LikeAsyncio(Silent):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._writer.get_extra_info(name, default)


class As067(Silent):
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self.stream_writer = writer


class ByAttribute(Silent):
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        super().__init__(writer)
        self.ssl_object = writer.get_extra_info("ssl_object")


REPORTING = [LikeAsyncio, As067, ByAttribute]


class Legacy(http3.ConcurrencyBackend):
    """0.6.7's shape, on asyncio's streams; it goes to ``host`` whatever the URL says."""

    def __init__(self, writer: type[Silent], host: str, context: Callable[[Any], Any] = lambda given: given):
        self._writer = writer
        self._host = host
        self._context = context

    async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
        reader, writer = await asyncio.open_connection(self._host, port, ssl=self._context(ssl_context))
        return Reader(reader), self._writer(writer), http3.Protocol.HTTP_11


class ToLoopback:
    """Goes to 127.0.0.1 whatever the URL says; before a backend of ours among the base classes."""

    async def connect(self, hostname: str, port: int, ssl_context: Any, timeout: Any) -> Any:
        connect = super().connect  # type: ignore[misc]
        return await connect("127.0.0.1", port, ssl_context, timeout)


class PinnedToLoopback:
    """Finds 127.0.0.1 whatever the name is."""

    async def resolve(self, host: str, port: int, timeout: float | None) -> Any:
        resolve = super().resolve  # type: ignore[misc]
        return await resolve("127.0.0.1", port, timeout)


OURS: dict[str, type[Any]] = {
    "sync": http3.BlockingBackend,
    "asyncio": http3.AsyncioBackend,
    "trio": http3.TrioBackend,
}


def subclass(world: World, mixin: type) -> Any:
    """A backend of ours with another way to connect, or to resolve."""
    return type("Elsewhere", (mixin, OURS[world.name]), {})()


def backends(world: World) -> list[http3.ConcurrencyBackend]:
    """All that report their TLS; they go to 127.0.0.1."""
    if world.name == "trio":
        return [subclass(world, ToLoopback)]
    return [subclass(world, ToLoopback), *[Legacy(writer, "127.0.0.1") for writer in REPORTING]]


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "[::2]"])
async def test_a_certificate_of_another_host(
    world: World, authority: Authority, port: int, received: list[bytes], host: str
) -> None:
    for backend in backends(world):
        client = world.client(backend=backend, verify=authority.ca_file, auth=("user", "secret"))
        url = f"https://{host}:{port}/x"
        error = await raised(http3.TLSError, client.post, url, data=b"secret")
        assert "certificate is for" in str(error)
        assert "localhost" in str(error)
        assert url in str(error)
        assert error.delivery == "not_sent"
    await world.sleep(0.05)
    assert received == []


async def test_a_certificate_that_is_for_both(
    world: World, authority: Authority, port: int, received: list[bytes]
) -> None:
    for backend in backends(world):
        client = world.client(backend=backend, verify=authority.ca_file)
        for host in ("localhost", "LOCALHOST.", "127.0.0.1", "[::1]"):
            assert (await do(client.get(f"https://{host}:{port}/"))).text == "ok"
    assert received


async def test_the_same_host(world: World, authority: Authority, port: int) -> None:
    for backend in backends(world):
        client = world.client(backend=backend, verify=authority.ca_file)
        assert (await do(client.get(f"https://127.0.0.1:{port}/"))).text == "ok"


async def test_a_handshake_that_fails(world: World, authority: Authority, port: int) -> None:
    """What `ssl` raises in a ``connect`` is a TLSError, too."""
    for backend in backends(world):
        client = world.client(backend=backend, verify=authority.stranger_ca_file)
        error = await raised(http3.TLSError, client.get, f"https://127.0.0.1:{port}/")
        assert "certificate not accepted" in str(error)


async def test_without_verification_nothing_is_compared(
    world: World, authority: Authority, port: int
) -> None:
    context = authority.client_context()
    context.check_hostname = False
    for verify in (False, context):
        for backend in backends(world):
            client = world.client(backend=backend, verify=verify)
            assert (await do(client.get(f"https://nowhere.invalid:{port}/"))).text == "ok"


def unverified(given: Any) -> ssl.SSLContext:
    """A context of the backend's own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def turned_off(given: ssl.SSLContext) -> ssl.SSLContext:
    """The client's context, changed."""
    given.check_hostname = False
    return given


async def test_a_backend_that_does_not_verify(
    world: World, authority: Authority, port: int, received: list[bytes]
) -> None:
    if world.name == "trio":
        pytest.skip("asyncio's streams need asyncio")
    for writer in REPORTING:
        backend = Legacy(writer, "127.0.0.1", unverified)
        client = world.client(backend=backend, verify=authority.ca_file)
        error = await raised(http3.TLSError, client.get, f"https://localhost:{port}/")
        assert "the certificate was not verified; verify=False says that it need not be" in str(error)
        client = world.client(backend=backend, verify=False)
        assert (await do(client.get(f"https://localhost:{port}/"))).text == "ok"
        received.clear()
        # A context of the caller's, so that those of other tests stay as they are.
        context = authority.client_context()
        client = world.client(backend=Legacy(writer, "127.0.0.1", turned_off), verify=context)
        await raised(http3.TLSError, client.get, f"https://nowhere.invalid:{port}/")
        assert received == []


async def test_one_that_reports_nothing_is_believed(world: World, authority: Authority, port: int) -> None:
    if world.name == "trio":
        pytest.skip("asyncio's streams need asyncio")
    client = world.client(backend=Legacy(Silent, "127.0.0.1"), verify=authority.ca_file)
    assert (await do(client.get(f"https://nowhere.invalid:{port}/"))).text == "ok"


async def test_plain_http_has_no_certificate(world: World, start_server: Any) -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(ANSWER)

    port = start_server(script).url.rpartition(":")[2]
    client = world.client(backend=subclass(world, ToLoopback))
    assert (await do(client.get(f"http://nowhere.invalid:{port}/"))).text == "ok"


async def test_a_resolver_of_the_callers(
    world: World, authority: Authority, port: int, received: list[bytes]
) -> None:
    """To override `resolve` changes where a connection goes, and not what its certificate must be for."""
    client = world.client(backend=subclass(world, PinnedToLoopback), verify=authority.ca_file)
    assert (await do(client.get(f"https://localhost:{port}/"))).text == "ok"
    received.clear()
    error = await raised(http3.TLSError, client.get, f"https://nowhere.invalid:{port}/")
    assert error.delivery == "not_sent"
    assert received == []
