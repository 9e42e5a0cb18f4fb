"""Bad input and bad servers: the documented exception, a sentence that helps, a client that goes on."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import h2.exceptions
import h11
import pytest
from hyperframe.frame import DataFrame, HeadersFrame, SettingsFrame

import http3
from support.http2_peer import Peer
from support.servers import answer, answering, free_port, read_request
from support.worlds import Site, World, do, raised

FOREIGN = (h11.ProtocolError, h2.exceptions.H2Error, ssl.SSLError)


async def fine(client: Any, site: Site) -> None:
    """The client serves the next request."""
    assert (await do(client.get(site.url + "/json"))).status_code == 200


URLS = [
    "",
    "example.org",
    "//example.org",
    "http://",
    "http:///path",
    "http:/example.org",
    "http:example.org",
    "http://exa mple.org",
    "http://example.org:99999",
    "http://example.org:port",
    "http://[::1",
    "http://[nonsense]/",
    "http://ex\\ample.org/",
    "http://example.org/a\r\nb",
    "http://example.org/\ttab",
    "http://" + "a" * 64 + ".org",
    "http://exam\x00ple.org",
    "http://a..b/",
]


@pytest.mark.parametrize("url", URLS)
async def test_malformed_urls(world: World, plain: Site, url: str) -> None:
    client = world.client(plain)
    error = await raised(http3.InvalidURL, lambda: client.get(url))
    assert isinstance(error, ValueError)
    assert isinstance(error, http3.Http3Error)
    assert len(str(error)) > 10
    with pytest.raises(http3.InvalidURL):
        http3.URL(url)
    await fine(client, plain)


@pytest.mark.parametrize("url", ["ftp://example.org/", "file:///etc/passwd", "ws://example.org/", "data:,x"])
async def test_other_schemes(world: World, plain: Site, url: str) -> None:
    client = world.client(plain)
    error = await raised(http3.InvalidURL, lambda: client.get(url))
    if "://" in url and not url.startswith("file:"):
        assert isinstance(error, http3.UnsupportedProtocol)
    assert url.partition(":")[0] in str(error)
    await fine(client, plain)


CTL = ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"]


@pytest.mark.parametrize("value", CTL)
async def test_cr_lf_and_nul_are_refused(world: World, two_ways: Site, value: str) -> None:
    client = world.client(two_ways)
    url = two_ways.url + "/echo"
    for call in (
        lambda: client.get(url, headers={"X-Test": value}),
        lambda: client.get(url, headers={value: "x"}),
        lambda: client.get(url, headers={b"x-test": value.encode()}),
        lambda: client.request("GET " + value, url),
        lambda: client.get(url, headers={"Host": value}),
        lambda: client.get(url, headers={"Cookie": "a=" + value}),
    ):
        error = await raised((http3.LocalProtocolError, ValueError), call)
        assert len(str(error)) > 10
        assert getattr(error, "delivery", None) in (None, "not_sent")
    named = await raised(http3.LocalProtocolError, lambda: client.get(url, headers={"X-Test": value}))
    assert "x-test" in str(named).lower()
    await fine(client, two_ways)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é", "(x)"])
async def test_header_names_that_are_no_tokens(world: World, two_ways: Site, name: str) -> None:
    client = world.client(two_ways)
    await raised(
        (http3.LocalProtocolError, ValueError),
        lambda: client.get(two_ways.url + "/echo", headers={name: "x"}),
    )
    await fine(client, two_ways)


@pytest.mark.parametrize("method", ["", "GE T", "G\r\nET", "GÉT"])
async def test_methods_that_are_no_tokens(world: World, two_ways: Site, method: str) -> None:
    client = world.client(two_ways)
    error = await raised(
        (http3.LocalProtocolError, ValueError),
        lambda: client.request(method, two_ways.url + "/echo"),
    )
    assert "method" in str(error).lower()
    await fine(client, two_ways)


WRONG: list[tuple[str, Any]] = [
    ("headers", 42),
    ("headers", {"a": 1.5}),
    ("headers", "a: b"),
    ("params", 42),
    ("cookies", 42),
    ("cookies", "a=b"),
    ("timeout", "soon"),
    ("auth", 42),
    ("data", 42),
    ("files", 42),
    ("files", "name"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
async def test_wrong_types_name_the_argument(world: World, plain: Site, name: str, value: Any) -> None:
    client = world.client(plain)
    error = await raised(
        (TypeError, ValueError),
        lambda: client.post(plain.url + "/echo", **{name: value}),
    )
    assert name.rstrip("s") in str(error).lower(), str(error)
    await fine(client, plain)


@pytest.mark.parametrize("url", [42, None, b"http://example.org", ["http://example.org"]])
async def test_urls_of_wrong_types(world: World, plain: Site, url: Any) -> None:
    client = world.client(plain)
    error = await raised(TypeError, lambda: client.get(url))
    assert "url" in str(error).lower()
    await fine(client, plain)


async def test_unknown_options(world: World, plain: Site) -> None:
    client = world.client(plain)
    error = await raised(TypeError, lambda: client.get(plain.url, colour="red"))
    assert "colour" in str(error)
    assert "colour" in str(await raised(TypeError, lambda: world.client_class(colour="red")))


async def test_refused_connections(world: World, plain: Site) -> None:
    client = world.client(plain)
    url = f"http://127.0.0.1:{free_port()}/path"
    error = await raised(http3.ConnectError, lambda: client.get(url))
    assert isinstance(error, http3.NetworkError)
    assert isinstance(error.__cause__, OSError)
    assert not isinstance(error, OSError)
    assert url in str(error)
    assert "refused" in str(error).lower()
    assert error.delivery == "not_sent"
    assert error.request.method == "GET"
    await fine(client, plain)


async def test_names_that_do_not_resolve(world: World, plain: Site) -> None:
    client = world.client(plain)
    for host in ("nowhere.invalid", "xn--nowhere-9xa.invalid"):
        error = await raised(http3.ConnectError, client.get, f"http://{host}/")
        assert host in str(error)
        assert error.delivery == "not_sent"
    await fine(client, plain)


HTTP11 = {
    "nothing": b"",
    "rubbish": b"what is this?\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.0\r\n",
    "bad status": b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nrubbish\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length no number": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "unknown transfer coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: martian\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2 preface": b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-Padding: %s\r\n" % (b"x" * 1000) * 400 + b"\r\n",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "endless line": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400_000,
    "informational flood": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000,
}


@pytest.mark.parametrize("case", HTTP11)
async def test_malformed_http11(world: World, plain: Site, raw_server: Any, case: str) -> None:
    server = raw_server(answering(HTTP11[case]))
    client = world.client(plain)
    error = await raised(http3.TransportError, lambda: client.post(server.url + "/x", data=b"x"))
    assert isinstance(error, http3.RemoteProtocolError), repr(error)
    assert server.url in str(error)
    assert "POST" in str(error)
    assert not isinstance(error, FOREIGN)
    await fine(client, plain)


def goaway(peer: Peer) -> None:
    peer.request()
    peer.h2.close_connection(error_code=2)
    peer.flush()
    peer.socket.shutdown(socket.SHUT_RDWR)


def bad_frame(peer: Peer) -> None:
    peer.request()
    peer.frame(DataFrame(1, b"before any head"))


def bad_headers(peer: Peer) -> None:
    request = peer.request()
    frame = HeadersFrame(request.stream_id, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
    frame.flags.add("END_HEADERS")
    peer.frame(frame)


def no_status(peer: Peer) -> None:
    request = peer.request()
    peer.h2.send_headers(request.stream_id, [("x", "y")], end_stream=True)
    peer.flush()


def upper_case(peer: Peer) -> None:
    peer.head(peer.request().stream_id, 200, [("X-Upper", "y")], end=True)


def line_feed(peer: Peer) -> None:
    peer.head(peer.request().stream_id, 200, [("x", "a\nb")], end=True)


def bad_settings(peer: Peer) -> None:
    peer.request()
    frame = SettingsFrame(0)
    frame.settings = {4: 0x7FFFFFFF + 1}
    peer.frame(frame)


def reset(peer: Peer) -> None:
    request = peer.request()
    peer.h2.reset_stream(request.stream_id, 1)
    peer.flush()


def leave(peer: Peer) -> None:
    peer.request()
    peer.socket.shutdown(socket.SHUT_RDWR)


HTTP2 = [goaway, bad_frame, bad_headers, no_status, upper_case, line_feed, bad_settings, reset, leave]


@pytest.mark.parametrize("case", HTTP2, ids=lambda case: case.__name__)
async def test_malformed_http2(world: World, sites: dict[str, Site], raw_server: Any, case: Any) -> None:
    def script(connection: socket.socket) -> None:
        peer = Peer(connection)
        case(peer)
        try:
            peer.until_closed()
        except h2.exceptions.ProtocolError:
            pass

    server = raw_server(script)
    client = world.client(sites["h2-prior"])
    error = await raised(http3.TransportError, lambda: client.post(server.url + "/x", data=b"x"))
    assert isinstance(error, http3.RemoteProtocolError), repr(error)
    assert server.url in str(error)
    assert not isinstance(error, FOREIGN)
    await fine(client, sites["h2-prior"])


async def test_prior_knowledge_with_a_server_that_speaks_http11(world: World, raw_server: Any) -> None:
    def no_h2(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer(b"", status="400 Bad Request"))

    server = raw_server(no_h2)
    client = world.client(http_versions=("HTTP/2",))
    error = await raised(http3.RemoteProtocolError, lambda: client.get(server.url))
    assert server.url in str(error)


async def test_a_reset_connection(world: World, plain: Site, raw_server: Any) -> None:
    def abort(connection: socket.socket) -> None:
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    server = raw_server(abort)
    client = world.client(plain)
    error = await raised(http3.TransportError, lambda: client.post(server.url, data=b"x"))
    assert isinstance(error, (http3.ReadError, http3.WriteError, http3.RemoteProtocolError))
    assert server.url in str(error)
    assert error.delivery == "maybe_processed"
    await fine(client, plain)


async def test_credentials_never_show(world: World, plain: Site) -> None:
    port = free_port()
    url = f"http://user:hunter2@127.0.0.1:{port}/x"
    client = world.client(plain, timeout=0.2)
    slow = plain.url.replace("://", "://user:hunter2@")
    for call, kind in (
        (lambda: client.get(url), http3.ConnectError),
        (lambda: client.get(slow + "/delay/3"), http3.ReadTimeout),
        (lambda: client.get(slow + "/loop"), http3.RedirectLoop),
        (
            lambda: client.get(slow + "/echo", headers={"Authorization": "hunter2\n"}),
            http3.LocalProtocolError,
        ),
        (lambda: client.get("http://user:hunter2@exa mple/"), http3.InvalidURL),
        (lambda: client.get("http://user:hunter2@h:99999/"), http3.InvalidURL),
    ):
        error = await raised(kind, call)
        chain: BaseException | None = error
        while chain is not None:
            assert "hunter2" not in str(chain), chain
            assert "hunter2" not in repr(chain), chain
            chain = chain.__cause__
    response = await do(client.get(slow + "/status/404"))
    with pytest.raises(http3.HttpError) as caught:
        response.raise_for_status()
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(response.request)
    assert "hunter2" not in repr(response.request.headers)


def test_a_request_error_without_a_request() -> None:
    with pytest.raises(RuntimeError):
        http3.ReadTimeout("made by hand").request  # noqa: B018
