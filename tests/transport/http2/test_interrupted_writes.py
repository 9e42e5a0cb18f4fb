"""HTTP/2: an upload that is cancelled or times out while the kernel's buffer is full, and those beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from http3_models import TimeoutConfig, TotalTimeout, WriteTimeout
from http3_transport._http2.connection import HTTP2Connection
from http3_transport.testing import ScriptedServer
from support.http2_client import (
    MIB,
    Answer,
    cancelled_after,
    fetch,
    late_reader,
    make_request,
    narrow,
    talk,
    together,
)
from support.http2_peer import Incoming, Peer
from support.servers import Authority, StartServer
from support.worlds import World

pytestmark = pytest.mark.thorough

CANCEL = 8
BODY = bytes(range(256)) * 2048

Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve(start_server: StartServer, secure: Authority | None) -> Serve:
    """Start a server that answers a first request, and reads nothing for a while then."""

    def start(act: Callable[[Peer], object]) -> ScriptedServer:
        tls = None if secure is None else secure.server_context("h2")
        return start_server(late_reader(act, seconds=0.6), tls=tls)

    return start


@pytest.fixture(params=["write_timeout", "total_timeout", "cancelled"])
def how(request: pytest.FixtureRequest, world: World) -> str:
    """How the upload is given up."""
    if request.param == "cancelled" and world.name == "sync":
        pytest.skip("a thread can't be cancelled")
    value: str = request.param
    return value


async def give_up(world: World, engine: HTTP2Connection, how: str) -> None:
    """Begin an upload that is more than the kernel takes, and give it up."""
    path, body = "/given-up", bytes(20 * MIB)
    if how == "cancelled":
        await cancelled_after(
            world, 0.25, lambda: fetch(engine, make_request("POST", path, body=body, timeout=None))
        )
    elif how == "write_timeout":
        with pytest.raises(WriteTimeout):
            timeout = TimeoutConfig(5, write_timeout=0.25)
            await fetch(engine, make_request("POST", path, body=body, timeout=timeout))
    else:
        with pytest.raises(TotalTimeout):
            await fetch(engine, make_request("POST", path, body=body, total=0.25))


def find(peer: Peer, path: str) -> Incoming:
    """The request with this path; it is there once only."""
    found = [request for request in peer.requests.values() if request.field(b":path") == path.encode()]
    assert len(found) == 1, found
    return found[0]


def answer_whole_requests(peer: Peer, count: int) -> None:
    """Read until that many requests have come and all but the one that is given up are whole; answer them."""

    def is_done() -> bool:
        open_ones = [request for request in peer.requests.values() if not request.ended]
        return len(peer.requests) == count and [*peer.resets] == [one.stream_id for one in open_ones]

    peer.until(is_done)
    given_up = find(peer, "/given-up")
    assert peer.resets == {given_up.stream_id: CANCEL}
    assert len(given_up.body) < 20 * MIB
    assert not given_up.body.strip(b"\0")  # nothing of another's
    for request in peer.requests.values():
        if request.ended and request.field(b":path") != b"/":
            peer.respond(request.stream_id, bytes(request.body) or request.field(b":path") or b"")


def test_siblings_go_on(world: World, serve: Serve, secure: Authority | None, how: str) -> None:
    """One that was sent before, and two that wait for the kernel, with a head and with a body."""

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)

        async def later(seconds: float, method: str, path: str, body: bytes) -> bytes:
            await world.backend.sleep(seconds)
            return (await fetch(engine, make_request(method, path, body=body))).content

        async def gives_up() -> bytes:
            await world.backend.sleep(0.05)
            await give_up(world, engine, how)
            return b""

        results = await together(
            world,
            partial(later, 0, "GET", "/before", b""),
            gives_up,
            partial(later, 0.1, "GET", "/behind", b""),
            partial(later, 0.15, "POST", "/beside", BODY),
        )
        assert results == [b"/before", b"", b"/behind", BODY]

    server = serve(lambda peer: answer_whole_requests(peer, 5))
    talk(world, server, main, authority=secure)
    assert server.connections == 1


def test_the_next_request_goes_over_the_same_connection(
    world: World, serve: Serve, secure: Authority | None, how: str
) -> None:
    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        await give_up(world, engine, how)
        answer = await fetch(engine, make_request("POST", "/next", body=BODY))
        assert answer.content == BODY

    talk(world, serve(lambda peer: answer_whole_requests(peer, 3)), main, authority=secure)


def test_a_connection_on_which_a_write_was_given_up_can_be_closed(
    world: World, serve: Serve, secure: Authority | None
) -> None:
    """What is left of it does not matter then."""

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)
        await give_up(world, engine, "write_timeout")
        assert engine.check()
        engine.close()

    talk(world, serve(lambda peer: None), main, authority=secure)


def test_the_rest_is_sent_while_somebody_waits_for_an_answer(
    world: World, serve: Serve, secure: Authority | None, how: str
) -> None:
    """Nobody else wants to write: who reads sends what the other has left behind."""

    def act(peer: Peer) -> None:
        peer.until(lambda: bool(peer.resets))
        answer_whole_requests(peer, 3)

    async def main(engine: HTTP2Connection) -> None:
        await fetch(engine, make_request())
        narrow(engine)

        async def gives_up() -> None:
            await world.backend.sleep(0.05)
            await give_up(world, engine, how)

        results = await together(world, lambda: fetch(engine, make_request(path="/before")), gives_up)
        assert isinstance(results[0], Answer), results

    talk(world, serve(act), main, authority=secure)
