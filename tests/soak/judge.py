"""What came of a soak: outcomes are counted, exceptions explained or not, and what is left is measured."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import http3

from .traffic import ServerFailed, Wrong

HANG = 120.0
"""Seconds after which an operation counts as a hang: its limits would have ended it four times over."""

BESIDE = 0.1
"""Seconds around the death of a server in which what it did may still be felt."""

MOST_SHOWN = 20
"""Exceptions that are kept to be shown, of each kind."""

ROOM = {"threads": 1, "blocks": 4000, "allocated": 2**20, "memory": 8 * 2**20}
"""By how much rounds differ that do the same: the one thread that keeps timers for trio comes when it is
needed and goes when it was not for a while; caches are more or less full; memory is in many pieces."""


class Window(NamedTuple):
    """When a server was not itself; ``end`` is inf as long as it lasts."""

    server: str
    begin: float
    end: float


class Fate(NamedTuple):
    """What is done to an operation: "plain", "tight" (has next to no time), "cancelled" after ``seconds``."""

    kind: str = "plain"
    seconds: float = 0.0


class Event(NamedTuple):
    """An operation that has come to its end."""

    backend: str
    site: str
    server: str
    operation: str
    fate: Fate
    began: float
    ended: float


class Measured(NamedTuple):
    """What there is while everything stands still."""

    requests: int
    leases: int
    descriptors: int
    """Beyond those that were open before, and those of idle connections."""
    threads: int
    blocks: int
    """Objects that Python has allocated."""
    allocated: int
    """Bytes that malloc has given out."""
    memory: int
    """Bytes of this process in memory."""


class Judge:
    """Counts. Any thread may tell it something."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        """By backend, site and outcome."""
        self.explained: Counter[tuple[str, str]] = Counter()
        """By what explains it, and the exception's name."""
        self.wrong: list[str] = []
        self.unexplained: list[str] = []
        self.hangs: list[str] = []
        self.left: list[str] = []
        self.measured: list[Measured] = []
        self.deaths: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        """How many there were of what the lists have the first of."""
        self._lock = threading.Lock()
        self._windows: list[Window] = []

    @property
    def requests(self) -> int:
        """Operations that have come to their end."""
        with self._lock:
            return self.outcomes.total()

    # Servers.

    def begin(self, server: str, what: str) -> None:
        """A server is about to be killed or frozen."""
        with self._lock:
            self.deaths[what] += 1
            self._windows = [each for each in self._windows if each.end > self.now() - 2 * HANG]
            self._windows.append(Window(server, self.now(), float("inf")))

    def end(self, server: str) -> None:
        """It is itself again."""
        with self._lock:
            self._windows = [
                each._replace(end=self.now()) if each.server == server and each.end == float("inf") else each
                for each in self._windows
            ]

    def _was_disturbed(self, event: Event) -> bool:
        return any(
            window.server == event.server
            and window.begin - BESIDE <= event.ended
            and event.began <= window.end + BESIDE
            for window in self._windows
        )

    # Operations.

    def fine(self, event: Event, outcome: str = "answered") -> None:
        """It had the right answer, or was cancelled."""
        with self._lock:
            self.outcomes[event.backend, event.site, outcome] += 1

    def failed(self, event: Event, exc: BaseException) -> None:
        """It raised."""
        with self._lock:
            if isinstance(exc, ServerFailed) and self._was_disturbed(event):
                why = "server died"
                self.explained[why, type(exc).__name__] += 1
            elif isinstance(exc, Wrong):
                self._keep(self.wrong, "wrong", f"{_where(event)}: {exc}")
                why = "wrong"
            else:
                why = self._explanation(event, exc)
                if why == "unexplained":
                    shown = "".join(traceback.format_exception(exc))
                    self._keep(self.unexplained, why, f"{_where(event)}:\n{shown}")
                else:
                    self.explained[why, type(exc).__name__] += 1
            self.outcomes[event.backend, event.site, why] += 1

    def _explanation(self, event: Event, exc: BaseException) -> str:
        if not isinstance(exc, http3.RequestError):
            return "unexplained"
        if event.fate.kind == "tight" and isinstance(exc, http3.Timeout):
            return "timed out"
        fitting = (http3.NetworkError, http3.RemoteProtocolError)
        if isinstance(exc, fitting) and self._was_disturbed(event):
            return "server died"
        return "unexplained"

    def noticed(self, what: str) -> None:
        """Something that belongs to no operation: an exception that nobody saw, say."""
        with self._lock:
            self._keep(self.unexplained, "unexplained", what)

    def hung(self, what: str) -> None:
        """An operation does not end."""
        with self._lock:
            self._keep(self.hangs, "hangs", what)

    def leaves(self, what: str) -> None:
        """Something was not given back."""
        with self._lock:
            self._keep(self.left, "left", what)

    def _keep(self, shown: list[str], name: str, text: str) -> None:
        self.failures[name] += 1
        if len(shown) < MOST_SHOWN:
            shown.append(text)

    # What is left.

    def measure(self, leases: int, descriptors: int) -> Measured:
        """Between two rounds."""
        found = Measured(
            self.requests,
            leases,
            descriptors,
            count_threads(),
            count_blocks(),
            memory_allocated(),
            memory_in_use(),
        )
        self.measured.append(found)
        if leases or descriptors:
            self.leaves(f"after {found.requests} requests: {leases} leases, {descriptors} descriptors")
        return found

    def check_growth(self) -> None:
        """Compare the second half of the rounds with itself; the first has caches to fill."""
        rounds = self.measured[len(self.measured) // 2 :]
        if len(rounds) < 4:
            return
        middle = len(rounds) // 2
        earlier, later = rounds[:middle], rounds[middle:]
        requests = later[0].requests - earlier[0].requests
        for name, room in ROOM.items():
            least = [min(getattr(each, name) for each in part) for part in (earlier, later)]
            if least[1] > least[0] + room:
                self.leaves(f"{name} grow: {least[0]}, and {least[1]} after {requests} requests more")

    def is_good(self) -> bool:
        """Nothing is wrong, nothing hangs, nothing is unexplained, nothing is left."""
        return not (self.wrong or self.hangs or self.unexplained or self.left)


def _where(event: Event) -> str:
    seconds = event.ended - event.began
    return f"{event.backend}, {event.site}, {event.operation} ({event.fate.kind}), {seconds:.3f} s"


def count_descriptors() -> int:
    """Open file descriptors of this process."""
    return len(os.listdir("/proc/self/fd")) - 1  # the folder itself is one


def count_threads() -> int:
    """Threads of this process."""
    return len(os.listdir("/proc/self/task"))


def count_blocks() -> int:
    """Objects that stay."""
    for _ in range(3):
        gc.collect()
    return sys.getallocatedblocks()


_LIBC = ctypes.CDLL(None)

_M_ARENA_MAX = -8


class _Mallinfo(ctypes.Structure):
    """What glibc's ``mallinfo2`` gives."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in (*"abcd", "mapped", *"fg", "used", *"ij"))


def use_one_arena() -> None:
    """Have all threads share malloc's memory (glibc): what each of them has freed would count as used."""
    if hasattr(_LIBC, "mallopt"):
        _LIBC.mallopt(_M_ARENA_MAX, 1)


def memory_allocated() -> int:
    """Bytes that malloc has given out, to Python, OpenSSL and others; 0 where it does not tell (no glibc)."""
    if not hasattr(_LIBC, "mallinfo2"):
        return 0
    _LIBC.mallinfo2.restype = _Mallinfo
    found = _LIBC.mallinfo2()
    return int(found.used + found.mapped)


def memory_in_use() -> int:
    """Bytes in memory (RSS), without those that malloc can do without."""
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
