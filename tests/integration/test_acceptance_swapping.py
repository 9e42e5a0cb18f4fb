"""Parts of one's own: dispatchers and concurrency backends of 0.6.7's shape (api.md section 12)."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import Any

import pytest

import http3
from support.servers import Nginx
from support.worlds import Site, World, collect, do, raised


class SyncDispatch(http3.Dispatcher):
    """A dispatcher of the user's own."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.closed = 0

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
        self.seen.append((request.method, str(request.url), timeout))
        if request.url.path == "/moved":
            return http3.Response(302, headers={"Location": "/there", "Set-Cookie": "a=1; Path=/"})
        if request.url.path == "/stream":
            return http3.Response(200, content=iter([b"one ", b"two"]))
        if request.url.path == "/fail":
            raise KeyError("my own")
        body = request.read()
        return http3.Response(200, json={"path": request.url.path, "body": body.decode()})

    def close(self) -> None:
        self.closed += 1


class AsyncDispatch(http3.AsyncDispatcher):
    """The same, async; it truly suspends."""

    def __init__(self) -> None:
        self.sync = SyncDispatch()
        self.seen = self.sync.seen
        self.threads: set[int] = set()
        self.closed = 0

    async def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
        self.threads.add(threading.get_ident())
        await _pause()
        if request.url.path in ("/moved", "/fail"):
            return self.sync.send(request, verify, cert, timeout)
        self.seen.append((request.method, str(request.url), timeout))
        if request.url.path == "/stream":
            return http3.AsyncResponse(200, content=_parts())
        body = await request.read()
        return http3.AsyncResponse(200, json={"path": request.url.path, "body": body.decode()})

    async def close(self) -> None:
        self.closed += 1


async def _pause() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import trio

        await trio.sleep(0.001)
    else:
        await asyncio.sleep(0.001)


class _parts:  # noqa: N801 - stands for an async generator function
    def __init__(self) -> None:
        self.left = [b"two", b"one "]

    def __aiter__(self) -> _parts:
        return self

    async def __anext__(self) -> bytes:
        await _pause()
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


@pytest.fixture(params=[SyncDispatch, AsyncDispatch])
def dispatch(request: Any) -> Any:
    return request.param()


async def test_dispatchers_of_either_kind(world: World, dispatch: Any) -> None:
    client = world.client(dispatch=dispatch, base_url="https://example.org")
    response = await do(client.post("/there", data=b"abc"))
    assert isinstance(response, world.response_class)
    assert await do(response.json()) == {"path": "/there", "body": "abc"}
    moved = await do(client.get("/moved"))
    assert moved.url == http3.URL("https://example.org/there")
    assert [one.status_code for one in moved.history] == [302]
    assert client.cookies["a"] == "1"
    streamed = await do(client.get("/stream", stream=True))
    assert b"".join(await collect(streamed.stream())) == b"one two"
    assert (await do(client.get("/stream"))).text == "one two"
    error = await raised(KeyError, lambda: client.get("/fail"))
    assert error.args == ("my own",)
    assert [method for method, _, _ in dispatch.seen] == ["POST", "GET", "GET", "GET", "GET", "GET"]
    await do(client.close())
    assert dispatch.closed == 1


async def test_the_dispatcher_gets_the_options(world: World) -> None:
    got: list[Any] = []

    class Noting(http3.Dispatcher):
        def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
            got.append((verify, cert, timeout))
            return http3.Response(204)

    client = world.client(dispatch=Noting())
    await do(client.get("https://example.org", verify=False, timeout=3))
    verify, cert, timeout = got[0]
    assert verify is False
    assert cert is None
    assert http3.TimeoutConfig(timeout) == http3.TimeoutConfig(3)


async def test_a_dispatcher_by_itself(world: World, plain: Site) -> None:
    if not world.is_async:
        with SyncDispatch() as own:
            assert own.request("POST", "https://example.org/x", data=b"1").json()["body"] == "1"
        return
    async with http3.ConnectionPool() as pool:
        response = await pool.request("GET", plain.url + "/json")
        assert (await response.json())["message"] == "hello"
        assert len(pool.keepalive_connections) == 1
        assert len(pool.active_connections) == 0


async def test_mock_dispatcher(world: World) -> None:
    seen: list[Any] = []

    def handler(request: Any) -> http3.Response:
        seen.append(request)
        return http3.Response(201, json={"method": request.method}, headers={"X": "y"})

    client = world.client(dispatch=http3.MockDispatcher(handler))
    response = await do(client.put("https://example.org/x", json={"a": 1}))
    assert response.status_code == 201
    assert response.headers["x"] == "y"
    assert await do(response.json()) == {"method": "PUT"}
    assert seen[0].content == b'{"a":1}'
    assert response.request.url == seen[0].url


async def test_what_is_no_dispatcher(world: World) -> None:
    with pytest.raises(TypeError, match="dispatch"):
        world.client_class(dispatch=42)


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
