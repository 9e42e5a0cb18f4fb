"""``python -m costs``: see the package. nginx must be installed, strace had better be."""

from __future__ import annotations

import argparse

from .counts import KERNEL, UNPINNED, Found, count_calls, count_system_calls
from .pinned import FILE, PYTHON, Counts, pin, pinned
from .sites import own_sites
from .system_calls import why_not
from .workloads import WORKLOADS, Sites, of_world


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m costs", description="What a request costs, in counts.")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; or all")
    parser.add_argument("--calls", action="store_true", help="list what is called, and how often a request")
    parser.add_argument("--pin", action="store_true", help=f"write the counts into {FILE.name}")
    parser.add_argument("--rounds", type=int, default=2, help="count so often, the highest holds; default 2")
    options = parser.parse_args()
    chosen = options.workloads or list(WORKLOADS)
    if unknown := set(chosen) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    if reason := why_not():
        print(f"System calls are not counted: {reason}.")
    with own_sites() as sites:
        for world in ("sync", "asyncio", "trio"):
            for workload, found in highest(
                [name for name in of_world(world) if name in chosen], sites, options.rounds
            ):
                show(workload, found, with_calls=options.calls)
                if options.pin:
                    pin(workload, to_pin(pinned(workload), found.totals))


def highest(workloads: list[str], sites: Sites, rounds: int) -> list[tuple[str, Found]]:
    """The highest of several counts of workloads of one world."""
    best: dict[str, Found] = {}
    counters = [count_calls] if why_not() else [count_calls, count_system_calls]
    for counter in counters * rounds if workloads else []:
        for workload, found in counter(workloads, sites).items():
            known = best.get(workload, Found({}, {}))
            totals = {name: max(count, known.totals.get(name, 0.0)) for name, count in found.totals.items()}
            best[workload] = Found(known.totals | totals, known.names | found.names)
    return list(best.items())


def to_pin(known: Counts, found: Counts) -> dict[str, float]:
    """What was found, and what strace found before if there is none now."""
    kernel = {name: known[name] for name in KERNEL if name in known}
    return {name: count for name, count in {**kernel, **found}.items() if name not in UNPINNED}


def show(workload: str, found: Found, *, with_calls: bool) -> None:
    """Print the counts beside those that are pinned."""
    known = pinned(workload)
    print(f"\n{workload} on Python {PYTHON}, and what is pinned")
    for name, count in found.totals.items():
        print(f"{count:12.2f} {name:10} {known[name]:8g}" if name in known else f"{count:12.2f} {name}")
        if with_calls and len(found.names.get(name, {})) > 1:
            print(found.listed(name))


if __name__ == "__main__":
    main()
