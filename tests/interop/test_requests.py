"""Verbs, bodies and headers, as real servers get them."""

from __future__ import annotations

from typing import Any

import pytest

import http3
from support.worlds import Site, World, do

VERBS = ("get", "options", "head", "post", "put", "patch", "delete")


def fields(echo: dict[str, Any]) -> dict[str, str]:
    """The headers that the server got, joined."""
    joined: dict[str, str] = {}
    for name, value in echo["headers"]:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_arrives_as_itself(world: World, site: Site, verb: str) -> None:
    client = world.client(site)
    response = await do(
        getattr(client, verb)(site.url + "/echo", params={"a": "1"}, headers={"X-Test": "yes"})
    )
    assert response.status_code == 200
    assert response.protocol == site.protocol
    assert isinstance(response, world.response_class)
    if verb == "head":
        assert response.content == b""
        return
    echo = await do(response.json())
    assert echo["method"] == verb.upper()
    assert echo["query"] == "a=1"
    assert fields(echo)["x-test"] == "yes"
    assert echo["http_version"] == site.protocol.removeprefix("HTTP/")


@pytest.mark.parametrize("verb", ["get", "options", "post", "put", "patch", "delete"])
async def test_every_verb_takes_a_body(world: World, two_ways: Site, verb: str) -> None:
    client = world.client(two_ways)
    response = await do(getattr(client, verb)(two_ways.url + "/echo", json={"a": [1, "é"]}))
    echo = await do(response.json())
    assert echo["body"].encode("latin-1") == '{"a":[1,"é"]}'.encode()
    assert fields(echo)["content-type"] == "application/json"
    assert fields(echo)["content-length"] == str(len(echo["body"]))


async def test_automatic_headers(world: World, site: Site) -> None:
    echo = await do((await do(world.client(site).get(site.url + "/echo"))).json())
    got = fields(echo)
    assert got["host"] == site.url.partition("//")[2]
    assert got["user-agent"] == f"python-http3/{http3.__version__}" == http3.USER_AGENT
    assert got["accept"] == "*/*"
    assert "gzip" in got["accept-encoding"]
    assert "deflate" in got["accept-encoding"]
    assert "content-length" not in got
    assert ("connection" in got) == (site.protocol == "HTTP/1.1")


async def test_host_by_hand(world: World, site: Site) -> None:
    headers = {"Host": "elsewhere.example"}
    echo = await do((await do(world.client(site).get(site.url + "/echo", headers=headers))).json())
    assert fields(echo)["host"] == "elsewhere.example"


async def test_connection_headers_are_dropped_on_http2_only(world: World, site: Site) -> None:
    headers = {"Connection": "x-hop", "Keep-Alive": "timeout=1", "Proxy-Connection": "close"}
    echo = await do((await do(world.client(site).get(site.url + "/echo", headers=headers))).json())
    sent = {"connection", "keep-alive", "proxy-connection"} & fields(echo).keys()
    assert bool(sent) == (site.protocol == "HTTP/1.1")


async def test_repeated_headers(world: World, site: Site) -> None:
    pairs = [("X-Many", "1"), ("X-Many", "2")]
    echo = await do((await do(world.client(site).get(site.url + "/echo", headers=pairs))).json())
    assert [value for name, value in echo["headers"] if name == "x-many"] == ["1", "2"]


async def test_build_and_send(world: World, site: Site) -> None:
    client = world.client(site, headers={"X-Test": "client"}, cookies={"a": "1"}, params={"p": "1"})
    request = client.build_request("POST", site.url + "/echo", json={"x": 1}, headers={"X-Call": "yes"})
    assert isinstance(request, world.request_class)
    assert request.method == "POST"
    assert request.headers["x-test"] == "client"
    assert request.url.query == "p=1"
    response = await do(client.send(request))
    echo = await do(response.json())
    assert fields(echo)["x-call"] == "yes"
    assert fields(echo)["cookie"] == "a=1"
    assert echo["body"] == '{"x":1}'
    assert response.request.url == request.url
