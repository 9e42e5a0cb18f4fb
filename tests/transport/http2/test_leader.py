"""`Leader`: no exchange waits while none reads, whatever the order in which they come and go."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from http3_transport._http2.leader import Leader
from http3_transport._http2.stream import HTTP2Stream


class Flag:
    """A waiter that never waits."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        self.is_set = True

    async def wait(self, timeout: float | None) -> bool:
        raise NotImplementedError


class Exchanges(RuleBasedStateMachine):
    """Exchanges that lead, follow, are served, time out, and lead again."""

    def __init__(self) -> None:
        super().__init__()
        self.leader = Leader()
        self.leading: HTTP2Stream | None = None
        self.flags: dict[HTTP2Stream, Flag] = {}
        self.last_id = -1

    def wait(self, stream: HTTP2Stream) -> None:
        if self.leader.claim():
            assert self.leading is None
            self.leading = stream
        else:
            self.flags[stream] = self.leader.followers[stream] = Flag()

    @rule()
    def comes(self) -> None:
        self.last_id += 2
        self.wait(HTTP2Stream(self.last_id, 0, is_head=False))

    @precondition(lambda self: self.leading is not None)
    @rule()
    def leader_is_served(self) -> None:
        self.leading = None
        self.leader.resign()
        if self.flags and not any(flag.is_set for flag in list(self.flags.values())[1:]):
            assert next(iter(self.flags.values())).is_set  # the one that has waited longest

    @precondition(lambda self: self.flags)
    @rule(data=st.data())
    def is_woken_and_waits_again(self, data: st.DataObject) -> None:
        woken = [stream for stream, flag in self.flags.items() if flag.is_set]
        if woken:
            stream = data.draw(st.sampled_from(woken))
            self.leave(stream)
            self.wait(stream)

    @precondition(lambda self: self.flags)
    @rule(data=st.data())
    def times_out(self, data: st.DataObject) -> None:
        self.leave(data.draw(st.sampled_from(list(self.flags))))

    @precondition(lambda self: self.flags)
    @rule(data=st.data())
    def are_served(self, data: st.DataObject) -> None:
        streams = data.draw(st.sets(st.sampled_from(list(self.flags))))
        self.leader.wake({*streams, HTTP2Stream(1000, 0, is_head=False)})
        assert all(self.flags[stream].is_set for stream in streams)

    def leave(self, stream: HTTP2Stream) -> None:
        del self.flags[stream]
        self.leader.leave(stream)

    @invariant()
    def one_reads_or_is_about_to(self) -> None:
        assert self.leader.is_present is (self.leading is not None)
        assert not self.flags or self.leading is not None or any(flag.is_set for flag in self.flags.values())


TestExchanges = Exchanges.TestCase
