"""The process that is measured: ``python -m benchmarks.worker CLIENT RUNTIME WORKLOAD SITE``.

It runs one workload with one client and prints what that cost, as JSON. RUNTIME is sync, asyncio or trio;
SITE is the server's description as JSON. Started by `runner`, once for every measurement.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable

from .clients import ASYNC_CLIENTS, SYNC_CLIENTS, AsyncClient, Setup
from .site import Site
from .workloads import WORKLOADS, Gather, Measured, Workload, run_async, run_sync


def main(client: str, runtime: str, workload_name: str, site_json: str) -> None:
    """Measure, and print the result."""
    site = Site(*json.loads(site_json))
    workload = WORKLOADS[workload_name]
    if runtime == "sync":
        measured = run_sync(workload, SYNC_CLIENTS[client](workload.setup(site)), site)
    else:
        run = {"asyncio": _on_asyncio, "trio": _on_trio}[runtime]
        measured = run(ASYNC_CLIENTS[client], workload, site)
    print(json.dumps(measured))


def _on_asyncio(make: Callable[[Setup], AsyncClient], workload: Workload, site: Site) -> Measured:
    import asyncio

    async def gather(functions: list[Callable[[], Awaitable[None]]]) -> None:
        await asyncio.gather(*[function() for function in functions])

    return asyncio.run(_made_and_run(make, workload, site, gather))


def _on_trio(make: Callable[[Setup], AsyncClient], workload: Workload, site: Site) -> Measured:
    import trio

    async def gather(functions: list[Callable[[], Awaitable[None]]]) -> None:
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)

    return trio.run(_made_and_run, make, workload, site, gather)


async def _made_and_run(
    make: Callable[[Setup], AsyncClient], workload: Workload, site: Site, gather: Gather
) -> Measured:
    return await run_async(workload, make(workload.setup(site)), site, gather)


if __name__ == "__main__":
    main(*sys.argv[1:])
