"""Interruptions of a pool at any line, and cancellations at any await."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

import pytest

from http3_models import (
    AsyncRequest,
    PoolLimits,
    PoolTimeout,
)
from http3_models.engine import run_sync
from http3_transport import BlockingBackend, ConnectionPool
from support.exchanges import check_idle, fetch, keeping
from support.heap import set_aside
from support.http2_client import echo
from support.interruption import AtLine
from support.servers import Authority, Nginx, StartServer


def scenario_fresh(pool: ConnectionPool, url: str) -> None:
    run_sync(fetch(pool, url))


def scenario_reused(pool: ConnectionPool, url: str) -> None:
    run_sync(fetch(pool, url))
    run_sync(fetch(pool, url))


def scenario_dead(pool: ConnectionPool, url: str) -> None:
    run_sync(fetch(pool, url))
    for connection in pool.keepalive_connections:
        connection.engine.stream.abort()
    run_sync(fetch(pool, url))


def scenario_waiting(pool: ConnectionPool, url: str) -> None:
    held = run_sync(pool.send(AsyncRequest("GET", url)))
    try:
        with pytest.raises(PoolTimeout):
            run_sync(fetch(pool, url))
    finally:
        run_sync(held.close())


@pytest.mark.parametrize("scenario", [scenario_fresh, scenario_reused, scenario_dead, scenario_waiting])
@pytest.mark.parametrize(("version", "step"), [("HTTP/1.1", 1), ("HTTP/2", 3)])
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_at_any_line_loses_nothing(
    start_server: StartServer, scenario: Callable[[ConnectionPool, str], None], version: str, step: int
) -> None:
    if scenario is scenario_waiting and version == "HTTP/2":
        pytest.skip("no request has to wait")
    size = 70_000
    server = start_server(keeping(b"x" * size) if version == "HTTP/1.1" else echo())
    url, number, raised = f"{server.url}/{size}", 0, True
    set_aside()
    while raised:
        number += step
        pool = ConnectionPool(
            backend=BlockingBackend(),
            http_versions=(version,),
            pool_limits=PoolLimits(hard_limit=1, pool_timeout=0.01),
        )
        tracer = AtLine(number)
        raised = tracer.run(partial(scenario, pool, url))
        gc.collect()
        try:
            assert len(run_sync(fetch(pool, url)).content) == size
            check_idle(pool)
        except BaseException as exc:
            exc.add_note(f"interrupted at {tracer.where}")
            raise
        run_sync(pool.close())
    assert number > 100


class Cancelled:
    """Awaits a coroutine, and cancels it the n-th time that it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], number: int) -> None:
        self.coroutine = coroutine
        self.left = number

    def __await__(self) -> Generator[Any, Any, object]:
        task = asyncio.current_task()
        assert task is not None
        step: Callable[[], Any] = partial(self.coroutine.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration as stop:
                return stop.value
            self.left -= 1
            if self.left == 0:
                asyncio.get_running_loop().call_soon(task.cancel)
            try:
                step = partial(self.coroutine.send, (yield waits_for))
            except BaseException as exc:  # noqa: BLE001
                step = partial(self.coroutine.throw, exc)


@pytest.mark.parametrize("kind", ["plain", "tls", "tls_h2", "h2c"])
def test_a_cancellation_at_any_await_loses_nothing(kind: str, nginx: Nginx, authority: Authority) -> None:
    url = getattr(nginx, kind) + "/1k"
    versions = ("HTTP/2",) if kind == "h2c" else ("HTTP/1.1", "HTTP/2")

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None
        number = 0
        while True:
            number += 1
            pool = ConnectionPool(
                verify=authority.ca_file, http_versions=versions, pool_limits=PoolLimits(hard_limit=1)
            )
            attempt = Cancelled(fetch(pool, url), number)
            try:
                await attempt
            except asyncio.CancelledError:
                task.uncancel()
            assert len((await fetch(pool, url)).content) == 1024
            check_idle(pool)
            await pool.close()
            if attempt.left > 0:
                return number

    assert asyncio.run(main()) >= 3


def test_a_cancellation_that_comes_with_a_grant_passes_it_on(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        first, second = [asyncio.create_task(fetch(pool, server.url)) for _ in range(2)]
        await asyncio.sleep(0.02)
        await holder.close()
        first.cancel()
        assert (await second).status_code == 200
        assert first.cancelled()
        check_idle(pool)
        await pool.close()

    asyncio.run(main())


def test_a_coroutine_that_is_collected_takes_no_lock(start_server: StartServer) -> None:
    server = start_server(keeping(b"x" * 100_000))

    async def main() -> None:
        pool = ConnectionPool(pool_limits=PoolLimits(hard_limit=1))
        holder = await pool.send(AsyncRequest("GET", server.url))
        waiting = fetch(pool, server.url)
        waiting.send(None)
        assert pool._scope is not None
        with pool._scope._lock:
            waiting.close()
        await holder.close()
        assert (await fetch(pool, server.url)).status_code == 200
        check_idle(pool)
        await pool.close()

    asyncio.run(main())
