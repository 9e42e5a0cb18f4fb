"""Measures the rows of the table, and writes what was found: results.json, table.md and plot.svg."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .clients.registry import LIBRARIES
from .environments import Installed, find_clients
from .plot import drawing
from .results import Results, load, verdicts
from .rows import OURS, ROWS, Row
from .runner import ROOT, in_turn, one_core
from .servers import nginx
from .summary import KEPT, Summary, table
from .tables import conditions, document, failures, verdict_line

ROUNDS = 9
SHORT_ROUNDS = 3
SHORT_SHARE = 0.2
"""The part of the requests that a short run does."""

OUTPUT = ROOT / "dist" / "benchmarks"
DOCS = ROOT / "docs"
TABLES = KEPT.with_name("RESULTS.md")
BEGIN = "<!-- figures: written by python -m benchmarks publish -->"
END = "<!-- end of figures -->"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``compare`` understands."""
    parser.add_argument("names", nargs="*", help="beginnings of rows' names; all if none is given")
    parser.add_argument("--clients", default="", help="names, with commas between; all if none is given")
    parser.add_argument("--rounds", type=int, default=0, help=f"default {ROUNDS}")
    parser.add_argument(
        "--short",
        action="store_true",
        help=f"under three minutes: the main rows, {SHORT_ROUNDS} rounds, fewer requests",
    )
    parser.add_argument("--here", action="store_true", help="all clients in this interpreter")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for what is written")
    parser.add_argument("--list", action="store_true", help="show the rows and the clients")


def compare(options: argparse.Namespace) -> int:
    """Do what the command line says; the status."""
    rows = pick_rows(options.names, is_short=options.short)
    clients = pick_clients(options.clients)
    if options.list:
        print("\n".join(f"{row.name:20} {row.title}, {row.runtime}" for row in rows))
        print(f"\nclients: {', '.join(clients)}")
        return 0
    installed = find_clients(clients, options.here)
    results = measure(
        rows,
        installed,
        options.rounds or (SHORT_ROUNDS if options.short else ROUNDS),
        SHORT_SHARE if options.short else 1.0,
        options.output,
    )
    print("\n".join(failures(results)))
    return 0


def pick_rows(names: Sequence[str], *, is_short: bool = False) -> list[Row]:
    """Those whose names begin so; of a short run the main ones, if none is named."""
    if names:
        rows = [row for row in ROWS if row.name.startswith(tuple(names))]
    else:
        rows = [row for row in ROWS if row.is_main or not is_short]
    if not rows:
        raise SystemExit("no row has such a name; --list shows them")
    return rows


def pick_clients(names: str) -> list[str]:
    """The named ones, and http3, which all are compared with."""
    wanted = names.split(",") if names else list(LIBRARIES)
    unknown = set(wanted) - set(LIBRARIES)
    if unknown:
        raise SystemExit(f"no such client: {', '.join(sorted(unknown))}; there are {', '.join(LIBRARIES)}")
    return [client for client in LIBRARIES if client in wanted or client == OURS]


def measure(rows: Sequence[Row], installed: Installed, count: int, share: float, output: Path) -> Results:
    """Measure row by row; after each one all is written, so that nothing is lost if it ends early."""
    results = Results.empty(installed)
    output.mkdir(parents=True, exist_ok=True)
    print(conditions(results), flush=True)
    files = tuple(sorted({file for row in rows for file in row.files}))
    with one_core(), nginx(files) as site:
        for row in rows:
            found = in_turn(row.cases(installed.pythons, share), site, count, _progress(row))
            results.rows[row.name] = found
            write(results, output)
            print("\n".join(map(verdict_line, verdicts(row, found))) or row.title, flush=True)
    return results


def write(results: Results, output: Path) -> None:
    """The three files."""
    results.save(output / "results.json")
    (output / "table.md").write_text(document(results))
    (output / "plot.svg").write_text(drawing(Summary.of(results)))


def publish(paths: Sequence[Path], docs: Path = DOCS, kept: Path = KEPT, tables: Path = TABLES) -> None:
    """Keep the results of one run or several: all tables in benchmarks/RESULTS.md, the medians in
    benchmarks/measured.json, and of these the table in docs/performance.md and the plot beside it."""
    results = load(paths)
    _fill(tables, document(results))
    Summary.of(results).save(kept)
    show(docs, kept)


def show(docs: Path = DOCS, kept: Path = KEPT) -> None:
    """Write the table and the plot of the docs anew, of the medians that are kept."""
    summary = Summary.load(kept)
    _fill(docs / "performance.md", f"{table(summary)}\n\n{summary.conditions}\n")
    (docs / "performance.svg").write_text(drawing(summary))


def _fill(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} does not say where the figures go")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _progress(row: Row) -> Callable[[str], None]:
    """Tells on a terminal what is being measured, on one line."""

    def tell(text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{row.name}: {text}", end="", file=sys.stderr, flush=True)

    return tell
