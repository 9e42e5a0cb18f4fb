"""Authentication on real servers (api.md section 5)."""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any

import pytest

import http3
from support.servers import Nginx
from support.worlds import Site, World, do, raised


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def sent(client: Any, url: str, **options: Any) -> str | None:
    """The Authorization header that arrived."""
    echo = await do((await do(client.get(url, **options))).json())
    return dict(echo["headers"]).get("authorization")


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


async def test_order_of_request_client_and_url(world: World, plain: Site) -> None:
    url = plain.url + "/echo"
    in_url = plain.url.replace("://", "://u:p@") + "/echo"
    client = world.client(auth=("client", "c"))
    assert await sent(client, in_url) == basic("client", "c")
    assert await sent(client, in_url, auth=("request", "r")) == basic("request", "r")
    assert await sent(client, url, headers={"Authorization": "by hand"}) == "by hand"
    both = {"headers": {"Authorization": "by hand"}, "auth": ("request", "r")}
    assert await sent(client, url, **both) == basic("request", "r")


@pytest.mark.parametrize(
    "auth",
    [
        ("ü", "ß"),
        http3.BasicAuth("ü", "ß"),
        http3.HTTPBasicAuth("ü", "ß"),
    ],
)
async def test_basic_is_utf8(world: World, plain: Site, auth: Any) -> None:
    assert await sent(world.client(plain, auth=auth), plain.url + "/echo") == basic("ü", "ß")


async def test_bearer(world: World, site: Site) -> None:
    client = world.client(site)
    assert (await do(client.get(site.url + "/bearer"))).status_code == 401
    assert (await do(client.get(site.url + "/bearer", auth=http3.BearerAuth("token")))).status_code == 200


async def test_a_callable(world: World, plain: Site) -> None:
    def custom_auth(request: Any) -> Any:
        request.headers["Authorization"] = "Bearer token"
        return request

    assert await sent(world.client(plain, auth=custom_auth), plain.url + "/echo") == "Bearer token"
    assert (await do(world.client(plain).get(plain.url + "/bearer", auth=custom_auth))).status_code == 200


async def test_auth_base_of_0_6_7(world: World, plain: Site) -> None:
    class Token(http3.AuthBase):
        def __call__(self, request: Any) -> Any:
            request.headers["Authorization"] = "Bearer token"
            return request

    assert (await do(world.client(plain, auth=Token()).get(plain.url + "/bearer"))).status_code == 200


async def test_a_flow_of_several_requests(world: World, two_ways: Site) -> None:
    class Login(http3.Auth):
        """Fetches a token at the first 401."""

        logins = 0

        def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
            response = yield request
            if response.status_code == 401:
                Login.logins += 1
                request.headers["Authorization"] = "Bearer token"
                yield request

    client = world.client(two_ways, auth=Login())
    response = await do(client.get(two_ways.url + "/bearer"))
    assert response.status_code == 200
    assert await do(response.json()) == {"token": "token"}
    assert Login.logins == 1


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


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"])
@pytest.mark.parametrize("qop", ["auth", "none", "auth,auth-int"])
async def test_digest(world: World, plain: Site, algorithm: str, qop: str) -> None:
    if qop == "none" and algorithm.endswith("-sess"):
        return
    client = world.client(plain, auth=http3.DigestAuth("user", "secret"))
    url = f"{plain.url}/digest?algorithm={algorithm}&qop={qop}&x=%2F"
    for _ in range(3):
        response = await do(client.get(url))
        assert response.status_code == 200, (response.status_code, response.request.headers)
        assert (await do(response.json()))["user"] == "user"


async def test_digest_on_every_protocol(world: World, site: Site) -> None:
    client = world.client(site, auth=http3.DigestAuth("user", "secret"))
    for number in ("00000001", "00000002", "00000003"):
        response = await do(client.post(site.url + "/digest?qop=auth", data={"a": "1"}))
        assert (await do(response.json()))["nc"] == number


async def test_digest_with_a_wrong_password_ends(world: World, plain: Site) -> None:
    client = world.client(plain, auth=http3.DigestAuth("user", "wrong"))
    assert (await do(client.get(plain.url + "/digest"))).status_code == 401


async def test_digest_auth_int_covers_the_body(world: World, plain: Site) -> None:
    auth = http3.DigestAuth("user", "secret")
    response = await do(world.client(plain).post(plain.url + "/digest?qop=auth-int", data=b"abc", auth=auth))
    assert response.status_code == 200
    assert (await do(response.json()))["qop"] == "auth-int"


async def test_digest_takes_a_new_nonce_when_the_old_is_stale(world: World, plain: Site) -> None:
    client = world.client(plain, auth=http3.DigestAuth("user", "secret"))
    for _ in range(3):
        assert (await do(client.get(plain.url + "/digest?stale=1"))).status_code == 200


async def test_digest_of_a_body_that_cannot_be_sent_twice(world: World, plain: Site) -> None:
    client = world.client(plain, auth=http3.DigestAuth("user", "secret"))
    error = await raised(
        http3.Http3Error, lambda: client.post(plain.url + "/digest", data=iter([b"a", b"b"]))
    )
    assert isinstance(error, (http3.RedirectBodyUnavailable, http3.StreamConsumed))
    assert plain.url + "/digest" in str(error)


async def test_auth_stays_at_the_first_origin(world: World, site: Site) -> None:
    for auth in (("user", "secret"), http3.BearerAuth("token")):
        client = world.client(site, auth=auth)
        there = await do(client.get(site.url + "/redirect-to", params={"url": site.other + "/echo"}))
        assert there.url.port == http3.URL(site.other).port
        assert "authorization" not in dict((await do(there.json()))["headers"])
        here = await do(client.get(site.url + "/redirect-to", params={"url": "/echo"}))
        assert "authorization" in dict((await do(here.json()))["headers"])


async def test_a_header_that_auth_added_stays_at_the_first_origin(world: World, two_ways: Site) -> None:
    def sign(request: Any) -> Any:
        request.headers["X-My-Signature"] = "signed"
        return request

    client = world.client(two_ways, auth=sign)
    there = await do(client.get(two_ways.url + "/redirect-to", params={"url": two_ways.other + "/echo"}))
    assert "x-my-signature" not in dict((await do(there.json()))["headers"])


@pytest.mark.parametrize("auth", [42, "user:secret", ("user",), ("a", "b", "c"), ("user", None)])
async def test_wrong_types(world: World, plain: Site, auth: Any) -> None:
    error = await raised((TypeError, ValueError), lambda: world.client().get(plain.url, auth=auth))
    assert "auth" in str(error) or "password" in str(error)


def test_reprs_hide_the_secrets() -> None:
    for auth in (
        http3.BasicAuth("user", "hunter2"),
        http3.BearerAuth("hunter2"),
        http3.DigestAuth("user", "hunter2"),
    ):
        assert "hunter2" not in repr(auth)
    assert "hunter2" not in repr(http3.Client(auth=("user", "hunter2")))
