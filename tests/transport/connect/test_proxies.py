"""Requests through proxies: forwarded, in tunnels, by SOCKS; what proxy, target and caller see."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest

import http3
from http3_transport.testing import ScriptedConnection, ScriptedServer, response_bytes
from support.proxy_server import ProxyServer
from support.servers import Authority, Hypercorn
from support.worlds import World, do

NAMES = {"plain.example": "127.0.0.1", "secure.example": "127.0.0.1", "other.example": "127.0.0.1"}


def show_head(connection: ScriptedConnection) -> None:
    """Answer each request with its own head."""
    while True:
        request = connection.read_request()
        fields = [f"{name}: {value}" for name, value in request.headers.items()]
        lines = [f"{request.method} {request.target}", *fields]
        connection.write(response_bytes("\n".join(lines).encode()))


@pytest.fixture
def plain() -> Iterator[ScriptedServer]:
    with ScriptedServer(show_head) as server:
        yield server


@pytest.fixture
def secure_server(authority: Authority) -> Iterator[ScriptedServer]:
    with ScriptedServer(show_head, ssl_context=authority.server_context("http/1.1")) as server:
        yield server


def client_of(world: World, authority: Authority, proxy: Any, **options: Any) -> Any:
    return world.client(verify=authority.ca_file, proxy=proxy, **options)


def test_a_forwarding_proxy_gets_the_absolute_target(world: World, plain: ScriptedServer) -> None:
    async def main() -> None:
        with ProxyServer(places=NAMES) as proxy:
            client = world.client(proxy=proxy.url)
            for host in ("plain.example", "other.example"):
                response = await do(client.get(f"http://{host}:{plain.port}/a?b"))
                assert response.text.startswith("GET /a?b\n")
                assert str(response.connection.proxy) == proxy.url
            assert [asked.line for asked in proxy.asked] == [
                f"GET http://{host}:{plain.port}/a?b HTTP/1.1" for host in ("plain.example", "other.example")
            ]
            assert proxy.asked[0].fields["host"] == f"plain.example:{plain.port}"
            assert proxy.connections == 1  # one connection serves many origins
            response = await do(client.options(f"http://plain.example:{plain.port}/".rstrip("/")))
            assert response.status_code == 200

    world.run(main)


def test_a_tunnel_serves_one_origin(
    world: World, authority: Authority, secure_server: ScriptedServer
) -> None:
    async def main() -> None:
        with ProxyServer(places={**NAMES, "localhost": "127.0.0.1"}) as proxy:
            client = client_of(world, authority, proxy.url)
            port = secure_server.port
            for host in ("127.0.0.1", "127.0.0.1", "localhost"):
                response = await do(client.get(f"https://{host}:{port}/x", headers={"X-Secret": "s"}))
                assert response.text.startswith("GET /x\n")
                assert response.connection.tls_version is not None
                assert response.connection.via == {"via": "1.1 test"}
            assert [asked.line for asked in proxy.asked] == [
                f"CONNECT 127.0.0.1:{port} HTTP/1.1",
                f"CONNECT localhost:{port} HTTP/1.1",
            ]
            assert not any("x-secret" in asked.fields for asked in proxy.asked)

    world.run(main)


def test_timings_have_the_proxy(world: World, authority: Authority, secure_server: ScriptedServer) -> None:
    async def main() -> None:
        with ProxyServer() as proxy:
            client = client_of(world, authority, proxy.url)
            first, second = [await do(client.get(secure_server.url)) for _ in range(2)]
            assert None not in (first.timings.proxy, first.timings.tls, first.timings.connect)
            assert second.timings.proxy is None
            assert second.connection.via == {"via": "1.1 test"}

    world.run(main)


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_http2_in_a_tunnel(world: World, authority: Authority, hypercorn: Hypercorn, kind: str) -> None:
    async def main() -> None:
        with ProxyServer(kind) as proxy:
            client = client_of(world, authority, proxy.url)
            for _ in range(2):
                response = await do(client.get(f"{hypercorn.tls}/small"))
                assert response.protocol == "HTTP/2"
            assert proxy.connections == 1

    world.run(main)


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "closed"])
@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_credentials(
    world: World,
    authority: Authority,
    plain: ScriptedServer,
    secure_server: ScriptedServer,
    scheme: str,
    keeps: bool,
) -> None:
    async def main() -> None:
        with ProxyServer(credentials="us er:p@ss", scheme=scheme, keeps=keeps, stale=1) as proxy:
            client = client_of(world, authority, proxy.url_with("us%20er:p%40ss"))
            for server in (secure_server, plain, secure_server):
                response = await do(client.get(server.url))
                assert response.status_code == 200
                assert "proxy-authorization" not in response.text.lower()
            await do(client.post(plain.url, data=b"body"))

    world.run(main)


def test_a_refused_tunnel_is_an_error_and_a_refused_request_a_response(
    world: World, authority: Authority, plain: ScriptedServer, secure_server: ScriptedServer
) -> None:
    async def main() -> None:
        with ProxyServer(credentials="user:right") as proxy:
            client = client_of(world, authority, proxy.url_with("user:wrong"))
            with pytest.raises(http3.ProxyError) as caught:
                await do(client.get(secure_server.url))
            error = caught.value
            assert (error.status_code, error.content) == (407, b"who are you?")
            assert error.headers is not None
            assert error.headers["proxy-authenticate"] == 'Basic realm="test"'
            assert error.delivery == "not_sent"
            assert proxy.url in str(error)
            assert "wrong" not in str(error) + repr(error)
            response = await do(client.get(plain.url))
            assert response.status_code == 407
            assert plain.connections == secure_server.connections == 0

    world.run(main)


def test_a_target_that_the_proxy_can_not_reach(world: World, authority: Authority) -> None:
    async def main() -> None:
        with ProxyServer() as proxy:
            client = client_of(world, authority, proxy.url)
            with pytest.raises(http3.ProxyError, match="502 Bad Gateway: it could not reach") as caught:
                await do(client.get("https://127.0.0.1:1/"))
            assert caught.value.content == b"no way there"

    world.run(main)


def test_a_proxy_that_is_not_there(world: World) -> None:
    async def main() -> None:
        client = world.client(proxy="http://127.0.0.1:1")
        for url in ("http://plain.example/", "https://secure.example/"):
            with pytest.raises(
                http3.ProxyError, match="proxy http://127.0.0.1:1: could not connect"
            ) as caught:
                await do(client.get(url))
            assert caught.value.status_code is None
            assert caught.value.delivery == "not_sent"

    world.run(main)


def test_tls_to_the_proxy(world: World, authority: Authority, secure_server: ScriptedServer) -> None:
    async def main() -> None:
        context = authority.server_context("http/1.1")
        names: list[str | None] = []
        context.sni_callback = lambda _, name, __: names.append(name)
        with ProxyServer(tls=context, places={"localhost": "127.0.0.1"}) as proxy:
            url = f"https://localhost:{proxy.port}"
            trusted = http3.Proxy(url, verify=authority.ca_file)
            client = client_of(world, authority, trusted, network=http3.NetworkConfig(address_family=4))
            response = await do(client.get(f"https://localhost:{secure_server.port}/"))
            assert response.status_code == 200
            assert names == ["localhost"]
            # The client's authorities are not those of the proxy.
            stranger = client_of(world, authority, url, network=http3.NetworkConfig(address_family=4))
            with pytest.raises(http3.TLSError, match=f"handshake with the proxy {url} failed"):
                await do(stranger.get(secure_server.url))

    world.run(main)


def test_a_certificate_of_the_target_is_checked_in_the_tunnel(
    world: World, authority: Authority, secure_server: ScriptedServer
) -> None:
    async def main() -> None:
        with ProxyServer(places=NAMES) as proxy:
            client = client_of(world, authority, proxy.url)
            with pytest.raises(http3.TLSError, match="secure.example") as caught:
                await do(client.get(f"https://secure.example:{secure_server.port}/"))
            assert "proxy" not in str(caught.value)

    world.run(main)


@pytest.mark.parametrize("credentials", [None, "user:p@ss"])
def test_socks(
    world: World,
    authority: Authority,
    plain: ScriptedServer,
    secure_server: ScriptedServer,
    credentials: str | None,
) -> None:
    async def main() -> None:
        with ProxyServer("socks5", credentials=credentials, places=NAMES) as proxy:
            userinfo = "" if credentials is None else "user:p%40ss"
            client = client_of(world, authority, proxy.url_with(userinfo))
            response = await do(
                client.get(
                    f"http://plain.example:{plain.port}/a", headers={"Proxy-Authorization": "Basic bXk="}
                )
            )
            assert response.text.startswith("GET /a\n")
            assert "proxy-authorization" not in response.text.lower()
            assert (await do(client.get(secure_server.url))).status_code == 200
            assert [asked.line for asked in proxy.asked] == [
                f"SOCKS plain.example:{plain.port}",
                f"SOCKS 127.0.0.1:{secure_server.port}",
            ]

    world.run(main)


def test_socks5_looks_up_here(world: World, plain: ScriptedServer) -> None:
    async def main() -> None:
        with ProxyServer("socks5", places=NAMES) as proxy:
            network = http3.NetworkConfig(resolver={"plain.example": ["127.0.0.2", "127.0.0.1"]})
            client = world.client(proxy=proxy.url_with("", "socks5"), network=network)
            response = await do(client.get(f"http://plain.example:{plain.port}/"))
            assert response.status_code == 200
            # Nothing listens at the first address.
            assert [asked.target for asked in proxy.asked] == [
                f"127.0.0.2:{plain.port}",
                f"127.0.0.1:{plain.port}",
            ]
            assert f"host: plain.example:{plain.port}" in response.text.lower()

    world.run(main)


def test_socks_refusals_have_their_own_sentences(world: World) -> None:
    async def main() -> None:
        with ProxyServer("socks5", credentials="user:right") as proxy:
            for userinfo, said in (("", "it wants credentials"), ("user:wrong", "does not accept user name")):
                client = world.client(proxy=proxy.url_with(userinfo))
                with pytest.raises(http3.ProxyError, match=said) as caught:
                    await do(client.get("http://127.0.0.1:1/"))
                assert caught.value.status_code is None
            client = world.client(proxy=proxy.url_with("user:right"))
            with pytest.raises(http3.ProxyError, match="the target refused the connection"):
                await do(client.get("http://127.0.0.1:1/"))

    world.run(main)


def test_by_hand_it_goes_to_the_proxy_alone(
    world: World, authority: Authority, plain: ScriptedServer, secure_server: ScriptedServer
) -> None:
    async def main() -> None:
        by_hand = {"Proxy-Authorization": "Basic bXk6b3du"}
        with ProxyServer(credentials="my:own") as proxy:
            client = client_of(world, authority, proxy.url_with("user:pass"))
            for server in (plain, secure_server):
                response = await do(client.get(server.url, headers=by_hand))
                assert response.status_code == 200
                assert "proxy-authorization" not in response.text.lower()
            with pytest.raises(http3.ProxyError):  # nor does its connection serve others
                await do(client.get(secure_server.url))
            direct = await do(client.get(plain.url, headers=by_hand, proxy=False))
            assert direct.connection.proxy is None
            assert "proxy-authorization" not in direct.text.lower()

    world.run(main)


def test_redirects_choose_anew_and_false_holds_for_all(world: World, plain: ScriptedServer) -> None:
    def redirect(connection: ScriptedConnection) -> None:
        while True:
            connection.read_request()
            location = f"http://other.example:{plain.port}/to"
            connection.write(response_bytes(b"", status="302 Found", headers={"Location": location}))

    async def main() -> None:
        network = http3.NetworkConfig(resolver=dict.fromkeys(NAMES, "127.0.0.1"))
        with ProxyServer(places=NAMES) as proxy, ScriptedServer(redirect) as first:
            rules = {"all://other.example": proxy.url}
            client = world.client(proxy=rules, network=network)
            url = f"http://plain.example:{first.port}/from"
            response = await do(client.get(url))
            assert response.url == f"http://other.example:{plain.port}/to"
            assert [asked.target for asked in proxy.asked] == [str(response.url)]
            assert (await do(client.get(url, proxy=False))).connection.proxy is None
            assert len(proxy.asked) == 1
            assert (await do(client.get(url, proxy=proxy.url))).history[0].connection.proxy is not None
            assert len(proxy.asked) == 3
            assert client.proxy_for("http://other.example/") == http3.Proxy(proxy.url)
            assert client.proxy_for("http://plain.example/") is None

    world.run(main)


def test_the_environment(world: World, plain: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with ProxyServer(places=NAMES) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "other.example")
            client = world.client()
            monkeypatch.delenv("http_proxy")
            url = f"http://plain.example:{plain.port}/"
            assert (await do(client.get(url))).connection.proxy is not None
            assert (await do(client.get(plain.url))).connection.proxy is None  # loopback
            assert client.proxy_for("http://other.example") is None
            monkeypatch.setenv("http_proxy", proxy.url)
            assert world.client(trust_env=False).proxy_for(url) is None
            assert world.client(proxy=False).proxy_for(url) is None
            assert world.client(proxy={"https": "http://p"}).proxy_for(url) is None
            monkeypatch.setenv("http_proxy", "socks4://p")
            client = world.client()
            with pytest.raises(
                http3.ProxyError, match="environment variable http_proxy: .*'socks4'"
            ) as caught:
                await do(client.get(url))
            assert caught.value.delivery == "not_sent"
            assert (await do(client.get(plain.url))).status_code == 200

    world.run(main)


def test_an_egress_policy(world: World, authority: Authority, plain: ScriptedServer) -> None:
    async def main() -> None:
        with ProxyServer(places=NAMES) as proxy, ProxyServer("socks5", places=NAMES) as socks:
            url = f"http://plain.example:{plain.port}/"
            client = world.client(proxy=proxy.url, egress=http3.EgressPolicy(allow=["127.0.0.1"]))
            with pytest.raises(http3.AddressRefused, match="trusted_proxies"):
                await do(client.get(url))
            trusting = http3.EgressPolicy(trusted_proxies=True)
            client = world.client(proxy=proxy.url, egress=trusting)
            assert (await do(client.get(url))).status_code == 200
            network = http3.NetworkConfig(resolver={"plain.example": "127.0.0.1"})
            client = world.client(proxy=socks.url_with("", "socks5"), egress=trusting, network=network)
            with pytest.raises(http3.AddressRefused, match="127.0.0.1"):
                await do(client.get(url))
            assert not socks.asked
            client = world.client(proxy=proxy.url, egress=http3.EgressPolicy())
            with pytest.raises(http3.AddressRefused):
                await do(client.get(url))

    world.run(main)


def test_prior_knowledge_can_not_be_forwarded(world: World) -> None:
    async def main() -> None:
        with ProxyServer() as proxy:
            client = world.client(proxy=proxy.url, http_versions=("HTTP/2",))
            with pytest.raises(http3.ProxyError, match="over HTTP/1.1, which http_versions excludes"):
                await do(client.get("http://127.0.0.1:1/"))
            assert proxy.connections == 0

    world.run(main)


BROKEN = {
    "garbage": (b"what?\r\n\r\n", "status line of the response is malformed"),
    "nothing": (b"", "closed the connection"),
    "half a head": (b"HTTP/1.1 200 OK\r\nX:", "in the middle"),
    "too early": (b"HTTP/1.1 200 OK\r\n\r\nhello", "bytes behind its answer"),
    "a switch": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101"),
    "too large": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2_000_000 + b"\r\n\r\n", "max_head_size"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_answers_to_connect(world: World, name: str) -> None:
    answer, said = BROKEN[name]

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(answer)

    async def main() -> None:
        with ScriptedServer(script) as proxy:
            client = world.client(proxy=proxy.url)
            with pytest.raises(http3.ProxyError, match=said) as caught:
                await do(client.get("https://secure.example/"))
            assert caught.value.delivery == "not_sent"
            assert f"proxy {proxy.url}" in str(caught.value)

    world.run(main)


def test_http10_answers_and_lengths_that_do_not_count(
    world: World, authority: Authority, secure_server: ScriptedServer
) -> None:
    class Old(ProxyServer):
        greeting = b"HTTP/1.0 200 Connection established\r\nContent-Length: 5\r\n\r\n"

    async def main() -> None:
        with Old() as proxy:
            client = client_of(world, authority, proxy.url)
            assert (await do(client.get(secure_server.url))).status_code == 200

    world.run(main)


def test_a_proxy_that_says_nothing(world: World) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.stall()

    async def main() -> None:
        with ScriptedServer(script) as proxy:
            client = world.client(proxy=proxy.url, timeout=http3.TimeoutConfig(5, connect_timeout=0.2))
            with pytest.raises(http3.ConnectTimeout) as caught:
                await do(client.get("https://secure.example/"))
            assert caught.value.delivery == "not_sent"

    world.run(main)


def test_contexts_of_the_caller_are_for_the_target(
    world: World, authority: Authority, secure_server: ScriptedServer
) -> None:
    async def main() -> None:
        context = ssl.create_default_context(cafile=authority.ca_file)
        with ProxyServer() as proxy:
            client = world.client(verify=context, proxy=proxy.url)
            assert (await do(client.get(secure_server.url))).status_code == 200

    world.run(main)


@pytest.mark.parametrize("way", ["forwarded", "tunnel", "socks", "direct"])
def test_what_is_for_a_proxy_never_reaches_a_server(
    world: World,
    authority: Authority,
    plain: ScriptedServer,
    secure_server: ScriptedServer,
    way: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In no chain of redirects; nor is it in any text."""

    def redirect(connection: ScriptedConnection) -> None:
        while True:
            location = connection.read_request().target.partition("?")[2]
            connection.write(response_bytes(b"", status="302 Found", headers={"Location": location}))

    async def main() -> None:
        with (
            ProxyServer(credentials="user:hunter2") as http,
            ProxyServer("socks5", credentials="user:hunter2") as socks,
            ScriptedServer(redirect) as clear,
            ScriptedServer(redirect, ssl_context=authority.server_context("http/1.1")) as secure,
        ):
            proxies = {"socks": socks.url_with("user:hunter2"), "direct": False}
            client = client_of(world, authority, proxies.get(way, http.url_with("user:hunter2")))
            first = {"forwarded": clear, "tunnel": secure}.get(way, clear)
            for headers in ({}, {"Proxy-Authorization": "Basic dXNlcjpodW50ZXIy"}):
                for target in (plain.url, secure_server.url):
                    response = await do(client.get(f"{first.url}/?{target}", headers=headers))
                    if response.status_code != 407:  # what was by hand is not sent again
                        assert "proxy-authorization" not in response.text.lower()
                    shown = repr(response) + repr(response.connection) + repr(client) + repr(response.request)
                    assert "hunter2" not in shown
            assert "hunter2" not in caplog.text
            assert "dXNlcjpodW50ZXIy" not in caplog.text

    with caplog.at_level("DEBUG"):
        world.run(main)
