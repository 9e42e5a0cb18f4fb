"""``python -m benchmarks compare | figures | publish``: see README.md.

``compare`` measures http3 beside other clients and writes tables and a plot; ``publish`` puts those into the
docs; ``figures`` measures what http3 promises, and ends with status 1 if it is not met.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from .compare import OUTPUT, add_arguments, compare, publish
from .figures import FIGURES, LIGHT_ROUNDS, Figure
from .report import HEAD, conditions, line
from .runner import CaseFailed, rounds
from .servers import nginx
from .site import Site

ROUNDS = 7


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What http3 costs.")
    commands = parser.add_subparsers(dest="command", required=True)
    add_arguments(commands.add_parser("compare", help="measure beside other clients"))
    figures = commands.add_parser("figures", help="measure the figures that http3 is held to")
    figures.add_argument("names", nargs="*", help="beginnings of figures' names; all if none is given")
    figures.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}; more where it is noisy"
    )
    figures.add_argument("--list", action="store_true", help="show the names of the figures")
    publishing = commands.add_parser("publish", help="put results into RESULTS.md and docs/performance.md")
    publishing.add_argument("results", nargs="*", type=Path, default=[OUTPUT / "results.json"])
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that `finally` is run
    if options.command == "compare":
        return compare(options)
    if options.command == "publish":
        publish(options.results)
        return 0
    return measure_figures(options.names, options.rounds, is_list=options.list)


def measure_figures(names: list[str], count: int, *, is_list: bool) -> int:
    """The figures whose names begin so."""
    chosen = [figure for figure in FIGURES if not names or figure.name.startswith(tuple(names))]
    if is_list:
        print("\n".join(f"{figure.name:20} {figure.title}" for figure in chosen))
        return 0
    if not chosen:
        raise SystemExit("no figure has such a name; --list shows them")
    print(f"{conditions(count)}\n\n{HEAD}", flush=True)
    files = tuple(sorted({file for figure in chosen for file in figure.files}))
    with nginx(files) as site:
        met = [measure(figure, site, count) for figure in chosen]
    return 0 if all(met) else 1


def measure(figure: Figure, site: Site, count: int) -> bool:
    """Measure one figure and print its rows; whether all of it is met."""
    try:
        found = rounds(figure.cases, site, min(count, LIGHT_ROUNDS) if figure.is_light else count)
    except CaseFailed as exc:
        raise SystemExit(f"{figure.name}: {exc}") from None
    verdicts = [judge(found) for judge in figure.judges]
    for verdict in verdicts:
        print(line(figure, verdict), flush=True)
    return all(verdict.is_met for verdict in verdicts)


if __name__ == "__main__":
    raise SystemExit(main())
