"""Bodies over HTTP/1.1 that are cut at every byte by a reset, and heads that are cut at every byte."""

from __future__ import annotations

import pytest

import http3
from support.cut_bodies import CODED, WHOLE, break_off, cutting, fails, framed, is_whole
from support.hostile_peers import StartServer, hostile, marking, watched
from support.worlds import World, raised

pytestmark = pytest.mark.thorough

ways = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
codings = pytest.mark.parametrize("coding", CODED)

RESET = (http3.ReadError, http3.RemoteProtocolError)
"""The kernel may drop what came before a reset, down to the last byte."""


@codings
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_every_cut_of_a_framed_body_by_a_reset(
    world: World, start_server: StartServer, framing: str, coding: str
) -> None:
    """Odd cuts are streamed, even ones read whole."""
    server = start_server(cutting(framing, break_off))
    user = watched(world)
    for cut in range(len(framed(framing, coding)[1])):
        await fails(user, f"{server.url}/{coding}/{cut}", RESET, streamed=bool(cut % 2))
    await is_whole(user, f"{server.url}/{coding}/{WHOLE}", streamed=False)
    assert await user.body(server.url + "/mark/last") == b"last"
    assert len(user.pool.keepalive_connections) == 1


@ways
@codings
async def test_a_reset_is_no_end_of_a_body(
    world: World, start_server: StartServer, coding: str, streamed: bool
) -> None:
    server = start_server(cutting("closing", break_off))
    user = watched(world)
    for cut in range(len(CODED[coding]) + 1):
        await fails(user, f"{server.url}/{coding}/{cut}", RESET, streamed=streamed)
    assert user.is_empty


@ways
async def test_every_cut_of_a_head(world: World, start_server: StartServer, streamed: bool) -> None:
    head, _ = framed("length", "gzip")
    for cut in range(len(head)):
        server = start_server(hostile(head[:cut], closes=True), marking)
        user = watched(world)
        assert await user.body(server.url + "/first") == b"/first"
        call = user.streamed if streamed else user.body
        # Without a byte of an answer another method would be sent again.
        error = await raised(http3.RemoteProtocolError, call, server.url + "/case", "POST")
        assert error.delivery == "maybe_processed"
        assert await user.body(server.url + "/last") == b"/last"
