"""``python -m tests.soak``: see the package."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from .backends import NAMES as BACKENDS
from .judge import Judge
from .rounds import Options, Soak
from .sites import NAMES as SERVERS
from .sites import missing


def main() -> None:
    """Run what the command line says."""
    options = read_options()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        judge = Soak(options, Path(folder)).run()
    print(report(judge, time.monotonic() - started), flush=True)
    # Whoever hangs would keep the program from ending.
    os._exit(0 if judge.is_good() else 1)


def read_options() -> Options:
    """Of the command line."""
    default = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Traffic for hours.")
    parser.add_argument("--requests", type=int, default=default.requests, help="200,000 by default")
    parser.add_argument("--seconds", type=float, default=default.seconds, help="the most it may take; 3600")
    parser.add_argument("--seed", type=int, default=default.seed, help="of what is drawn; 0")
    parser.add_argument("--backends", type=_names(BACKENDS), default=BACKENDS, help=",".join(BACKENDS))
    parser.add_argument("--servers", type=_names(SERVERS), default=SERVERS, help=",".join(SERVERS))
    parser.add_argument("--workers", type=int, default=default.workers, help="of each backend; 12")
    parser.add_argument("--operations", type=int, default=default.operations, help="in its round; 150")
    parser.add_argument("--no-kills", action="store_true", help="leave the servers alone")
    parser.add_argument("--no-fates", action="store_true", help="neither cancel nor hurry")
    parser.add_argument("--trace", action="store_true", help="show where memory grows in the second half")
    given = parser.parse_args()
    servers = tuple(name for name in given.servers if not missing(name))
    if left_out := [name for name in given.servers if name not in servers]:
        print(f"not installed, so left out: {', '.join(left_out)}", file=sys.stderr)
    return Options(
        given.requests,
        given.seconds,
        given.seed,
        given.backends,
        servers,
        given.workers,
        given.operations,
        not given.no_kills,
        not given.no_fates,
        quiet=False,
        trace=given.trace,
    )


class _names:  # noqa: N801 - it stands where argparse takes a type
    """Names, with commas between them."""

    def __init__(self, known: tuple[str, ...]) -> None:
        self._known = known

    def __call__(self, text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        if unknown := [name for name in names if name not in self._known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(self._known)}")
        return names


def report(judge: Judge, seconds: float) -> str:
    """All there is to tell."""
    lines = ["", f"{judge.requests} requests in {seconds:.0f} s; {dict(judge.deaths)}"]
    rows: dict[str, Counter[str]] = {}
    for (backend, site, outcome), count in judge.outcomes.items():
        rows.setdefault(f"{site:16} {backend}", Counter())[outcome] += count
    for name, counts in sorted(rows.items()):
        lines.append(f"  {name:24} {counts.total():7}  {dict(counts.most_common())}")
    lines += [f"  explained: {why}, {name}: {count}" for (why, name), count in judge.explained.most_common()]
    if judge.measured:
        first, last = judge.measured[0], judge.measured[-1]
        lines.append(f"first measured: {first}")
        lines.append(f"last measured:  {last}")
    for title, found in (
        ("wrong answers", judge.wrong),
        ("hangs", judge.hangs),
        ("exceptions not explained", judge.unexplained),
        ("left", judge.left),
    ):
        name = title.split()[0] if title != "exceptions not explained" else "unexplained"
        lines.append(f"{title}: {judge.failures[name]}")
        lines += [f"  {text}" for text in found]
    lines.append("good" if judge.is_good() else "NOT GOOD")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
