"""HTTP/2 uploads that share a connection's window, and the kernel's buffer: in turn."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import http3
from http3_models import TimeoutConfig
from http3_transport._http2.connection import HTTP2Connection
from http3_transport._http2.stream import HTTP2Stream
from http3_transport._http2.turns import LEAST_SHARE, USUAL_SHARE, Turns
from http3_transport.testing import Faults, HTTP2Server, Simulation
from http3_transport.testing._simulation.http2 import Session
from support.http2_client import (
    Answer,
    cancelled_after,
    fetch,
    make_request,
    narrow,
    scripted,
    talk,
    together,
)
from support.http2_peer import Peer
from support.servers import StartServer
from support.worlds import World

# The line.


def wide(stream: HTTP2Stream) -> int:
    """A stream's own window that is in nobody's way."""
    return 65535


class Line(RuleBasedStateMachine):
    """Streams that come, wait, send and go, in any order, over windows that open and close."""

    def __init__(self) -> None:
        super().__init__()
        self.own: dict[HTTP2Stream, int] = {}
        self.turns = Turns()
        self.window = 0
        self.waiting: dict[HTTP2Stream, None] = {}
        self.served: list[HTTP2Stream] = []
        self.moment = 0.0

    def next_turn(self) -> None:
        """As `FlowControl.next_turn`."""
        stream = self.turns.next(self.moment, self.own_window) if self.window > 0 else None
        if stream is not None:
            assert stream in self.waiting
            del self.waiting[stream]
            self.served.append(stream)

    def own_window(self, stream: HTTP2Stream) -> int:
        return self.own.get(stream, 0)

    def has_turn(self, stream: HTTP2Stream) -> bool:
        return stream in self.turns._holders

    @rule()
    def comes(self) -> None:
        stream = HTTP2Stream(2 * len(self.own) + 1, 0, is_head=False)
        self.own[stream] = 65535

    @precondition(lambda self: self.own)
    @rule(data=st.data())
    def waits(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(list(self.own)))
        if stream not in self.waiting:
            stream.waits_since = self.moment
            self.turns.enqueue(stream, self.own[stream], again=False)
            if self.own[stream] > 0:
                self.waiting[stream] = None
            self.next_turn()

    @precondition(lambda self: self.own)
    @rule(data=st.data())
    def sends(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(list(self.own)))
        if stream in self.waiting:
            return
        allowed = self.turns.share(stream, min(self.window, self.own[stream]))
        if allowed and len(self.waiting):
            assert self.has_turn(stream)
        self.window -= allowed
        self.own[stream] -= allowed
        if self.turns.give_back(stream):
            self.next_turn()

    @precondition(lambda self: self.own)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        stream = data.draw(st.sampled_from(list(self.own)))
        self.waiting.pop(stream, None)
        del self.own[stream]
        if self.turns.give_back(stream):
            self.next_turn()

    @rule(size=st.sampled_from([1, 5000, 40_000]), seconds=st.sampled_from([0.0, 0.1, 2.0]))
    def credit_comes(self, size: int, seconds: float) -> None:
        self.moment += seconds
        self.window += size
        self.next_turn()

    @invariant()
    def somebody_has_a_turn_where_there_is_credit(self) -> None:
        assert not (self.window > 0 and self.waiting and not self.turns._holders)

    @invariant()
    def shares_fit_the_window(self) -> None:
        shares = [self.turns.share(stream, self.window) for stream in self.own]
        assert all(0 <= share <= self.window for share in shares)
        assert LEAST_SHARE <= self.turns._least_share <= USUAL_SHARE


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=200, stateful_step_count=40)


def test_each_gets_a_turn_in_the_order_of_the_line() -> None:
    streams = [HTTP2Stream(number, 0, is_head=False) for number in range(10)]
    turns = Turns()
    for stream in streams:
        turns.enqueue(stream, 65535, again=False)
    order: list[int] = []
    for _ in range(25):
        first = turns.next(0.0, wide)
        assert first is not None
        assert turns.next(0.0, wide) is None  # one at a time
        assert turns.share(first, 65535) == USUAL_SHARE
        assert turns.share(streams[first.stream_id - 1], 65535) == 0
        order.append(first.stream_id)
        assert turns.give_back(first)
        turns.enqueue(first, 65535, again=False)
    assert order == [number % 10 for number in range(25)]


def test_one_who_was_woken_for_nothing_keeps_its_place() -> None:
    first, second = HTTP2Stream(1, 0, is_head=False), HTTP2Stream(3, 0, is_head=False)
    turns = Turns()
    turns.enqueue(first, 65535, again=False)
    turns.enqueue(second, 65535, again=False)
    turns.leave_queue(first)
    turns.enqueue(first, 65535, again=True)
    assert turns.next(0.0, wide) is first
    turns.enqueue(first, 65535, again=False)  # there was nothing for it
    assert turns.next(0.0, wide) is first


def test_a_stream_that_waits_for_its_own_window_holds_up_nobody() -> None:
    blocked, free = HTTP2Stream(1, 0, is_head=False), HTTP2Stream(3, 0, is_head=False)
    windows = {blocked: 100, free: 100}
    turns = Turns()
    turns.enqueue(blocked, windows[blocked], again=False)
    turns.enqueue(free, windows[free], again=False)
    windows[blocked] = 0  # by a smaller SETTINGS_INITIAL_WINDOW_SIZE
    assert turns.next(0.0, windows.__getitem__) is free
    turns.give_back(free)
    turns.enqueue(blocked, windows[blocked], again=False)
    assert turns.share(free, 100) == 100


def test_shares_are_smaller_where_turns_are_rare() -> None:
    streams = [HTTP2Stream(number, 0, is_head=False) for number in range(100)]
    turns = Turns()
    for moment in (0.0, 3.0, 6.0):
        for stream in streams:
            stream.waits_since = moment
            turns.enqueue(stream, 65535, again=False)
        for _ in range(50):
            stream_with_turn = turns.next(moment + 3, wide)
            assert stream_with_turn is not None
            turns.give_back(stream_with_turn)
    last = turns.next(9.0, wide)
    assert last is not None
    assert turns.share(last, 20_000) == LEAST_SHARE
    assert turns.share(last, 500) == 500


# Uploads, in virtual time.


def upload_all(
    count: int, size: int, write_timeout: float, latency: float, **options: Any
) -> tuple[list[float], list[http3.RequestError], int]:
    """Upload at the same time; when each ended, what failed, and over how many connections."""
    simulation = Simulation(1, faults=Faults(latency=latency, shuffle=True, **options))
    server = simulation.serve(
        "api.test", 80, HTTP2Server(lambda request: http3.Response(200, text=str(len(request.read()))))
    )
    ended: list[float] = []
    failed: list[http3.RequestError] = []
    limits = http3.TimeoutConfig(None, write_timeout=write_timeout)

    async def upload(client: http3.AsyncClient) -> None:
        try:
            response = await client.post("http://api.test/", data=bytes(size))
        except http3.RequestError as exc:
            failed.append(exc)
        else:
            assert response.text == str(size)
            ended.append(simulation.now())

    async def main() -> None:
        async with http3.AsyncClient(
            backend=simulation.backend, http_versions=("HTTP/2",), timeout=limits
        ) as client:
            for task in [simulation.start(upload(client)) for _ in range(count)]:
                await task.wait()
                task.result()

    simulation.run(main)
    return ended, failed, server.connections


@pytest.mark.parametrize(
    ("latency", "write_timeout", "options"),
    [(0.05, 1, {}), (0.4, 5, {}), (0.05, 1, {"buffer": 20_000}), (0.05, 1, {"partial_write": 0.5})],
)
def test_a_hundred_uploads_all_make_progress(
    latency: float, write_timeout: float, options: dict[str, Any]
) -> None:
    ended, failed, connections = upload_all(100, 100_000, write_timeout, latency, **options)
    assert failed == []
    assert connections == 1
    ended.sort()
    assert ended[10] > 0.5 * ended[-1], "some took it all while the others waited"


def test_write_timeout_is_for_a_stream_of_which_nothing_can_be_sent() -> None:
    """Credit for others is no progress of this one."""
    simulation = Simulation()
    server_side: dict[str, Any] = {}

    async def main() -> None:
        async with http3.AsyncClient(
            backend=simulation.backend,
            http_versions=("HTTP/2",),
            timeout=http3.TimeoutConfig(None, write_timeout=2),
        ) as client:
            await client.get("http://api.test/")
            busy = simulation.start(client.post("http://api.test/busy", data=bytes(2_000_000)))
            await simulation.sleep(0.01)
            started = simulation.now()
            with pytest.raises(http3.WriteTimeout):
                await client.post("http://api.test/stuck", data=bytes(200_000))
            assert 2 <= simulation.now() - started < 3  # from the last byte of its own on
            await busy.wait()
            assert busy.result().status_code == 200

    class Miser(HTTP2Server):
        """Gives no credit for what is sent to /stuck."""

        async def __call__(self, connection: Any) -> None:
            class Mine(Session):
                def _take(self, event: Any) -> None:
                    request = self._incoming.get(event.stream_id)
                    if request is not None and dict(request.fields)[b":path"] == b"/stuck":
                        self._h2.increment_flow_control_window(event.flow_controlled_length)
                    else:
                        super()._take(event)

            await Mine(self, connection, 100).run()

    async def slowly(request: http3.Request) -> http3.Response:
        server_side[request.url.path] = len(request.read())
        return http3.Response(200)

    simulation.serve("api.test", 80, Miser(slowly), faults=Faults(latency=0.1))
    simulation.run(main)
    assert server_side == {"/": 0, "/busy": 2_000_000}


# Uploads over sockets.


def sink(peer: Peer) -> None:
    """Answer each upload with its size; note in which order their pieces come."""
    done: set[int] = set()
    while peer.receive():
        for request in list(peer.requests.values()):
            if request.ended and request.stream_id not in done:
                done.add(request.stream_id)
                peer.respond(request.stream_id, b"%d" % len(request.body))


def test_thirty_uploads_share_the_windows(world: World, start_server: StartServer) -> None:
    progress: list[Counter[int]] = []

    def act(peer: Peer) -> None:
        peer.request()
        peer.respond(1)
        done: set[int] = {1}
        while peer.receive():
            received = Counter({one.stream_id: len(one.body) for one in peer.requests.values()})
            progress.append(received)
            for request in list(peer.requests.values()):
                if request.ended and request.stream_id not in done:
                    done.add(request.stream_id)
                    peer.respond(request.stream_id, b"%d" % len(request.body))

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        calls = [lambda: fetch(engine, make_request("POST", body=bytes(400_000)))] * 30
        for answer in await together(world, *calls):
            assert isinstance(answer, Answer), answer
            assert answer.content == b"400000"

    talk(world, start_server(scripted(act)), main)
    half_way = next(moment for moment in progress if moment.total() > 30 * 200_000)
    del half_way[1]
    assert len(half_way) == 30  # each has had a turn
    sent = sorted(half_way.values())
    assert sent[3] > 50_000, sent  # a thread or two may have been kept from running by the system


def test_uploads_share_the_kernels_buffer(world: World, start_server: StartServer) -> None:
    """The windows are wide open, and the server reads slowly: no upload keeps the others from writing."""

    def act(peer: Peer) -> None:
        peer.h2.increment_flow_control_window(2**30)
        peer.flush()
        peer.respond(peer.request().stream_id)
        done: set[int] = {1}
        peer.credit = False
        while peer.receive():
            time.sleep(0.004)
            for request in list(peer.requests.values()):
                if request.ended and request.stream_id not in done:
                    done.add(request.stream_id)
                    peer.respond(request.stream_id, b"%d" % len(request.body))

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        limit = TimeoutConfig(10, write_timeout=1)
        calls = [
            lambda: fetch(engine, make_request("POST", body=bytes(600_000), timeout=limit)) for _ in range(30)
        ]
        for answer in await together(world, *calls):
            assert isinstance(answer, Answer), answer

    talk(world, start_server(scripted(act, initial_window_size=2**30)), main)


def test_uploads_that_are_given_up_leave_their_turn_to_others(
    world: World, start_server: StartServer
) -> None:
    """In line, or with a turn."""
    if world.name == "sync":
        pytest.skip("a thread can't be cancelled")

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())

        async def whole() -> bytes:
            return (await fetch(engine, make_request("POST", body=bytes(300_000)))).content

        async def given_up(seconds: float) -> bytes:
            try:
                await cancelled_after(
                    world, seconds, lambda: fetch(engine, make_request("POST", body=bytes(3_000_000)))
                )
            except AssertionError:  # done before
                return b""
            return b""

        calls: list[Any] = []
        for number in range(20):
            calls += [whole, lambda number=number: given_up(0.01 * number)]
        assert (await together(world, *calls))[::2] == [b"300000"] * 20

    talk(world, start_server(scripted(sink)), main)
