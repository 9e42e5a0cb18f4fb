"""What clients are made to do. Each workload is a value; two functions run any of them, sync and async.

A run lets every task do a few small requests (connections open, modules load, caches fill), then does the
work between two readings of the clock that counts this process' CPU. Every response is checked inside, with
what costs next to nothing: status, HTTP version, and the bytes as told in `site`.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Awaitable, Callable, Iterator
from io import BytesIO
from time import monotonic
from typing import NamedTuple

from .clients import Answer, AsyncClient, Setup, SyncClient
from .site import BLOCK, SIZES, Check, Site, check_whole

WARM_UP = 3
"""Small requests that each task does first."""

Gather = Callable[[list[Callable[[], Awaitable[None]]]], Awaitable[None]]
"""Runs coroutine functions side by side: what asyncio and trio have under different names."""


class Workload(NamedTuple):
    """``times`` the same thing, by ``at_once`` tasks side by side (sync clients: 1).

    ``verb``: "get" reads a body into memory, "stream" lets it pass by, "save" writes it to a file, "put"
    sends a file. ``listener`` is an attribute of `Site`.
    """

    verb: str
    file: str = "1k"
    listener: str = "plain"
    times: int = 1
    at_once: int = 1
    connections: int = 100

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return SIZES[self.file]

    @property
    def version(self) -> str:
        """What must be spoken."""
        return "HTTP/2" if self.listener == "http2" else "HTTP/1.1"

    def setup(self, site: Site) -> Setup:
        """How the client is to be made for it."""
        return Setup(site.ca_file, self.listener == "http2", self.connections)


WORKLOADS = {
    "get": Workload("get", times=2000),
    "get-tls": Workload("get", listener="tls", times=2000),
    "get-50": Workload("get", times=3000, at_once=50, connections=50),
    "get-50-tls": Workload("get", listener="tls", times=3000, at_once=50, connections=50),
    "get-1000": Workload("get", times=6000, at_once=1000, connections=100),
    "get-100-streams": Workload("get", listener="http2", times=3000, at_once=100),
    "download": Workload("stream", "256m"),
    "download-tls": Workload("stream", "256m", "tls"),
    "download-http2": Workload("stream", "256m", "http2"),
    "read": Workload("get", "64m"),
    "read-http2": Workload("get", "64m", "http2"),
    "save": Workload("save", "1g"),
    "save-http2": Workload("save", "1g", "http2"),
    "upload": Workload("put", "1g"),
    "upload-http2": Workload("put", "1g", "http2"),
}


class Measured(NamedTuple):
    """What one process spent on one workload."""

    cpu: float
    """Seconds, user and system, for all of it."""
    wall: float
    times: int
    memory: int
    """Bytes that were resident at most, from the start of the process to the end of the work."""


class Meter:
    """Measures from its making to `stop`."""

    __slots__ = ("_cpu", "_wall")

    def __init__(self) -> None:
        self._wall = monotonic()
        self._cpu = cpu_seconds()

    def stop(self, times: int) -> Measured:
        """What was spent."""
        cpu = cpu_seconds() - self._cpu
        return Measured(cpu, monotonic() - self._wall, times, peak_memory())


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_memory() -> int:
    """The most bytes that were resident at once in this process.

    On Linux from VmHWM: ru_maxrss is inherited from the process that started this one.
    """
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


# --- checks ----------------------------------------------------------------------------------------------

_SMALL = BLOCK[: SIZES["1k"]]


def check_answer(workload: Workload, answer: Answer) -> None:
    """Raise AssertionError unless it is the very response that was to come."""
    if answer.status != 200 or answer.version != workload.version:
        raise AssertionError(f"{answer.status} over {answer.version}, not 200 over {workload.version}")
    if workload.file == "1k":
        if answer.body != _SMALL:
            raise AssertionError("wrong bytes")
    else:
        check_whole(BytesIO(answer.body), workload.size)


def check_status(status: int, *wanted: int) -> None:
    """Raise AssertionError for any other."""
    if status not in wanted:
        raise AssertionError(f"{status} came, not {wanted}")


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
    return _Paths(
        small=f"{base}/1k",
        target=f"{base}/stored/{name}" if workload.verb == "put" else f"{base}/{workload.file}",
        source=os.path.join(site.folder, "www", workload.file),
        saved=os.path.join(site.folder, f"download-{os.getpid()}"),
        stored=os.path.join(site.folder, "stored", name),
    )


def _look_over(workload: Workload, paths: _Paths) -> None:
    """Compare a file that was written with the text, every byte, and remove it."""
    path = {"save": paths.saved, "put": paths.stored}.get(workload.verb)
    if path is not None:
        with open(path, "rb") as file:
            check_whole(file, workload.size)
        os.unlink(path)


# --- sync ------------------------------------------------------------------------------------------------


def run_sync(workload: Workload, client: SyncClient, site: Site) -> Measured:
    """Run it with a client that blocks."""
    paths = _paths(workload, site)
    small = workload._replace(file="1k")
    for _ in range(WARM_UP):
        check_answer(small, client.get(paths.small))
    meter = Meter()
    _work(workload, client, paths)
    measured = meter.stop(workload.times)
    client.close()
    _look_over(workload, paths)
    return measured


def _work(workload: Workload, client: SyncClient, paths: _Paths) -> None:
    check = Check()
    if workload.verb == "get":
        for _ in range(workload.times):
            check_answer(workload, client.get(paths.target))
    elif workload.verb == "stream":
        check_status(client.stream(paths.target, check.take), 200)
        check.end(workload.size)
    elif workload.verb == "save":
        with open(paths.saved, "wb") as target:
            check_status(client.stream(paths.target, target.write), 200)
    else:
        with open(paths.source, "rb") as source:
            check_status(client.put(paths.target, source), 201, 204)


# --- async -----------------------------------------------------------------------------------------------


async def run_async(workload: Workload, client: AsyncClient, site: Site, gather: Gather) -> Measured:
    """Run it with an async client, on whatever loop runs; ``gather`` is that loop's."""
    paths = _paths(workload, site)
    small = workload._replace(file="1k")

    async def warm_up() -> None:
        for _ in range(WARM_UP):
            check_answer(small, await client.get(paths.small))

    await warm_up()
    await gather([warm_up] * workload.at_once)
    meter = Meter()
    if workload.verb == "get":
        left = iter(range(workload.times))
        await gather([lambda: _get_all(workload, client, paths.target, left)] * workload.at_once)
    else:
        await _async_work(workload, client, paths)
    measured = meter.stop(workload.times)
    await client.close()
    _look_over(workload, paths)
    return measured


async def _get_all(workload: Workload, client: AsyncClient, url: str, left: Iterator[int]) -> None:
    """One of several tasks that share the work."""
    for _ in left:
        check_answer(workload, await client.get(url))


async def _async_work(workload: Workload, client: AsyncClient, paths: _Paths) -> None:
    check = Check()
    if workload.verb == "stream":
        check_status(await client.stream(paths.target, check.take), 200)
        check.end(workload.size)
    elif workload.verb == "save":
        with open(paths.saved, "wb") as target:  # noqa: ASYNC230 - nothing else is to be done meanwhile
            check_status(await client.stream(paths.target, target.write), 200)
    else:
        with open(paths.source, "rb") as source:  # noqa: ASYNC230
            check_status(await client.put(paths.target, source), 201, 204)
