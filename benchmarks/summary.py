"""The medians of what was found, kept in the repository: the plot and the table of docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .results import Results, middle
from .rows import OURS, ROWS
from .tables import conditions, seconds

KEPT = Path(__file__).parent / "measured.json"

SHOWN = (
    "get-sync",
    "tls-sync",
    "json-sync",
    "connect-tls-sync",
    "download-sync",
    "upload-sync",
    "http2-sync",
    "get-50-async",
    "json-async",
    "http2-streams-async",
    "script",
)
"""The rows of the table: what most programs do."""

BESIDE = ("http.client", "requests", "httpx", "aiohttp", "pycurl", "pyreqwest")
"""Its columns, beside http3's."""

ROW_OF = {row.name: row for row in ROWS}


class Summary(NamedTuple):
    """``cpu``: seconds for each unit (request, MiB, process), by the name of the `Row` and the client."""

    conditions: str
    cpu: dict[str, dict[str, float]]

    @classmethod
    def of(cls, results: Results) -> Summary:
        """The medians of the rounds, to three digits."""
        cpu = {
            name: {
                client: float(f"{middle(each, 'cpu'):.3g}") for client, each in found.measured.items() if each
            }
            for name, found in results.rows.items()
        }
        return cls(conditions(results), cpu)

    @classmethod
    def load(cls, path: Path = KEPT) -> Summary:
        """What `save` wrote."""
        values = json.loads(path.read_text())
        return cls(values["conditions"], values["cpu"])

    def save(self, path: Path = KEPT) -> None:
        """Write it, a line for each row."""
        rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(cpu)}" for name, cpu in self.cpu.items())
        path.write_text(
            f'{{\n  "conditions": {json.dumps(self.conditions)},\n  "cpu": {{\n{rows}\n  }}\n}}\n'
        )


def table(summary: Summary, names: Sequence[str] = SHOWN, beside: Sequence[str] = BESIDE) -> str:
    """CPU of http3, and how many times that others take."""
    lines = [f"| | {OURS} | {' | '.join(beside)} |", "| --- " * (len(beside) + 2) + "|"]
    for name in names:
        cpu = summary.cpu.get(name, {})
        if OURS in cpu:
            ours, row = cpu[OURS], ROW_OF[name]
            cells = [times(cpu[client] / ours) if client in cpu else "" for client in beside]
            lines.append(
                f"| {title(name)} | {seconds(ours)}{' a MiB' * (row.unit == 'MiB')} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def title(name: str) -> str:
    """What a row is, with its runtime."""
    row = ROW_OF[name]
    return f"{row.title}, {row.runtime}" if row.workload else row.title


def times(multiple: float) -> str:
    """A factor with two digits: "17x", "1.8x", "0.34x"."""
    digits = 0 if multiple >= 9.95 else 1 if multiple >= 0.995 else 2
    return f"{multiple:.{digits}f}x"
