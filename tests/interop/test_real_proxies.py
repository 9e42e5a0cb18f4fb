"""Through proxies as people run them: squid, tinyproxy, dante, haproxy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import http3
from support.real_proxies import PASSWORD, USER, RealProxies, real_proxies
from support.servers import BIG_SIZE, Authority, Nginx
from support.worlds import World, do

pytestmark = pytest.mark.thorough

WAYS = ["tinyproxy", "tinyproxy_basic", "squid_basic", "squid_digest", "dante", "tls"]
AUTH = (USER, PASSWORD)


@pytest.fixture(scope="module")
def proxies(authority: Authority) -> Iterator[RealProxies]:
    with real_proxies(authority) as found:
        yield found


def proxy_of(proxies: RealProxies, way: str, authority: Authority, auth: Any = AUTH) -> http3.Proxy:
    needs = way.endswith(("basic", "digest"))
    return http3.Proxy(getattr(proxies, way), auth=auth if needs else None, verify=authority.ca_file)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", ["plain", "tls", "tls_h2"])
def test_requests_of_all_kinds(
    world: World, proxies: RealProxies, nginx: Nginx, authority: Authority, way: str, target: str
) -> None:
    url = getattr(nginx, target)

    async def main() -> None:
        # Proxies close connections as they like; what can't be sent again must not meet that.
        closes = target == "plain" and way != "dante"
        limits = http3.PoolLimits(soft_limit=0 if closes else 10)
        proxy = proxy_of(proxies, way, authority)
        client = world.client(proxy=proxy, verify=authority.ca_file, pool_limits=limits)
        for number in range(3):
            response = await do(client.get(f"{url}/echo?{number}"))
            echoed = await do(response.json())
            assert echoed["uri"] == f"/echo?{number}"
            assert response.protocol == ("HTTP/2" if target == "tls_h2" else "HTTP/1.1")
            assert response.connection.proxy is not None
        assert (await do(client.post(f"{url}/sink", data=bytes(300_000)))).text == "taken\n"
        # An iterator can't be sent again, as a challenge on a new connection would have it.
        pieces: Any = [b"x" * 70_000] * 4
        pieces = b"".join(pieces) if way == "squid_digest" else iter(pieces)
        assert (await do(client.put(f"{url}/files/{way}-{target}", data=pieces))).status_code in (201, 204)
        assert len((await do(client.get(f"{url}/files/{way}-{target}"))).content) == 280_000
        big = await do(client.get(f"{url}/big"))
        assert big.content == nginx.big_file.read_bytes()
        assert len(big.content) == BIG_SIZE
        response = await do(client.get(f"{url}/redirect"))
        assert response.text == "hello\n"

    world.run(main)


@pytest.mark.parametrize("way", WAYS)
def test_many_at_a_time(
    world: World, proxies: RealProxies, nginx: Nginx, authority: Authority, way: str
) -> None:
    async def main() -> None:
        limits = http3.PoolLimits(hard_limit=20, pool_timeout=30)
        proxy = proxy_of(proxies, way, authority)
        client = world.client(proxy=proxy, verify=authority.ca_file, pool_limits=limits, timeout=30)

        def action(number: int) -> Any:
            async def one() -> str:
                url = (nginx.plain, nginx.tls_h2)[number % 2]
                response = await do(client.get(f"{url}/echo?{number}"))
                uri: str = (await do(response.json()))["uri"]
                return uri

            return one

        found = await world.together(*map(action, range(60)))
        assert found == [f"/echo?{number}" for number in range(60)]

    world.run(main)


@pytest.mark.parametrize("way", ["tinyproxy_basic", "squid_basic", "squid_digest"])
@pytest.mark.parametrize("auth", [None, (USER, "wrong")], ids=["none", "wrong"])
def test_wrong_credentials(
    world: World, proxies: RealProxies, nginx: Nginx, authority: Authority, way: str, auth: Any
) -> None:
    async def main() -> None:
        client = world.client(proxy=proxy_of(proxies, way, authority, auth), verify=authority.ca_file)
        with pytest.raises(http3.ProxyError) as caught:
            await do(client.get(f"{nginx.tls}/small"))
        error = caught.value
        assert error.status_code in (401, 407)
        assert error.headers is not None
        assert error.content
        assert error.delivery is http3.Delivery.NOT_SENT
        response = await do(client.get(f"{nginx.plain}/small"))
        assert response.status_code == error.status_code
        assert response.text != "hello\n"

    world.run(main)


def test_what_a_proxy_forbids_or_can_not_reach(
    world: World, proxies: RealProxies, authority: Authority
) -> None:
    async def main() -> None:
        client = world.client(proxy=proxy_of(proxies, "squid_basic", authority))
        with pytest.raises(http3.ProxyError, match="403") as caught:
            await do(client.get("https://forbidden.example/"))
        assert b"ERR_ACCESS_DENIED" in (caught.value.content or b"")
        assert (await do(client.get("http://forbidden.example/"))).status_code == 403
        for way, said in (("squid_basic", "503|502"), ("tinyproxy", "50"), ("dante", "target refused")):
            client = world.client(proxy=proxy_of(proxies, way, authority))
            with pytest.raises(http3.ProxyError, match=said):
                await do(client.get("https://127.0.0.1:1/"))

    world.run(main)


def test_the_certificate_of_the_proxy(
    world: World, proxies: RealProxies, nginx: Nginx, authority: Authority
) -> None:
    async def main() -> None:
        for proxy in (proxies.tls, http3.Proxy(proxies.tls, verify=authority.stranger_ca_file)):
            client = world.client(proxy=proxy, verify=authority.ca_file)
            with pytest.raises(http3.TLSError, match="handshake with the proxy"):
                await do(client.get(f"{nginx.tls}/small"))

    world.run(main)


def test_socks5_and_names(world: World, proxies: RealProxies, nginx: Nginx) -> None:
    async def main() -> None:
        for scheme in ("socks5", "socks5h"):
            url = proxies.dante.replace("socks5h", scheme)
            client = world.client(proxy=url, network=http3.NetworkConfig(address_family=4))
            response = await do(client.get(nginx.plain.replace("127.0.0.1", "localhost") + "/small"))
            assert response.text == "hello\n"

    world.run(main)
