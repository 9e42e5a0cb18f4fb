"""Fixtures that every part of the tests shares."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from http3_transport.testing import ScriptedServer
from support.heap import set_aside
from support.servers import (
    TESTS,
    Authority,
    Hypercorn,
    Nginx,
    Script,
    StartServer,
    Uvicorn,
    free_port,
    hypercorn_server,
    nginx_server,
    on_socket,
    running,
    uvicorn_server,
)

if TYPE_CHECKING:
    from support.worlds import Site, World

WAYS = ("h1", "h1-tls", "h2-prior", "h2-tls")
PAIRS = [
    ("sync", "h1"),
    ("sync", "h2-tls"),
    ("asyncio", "h1-tls"),
    ("asyncio", "h2-prior"),
    ("trio", "h1"),
    ("trio", "h2-tls"),
]
"""In which world a test goes which way: each world speaks both versions, with TLS and without."""


# A shared machine may stall any example; how long one takes is no verdict.
settings.register_profile("http3", deadline=None)
settings.load_profile("http3")


@pytest.fixture(scope="module", autouse=True)
def small_heap() -> None:
    """Many tests collect garbage; each collection costs what there is to look through."""
    set_aside()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Certificates for the servers on loopback and for a client."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["cleartext", "TLS"])
def secure(request: pytest.FixtureRequest, authority: Authority) -> Authority | None:
    """Whose certificates to use; None for clear text."""
    return authority if request.param == "TLS" else None


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Nginx]:
    """One nginx with a listener for each way to speak HTTP; see `servers.Nginx`."""
    with nginx_server(tmp_path_factory.mktemp("nginx"), authority) as server:
        yield server


@pytest.fixture(scope="session")
def uvicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uvicorn]:
    """`echo_app` over HTTP/1.1."""
    with uvicorn_server(tmp_path_factory.mktemp("uvicorn")) as server:
        yield server


@pytest.fixture(scope="session")
def hypercorn(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Hypercorn]:
    """`echo_app` over HTTP/1.1 and HTTP/2, with and without TLS."""
    with hypercorn_server(tmp_path_factory.mktemp("hypercorn"), authority) as server:
        yield server


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start servers that answer as scripted: ``server = start_server(script)``; scripts get the bare
    socket."""
    started: list[ScriptedServer] = []

    def start(*scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> ScriptedServer:
        started.append(ScriptedServer(*map(on_socket, scripts), ssl_context=tls, host=host))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture(params=["sync", "asyncio", "trio"])
def world(request: pytest.FixtureRequest) -> World:
    """Sync, then asyncio, then trio."""
    from support.worlds import World  # tests of the models alone need no transport

    return World(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of `world` and the shared `site` runs in six of the twelve combinations."""
    if {"world", "site"} <= set(metafunc.fixturenames) and not hasattr(metafunc.module, "site"):
        metafunc.definition.add_marker(pytest.mark.parametrize(("world", "site"), PAIRS, indirect=True))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the coroutine functions among the tests in their world."""
    if not iscoroutinefunction(pyfuncitem.obj):
        return None
    from support.worlds import World

    world = pyfuncitem.funcargs["world"]
    assert isinstance(world, World)
    names = pyfuncitem._fixtureinfo.argnames
    world.run(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names})
    return True


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, Site]]:
    """`site_app` under one hypercorn at four origins: two in clear text, two with TLS."""
    clear, secure = (free_port(), free_port()), (free_port(), free_port())
    command = [sys.executable, "-m", "hypercorn", "-w", "0", "--graceful-timeout", "1"]
    for port in clear:
        command += ["--insecure-bind", f"127.0.0.1:{port}"]
    for port in secure:
        command += ["--bind", f"127.0.0.1:{port}"]
    command += ["--certfile", authority.server_cert, "--keyfile", authority.server_key]
    command += ["--access-logfile", "/dev/null", "support.site_app:app"]
    log = tmp_path_factory.mktemp("sites") / "log"
    with running(command, ports=[*clear, *secure], log=log, cwd=TESTS):
        yield {way: _site(way, clear, secure, authority) for way in WAYS}


def _site(way: str, clear: tuple[int, int], secure: tuple[int, int], authority: Authority) -> Site:
    from support.worlds import Site

    protocol = "HTTP/2" if way.startswith("h2") else "HTTP/1.1"
    if way.endswith("-tls"):
        first, second = (f"https://127.0.0.1:{port}" for port in secure)
    else:
        first, second = (f"http://127.0.0.1:{port}" for port in clear)
    options = {"verify": authority.ca_file, "http_versions": (protocol,)}
    if way == "h2-tls":
        del options["http_versions"]  # ALPN chooses HTTP/2
    return Site(way, first, second, options, protocol)


@pytest.fixture(params=WAYS)
def site(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    """Every way to speak HTTP, one after the other."""
    return sites[request.param]


@pytest.fixture(params=["h1", "h2-tls"])
def two_ways(request: pytest.FixtureRequest, sites: dict[str, Site]) -> Site:
    """HTTP/1.1 in clear text and HTTP/2 over TLS, where four ways would only take longer."""
    return sites[request.param]


@pytest.fixture
def plain(sites: dict[str, Site]) -> Site:
    """HTTP/1.1 in clear text, for what does not depend on the protocol."""
    return sites["h1"]
