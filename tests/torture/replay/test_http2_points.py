"""A server that dies or refuses at every frame and byte over HTTP/2, and what is sent again.

See `torture/replay/test_http1_points`, which does so over HTTP/1.1.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from h2.events import SettingsAcknowledged
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

import http3
from http3_transport.testing import ScriptedServer
from support.http2_peer import Peer
from support.replay_points import DEATHS, KINDS, MANY, Case, Kind, Ledger, attempt, close, name
from support.servers import Script
from support.worlds import World, do

pytestmark = pytest.mark.thorough

StartServer = Callable[..., ScriptedServer]

REFUSED_STREAM = 7


class Stage(NamedTuple):
    """What the server sends in place of an answer, and whether it ends the connection then."""

    frames: Callable[[int], list[Frame]]
    refuses: bool
    ends: bool


def goaway(above: int, *, ends: bool = True) -> Stage:
    """``above``: how much the last stream id lies above that of the request."""
    return Stage(lambda stream_id: [GoAwayFrame(0, max(0, stream_id + above))], above < 0, ends)


def rst(code: int) -> Stage:
    return Stage(
        lambda stream_id: [RstStreamFrame(stream_id, error_code=code)], code == REFUSED_STREAM, False
    )


STAGES = {
    "goaway of all": Stage(lambda stream_id: [GoAwayFrame(0, 0)], True, False),
    "goaway of all, and the end": Stage(lambda stream_id: [GoAwayFrame(0, 0)], True, True),
    "goaway below": goaway(-2),
    "goaway just below": goaway(-1, ends=False),
    "goaway at": goaway(0),
    "goaway above": goaway(2),
    "goaway of none": Stage(lambda stream_id: [GoAwayFrame(0, 2**31 - 1)], False, True),
    **{f"rst {code}": rst(code) for code in range(14)},
    "the end": Stage(lambda stream_id: [], False, True),
}


class HTTP2Ledger(Ledger):
    """Requests as the server decoded them: (connection, stream)."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[tuple[int, int]] = []
        self.processed: list[int] = []


def speaking(connection: socket.socket, *, reused: bool) -> tuple[Peer, int]:
    """The server's side, and how many requests it has answered; what follows belongs to the next one.

    Without a delay, else the kernel would keep a frame back and a reset would drop it.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer = Peer(connection)
    if not reused:
        return peer, 0
    peer.request()
    peer.until(lambda: any(isinstance(event, SettingsAcknowledged) for event in peer.events))
    peer.respond(1, b"ok")
    return peer, 1


def refusing(ledger: HTTP2Ledger, stage: Stage, *, always: bool = False) -> Script:
    """The first connection (or each) meets the doomed request with a stage."""

    def script(connection: socket.socket) -> None:
        case, number = ledger.case, ledger.connections
        ledger.connections += 1
        peer, requests = speaking(connection, reused=case.reused and not number)
        request = peer.request(requests)
        ledger.marks.append((number, request.stream_id))
        if number and not always:
            peer.respond(request.stream_id, b"again")
        else:
            peer.frame(*stage.frames(request.stream_id))
        if stage.ends and not number:
            ledger.end(connection)
            return
        ledger.died.set()
        peer.until_closed()

    return script


def may_be_replayed(stage: Stage, kind: Kind, *, reused: bool) -> bool:
    if not kind.can_be_sent_again:
        return False
    return stage.refuses or (reused and kind.method != "POST")


@pytest.mark.parametrize("reused", [False, True], ids=["first", "reused"])
@pytest.mark.parametrize("kind", KINDS, ids=name)
@pytest.mark.parametrize("stage", STAGES)
async def test_every_refusal_over_http2(
    world: World, start_server: StartServer, stage: str, kind: Kind, reused: bool
) -> None:
    for die in DEATHS if STAGES[stage].ends else DEATHS[:1]:
        ledger = HTTP2Ledger()
        ledger.begin(Case("/mark", reused, 0, 0, die))
        url = start_server(refusing(ledger, STAGES[stage])).url
        client = world.client(http_versions=("HTTP/2",))
        content, error = await attempt(client, url, ledger, kind)
        if may_be_replayed(STAGES[stage], kind, reused=reused):
            assert content == b"again", error
            assert [number for number, _ in ledger.marks] == [0, 1]
        else:
            assert error is not None
            verdicts = http3.Delivery.REFUSED if STAGES[stage].refuses else http3.Delivery.MAYBE_PROCESSED
            assert error.delivery is verdicts
            assert ledger.connections == len(ledger.marks) == 1
        await do(client.close())


@pytest.mark.parametrize("kind", KINDS, ids=name)
async def test_a_refusal_is_met_once(world: World, start_server: StartServer, kind: Kind) -> None:
    ledger = HTTP2Ledger()
    ledger.begin(Case("/mark", False, 0, 0, close))
    url = start_server(refusing(ledger, rst(REFUSED_STREAM), always=True)).url
    _, error = await attempt(world.client(http_versions=("HTTP/2",)), url, ledger, kind)
    assert error is not None
    assert error.delivery is http3.Delivery.REFUSED
    assert len(ledger.marks) == (2 if kind.can_be_sent_again else 1)


def frames_of(data: bytes) -> list[tuple[int, int]]:
    """Type and stream of each frame that has begun, behind the preface."""
    at, found = data.find(b"SM\r\n\r\n") + 6 if data.startswith(b"PRI") else 0, []
    while at + 9 <= len(data):
        found.append((data[at + 3], int.from_bytes(data[at + 5 : at + 9])))
        at += 9 + int.from_bytes(data[at : at + 3])
    return found


def mortal_http2(ledger: HTTP2Ledger) -> Script:
    """Counts bytes where `refusing` counts frames."""

    def script(connection: socket.socket) -> None:
        case, number = ledger.case, ledger.connections
        ledger.connections += 1
        (peer, requests), data = speaking(connection, reused=case.reused and not number), b""
        if number:
            request = peer.request()
            ledger.marks.append((number, request.stream_id))
            peer.respond(request.stream_id, b"again")
            peer.until_closed()
            return
        stream_id = 2 * requests + 1
        while len(data) < case.read and not (stream_id in peer.requests and peer.requests[stream_id].ended):
            piece = connection.recv(1)
            if not piece:
                break
            data += piece
            for event in peer.h2.receive_data(piece):
                peer._note(event)
            peer.h2.data_to_send()  # no acknowledgements: they are no answer
        ledger.seen.append(data)
        if (HeadersFrame.type, stream_id) in frames_of(data):
            ledger.marks.append((number, stream_id))
        if stream_id in peer.requests and peer.requests[stream_id].ended:
            peer.h2.send_headers(stream_id, [(":status", "200")])
            peer.h2.send_data(stream_id, b"ok", end_stream=True)
            connection.sendall(peer.h2.data_to_send()[: case.sent])
            ledger.processed.append(case.sent)
        ledger.end(connection)

    return script


HTTP2_HEAD, HTTP2_ANSWER = 9 + 1, 9 + 1 + 9 + 2


async def check_http2_point(
    world: World, start_server: StartServer, kind: Kind, case: Case
) -> tuple[bytes, bool]:
    """One point over HTTP/2; what was read, and whether it was the whole request."""
    ledger = HTTP2Ledger()
    ledger.begin(case)
    client = world.client(http_versions=("HTTP/2",))
    content, error = await attempt(client, start_server(mortal_http2(ledger)).url, ledger, kind)
    await do(client.close())
    is_whole = bool(ledger.processed)
    sent = case.sent if is_whole else 0
    if sent == HTTP2_ANSWER:
        assert content == b"ok", case
    elif case.reused and sent < HTTP2_HEAD and kind.method != "POST" and kind.can_be_sent_again:
        assert content == b"again", (case, error)
        assert ledger.connections == 2
        assert ledger.marks[-1] == (1, 1)
    else:
        assert content is None, case
        assert error is not None
        assert error.delivery is http3.Delivery.MAYBE_PROCESSED
        assert ledger.connections == 1
    return ledger.seen[0], is_whole


@pytest.mark.thorough
@pytest.mark.parametrize("reused", [False, True], ids=["first", "reused"])
@pytest.mark.parametrize("die", DEATHS, ids=name)
@pytest.mark.parametrize("kind", KINDS, ids=name)
async def test_every_byte_over_http2(
    world: World, start_server: StartServer, kind: Kind, die: Any, reused: bool
) -> None:
    request, is_whole = await check_http2_point(
        world, start_server, kind, Case("/mark", reused, MANY, 0, die)
    )
    assert is_whole
    assert (DataFrame.type in dict(frames_of(request))) == (kind.body != "none")
    step = 9 if world.is_async else 1  # the bytes are the same in each world
    for size in range(1, len(request), step):
        await check_http2_point(world, start_server, kind, Case("/mark", reused, size, 0, die))
    for size in range(1, HTTP2_ANSWER + 1, 1 if step == 1 else 4):
        await check_http2_point(world, start_server, kind, Case("/mark", reused, MANY, size, die))


@pytest.mark.parametrize("status", [103, 200])
@pytest.mark.parametrize("stage", ["rst 7", "goaway of all"])
async def test_a_refusal_after_an_answer_is_not_believed(
    world: World, start_server: StartServer, stage: str, status: int
) -> None:
    """Whoever has answered has done something."""
    ledger = HTTP2Ledger()
    ledger.begin(Case("/mark", False, 0, 0, close))

    def script(connection: socket.socket) -> None:
        peer = Peer(connection)
        stream_id = peer.request().stream_id
        ledger.marks.append((0, stream_id))
        peer.head(stream_id, status)
        peer.frame(*STAGES[stage].frames(stream_id))
        ledger.died.set()
        peer.until_closed()

    client = world.client(http_versions=("HTTP/2",))
    _, error = await attempt(client, start_server(script).url, ledger, Kind("POST", "bytes"))
    assert error is not None
    assert error.delivery is http3.Delivery.MAYBE_PROCESSED
    assert len(ledger.marks) == 1
