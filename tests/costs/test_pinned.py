"""What a request costs, in counts, is held to tests/costs/pinned.toml: a regression guard for noisy machines.

A count is more than is pinned only if the same happens three times: a server that was not run for a while may
answer in pieces, and each piece costs a call.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

import pytest

from costs import pinned
from costs.counts import (
    CALLS,
    KERNEL,
    LEFT,
    OF_LOOP,
    UNPINNED,
    Found,
    count_calls,
    count_system_calls,
    totals_of,
)
from costs.sites import sites_with
from costs.system_calls import why_not
from costs.workloads import WORKLOADS, Sites, of_world, succeeding
from support.servers import Authority, Nginx

TRIES = 3
LISTED = 150

Counter = Callable[[Sequence[str], Sites], dict[str, Found]]

needs_strace = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


class Guard:
    """Counts when it is first asked about a world, and again where a count is too high."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self._found: dict[tuple[Counter, str], Found] = {}

    def found(self, counter: Counter, workload: str) -> Found:
        """What was counted first."""
        if (counter, workload) not in self._found:
            world = of_world(WORKLOADS[workload].world)
            for name, found in counter(world, self._sites).items():
                self._found[counter, name] = found
        return self._found[counter, workload]

    def check(self, counter: Counter, workload: str, names: Sequence[str]) -> None:
        """Fail if one of these totals is too high each time."""
        allowed = {name: count for name, count in pinned.pinned(workload).items() if name in names}
        found = self.found(counter, workload)
        complaints = pinned.excess(workload, found.totals, allowed)
        for _ in range(TRIES - 1):
            if not complaints:
                return
            found = counter([workload], self._sites)[workload]
            complaints = pinned.excess(workload, found.totals, {name: allowed[name] for name in complaints})
        if complaints:
            lists = [f"{text}\n{found.listed(name, LISTED)}" for name, text in complaints.items()]
            how = f"All that is called: cd tests && {sys.executable} -m costs {workload} --calls"
            pytest.fail("\n\n".join([*lists, how]), pytrace=False)


@pytest.fixture(scope="module")
def guard(nginx: Nginx, authority: Authority) -> Iterator[Guard]:
    """One for all, since many are counted in one process."""
    if pinned.PYTHON not in pinned.table():
        pytest.skip(f"no counts are pinned for Python {pinned.PYTHON}")
    with sites_with(nginx, authority) as sites:
        yield Guard(sites)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_calls_of_functions(guard: Guard, workload: str) -> None:
    guard.check(count_calls, workload, CALLS)


@pytest.mark.parametrize("workload", of_world("asyncio"))
def test_work_of_the_loop(guard: Guard, workload: str) -> None:
    guard.check(count_calls, workload, OF_LOOP)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_what_is_left_behind(guard: Guard, workload: str) -> None:
    guard.check(count_calls, workload, LEFT)


@needs_strace
@pytest.mark.parametrize("workload", succeeding(WORKLOADS))
def test_system_calls(guard: Guard, workload: str) -> None:
    guard.check(count_system_calls, workload, KERNEL)


@needs_strace
@pytest.mark.parametrize("workload", ["sync-get", "sync-get-tls", "asyncio-get", "trio-get"])
def test_both_ways_to_count_agree(guard: Guard, workload: str) -> None:
    """Where there is no strace, the calls of sockets and polls tell the same."""
    kernel = guard.found(count_calls, workload).totals["kernel"]
    strace = guard.found(count_system_calls, workload)
    # asyncio calls getpid up to Python 3.11; the interpreter waits in futex when the machine is busy.
    elsewhere = sum(strace.names["strace"].get(name, 0.0) for name in ("getpid", "futex"))
    assert strace.totals["strace"] - elsewhere == pytest.approx(kernel, abs=0.2), strace.listed("strace")


@pytest.mark.parametrize("python", pinned.table())
def test_the_table_is_complete(python: str) -> None:
    lines = pinned.table()[python]
    assert set(lines) == set(WORKLOADS)
    for workload, counts in lines.items():
        by_strace = set(KERNEL) - set(UNPINNED) if succeeding([workload]) else set()
        assert set(counts) == {*totals_of(workload), *by_strace}
