"""HTTP/2 with servers of others, through the pool."""

from __future__ import annotations

import hashlib

import pytest

from http3_models import (
    AsyncRequest,
    AsyncResponse,
)
from http3_transport import ConnectionPool
from support.http2_client import (
    MIB,
    together,
)
from support.servers import Authority, Hypercorn, Nginx
from support.worlds import World

# Servers of others, through the pool.


def make_pool(world: World, **options: object) -> ConnectionPool:
    return ConnectionPool(backend=world.backend, **options)  # type: ignore[arg-type]


async def pooled(pool: ConnectionPool, method: str, url: str, **options: object) -> AsyncResponse:
    response = await pool.send(AsyncRequest(method, url, **options))  # type: ignore[arg-type]
    assert response.protocol == "HTTP/2"
    await response.read()
    return response


async def test_a_burst_with_nginx(world: World, nginx: Nginx, authority: Authority) -> None:
    pool = make_pool(world, verify=authority.ca_file)
    calls = [lambda: pooled(pool, "GET", f"{nginx.tls_h2}/small")] * 60
    for answer in await together(world, *calls):
        assert isinstance(answer, AsyncResponse), answer
        assert answer.content == b"hello\n"
    assert len(pool.keepalive_connections) == 1
    await pool.close()


@pytest.mark.parametrize("secure", [True, False])
async def test_large_bodies_with_nginx(
    world: World, nginx: Nginx, authority: Authority, secure: bool
) -> None:
    pool = make_pool(world, verify=authority.ca_file, http_versions=("HTTP/2",))
    url = nginx.tls_h2 if secure else nginx.h2c
    answer = await pooled(pool, "GET", f"{url}/big")
    assert len(answer.content) == int(answer.headers["content-length"])
    answer = await pooled(pool, "POST", f"{url}/sink", data=bytes(5 * MIB))
    assert answer.is_success
    answer = await pooled(pool, "POST", f"{url}/limited", data=bytes(20 * MIB))
    assert answer.status_code == 413
    answer = await pooled(pool, "GET", f"{url}/small")
    assert answer.content == b"hello\n"
    await pool.close()


async def test_uploads_and_downloads_with_hypercorn(
    world: World, hypercorn: Hypercorn, authority: Authority
) -> None:
    body = bytes(range(256)) * 20_000  # 5 MiB, many windows
    pool = make_pool(world, verify=authority.ca_file)
    answer = await pooled(pool, "POST", f"{hypercorn.tls}/upload", data=iter([body[:1000], body[1000:]]))
    facts = await answer.json()
    assert (facts["size"], facts["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    answer = await pooled(pool, "GET", f"{hypercorn.tls}/download/{5 * MIB}")
    assert len(answer.content) == 5 * MIB
    answer = await pooled(pool, "GET", f"{hypercorn.tls}/early-hints")
    assert answer.status_code == 200
    await pool.close()
