"""`PoolState`: which request gets which connection, under which limits, in which order."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from http3_models import Origin, PoolLimits
from http3_transport._connect import OpenConnection
from http3_transport._pool.entries import PooledConnection, PoolRequest
from http3_transport._pool.state import PoolState

ONE = Origin("https://one.example")
TWO = Origin("https://two.example")


class FakeConnection(OpenConnection):
    """As much of a connection as the state of a pool asks for."""

    stream_limit = 1

    def __init__(self, stream_limit: int = 1) -> None:
        self.stream_limit = stream_limit
        self.multiplexes = stream_limit > 1
        self.stream_limit_known = True


class FakeWaiter:
    """Counts how often it was set."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        self.is_set = True

    async def wait(self, timeout: float | None) -> bool:
        return self.is_set


def ask(
    state: PoolState, origin: Origin = ONE, multiplexes: bool | None = False, newer_than: int = 0
) -> PoolRequest:
    pool_request = PoolRequest(origin, origin, multiplexes, newer_than)
    state.enqueue(pool_request)
    if pool_request.entry is None:
        pool_request.waiter = FakeWaiter()
    return pool_request


def entry_of(pool_request: PoolRequest) -> PooledConnection:
    assert pool_request.entry is not None
    return pool_request.entry


def opened(state: PoolState, pool_request: PoolRequest, stream_limit: int = 1) -> FakeConnection:
    connection = FakeConnection(stream_limit)
    state.opened(pool_request, connection)
    return connection


def test_the_connection_used_last_is_reused_first() -> None:
    state = PoolState(PoolLimits())
    first, second = ask(state), ask(state)
    opened(state, first)
    warm = opened(state, second)
    state.release(first, now=1.0)
    state.release(second, now=2.0)
    assert entry_of(ask(state)).connection is warm


def test_the_hard_limit_counts_per_origin_and_serves_first_come_first_served() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    holder = ask(state)
    connection = opened(state, holder)
    early, late = ask(state), ask(state)
    assert early.entry is None
    assert late.entry is None
    assert ask(state, TWO).entry is not None
    state.release(holder, now=1.0)
    assert entry_of(early).connection is connection
    assert early.waiter is not None
    assert early.waiter.is_set
    assert late.entry is None


def test_one_who_comes_later_does_not_overtake() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    holder = ask(state)
    opened(state, holder)
    waiting = ask(state)
    newcomer = ask(state)
    state.closed(entry_of(holder))
    assert waiting.entry is not None
    assert newcomer.entry is None


def test_a_failed_opening_gives_its_slot_to_the_next() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    unlucky, waiting = ask(state), ask(state)
    state.release(unlucky, now=1.0)
    assert waiting.entry is not None
    assert state.slots == 1


def test_an_unknown_protocol_lets_one_handshake_go_ahead() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=None)
    others = [ask(state, multiplexes=None) for _ in range(3)]
    assert [pool_request.entry for pool_request in others] == [None, None, None]
    shared = opened(state, pioneer, stream_limit=100)
    assert [entry_of(pool_request).connection for pool_request in others] == [shared] * 3
    assert state.slots == 1


def test_when_it_turns_out_to_be_http1_all_open_at_once() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=None)
    others = [ask(state, multiplexes=None) for _ in range(3)]
    opened(state, pioneer)
    assert [entry_of(pool_request).connection for pool_request in others] == [None] * 3
    assert state.slots == 4


def test_after_a_failed_handshake_the_next_tries() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=None)
    second, third = ask(state, multiplexes=None), ask(state, multiplexes=None)
    state.release(pioneer, now=1.0)
    assert second.entry is not None
    assert third.entry is None


def test_what_was_negotiated_is_remembered_when_the_last_connection_is_gone() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=None)
    opened(state, pioneer)
    state.closed(entry_of(pioneer))
    assert state._groups == {}
    assert ask(state, multiplexes=None).entry is not None
    assert ask(state, multiplexes=None).entry is not None


def test_more_requests_than_streams_open_another_connection_one_at_a_time() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=True)
    opened(state, pioneer, stream_limit=2)
    shared = ask(state, multiplexes=True)
    second = ask(state, multiplexes=True)
    third = ask(state, multiplexes=True)
    assert entry_of(shared) is entry_of(pioneer)
    assert entry_of(second).connection is None
    assert third.entry is None
    another = opened(state, second, stream_limit=2)
    assert entry_of(third).connection is another


def test_a_full_connection_serves_again_when_a_stream_ends() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    pioneer = ask(state, multiplexes=True)
    connection = opened(state, pioneer, stream_limit=2)
    ask(state, multiplexes=True)
    waiting = ask(state, multiplexes=True)
    assert waiting.entry is None
    state.release(pioneer, now=1.0)
    assert entry_of(waiting).connection is connection


def test_a_lowered_stream_limit_is_respected_until_enough_have_ended() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    first = ask(state, multiplexes=True)
    connection = opened(state, first, stream_limit=10)
    others = [ask(state, multiplexes=True) for _ in range(3)]
    connection.stream_limit = 2
    waiting = ask(state, multiplexes=True)
    assert waiting.entry is None
    for pool_request in others[:2]:
        state.release(pool_request, now=1.0)
    assert waiting.entry is None
    state.release(others[2], now=1.0)
    assert entry_of(waiting).connection is connection


def test_a_connection_that_takes_no_more_goes_with_its_last_lease() -> None:
    state = PoolState(PoolLimits())
    first = ask(state, multiplexes=True)
    connection = opened(state, first, stream_limit=10)
    second = ask(state, multiplexes=True)
    connection.stream_limit = 0
    state.release(first, now=1.0)
    assert state.discarded == []
    state.release(second, now=1.0)
    assert state.discarded == [connection]
    assert state.slots == 0


def test_a_replay_gets_a_connection_opened_for_it() -> None:
    state = PoolState(PoolLimits(hard_limit=2))
    first, second = ask(state), ask(state)
    opened(state, first)
    opened(state, second)
    state.release(first, now=1.0)
    fresh = ask(state, newer_than=state.serial)
    assert entry_of(fresh).connection is None
    assert len(state.discarded) == 1
    assert state.slots == 2


def test_a_replay_shares_an_http2_connection_only_if_that_is_newer() -> None:
    state = PoolState(PoolLimits())
    first = ask(state, multiplexes=True)
    opened(state, first, stream_limit=10)
    failed_at = state.serial
    fresh = ask(state, multiplexes=True, newer_than=failed_at)
    newer = opened(state, fresh, stream_limit=10)
    assert entry_of(ask(state, multiplexes=True, newer_than=failed_at)).connection is newer


@pytest.mark.parametrize("count", [1, 3])
def test_a_replay_is_served_when_those_before_it_leave_that_could_not_be(count: int) -> None:
    """They needed a newer connection than there is; for this one it is new enough."""
    state = PoolState(PoolLimits(hard_limit=1))
    first = ask(state, multiplexes=True)
    state.release(first, now=0.0)  # the opening failed
    holder = ask(state, multiplexes=True)
    newest = opened(state, holder, stream_limit=10)
    before = [ask(state, multiplexes=True, newer_than=state.serial) for _ in range(count)]
    behind = [ask(state, multiplexes=True, newer_than=state.serial - 1) for _ in range(2)]
    assert [pool_request.entry for pool_request in (*before, *behind)] == [None] * (count + 2)
    for pool_request in before:
        assert behind[0].entry is None
        state.release(pool_request, now=1.0)
    for pool_request in behind:
        assert entry_of(pool_request).connection is newest
        assert pool_request.waiter is not None
        assert pool_request.waiter.is_set


def test_who_waits_is_served_when_a_connection_carries_more() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    holder = ask(state, multiplexes=True)
    connection = opened(state, holder, stream_limit=2)
    second = ask(state, multiplexes=True)
    waiting = [ask(state, multiplexes=True) for _ in range(3)]
    assert entry_of(second).connection is connection
    connection.stream_limit = 4
    state.on_settings(entry_of(holder))
    assert [pool_request.entry is not None for pool_request in waiting] == [True, True, False]
    connection.stream_limit = 1
    state.on_settings(entry_of(holder))
    state.release(second, now=1.0)
    assert waiting[2].entry is None
    connection.stream_limit = 100
    state.on_settings(entry_of(holder))
    assert entry_of(waiting[2]).connection is connection


def test_an_origin_that_wants_http1_is_not_asked_over_http2_again() -> None:
    state = PoolState(PoolLimits())
    idle, busy, other = ask(state, multiplexes=True), ask(state, multiplexes=True), ask(state, TWO, True)
    first = opened(state, idle, stream_limit=1)
    first.multiplexes = True
    opened(state, busy, stream_limit=10)
    elsewhere = opened(state, other, stream_limit=10)
    third = ask(state, multiplexes=True)
    assert entry_of(third) is entry_of(busy)
    state.release(idle, now=1.0)
    state.require_http11(ONE)
    assert state.discarded == [first]
    pool_requests = [ask(state, multiplexes=None) for _ in range(2)]
    assert [entry_of(pool_request).connection for pool_request in pool_requests] == [
        None,
        None,
    ]  # each opens its own, at once
    late = opened(state, pool_requests[0], stream_limit=10)  # by a handshake that had begun before
    opened(state, pool_requests[1])
    state.on_settings(entry_of(pool_requests[0]))
    assert entry_of(ask(state, multiplexes=None)).connection is None
    for pool_request in (busy, third, pool_requests[0]):
        state.release(pool_request, now=2.0)
    assert late in state.discarded
    assert len(state.discarded) == 3
    assert entry_of(ask(state, TWO, True)).connection is elsewhere


def test_the_wait_for_the_stream_limit_of_a_new_connection_is_short() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=True)
    mute = FakeConnection(1)
    mute.multiplexes, mute.stream_limit_known = True, False
    state.opened(pioneer, mute)
    entry = entry_of(pioneer)
    entry.opened_at = 10.0
    second, third = ask(state, multiplexes=True), ask(state, multiplexes=True)
    assert second.entry is None
    state.pass_by(entry.group, 9.9)
    assert second.entry is None
    state.pass_by(entry.group, 10.0)
    assert entry_of(second).connection is None  # it may open another one
    assert third.entry is None
    shared = opened(state, second, stream_limit=10)
    assert entry_of(third).connection is shared


def test_idle_connections_beyond_the_soft_limit_are_closed_oldest_first() -> None:
    state = PoolState(PoolLimits(soft_limit=1))
    pool_requests = [ask(state), ask(state)]
    connections = [opened(state, pool_request) for pool_request in pool_requests]
    state.release(pool_requests[0], now=1.0)
    state.release(pool_requests[1], now=2.0)
    assert state.discarded == [connections[0]]
    assert state.connections(idle=True) == [connections[1]]


def test_total_idle_closes_the_longest_idle_of_all_hosts() -> None:
    state = PoolState(PoolLimits(total_idle=1))
    pool_requests = [ask(state, ONE), ask(state, TWO)]
    connections = [opened(state, pool_request) for pool_request in pool_requests]
    state.release(pool_requests[0], now=1.0)
    state.release(pool_requests[1], now=2.0)
    assert state.discarded == [connections[0]]


def test_total_closes_an_idle_connection_of_another_host_to_make_room() -> None:
    state = PoolState(PoolLimits(total=1))
    pool_request = ask(state, ONE)
    connection = opened(state, pool_request)
    state.release(pool_request, now=1.0)
    assert ask(state, TWO).entry is not None
    assert state.discarded == [connection]
    assert state.slots == 1


@pytest.mark.parametrize("how", ["released", "closed"])
def test_total_makes_other_hosts_wait_until_something_frees_up(how: str) -> None:
    state = PoolState(PoolLimits(total=1))
    pool_request = ask(state, ONE)
    opened(state, pool_request)
    waiting = ask(state, TWO)
    assert waiting.entry is None
    if how == "released":
        state.release(pool_request, now=1.0)
    else:
        state.closed(entry_of(pool_request))
    assert waiting.entry is not None
    assert state.slots == 1


def test_what_is_idle_for_too_long_goes_with_the_next_release() -> None:
    state = PoolState(PoolLimits(keepalive_expiry=30))
    old, new = ask(state, ONE), ask(state, TWO)
    connection = opened(state, old)
    opened(state, new)
    state.release(old, now=0.0)
    state.release(new, now=31.0)
    assert state.discarded == [connection]


def test_leaving_the_line_leaves_no_trace() -> None:
    state = PoolState(PoolLimits(total=1))
    holder = ask(state, ONE)
    opened(state, holder)
    waiting = ask(state, TWO)
    state.release(waiting, now=1.0)
    state.closed(entry_of(holder))
    assert waiting.entry is None
    assert (state._groups, state._origins, state._blocked_by_total, state.slots) == ({}, {}, {}, 0)


def test_a_closed_connection_is_replaced_before_others_are_served() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    holder = ask(state)
    opened(state, holder)
    state.release(holder, now=1.0)
    served = ask(state)
    state.replace(served)
    assert entry_of(served).connection is None
    assert state.slots == 1


def test_a_closed_connection_is_replaced_before_the_queue() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    served = ask(state)
    opened(state, served)
    waiting = ask(state)
    state.replace(served)
    assert entry_of(served).connection is None
    assert waiting.entry is None
    assert state.slots == 1


def test_a_dead_connection_is_left_to_the_others_who_use_it() -> None:
    state = PoolState(PoolLimits())
    first = ask(state, multiplexes=True)
    connection = opened(state, first, stream_limit=10)
    second = ask(state, multiplexes=True)
    connection.stream_limit = 0
    state.replace(second)
    assert state.discarded == []
    state.release(first, now=1.0)
    assert state.discarded == [connection]


def test_who_needs_a_newer_connection_does_not_hold_up_the_others() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    first = ask(state, multiplexes=True)
    connection = opened(state, first, stream_limit=10)
    replay = ask(state, multiplexes=True, newer_than=state.replays_after(first))
    assert replay.entry is None
    assert entry_of(ask(state, multiplexes=True)).connection is connection


def test_replays_of_one_connection_share_the_next() -> None:
    state = PoolState(PoolLimits())
    failing = [ask(state, multiplexes=True) for _ in range(5)]
    opened(state, failing[0], stream_limit=10)
    fresh = []
    for pool_request in failing:
        assert entry_of(pool_request) is entry_of(failing[0])
        fresh.append(ask(state, multiplexes=True, newer_than=state.replays_after(pool_request)))
        state.release(pool_request, now=1.0)
    opened(state, fresh[0], stream_limit=10)
    assert {entry_of(pool_request) for pool_request in fresh} == {entry_of(fresh[0])}
    assert state.serial == 2


def test_others_wait_until_it_is_known_what_a_connection_carries() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=True)
    connection = FakeConnection(1)
    connection.multiplexes, connection.stream_limit_known = True, False
    state.opened(pioneer, connection)
    others = [ask(state, multiplexes=True) for _ in range(3)]
    assert [pool_request.entry for pool_request in others] == [None] * 3
    connection.stream_limit, connection.stream_limit_known = 3, True
    state.on_settings(entry_of(pioneer))
    assert [entry_of(pool_request).connection for pool_request in others] == [connection, connection, None]


def test_a_connection_without_settings_is_used_by_one_request_at_a_time() -> None:
    state = PoolState(PoolLimits())
    pioneer = ask(state, multiplexes=True)
    connection = FakeConnection(1)
    connection.multiplexes, connection.stream_limit_known = True, False
    state.opened(pioneer, connection)
    waiting = ask(state, multiplexes=True)
    state.release(pioneer, now=1.0)
    assert entry_of(waiting).connection is connection
    connection.stream_limit = 0
    state.release(waiting, now=2.0)
    assert (state._groups, state._origins, state.slots) == ({}, {}, 0)


def test_an_idle_connection_without_settings_blocks_no_replay() -> None:
    state = PoolState(PoolLimits())
    old = ask(state, multiplexes=True)
    opened(state, old, stream_limit=1)
    pioneer = ask(state, multiplexes=True)
    connection = FakeConnection(1)
    connection.multiplexes, connection.stream_limit_known = True, False
    state.opened(pioneer, connection)
    elsewhere = ask(state, TWO)
    waiting = ask(state, multiplexes=True, newer_than=state.replays_after(old))
    state.release(pioneer, now=1.0)
    assert elsewhere.entry is not None
    assert entry_of(waiting).connection is None
    assert entry_of(waiting).serial == state.serial


def test_a_replay_finds_the_newest_connection() -> None:
    state = PoolState(PoolLimits(hard_limit=2))
    pool_requests = [ask(state, multiplexes=True)]
    opened(state, pool_requests[0], stream_limit=2)
    pool_requests += [ask(state, multiplexes=True) for _ in range(2)]
    newest = opened(state, pool_requests[2], stream_limit=2)
    state.release(pool_requests[2], now=1.0)
    state.release(pool_requests[0], now=2.0)
    assert entry_of(ask(state, multiplexes=True, newer_than=1)).connection is newest


def test_first_come_first_served_whatever_the_tls_configuration() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    holder = ask(state)
    opened(state, holder)
    other = PoolRequest((ONE, "other"), ONE, False)
    state.enqueue(other)
    late = ask(state)
    state.release(holder, now=1.0)
    assert other.entry is not None
    assert late.entry is None


@pytest.mark.parametrize("hard_limit", [1, 100])
def test_a_busy_host_does_not_starve_another_under_the_overall_limit(hard_limit: int) -> None:
    state = PoolState(PoolLimits(hard_limit=hard_limit, total=1))
    holder = ask(state, ONE)
    opened(state, holder)
    busy, other = ask(state, ONE), ask(state, TWO)
    for turn in range(3):
        newcomer = ask(state, ONE)
        state.release(holder, now=turn)
        if other.entry is not None:
            break
        holder, busy = busy, newcomer
    assert other.entry is not None, "never served"
    assert turn == 1


@pytest.mark.parametrize("order", [[ONE, TWO, ONE, TWO, ONE], [ONE, ONE, TWO, TWO]])
def test_hosts_that_wait_for_the_overall_limit_are_served_as_they_came(order: list[Origin]) -> None:
    state = PoolState(PoolLimits(total=1))
    holder = ask(state, Origin("https://three.example"))
    opened(state, holder)
    pool_requests = [ask(state, origin) for origin in order]
    for expected in pool_requests:
        state.release(holder, now=1.0)
        holder = next(pool_request for pool_request in pool_requests if pool_request.holds)
        assert holder is expected
        if entry_of(holder).connection is None:
            opened(state, holder)
    state.release(holder, now=1.0)
    assert (state._blocked_by_total, state.slots) == ({}, 1)


def test_leaving_twice_changes_nothing() -> None:
    state = PoolState(PoolLimits(hard_limit=1))
    first = ask(state)
    connection = opened(state, first)
    waiting = ask(state)
    state.release(first, now=1.0)
    assert entry_of(waiting).connection is connection
    state.release(first, now=2.0)
    assert entry_of(waiting).pool_requests == {waiting}
    state.release(waiting, now=3.0)
    state.release(waiting, now=4.0)
    assert state.connections(idle=True) == [connection]
    assert state.slots == 1


def test_leaving_the_line_twice_spares_the_route_that_came_after() -> None:
    state = PoolState(PoolLimits(total=1))
    holder = ask(state, TWO)
    opened(state, holder)
    gone = ask(state, ONE)
    state.release(gone, now=1.0)
    waiting = ask(state, ONE)
    state.release(gone, now=1.0)
    state.closed(entry_of(holder))
    assert waiting.entry is not None


@pytest.mark.parametrize("expiry", [0.0, 0.5])
def test_a_clock_may_start_at_zero(expiry: float) -> None:
    state = PoolState(PoolLimits(keepalive_expiry=expiry))
    pool_request = ask(state)
    opened(state, pool_request)
    state.release(pool_request, now=0.0)
    again = ask(state)
    assert (entry_of(again).connection is None) == (expiry == 0)
    assert state.has_expired(entry_of(again), 1.0) == (expiry > 0)


def test_what_is_shared_all_the_time_does_not_expire() -> None:
    state = PoolState(PoolLimits(keepalive_expiry=1))
    first = ask(state, multiplexes=True)
    opened(state, first, stream_limit=5)
    state.release(first, now=0.0)
    second, third = ask(state, multiplexes=True), ask(state, multiplexes=True)
    state.release(second, now=10.0)
    assert not state.has_expired(entry_of(third), 10.0)


def test_ten_thousand_hosts_leave_the_state_small() -> None:
    state = PoolState(PoolLimits())
    for number in range(10_000):
        pool_request = ask(state, Origin(f"https://h{number}.example"), multiplexes=None)
        opened(state, pool_request)
        state.release(pool_request, now=float(number))
        state.discarded.clear()
    assert state.slots == len(state._groups) == len(state._origins) <= 100
    assert len(state._remembered) <= 1000


class PoolMachine(RuleBasedStateMachine):
    """Random lives of a pool: limits hold, every request is served, and in the end nothing is left."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = PoolLimits(soft_limit=1, hard_limit=3, total_idle=2, total=4)
        self.state = PoolState(self.limits)
        self.clock = 0.0
        self.waiting: list[PoolRequest] = []
        self.opening: list[PoolRequest] = []
        self.leased: list[PoolRequest] = []
        self.unsettled: list[PooledConnection] = []

    def sort(self) -> None:
        for pool_request in [pool_request for pool_request in self.waiting if pool_request.entry is not None]:
            self.waiting.remove(pool_request)
            (self.opening if entry_of(pool_request).connection is None else self.leased).append(pool_request)

    @rule(
        origin=st.sampled_from([ONE, TWO]), tls=st.integers(0, 1), known=st.sampled_from([None, False, True])
    )
    def request(self, origin: Origin, tls: int, known: bool | None) -> None:
        pool_request = PoolRequest((origin, tls), origin, known)
        self.state.enqueue(pool_request)
        pool_request.waiter = FakeWaiter()
        self.waiting.append(pool_request)
        self.sort()

    @precondition(lambda self: self.opening)
    @rule(data=st.data(), limit=st.sampled_from([0, 1, 3]), settled=st.booleans())
    def handshake(self, data: st.DataObject, limit: int, settled: bool) -> None:
        pool_request = self.opening.pop(data.draw(st.integers(0, len(self.opening) - 1)))
        if limit:
            connection = FakeConnection(limit)
            if connection.multiplexes and not settled:
                connection.stream_limit_known, connection.stream_limit = False, 1
                self.unsettled.append(entry_of(pool_request))
            self.state.opened(pool_request, connection)
            self.leased.append(pool_request)
        else:
            self.state.release(pool_request, now=1.0)
        self.sort()

    @precondition(lambda self: self.unsettled)
    @rule(data=st.data())
    def settles(self, data: st.DataObject) -> None:
        entry = self.unsettled.pop(data.draw(st.integers(0, len(self.unsettled) - 1)))
        connection = entry.connection
        assert isinstance(connection, FakeConnection)
        if connection.stream_limit:
            connection.stream_limit_known, connection.stream_limit = True, 3
            self.state.on_settings(entry)
            self.sort()

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), goes=st.booleans())
    def is_refused(self, data: st.DataObject, goes: bool) -> None:
        failed = self.leased[data.draw(st.integers(0, len(self.leased) - 1))]
        again = PoolRequest(failed.key, failed.origin, failed.multiplexes, self.state.replays_after(failed))
        if goes:
            self.leased.remove(failed)
            self.state.release(failed, self.clock)
        self.state.enqueue(again)
        self.waiting.append(again)
        self.sort()

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), dies=st.booleans())
    def finish(self, data: st.DataObject, dies: bool) -> None:
        pool_request = self.leased.pop(data.draw(st.integers(0, len(self.leased) - 1)))
        connection = entry_of(pool_request).connection
        assert isinstance(connection, FakeConnection)
        if dies:
            connection.stream_limit = 0
        self.clock += 1
        self.state.release(pool_request, self.clock)
        self.sort()

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def is_dead(self, data: st.DataObject) -> None:
        pool_request = self.leased.pop(data.draw(st.integers(0, len(self.leased) - 1)))
        connection = entry_of(pool_request).connection
        assert isinstance(connection, FakeConnection)
        connection.stream_limit = 0
        self.state.replace(pool_request)
        self.waiting.append(pool_request)
        self.sort()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        pool_request = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.state.release(pool_request, self.clock)

    @invariant()
    def limits_hold(self) -> None:
        state = self.state
        assert state.slots == len(state._entries) <= 4
        for host in state._origins.values():
            assert host.slots <= 3
            assert len(host.idle) <= 1
        assert len(state._idle) <= 2
        for entry in state._entries:
            assert (not entry.pool_requests) == (entry in state._idle) or entry.connection is None

    @invariant()
    def whoever_waits_has_a_reason(self) -> None:
        for pool_request in self.waiting:
            group = pool_request.group
            assert group is not None
            host_is_full = group.of_origin.slots - len(group.of_origin.idle) >= 3
            pool_is_full = self.state.slots - len(self.state._idle) >= 4
            handshake = any(entry.pool_requests for entry in group.opening) and group.multiplexes is not False
            assert not [entry for entry in group.opening if not entry.pool_requests], (
                "without a request that opens it"
            )
            shareable = [entry for entry in group.entries if entry.free > 0 and entry not in group.opening]
            assert pool_request.newer_than or not [entry for entry in shareable if not group.idle], (
                "not shared"
            )
            assert host_is_full or pool_is_full or handshake, f"{pool_request} waits for nothing"

    def teardown(self) -> None:
        while self.opening or self.leased or self.waiting:
            for pool_request in self.opening:
                self.state.release(pool_request, now=1.0)
            self.opening = []
            self.sort()
            for pool_request in self.leased:
                self.state.release(pool_request, self.clock)
            self.leased = []
            self.sort()
            if self.waiting and not self.opening and not self.leased:
                raise AssertionError(f"{self.waiting} are never served")
        self.state.close_idle()
        assert (self.state._groups, self.state._origins, self.state.slots) == ({}, {}, 0)


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
