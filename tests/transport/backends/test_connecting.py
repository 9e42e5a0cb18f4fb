"""Address order, the schedule of a race, and the three steps of connecting."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models.engine import PhaseTimes, run_sync
from http3_transport._backends._blocking import BlockingBackend
from http3_transport._backends._connecting import Race, open_stream, order_addresses, run_race
from http3_transport._interfaces import Address, OperationTimeout, Stream, remaining


def v4(number: int) -> Address:
    return (socket.AF_INET, (f"192.0.2.{number}", 80))


def v6(number: int) -> Address:
    return (socket.AF_INET6, (f"2001:db8::{number}", 80, 0, 0))


@pytest.mark.parametrize(
    ("given_order", "expected"),
    [
        ([], []),
        ([v4(1)], [v4(1)]),
        ([v6(1), v6(2), v4(1), v4(2)], [v6(1), v4(1), v6(2), v4(2)]),
        ([v4(1), v4(2), v6(1)], [v4(1), v6(1), v4(2)]),
        ([v6(1), v6(2), v6(3), v4(1)], [v6(1), v4(1), v6(2), v6(3)]),
        ([v4(1), v4(1), v4(2)], [v4(1), v4(2)]),
    ],
)
def test_families_take_turns(given_order: list[Address], expected: list[Address]) -> None:
    assert order_addresses(given_order) == expected


@given(st.lists(st.builds(lambda v, n: (v4, v6)[v](n), st.integers(0, 1), st.integers(0, 9))))
def test_order_loses_and_invents_nothing(addresses: list[Address]) -> None:
    ordered = order_addresses(addresses)
    assert set(ordered) == set(addresses)
    assert len(set(ordered)) == len(ordered)
    assert ordered[:1] == addresses[:1]
    for family in (socket.AF_INET, socket.AF_INET6):
        mine = [address for address in ordered if address[0] == family]
        assert mine == [address for address in dict.fromkeys(addresses) if address[0] == family]


def test_attempts_are_staggered() -> None:
    race = Race([v4(1), v4(2)], 0.25)
    assert race.pause(10.0, None) == 0.0
    assert race.due(10.0) == v4(1)
    assert race.due(10.2) is None
    assert race.pause(10.2, None) == pytest.approx(0.05)
    assert race.pause(10.2, 10.21) == pytest.approx(0.01)
    assert race.due(10.25) == v4(2)
    assert race.due(99.0) is None
    assert race.pause(11.0, None) is None
    assert race.pause(11.0, 12.0) == 1.0


def test_a_failure_makes_way_at_once() -> None:
    race = Race([v4(1), v4(2)], 0.25)
    assert race.due(0.0) == v4(1)
    race.failed(OSError("first"))
    assert not race.is_lost
    assert race.due(0.01) == v4(2)
    last = OSError("second")
    race.failed(last)
    assert race.is_lost
    assert race.last_error is last


class FakeAttempts:
    """Attempts that end as planned, on a clock of their own."""

    def __init__(self, plan: dict[Address, tuple[float, str | OSError]]) -> None:
        self.plan = plan
        self.time = 0.0
        self.started: list[tuple[float, Address]] = []
        self.running: list[tuple[float, str | OSError]] = []

    def start(self, address: Address) -> None:
        self.started.append((self.time, address))
        takes, outcome = self.plan[address]
        self.running.append((self.time + takes, outcome))

    async def wait(self, seconds: float | None) -> Sequence[str | OSError]:
        next_end = min((end for end, _ in self.running), default=float("inf"))
        self.time = min(next_end, self.time + (float("inf") if seconds is None else seconds))
        ended = [outcome for end, outcome in self.running if end <= self.time]
        self.running = [item for item in self.running if item[0] > self.time]
        return ended


NEVER = float("inf")


@pytest.mark.parametrize(
    ("plan", "expected", "starts"),
    [
        ([(0.1, "a"), (0.0, "b")], "a", [0.0]),
        ([(NEVER, ""), (0.1, "b")], "b", [0.0, 0.25]),
        ([(0.3, "a"), (0.2, "b")], "a", [0.0, 0.25]),
        ([(0.1, OSError()), (0.1, "b"), (0.0, "c")], "b", [0.0, 0.1]),
        ([(NEVER, ""), (0.1, OSError()), (0.1, "c")], "c", [0.0, 0.25, 0.35]),
    ],
)
def test_races(plan: list[tuple[float, str | OSError]], expected: str, starts: list[float]) -> None:
    addresses = [v4(number) for number in range(len(plan))]
    attempts = FakeAttempts(dict(zip(addresses, plan, strict=True)))
    assert run_sync(run_race(Race(addresses, 0.25), attempts, None, lambda: attempts.time)) == expected
    assert [time for time, _ in attempts.started] == pytest.approx(starts)


def test_a_lost_race_raises_the_last_error() -> None:
    plan: dict[Address, tuple[float, str | OSError]] = {
        v4(1): (0.1, OSError("one")),
        v4(2): (0.1, OSError("two")),
    }
    attempts = FakeAttempts(plan)
    with pytest.raises(OSError, match="two"):
        run_sync(run_race(Race(list(plan), 0.25), attempts, None, lambda: attempts.time))


def test_a_race_without_runners() -> None:
    attempts = FakeAttempts({})
    with pytest.raises(OSError, match="no address"):
        run_sync(run_race(Race([], 0.25), attempts, None, lambda: attempts.time))


def test_a_race_has_one_limit() -> None:
    plan: dict[Address, tuple[float, str | OSError]] = {v4(1): (0.9, OSError()), v4(2): (0.9, "late")}
    attempts = FakeAttempts(plan)
    with pytest.raises(OperationTimeout):
        run_sync(run_race(Race(list(plan), 5.0), attempts, 1.0, lambda: attempts.time))
    assert attempts.time == 1.0


class SlowBackend(BlockingBackend):
    """Steps that take as long as told, by a clock that they turn themselves."""

    def __init__(self, addresses: Sequence[Address], takes: float = 0.5) -> None:
        self.addresses = addresses
        self.takes = takes
        self.time = 100.0
        self.calls: list[tuple[str, object, float | None]] = []

    def clock(self) -> float:
        return self.time

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        self.calls.append(("resolve", (host, port), timeout))
        self.time += self.takes
        return self.addresses

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        self.calls.append(("connect_address", address, timeout))
        self.time += 2 * self.takes
        raise ConnectionRefusedError

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        self.calls.append(("connect_first", list(addresses), timeout))
        raise ConnectionRefusedError


def test_the_limit_spans_lookup_and_connecting() -> None:
    backend = SlowBackend([v4(1)])
    phases = PhaseTimes()
    with pytest.raises(ConnectionRefusedError):
        run_sync(open_stream(backend, "host", 80, 2.0, phases=phases, now=backend.clock))
    assert backend.calls == [("resolve", ("host", 80), 2.0), ("connect_address", v4(1), 1.5)]
    assert phases.dns == 0.5
    assert phases.connect == 1.0


def test_several_addresses_race_in_order() -> None:
    backend = SlowBackend([v6(1), v6(2), v4(1)])
    with pytest.raises(ConnectionRefusedError):
        run_sync(open_stream(backend, "host", 80, None, now=backend.clock))
    assert backend.calls[1] == ("connect_first", [v6(1), v4(1), v6(2)], None)


def test_a_lookup_that_takes_all_the_time() -> None:
    backend = SlowBackend([v4(1)], takes=3.0)
    phases = PhaseTimes()
    with pytest.raises(OperationTimeout):
        run_sync(open_stream(backend, "host", 80, 2.0, phases=phases, now=backend.clock))
    assert phases.dns == 3.0
    assert phases.connect is None


def test_no_address() -> None:
    backend = SlowBackend([])
    with pytest.raises(OSError, match="no address: host"):
        run_sync(open_stream(backend, "host", 80, 2.0, now=backend.clock))


def test_remaining() -> None:
    assert remaining(None, 0.0, 5.0) is None
    assert remaining(2.0, 10.0, 11.5) == 0.5
    with pytest.raises(OperationTimeout):
        remaining(2.0, 10.0, 12.0)
