"""Does a workload with a client, and measures it: two functions, sync and async.

Every task first does a few small requests (connections open, modules load, caches fill), then comes the work
between two readings of the clock that counts this process' CPU.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from typing import NamedTuple

from .clients.seam import AsyncClient, SyncClient
from .site import DOCUMENT, HEADER, Check, Site, check_whole, pieces
from .workloads import (
    Measured,
    Meter,
    Workload,
    check_answer,
    check_headed,
    check_parsed,
    check_status,
)

Gather = Callable[[list[Callable[[], Awaitable[None]]]], Awaitable[None]]
"""Runs coroutine functions side by side: what asyncio and trio have under different names."""


class _Paths(NamedTuple):
    """Where a workload finds and leaves things."""

    small: str
    target: str
    source: str
    """The served file itself, for uploads."""
    saved: str
    stored: str
    """Where the server keeps what was PUT."""


def _paths(workload: Workload, site: Site) -> _Paths:
    base: str = getattr(site, workload.listener)
    name = f"upload-{os.getpid()}"
    targets = {"put": f"stored/{name}", "put-pieces": f"stored/{name}", "json": "json"}
    return _Paths(
        small=f"{base}/1k",
        target=f"{base}/{targets.get(workload.verb, workload.prefix + workload.file)}",
        source=os.path.join(site.folder, "www", workload.file),
        saved=os.path.join(site.folder, f"download-{os.getpid()}"),
        stored=os.path.join(site.folder, "stored", name),
    )


def _look_over(workload: Workload, paths: _Paths) -> None:
    """Compare a file that was written with the text, every byte, and remove it."""
    path = {"save": paths.saved, "put": paths.stored, "put-pieces": paths.stored}.get(workload.verb)
    if path is not None:
        with open(path, "rb") as file:
            check_whole(file, workload.size)
        os.unlink(path)


# --- sync ------------------------------------------------------------------------------------------------


def run_sync(workload: Workload, client: SyncClient, site: Site) -> Measured:
    """Run it with a client that blocks."""
    paths = _paths(workload, site)
    _warm_up(workload, client, paths)
    if workload.threads > 1:
        meter = _in_threads(workload, client, paths)
    else:
        meter = Meter()
        _work(workload, client, paths, iter(range(workload.times)), meter.latencies)
    measured = meter.stop(workload.units)
    client.close()
    _look_over(workload, paths)
    return measured


def _warm_up(workload: Workload, client: SyncClient, paths: _Paths) -> None:
    small = workload._replace(file="1k")
    for _ in range(workload.warm_up):
        check_answer(small, client.get(paths.small))


def _in_threads(workload: Workload, client: SyncClient, paths: _Paths) -> Meter:
    """Several threads share the client and the work; each is warm before the clock is read."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    barrier = Barrier(workload.threads)

    def warm_up() -> None:
        _warm_up(workload, client, paths)
        barrier.wait(60)

    with ThreadPoolExecutor(workload.threads) as threads:
        for future in [threads.submit(warm_up) for _ in range(workload.threads)]:
            future.result()
        meter = Meter()
        left = iter(range(workload.times))
        each = (workload, client, paths, left, meter.latencies)
        for future in [threads.submit(_work, *each) for _ in range(workload.threads)]:
            future.result()
    return meter


def _work(
    workload: Workload, client: SyncClient, paths: _Paths, left: Iterator[int], latencies: list[float]
) -> None:
    if workload.verb in _SMALL_WORK:
        once = _SMALL_WORK[workload.verb]
        for _ in left:
            started = perf_counter()
            once(workload, client, paths.target)
            latencies.append(perf_counter() - started)
    else:
        for _ in left:
            _LARGE_WORK[workload.verb](workload, client, paths)


def _get(workload: Workload, client: SyncClient, url: str) -> None:
    check_answer(workload, client.get(url))


def _headed(workload: Workload, client: SyncClient, url: str) -> None:
    check_headed(workload, client.headed(url, HEADER))


def _json(workload: Workload, client: SyncClient, url: str) -> None:
    check_parsed(client.post_json(url, DOCUMENT))


_SMALL_WORK: dict[str, Callable[[Workload, SyncClient, str], None]] = {
    "get": _get,
    "headed": _headed,
    "json": _json,
}


def _stream(workload: Workload, client: SyncClient, paths: _Paths) -> None:
    check = Check()
    check_status(client.stream(paths.target, check.take), (200,))
    check.end(workload.size)


def _save(workload: Workload, client: SyncClient, paths: _Paths) -> None:
    with open(paths.saved, "wb") as target:
        check_status(client.stream(paths.target, target.write), (200,))


def _put(workload: Workload, client: SyncClient, paths: _Paths) -> None:
    with open(paths.source, "rb") as source:
        check_status(client.put(paths.target, source), (201, 204))


def _put_pieces(workload: Workload, client: SyncClient, paths: _Paths) -> None:
    check_status(client.put_pieces(paths.target, pieces(workload.size)), (201, 204))


_LARGE_WORK: dict[str, Callable[[Workload, SyncClient, _Paths], None]] = {
    "stream": _stream,
    "save": _save,
    "put": _put,
    "put-pieces": _put_pieces,
}


# --- async -----------------------------------------------------------------------------------------------


async def run_async(workload: Workload, client: AsyncClient, site: Site, gather: Gather) -> Measured:
    """Run it with an async client, on whatever loop runs; ``gather`` is that loop's."""
    paths = _paths(workload, site)
    small = workload._replace(file="1k")

    async def warm_up() -> None:
        for _ in range(workload.warm_up):
            check_answer(small, await client.get(paths.small))

    await warm_up()
    await gather([warm_up] * workload.at_once)
    meter = Meter()
    left = iter(range(workload.times))
    if workload.verb in _ASYNC_SMALL_WORK:
        await gather(
            [lambda: _async_share(workload, client, paths, left, meter.latencies)] * workload.at_once
        )
    else:
        for _ in left:
            await _async_large_work(workload, client, paths)
    measured = meter.stop(workload.units)
    await client.close()
    _look_over(workload, paths)
    return measured


async def _async_share(
    workload: Workload, client: AsyncClient, paths: _Paths, left: Iterator[int], latencies: list[float]
) -> None:
    """One of several tasks that share the work."""
    once = _ASYNC_SMALL_WORK[workload.verb]
    for _ in left:
        started = perf_counter()
        await once(workload, client, paths.target)
        latencies.append(perf_counter() - started)


async def _async_get(workload: Workload, client: AsyncClient, url: str) -> None:
    check_answer(workload, await client.get(url))


async def _async_headed(workload: Workload, client: AsyncClient, url: str) -> None:
    check_headed(workload, await client.headed(url, HEADER))


async def _async_json(workload: Workload, client: AsyncClient, url: str) -> None:
    check_parsed(await client.post_json(url, DOCUMENT))


_ASYNC_SMALL_WORK: dict[str, Callable[[Workload, AsyncClient, str], Awaitable[None]]] = {
    "get": _async_get,
    "headed": _async_headed,
    "json": _async_json,
}


async def _async_large_work(workload: Workload, client: AsyncClient, paths: _Paths) -> None:
    check = Check()
    if workload.verb == "stream":
        check_status(await client.stream(paths.target, check.take), (200,))
        check.end(workload.size)
    elif workload.verb == "save":
        with open(paths.saved, "wb") as target:  # noqa: ASYNC230 - nothing else is to be done meanwhile
            check_status(await client.stream(paths.target, target.write), (200,))
    elif workload.verb == "put":
        with open(paths.source, "rb") as source:  # noqa: ASYNC230
            check_status(await client.put(paths.target, source), (201, 204))
    else:
        check_status(await client.put_pieces(paths.target, pieces(workload.size)), (201, 204))
