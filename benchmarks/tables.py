"""What was found, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .clients.registry import LIBRARIES
from .results import Results, Verdict, middle, paired, verdicts
from .rows import OURS, ROWS, Beside, Metric, Row
from .runner import median
from .site import MIB
from .workloads import Measured

GROUPS = {"sync": "Sync", "asyncio": "asyncio", "start": "Starting"}


def document(results: Results) -> str:
    """All tables, with what they were measured with."""
    parts = [conditions(results)]
    for group, title in GROUPS.items():
        rows = [row for row in ROWS if row.group == group and row.name in results.rows]
        if rows:
            parts += [f"### {title}: CPU", costs(results, rows)]
            if group != "start":
                parts += [f"### {title}: wall time, latency", waits(results, rows)]
    judged = targets(results)
    if judged:
        parts += ["### Goals", judged]
    left_out = list(failures(results))
    if left_out:
        parts += ["### Not measured", "\n".join(left_out)]
    return "\n\n".join(parts) + "\n"


def conditions(results: Results) -> str:
    """Where and with what it was measured."""
    versions = ", ".join(
        f"{name} {version}" for name, version in results.versions.items() if LIBRARIES[name].distribution
    )
    count = max((len(each) for found in results.rows.values() for each in found.measured.values()), default=0)
    rounds = f" Medians of {count} rounds." if count else ""
    return f"{results.python}, {results.system}; {versions}.{rounds}"


def costs(results: Results, rows: Sequence[Row]) -> str:
    """CPU of each client; beside it http3's part of that, the median of the ratios of the rounds."""
    clients = _clients(results, rows)
    lines = [_line(["", *clients]), _line(["---"] * (len(clients) + 1))]
    for row in rows:
        found = results.rows[row.name]
        cells = [_title(row)]
        for client in clients:
            each = found.measured.get(client)
            if not each:
                cells.append("-")
                continue
            cell = seconds(middle(each, "cpu"))
            if row.name == "script":
                cell = f"{cell}, {middle(each, 'memory') / MIB:.1f} MiB"
            ratio = median(paired(found, client)) if client != OURS and paired(found, client) else None
            cells.append(cell if ratio is None else f"{cell} ({ratio:.2f})")
        lines.append(_line(cells))
    return "\n".join(lines)


def waits(results: Results, rows: Sequence[Row]) -> str:
    """Wall time for each unit; for requests the latency that half of them and 99 of 100 stay within."""
    clients = _clients(results, rows)
    lines = [_line(["", *clients]), _line(["---"] * (len(clients) + 1))]
    for row in rows:
        measured = results.rows[row.name].measured
        cells = [_wait(measured.get(client), is_told=row.unit == "request") for client in clients]
        lines.append(_line([_title(row), *cells]))
    return "\n".join(lines)


def _wait(each: list[Measured] | None, *, is_told: bool) -> str:
    if not each:
        return "-"
    wall = seconds(median([measured.wall / measured.units for measured in each]))
    if not is_told:
        return wall
    half, most = (median([measured[index] for measured in each]) for index in (4, 5))
    return f"{wall}; {seconds(half)}, {seconds(most)}"


def targets(results: Results) -> str:
    """Each target of the rows that were measured: reach, ratio, and whether it is met."""
    lines = []
    for row in ROWS:
        if row.name in results.rows:
            lines += [verdict_line(verdict) for verdict in verdicts(row, results.rows[row.name])]
    head = [
        "| workload | by | at most | measured | over the rounds | met |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *lines]) if lines else ""


def verdict_line(verdict: Verdict) -> str:
    """One row of the targets."""
    target = verdict.target
    if isinstance(target, Beside):
        by = target.case + ("" if target.metric == "cpu" else ", p99 of latency")
        numbers = [
            f"{number:.2f}" for number in (target.reach, verdict.measured, verdict.least, verdict.most)
        ]
    else:
        by = "" if target.metric == "cpu" else "resident" if verdict.row.group == "start" else "peak memory"
        values = (target.reach, verdict.measured, verdict.least, verdict.most)
        numbers = [absolute(number, target.metric) for number in values]
    met = "yes" if verdict.is_met else "**no**"
    title = f"{verdict.row.title}, {verdict.row.runtime}" if verdict.row.workload else verdict.row.title
    return _line([title, by, numbers[0], f"**{numbers[1]}**", f"{numbers[2]} to {numbers[3]}", met])


def failures(results: Results) -> Iterable[str]:
    """Who is not in the tables, and why."""
    for client, why in results.missing.items():
        yield f"- {client} at all: {why}"
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in ROWS:
        if row.name in results.rows:
            for client, why in results.rows[row.name].failed.items():
                reasons.setdefault((client, why), []).append(row.name)
    for (client, why), names in reasons.items():
        yield f"- {client}: {', '.join(names)}: {why}"


def absolute(number: float, metric: Metric) -> str:
    """A time or a size."""
    return f"{number / MIB:.1f} MiB" if metric == "memory" else seconds(number)


def seconds(number: float) -> str:
    """Three digits at most, in the unit that makes them readable."""
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        scaled = number * factor
        if scaled >= 1 or unit == "us":
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.3g} {unit}"
    raise AssertionError("the last unit takes all")


def _clients(results: Results, rows: Sequence[Row]) -> list[str]:
    """Who was measured in one of the rows, ours first, in the order of the registry."""
    there = {name for row in rows for name in results.rows[row.name].measured}
    return [client for client in LIBRARIES if client in there]


def _title(row: Row) -> str:
    return f"{row.title}, a MiB" if row.unit == "MiB" else row.title


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
