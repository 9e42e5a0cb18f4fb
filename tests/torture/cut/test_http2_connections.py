"""Bodies over HTTP/2 that are cut at every byte by the end of their connection."""

from __future__ import annotations

import pytest
from hyperframe.frame import GoAwayFrame

import http3
from support.cut_bodies import CODED, WHOLE, Cut, cutting_http2, fails, is_whole, shut
from support.hostile_peers import StartServer, reset, watched
from support.http2_peer import Peer
from support.servers import Authority
from support.worlds import World

pytestmark = pytest.mark.thorough


def fin(peer: Peer, stream_id: int) -> bool:
    shut(peer.socket)
    return False


def goaway(peer: Peer, stream_id: int) -> bool:
    """It would let the stream end, but the connection ends before."""
    peer.frame(GoAwayFrame(0, last_stream_id=stream_id, error_code=0))
    return fin(peer, stream_id)


def goaway_below(peer: Peer, stream_id: int) -> bool:
    peer.frame(GoAwayFrame(0, last_stream_id=0, error_code=0))
    return fin(peer, stream_id)


def rst(peer: Peer, stream_id: int) -> bool:
    reset(peer.socket)
    return False


ON_CONNECTIONS = [fin, goaway, goaway_below, rst]


def name(end: Cut) -> str:
    return end.__name__


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("end", ON_CONNECTIONS, ids=name)
async def test_every_cut_of_a_connection(
    world: World, start_server: StartServer, end: Cut, coding: str
) -> None:
    """Odd cuts are streamed, even ones read whole."""
    server = start_server(cutting_http2(end))
    user = watched(world, "HTTP/2")
    kinds = (http3.RemoteProtocolError, http3.ReadError) if end is rst else http3.RemoteProtocolError
    for cut in range(len(CODED[coding])):
        await fails(user, f"{server.url}/{coding}/{cut}", kinds, streamed=bool(cut % 2))
    await is_whole(user, f"{server.url}/{coding}/{WHOLE}", streamed=False)
    assert len(user.pool.keepalive_connections) == 1


async def test_every_cut_over_tls(world: World, start_server: StartServer, authority: Authority) -> None:
    server = start_server(cutting_http2(fin), tls=authority.server_context("h2"))
    user = watched(world, "HTTP/1.1", "HTTP/2", verify=authority.ca_file)
    for cut in range(len(CODED["gzip"])):
        url = f"{server.url}/gzip/{cut}"
        await fails(user, url, http3.RemoteProtocolError, streamed=bool(cut % 2))
    await is_whole(user, f"{server.url}/gzip/{WHOLE}", streamed=False)
