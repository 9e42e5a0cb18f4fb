"""Redirects on real servers (RFC 9110 section 15.4)."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote

import pytest

from support.servers import Nginx, answer, answering
from support.worlds import Site, World, do


def bounce(site: Site, to: str, status: int = 302, **parameters: str) -> str:
    """A URL that redirects to another."""
    more = "".join(f"&{name}={quote(value, safe='')}" for name, value in parameters.items())
    return f"{site.url}/bounce?to={quote(to, safe='')}&status={status}{more}"


async def echo_of(response: Any) -> dict[str, Any]:
    echo: dict[str, Any] = await do(response.json())
    echo["fields"] = dict(echo["headers"])
    return echo


METHODS = [
    (301, "POST", "GET"),
    (302, "HEAD", "HEAD"),
    (303, "PATCH", "GET"),
    (307, "POST", "POST"),
    (308, "PATCH", "PATCH"),
]
"""One of each kind; client/test_redirect_policy.py has all of them."""


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


@pytest.mark.parametrize("raw", ["/caf\u00e9".encode(), "/caf\u00e9".encode("latin-1")])
async def test_a_location_of_bytes(world: World, start_server: Any, raw: bytes) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: " + raw + b"\r\nContent-Length: 0\r\n\r\n"
    response = await do(world.client().get(start_server(answering(moved, answer(b"ok"))).url))
    assert response.url.path == "/caf%C3%A9"


async def test_the_last_answer_may_be_streamed(world: World, site: Site) -> None:
    response = await do(world.client(site).get(bounce(site, "/download/100000"), stream=True))
    assert len(response.history) == 1
    assert not response.is_closed
    assert len(await do(response.read())) == 100_000
