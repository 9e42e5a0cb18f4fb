"""A user's dispatcher around the pool loses nothing of what it knows of an exchange, nor of a failure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import http3
from support.http2_peer import CHUNKED_TRAILERS, answer_with_trailers
from support.servers import Authority, Hypercorn, answering
from support.worlds import World, do, raised, run_to_end


class Wrapping(http3.AsyncDispatcher):
    """Passes everything on; ``make`` turns the pool's response into its own."""

    def __init__(self, pool: Any, make: Callable[[Any], Any] | None = None) -> None:
        self.pool = pool
        self.make = make

    async def send(
        self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None
    ) -> http3.AsyncResponse:
        response: http3.AsyncResponse = await self.pool.send(
            request, verify=verify, cert=cert, timeout=timeout
        )
        return response if self.make is None else await self.make(response)

    async def close(self) -> None:
        await self.pool.close()


class BlockingWrapping(http3.Dispatcher):
    """The same in blocking code: over blocking sockets nothing of the pool suspends."""

    def __init__(self, pool: Any, make: Callable[[Any], Any] | None = None) -> None:
        self.inner = Wrapping(pool, make)

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
        return run_to_end(self.inner.send(request, verify, cert, timeout))

    def close(self) -> None:
        run_to_end(self.inner.close())


async def read(response: http3.AsyncResponse) -> http3.AsyncResponse:
    await response.read()
    return response


async def from_parts(response: http3.AsyncResponse) -> http3.AsyncResponse:
    content = await response.read()
    return http3.AsyncResponse(
        response.status_code,
        headers=response.headers,
        content=content,
        request=response.request,
        elapsed=response.elapsed,
        trailers=response.trailers,
        connection=response.connection,
        timings=response.timings,
    )


async def from_parts_without_request(response: http3.AsyncResponse) -> http3.AsyncResponse:
    content = await response.read()
    return http3.AsyncResponse(
        response.status_code,
        content=content,
        trailers=response.trailers,
        connection=response.connection,
        timings=response.timings,
    )


async def from_what_a_request_knows(response: http3.AsyncResponse) -> http3.AsyncResponse:
    """The request of the pool's response leads to timings and connection; trailers are part of the answer."""
    content = await response.read()
    return http3.AsyncResponse(
        response.status_code, content=content, request=response.request, trailers=response.trailers
    )


async def from_a_stream(response: http3.AsyncResponse) -> http3.AsyncResponse:
    """What is streamed through tells its trailers at its end."""
    return http3.AsyncResponse(
        response.status_code,
        headers=response.headers,
        content=response.raw(),
        on_close=response.close,
        request=response.request,
    )


WAYS = [None, read, from_parts, from_parts_without_request, from_what_a_request_knows, from_a_stream]


def dispatchers(authority: Authority, make: Any) -> list[Any]:
    """One of each kind; their pools serve one protocol or the other."""
    made: list[Any] = []
    for versions in (("HTTP/1.1",), ("HTTP/2", "HTTP/1.1")):
        pool = http3.ConnectionPool(verify=authority.ca_file, http_versions=versions)
        made.append(Wrapping(pool, make))
        blocking = http3.ConnectionPool(
            verify=authority.ca_file, http_versions=versions, backend=http3.BlockingBackend()
        )
        made.append(BlockingWrapping(blocking, make))
    return made


@pytest.mark.parametrize("make", WAYS)
async def test_what_the_pool_knows_comes_through(
    world: World, hypercorn: Hypercorn, authority: Authority, make: Any
) -> None:
    for dispatch in dispatchers(authority, make):
        client = world.client(dispatch=dispatch)
        response = await do(client.get(f"{hypercorn.tls}/json"))
        timings = response.timings
        assert None not in (timings.connect, timings.tls, timings.send, timings.wait, timings.receive)
        assert response.connection.peer_address[0] == "127.0.0.1"
        assert response.connection.tls_version == "TLSv1.3"
        assert response.connection.peer_certificate
        assert response.elapsed > timedelta(0)
        assert str(response.request.url) == f"{hypercorn.tls}/json"
        assert isinstance(response.request, world.request_class)
        again = await do(client.get(f"{hypercorn.tls}/json"))
        assert (again.timings.connect, again.timings.tls) == (None, None)
        assert again.timings.wait is not None
        assert again.connection == response.connection


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("make", WAYS)
async def test_trailers_come_through(world: World, start_server: Any, make: Any, version: str) -> None:
    script = answering(CHUNKED_TRAILERS) if version == "HTTP/1.1" else answer_with_trailers
    for kind in (Wrapping, BlockingWrapping):
        for stream in (False, True):
            backend = http3.BlockingBackend() if kind is BlockingWrapping else None
            pool = http3.ConnectionPool(http_versions=(version,), backend=backend)
            client = world.client(dispatch=kind(pool, make))
            response = await do(client.get(start_server(script).url, stream=stream))
            assert await do(response.read()) == b"abc"
            assert response.trailers["x-checksum"] == "1"
            assert response.timings.receive is not None
            await do(client.close())


async def test_a_total_timeout_changes_nothing(
    world: World, hypercorn: Hypercorn, authority: Authority
) -> None:
    for dispatch in dispatchers(authority, None):
        client = world.client(dispatch=dispatch, timeout=http3.TimeoutConfig(total_timeout=60))
        response = await do(client.get(f"{hypercorn.tls}/download/1000000"))
        assert len(response.content) == 1_000_000
        assert response.timings.receive is not None
        assert response.connection.tls_version == "TLSv1.3"


async def test_around_two_dispatchers_and_a_client(
    world: World, hypercorn: Hypercorn, authority: Authority
) -> None:
    inner = http3.Client(verify=authority.ca_file)

    class Forwarding(http3.Dispatcher):
        def send(self, request: Any, *args: Any, **options: Any) -> http3.Response:
            return inner.request(request.method, request.url, stream=request.url.path == "/stream")

    class Around(http3.Dispatcher):
        def send(self, request: Any, *args: Any, **options: Any) -> http3.Response:
            return Forwarding().send(request)

    with inner:
        for dispatch in (Forwarding(), Around(), http3.MockDispatcher(Forwarding().send)):
            client = world.client(dispatch=dispatch)
            response = await do(client.get(f"{hypercorn.tls}/json"))
            assert response.timings.wait is not None
            assert response.connection.tls_version == "TLSv1.3"
            response = await do(client.get(f"{hypercorn.tls}/stream"))
            assert response.timings.receive is not None


async def test_each_hop_has_its_own(world: World, hypercorn: Hypercorn, authority: Authority) -> None:
    for dispatch in dispatchers(authority, None):
        client = world.client(dispatch=dispatch)
        response = await do(client.get(f"{hypercorn.tls}/redirect/2"))
        assert [earlier.timings.connect is None for earlier in response.history] == [False, True]
        assert response.timings.connect is None
        assert None not in [hop.timings.wait for hop in (*response.history, response)]
        assert response.elapsed >= response.history[0].elapsed


async def test_errors_keep_their_verdict(world: World, authority: Authority) -> None:
    for dispatch in dispatchers(authority, None):
        client = world.client(dispatch=dispatch)
        error = await raised(http3.ConnectError, client.get, "https://127.0.0.1:1/x")
        assert error.delivery == "not_sent"
        assert error.timings.connect is not None
        assert isinstance(error.request, world.request_class)
        assert str(error.request.url) == "https://127.0.0.1:1/x"


async def test_what_a_dispatcher_kept_has_no_times(
    world: World, hypercorn: Hypercorn, authority: Authority
) -> None:
    """The phases of a response from a cache were those of an earlier call."""
    kept: list[http3.AsyncResponse] = []

    class Caching(Wrapping):
        async def send(self, request: Any, *args: Any, **options: Any) -> http3.AsyncResponse:
            if not kept:
                kept.append(await read(await super().send(request)))
            return kept[0]

    pool = http3.ConnectionPool(verify=authority.ca_file)
    client = world.client(dispatch=Caching(pool))
    first = await do(client.get(f"{hypercorn.tls}/json"))
    second = await do(client.get(f"{hypercorn.tls}/json"))
    assert first.content == second.content
    assert first.timings.wait is not None
    assert second.timings.wait is None
    assert second.connection == first.connection
