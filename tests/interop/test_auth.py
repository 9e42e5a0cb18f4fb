"""Authentication on real servers (RFC 7617, RFC 6750, RFC 7616)."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any

import http3
from support.servers import Nginx
from support.worlds import Site, World, do


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_basic(world: World, site: Site) -> None:
    url = site.url + "/basic-auth"
    assert (await do(world.client(site).get(url))).status_code == 401
    assert (await do(world.client(site).get(url, auth=("user", "secret")))).status_code == 200
    assert (await do(world.client(site, auth=("user", "secret")).get(url))).status_code == 200
    assert (await do(world.client(site, auth=("user", "wrong")).get(url))).status_code == 401


async def test_basic_on_nginx(world: World, nginx: Nginx) -> None:
    client = world.client(auth=http3.BasicAuth("user", "secret"))
    assert (await do(client.get(nginx.plain + "/basic"))).content == b"hello\n"


async def test_user_and_password_in_the_url(world: World, site: Site) -> None:
    url = site.url.replace("://", "://us%40er:p%3A%C3%A9@") + "/echo"
    response = await do(world.client(site).get(url))
    echo = await do(response.json())
    assert dict(echo["headers"])["authorization"] == basic("us@er", "p:é")
    assert "us" not in dict(echo["headers"])["host"]
    assert "p%3A" not in repr(response.url)


async def test_bearer(world: World, site: Site) -> None:
    client = world.client(site)
    assert (await do(client.get(site.url + "/bearer"))).status_code == 401
    assert (await do(client.get(site.url + "/bearer", auth=http3.BearerAuth("token")))).status_code == 200


async def test_a_flow_reads_plain_responses(world: World, site: Site) -> None:
    class Token(http3.Auth):
        """Asks another address for the token."""

        requires_response_body = True

        def auth_flow(self, request: Any) -> Generator[Any, http3.Response, None]:
            assert isinstance(request, http3.Request)
            asked = http3.Request("GET", site.url + "/echo", headers={"X-Token": "token"})
            echo = (yield asked).json()
            request.headers["Authorization"] = "Bearer " + dict(echo["headers"])["x-token"]
            yield request

    response = await do(world.client(site, auth=Token()).get(site.url + "/bearer"))
    assert response.status_code == 200
    assert isinstance(response, world.response_class)


async def test_digest_on_every_protocol(world: World, site: Site) -> None:
    client = world.client(site, auth=http3.DigestAuth("user", "secret"))
    for number in ("00000001", "00000002", "00000003"):
        response = await do(client.post(site.url + "/digest?qop=auth", data={"a": "1"}))
        assert (await do(response.json()))["nc"] == number


async def test_auth_stays_at_the_first_origin(world: World, site: Site) -> None:
    for auth in (("user", "secret"), http3.BearerAuth("token")):
        client = world.client(site, auth=auth)
        there = await do(client.get(site.url + "/redirect-to", params={"url": site.other + "/echo"}))
        assert there.url.port == http3.URL(site.other).port
        assert "authorization" not in dict((await do(there.json()))["headers"])
        here = await do(client.get(site.url + "/redirect-to", params={"url": "/echo"}))
        assert "authorization" in dict((await do(here.json()))["headers"])
