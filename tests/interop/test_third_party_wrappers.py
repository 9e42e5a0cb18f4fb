"""Wrappers around the pools as a third party writes them: dispatchers of both kinds, and a transport."""

from __future__ import annotations

import functools
import threading
import time
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

import http3
from http3_models.engine import RequestState, ResponseState
from support.http2_peer import CHUNKED_TRAILERS, answer_with_trailers
from support.servers import Authority, Hypercorn, Nginx, StartServer, answering
from support.third_party import cancelled, interrupted, pieces, threads_started
from support.worlds import World, collect, do, raised

TOTAL = http3.TimeoutConfig(total_timeout=0.3)


# Wrappers around the pools.


class Wrapper(http3.Dispatcher):
    """A sync one, around the pool for sync code."""

    def __init__(self, **options: Any) -> None:
        self.pool = http3.BlockingConnectionPool(**options)
        self.threads: list[int] = []
        self.closings = 0

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> http3.Response:
        self.threads.append(threading.get_ident())
        return self.pool.send(request, verify=verify, cert=cert, timeout=timeout)

    def close(self) -> None:
        self.closings += 1
        self.pool.close()


class AsyncWrapper(http3.AsyncDispatcher):
    """An async one, around the pool."""

    def __init__(self, **options: Any) -> None:
        self.pool = http3.ConnectionPool(**options)
        self.closings = 0

    async def send(
        self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> http3.AsyncResponse:
        return await self.pool.send(request, verify=verify, cert=cert, timeout=timeout)

    async def close(self) -> None:
        self.closings += 1
        await self.pool.close()


class TransportWrapper:
    """Around the pool too, as a transport: records in, records out."""

    keeps_deadline = True

    def __init__(self, **options: Any) -> None:
        self.pool = http3.ConnectionPool(**options)
        self.blocks = self.pool.blocks
        self.now = self.pool.now
        self.closings = 0

    async def exchange(self, request: RequestState) -> ResponseState:
        return await self.pool.exchange(request)

    async def close(self) -> None:
        self.closings += 1
        await self.pool.close()


WRAPPERS = [Wrapper, AsyncWrapper, TransportWrapper]
wrappers = pytest.mark.parametrize("wrapper", WRAPPERS)
versions = pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])


@versions
@wrappers
async def test_a_wrapper_loses_nothing(
    world: World, hypercorn: Hypercorn, authority: Authority, wrapper: Any, version: str
) -> None:
    dispatch = wrapper(verify=authority.ca_file, http_versions=(version,))
    client = world.client(dispatch=dispatch)
    response = await do(client.get(f"{hypercorn.tls}/redirect/1"))
    first, second = response.history[0], response
    assert None not in (first.timings.connect, first.timings.tls, first.timings.send, first.timings.wait)
    assert (second.timings.connect, second.timings.tls) == (None, None)
    assert None not in (second.timings.send, second.timings.wait, second.timings.receive)
    assert second.protocol == version
    assert second.connection.peer_address[0] == "127.0.0.1"
    assert second.connection.tls_version == "TLSv1.3"
    assert second.connection.peer_certificate
    assert timedelta(0) < first.elapsed <= second.elapsed
    assert isinstance(second.request, world.request_class)
    error = await raised(http3.ConnectError, client.get, "https://127.0.0.1:1/x")
    assert error.delivery == "not_sent"
    assert error.timings.connect is not None
    assert isinstance(error.request, world.request_class)
    await do(client.close())
    assert dispatch.closings == 1
    assert "closed" in repr(dispatch.pool)


@versions
@wrappers
async def test_a_wrapper_keeps_trailers(
    world: World, start_server: StartServer, wrapper: Any, version: str
) -> None:
    script = answering(CHUNKED_TRAILERS) if version == "HTTP/1.1" else answer_with_trailers
    client = world.client(dispatch=wrapper(http_versions=(version,)))
    response = await do(client.get(start_server(script).url, stream=True))
    assert await do(response.read()) == b"abc"
    assert response.trailers["x-checksum"] == "1"
    assert response.timings.receive is not None


@wrappers
async def test_a_wrapper_streams_both_ways(
    world: World, hypercorn: Hypercorn, authority: Authority, wrapper: Any
) -> None:
    client = world.client(dispatch=wrapper(verify=authority.ca_file))
    response = await do(client.post(f"{hypercorn.tls}/upload", data=pieces(world, 5)))
    assert (await do(response.json()))["size"] == 50_000
    response = await do(client.get(f"{hypercorn.tls}/download/300000", stream=True))
    assert sum(map(len, await collect(response.stream()))) == 300_000
    response = await do(client.get(f"{hypercorn.tls}/download/8000000", stream=True))
    await do(response.close())
    assert (await do(client.get(f"{hypercorn.tls}/json"))).ok


@wrappers
async def test_a_total_timeout_reaches_through_a_wrapper(
    world: World, hypercorn: Hypercorn, authority: Authority, wrapper: Any
) -> None:
    client = world.client(dispatch=wrapper(verify=authority.ca_file))
    await do(client.get(f"{hypercorn.tls}/json"))  # the connection is there
    for path in ("delay/20", "drip/20"):
        started = time.monotonic()
        error = await raised(http3.TotalTimeout, client.get, f"{hypercorn.tls}/{path}", timeout=TOTAL)
        assert time.monotonic() - started < 10
        assert error.delivery == "maybe_processed"
        assert str(error.request.url) == f"{hypercorn.tls}/{path}"
    assert (await do(client.get(f"{hypercorn.tls}/json"))).ok


def test_a_sync_wrapper_runs_in_the_callers_thread(
    hypercorn: Hypercorn, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threads_started(monkeypatch)
    dispatch = Wrapper(verify=authority.ca_file)
    with http3.Client(dispatch=dispatch) as client:
        assert client.post(f"{hypercorn.tls}/echo", data=iter([b"a", b"b"])).json()["body"] == "ab"
        response = client.get(f"{hypercorn.tls}/stream", stream=True)
        assert len(list(response.stream())) >= 1
    assert dispatch.threads == [threading.get_ident()] * 2
    assert started == []


@wrappers
async def test_a_cancelled_exchange_gives_its_connection_back(
    world: World, hypercorn: Hypercorn, authority: Authority, wrapper: Any
) -> None:
    if not world.is_async:
        pytest.skip("a sync client is interrupted, not cancelled")
    dispatch = wrapper(verify=authority.ca_file)
    client = world.client(dispatch=dispatch)
    for _ in range(3):
        await cancelled(client.get, f"{hypercorn.tls}/delay/0.5", after=0.1)
    for _ in range(200):
        if not dispatch.pool.active_connections:
            break
        await world.sleep(0.02)
    assert dispatch.pool.active_connections == []
    assert (await client.get(f"{hypercorn.tls}/json")).ok


@wrappers
def test_an_interrupt_ends_a_wrapped_exchange(start_server: StartServer, wrapper: Any) -> None:
    """Ctrl-C in the main thread, while the server says nothing; then the next request works."""
    options: dict[str, Any] = {"backend": http3.BlockingBackend()} if wrapper is TransportWrapper else {}
    interrupted(wrapper(**options), start_server)


class PatchedPool(http3.ConnectionPool):
    """Overrides ``send`` and keeps the name and attributes of the method it stands for."""

    async def patched(self, request: Any, *args: Any, **options: Any) -> Any:
        response = await super().send(request, *args, **options)
        response.headers["X-Patched"] = "yes"
        return response

    send: Any = functools.wraps(http3.ConnectionPool.send)(patched)


@pytest.mark.parametrize("how", ["wraps", "attribute", "mock", "class"])
async def test_a_send_that_was_patched_is_called(
    world: World, nginx: Nginx, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    original = http3.ConnectionPool.send
    pool = PatchedPool() if how == "wraps" else http3.ConnectionPool()

    async def patched(*args: Any, **options: Any) -> Any:
        response = await original(*(args if how == "class" else (pool, *args)), **options)
        response.headers["X-Patched"] = "yes"
        return response

    if how == "attribute":
        monkeypatch.setattr(pool, "send", patched)
    elif how == "mock":
        monkeypatch.setattr(pool, "send", mock.AsyncMock(side_effect=patched))
    elif how == "class":
        monkeypatch.setattr(http3.ConnectionPool, "send", functools.wraps(original)(patched))
    response = await do(world.client(dispatch=pool).get(f"{nginx.plain}/small"))
    assert response.headers["X-Patched"] == "yes"
    assert response.timings.wait is not None


async def test_a_mock_of_a_dispatcher(world: World) -> None:
    """A `Mock` has every attribute that it is asked for."""
    dispatch = mock.Mock(now=time.monotonic)
    dispatch.send.return_value = http3.Response(200, text="mocked")
    assert (await do(world.client(dispatch=dispatch).get("http://h/"))).text == "mocked"
