"""``python -m benchmarks [NAME ...] [--rounds N]``: measure the figures whose names begin so, all by default.

Prints a Markdown table, row by row. Ends with status 1 if a figure is not met.
"""

from __future__ import annotations

import argparse

from .figures import FIGURES, LIGHT_ROUNDS, Figure
from .report import HEAD, conditions, line
from .runner import rounds
from .servers import nginx
from .site import Site

ROUNDS = 7


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the figures of http3.")
    parser.add_argument("names", nargs="*", help="beginnings of figures' names; all if none is given")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}; more where it is noisy"
    )
    parser.add_argument("--list", action="store_true", help="show the names of the figures")
    options = parser.parse_args()
    chosen = [
        figure for figure in FIGURES if not options.names or figure.name.startswith(tuple(options.names))
    ]
    if options.list:
        print("\n".join(f"{figure.name:20} {figure.title}" for figure in chosen))
        return 0
    if not chosen:
        parser.error("no figure has such a name; --list shows them")
    print(f"{conditions(options.rounds)}\n\n{HEAD}", flush=True)
    files = tuple(sorted({file for figure in chosen for file in figure.files}))
    with nginx(files) as site:
        met = [measure(figure, site, options.rounds) for figure in chosen]
    return 0 if all(met) else 1


def measure(figure: Figure, site: Site, count: int) -> bool:
    """Measure one figure and print its rows; whether all of it is met."""
    found = rounds(figure.cases, site, min(count, LIGHT_ROUNDS) if figure.is_light else count)
    verdicts = [judge(found) for judge in figure.judges]
    for verdict in verdicts:
        print(line(figure, verdict), flush=True)
    return all(verdict.is_met for verdict in verdicts)


if __name__ == "__main__":
    raise SystemExit(main())
