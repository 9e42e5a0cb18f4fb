"""What is compared: one row of the table each, and what http3 is to reach there.

A row is a value. Which clients take part is no matter of the row: all that can do it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from .clients.registry import LIBRARIES
from .runner import Case, Import, Making, Run, Script
from .site import MIB
from .workloads import WORKLOADS

OURS = "http3"

Metric = Literal["cpu", "slow", "memory"]
"""CPU per unit, the 99th percentile of latency, peak memory: in `Measured`."""


class Beside(NamedTuple):
    """Ours is to be at most ``reach`` times theirs. ``case``: a client, or an entry of the row's ``also``."""

    case: str
    reach: float
    metric: Metric = "cpu"


class Within(NamedTuple):
    """Ours is to be at most ``reach``: seconds, or bytes."""

    reach: float
    metric: Metric = "cpu"


class Row(NamedTuple):
    """``runtime``: sync or asyncio, or a kind of `START` where no workload is done but a library started.

    ``also`` are workloads that http3 does in the same rounds, by the name of their case, to compare with.
    ``is_main``: part of the short run.
    """

    name: str
    title: str
    runtime: str
    workload: str = ""
    targets: tuple[Beside | Within, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    is_main: bool = False

    @property
    def group(self) -> str:
        """The table it stands in."""
        return self.runtime if self.workload else "start"

    @property
    def unit(self) -> str:
        """What costs are told by; empty where they are told whole."""
        return WORKLOADS[self.workload].unit if self.workload else ""

    @property
    def files(self) -> tuple[str, ...]:
        """Which files the server must have."""
        if not self.workload:
            return ("1k",)
        return tuple(sorted({"1k", WORKLOADS[self.workload].file}))

    def cases(self, pythons: Mapping[str, str], share: float) -> dict[str, Case]:
        """What is to be measured: for every client with an interpreter, as `in_turn` wants it."""
        if not self.workload:
            return {
                client: START[self.runtime](LIBRARIES[client].program, python)
                for client, python in pythons.items()
            }
        cases: dict[str, Case] = {}
        for client, python in pythons.items():
            library = LIBRARIES[client]
            if library.sync if self.runtime == "sync" else library.asynchronous:
                cases[client] = Run(client, self.runtime, self.workload, python, library.pace * share)
        if OURS in pythons:
            for name, workload in self.also:
                cases[name] = Run(OURS, self.runtime, workload, pythons[OURS], share)
        return cases


START: dict[str, type[Import | Making | Script]] = {
    "import": Import,
    "client": Making,
    "script": Script,
}

ROWS = (
    Row(
        "get-sync",
        "GET of 1 KiB, one after the other",
        "sync",
        "get",
        (Beside("pycurl", 1.0), Beside("http.client", 0.6), Beside("httpx", 0.2)),
        is_main=True,
    ),
    Row(
        "threads-sync",
        "GET of 1 KiB, 8 threads with one client",
        "sync",
        "get-8-threads",
        (Beside("http.client", 0.6), Beside("pycurl", 1.15)),
    ),
    Row(
        "tls-sync",
        "GET of 1 KiB over TLS, one after the other",
        "sync",
        "get-tls",
        (Beside("http.client", 0.6),),
        is_main=True,
    ),
    Row(
        "headers-sync",
        "GET of 1 KiB with 40 response headers",
        "sync",
        "headers",
        (Beside("http.client", 0.7),),
    ),
    Row(
        "json-sync",
        "POST of 2 KiB of JSON, and `.json()`",
        "sync",
        "json",
        (Beside("http.client", 0.8),),
        is_main=True,
    ),
    Row(
        "connect-sync",
        "GET of 1 KiB, a new connection each",
        "sync",
        "connect",
        (Beside("http.client", 0.9),),
    ),
    Row(
        "connect-tls-sync",
        "GET of 1 KiB, a new TLS connection each",
        "sync",
        "connect-tls",
        (Beside("http.client", 1.0),),
    ),
    Row(
        "download-sync",
        "download of 256 MiB, streamed",
        "sync",
        "download",
        (Beside("socket", 1.1),),
        is_main=True,
    ),
    Row(
        "download-tls-sync",
        "download of 256 MiB over TLS, streamed",
        "sync",
        "download-tls",
        (Beside("socket", 1.1),),
    ),
    Row(
        "read-sync",
        "64 MiB read into memory",
        "sync",
        "read",
        (Beside("http.client", 1.05), Within(90 * MIB, "memory")),
    ),
    Row("upload-sync", "upload of 64 MiB from a file", "sync", "upload-64", (Beside("http.client", 1.1),)),
    Row(
        "upload-pieces-sync",
        "upload of 64 MiB from an iterator",
        "sync",
        "upload-64-pieces",
        (Beside("http.client", 1.1),),
    ),
    Row(
        "http2-sync",
        "HTTP/2: GET of 1 KiB, one after the other",
        "sync",
        "get-http2",
        (Beside("httpx", 0.4),),
    ),
    Row(
        "http2-download-sync",
        "HTTP/2: download of 64 MiB, streamed",
        "sync",
        "download-64-http2",
        (Beside("pycurl", 2.0), Beside("httpx", 0.4)),
    ),
    Row(
        "get-async",
        "GET of 1 KiB, one after the other",
        "asyncio",
        "get",
        (Beside("aiohttp", 0.65),),
        is_main=True,
    ),
    Row(
        "get-50-async",
        "GET of 1 KiB, 50 at a time",
        "asyncio",
        "get-50",
        (Beside("aiohttp", 0.55), Beside("pyreqwest", 1.2)),
        is_main=True,
    ),
    Row(
        "get-1000-async",
        "GET of 1 KiB, 1000 at a time, 100 connections",
        "asyncio",
        "get-1000",
        (Beside("aiohttp", 0.55), Beside("our own 50", 1.3), Beside("aiohttp", 0.3, "slow")),
        also=(("our own 50", "get-50"),),
    ),
    Row(
        "tls-async",
        "GET of 1 KiB over TLS, one after the other",
        "asyncio",
        "get-tls",
        (Beside("aiohttp", 0.65),),
    ),
    Row(
        "headers-async",
        "GET of 1 KiB with 40 response headers",
        "asyncio",
        "headers",
        (Beside("aiohttp", 0.95),),
    ),
    Row(
        "json-async",
        "POST of 2 KiB of JSON, and `.json()`",
        "asyncio",
        "json",
        (Beside("aiohttp", 0.65),),
    ),
    Row("connect-async", "GET of 1 KiB, a new connection each", "asyncio", "connect"),
    Row("connect-tls-async", "GET of 1 KiB, a new TLS connection each", "asyncio", "connect-tls"),
    Row("download-async", "download of 256 MiB, streamed", "asyncio", "download"),
    Row("download-tls-async", "download of 256 MiB over TLS, streamed", "asyncio", "download-tls"),
    Row("read-async", "64 MiB read into memory", "asyncio", "read", (Within(90 * MIB, "memory"),)),
    Row("upload-async", "upload of 64 MiB from a file", "asyncio", "upload-64"),
    Row("upload-pieces-async", "upload of 64 MiB from an iterator", "asyncio", "upload-64-pieces"),
    Row(
        "http2-async",
        "HTTP/2: GET of 1 KiB, one after the other",
        "asyncio",
        "get-http2",
        (Beside("httpx", 0.4),),
    ),
    Row(
        "http2-streams-async",
        "HTTP/2: 100 streams of one connection",
        "asyncio",
        "get-100-streams",
        (Beside("curl_cffi", 0.8), Beside("httpx", 0.2)),
        is_main=True,
    ),
    Row(
        "http2-download-async",
        "HTTP/2: download of 64 MiB, streamed",
        "asyncio",
        "download-64-http2",
        (Beside("httpx", 0.4),),
    ),
    Row("import", "the import, more than a bare process", "import", targets=(Within(0.045),), is_main=True),
    Row("client", "making a client, the first of a process", "client", targets=(Within(0.0002),)),
    Row(
        "script",
        "a whole script with one plain request",
        "script",
        targets=(Within(24 * MIB, "memory"),),
    ),
)
