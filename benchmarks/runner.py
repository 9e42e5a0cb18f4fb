"""Runs cases in fresh processes, in rounds: ours, theirs, ours, theirs ...

What disturbs a machine comes and goes over seconds. Two processes that ran one right after the other met
about the same disturbance, so their ratio says more than either's time; and the median over rounds drops the
rounds in which that was not so.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from .site import Site
from .workloads import Measured

ROOT = Path(__file__).parents[1]

PROCESS_SECONDS = 300.0
"""Longer than any workload takes on a slow machine: a client that hangs ends the run."""


class Case(Protocol):
    """Something that can be measured."""

    def measure(self, site: Site) -> Measured:
        """Run it once, in a process of its own."""


class Run(NamedTuple):
    """A client does a workload. ``runtime``: sync, asyncio or trio."""

    client: str
    runtime: str
    workload: str

    def measure(self, site: Site) -> Measured:
        command = [sys.executable, "-m", "benchmarks.worker", *self, json.dumps(site)]
        return Measured(*json.loads(_output(command)))


class Start(NamedTuple):
    """A process that runs one statement and ends; all its CPU counts, the median of ``repeat`` processes."""

    code: str
    repeat: int = 7

    def measure(self, site: Site) -> Measured:
        spent = sorted(self._cpu() for _ in range(self.repeat))
        return Measured(spent[self.repeat // 2], 0.0, 1, 0)

    def _cpu(self) -> float:
        before = _children()
        _output([sys.executable, "-c", self.code])
        return _children() - before


class Inside(NamedTuple):
    """A program that prints the seconds of CPU that a part of it took."""

    program: str

    def measure(self, site: Site) -> Measured:
        return Measured(float(_output([sys.executable, "-c", self.program])), 0.0, 1, 0)


Round = list[Measured]
"""One measurement of each case, made one right after the other."""


def rounds(cases: tuple[Case, ...], site: Site, count: int) -> list[Round]:
    """Measure every case ``count`` times, in turn, after one time that does not count.

    Every second round goes backwards, so that no case is always the one that ran after a certain other.
    """
    for case in cases:
        case.measure(site)
    found: list[Round] = []
    for number in range(count):
        order = range(len(cases)) if number % 2 == 0 else range(len(cases) - 1, -1, -1)
        by_case = {index: cases[index].measure(site) for index in order}
        found.append([by_case[index] for index in range(len(cases))])
    return found


def ratios(found: list[Round], ours: int, theirs: int) -> Iterator[float]:
    """CPU per unit of one case by that of another, for each round."""
    for measured in found:
        yield per_unit(measured[ours]) / per_unit(measured[theirs])


def per_unit(measured: Measured) -> float:
    """Seconds of CPU for one request (or one download ...)."""
    return measured.cpu / measured.times


def median(values: list[float]) -> float:
    """The middle one, of an even number the lower of the two: always one that was measured."""
    return sorted(values)[(len(values) - 1) // 2]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _output(command: list[str]) -> str:
    """What a process prints; ends the run with its error if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=PROCESS_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command} failed with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Ours, without what makes Python work otherwise than usual (compile modules anew in each process)."""
    unwanted = ("PYTHON", "COVERAGE", "SSLKEYLOGFILE", "SSL_CERT")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
