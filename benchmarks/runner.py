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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from .clients.registry import Program
from .site import Site
from .workloads import Measured

ROOT = Path(__file__).parents[1]

PROCESS_SECONDS = 120.0
"""Longer than any workload takes on a slow machine: a client that hangs is given up."""


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process and all that it starts within the block, server and clients, on one core (Linux).

    To wake a process on another core costs up to 25 us on a virtual machine, which is charged to the one who
    sends. It happens or does not, as the scheduler likes: without this, ratios vary by half.
    """
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class CaseFailed(Exception):
    """A case gave no measurement; the text says why."""


class Case(Protocol):
    """Something that can be measured."""

    def measure(self, site: Site) -> Measured:
        """Run it once, in a process of its own; `CaseFailed` if that gives nothing."""


class Run(NamedTuple):
    """A client does a workload. ``runtime``: sync, asyncio or trio. ``share``: the part of the requests."""

    client: str
    runtime: str
    workload: str
    python: str = sys.executable
    share: float = 1.0

    def measure(self, site: Site) -> Measured:
        which = (self.client, self.runtime, self.workload, str(self.share))
        answer = json.loads(output([self.python, "-m", "benchmarks.worker", *which, json.dumps(site)]))
        if isinstance(answer, str):
            raise CaseFailed(answer)
        return Measured(*answer)


class Start(NamedTuple):
    """A process that runs one statement and ends; all its CPU counts, the median of ``repeat`` processes."""

    code: str
    repeat: int = 7
    python: str = sys.executable

    def measure(self, site: Site) -> Measured:
        spent = sorted(self._cpu() for _ in range(self.repeat))
        return Measured(spent[self.repeat // 2], 0.0, 1, 0)

    def _cpu(self) -> float:
        before = _children()
        output([self.python, "-c", self.code])
        return _children() - before


class Inside(NamedTuple):
    """A program that prints the seconds of CPU that a part of it took."""

    program: str
    python: str = sys.executable

    def measure(self, site: Site) -> Measured:
        return Measured(float(output([self.python, "-c", self.program])), 0.0, 1, 0)


class Import(NamedTuple):
    """What the imports of a program cost beyond a process that does nothing."""

    program: Program
    python: str

    def measure(self, site: Site) -> Measured:
        spent, bare = (
            Start(code, 3, self.python).measure(site).cpu for code in (self.program.imports, "pass")
        )
        return Measured(spent - bare, 0.0, 1, 0)


class Making(NamedTuple):
    """What making the client costs, the first one of the process."""

    program: Program
    python: str

    def measure(self, site: Site) -> Measured:
        if not self.program.make:
            raise CaseFailed("made within a running event loop only")
        program = (
            f"{self.program.imports}\nfrom time import process_time\nstarted = process_time()\n"
            f"client = {_filled(self.program.make, site)}\nprint(process_time() - started)"
        )
        return Inside(program, self.python).measure(site)


_RESIDENT = """
with open("/proc/self/status") as status:
    print(*[line.split()[1] for line in status if line.startswith("VmRSS:")])
"""


class Script(NamedTuple):
    """A whole script with one request: its CPU, and what is resident after the request (needs /proc)."""

    program: Program
    python: str

    def measure(self, site: Site) -> Measured:
        make = f"client = {self.program.make}" if self.program.make else ""
        lines = (self.program.imports, _filled(make, site), _filled(self.program.get, site), _RESIDENT)
        before = _children()
        resident = output([self.python, "-c", "\n".join(lines)])
        return Measured(_children() - before, 0.0, 1, int(resident) * 1024)


def _filled(code: str, site: Site) -> str:
    url = f"{site.plain}/1k"
    authority = site.plain.removeprefix("http://")
    host, _, port = authority.partition(":")
    values = {
        "url": url,
        "path": "/1k",
        "address": (host, int(port)),
        "raw": f"GET /1k HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode(),
    }
    for name, value in values.items():
        code = code.replace(f"{{{name}}}", repr(value))
    return code


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


class Found(NamedTuple):
    """What named cases cost, each a list with one measurement of each round; or why there is none."""

    measured: dict[str, list[Measured]]
    failed: dict[str, str]


def in_turn(
    cases: Mapping[str, Case], site: Site, count: int, tell: Callable[[str], object] = lambda text: None
) -> Found:
    """The same for named cases, without the first time. A case that fails is left out from there on.

    Each round begins with the next case, and every second one goes backwards.
    """
    found = Found({}, {})
    measured: dict[str, list[Measured]] = {name: [] for name in cases}
    for number in range(count):
        for name in turns(list(measured), number):
            tell(f"round {number + 1} of {count}: {name}")
            try:
                measured[name].append(cases[name].measure(site))
            except CaseFailed as exc:
                found.failed[name] = str(exc)
                del measured[name]
    return Found(measured, found.failed)


def turns(names: list[str], number: int) -> list[str]:
    """The order of a round."""
    if not names:
        return []
    start = number % len(names)
    turned = names[start:] + names[:start]
    return turned if number % 2 == 0 else turned[::-1]


def ratios(found: list[Round], ours: int, theirs: int) -> Iterator[float]:
    """CPU per unit of one case by that of another, for each round."""
    for measured in found:
        yield per_unit(measured[ours]) / per_unit(measured[theirs])


def per_unit(measured: Measured) -> float:
    """Seconds of CPU for one request (or one MiB ...)."""
    return measured.cpu / measured.units


def median(values: list[float]) -> float:
    """The middle one, of an even number the lower of the two: always one that was measured."""
    return sorted(values)[(len(values) - 1) // 2]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def output(command: list[str]) -> str:
    """What a process prints; `CaseFailed` with its error if it fails or hangs."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PROCESS_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CaseFailed(f"not done after {PROCESS_SECONDS:g} s") from None
    if done.returncode:
        raise CaseFailed(_reason(done.stderr) or f"ended with status {done.returncode}")
    return done.stdout


def _reason(errors: str) -> str:
    """The last line of a traceback that begins at the margin: the exception, without where it was raised."""
    lines = [line for line in errors.splitlines() if line[:1].strip()]
    return lines[-1][:200] if lines else ""


_UNWANTED = (
    "PYTHON",
    "COV",
    "SSLKEYLOGFILE",
    "SSL_CERT",
    "REQUESTS_CA",
    "CURL_CA",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)


def environment() -> dict[str, str]:
    """Ours, without what makes Python or a client work otherwise than usual: proxies, no bytecode."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_UNWANTED)}
