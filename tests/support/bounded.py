"""For tests of limits of time: a client whose pool can be looked into, and what must hold of each timeout.

What is measured is the client's own call. A machine that is busy elsewhere may be late, so each case has
three tries to be in time; none of them may be early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import http3
from http3_transport import BlockingBackend, ConnectionPool
from support.worlds import World, do, raised

# What is imported when it is first used belongs to no phase of the request that does so.
for lazy in ("_http2", "_tls"):
    import_module(f"http3_transport.{lazy}")

LIMIT = 0.2
LATE = 0.1
EARLY = 0.02
TRIES = 3
GAP = 0.04

TotalOnly = http3.TimeoutConfig(None, total_timeout=LIMIT)


class Bounded(NamedTuple):
    """A client, and the pool that it sends through."""

    client: Any
    pool: ConnectionPool


def bounded(world: World, version: str, timeout: http3.TimeoutConfig, **options: Any) -> Bounded:
    backend = None if world.is_async else BlockingBackend()
    pool = ConnectionPool(http_versions=(version,), backend=backend, **options)
    return Bounded(world.client(dispatch=pool, timeout=timeout), pool)


async def in_time(kind: type[BaseException], call: Callable[[], Any]) -> Any:
    """The exception with which the call ends after `LIMIT` seconds."""
    late: list[float] = []
    while True:
        start = time.monotonic()
        error = await raised(kind, call)
        late.append(time.monotonic() - start - LIMIT)
        print(f"{kind.__name__}: {late[-1]:+.3f}")
        assert late[-1] >= -EARLY
        if late[-1] <= LATE:
            return error
        assert len(late) < TRIES, f"{late} s late: {error}"


def tells(error: Any, url: str, phase: str, *spent_in: str) -> None:
    """The text names what there is to know; the phases in ``spent_in`` share the time."""
    text = str(error)
    assert url in text
    assert error.request.method in text
    assert f"{LIMIT:g} s" in text
    assert f"({phase}_timeout)" in text or f"in the {phase} phase" in text
    assert "after the start" in text
    spent = [getattr(error.timings, name) for name in spent_in]
    assert None not in spent, error.timings
    taken = sum(spent)
    if isinstance(error, http3.TotalTimeout):  # which counts from the call
        taken += sum([getattr(error.timings, name) or 0 for name in ("dns", "connect", "tls")])
    assert not spent or LIMIT - EARLY <= taken <= LIMIT + 1, error.timings


async def goes_on(bounded: Bounded, url: str) -> None:
    """The next requests have their own answers, and nothing is left of the one before."""
    for number in range(2):
        path = f"/good/{number}"
        response = await do(bounded.client.get(url + path, timeout=5))
        assert response.text == path
    assert bounded.pool.active_connections == []
    assert len(bounded.pool.keepalive_connections) == 1
    scope = bounded.pool._scope
    assert scope is not None
    assert list(scope.state.waiting()) == []
    await do(bounded.client.close())
    assert bounded.pool.keepalive_connections == []
