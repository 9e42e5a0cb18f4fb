"""The process that is measured: ``python -m benchmarks.worker CLIENT RUNTIME WORKLOAD SHARE SITE``.

It runs one workload with one client and prints what that cost, as JSON: the fields of `Measured`, or a text
that says why the client can't. RUNTIME is sync, asyncio or trio; SHARE the part of the requests to do; SITE
is the server's description as JSON. Started by `runner`, once for every measurement.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable

from .clients.registry import make_async, make_sync
from .clients.seam import CannotDo
from .site import Site
from .work import Gather, run_async, run_sync
from .workloads import WORKLOADS, Measured, Workload


def main(client: str, runtime: str, workload_name: str, share: str, site_json: str) -> None:
    """Measure, and print the result."""
    site = Site(*json.loads(site_json))
    workload = WORKLOADS[workload_name].part(float(share))
    try:
        print(json.dumps(measure(client, runtime, workload, site)))
    except CannotDo as exc:
        print(json.dumps(str(exc)))


def measure(client: str, runtime: str, workload: Workload, site: Site) -> Measured:
    """Run the workload in this very process."""
    if runtime == "sync":
        return run_sync(workload, make_sync(client, workload.setup(site)), site)
    return {"asyncio": _on_asyncio, "trio": _on_trio}[runtime](client, workload, site)


def _on_asyncio(client: str, workload: Workload, site: Site) -> Measured:
    import asyncio

    async def gather(functions: list[Callable[[], Awaitable[None]]]) -> None:
        await asyncio.gather(*[function() for function in functions])

    return asyncio.run(_made_and_run(client, workload, site, gather))


def _on_trio(client: str, workload: Workload, site: Site) -> Measured:
    import trio

    async def gather(functions: list[Callable[[], Awaitable[None]]]) -> None:
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)

    return trio.run(_made_and_run, client, workload, site, gather)


async def _made_and_run(client: str, workload: Workload, site: Site, gather: Gather) -> Measured:
    return await run_async(workload, make_async(client, workload.setup(site)), site, gather)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # without the interpreter's end, in which the threads of pyreqwest crash now and then
