"""From a host name to an open stream, in three steps: resolve, order the addresses, connect one.

The first and the last are the backend's. What lies between is pure and sits here: in which order
addresses are tried, and when the next attempt starts (`Race`, RFC 8305, "Happy Eyeballs"). `run_race`
carries the schedule out the same way over every backend, which only has to start attempts and to wait
for them. One limit spans it all; there is no clock here but the one passed in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from .._interfaces import Address, Backend, Clock, OperationTimeout, Stream, remaining
from ._sockets import is_unix

if TYPE_CHECKING:
    from http3_models import EgressPolicy
    from http3_models.engine import PhaseTimes

# RFC 8305 section 8 recommends 250 ms, the value of browsers too: most handshakes are done by then.
STAGGER = 0.25

T = TypeVar("T")
Outcome_co = TypeVar("Outcome_co", covariant=True)


def order_addresses(addresses: Sequence[Address]) -> Sequence[Address]:
    """In the order in which to try them (RFC 8305 section 4).

    The resolver sorted them by RFC 6724 already (it knows the routes, we don't), so its favourite stays
    first and each family keeps its order; but the families take turns, so that one which does not work
    here costs one attempt and not all of them.
    """
    if len(addresses) <= 1:  # a literal address, mostly (-3 us)
        return addresses
    families: dict[int, list[Address]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address[0], []).append(address)
    longest = max(map(len, families.values()), default=0)
    return [family[turn] for turn in range(longest) for family in families.values() if turn < len(family)]


class Race:
    """When the attempt at which address starts (RFC 8305 section 5). Pure: moments are passed in.

    The first starts at once, each further one ``stagger`` seconds after the one before it, or as soon as
    one has failed.
    """

    __slots__ = ("_next_start", "_running", "_stagger", "_waiting", "last_error")

    def __init__(self, addresses: Sequence[Address], stagger: float) -> None:
        self._waiting = list(reversed(addresses))
        self._running = 0
        self._stagger = stagger
        self._next_start = float("-inf")
        self.last_error: OSError | None = None

    def due(self, moment: float) -> Address | None:
        """The address to start with now, if it is time for one; it counts as started then."""
        if not self._waiting or moment < self._next_start:
            return None
        self._next_start = moment + self._stagger
        self._running += 1
        return self._waiting.pop()

    def failed(self, error: OSError) -> None:
        """One attempt failed: the next need not wait."""
        self._running -= 1
        self.last_error = error
        self._next_start = float("-inf")

    @property
    def is_lost(self) -> bool:
        """True once all have failed."""
        return not self._waiting and not self._running

    def pause(self, moment: float, deadline: float | None) -> float | None:
        """Seconds until something is to be done even if no attempt ends; None for never."""
        moments = [self._next_start] if self._waiting else []
        if deadline is not None:
            moments.append(deadline)
        return max(min(moments) - moment, 0.0) if moments else None


class Attempts(Protocol[Outcome_co]):
    """Connects under way on one backend. Their maker closes all but the winner."""

    def start(self, address: Address) -> None:
        """Begin to connect. A failure is an outcome as well, raised is nothing."""

    async def wait(self, seconds: float | None) -> Sequence[Outcome_co | OSError]:
        """Wait until at least one has ended; return what ended since the last call, none if time is up."""


async def run_race(race: Race, attempts: Attempts[T], timeout: float | None, now: Callable[[], float]) -> T:
    """The outcome of the first attempt that succeeds.

    Raises the last OSError if all fail, OperationTimeout after ``timeout`` seconds.
    """
    moment = now()
    deadline = None if timeout is None else moment + timeout
    while not race.is_lost:
        address = race.due(moment)
        if address is not None:
            attempts.start(address)
        for outcome in await attempts.wait(race.pause(moment, deadline)):
            if not isinstance(outcome, OSError):
                return outcome
            race.failed(outcome)
        moment = now()
        if deadline is not None and moment >= deadline:
            raise OperationTimeout
    raise race.last_error or OSError("there is no address to connect to")


class Addresses(Protocol):
    """Resolves host names by more than what a backend does."""

    async def resolve(
        self, backend: Backend, host: str, port: int, timeout: float | None
    ) -> Sequence[Address]:
        """As `Backend.resolve`."""

    def forget(self, host: str, port: int) -> None:
        """No address of the host could be connected to."""


class Refused(Exception):
    """No address of the host may be connected to."""


def permitted(addresses: Sequence[Address], egress: EgressPolicy) -> list[Address]:
    """The addresses that the policy lets pass. Raises Refused if it refuses them all."""
    refusals = {address: _refusal(address, egress) for address in addresses}
    kept = [address for address, why in refusals.items() if why is None]
    if not kept and refusals:
        found = ", ".join([f"{host_of(address)} ({why})" for address, why in refusals.items()])
        raise Refused(f"The egress policy refuses {found}")
    return kept


def host_of(address: Address) -> str:
    """The IP address, or the path of a Unix socket."""
    return str(address[1][0])


def _refusal(address: Address, egress: EgressPolicy) -> str | None:
    return "a Unix socket" if is_unix(address) else egress.refusal(host_of(address))


async def open_stream(
    backend: Backend,
    host: str,
    port: int,
    timeout: float | None,
    *,
    egress: EgressPolicy | None = None,
    phases: PhaseTimes | None = None,
    now: Clock = time.monotonic,
    addresses: Addresses | None = None,
    stagger: float = STAGGER,
) -> Stream:
    """Open a plain connection to a host: resolve, order, connect one of those that ``egress`` permits.

    ``addresses`` resolves in place of the backend. ``stagger``: see `Backend.connect_first`.
    ``timeout`` (seconds, None for no limit) spans all three. What the steps took goes to ``phases.dns`` and
    ``phases.connect``, also where they fail. Raises OSError, OperationTimeout or Refused.
    """
    start = now()
    try:
        found = await (
            backend.resolve(host, port, timeout)
            if addresses is None
            else addresses.resolve(backend, host, port, timeout)
        )
        found = order_addresses(found)
        if egress is not None:
            found = permitted(found, egress)
    finally:
        resolved = now()
        if phases is not None:
            phases.dns = resolved - start
    if not found:
        raise OSError(f"the host name has no address: {host}")
    left = remaining(timeout, start, resolved)
    try:
        if len(found) == 1:
            return await backend.connect_address(found[0], left)
        return await backend.connect_first(found, left, stagger)
    except OSError:
        if addresses is not None:
            addresses.forget(host, port)
        raise
    finally:
        if phases is not None:
            phases.connect = now() - resolved
