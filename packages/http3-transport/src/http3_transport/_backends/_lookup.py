"""Name lookup that cannot hang its caller.

`getaddrinfo` blocks for as long as the resolver likes and can't be interrupted. So it runs on a thread of
ours that nobody joins at exit, as one of an executor would be; who waits for it too long walks away.
Literal addresses need no lookup and start no thread. Equal lookups under way at the same time share
one thread: a resolver that hangs would otherwise pile them up.
"""

from __future__ import annotations

import _thread
import os
import socket
import threading
from collections.abc import Callable, Sequence

from .._interfaces import Address, OperationTimeout, Waiter


class Lookup:
    """One call of getaddrinfo under way, and those who wait for it."""

    __slots__ = ("_key", "_outcome", "_waiters")

    def __init__(self, key: tuple[str, int]) -> None:
        self._key = key
        self._outcome: Sequence[Address] | Exception | None = None
        self._waiters: list[Waiter] = []

    def start(self) -> None:
        """Run it on a thread of its own. Not a `threading.Thread`, which waits until it runs (-50 us)."""
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        try:
            self._outcome = get_addresses(*self._key)
        except (OSError, ValueError) as exc:  # ValueError: UnicodeError from the name's encoding
            self._outcome = exc
        except BaseException as exc:
            self._outcome = OSError(f"the lookup failed: {exc!r}")
            raise
        finally:
            with _lock:
                if _under_way.get(self._key) is self:
                    del _under_way[self._key]
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

    @classmethod
    def join(cls, host: str, port: int, waiter: Waiter) -> Lookup:
        """The lookup of this name that is under way, or a new one; ``waiter`` is set when it is done."""
        key = (host, port)
        with _lock:
            lookup = _under_way.get(key)
            is_new = lookup is None
            if lookup is None:
                lookup = _under_way[key] = cls(key)
            lookup._waiters.append(waiter)
        if is_new:
            try:
                lookup.start()
            except BaseException:  # no more threads, or an interrupt: nobody would ever finish it
                with _lock:
                    _under_way.pop(key, None)
                raise
        return lookup

    def leave(self, waiter: Waiter) -> None:
        """``waiter`` has given up."""
        with _lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)


_lock = threading.Lock()
_under_way: dict[tuple[str, int], Lookup] = {}


def _start_anew() -> None:
    """In a forked child: the threads are gone, and the lock may be held by one of them."""
    global _lock
    _lock = threading.Lock()
    _under_way.clear()


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
    try:
        if not await waiter.wait(timeout):
            raise OperationTimeout
    finally:
        if not waiter.is_set:
            lookup.leave(waiter)
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
    """``fe80::1%eth0``: the system knows the number of the zone. Numeric, so it asks nobody."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return None
    return _address(found[0][0], found[0][4])


def get_addresses(host: str, port: int) -> Sequence[Address]:
    """Ask the system, and wait for it. Raises socket.gaierror (an OSError)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [address for item in found if (address := _address(item[0], item[4])) is not None]


def _address(
    family: int, name: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
) -> Address | None:
    """One answer of getaddrinfo; None where this Python was built without the family (IPv6)."""
    return None if isinstance(name[0], int) else (family, name)
