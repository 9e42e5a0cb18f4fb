"""System calls of a whole process, all of its threads, as strace saw them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from .worker import Job, Names, ask
from .workloads import WORKLOADS, Sites

MARK = re.compile(r'"/costs/(.+)/(begin|end)"')
ENTRY = re.compile(r"(?:\d+ +)?(\w+)\(")

# What `steps` does is not the client's.
OURS = re.compile(r"(?:\d+ +)?(?:p?select6?\(|ioctl\(\d+, (?:FIONREAD|TIOCINQ))")

# How many of these there are depends on all that was allocated since the start.
MEMORY = ("brk", "madvise", "mmap", "mremap", "munmap")


@cache
def why_not() -> str | None:
    """The reason why strace can't be used here, None where it can."""
    binary = shutil.which("strace")
    if binary is None:
        return "strace is not installed"
    tried = subprocess.run(
        [binary, "-f", "-qq", "true"], check=False, capture_output=True, text=True, timeout=20
    )
    return f"strace does not work here: {tried.stderr.strip()}" if tried.returncode else None


def system_calls(workloads: Sequence[str], sites: Sites) -> dict[str, Names]:
    """How often a request makes each: "memory", those in `MEMORY`, and "strace", the others; by workload."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "calls"
        ask(Job("trace", workloads, sites), "strace", "-f", "-qq", "-e", "signal=none", "-o", str(log))
        with log.open(errors="replace") as lines:
            found = counted(lines)
    return {workload: _sorted_out(found[workload], WORKLOADS[workload].requests) for workload in workloads}


def counted(lines: Iterable[str]) -> dict[str, Counter[str]]:
    """Calls by name, between the two marks of each workload. One that another interrupts has two lines."""
    found: dict[str, Counter[str]] = {}
    calls: Counter[str] | None = None
    for line in lines:
        if mark := MARK.search(line):
            calls = found.setdefault(mark[1], Counter()) if mark[2] == "begin" else None
        elif calls is not None and not OURS.match(line) and (entry := ENTRY.match(line)):
            calls[entry[1]] += 1
    return found


def _sorted_out(calls: Counter[str], requests: int) -> Names:
    names: Names = {"strace": {}, "memory": {}}
    for name, times in calls.items():
        names["memory" if name in MEMORY else "strace"][name] = times / requests
    return names
