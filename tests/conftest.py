"""Fixtures that every part of the tests shares."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import pytest
from hypothesis import settings

from heap import set_aside
from servers import (
    Authority,
    Hypercorn,
    Nginx,
    RawServer,
    Script,
    Uvicorn,
    hypercorn_server,
    nginx_server,
    uvicorn_server,
)

if TYPE_CHECKING:
    from runtimes import Runtime


# A shared machine may stall any example; how long one takes is no verdict.
settings.register_profile("http3", deadline=None)
settings.load_profile("http3")


@pytest.fixture(scope="module", autouse=True)
def small_heap() -> None:
    """Many tests collect garbage; each collection costs what there is to look through."""
    set_aside()


@pytest.fixture(params=["blocking", "asyncio", "trio"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """The engine's three worlds, one after the other."""
    from runtimes import Runtime  # tests of the models alone need no transport

    return Runtime(request.param)


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


class StartRawServer(Protocol):
    """What the `raw_server` fixture gives."""

    def __call__(
        self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> RawServer: ...


@pytest.fixture
def raw_server() -> Iterator[StartRawServer]:
    """Start servers that answer as scripted: ``server = raw_server(script)``; see `servers.RawServer`."""
    started: list[RawServer] = []

    def start(*scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> RawServer:
        started.append(RawServer(*scripts, tls=tls, host=host))
        return started[-1]

    yield start
    for server in started:
        server.close()
