"""`total_timeout` spans the whole call: redirects, auth, bodies, whatever the dispatcher."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest

import http3
from http3_models import Delivery, Dispatcher, MockDispatcher, Response, TimeoutConfig, TotalTimeout
from http3_transport.testing import ScriptedConnection, ScriptedServer
from support.pages import redirect
from support.worlds import World


class Clock:
    """Time that a test turns."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def session_of(world: World, clock: Clock, handler: Callable[[Any], Response], **options: Any) -> Any:
    dispatch = MockDispatcher(handler)
    dispatch.now = clock
    return world.session(dispatch, timeout=TimeoutConfig(5, total_timeout=10), **options)


def test_hops_add_up(world: World) -> None:
    clock = Clock()
    count = iter(range(100))

    def handler(_: Any) -> Response:
        clock.time += 4
        return redirect(f"/{next(count)}")

    with pytest.raises(
        TotalTimeout, match=r"total_timeout of 10 s in the read phase: GET https://h/1"
    ) as caught:
        session_of(world, clock, handler).get("https://h/")
    assert next(count) == 3
    assert caught.value.request.url.path == "/1"
    assert caught.value.delivery is Delivery.MAYBE_PROCESSED
    assert caught.value.timings is not None


def test_a_call_within_the_limit_passes(world: World) -> None:
    clock = Clock()

    def handler(_: Any) -> Response:
        clock.time += 9
        return Response(200, content=iter([b"x"]))

    session = session_of(world, clock, handler)
    for _ in range(3):
        assert session.get("https://h/").content == b"x"


def dripping(clock: Clock, seconds: float) -> Callable[[Any], Response]:
    def body() -> Iterator[bytes]:
        while True:
            clock.time += seconds
            yield b"."

    return lambda _: Response(200, content=body())


def test_a_slow_drip_cannot_outlast_it(world: World) -> None:
    clock = Clock()
    with pytest.raises(TotalTimeout):
        session_of(world, clock, dripping(clock, 1)).get("https://h/")
    assert 1010 <= clock.time <= 1012


def test_neither_can_a_streamed_one_nor_the_callers_pauses(world: World) -> None:
    clock = Clock()
    session = session_of(world, clock, dripping(clock, 1))
    response = session.get("https://h/", stream=True)
    pieces = response.stream()
    assert session.do(pieces.__anext__() if world.is_async else next(pieces)) == b"."
    clock.time += 20
    with pytest.raises(TotalTimeout) as caught:
        session.do(pieces.__anext__() if world.is_async else next(pieces))
    assert caught.value.request.url.path == "/"
    assert response.is_closed


def test_auth_rounds_count(world: World) -> None:
    class Endless:
        def auth_flow(self, request: Any) -> Any:
            while True:
                yield request

    clock = Clock()

    def handler(_: Any) -> Response:
        clock.time += 3
        return Response(401)

    with pytest.raises(TotalTimeout):
        session_of(world, clock, handler, auth=Endless()).get("https://h/")
    assert clock.time == 1012


def test_each_step_of_next_is_a_call_of_its_own(world: World) -> None:
    clock = Clock()

    def handler(request: Any) -> Response:
        clock.time += 6
        return redirect("/b") if request.url.path == "/a" else Response(200)

    session = session_of(world, clock, handler)
    response = session.get("https://h/a", allow_redirects=False, stream=True)
    clock.time += 60
    response = session.do(response.next())
    assert response.status_code == 200
    assert response.elapsed.total_seconds() == 6


def test_the_timeout_of_the_call_counts(world: World) -> None:
    clock = Clock()
    session = session_of(world, clock, dripping(clock, 1))
    with pytest.raises(
        TotalTimeout, match=r"total_timeout of 3 s in the read phase: GET https://h/"
    ) as caught:
        session.get("https://h/", timeout=TimeoutConfig(total_timeout=3))
    assert caught.value.delivery is Delivery.MAYBE_PROCESSED


def test_a_dispatcher_is_told_what_is_left(world: World) -> None:
    clock = Clock()
    timeouts: list[Any] = []

    class Noting(Dispatcher):
        now = clock

        def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
            timeouts.append(timeout)
            clock.time += 4
            return redirect("/b") if len(timeouts) == 1 else Response(200)

    world.session(Noting(), timeout=TimeoutConfig(7, write_timeout=2, total_timeout=10)).get("https://h/a")
    assert timeouts == [
        TimeoutConfig(7, write_timeout=2, total_timeout=10),
        TimeoutConfig(6, write_timeout=2, total_timeout=6),
    ]


def test_draining_a_redirect_is_bounded(world: World) -> None:
    clock = Clock()

    def body() -> Iterator[bytes]:
        while True:
            clock.time += 1
            yield b"."

    def handler(request: Any) -> Response:
        if request.url.path == "/a":
            return Response(302, headers={"Location": "/b"}, content=body())
        return Response(200)

    dispatch = MockDispatcher(handler)
    dispatch.now = clock
    response = world.session(dispatch, timeout=None).get("https://h/a")
    assert response.status_code == 200
    assert clock.time <= 1007
    session = session_of(world, clock, handler)
    with pytest.raises(TotalTimeout):
        session.get("https://h/a", timeout=TimeoutConfig(total_timeout=3))


def test_total_timeout_holds_for_what_another_client_answers() -> None:
    def dripping(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        connection.drip(b"x" * 100, 0.02)

    with ScriptedServer(dripping) as server, http3.Client() as inner:

        class Forwarding(http3.Dispatcher):
            def send(self, request: http3.Request, *options: Any, **more: Any) -> http3.Response:
                return inner.get(server.url, stream=True)

        limits = http3.TimeoutConfig(timeout=5, total_timeout=0.2)
        with http3.Client(dispatch=Forwarding(), timeout=limits) as client:
            started = time.monotonic()
            with pytest.raises(http3.TotalTimeout):
                client.get(server.url)
            assert time.monotonic() - started < 1


def test_the_deadline_may_pass_between_any_two_looks_at_the_clock(world: World) -> None:
    """A dispatcher is never given a limit that is negative."""
    outcomes: set[object] = set()

    class Answering(Dispatcher):
        def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
            return Response(200)

    for looks in range(10):
        dispatch = Answering()
        dispatch.now = chain([0.0] * looks, repeat(2.0)).__next__
        session = world.session(dispatch, timeout=TimeoutConfig(total_timeout=1))
        try:
            outcomes.add(session.get("https://h/").status_code)
        except TotalTimeout as error:
            outcomes.add(type(error))
    assert outcomes == {200, TotalTimeout}
