"""A process that makes the requests of some workloads and counts; and how it is asked to.

It is a fresh one each time, so that nothing of a test run is counted: no other thread, trace function,
or garbage of somebody else.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import http3

from .counters import CallCounter, StepLoop
from .memory import left_behind
from .steps import Step, polls_in_step
from .workloads import WORKLOADS, Run, Sites, Workload, make_run

TESTS = Path(__file__).parents[1]

Names = dict[str, dict[str, float]]
"""What was counted: for each total how often a request does each thing that it is made of, by its name."""


class Job(NamedTuple):
    """What a worker is to do."""

    task: str
    """"count", or "trace" for strace to look at it."""
    workloads: Sequence[str]
    """Names in `workloads.WORKLOADS`, of one world."""
    sites: Sites


def ask(job: Job, *prefix: str) -> dict[str, Names]:
    """Have a worker do it, started by the command ``prefix`` if there is one.

    Returns what it found for each workload; raises RuntimeError with its complaint if it fails.
    """
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "costs.worker", json.dumps(job)],
        check=False,
        cwd=TESTS,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    if done.returncode:
        raise RuntimeError(f"{job.task} of {', '.join(job.workloads)} failed:\n{done.stderr}")
    found: dict[str, Names] = json.loads(done.stdout)
    return found


def _environment() -> dict[str, str]:
    """Without what coverage and the like set; with the same order of sets each time."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    if "PYTHONDONTWRITEBYTECODE" in os.environ:
        kept["PYTHONDONTWRITEBYTECODE"] = "1"
    return {**kept, "PYTHONHASHSEED": "0"}


# --- in the worker -----------------------------------------------------------------------------------------


def mark(workload: str, what: str) -> None:
    """Leave a line in what strace writes: a look for a file that does not exist."""
    os.path.exists(f"/costs/{workload}/{what}")


async def trace(name: str, run: Run) -> Names:
    """Nothing but the requests."""
    mark(name, "begin")
    await run(WORKLOADS[name].requests)
    mark(name, "end")
    return {}


async def count(name: str, run: Run) -> Names:
    """Calls of functions, what the loop was asked for, and what is left behind."""
    workload = WORKLOADS[name]
    loop = stepping(workload)
    counter = CallCounter()
    before = loop.asked() if loop is not None else Counter()
    counter.start()
    await run(workload.requests)
    counter.stop()
    after = loop.asked() if loop is not None else Counter()
    found = {**counter.found(), **{thing: {thing: times} for thing, times in (after - before).items()}}
    calls = {
        total: {what: times / workload.requests for what, times in names.items()}
        for total, names in found.items()
    }
    return {**calls, **await left_behind(run, workload.kept, workload.traced)}


def stepping(workload: Workload) -> StepLoop | None:
    """The loop, if it is ours."""
    loop = asyncio.get_running_loop() if workload.world == "asyncio" else None
    assert loop is None or isinstance(loop, StepLoop)
    return loop


async def work(job: Job) -> dict[str, Names]:
    """Do the job, one workload after the other, each with a client of its own."""
    task = {"count": count, "trace": trace}[job.task]
    found = {}
    for name in job.workloads:
        loop = stepping(WORKLOADS[name])
        step = loop.step if loop is not None else Step()
        with polls_in_step(step) if loop is None and WORKLOADS[name].is_stepped else nullcontext():
            found[name] = await _work(task, name, job.sites, step)
    return found


async def _work(task: Callable[[str, Run], Awaitable[Names]], name: str, sites: Sites, step: Step) -> Names:
    workload = WORKLOADS[name]
    is_sync = workload.world == "sync"
    options = workload.options(sites.ca_file)
    client: Any = http3.Client(**options) if is_sync else http3.AsyncClient(**options)
    run = make_run(workload, client, sites.urls[workload.site])
    await run(workload.requests)
    if workload.is_stepped:
        step.learn()
        await run(3 * workload.at_once)
        step.hold()
        await run(workload.at_once)
    gc.collect()
    gc.disable()  # a finaliser at a moment of its own would make calls
    gc.freeze()  # what there is already takes long to look through
    found = await task(name, run)
    gc.enable()
    gc.unfreeze()
    step.let_go()
    client.close() if is_sync else await client.close()
    return found


def drive(job: Job) -> dict[str, Names]:
    """Do the job in its world."""
    world = WORKLOADS[job.workloads[0]].world
    if world == "asyncio":
        with asyncio.Runner(loop_factory=StepLoop) as runner:
            return runner.run(work(job))
    if world == "trio":
        import trio

        return trio.run(work, job)
    try:
        work(job).send(None)
    except StopIteration as exc:
        found: dict[str, Names] = exc.value
        return found
    raise AssertionError("a sync client suspended")


def main() -> None:
    """Do the job of the command line; what was found is printed."""
    task, workloads, sites = json.loads(sys.argv[1])
    print(json.dumps(drive(Job(task, workloads, Sites(*sites)))))


if __name__ == "__main__":
    main()
