"""Timeouts of every phase (api.md section 10)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import http3
from support.servers import answer, answering, read_request
from support.worlds import Site, World, collect, do, raised

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


def halting(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    silent(connection)


def deaf(connection: socket.socket) -> None:
    """Accept, read nothing."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    read_head_only = connection.recv(10)
    assert read_head_only
    time.sleep(0.5)


def check(error: Any, url: str, limit: str) -> None:
    """What every timeout tells."""
    assert isinstance(error, http3.Timeout)
    assert isinstance(error, http3.TransportError)
    assert url in str(error)
    assert limit in str(error)
    assert error.request.method in str(error)
    assert error.__cause__ is None or not isinstance(error.__cause__, http3.Timeout)


async def test_read_timeout_before_the_head(world: World, site: Site) -> None:
    client = world.client(site, timeout=http3.TimeoutConfig(read_timeout=SHORT))
    with takes(SHORT, 2):
        error = await raised(http3.ReadTimeout, lambda: client.get(site.url + "/delay/3"))
    check(error, site.url + "/delay/3", str(SHORT))
    assert error.delivery == "maybe_processed"
    assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_read_timeout_within_the_body(world: World, raw_server: Any) -> None:
    server = raw_server(halting)
    client = world.client(timeout=SHORT)
    error = await raised(http3.ReadTimeout, lambda: client.get(server.url))
    check(error, server.url, str(SHORT))
    response = await do(client.get(server.url, stream=True))
    with pytest.raises(http3.ReadTimeout):
        await collect(response.stream())
    assert response.is_closed


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


async def test_total_timeout_outlasts_no_drip(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, timeout=http3.TimeoutConfig(5, total_timeout=0.2))
    with takes(0.2, 2):
        error = await raised(http3.TotalTimeout, lambda: client.get(two_ways.url + "/drip/3"))
    check(error, two_ways.url + "/drip/3", "0.2")
    assert (await do(client.get(two_ways.url + "/json"))).status_code == 200


async def test_total_timeout_goes_through_hops_and_pauses(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, timeout=http3.TimeoutConfig(5, total_timeout=0.25))
    with takes(0.2, 3):
        await raised(
            http3.TotalTimeout,
            lambda: client.get(two_ways.url + "/redirect-to", params={"url": "/delay/3"}),
        )
    response = await do(client.get(two_ways.url + "/download/5000000", stream=True))
    await world.sleep(0.3)
    await raised(http3.TotalTimeout, response.read)


async def test_connect_timeout(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        client = world.client(timeout=http3.TimeoutConfig(5, connect_timeout=SHORT))
        url = f"http://127.0.0.1:{port}/"
        with takes(SHORT, 2):
            error = await raised(http3.ConnectTimeout, lambda: client.get(url))
        check(error, url, str(SHORT))
        assert error.delivery == "not_sent"
        for one in held:
            one.close()


async def test_connect_timeout_covers_the_handshake(world: World, raw_server: Any) -> None:
    server = raw_server(silent)
    client = world.client(timeout=http3.TimeoutConfig(5, connect_timeout=SHORT), verify=False)
    url = server.url.replace("http:", "https:")
    with takes(SHORT, 2):
        error = await raised(http3.ConnectTimeout, lambda: client.get(url))
    check(error, url, str(SHORT))
    assert "TLS" in str(error) or "connect" in str(error)


async def test_write_timeout(world: World, raw_server: Any) -> None:
    server = raw_server(deaf)
    client = world.client(timeout=http3.TimeoutConfig(5, write_timeout=SHORT))
    with takes(SHORT, 3):
        error = await raised(http3.WriteTimeout, lambda: client.post(server.url, data=bytes(50_000_000)))
    check(error, server.url, str(SHORT))
    assert error.delivery == "maybe_processed"


async def test_pool_timeout(world: World, site: Site) -> None:
    if site.protocol == "HTTP/2":
        pytest.skip("one connection serves all")
    limits = http3.PoolLimits(hard_limit=1, pool_timeout=SHORT)
    client = world.client(site, pool_limits=limits)
    held = await do(client.get(site.url + "/download/5000000", stream=True))
    with takes(SHORT, 2):
        error = await raised(http3.PoolTimeout, lambda: client.get(site.url + "/json"))
    check(error, site.url + "/json", str(SHORT))
    assert error.delivery == "not_sent"
    await do(held.close())
    assert (await do(client.get(site.url + "/json"))).status_code == 200


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
    world: World, raw_server: Any, timeout: tuple[float, float]
) -> None:
    server = raw_server(silent)
    client = world.client(timeout=timeout, verify=False)
    assert client.timeout.write_timeout == client.timeout.pool_timeout == 5
    kind = http3.ConnectTimeout if timeout[0] == SHORT else http3.ReadTimeout
    url = server.url.replace("http:", "https:") if timeout[0] == SHORT else server.url
    with takes(SHORT, 3):
        check(await raised(kind, lambda: client.get(url)), url, str(SHORT))


async def test_timings_of_an_error(world: World, plain: Site) -> None:
    client = world.client(plain, timeout=SHORT)
    error = await raised(http3.ReadTimeout, lambda: client.get(plain.url + "/delay/2"))
    assert error.timings.connect is not None
    assert error.timings.send is not None


@pytest.mark.parametrize("value", [0, -1, float("nan"), True, (1, 0)])
async def test_values_that_make_no_sense(world: World, plain: Site, value: Any) -> None:
    for call in (
        lambda: http3.TimeoutConfig(value),
        lambda: world.client_class(timeout=value),
        lambda: world.client().get(plain.url, timeout=value),
    ):
        assert "timeout" in str(await raised(ValueError, call))


@pytest.mark.parametrize("value", ["5", {}, [1, 2, 3]])
async def test_timeouts_of_wrong_types(world: World, plain: Site, value: Any) -> None:
    for call in (
        lambda: http3.TimeoutConfig(value),
        lambda: world.client_class(timeout=value),
        lambda: world.client().get(plain.url, timeout=value),
    ):
        assert "timeout" in str(await raised(TypeError, call))


async def test_each_hop_starts_anew(world: World, raw_server: Any) -> None:
    def slow_redirects(connection: socket.socket) -> None:
        for number in range(4):
            assert read_request(connection)
            time.sleep(0.15)
            connection.sendall(answer(status="302 Found", headers=(f"Location: /{number}",)))
        answering(answer(b"there"))(connection)

    client = world.client(timeout=0.4)
    assert (await do(client.get(raw_server(slow_redirects).url))).content == b"there"


def test_configuration() -> None:
    default = http3.DEFAULT_TIMEOUT_CONFIG
    assert (default.connect_timeout, default.read_timeout, default.write_timeout) == (5, 5, 5)
    assert default.total_timeout is None
    mixed = http3.TimeoutConfig(3, read_timeout=None)
    assert (mixed.connect_timeout, mixed.read_timeout, mixed.write_timeout) == (3, None, 3)
    assert http3.TimeoutConfig(connect_timeout=1).read_timeout == 5
    assert http3.TimeoutConfig(None).read_timeout is None
    assert http3.TimeoutConfig((1, 2, 3)) == http3.TimeoutConfig(
        connect_timeout=1, read_timeout=2, write_timeout=3
    )
    assert eval(repr(mixed), {"TimeoutConfig": http3.TimeoutConfig}) == mixed
    limits = http3.PoolLimits(hard_limit=70)
    assert (limits.soft_limit, limits.hard_limit, limits.pool_timeout) == (10, 70, 5)
    assert http3.PoolLimits(soft_limit=10, hard_limit=100, pool_timeout=5) == http3.DEFAULT_POOL_LIMITS
    assert (limits.keepalive_expiry, limits.total_idle, limits.total) == (30, 100, None)
    with pytest.raises(AttributeError):
        mixed.read_timeout = 3
