"""What a workload costs: the numbers that are pinned, and the names behind each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .system_calls import system_calls
from .worker import Job, Names, ask
from .workloads import WORKLOADS, Sites, succeeding

CALLS = ("functions", "builtins", "kernel")
OF_LOOP = ("turns", "callbacks", "timers", "futures", "tasks")
CYCLES, BLOCKS, TRACED = ("cycles",), ("blocks",), ("bytes", "peak")
LEFT = CYCLES + BLOCKS + TRACED
KERNEL = ("strace", "memory")

UNPINNED = ("memory",)
"""What depends on all that was allocated since the start."""


class Found(NamedTuple):
    """What was counted for one workload, a request."""

    totals: dict[str, float]
    """By the names that ``pinned.toml`` uses."""
    names: Names
    """What each is made of."""

    def listed(self, total: str, most: int = 1000) -> str:
        """What makes up a total, the most frequent first, a line each."""
        rows = sorted(self.names.get(total, {}).items(), key=lambda row: -row[1])
        return "\n".join(f"{times:8.2f} {name}" for name, times in rows[:most])


def totals_of(workload: str) -> tuple[str, ...]:
    """The names of what is counted in the process itself."""
    kind = WORKLOADS[workload]
    # Where every request has a connection of its own that breaks, what is left of the last is not steady.
    left = CYCLES if kind.verb == "fail" else CYCLES + BLOCKS + TRACED * (kind.traced > 0)
    return CALLS + OF_LOOP * (kind.world == "asyncio") + left


def count_calls(workloads: Sequence[str], sites: Sites) -> dict[str, Found]:
    """Function calls, what the loop did, and what is left behind. The workloads are of one world."""
    counted = ask(Job("count", workloads, sites))
    return {workload: _found(names, totals_of(workload)) for workload, names in counted.items()}


def count_system_calls(workloads: Sequence[str], sites: Sites) -> dict[str, Found]:
    """System calls of those workloads that get responses, by strace."""
    counted = system_calls(succeeding(workloads), sites)
    return {workload: _found(names, KERNEL) for workload, names in counted.items()}


def _found(names: Names, totals: Sequence[str]) -> Found:
    return Found({total: float(sum(names.get(total, {}).values())) for total in totals}, names)
