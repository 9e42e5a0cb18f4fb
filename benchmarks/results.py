"""What was found: kept as JSON, so that tables and plots can be made of several runs; and its statistics."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .environments import Installed
from .rows import OURS, Beside, Metric, Row, Within
from .runner import Found, median
from .workloads import Measured


class Results(NamedTuple):
    """``rows`` by the name of the `Row`. ``versions`` and ``missing`` by client."""

    python: str
    system: str
    versions: dict[str, str]
    missing: dict[str, str]
    rows: dict[str, Found]

    @classmethod
    def empty(cls, installed: Installed) -> Results:
        """For a run that begins."""
        python = f"{platform.python_implementation()} {platform.python_version()}"
        system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        return cls(python, system, installed.versions, installed.missing, {})

    def save(self, path: Path) -> None:
        """Write it, to be read by `load`."""
        path.write_text(json.dumps(self._asdict()) + "\n")


def load(paths: Iterable[Path]) -> Results:
    """Read what was saved; a row that is in several files counts as in the last."""
    found: Results | None = None
    for path in paths:
        values = json.loads(path.read_text())
        rows = {name: _found(*value) for name, value in values.pop("rows").items()}
        if found is None:
            found = Results(rows=rows, **values)
        else:
            found.rows.update(rows)
            found.versions.update(values["versions"])
            found = found._replace(
                missing={name: why for name, why in found.missing.items() if name not in found.versions}
            )
    if found is None:
        raise ValueError("no file with results")
    return found


def _found(measured: dict[str, list[list[float]]], failed: dict[str, str]) -> Found:
    return Found(
        {
            name: [Measured(cpu, wall, units, int(memory), *rest) for cpu, wall, units, memory, *rest in each]
            for name, each in measured.items()
        },
        failed,
    )


def value(measured: Measured, metric: Metric) -> float:
    """Seconds, for one unit where it is CPU; or bytes."""
    if metric == "cpu":
        return measured.cpu / measured.units
    return measured.slow if metric == "slow" else float(measured.memory)


def middle(each: list[Measured], metric: Metric) -> float:
    """The median over the rounds."""
    return median([value(measured, metric) for measured in each])


def paired(found: Found, theirs: str, metric: Metric = "cpu", ours: str = OURS) -> list[float]:
    """Ours by theirs, for each round; empty if one of them is not there."""
    pairs = zip(found.measured.get(ours, []), found.measured.get(theirs, []), strict=False)
    values = [(value(one, metric), value(other, metric)) for one, other in pairs]
    return [one / other for one, other in values if other > 0]


class Verdict(NamedTuple):
    """Whether a target was reached. ``measured`` and its extremes are ratios, seconds or bytes."""

    row: Row
    target: Beside | Within
    measured: float
    least: float
    most: float

    @property
    def is_met(self) -> bool:
        """A ratio counts as it is told, with two digits."""
        measured = round(self.measured, 2) if isinstance(self.target, Beside) else self.measured
        return measured <= self.target.reach


def verdicts(row: Row, found: Found) -> list[Verdict]:
    """One for each target of the row for which there are figures."""
    judged = []
    for target in row.targets:
        if isinstance(target, Beside):
            values = paired(found, target.case, target.metric)
        else:
            values = [value(measured, target.metric) for measured in found.measured.get(OURS, [])]
        if values:
            judged.append(Verdict(row, target, median(values), min(values), max(values)))
    return judged
