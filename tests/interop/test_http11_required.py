"""HTTP/2 servers that want HTTP/1.1 (HTTP_1_1_REQUIRED): they get it, and are remembered."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hyperframe.frame import GoAwayFrame, RstStreamFrame

import http3
from http3_transport import BlockingBackend, ConnectionPool
from http3_transport.testing import ScriptedServer
from support.http2_peer import Incoming, Peer
from support.servers import Authority, StartServer, answer, read_request
from support.worlds import World, do, raised

HTTP_1_1_REQUIRED = 0xD

Decline = Callable[[Peer, Incoming], object]


def by_reset(peer: Peer, incoming: Incoming) -> None:
    """As IIS does; the connection goes on."""
    peer.frame(RstStreamFrame(incoming.stream_id, error_code=HTTP_1_1_REQUIRED))


def by_goaway(peer: Peer, incoming: Incoming) -> None:
    """No request was processed."""
    peer.frame(GoAwayFrame(0, last_stream_id=0, error_code=HTTP_1_1_REQUIRED))


def by_goaway_and_end(peer: Peer, incoming: Incoming) -> None:
    """This one may have been processed."""
    peer.frame(GoAwayFrame(0, last_stream_id=incoming.stream_id, error_code=HTTP_1_1_REQUIRED))
    peer.socket.settimeout(0.1)
    with suppress(TimeoutError):
        peer.until_closed()  # what is unread would make the kernel reset the connection
    peer.socket.close()


def by_goaway_and_silence(peer: Peer, incoming: Incoming) -> None:
    """This one may have been processed, and nothing more is said."""
    peer.frame(GoAwayFrame(0, last_stream_id=incoming.stream_id, error_code=HTTP_1_1_REQUIRED))


WAYS: dict[str, Decline] = {
    "RST_STREAM": by_reset,
    "GOAWAY": by_goaway,
    "GOAWAY, end": by_goaway_and_end,
    "GOAWAY, silence": by_goaway_and_silence,
}


class Site:
    """A server with ALPN that serves HTTP/1.1, and declines what comes over HTTP/2 in its own way."""

    def __init__(self, start_server: StartServer, authority: Authority, decline: Decline) -> None:
        self.protocols: list[str] = []
        """What was negotiated, connection by connection."""
        self.requests: list[tuple[str, bytes]] = []
        """Which requests came, over what, with which body."""
        self._decline = decline
        self._lock = threading.Lock()
        tls = authority.server_context("h2", "http/1.1")
        self.server: ScriptedServer = start_server(self._serve, tls=tls)
        self.url = self.server.url.replace("http:", "https:")
        self.ca_file = authority.ca_file

    def client(self, world: World, **options: Any) -> Any:
        """One that speaks both."""
        backend = None if world.is_async else BlockingBackend()
        self.pool = ConnectionPool(backend=backend, verify=self.ca_file, **options)
        return world.client(dispatch=self.pool)

    def _serve(self, sock: socket.socket) -> None:
        assert isinstance(sock, ssl.SSLSocket)
        protocol = sock.selected_alpn_protocol() or ""
        with self._lock:
            self.protocols.append(protocol)
        if protocol == "h2":
            self._serve_http2(sock)
            return
        while request := read_request(sock):
            self.requests.append(("HTTP/1.1", request.body))
            sock.sendall(answer(b"over HTTP/1.1"))

    def _serve_http2(self, sock: socket.socket) -> None:
        peer = Peer(sock)
        done: set[int] = set()
        while peer.socket.fileno() >= 0 and peer.receive():
            for incoming in list(peer.requests.values()):
                if incoming.ended and incoming.stream_id not in done:
                    done.add(incoming.stream_id)
                    if incoming.field(b":path") == b"/fine":
                        peer.respond(incoming.stream_id, b"over HTTP/2")
                    else:
                        self.requests.append(("HTTP/2", bytes(incoming.body)))
                        self._decline(peer, incoming)


@pytest.fixture(params=WAYS)
def site(request: pytest.FixtureRequest, start_server: StartServer, authority: Authority) -> Site:
    return Site(start_server, authority, WAYS[request.param])


@pytest.fixture
def resetting(start_server: StartServer, authority: Authority) -> Site:
    return Site(start_server, authority, by_reset)


async def test_an_idempotent_request_is_sent_once_more_over_http11(world: World, site: Site) -> None:
    client = site.client(world)
    response = await do(client.put(site.url, data=b"body"))
    assert (response.protocol, response.text) == ("HTTP/1.1", "over HTTP/1.1")
    assert site.protocols == ["h2", "http/1.1"]
    assert site.requests == [("HTTP/2", b"body"), ("HTTP/1.1", b"body")]


async def test_the_origin_is_remembered(world: World, site: Site) -> None:
    """Also on new connections, and for requests that could not be sent again."""
    client = site.client(world, pool_limits=http3.PoolLimits(soft_limit=0))
    assert (await do(client.get(site.url))).protocol == "HTTP/1.1"
    for _ in range(2):
        response = await do(client.post(site.url, data=iter([b"bo", b"dy"])))
        assert (response.protocol, response.text) == ("HTTP/1.1", "over HTTP/1.1")
    assert site.protocols == ["h2", "http/1.1", "http/1.1", "http/1.1"]


async def test_a_post_is_sent_again_only_if_it_was_refused(world: World, site: Site) -> None:
    """GOAWAY says what was processed; RST_STREAM with this code does not (RFC 9113 section 8.7)."""
    client = site.client(world)
    if site._decline is by_goaway:
        assert (await do(client.post(site.url, data=b"body"))).text == "over HTTP/1.1"
        assert site.requests == [("HTTP/2", b"body"), ("HTTP/1.1", b"body")]
        return
    error = await raised(http3.RemoteProtocolError, client.post, site.url, data=b"body")
    assert "HTTP_1_1_REQUIRED" in str(error)
    assert error.delivery == "maybe_processed"
    assert site.requests == [("HTTP/2", b"body")]
    assert (await do(client.post(site.url, data=b"next"))).text == "over HTTP/1.1"
    assert site.requests == [("HTTP/2", b"body"), ("HTTP/1.1", b"next")]


class Pieces:
    """A body that can be read once, for either client."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"bo", b"dy"])


@pytest.mark.parametrize("why", ["replay=False", "iterator"])
async def test_where_nothing_is_sent_again(world: World, site: Site, why: str) -> None:
    client = site.client(world, replay=why == "iterator")
    body: Any = b"body" if why == "replay=False" else iter(Pieces())
    error = await raised(http3.RemoteProtocolError, client.put, site.url, data=body)
    assert "HTTP_1_1_REQUIRED" in str(error)
    assert site.requests == [("HTTP/2", b"body")]
    assert (await do(client.get(site.url))).protocol == "HTTP/1.1"
    assert site.protocols == ["h2", "http/1.1"]


async def test_where_http11_may_not_be_spoken(world: World, site: Site) -> None:
    client = site.client(world, http_versions=("HTTP/2",))
    if site._decline is by_goaway:  # was refused, so it is sent again, in vain
        await raised(http3.RemoteProtocolError, client.get, site.url)
        assert site.protocols == ["h2", "h2"]
    else:
        error = await raised(http3.RemoteProtocolError, client.get, site.url)
        assert "HTTP_1_1_REQUIRED" in str(error)
        assert site.protocols == ["h2"]
    if site._decline is by_reset:  # of other requests nothing was said
        assert (await do(client.get(site.url + "/fine"))).text == "over HTTP/2"
        assert site.protocols == ["h2"]


async def test_a_reused_connection(world: World, site: Site) -> None:
    client = site.client(world)
    assert (await do(client.get(site.url + "/fine"))).text == "over HTTP/2"
    assert (await do(client.get(site.url))).text == "over HTTP/1.1"
    assert (await do(client.get(site.url + "/fine"))).text == "over HTTP/1.1"
    assert site.protocols == ["h2", "http/1.1"]
    assert len(site.pool.keepalive_connections) == 1


async def test_many_that_are_declined_at_once(world: World, site: Site) -> None:
    client = site.client(world)
    assert (await do(client.get(site.url + "/fine"))).text == "over HTTP/2"

    async def one() -> Any:
        return (await do(client.get(site.url))).text

    assert await world.together(*[one] * 12) == ["over HTTP/1.1"] * 12
    assert site.protocols[0] == "h2"
    assert set(site.protocols[1:]) == {"http/1.1"}
    assert site.pool.active_connections == []


async def test_those_beside_it_go_on(world: World, start_server: StartServer, authority: Authority) -> None:
    held: list[Incoming] = []

    def hold_the_first(peer: Peer, incoming: Incoming) -> None:
        if not held:
            held.append(incoming)
            peer.head(incoming.stream_id)
            return
        by_reset(peer, incoming)
        peer.data(held[0].stream_id, b"over HTTP/2", end=True)

    site = Site(start_server, authority, hold_the_first)
    client = site.client(world)
    response = await do(client.get(site.url, stream=True))
    assert (await do(client.get(site.url))).text == "over HTTP/1.1"
    assert await do(response.read()) == b"over HTTP/2"
    assert site.protocols == ["h2", "http/1.1"]
    assert site.pool.active_connections == []
    assert len(site.pool.keepalive_connections) == 1


async def test_an_answer_that_has_begun_is_cut(
    world: World, start_server: StartServer, authority: Authority
) -> None:
    def begin(peer: Peer, incoming: Incoming) -> None:
        peer.head(incoming.stream_id, 200, [("content-length", "10")])
        peer.data(incoming.stream_id, b"half")
        by_reset(peer, incoming)

    site = Site(start_server, authority, begin)
    client = site.client(world)
    await raised(http3.RemoteProtocolError, client.get, site.url)
    assert site.requests == [("HTTP/2", b"")]


async def test_a_goodbye_while_the_connection_is_idle(
    world: World, start_server: StartServer, authority: Authority
) -> None:
    """The next request need not be declined first."""

    def answer_and_go(peer: Peer, incoming: Incoming) -> None:
        peer.respond(incoming.stream_id, b"over HTTP/2")
        by_goaway(peer, Incoming(0, []))

    site = Site(start_server, authority, answer_and_go)
    client = site.client(world)
    assert (await do(client.get(site.url))).text == "over HTTP/2"
    await world.sleep(0.1)
    response = await do(client.post(site.url, data=iter(Pieces())))
    assert response.text == "over HTTP/1.1"
    assert site.protocols == ["h2", "http/1.1"]


def test_the_next_event_loop_knows_it_too(resetting: Site) -> None:
    client = http3.AsyncClient(verify=resetting.ca_file)

    async def ask() -> str:
        text: str = (await client.get(resetting.url)).text
        return text

    async def last() -> str:
        async with client:
            return await ask()

    assert asyncio.run(ask()) == "over HTTP/1.1"
    assert asyncio.run(last()) == "over HTTP/1.1"
    assert resetting.protocols == ["h2", "http/1.1", "http/1.1"]
