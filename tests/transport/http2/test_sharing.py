"""HTTP/2, many exchanges on one connection: inboxes, limits of time, giving up."""

from __future__ import annotations

import gc
import random
import threading
import time
from contextlib import suppress
from functools import partial

import pytest
from hyperframe.frame import (
    PingFrame,
    SettingsFrame,
)

from http3_models import (
    Delivery,
    ReadError,
    ReadTimeout,
    TimeoutConfig,
    TotalTimeout,
    WriteTimeout,
)
from http3_models.engine import ResponseState, run_sync
from http3_transport._http2.connection import HTTP2Connection
from http3_transport._http2.state import HTTP2State
from support.http2_client import (
    MIB,
    Answer,
    CountingLease,
    cancelled_after,
    echo,
    establish,
    fetch,
    make_request,
    read,
    scripted,
    talk,
    together,
)
from support.http2_peer import Peer
from support.servers import StartServer
from support.worlds import World

pytestmark = pytest.mark.thorough

# Many at once.


def test_a_hundred_requests_at_once(world: World, start_server: StartServer) -> None:
    async def main(engine: HTTP2Connection) -> None:
        calls = [
            lambda index=index: fetch(engine, make_request(path=f"/{index * 1000}")) for index in range(100)
        ]
        answers = await together(world, *calls)
        for index, answer in enumerate(answers):
            assert isinstance(answer, Answer), answer
            assert answer.headers["x-path"] == f"/{index * 1000}"
            assert len(answer.content) == index * 1000

    server = start_server(echo(max_concurrent_streams=200))
    talk(world, server, main)
    assert server.connections == 1


def test_uploads_and_downloads_at_once(world: World, start_server: StartServer) -> None:
    bodies = [bytes([index]) * (index * 100_000 + 1) for index in range(12)]

    async def main(engine: HTTP2Connection) -> None:
        uploads = [partial(fetch, engine, make_request("POST", body=body)) for body in bodies]
        downloads = [partial(fetch, engine, make_request(path="/1000000")) for _ in range(6)]
        answers = await together(world, *uploads, *downloads)
        for answer, body in zip(answers, [*bodies, *[bytes(1_000_000)] * 6], strict=True):
            assert isinstance(answer, Answer), answer
            assert answer.content == body

    talk(world, start_server(echo(max_concurrent_streams=100)), main)


@pytest.mark.parametrize("size", [20 * MIB])
def test_large_bodies(world: World, start_server: StartServer, size: int) -> None:
    async def main(engine: HTTP2Connection) -> None:
        download = await fetch(engine, make_request(path=f"/{size}"))
        assert len(download.content) == size
        upload = await fetch(engine, make_request("PUT", path="/3", body=bytes(size)))
        assert upload.content == bytes(3)

    talk(world, start_server(echo()), main)


def test_thousands_of_requests_leave_nothing_behind(start_server: StartServer) -> None:
    world = World("sync")

    async def main(engine: HTTP2Connection) -> None:
        for _ in range(4500):
            await fetch(engine, make_request())
        h2 = engine._state._h2
        assert len(h2.streams) <= 2
        assert len(h2._closed_streams) <= 4096
        assert not engine._state.streams
        assert engine._state.flow.growth_left == 12 * MIB

    talk(world, start_server(echo(initial_window_size=1000)), main)


# Limits of time.


def test_a_leader_that_times_out_fails_alone(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 3)
        time.sleep(0.4)
        for request in list(peer.requests.values()):
            if request.field(b":path") != b"/slow":
                peer.respond(request.stream_id, b"late")

    async def main(engine: HTTP2Connection) -> None:
        results = await together(
            world,
            lambda: fetch(engine, make_request(path="/slow", timeout=TimeoutConfig(5, read_timeout=0.2))),
            lambda: fetch(engine, make_request()),
            lambda: fetch(engine, make_request()),
        )
        assert isinstance(results[0], ReadTimeout)
        assert results[0].delivery is Delivery.MAYBE_PROCESSED
        assert [answer.content for answer in results[1:] if isinstance(answer, Answer)] == [b"late", b"late"]
        assert engine.check()

    talk(world, start_server(scripted(act)), main)


def test_progress_of_others_is_not_ours(world: World, start_server: StartServer) -> None:
    """PING, SETTINGS and a busy stream beside it do not keep a silent response alive."""

    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 2)
        busy = next(r.stream_id for r in peer.requests.values() if r.field(b":path") == b"/busy")
        peer.head(busy)
        for _ in range(12):
            peer.frame(PingFrame(0, b"12345678"), SettingsFrame(0, settings={3: 50}))
            peer.data(busy, b"x" * 100)
            time.sleep(0.05)
        peer.data(busy, b"", end=True)

    async def main(engine: HTTP2Connection) -> None:
        started = time.monotonic()
        timeout = TimeoutConfig(5, read_timeout=0.3)
        elapsed: list[float] = []

        async def silent() -> Answer:
            try:
                return await fetch(engine, make_request(path="/silent", timeout=timeout))
            finally:
                elapsed.append(time.monotonic() - started)

        results = await together(
            world, silent, lambda: fetch(engine, make_request(path="/busy", timeout=timeout))
        )
        assert isinstance(results[0], ReadTimeout)
        assert 0.25 < elapsed[0] < 0.55
        assert isinstance(results[1], Answer)
        assert results[1].content == b"x" * 1200

    talk(world, start_server(scripted(act)), main)


def test_a_limit_above_the_slice_of_a_read(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        time.sleep(1.3)
        peer.respond(stream_id, b"late")

    async def main(engine: HTTP2Connection) -> None:
        assert (await fetch(engine, make_request(timeout=TimeoutConfig(None)))).content == b"late"
        started = time.monotonic()
        with pytest.raises(ReadTimeout, match="1.5 s"):
            await fetch(engine, make_request(timeout=TimeoutConfig(5, read_timeout=1.5)))
        assert 1.4 < time.monotonic() - started < 2

    talk(world, start_server(scripted(act)), main)


def test_a_body_that_stops_times_out(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        peer.data(stream_id, b"some")
        peer.until(lambda: bool(peer.resets))
        assert peer.resets == {1: 8}  # CANCEL

    async def main(engine: HTTP2Connection) -> None:
        lease = CountingLease()
        response = await engine.exchange(make_request(timeout=TimeoutConfig(5, read_timeout=0.1)), lease)
        with pytest.raises(ReadTimeout, match="0.1 s"):
            await read(response)
        with pytest.raises(ReadError, match="closed before its end"):
            await read(response)
        assert lease.released == 1

    talk(world, start_server(scripted(act)), main)


def test_a_total_timeout_outlasts_a_drip(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        stream_id = peer.request().stream_id
        peer.head(stream_id)
        while not peer.resets:
            peer.data(stream_id, b"x")
            peer.frame(PingFrame(0, b"12345678"))
            peer.receive()
            time.sleep(0.02)

    async def main(engine: HTTP2Connection) -> None:
        with pytest.raises(TotalTimeout):
            await fetch(engine, make_request(total=0.3))

    talk(world, start_server(scripted(act)), main)


def test_no_credit_is_a_write_timeout(world: World, start_server: StartServer) -> None:
    def act(peer: Peer) -> None:
        peer.respond(peer.request().stream_id)
        peer.credit = False
        peer.until(lambda: bool(peer.resets))
        assert len(peer.requests[3].body) == 1000
        peer.respond(peer.request(2).stream_id, b"third")

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        timeout = TimeoutConfig(5, write_timeout=0.2)
        with pytest.raises(WriteTimeout, match="0.2 s") as caught:
            await fetch(engine, make_request("POST", body=bytes(5000), timeout=timeout))
        assert caught.value.delivery is Delivery.MAYBE_PROCESSED
        assert (await fetch(engine, make_request())).content == b"third"

    talk(world, start_server(scripted(act, initial_window_size=1000)), main)


# Giving up.


def test_cancelling_leaves_the_connection_usable(world: World, start_server: StartServer) -> None:
    if world.name == "sync":
        pytest.skip("a thread can't be cancelled")

    def act(peer: Peer) -> None:
        peer.until(lambda: len(peer.requests) == 4)
        by_path = {request.field(b":path"): request.stream_id for request in peer.requests.values()}
        peer.respond(by_path[b"/last"], b"last")
        peer.respond(by_path[b"/kept"], b"kept")
        peer.until(lambda: len(peer.resets) == 2)
        assert peer.resets == {by_path[b"/first"]: 8, by_path[b"/second"]: 8}

    async def main(engine: HTTP2Connection) -> None:
        lease = CountingLease()
        late: list[Answer] = []

        async def kept() -> None:
            late.append(await fetch(engine, make_request(path="/kept")))

        async def first() -> None:
            await cancelled_after(world, 0.1, lambda: engine.exchange(make_request(path="/first"), lease))

        async def second() -> None:
            await cancelled_after(world, 0.2, lambda: fetch(engine, make_request(path="/second")))
            assert (await fetch(engine, make_request(path="/last"))).content == b"last"

        # One of them leads when it is cancelled, the others follow; whoever is left leads on.
        assert await together(world, first, kept, second) == [None, None, None]
        assert late[0].content == b"kept"
        assert lease.released == 1

    talk(world, start_server(scripted(act)), main)


def test_cancelling_an_upload_without_credit(world: World, start_server: StartServer) -> None:
    if world.name == "sync":
        pytest.skip("a thread can't be cancelled")

    def act(peer: Peer) -> None:
        peer.credit = False
        peer.until(lambda: peer.resets == {1: 8})
        peer.h2.increment_flow_control_window(65535)
        peer.flush()
        request = peer.request(1)
        peer.respond(request.stream_id, bytes(request.body))

    async def main(engine: HTTP2Connection) -> None:
        await cancelled_after(world, 0.2, lambda: fetch(engine, make_request("POST", body=bytes(MIB))))
        assert (await fetch(engine, make_request("POST", body=b"second"))).content == b"second"

    talk(world, start_server(scripted(act)), main)


def test_giving_up_at_any_moment(world: World, start_server: StartServer) -> None:
    """Many at once, each given up at a moment of its own: nobody else is hurt, nothing is left behind."""
    chance = random.Random(1)

    async def main(engine: HTTP2Connection) -> None:
        async def whole(size: int) -> None:
            assert len((await fetch(engine, make_request(path=f"/{size}"))).content) == size
            answer = await fetch(engine, make_request("POST", body=iter([bytes(size), b"x"])))
            assert len(answer.content) == size + 1

        async def given_up(size: int, seconds: float) -> None:
            if world.name == "sync":
                timeout = TimeoutConfig(5, read_timeout=seconds)
                with suppress(ReadTimeout):
                    await fetch(engine, make_request("POST", body=bytes(size), timeout=timeout))
                return
            with suppress(AssertionError):  # done before it could be cancelled
                await cancelled_after(
                    world, seconds, lambda: fetch(engine, make_request("POST", body=bytes(size)))
                )

        calls = [partial(whole, chance.randrange(200_000)) for _ in range(20)]
        calls += [
            partial(given_up, chance.randrange(1, 400_000), chance.random() / 10 + 0.001) for _ in range(40)
        ]
        chance.shuffle(calls)
        results = await together(world, *calls)
        assert results == [None] * len(calls)
        assert engine._state.flow.growth_left == 12 * MIB

    talk(world, start_server(echo()), main)


@pytest.mark.parametrize("how", ["close", "abort"])
def test_closing_a_body_early_gives_everything_back(
    world: World, start_server: StartServer, how: str
) -> None:
    async def main(engine: HTTP2Connection) -> None:
        for _ in range(300):  # 128 KiB each, 37 MiB in all: more than the connection's window
            lease = CountingLease()
            response = await engine.exchange(make_request(path=f"/{MIB}"), lease)
            assert response.body is not None
            if how == "close":
                await response.body.close()
            else:
                response.body.abort()
            response.body.abort()
            assert lease.released == 1
            with pytest.raises(ReadError, match="closed before its end"):
                await response.body.read_chunk()
        assert len((await fetch(engine, make_request(path=f"/{MIB}"))).content) == MIB

    talk(world, start_server(echo()), main)


def test_an_unread_response_never_stalls_another(world: World, start_server: StartServer) -> None:
    async def main(engine: HTTP2Connection) -> None:
        unread = [await engine.exchange(make_request(path=f"/{MIB}"), CountingLease()) for _ in range(50)]
        assert len((await fetch(engine, make_request(path=f"/{30 * MIB}"))).content) == 30 * MIB
        held = sum(len(piece) for stream in engine._state.streams.values() for piece in stream.inbox)
        assert held <= 50 * 128 * 1024
        for response in unread:
            assert len(await read(response)) == MIB

    talk(world, start_server(echo()), main)


def test_windows_grow_within_their_bound(world: World, start_server: StartServer) -> None:
    async def main(engine: HTTP2Connection) -> None:
        response = await engine.exchange(make_request(path=f"/{20 * MIB}"), CountingLease())
        other = await engine.exchange(make_request(path=f"/{20 * MIB}"), CountingLease())
        assert response.body is not None
        size = 0
        while size < 14 * MIB:
            size += len(await response.body.read_chunk())
        grown = engine._state.flow.growth_left
        assert grown < 12 * MIB
        streams = list(engine._state.streams.values())
        assert sum(stream.window - 128 * 1024 for stream in streams) + grown == 12 * MIB
        response.body.abort()
        assert other.body is not None
        other.body.abort()
        assert engine._state.flow.growth_left == 12 * MIB

    talk(world, start_server(echo()), main)


def forget(response: ResponseState) -> None:
    """Drop the body without closing it."""
    response.body = None
    gc.collect()


def test_a_forgotten_response_is_cancelled_by_the_next_operation(
    world: World, start_server: StartServer
) -> None:
    def act(peer: Peer) -> None:
        peer.head(peer.request().stream_id)
        peer.respond(peer.request(1).stream_id, b"second")
        peer.until(lambda: peer.resets == {1: 8})

    async def main(engine: HTTP2Connection) -> None:
        lease = CountingLease()
        response = await engine.exchange(make_request(), lease)
        with pytest.warns(ResourceWarning, match="example.org/ was neither read nor closed"):
            forget(response)
        assert lease.released == 0  # a finaliser only notes
        assert len(lease.cleanups) == 1
        lease.cleanups[0]()
        assert not engine.is_idle
        assert (await fetch(engine, make_request())).content == b"second"
        assert engine.is_idle

    talk(world, start_server(scripted(act)), main)


# Interruptions: a signal handler may raise at any point of the blocking engine's work.


def answers_the_first_of_two(peer: Peer) -> None:
    peer.request(1)
    peer.respond(peer.request(0).stream_id)


@pytest.mark.parametrize(
    ("where", "order"), [("receive", ["struck", "sibling"]), ("send_data", ["sibling", "struck"])]
)
def test_an_interrupted_exchange_takes_its_siblings_along_at_once(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, where: str, order: list[str]
) -> None:
    """The state may be inconsistent then; a sibling that went on waiting would wait for its whole limit."""
    interrupted: list[str] = []
    original = getattr(HTTP2State, where)

    def striking(self: HTTP2State, *arguments: object, **options: object) -> object:
        result = original(self, *arguments, **options)
        if threading.current_thread().name == "struck" and len(self.streams) == 2 and not interrupted:
            interrupted.append(where)
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(HTTP2State, where, striking)
    world = World("sync")
    act = answers_the_first_of_two if where == "receive" else Peer.flush
    server = start_server(scripted(act, max_concurrent_streams=10))
    leases = {name: CountingLease() for name in order}
    outcomes: dict[str, object] = {}

    def work(engine: HTTP2Connection, name: str) -> None:
        request = make_request("POST", f"/{name}", body=b"x" * 100, timeout=30)
        try:
            run_sync(engine.exchange(request, leases[name]))
        except BaseException as exc:  # noqa: BLE001 - looked at below
            outcomes[name] = exc

    engine = run_sync(establish(world, server))
    threads = [threading.Thread(target=work, args=(engine, name), name=name) for name in order]
    try:
        for thread in threads:
            thread.start()
            time.sleep(0.3)
        for thread in threads:
            thread.join(15)
        assert not any(thread.is_alive() for thread in threads)
        assert interrupted == [where]
        assert isinstance(outcomes["struck"], KeyboardInterrupt)
        assert isinstance(outcomes["sibling"], ReadError)
        assert engine.is_closed
        assert engine.is_idle
        assert [lease.released for lease in leases.values()] == [1, 1]
    finally:
        engine.abort()
