"""The acceptance tests run each behaviour in every world, and most of them over every way to speak HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from servers import Authority, free_port, running
from worlds import Site, World

TESTS = Path(__file__).parents[1]
WAYS = ("h1", "h1-tls", "h2-prior", "h2-tls")


@pytest.fixture(params=["sync", "asyncio", "trio"])
def world(request: pytest.FixtureRequest) -> World:
    """`Client`, then `AsyncClient` on asyncio and on trio."""
    return World(request.param)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run the coroutine functions among the tests in their world."""
    world = pyfuncitem.funcargs.get("world")
    if not iscoroutinefunction(pyfuncitem.obj) or not isinstance(world, World):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    world.run(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names})
    return True


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, Site]]:
    """`acceptance_app` under one hypercorn at four origins: two in clear text, two with TLS."""
    clear, secure = (free_port(), free_port()), (free_port(), free_port())
    command = [sys.executable, "-m", "hypercorn", "-w", "0", "--graceful-timeout", "1"]
    for port in clear:
        command += ["--insecure-bind", f"127.0.0.1:{port}"]
    for port in secure:
        command += ["--bind", f"127.0.0.1:{port}"]
    command += ["--certfile", authority.server_cert, "--keyfile", authority.server_key]
    command += ["--access-logfile", "/dev/null", "acceptance_app:app"]
    log = tmp_path_factory.mktemp("acceptance") / "log"
    with running(command, ports=[*clear, *secure], log=log, cwd=TESTS):
        yield {way: _site(way, clear, secure, authority) for way in WAYS}


def _site(way: str, clear: tuple[int, int], secure: tuple[int, int], authority: Authority) -> Site:
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
