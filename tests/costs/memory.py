"""What many requests leave behind: memory that stays, and reference cycles that only the collector finds."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import Counter

from .workloads import Run

HIDDEN = [tracemalloc.Filter(False, tracemalloc.__file__), tracemalloc.Filter(False, __file__)]


async def left_behind(run: Run, count: int, traced: int) -> dict[str, dict[str, float]]:
    """What ``count`` requests leave, a request, and what they need at a time. A fifth comes before.

    "cycles": objects that only the collector could free, by their types. "blocks": of Python's own allocator,
    after that; nearly every object has one. The rest is found by tracemalloc, which is slow, with ``traced``
    requests: "bytes" of all memory, by the lines that allocated it; "peak": KiB on top of what stays.
    """
    await run(count // 5)
    gc.collect()
    counted = count - count // 5
    before = sys.getallocatedblocks()
    await run(counted)
    cycles = _cycles()
    blocks = sys.getallocatedblocks() - before
    found = {
        "cycles": {kind: times / counted for kind, times in cycles.items()},
        "blocks": {"blocks": blocks / counted},
    }
    return found | await _traced(run, traced) if traced else found


def _cycles() -> Counter[str]:
    """Collect; what was found, by type."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage)
    gc.garbage.clear()
    gc.collect()
    return kinds


async def _traced(run: Run, count: int) -> dict[str, dict[str, float]]:
    tracemalloc.start()
    await run(count)
    gc.collect()
    first = tracemalloc.take_snapshot()
    await run(count)
    gc.collect()
    last = tracemalloc.take_snapshot()
    tracemalloc.reset_peak()
    quiet, _ = tracemalloc.get_traced_memory()
    await run(count)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    changes = last.filter_traces(HIDDEN).compare_to(first.filter_traces(HIDDEN), "lineno")
    lines = {str(change.traceback): change.size_diff / count for change in changes if change.size_diff}
    return {"bytes": lines, "peak": {"peak": (peak - quiet) / 1024}}
