"""A body over HTTP/1.1 is whole, or there is an exception: one body cut at every byte.

For each framing and coding, read whole and piece by piece; the server ends the connection with FIN. The one
cut that nobody can see is that of a body which ends with the connection and has no coding.
"""

from __future__ import annotations

import pytest

import http3
from support.cut_bodies import (
    BODY,
    CODED,
    FIRST_MEMBER,
    HALF,
    WHOLE,
    cutting,
    fails,
    framed,
    is_whole,
)
from support.hostile_peers import StartServer, watched
from support.worlds import World

pytestmark = pytest.mark.thorough

ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
codings = pytest.mark.parametrize("coding", CODED)


@ways
@codings
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_every_cut_of_a_framed_body(
    world: World, start_server: StartServer, framing: str, coding: str, streamed: bool
) -> None:
    server = start_server(cutting(framing))
    user = watched(world)
    for cut in range(len(framed(framing, coding)[1])):
        url = f"{server.url}/{coding}/{cut}"
        await fails(user, url, http3.RemoteProtocolError, streamed=streamed)
    await is_whole(user, f"{server.url}/{coding}/{WHOLE}", streamed=streamed)
    assert await user.body(server.url + "/mark/last") == b"last"
    assert len(user.pool.keepalive_connections) == 1


@ways
@codings
async def test_every_cut_of_a_body_that_ends_with_the_connection(
    world: World, start_server: StartServer, coding: str, streamed: bool
) -> None:
    """What no coding tells can't be told: RFC 9112 section 8 lets that pass."""
    server = start_server(cutting("closing"))
    user = watched(world)
    for cut in range(1, len(CODED[coding])):
        url = f"{server.url}/{coding}/{cut}"
        if coding == "identity":
            await is_whole(user, url, streamed=streamed, body=BODY[:cut])
        elif coding == "members" and cut == len(FIRST_MEMBER):
            await is_whole(user, url, streamed=streamed, body=BODY[:HALF])
        else:
            await fails(user, url, http3.DecodingError, streamed=streamed)
    await is_whole(user, f"{server.url}/{coding}/{WHOLE}", streamed=streamed)
    assert user.is_empty
