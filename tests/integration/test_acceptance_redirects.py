"""Redirects on real servers (api.md section 4)."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote

import pytest

import http3
from support.servers import Nginx, answer, answering
from support.worlds import Site, World, do, raised


def bounce(site: Site, to: str, status: int = 302, **parameters: str) -> str:
    """A URL that redirects to another."""
    more = "".join(f"&{name}={quote(value, safe='')}" for name, value in parameters.items())
    return f"{site.url}/bounce?to={quote(to, safe='')}&status={status}{more}"


async def echo_of(response: Any) -> dict[str, Any]:
    echo: dict[str, Any] = await do(response.json())
    echo["fields"] = dict(echo["headers"])
    return echo


METHODS = [
    (301, "GET", "GET"),
    (301, "POST", "GET"),
    (301, "PUT", "PUT"),
    (301, "DELETE", "DELETE"),
    (302, "POST", "GET"),
    (302, "PUT", "GET"),
    (302, "HEAD", "HEAD"),
    (303, "POST", "GET"),
    (303, "PATCH", "GET"),
    (303, "HEAD", "HEAD"),
    (307, "POST", "POST"),
    (307, "PATCH", "PATCH"),
    (308, "POST", "POST"),
    (308, "DELETE", "DELETE"),
]


@pytest.mark.parametrize(("status", "method", "after"), METHODS)
async def test_methods_and_bodies(world: World, two_ways: Site, status: int, method: str, after: str) -> None:
    client = world.client(two_ways)
    options: dict[str, Any] = {} if method in ("GET", "HEAD") else {"json": {"a": 1}}
    response = await do(
        client.request(method, bounce(two_ways, "/echo", status), allow_redirects=True, **options)
    )
    assert response.status_code == 200
    assert response.request.method == after
    if method == "HEAD":
        return
    echo = await echo_of(response)
    assert echo["method"] == after
    if after == method and options:
        assert echo["body"] == '{"a":1}'
        assert echo["fields"]["content-type"] == "application/json"
    else:
        assert echo["body"] == ""
        assert not [name for name in echo["fields"] if name.startswith(("content-", "transfer-"))]


async def test_history(world: World, site: Site) -> None:
    response = await do(world.client(site).get(site.url + "/redirect/3#part"))
    assert response.status_code == 200
    assert [earlier.status_code for earlier in response.history] == [302, 302, 302]
    assert [earlier.url.path for earlier in response.history] == ["/redirect/3", "/redirect/2", "/redirect/1"]
    assert response.history[0].content == b"moved\n"
    assert response.history[0].is_redirect
    assert response.url.path == "/redirect/0"
    assert response.url.fragment == "part"
    assert isinstance(response.history[0], world.response_class)


async def test_redirects_use_the_same_connection(world: World, nginx: Nginx) -> None:
    client = world.client()
    first = await do((await do(client.get(nginx.plain + "/echo"))).json())
    await do(client.get(nginx.plain + "/redirect"))
    last = await do((await do(client.get(nginx.plain + "/echo"))).json())
    assert last["connection"] == first["connection"]


async def test_next_takes_one_step(world: World, site: Site) -> None:
    client = world.client(site)
    response = await do(client.get(site.url + "/redirect/2", allow_redirects=False))
    steps = 0
    while response.next is not None:
        assert response.status_code == 302
        response = await do(response.next())
        steps += 1
    assert (steps, response.status_code) == (2, 200)
    assert len(response.history) in (0, 2)


async def test_next_follows_even_where_the_call_did_not(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    response = await do(client.post(bounce(two_ways, "/echo", 307), data=b"abc", allow_redirects=False))
    echo = await echo_of(await do(response.next()))
    assert (echo["method"], echo["body"]) == ("POST", "abc")


async def test_too_many(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, max_redirects=3)
    assert (await do(client.get(two_ways.url + "/redirect/3"))).status_code == 200
    error = await raised(http3.TooManyRedirects, lambda: client.get(two_ways.url + "/redirect/4"))
    assert isinstance(error, http3.RedirectError)
    assert error.response.status_code == 302
    assert error.request.url.path.startswith("/redirect/")
    assert "3" in str(error)
    assert two_ways.url in str(error)
    assert (await do(client.get(two_ways.url + "/json"))).status_code == 200


async def test_twenty_by_default(world: World, plain: Site) -> None:
    client = world.client(plain)
    assert (await do(client.get(plain.url + "/redirect/20"))).status_code == 200
    await raised(http3.TooManyRedirects, lambda: client.get(plain.url + "/redirect/21"))
    no_redirects = world.client(plain, max_redirects=0)
    await raised(http3.TooManyRedirects, lambda: no_redirects.get(plain.url + "/redirect/1"))


async def test_loop(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    error = await raised(http3.RedirectLoop, lambda: client.get(two_ways.url + "/loop"))
    assert error.response.status_code == 302
    assert "/loop" in str(error)
    assert (await do(client.get(two_ways.url + "/json"))).status_code == 200


async def test_a_login_that_bounces_back_with_a_cookie_is_no_loop(world: World, raw_server: Any) -> None:
    cookie = ("Location: /", "Set-Cookie: session=1; Path=/")
    server = raw_server(
        answering(answer(status="302 Found", headers=cookie), answer(b"welcome", headers=("X: 1",)))
    )
    response = await do(world.client().get(server.url + "/"))
    assert response.content == b"welcome"
    assert response.request.headers["cookie"] == "session=1"


SECRETS = {
    "Authorization": "x",
    "Cookie": "a=1",
    "Proxy-Authorization": "x",
    "X-Api-Key": "x",
    "Api-Key": "x",
    "X-Auth-Token": "x",
    "X-Amz-Security-Token": "x",
    "X-Csrf-Token": "x",
}


async def test_secret_headers_do_not_cross_to_another_origin(world: World, site: Site) -> None:
    headers = {**SECRETS, "X-Test": "stays", "Host": "by-hand.example"}
    response = await do(world.client(site).get(bounce(site, site.other + "/echo"), headers=headers))
    got = (await echo_of(response))["fields"]
    assert got["x-test"] == "stays"
    assert got["host"] == site.other.partition("//")[2]
    assert not {name.lower() for name in SECRETS} & got.keys()


async def test_secret_headers_stay_at_the_same_origin(world: World, two_ways: Site) -> None:
    response = await do(world.client(two_ways).get(bounce(two_ways, "/echo"), headers=SECRETS))
    got = (await echo_of(response))["fields"]
    assert {name.lower() for name in SECRETS} <= got.keys()


async def test_secret_headers_of_a_client_and_of_ones_own(world: World, plain: Site) -> None:
    client = world.client(plain, secret_headers=("X-Mine",), headers={"X-Mine": "1", "X-Api-Key": "2"})
    there = await echo_of(await do(client.get(bounce(plain, plain.other + "/echo"))))
    assert not {"x-mine", "x-api-key"} & there["fields"].keys()
    back = bounce(plain, plain.other + "/redirect-to?url=" + quote(plain.url + "/echo", safe=""))
    assert not {"x-mine", "x-api-key"} & (await echo_of(await do(client.get(back))))["fields"].keys()


async def test_a_body_is_sent_again_to_another_origin(world: World, site: Site) -> None:
    file = io.BytesIO(b"0123456789" * 5000)
    file.seek(10)
    url = bounce(site, site.other + "/upload", 307)
    bodies: list[tuple[Any, int]] = [({"a": "1"}, 3), (b"bytes", 5), ("text", 4), (file, 49_990)]
    for data, size in bodies:
        response = await do(world.client(site).post(url, data=data))
        assert (await do(response.json()))["size"] == size


async def test_multipart_is_sent_again(world: World, two_ways: Site) -> None:
    files = {"file": ("a.txt", io.BytesIO(b"abc" * 1000))}
    response = await do(world.client(two_ways).post(bounce(two_ways, "/parts", 308), files=files))
    assert (await do(response.json()))["parts"][0]["size"] == 3000


async def test_a_body_that_cannot_be_sent_again(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    url = bounce(two_ways, "/upload", 307)
    error = await raised(http3.RedirectBodyUnavailable, lambda: client.post(url, data=iter([b"a", b"b"])))
    assert error.response.status_code == 307
    assert isinstance(error, http3.RedirectError)
    seen = await do(client.post(bounce(two_ways, "/json", 303), data=iter([b"a", b"b"])))
    assert seen.status_code == 200


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/echo?a=b", "/echo"),
        ("echo", "/echo"),
        ("./x/../echo", "/echo"),
        ("//{host}/echo", "/echo"),
        ("?to=/echo&status=200", "/bounce"),
        ("/echo/a b", "/echo/a%20b"),
        ("/echo/%2F%c3", "/echo/%2F%c3"),
    ],
)
async def test_locations(world: World, plain: Site, location: str, path: str) -> None:
    location = location.format(host=plain.url.partition("//")[2])
    response = await do(world.client(plain).get(bounce(plain, location)))
    assert response.status_code == 200
    assert response.url.path == path


@pytest.mark.parametrize("raw", ["/caf\u00e9".encode(), "/caf\u00e9".encode("latin-1")])
async def test_a_location_of_bytes(world: World, raw_server: Any, raw: bytes) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: " + raw + b"\r\nContent-Length: 0\r\n\r\n"
    response = await do(world.client().get(raw_server(answering(moved, answer(b"ok"))).url))
    assert response.url.path == "/caf%C3%A9"


@pytest.mark.parametrize("location", ["http://", "http://exa mple/", "http://h:99999/", "http://[::1/"])
async def test_a_malformed_location(world: World, plain: Site, location: str) -> None:
    client = world.client(plain)
    error = await raised(http3.RedirectError, lambda: client.get(bounce(plain, location)))
    assert error.response.status_code == 302
    assert isinstance(error.__cause__, http3.InvalidURL)
    kept = await do(client.get(bounce(plain, location), allow_redirects=False))
    assert kept.headers["location"] == location


@pytest.mark.parametrize(
    "location", ["ftp://example.org/x", "mailto:someone@example.org", "javascript:alert(1)"]
)
async def test_another_scheme_is_never_followed(world: World, site: Site, location: str) -> None:
    client = world.client(site)
    error = await raised(http3.UnsupportedProtocol, lambda: client.get(bounce(site, location)))
    assert isinstance(error, http3.RedirectError)
    assert f"GET {site.url}/bounce" in str(error)
    assert repr(location) in str(error)
    assert (error.response.status_code, error.response.content) == (302, b"moved\n")
    assert (await do(client.get(site.url + "/json"))).status_code == 200


async def test_an_empty_location_leads_nowhere(world: World, site: Site) -> None:
    client = world.client(site)
    url = site.url + "/answer?status=302&h=Location:&body=aGVyZQ=="
    response = await do(client.get(url))
    assert (response.status_code, response.content) == (302, b"here")
    assert (response.headers["location"], response.is_redirect, response.next) == ("", False, None)


async def test_redirects_never_join_to_the_base_url(world: World, plain: Site) -> None:
    client = world.client(plain, base_url=plain.url + "/bounce")
    response = await do(client.get("?to=/echo"))
    assert response.url.path == "/echo"


@pytest.mark.parametrize("status", [300, 304, 305, 306])
async def test_what_is_no_redirect(world: World, plain: Site, status: int) -> None:
    response = await do(world.client().get(plain.url + f"/answer?status={status}&h=Location:/echo&length=no"))
    assert response.status_code == status
    assert response.next is None
    assert not response.is_redirect


async def test_a_redirect_without_location_is_an_answer(world: World, plain: Site) -> None:
    response = await do(world.client().get(plain.url + "/answer?status=302"))
    assert response.status_code == 302
    assert response.next is None


async def test_head_stays_where_it_is(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    assert (await do(client.head(two_ways.url + "/redirect/1"))).status_code == 302
    assert (await do(client.head(two_ways.url + "/redirect/1", allow_redirects=True))).status_code == 200


async def test_the_last_answer_may_be_streamed(world: World, site: Site) -> None:
    response = await do(world.client(site).get(bounce(site, "/download/100000"), stream=True))
    assert len(response.history) == 1
    assert not response.is_closed
    assert len(await do(response.read())) == 100_000
