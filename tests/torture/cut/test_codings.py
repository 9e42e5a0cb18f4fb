"""Coded bodies that are cut in frames that are not: each is a DecodingError, and the connection goes on."""

from __future__ import annotations

import pytest

import http3
from support.cut_bodies import CODED, FIRST_MEMBER, cutting_codings, cutting_codings_http2, fails, is_whole
from support.hostile_peers import StartServer, watched
from support.worlds import World

pytestmark = pytest.mark.thorough

PACKED = [coding for coding in CODED if coding != "identity"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("framing", ["length", "chunked", "HTTP/2"])
@pytest.mark.parametrize("coding", PACKED)
async def test_every_cut_of_a_coding_in_a_whole_frame(
    world: World, start_server: StartServer, coding: str, framing: str, streamed: bool
) -> None:
    """The one cut that nobody can see is between two members of gzip."""
    if framing == "HTTP/2":
        server, user = start_server(cutting_codings_http2), watched(world, "HTTP/2")
    else:
        server, user = start_server(cutting_codings(framing)), watched(world)
    for cut in range(1, len(CODED[coding])):
        if coding != "members" or cut != len(FIRST_MEMBER):
            await fails(user, f"{server.url}/{coding}/{cut}", http3.DecodingError, streamed=streamed)
    await is_whole(user, f"{server.url}/{coding}/{len(CODED[coding])}", streamed=streamed)
    await is_whole(user, f"{server.url}/{coding}/0", streamed=streamed, body=b"")
    assert server.connections == 1
    assert len(user.pool.keepalive_connections) == 1
