"""What clients are made to do, as values; `work` does it.

Every response is checked with what costs next to nothing: status, HTTP version, the bytes as told in `site`.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable
from time import monotonic
from typing import NamedTuple

from .clients.seam import Answer, Headed, Parsed, Setup
from .site import BLOCK, DOCUMENT, HEADER, HEADERS, MIB, SIZES, Site, check_body


class Workload(NamedTuple):
    """``times`` the same thing, by ``at_once`` tasks or ``threads`` threads that share one client.

    ``verb``: "get" reads a body into memory, "headed" looks up a header as well, "json" posts and parses,
    "stream" lets a body pass by, "save" writes it to a file, "put" sends a file, "put-pieces" what an
    iterator gives. ``listener`` is an attribute of `Site`; ``prefix`` of the path says what the server does
    besides. ``warm_up``: small requests that each task does before.
    """

    verb: str
    file: str = "1k"
    listener: str = "plain"
    times: int = 1
    at_once: int = 1
    threads: int = 1
    connections: int = 100
    prefix: str = ""
    warm_up: int = 3

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return SIZES[self.file]

    @property
    def version(self) -> str:
        """What must be spoken."""
        return "HTTP/2" if self.listener == "http2" else "HTTP/1.1"

    @property
    def unit(self) -> str:
        """What costs are told by."""
        return "request" if self.file == "1k" else "MiB"

    @property
    def units(self) -> float:
        """How many of them it is."""
        return self.times if self.unit == "request" else self.times * self.size / MIB

    def setup(self, site: Site) -> Setup:
        """How the client is to be made for it."""
        return Setup(site.ca_file, self.listener == "http2", self.connections)

    def part(self, share: float) -> Workload:
        """The same with fewer requests, but never fewer than two for each task."""
        fewest = min(self.times, 2 * max(self.at_once, self.threads))
        return self._replace(times=max(fewest, round(self.times * share)))


WORKLOADS = {
    "get": Workload("get", times=2500),
    "get-tls": Workload("get", listener="tls", times=2000),
    "get-50": Workload("get", times=5000, at_once=50, connections=50),
    "get-50-tls": Workload("get", listener="tls", times=5000, at_once=50, connections=50),
    "get-1000": Workload("get", times=6000, at_once=1000, connections=100, warm_up=1),
    "get-8-threads": Workload("get", times=3000, threads=8),
    "get-http2": Workload("get", listener="http2", times=2000),
    "get-100-streams": Workload("get", listener="http2", times=4000, at_once=100),
    "headers": Workload("headed", times=2000, prefix="headers/"),
    "json": Workload("json", times=1500),
    "connect": Workload("get", times=600, prefix="close/"),
    "connect-tls": Workload("get", listener="tls", times=250, prefix="close/"),
    "download": Workload("stream", "256m"),
    "download-tls": Workload("stream", "256m", "tls"),
    "download-http2": Workload("stream", "256m", "http2"),
    "download-64-http2": Workload("stream", "64m", "http2", times=2),
    "read": Workload("get", "64m", times=3),
    "read-http2": Workload("get", "64m", "http2"),
    "save": Workload("save", "1g"),
    "save-http2": Workload("save", "1g", "http2"),
    "upload": Workload("put", "1g"),
    "upload-http2": Workload("put", "1g", "http2"),
    "upload-64": Workload("put", "64m", times=5),
    "upload-64-pieces": Workload("put-pieces", "64m", times=5),
}


class Measured(NamedTuple):
    """What one process spent on one workload."""

    cpu: float
    """Seconds, user and system, for all of it."""
    wall: float
    units: float
    """Requests or MiB."""
    memory: int
    """Bytes that were resident at most, from the start of the process to the end of the work."""
    middle: float = 0.0
    """Seconds that half of the requests took at most; 0 where it is one request only."""
    slow: float = 0.0
    """Seconds that 99 of 100 requests took at most."""


class Meter:
    """Measures from its making to `stop`."""

    __slots__ = ("_cpu", "_wall", "latencies")

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self._wall = monotonic()
        self._cpu = cpu_seconds()

    def stop(self, units: float) -> Measured:
        """What was spent."""
        cpu = cpu_seconds() - self._cpu
        wall = monotonic() - self._wall
        ranked = sorted(self.latencies)
        return Measured(cpu, wall, units, peak_memory(), percentile(ranked, 50), percentile(ranked, 99))


def percentile(ranked: list[float], per_cent: int) -> float:
    """The smallest value that so many of 100 do not exceed; 0 if there is none."""
    if not ranked:
        return 0.0
    return ranked[max(0, -(-len(ranked) * per_cent // 100) - 1)]


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
_VALUE = HEADERS[HEADER.title()]


def check_answer(workload: Workload, answer: Answer) -> None:
    """Raise AssertionError unless it is the very response that was to come."""
    if answer.status != 200 or answer.version != workload.version:
        raise AssertionError(f"{answer.status} over {answer.version}, not 200 over {workload.version}")
    if workload.file == "1k":
        if answer.body != _SMALL:
            raise AssertionError("wrong bytes")
    else:
        check_body(answer.body, workload.size)


def check_headed(workload: Workload, found: Headed) -> None:
    """The same, and the header."""
    check_answer(workload, found.answer)
    if found.value != _VALUE:
        raise AssertionError(f"wrong header: {found.value!r}")


def check_parsed(parsed: Parsed) -> None:
    """Raise AssertionError unless the document came."""
    if parsed.status != 200 or parsed.value != DOCUMENT:
        raise AssertionError(f"{parsed.status}, wrong document")


def check_status(status: int, wanted: Iterable[int]) -> None:
    """Raise AssertionError for any other."""
    if status not in wanted:
        raise AssertionError(f"{status} came, not {wanted}")
