"""The one table of what a request may cost, and how today's counts compare with it.

``pinned.toml`` has, for each Python, a line of counts for each workload, as they were when it was written.
More than a tenth above is too much, but for what is too little to matter: a timer that fires once in a while,
an answer that comes in two pieces.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).with_name("pinned.toml")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

ROOM = 1.1
STRAY = {"bytes": 128.0, "blocks": 0.5}
"""What may come on top of that; `STRAY_CALLS` for the others. One object that stays would be one block."""
STRAY_CALLS = 0.05

Counts = Mapping[str, float]
"""How often a request does what: "functions", "turns"."""
Table = dict[str, dict[str, dict[str, float]]]
"""By Python, like "3.12", and workload."""

HEAD = """\
# What one request costs, for each Python. Written by `python -m costs --pin` in the folder tests.
#
# functions   Python functions that are called (each step of a coroutine is one)
# builtins    functions in C that they call
# kernel      those of the latter that ask the kernel something about a socket
# strace      system calls of the process: the same, and what C code does by itself; none for memory
# turns, callbacks, timers, futures, tasks
#             what an asyncio loop did and was asked for
# cycles      objects that only the garbage collector frees
# blocks      objects that stay
# bytes       of memory that stay
# peak        KiB that all requests under way need at once
"""


def bound(name: str, pinned: float) -> float:
    """The highest count that is accepted."""
    return pinned * ROOM + STRAY.get(name, STRAY_CALLS)


def table() -> Table:
    """All of it."""
    return tomllib.loads(FILE.read_text()) if FILE.exists() else {}


def pinned(workload: str, python: str = PYTHON) -> dict[str, float]:
    """The counts of one workload; none for one, or a Python, that is not there."""
    return table().get(python, {}).get(workload, {})


def pin(workload: str, counts: Counts, python: str = PYTHON) -> None:
    """Write these counts into the file, in place of the workload's own."""
    everything = table()
    everything.setdefault(python, {})[workload] = dict(counts)
    FILE.write_text(as_text(everything))


def as_text(everything: Table) -> str:
    """What the file holds: a line for each workload."""
    lines = [HEAD]
    for python in sorted(everything, key=lambda version: [int(part) for part in version.split(".")]):
        lines.append(f'["{python}"]')
        for workload, counts in everything[python].items():
            fields = ", ".join(f"{name} = {round(count, 2) + 0:g}" for name, count in counts.items())
            lines.append(f"{workload} = {{ {fields} }}")
        lines.append("")
    return "\n".join(lines)


def excess(workload: str, found: Counts, allowed: Counts) -> dict[str, str]:
    """What is above its bound, by name, in words."""
    return {
        name: f"{workload}: {count:.2f} {name} a request, more than {bound(name, allowed[name]):.2f} "
        f"({allowed[name]:g} are pinned)"
        for name, count in found.items()
        if name in allowed and count > bound(name, allowed[name])
    }
