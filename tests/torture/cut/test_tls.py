"""A body that ends with its TLS connection is whole if close_notify says so, and not otherwise."""

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
    say_goodbye,
)
from support.hostile_peers import StartServer, watched
from support.servers import Authority
from support.worlds import World

pytestmark = pytest.mark.thorough

WAYS = [(coding, False) for coding in CODED] + [("identity", True), ("gzip", True)]


@pytest.mark.parametrize(("coding", "streamed"), WAYS)
async def test_every_cut_without_close_notify(
    world: World, start_server: StartServer, authority: Authority, coding: str, streamed: bool
) -> None:
    """The whole body too: nobody can know that it is."""
    server = start_server(cutting("closing"), tls=authority.server_context())
    user = watched(world, verify=authority.ca_file)
    for cut in range(len(CODED[coding]) + 1):
        await fails(user, f"{server.url}/{coding}/{cut}", http3.RemoteProtocolError, streamed=streamed)
    assert user.is_empty


@pytest.mark.parametrize("coding", ["identity", "gzip", "members"])
async def test_every_cut_with_close_notify(
    world: World, start_server: StartServer, authority: Authority, coding: str
) -> None:
    """Odd cuts are streamed, even ones read whole."""
    server = start_server(cutting("closing", say_goodbye), tls=authority.server_context())
    user = watched(world, verify=authority.ca_file)
    for cut in range(1, len(CODED[coding])):
        url = f"{server.url}/{coding}/{cut}"
        if coding == "identity":
            await is_whole(user, url, streamed=bool(cut % 2), body=BODY[:cut])
        elif coding == "members" and cut == len(FIRST_MEMBER):
            await is_whole(user, url, streamed=bool(cut % 2), body=BODY[:HALF])
        else:
            await fails(user, url, http3.DecodingError, streamed=bool(cut % 2))
    await is_whole(user, f"{server.url}/{coding}/{WHOLE}", streamed=True)
    assert user.is_empty


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_close_notify_is_no_end_of_a_framed_body(
    world: World, start_server: StartServer, authority: Authority, framing: str
) -> None:
    server = start_server(cutting(framing, say_goodbye), tls=authority.server_context())
    user = watched(world, verify=authority.ca_file)
    for cut in range(len(framed(framing, "gzip")[1])):
        url = f"{server.url}/gzip/{cut}"
        await fails(user, url, http3.RemoteProtocolError, streamed=bool(cut % 2))
    await is_whole(user, f"{server.url}/gzip/{WHOLE}", streamed=True)
