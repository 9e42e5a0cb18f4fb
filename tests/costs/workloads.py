"""What is done while it is counted: small requests to nginx, one after the other or many at a time.

Each response is checked, so that a cheap failure is not taken for a cheap request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

import http3

Run = Callable[[int], Coroutine[Any, Any, None]]
"""Makes so many requests. It never suspends in the sync world."""

DOCUMENT = {"name": "value", "numbers": list(range(100)), "text": "x" * 1500}


class Sites(NamedTuple):
    """Where requests go."""

    urls: dict[str, str]
    """By names: plain, tls, h2c, echo; refused, silent (no answer ever), dropped (closed in place of one)."""
    ca_file: str


class Workload(NamedTuple):
    """One kind of request, made many times with one client."""

    world: str
    """"sync", "asyncio" or "trio"."""
    site: str = "plain"
    """Who answers: a key of `Sites.urls`."""
    verb: str = "get"
    """"get" reads 1 KiB, "post" sends 2 KiB of JSON and parses an answer, "fail" expects ``error``."""
    at_once: int = 1
    version: str = "HTTP/1.1"
    keeps: bool = True
    """Connections are kept; otherwise each request opens one."""
    requests: int = 100
    """How many are counted; as many were made before."""
    kept: int = 500
    """After how many it is looked what they left behind."""
    traced: int = 50
    """The same, with tracemalloc; 0 for not at all."""
    error: type[Exception] = http3.HttpError

    @property
    def is_stepped(self) -> bool:
        """More than one answer, or one in more than one piece (nginx sends the frames of a body apart)."""
        return self.at_once > 1 or self.version == "HTTP/2"

    def options(self, ca_file: str) -> dict[str, Any]:
        """How the client is made."""
        return {
            "verify": ca_file,
            "http_versions": (self.version,),
            "pool_limits": http3.PoolLimits(soft_limit=self.at_once, hard_limit=self.at_once),
            "headers": {} if self.keeps else {"Connection": "close"},
            "timeout": (30, 0.01, 30) if self.error is http3.ReadTimeout else 30,
        }


def failing(site: str, error: type[Exception], count: int = 20) -> dict[str, Workload]:
    """What leaves exceptions, tracebacks and broken connections behind, in each world."""
    return {
        f"{world}-{site}": Workload(world, site, "fail", error=error, requests=count, kept=count, traced=0)
        for world in ("sync", "asyncio", "trio")
    }


WORKLOADS = {
    "sync-get": Workload("sync", kept=10_000),
    "sync-get-tls": Workload("sync", "tls"),
    "sync-post-json": Workload("sync", "echo", "post"),
    "sync-connect": Workload("sync", keeps=False),
    "sync-http2": Workload("sync", "h2c", version="HTTP/2", requests=50, kept=250),
    "asyncio-get": Workload("asyncio"),
    "asyncio-get-50": Workload("asyncio", at_once=50, requests=250),
    "asyncio-http2": Workload("asyncio", "h2c", version="HTTP/2", requests=50, kept=250),
    "asyncio-http2-100": Workload(
        "asyncio", "h2c", at_once=100, version="HTTP/2", requests=200, kept=1000, traced=0
    ),
    "trio-get": Workload("trio"),
    # Some kernels refuse on loopback at once, others tell it to a poll: the latter, dearer way is pinned.
    **failing("refused", http3.ConnectError),
    **failing("silent", http3.ReadTimeout),
    **failing("dropped", http3.RemoteProtocolError),
}
"""``pinned.toml`` has a line for each."""


def of_world(world: str) -> list[str]:
    """The names of all workloads of a world."""
    return [name for name, workload in WORKLOADS.items() if workload.world == world]


def succeeding(names: Iterable[str]) -> list[str]:
    """Those of them that get responses."""
    return [name for name in names if WORKLOADS[name].verb != "fail"]


def make_run(workload: Workload, client: Any, url: str) -> Run:
    """A function that makes the requests of the workload with this client."""
    one_by_one = {"get": _get, "post": _post, "fail": _fail}[workload.verb]

    async def run(count: int) -> None:
        if workload.at_once == 1:
            await one_by_one(workload, client, url, count)
        else:
            each = count // workload.at_once
            # Made so that the loop is not asked for them: the tasks that it is asked for are the client's.
            await asyncio.gather(
                *(asyncio.Task(one_by_one(workload, client, url, each)) for _ in range(workload.at_once))
            )

    return run


async def _get(workload: Workload, client: Any, url: str, count: int) -> None:
    is_sync = workload.world == "sync"
    for _ in range(count):
        response = client.get(url) if is_sync else await client.get(url)
        assert len(response.content) == 1024
        assert response.protocol == workload.version


async def _post(workload: Workload, client: Any, url: str, count: int) -> None:
    is_sync = workload.world == "sync"
    for _ in range(count):
        response = client.post(url, json=DOCUMENT) if is_sync else await client.post(url, json=DOCUMENT)
        parsed = response.json() if is_sync else await response.json()
        assert parsed["method"] == "POST"


async def _fail(workload: Workload, client: Any, url: str, count: int) -> None:
    is_sync = workload.world == "sync"
    for _ in range(count):
        try:
            response = client.get(url) if is_sync else await client.get(url)
        except workload.error:
            continue
        raise AssertionError(f"no {workload.error.__name__}, but {response!r}")
