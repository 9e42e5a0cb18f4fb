"""A body over HTTP/2 is whole, or there is an exception: one body cut at every byte, and its stream ended."""

from __future__ import annotations

import pytest
from hyperframe.frame import DataFrame, HeadersFrame, RstStreamFrame

import http3
from support.cut_bodies import CODED, WHOLE, Cut, cutting_http2, fails, is_whole
from support.hostile_peers import StartServer, watched
from support.http2_peer import Peer
from support.worlds import World

pytestmark = pytest.mark.thorough


def end_stream(peer: Peer, stream_id: int) -> bool:
    peer.frame(DataFrame(stream_id, b"", flags=["END_STREAM"]))
    return True


def trailers(peer: Peer, stream_id: int) -> bool:
    block = peer.h2.encoder.encode([("x", "y")])
    peer.frame(HeadersFrame(stream_id, block, flags=["END_HEADERS", "END_STREAM"]))
    return True


def no_error(peer: Peer, stream_id: int) -> bool:
    peer.frame(RstStreamFrame(stream_id, error_code=0))
    return True


def refused(peer: Peer, stream_id: int) -> bool:
    """What came before shows that it was not."""
    peer.frame(RstStreamFrame(stream_id, error_code=7))
    return True


def cancel(peer: Peer, stream_id: int) -> bool:
    peer.frame(RstStreamFrame(stream_id, error_code=8))
    return True


ON_STREAMS = [end_stream, trailers, no_error, refused, cancel]


def name(end: Cut) -> str:
    return end.__name__


ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


@ways
@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("end", ON_STREAMS, ids=name)
async def test_every_cut_of_a_stream(
    world: World, start_server: StartServer, end: Cut, coding: str, streamed: bool
) -> None:
    server = start_server(cutting_http2(end))
    user = watched(world, "HTTP/2")
    for cut in range(len(CODED[coding])):
        await fails(user, f"{server.url}/{coding}/{cut}", http3.RemoteProtocolError, streamed=streamed)
    await is_whole(user, f"{server.url}/{coding}/{WHOLE}", streamed=streamed)
    assert server.connections == 1
