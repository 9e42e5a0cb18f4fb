"""Name lookup that cannot hang its caller.

`getaddrinfo` blocks for as long as the resolver takes and can't be interrupted. So it runs on daemon threads,
which are not joined at exit as those of an executor are; a caller that times out leaves its lookup running.
At most `WORKERS` lookups run at a time; others are queued, first come, first served. A lookup without waiters
does not count after a while, up to `MOST` threads in all, so that a resolver that hangs does not block the
queue. If no thread can be started, the lookup runs in the caller's thread.

Literal addresses need no lookup and start no thread. Equal lookups under way at the same time share one.
"""

from __future__ import annotations

import _thread
import os
import socket
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .._interfaces import Address, OperationTimeout, Waiter

if TYPE_CHECKING:
    from .._interfaces import Clock

WORKERS = 40
"""Lookups that run at a time. (trio's limit for threads.)"""

GRACE = 1.0
"""Seconds for which a lookup without waiters still counts. Else many waiters that time out together would
have a thread started for each queued lookup."""

LINE_SLICE = 0.5
"""Seconds between two checks of a queued lookup whether it can run."""

MOST = 256
"""Threads in all, with those whose lookups have no waiters."""

STALE = 5.0
"""Seconds after which a running lookup gets no further waiters: it may hang, while a new one would not."""


class Lookup:
    """One call of getaddrinfo, running or queued, and its waiters. ``now`` is a clock."""

    __slots__ = ("_began", "_key", "_outcome", "_waiters")

    now: Clock = staticmethod(time.monotonic)

    def __init__(self, key: tuple[str, int]) -> None:
        self._key = key
        self._began: float | None = None
        self._outcome: Sequence[Address] | Exception | None = None
        self._waiters: list[Waiter] = []

    def run(self) -> None:
        """Call getaddrinfo, and wake the waiters."""
        try:
            self._outcome = get_addresses(*self._key)
        except (OSError, ValueError) as exc:  # ValueError: UnicodeError from the name's encoding
            self._outcome = exc
        except BaseException as exc:  # noqa: BLE001 - raised by the waiters
            self._outcome = OSError(f"the lookup failed: {exc!r}")
        finally:
            with _lock:
                if _under_way.get(self._key) is self:
                    del _under_way[self._key]
                _running.pop(self, None)
                waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                waiter.set()

    def result(self) -> Sequence[Address]:
        """The addresses, or the failure raised anew (an exception object serves one raise only)."""
        outcome = self._outcome
        if isinstance(outcome, OSError):
            raise type(outcome)(*outcome.args) from outcome
        if isinstance(outcome, Exception):
            raise OSError(f"the host name can't be looked up: {outcome}") from outcome
        assert outcome is not None
        return outcome

    def begin(self) -> Lookup:
        """Leave the queue."""
        self._began = self.now()
        return self

    @property
    def has_begun(self) -> bool:
        """False while it is queued."""
        return self._began is not None

    def has_run_for(self, seconds: float) -> bool:
        """True if it runs for so long."""
        return self._began is not None and self.now() - self._began >= seconds

    @property
    def counts(self) -> bool:
        """True while it counts among `WORKERS`."""
        return bool(self._waiters) or not self.has_run_for(GRACE)

    @classmethod
    def join(cls, host: str, port: int, waiter: Waiter) -> Lookup:
        """The lookup of this name that is under way, or a new one; ``waiter`` is set when it is done."""
        key = (host, port)
        with _lock:
            lookup = _under_way.get(key)
            if lookup is None or lookup.has_run_for(STALE):
                lookup = _under_way[key] = cls(key)
                _line[lookup] = None
            lookup._waiters.append(waiter)
        try:
            if not start_workers():
                work_here()
        except BaseException:  # an interrupt
            lookup.leave(waiter)
            raise
        return lookup

    def leave(self, waiter: Waiter) -> None:
        """``waiter`` does not wait any more."""
        with _lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if not self._waiters and self in _line:
                del _line[self]
                if _under_way.get(self._key) is self:
                    del _under_way[self._key]


class Worker:
    """A thread that runs queued lookups."""

    __slots__ = ()

    def live(self) -> None:
        """The thread's whole life."""
        while (lookup := self._next()) is not None:
            lookup.run()
            del lookup

    def _next(self) -> Lookup | None:
        with _lock:
            if not _line or busy_workers() >= WORKERS:
                _workers.discard(self)
                return None
            lookup, _ = _line.popitem(last=False)
            _running[lookup] = None
            return lookup.begin()


_lock = threading.Lock()
_under_way: dict[tuple[str, int], Lookup] = {}
_line: OrderedDict[Lookup, None] = OrderedDict()
"""Queued lookups."""
_running: dict[Lookup, None] = {}
_workers: set[Worker] = set()
"""All threads, from before they start."""


def busy_workers() -> int:
    """With the lock: how many lookups count."""
    return sum(lookup.counts for lookup in _running)


def start_workers() -> bool:
    """Start the threads that queued lookups need; False if one can't be started."""
    while not sys.is_finalizing():  # no thread runs then, though some Pythons start one
        with _lock:
            idle = len(_workers) - len(_running)  # they are about to look for work
            is_wanted = len(_line) > idle and busy_workers() + idle < WORKERS and len(_workers) < MOST
            if not is_wanted:
                return True
            worker = Worker()
            _workers.add(worker)
        try:
            _thread.start_new_thread(worker.live, ())
        except RuntimeError:  # there are too many, or the interpreter is about to end
            _workers.discard(worker)
            return False
        except BaseException:
            _workers.discard(worker)
            raise
    return False


def work_here() -> None:
    """Run queued lookups in this thread, which could not start another one, unless there is a worker."""
    while True:
        with _lock:
            is_awaited = bool(busy_workers() or len(_workers) > len(_running))
            if not _line or (is_awaited and not sys.is_finalizing()):
                return
            lookup, _ = _line.popitem(last=False)
        lookup.begin().run()


def _start_anew() -> None:
    """In a forked child: the threads do not exist, and one of them may hold the lock."""
    global _lock
    _lock = threading.Lock()
    for found in (_under_way, _line, _running, _workers):
        found.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


async def look_up(
    host: str, port: int, timeout: float | None, make_waiter: Callable[[], Waiter]
) -> Sequence[Address]:
    """Addresses of a name or literal, in the resolver's order.

    Raises OSError where there are none, OperationTimeout after ``timeout`` seconds.
    """
    address = literal_address(host, port)
    if address is not None:
        return [address]
    waiter = make_waiter()
    lookup = Lookup.join(host, port, waiter)
    left = timeout
    try:
        while not lookup.has_begun and (left is None or left > LINE_SLICE):
            if await waiter.wait(LINE_SLICE):
                return lookup.result()
            left = None if left is None else left - LINE_SLICE
            start_workers()  # one may be able to run now
        if not await waiter.wait(left):
            raise OperationTimeout
    finally:
        if not waiter.is_set:
            lookup.leave(waiter)
            start_workers()
    return lookup.result()


def literal_address(host: str, port: int) -> Address | None:
    """The address that ``host`` spells out itself; None for a name."""
    try:
        if ":" not in host:
            socket.inet_pton(socket.AF_INET, host)
            return (socket.AF_INET, (host, port))
        if "%" not in host:
            socket.inet_pton(socket.AF_INET6, host)
            return (socket.AF_INET6, (host, port, 0, 0))
    except (OSError, ValueError):
        return None
    return _zoned_address(host, port)


def _zoned_address(host: str, port: int) -> Address | None:
    """``fe80::1%eth0``: the system knows the number of the zone. Numeric, so no server is asked."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return _address(found[0][0], found[0][4])


def get_addresses(host: str, port: int) -> Sequence[Address]:
    """Call getaddrinfo. Raises socket.gaierror (an OSError)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [address for item in found if (address := _address(item[0], item[4])) is not None]


def _address(
    family: int, name: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
) -> Address | None:
    """One answer of getaddrinfo; None where this Python was built without the family (IPv6)."""
    return None if isinstance(name[0], int) else (family, name)
