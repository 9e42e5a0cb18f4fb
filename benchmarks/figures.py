"""The figures that http3 is held to: what is measured, beside what, and how far it may reach.

Each figure is a value: its cases and, for each number that counts, a judge. A judge looks at the rounds and
gives a verdict: the reach, what was measured, and whether it is met.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .runner import Case, Inside, Round, Run, Start, median, per_unit, ratios
from .site import MIB

LIGHT_ROUNDS = 2
"""Rounds where only memory counts: it hardly varies."""


class Verdict(NamedTuple):
    """One line of the report. ``details`` are the values behind ``measured``."""

    reach: str
    measured: str
    spread: str
    is_met: bool
    details: str = ""


Judge = Callable[[list[Round]], Verdict]


class Figure(NamedTuple):
    """``judges`` may be several: what costs CPU also takes memory."""

    name: str
    title: str
    cases: tuple[Case, ...]
    judges: tuple[Judge, ...]
    is_light: bool = False
    files: tuple[str, ...] = ("1k",)


# --- judges ----------------------------------------------------------------------------------------------


def at_most(reach: float, ours: int = 0, theirs: int = 1, unit: str = "request") -> Judge:
    """The CPU per unit of one case is at most ``reach`` times that of another."""

    def judge(found: list[Round]) -> Verdict:
        by_round = list(ratios(found, ours, theirs))
        middle = median(by_round)
        return Verdict(
            f"at most {reach:g}",
            f"{middle:.2f}",
            f"{min(by_round):.2f} to {max(by_round):.2f}",
            middle <= reach,
            f"{_spent(found, ours)} to {_spent(found, theirs)} a {unit}",
        )

    return judge


def more_at_most(reach: float, ours: int = 0, bare: int = 1) -> Judge:
    """The CPU of one case is at most ``reach`` seconds more than that of another."""

    def judge(found: list[Round]) -> Verdict:
        by_round = [measured[ours].cpu - measured[bare].cpu for measured in found]
        return _seconds(reach, by_round, f"{_spent(found, ours)} to {_spent(found, bare)}")

    return judge


def cpu_at_most(reach: float, ours: int = 0) -> Judge:
    """The CPU of one case is at most ``reach`` seconds."""
    return lambda found: _seconds(reach, [measured[ours].cpu for measured in found], "")


def _seconds(reach: float, by_round: list[float], details: str) -> Verdict:
    middle = median(by_round)
    return Verdict(
        f"at most {reach * 1e3:g} ms",
        f"{middle * 1e3:.1f} ms",
        f"{min(by_round) * 1e3:.1f} to {max(by_round) * 1e3:.1f}",
        middle <= reach,
        details,
    )


def memory_under(reach: int, ours: int = 0) -> Judge:
    """The process of one case never has ``reach`` bytes resident."""

    def judge(found: list[Round]) -> Verdict:
        by_round = [measured[ours].memory / MIB for measured in found]
        worst = max(by_round)
        return Verdict(
            f"under {reach // MIB} MiB",
            f"{worst:.1f} MiB",
            f"{min(by_round):.1f} to {worst:.1f}",
            worst * MIB < reach,
        )

    return judge


def _spent(found: list[Round], case: int) -> str:
    seconds = median([per_unit(measured[case]) for measured in found])
    return f"{seconds * 1e6:.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


# --- the figures -----------------------------------------------------------------------------------------

_CLIENT = """
import http3, time, sys
started = time.process_time()
client = http3.Client()
print(time.process_time() - started)
ssl = sys.modules.get("ssl")
if ssl is not None:
    import gc
    assert not any(isinstance(thing, ssl.SSLContext) for thing in gc.get_objects()), "a context was made"
"""


def _import(module: str, reach: float) -> Figure:
    return Figure(
        f"import-{module}",
        f"`import {module}`, more than a bare process",
        (Start(f"import {module}"), Start("pass")),
        (more_at_most(reach),),
    )


def _download(runtime: str) -> Figure:
    return Figure(
        f"download-{runtime}",
        f"download of 256 MiB, streamed, {runtime}, by a raw socket",
        (Run("http3", runtime, "download"), Run("socket", "sync", "download")),
        (at_most(1.5, unit="MiB"), memory_under(60 * MIB)),
        files=("1k", "256m"),
    )


def _memory(title: str, runtime: str, workload: str, reach: int, file: str) -> Figure:
    return Figure(
        f"{workload}-{runtime}",
        f"{title}, {runtime}",
        (Run("http3", runtime, workload),),
        (memory_under(reach * MIB),),
        is_light=True,
        files=("1k", file),
    )


FIGURES = (
    _import("http3_models", 0.025),
    _import("http3", 0.060),
    Figure(
        "client",
        "`http3.Client()`, no SSL context yet",
        (Inside(_CLIENT),),
        (cpu_at_most(0.001),),
    ),
    Figure(
        "get-sync",
        "GET of 1 KiB, one after the other, sync, by httpx",
        (Run("http3", "sync", "get"), Run("httpx", "sync", "get")),
        (at_most(0.6),),
    ),
    Figure(
        "get-50",
        "50 at a time, asyncio, by httpx",
        (Run("http3", "asyncio", "get-50"), Run("httpx", "asyncio", "get-50")),
        (at_most(0.25),),
    ),
    Figure(
        "get-1000",
        "1000 at a time over 100 connections, by 50 at a time",
        (Run("http3", "asyncio", "get-1000"), Run("http3", "asyncio", "get-50")),
        (at_most(1.5),),
    ),
    *(_download(runtime) for runtime in ("sync", "asyncio", "trio")),
    Figure(
        "http2",
        "HTTP/2, 100 streams, asyncio, by httpx",
        (Run("http3", "asyncio", "get-100-streams"), Run("httpx", "asyncio", "get-100-streams")),
        (at_most(0.5),),
    ),
    *(
        _memory(f"a body of 64 MiB read into memory, {version}", runtime, workload, 100, "64m")
        for version, workload in (("HTTP/1.1", "read"), ("HTTP/2", "read-http2"))
        for runtime in ("sync", "asyncio")
    ),
    *(
        _memory(f"{title}, {version}", runtime, workload + suffix, 60, "1g")
        for workload, title in (
            ("upload", "upload of 1 GiB from a file"),
            ("save", "download of 1 GiB to disk"),
        )
        for version, suffix in (("HTTP/1.1", ""), ("HTTP/2", "-http2"))
        for runtime in ("sync", "asyncio")
    ),
)
