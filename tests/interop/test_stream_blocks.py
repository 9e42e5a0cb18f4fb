"""``client.stream(...)``: the response lives as long as its block, however that ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import trio

import http3
from http3_transport.testing import ScriptedConnection, ScriptedServer
from support.worlds import Site, World, collect, do


async def within(world: World, block: Any, use: Any) -> Any:
    """Enter the block, and call ``use(response)`` in it."""
    if world.is_async:
        async with block as response:
            return await use(response)
    with block as response:
        return await use(response)


async def test_the_body_is_read_on_demand_and_closed(world: World, site: Site) -> None:
    client = world.client(site)

    async def use(response: Any) -> Any:
        assert isinstance(response, world.response_class)
        assert not response.is_closed
        with pytest.raises(http3.ResponseNotRead):
            assert response.content
        assert b"".join(await collect(response.stream()))
        return response

    block = client.stream("POST", site.url + "/echo", json={"a": 1}, headers={"X": "y"})
    response = await within(world, block, use)
    assert response.is_closed
    assert response.request.method == "POST"


async def test_leaving_early_closes(world: World, site: Site) -> None:
    client = world.client(site)

    async def look(response: Any) -> Any:
        return response

    for _ in range(3):
        response = await within(world, client.stream("GET", site.url + "/echo"), look)
        assert response.is_closed
        with pytest.raises(http3.ResponseClosed):
            await do(response.read())


async def test_an_exception_closes_and_passes(world: World, site: Site) -> None:
    client, seen = world.client(site), []

    async def fail(response: Any) -> None:
        seen.append(response)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await within(world, client.stream("GET", site.url + "/echo"), fail)
    assert seen[0].is_closed


async def test_a_request_that_fails_has_nothing_to_close(world: World, site: Site) -> None:
    client = world.client(site)

    async def never(response: Any) -> None:
        raise AssertionError(response)

    with pytest.raises(http3.InvalidURL):
        await within(world, client.stream("GET", "no url"), never)
    with pytest.raises(http3.TooManyRedirects):
        await within(
            world, world.client(site, max_redirects=0).stream("GET", site.url + "/bounce?to=/echo"), never
        )


def endless(connection: ScriptedConnection) -> None:
    """A body that does not end."""
    connection.read_request()
    connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    connection.stall()


@pytest.mark.parametrize("world", ["asyncio", "trio"], indirect=True)
async def test_a_cancellation_closes(world: World) -> None:
    seen: list[Any] = []

    async def wait(response: Any) -> None:
        seen.append(response)
        await response.read()

    with ScriptedServer(endless) as server:
        block = world.client(timeout=30).stream("GET", server.url)
        if world.name == "asyncio":
            with suppress(TimeoutError):
                await asyncio.wait_for(within(world, block, wait), 0.3)
        else:
            with trio.move_on_after(0.3):
                await within(world, block, wait)
    assert seen[0].is_closed


async def test_a_redirect_is_followed_unless_told_otherwise(world: World, site: Site) -> None:
    client = world.client(site)

    async def status(response: Any) -> tuple[int, int]:
        return response.status_code, len(response.history)

    url = site.url + "/cookies/set?a=b"
    assert await within(world, client.stream("GET", url, allow_redirects=False), status) == (302, 0)
    assert await within(world, client.stream("GET", url), status) == (200, 1)


async def test_nothing_is_sent_before_the_block(world: World) -> None:
    asked: list[str] = []

    def handler(request: Any) -> http3.Response:
        asked.append(str(request.url))
        return http3.Response(200)

    client = world.client(dispatch=http3.MockDispatcher(handler))
    block = client.stream("GET", "http://h/")
    assert asked == []

    async def look(response: Any) -> int:
        status: int = response.status_code
        return status

    assert await within(world, block, look) == 200
    assert asked == ["http://h/"]
