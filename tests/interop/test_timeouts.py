"""Which limit of time counts where several are given (docs/timeouts.md)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import http3
from support.servers import answer, answering, read_request
from support.worlds import Site, World, do, raised

pytestmark = pytest.mark.thorough

SHORT = 0.15


@contextmanager
def takes(least: float, most: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert least <= time.monotonic() - start < most


def silent(connection: socket.socket) -> None:
    """Read, say nothing, until the client leaves."""
    while connection.recv(65536):
        pass


def check(error: Any, url: str, limit: str) -> None:
    """What every timeout tells."""
    assert isinstance(error, http3.Timeout)
    assert isinstance(error, http3.TransportError)
    assert url in str(error)
    assert limit in str(error)
    assert error.request.method in str(error)
    assert error.__cause__ is None or not isinstance(error.__cause__, http3.Timeout)


async def test_read_timeout_counts_the_silence_only(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, timeout=http3.TimeoutConfig(read_timeout=0.3))
    assert len((await do(client.get(two_ways.url + "/drip/0.5"))).content) == 10


async def test_timeout_of_a_call(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, timeout=10)
    for timeout in (SHORT, http3.TimeoutConfig(read_timeout=SHORT)):
        with takes(SHORT, 2):
            await raised(http3.ReadTimeout, client.get, two_ways.url + "/delay/3", timeout=timeout)
    short = world.client(two_ways, timeout=SHORT)
    await raised(http3.ReadTimeout, lambda: short.get(two_ways.url + "/delay/3", timeout=None))
    assert (await do(short.get(two_ways.url + "/delay/0.2", timeout=5))).status_code == 200
    endless = world.client(two_ways, timeout=None)
    assert (await do(endless.get(two_ways.url + "/delay/0.2"))).status_code == 200


async def test_a_pooled_connection_has_no_timeout_of_its_own(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    await do(client.get(two_ways.url + "/json", timeout=SHORT))
    assert (await do(client.get(two_ways.url + "/delay/0.2", timeout=5))).status_code == 200
    await raised(http3.ReadTimeout, lambda: client.get(two_ways.url + "/delay/3", timeout=SHORT))


@pytest.mark.parametrize(
    ("client_timeout", "pool_timeout", "request_timeout"),
    [
        (SHORT, None, None),  # a number stands for the pool too
        (30, None, SHORT),
        (30, SHORT, 30),  # the one given in PoolLimits precedes it
        (30, 30, http3.TimeoutConfig(30, pool_timeout=SHORT)),
        (http3.TimeoutConfig(None, pool_timeout=SHORT), 30, None),
    ],
)
async def test_which_pool_timeout_counts(
    world: World, plain: Site, client_timeout: Any, pool_timeout: float | None, request_timeout: Any
) -> None:
    given: dict[str, Any] = {} if pool_timeout is None else {"pool_timeout": pool_timeout}
    client = world.client(plain, timeout=client_timeout, pool_limits=http3.PoolLimits(hard_limit=1, **given))
    held = await do(client.get(plain.url + "/download/5000000", stream=True, timeout=30))
    with takes(SHORT, 3):
        error = await raised(http3.PoolTimeout, lambda: client.get(plain.url, timeout=request_timeout))
    check(error, plain.url, f"{SHORT:g} s (pool_timeout)")
    await do(held.close())


@pytest.mark.parametrize("timeout", [(SHORT, 27), (3.05, SHORT)])
async def test_connect_and_read_as_in_requests(
    world: World, start_server: Any, timeout: tuple[float, float]
) -> None:
    server = start_server(silent)
    client = world.client(timeout=timeout, verify=False)
    assert client.timeout.write_timeout == client.timeout.pool_timeout == 5
    kind = http3.ConnectTimeout if timeout[0] == SHORT else http3.ReadTimeout
    url = server.url.replace("http:", "https:") if timeout[0] == SHORT else server.url
    with takes(SHORT, 3):
        check(await raised(kind, lambda: client.get(url)), url, str(SHORT))


async def test_each_hop_starts_anew(world: World, start_server: Any) -> None:
    def slow_redirects(connection: socket.socket) -> None:
        for number in range(4):
            assert read_request(connection)
            time.sleep(0.15)
            connection.sendall(answer(status="302 Found", headers=(f"Location: /{number}",)))
        answering(answer(b"there"))(connection)

    client = world.client(timeout=0.4)
    assert (await do(client.get(start_server(slow_redirects).url))).content == b"there"
