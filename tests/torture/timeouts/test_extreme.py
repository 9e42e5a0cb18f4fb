"""Limits of time that are as long or as short as a float can say: each is waited for, or runs out."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from typing import Any

import pytest

import http3
from support.http2_peer import EchoServer
from support.servers import Script, StartServer, answer, read_request
from support.worlds import World, do, raised

FIELDS = ("connect_timeout", "read_timeout", "write_timeout", "total_timeout", "pool_timeout")

LONG = [sys.float_info.max, 1e300, float(2**63), 1e10]
SHORT = [5e-324, 1e-300, 1e-9]

MUCH = bytes(3_000_000)
"""More than the buffers of a connection hold: its sender has to wait."""

Options = dict[str, Any]


def echo(version: str) -> Script:
    """A server that takes any body."""

    def http11(connection: Any) -> None:
        while (request := read_request(connection)) is not None:
            connection.sendall(answer(request.body[:10]))

    return http11 if version == "HTTP/1.1" else lambda connection: EchoServer(connection).run()


def everywhere(seconds: float) -> list[Options]:
    """Options of clients with that limit in each place that takes one."""
    configs: list[object] = [seconds, *[http3.TimeoutConfig(**{field: seconds}) for field in FIELDS]]
    limits: list[Options] = [{"pool_timeout": seconds}, {"keepalive_expiry": seconds}]
    return [
        *[{"timeout": config} for config in configs],
        *[{"pool_limits": http3.PoolLimits(hard_limit=1, **limit)} for limit in limits],
    ]


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def version(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.mark.parametrize("seconds", LONG)
async def test_long_limits_are_none(
    world: World, version: str, start_server: StartServer, seconds: float
) -> None:
    """Also of those who wait in line, for a lookup, or for what another one reads."""
    url = start_server(echo(version)).url.replace("127.0.0.1", "localhost")
    for options in everywhere(seconds):
        client = world.client(http_versions=(version,), **options)
        assert (await do(client.post(url, data=MUCH))).ok

        async def ask(client: Any = client) -> int:
            return (await do(client.get(url + "/10"))).status_code  # type: ignore[no-any-return]

        assert await world.together(ask, ask, ask) == [200] * 3
        await do(client.close())


@pytest.mark.parametrize("seconds", SHORT)
async def test_short_limits_run_out_as_ours(world: World, start_server: StartServer, seconds: float) -> None:
    def silent(connection: Any) -> None:
        read_request(connection)
        connection.recv(1)

    url = start_server(silent).url
    for field in ("read_timeout", "total_timeout"):
        client = world.client(timeout=http3.TimeoutConfig(**{field: seconds}))
        await raised((http3.ReadTimeout, http3.TotalTimeout, http3.ConnectTimeout), client.get, url)
    client = world.client(pool_limits=http3.PoolLimits(hard_limit=1, pool_timeout=seconds))

    async def ask() -> Any:
        return await raised(http3.Timeout, client.get, url, timeout=0.3)

    first, second = await world.together(ask, ask)
    assert {type(first), type(second)} == {http3.PoolTimeout, http3.ReadTimeout}


@pytest.mark.parametrize("make", [http3.TimeoutConfig, lambda value: http3.PoolLimits(pool_timeout=value)])
def test_what_is_no_limit_is_refused(make: Callable[[Any], object]) -> None:
    for value in (10**400, 10**5000, float("inf"), float("-inf"), float("nan"), -5e-324, 0):
        with pytest.raises(ValueError, match="timeout"):
            make(value)


def test_a_race_without_poll(monkeypatch: pytest.MonkeyPatch, start_server: StartServer) -> None:
    """select takes no more than it can count either."""
    monkeypatch.delattr(select, "poll")
    url = start_server(echo("HTTP/1.1")).url.replace("127.0.0.1", "localhost")
    assert http3.get(url, timeout=sys.float_info.max).ok
