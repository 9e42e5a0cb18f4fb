"""The order of events: the servers start; round after round some of them die, and it is seen what is left."""

from __future__ import annotations

import gc
import sys
import threading
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from http3_transport._backends import _alarm_clock
from support.servers import Authority

from .backends import BACKENDS, Backend, Round
from .judge import HANG, Judge, count_descriptors, count_threads, use_one_arena
from .sites import Server, Site, make_sites

SETTLE_SECONDS = 3.0
"""In which what was given back has to be gone."""

LINGER = 0.5
"""Seconds for which the thread that keeps timers for trio waits for the next one, so that it is soon gone."""

TRACED_LINES = 25

SLICE = 0.05
"""Seconds between two looks at who has finished, who hangs, and which server is next."""

ACTIONS = {"kill": 5, "end": 3, "freeze": 2}
"""What befalls a server, and how often: SIGKILL, SIGTERM, SIGSTOP for a while."""


class Options(NamedTuple):
    """What the command line says."""

    requests: int = 200_000
    seconds: float = 3600.0
    seed: int = 0
    backends: tuple[str, ...] = ("sync", "asyncio", "trio")
    servers: tuple[str, ...] = ("nginx", "hypercorn", "uvicorn", "nghttpd")
    workers: int = 12
    """Of each backend."""
    operations: int = 150
    """Of each worker in a round."""
    kills: bool = True
    fates: bool = True
    """Whether operations are given little time, or cancelled."""
    pause: tuple[float, float] = (0.1, 0.8)
    """Seconds between two deaths."""
    quiet: bool = True
    trace: bool = False
    """Whether `tracemalloc` tells where memory grows; everything is slower then."""


class Chaos:
    """What befalls the servers of a round. Its turns are in the main thread: processes die with theirs."""

    def __init__(
        self, judge: Judge, servers: list[Server], random: Random, pause: tuple[float, float]
    ) -> None:
        self._judge = judge
        self._servers = servers
        self._random = random
        self._pause = pause
        self._next = judge.now() + random.uniform(*pause)
        self._victim: Server | None = None
        self._action = ""

    def turn(self) -> None:
        """If it is time: strike, or repair what was struck."""
        if self._judge.now() < self._next:
            return
        if self._victim is None:
            self._strike()
            self._next = self._judge.now() + self._random.uniform(0, 1.2)
        else:
            self.repair()
            self._next = self._judge.now() + self._random.uniform(*self._pause)

    def _strike(self) -> None:
        self._action = self._random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        self._victim = victim = self._random.choice(self._servers)
        self._judge.begin(victim.name, self._action)
        if self._action == "freeze":
            victim.freeze()
        else:
            victim.kill(politely=self._action == "end")

    def repair(self) -> None:
        """The server is itself again; if there is one that is not."""
        victim, self._victim = self._victim, None
        if victim is None:
            return
        if self._action == "freeze":
            victim.thaw()
        else:
            victim.start()
        self._judge.end(victim.name)


class Soak:
    """One run."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        self.judge = Judge()
        self._random = Random(options.seed)
        self._authority = Authority(folder)
        self.sites: list[Site] = make_sites(options.servers, folder, self._authority)
        self._servers = list({site.server.name: site.server for site in self.sites}.values())
        self._backends: list[Backend] = []
        self._started = time.monotonic()

    def run(self) -> Judge:
        """All of it."""
        use_one_arena()
        _alarm_clock.LINGER = LINGER
        if self.options.trace:
            tracemalloc.start()
        started: list[Server] = []
        try:
            for server in self._servers:
                started.append(server)
                server.start()
            with watched(self.judge):
                self._run_rounds()
        finally:
            for server in started:
                server.stop()
        return self.judge

    def _run_rounds(self) -> None:
        options, judge = self.options, self.judge
        before = count_descriptors(), count_threads()
        self._backends = [
            BACKENDS[name](judge, self._authority.ca_file, fates=options.fates) for name in options.backends
        ]
        time.sleep(0.5)  # until the loops have what they need
        base = count_descriptors()
        number, middle = 0, None
        while self._goes_on():
            if not self._round(number):
                return  # something hangs: nothing can be closed or measured
            number += 1
            self._measure(base)
            if self.options.trace and self.judge.requests * 2 > self.options.requests and middle is None:
                middle = tracemalloc.take_snapshot()
        if middle is not None:
            growth = tracemalloc.take_snapshot().compare_to(middle, "lineno")
            print(*growth[:TRACED_LINES], sep="\n")
        for backend in self._backends:
            backend.close()
        self._check_end(*before)
        judge.check_growth()

    def _goes_on(self) -> bool:
        spent = time.monotonic() - self._started
        return self.judge.requests < self.options.requests and spent < self.options.seconds

    def _round(self, number: int) -> bool:
        """Whether everybody has come to an end."""
        options = self.options
        chaos = Chaos(self.judge, self._servers, self._random, options.pause) if options.kills else None
        work = Round(number, self.sites, options.workers, options.operations, options.seed)
        calm = Round(number, self.sites, 0, 0, options.seed)
        try:
            if not self._has_done(work, chaos):
                return False
        finally:
            if chaos is not None:
                chaos.repair()
        return self._has_done(calm, None)

    def _has_done(self, work: Round, chaos: Chaos | None) -> bool:
        for backend in self._backends:
            backend.order(work)
        waiting = list(self._backends)
        while waiting:
            waiting = [backend for backend in waiting if not self._has_ended(backend)]
            if chaos is not None and waiting:
                chaos.turn()
            if self._somebody_hangs():
                return False
        return True

    def _has_ended(self, backend: Backend) -> bool:
        try:
            return backend.wait(SLICE)
        except Exception as exc:  # noqa: BLE001 - told
            self.judge.noticed(f"{backend.name}: {exc!r}")
            return True

    def _somebody_hangs(self) -> bool:
        long_ago = self.judge.now() - HANG
        found = [
            f"{worker}: {what}"
            for backend in self._backends
            for worker, (what, since) in list(backend.running.items())
            if since < long_ago
        ]
        for what in found:
            self.judge.hung(what)
        if found:
            import faulthandler

            faulthandler.dump_traceback(all_threads=True)
        return bool(found)

    # What is left.

    def _measure(self, base: int) -> None:
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            gc.collect()
            held = [backend.holdings() for backend in self._backends]
            leases, idle = (sum(column) for column in zip(*held, strict=True))
            descriptors = count_descriptors() - base - idle
            if not (leases or descriptors) or time.monotonic() > end:
                break
            time.sleep(SLICE)
        found = self.judge.measure(leases, descriptors)
        if not self.options.quiet:
            print(_line(found, time.monotonic() - self._started), flush=True)

    def _check_end(self, descriptors: int, threads: int) -> None:
        """All clients are closed."""
        end = time.monotonic() + SETTLE_SECONDS
        found = count_descriptors() - descriptors, count_threads() - threads
        while any(found) and time.monotonic() < end:
            time.sleep(SLICE)
            found = count_descriptors() - descriptors, count_threads() - threads
        if any(found):
            names = ", ".join(thread.name for thread in threading.enumerate())
            self.judge.leaves(f"at the end: {found[0]} descriptors, {found[1]} threads ({names})")


def _line(found: Any, seconds: float) -> str:
    return (
        f"{seconds:7.1f} s  {found.requests:8} requests  {found.leases} leases  {found.descriptors} fds  "
        f"{found.threads} threads  {found.blocks} blocks  "
        f"{found.allocated / 1048576:.1f} of {found.memory / 1048576:.1f} MiB"
    )


@contextmanager
def watched(judge: Judge) -> Iterator[None]:
    """What nobody sees otherwise (exceptions in threads and finalisers, warnings) is told to the judge."""

    def in_thread(args: threading.ExceptHookArgs) -> None:
        judge.noticed(f"in a thread: {args.exc_value!r}")

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        judge.noticed(f"unraisable: {args.err_msg} {args.object!r}: {args.exc_value!r}")

    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = in_thread, unraisable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Of `traffic.forgotten`, in a finaliser, where nothing can be raised.
            warnings.filterwarnings("ignore", "the response of .* was neither", ResourceWarning)
            yield
    finally:
        threading.excepthook, sys.unraisablehook = hooks
