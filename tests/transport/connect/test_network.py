"""`NetworkConfig` at work: resolvers, kept addresses, Unix sockets, local addresses, socket options."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import http3
from http3_models.engine import run_sync
from http3_transport._backends._address_book import AddressBook
from http3_transport.testing import ScriptedConnection, ScriptedServer, response_bytes
from support.servers import TESTS, running
from support.stream_pairs import run_uvloop
from support.worlds import World, do

HERE = (socket.AF_INET, ("127.0.0.1", 80))


def answer(connection: ScriptedConnection) -> None:
    while True:
        connection.read_request()
        connection.write(response_bytes(b"here"))


async def asynchronously(host: str, port: int) -> str | None:
    await asyncio.sleep(0)
    return "127.0.0.1" if host == "a.example" else None


def plainly(host: str, port: int) -> list[str] | None:
    return ["127.0.0.1"] if host == "a.example" else None


@pytest.mark.parametrize(
    "resolver", [{"A.example": "127.0.0.1"}, plainly, asynchronously], ids=["mapping", "plain", "async"]
)
def test_resolvers(world: World, resolver: Any) -> None:
    if resolver is asynchronously and world.name != "asyncio":
        pytest.skip("it sleeps on asyncio")

    async def main() -> None:
        with ScriptedServer(answer) as server:
            client = world.client(network=http3.NetworkConfig(resolver=resolver))
            for host in ("a.example", "127.0.0.1", "localhost"):
                response = await do(client.get(f"http://{host}:{server.port}/"))
                assert response.content == b"here"

    world.run(main)


class Fails:
    """A resolver that does not do."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def __call__(self, host: str, port: int) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "kind", "said"),
    [
        (OSError("no such host"), http3.ConnectError, "no such host"),
        (KeyError("mine"), KeyError, "mine"),
        ("b.example", ValueError, "what the resolver returned for a.example"),
        (b"127.0.0.1", TypeError, "what the resolver returned for a.example"),
        ([], ValueError, "no address"),
        (3, TypeError, "what the resolver returned"),
    ],
)
def test_resolvers_that_fail(world: World, outcome: object, kind: type[Exception], said: str) -> None:
    async def main() -> None:
        client = world.client(network=http3.NetworkConfig(resolver=Fails(outcome)))
        for url in ("http://a.example/", "https://a.example/"):
            with pytest.raises(kind, match=said):
                await do(client.get(url))

    world.run(main)


def test_an_async_resolver_is_not_for_a_sync_client() -> None:
    with http3.Client(network=http3.NetworkConfig(resolver=asynchronously)) as client:
        with pytest.raises(TypeError, match="is async; a Client takes a plain function"):
            client.get("http://a.example/")


def test_an_async_resolver_that_hangs(world: World) -> None:
    if not world.is_async:
        pytest.skip("a sync client takes no async resolver")
    ended: list[str] = []

    async def hang(host: str, port: int) -> str:
        try:
            await world.sleep(30)
        finally:
            ended.append(host)
        return "127.0.0.1"

    async def main() -> None:
        timeout = http3.TimeoutConfig(5, connect_timeout=0.1)
        client = world.client(network=http3.NetworkConfig(resolver=hang), timeout=timeout)
        with pytest.raises(http3.ConnectTimeout) as caught:
            await do(client.get("http://a.example/"))
        assert caught.value.delivery is http3.Delivery.NOT_SENT
        await world.sleep(0.05)
        assert ended == ["a.example"]

    world.run(main)


class CountingBackend(http3.BlockingBackend):
    """Resolves by a list, and counts."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int, timeout: float | None) -> Any:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


def test_addresses_are_kept_for_a_while() -> None:
    now = [0.0]
    book = AddressBook(http3.NetworkConfig(dns_cache=10), lambda: now[0])
    backend = CountingBackend([HERE])
    for moment, asked in [(0, 1), (9.9, 1), (10, 2), (19.9, 2), (25, 3)]:
        now[0] = moment
        assert run_sync(book.resolve(backend, "a.example", 80, None)) == [HERE]
        assert backend.asked == asked
    run_sync(book.resolve(backend, "a.example", 81, None))
    assert backend.asked == 4
    book.forget("a.example", 80)
    run_sync(book.resolve(backend, "a.example", 80, None))
    assert backend.asked == 5


def test_addresses_are_not_kept() -> None:
    book = AddressBook(http3.NetworkConfig(dns_cache=None), lambda: 0.0)
    backend = CountingBackend([HERE])
    for _ in range(3):
        run_sync(book.resolve(backend, "a.example", 80, None))
    assert backend.asked == 3


def test_what_is_kept_is_bounded() -> None:
    book = AddressBook(http3.NetworkConfig(), lambda: 0.0)
    backend = CountingBackend([HERE])
    for number in range(3000):
        run_sync(book.resolve(backend, f"h{number}", 80, None))
    assert len(book._kept) <= 1024


def test_a_name_without_addresses_is_not_kept() -> None:
    book = AddressBook(http3.NetworkConfig(), lambda: 0.0)
    backend = CountingBackend([], [HERE])
    assert run_sync(book.resolve(backend, "a.example", 80, None)) == []
    assert run_sync(book.resolve(backend, "a.example", 80, None)) == [HERE]


def test_addresses_that_fail_are_asked_for_again(world: World) -> None:
    """The cache never keeps a client from a server that has moved."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()[1]

    async def main() -> None:
        places = ["127.0.0.2", "127.0.0.1"]
        with ScriptedServer(answer) as server:
            client = world.client(network=http3.NetworkConfig(resolver=lambda *_: places.pop(0)))
            with pytest.raises(http3.ConnectError):
                await do(client.get(f"http://a.example:{server.port}/"))
            assert (await do(client.get(f"http://a.example:{server.port}/"))).content == b"here"
            assert places == []
            assert closed

    world.run(main)


@pytest.mark.parametrize(("family", "host"), [(4, "127.0.0.1"), (6, "::1")])
def test_one_family_of_addresses(world: World, family: int, host: str) -> None:
    async def main() -> None:
        with ScriptedServer(answer, host=host) as server:
            network = http3.NetworkConfig(resolver={"a": ["127.0.0.1", "::1"]}, address_family=family)
            response = await do(world.client(network=network).get(f"http://a:{server.port}/"))
            assert response.connection.peer_address[0] == host
            other = http3.NetworkConfig(resolver={"a": host}, address_family=10 - family)
            with pytest.raises(http3.ConnectError, match="no address of the family"):
                await do(world.client(network=other).get(f"http://a:{server.port}/"))

    world.run(main)


def test_local_addresses_and_socket_options(world: World) -> None:
    async def main() -> None:
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        with ScriptedServer(answer) as server:
            for hosts in (["127.0.0.1"], ["127.0.0.1", "::1", "127.0.0.1"]):
                network = http3.NetworkConfig(
                    local_address="127.0.0.3", socket_options=options, resolver={"a": hosts}
                )
                response = await do(world.client(network=network).get(f"http://a:{server.port}/"))
                assert response.connection.local_address[0] == "127.0.0.3"
            for bad in (
                http3.NetworkConfig(local_address="192.0.2.1"),
                http3.NetworkConfig(socket_options=[(socket.SOL_SOCKET, -5, 1)]),
            ):
                with pytest.raises(http3.ConnectError, match=r"local address|socket option"):
                    await do(world.client(network=bad).get(server.url))

    world.run(main)


def test_a_backend_that_can_not_bind(world: World) -> None:
    class Own:
        """All of a backend but ``with_network``."""

        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            if name in ("with_network", "connect"):
                raise AttributeError(name)
            return getattr(self._inner, name)

    async def main() -> None:
        network = http3.NetworkConfig(local_address="127.0.0.1")
        client = world.client(network=network, backend=Own(world.backend))
        with pytest.raises(ValueError, match="Own has no with_network"):
            await do(client.get("http://127.0.0.1:1/"))

    world.run(main)


@pytest.fixture(scope="module")
def unix_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """uvicorn on a Unix socket."""
    folder = tmp_path_factory.mktemp("unix")
    path = folder / "s"
    options = ["--loop", "asyncio", "--http", "h11", "--lifespan", "off", "--ws", "none"]
    command = [sys.executable, "-m", "uvicorn", "support.echo_app:app", "--uds", str(path), *options]
    with running(command, ports=[], log=folder / "log", cwd=TESTS):
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(path)) == 0:
                    break
            time.sleep(0.02)
        yield path


@pytest.mark.parametrize("how", ["uds", "resolver"])
def test_unix_sockets(world: World, unix_server: Path, how: str) -> None:
    network = (
        http3.NetworkConfig(uds=unix_server)
        if how == "uds"
        else http3.NetworkConfig(resolver={"docker": f"unix:{unix_server}"})
    )

    async def main() -> None:
        client = world.client(network=network)
        for _ in range(2):
            response = await do(client.post("http://docker/echo", data=b"x" * 100_000))
            assert len((await do(response.json()))["body"]) == 100_000
            assert response.connection.peer_address is None
        refusing = world.client(network=network, egress=http3.EgressPolicy())
        with pytest.raises(http3.AddressRefused, match="a Unix socket"):
            await do(refusing.get("http://docker/"))

    world.run(main)


def test_unix_sockets_on_uvloop(unix_server: Path) -> None:
    async def main() -> None:
        async with http3.AsyncClient(network=http3.NetworkConfig(uds=unix_server)) as client:
            response = await client.post("http://docker/echo", data=b"x" * 100_000)
            assert len((await response.json())["body"]) == 100_000

    run_uvloop(main)


def test_a_unix_socket_that_is_not_there(world: World, tmp_path: Path) -> None:
    async def main() -> None:
        client = world.client(network=http3.NetworkConfig(uds=tmp_path / "missing"))
        with pytest.raises(http3.ConnectError, match=f"unix:{tmp_path}/missing") as caught:
            await do(client.get("http://docker/"))
        assert caught.value.delivery is http3.Delivery.NOT_SENT

    world.run(main)


@pytest.mark.parametrize("option", [{"proxy": "http://p"}, {"network": http3.NetworkConfig()}])
def test_what_has_no_effect_is_refused(world: World, option: dict[str, Any]) -> None:
    targets: list[dict[str, Any]] = [
        {"app": lambda environ, start_response: []},
        {"dispatch": http3.MockDispatcher(print)},
    ]
    for target in targets:
        with pytest.raises(ValueError, match=f"{next(iter(option))} is for the client's own connections"):
            world.client_class(**target, **option)


@pytest.mark.parametrize("kind", [http3.ASGIDispatch, http3.WSGIDispatch])
def test_a_dispatcher_of_an_app_has_no_proxy(world: World, kind: Any) -> None:
    if world.name == "trio" and kind is http3.WSGIDispatch:
        pytest.skip("it runs in a thread of asyncio's client")

    async def main() -> None:
        client = world.client(dispatch=kind(lambda *_: None))
        with pytest.raises(ValueError, match=f"a {kind.__name__} calls its application"):
            await do(client.get("http://a/", proxy="http://p"))

    world.run(main)


def test_an_app_has_no_proxy(world: World) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"app"]

    async def main() -> None:
        client = world.client(app=app)
        with pytest.raises(ValueError, match="proxy is for the client's own connections"):
            await do(client.get("/", proxy="http://p"))
        assert (await do(client.get("/"))).content == b"app"

    world.run(main)
