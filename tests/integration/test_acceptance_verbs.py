"""Verbs, their options, the attributes of a client and base_url (api.md sections 2, 3 and 6)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import http3
from support.worlds import Site, World, do, raised

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


async def test_any_method_goes_out_in_upper_case(world: World, two_ways: Site) -> None:
    response = await do(world.client(two_ways).request("purge", two_ways.url + "/echo"))
    assert (await do(response.json()))["method"] == "PURGE"
    assert response.request.method == "PURGE"


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


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("PATCH", "0"), ("GET", None)])
async def test_content_length_without_a_body(
    world: World, two_ways: Site, method: str, length: str | None
) -> None:
    echo = await do((await do(world.client(two_ways).request(method, two_ways.url + "/echo"))).json())
    assert fields(echo).get("content-length") == length


async def test_a_header_by_hand_wins_and_none_removes(world: World, two_ways: Site) -> None:
    headers = {"User-Agent": "mine", "Accept": None, "Accept-Encoding": None}
    echo = await do((await do(world.client(two_ways).get(two_ways.url + "/echo", headers=headers))).json())
    got = fields(echo)
    assert got["user-agent"] == "mine"
    assert "accept" not in got
    assert "accept-encoding" not in got


async def test_range_asks_for_identity(world: World, two_ways: Site) -> None:
    headers = {"Range": "bytes=0-3"}
    echo = await do((await do(world.client(two_ways).get(two_ways.url + "/echo", headers=headers))).json())
    assert fields(echo)["accept-encoding"] == "identity"


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


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({"a": "1", "b": None, "c": True, "d": False}, "a=1&c=true&d=false"),
        ({"a": ["1", "2"]}, "a=1&a=2"),
        ({"q": "a b&c=d/é"}, None),
        ([("a", "1"), ("a", 2), ("b", 1.5)], "a=1&a=2&b=1.5"),
        ("a=1&b=2", "a=1&b=2"),
        ({}, ""),
    ],
)
async def test_params(world: World, plain: Site, params: Any, query: str | None) -> None:
    echo = await do((await do(world.client(plain).get(plain.url + "/echo", params=params))).json())
    if query is None:
        assert http3.QueryParams(echo["query"])["q"] == "a b&c=d/é"
        assert "a+b" in echo["query"]
    else:
        assert echo["query"] == query


async def test_params_are_appended_to_the_query_of_the_url(world: World, plain: Site) -> None:
    client = world.client(plain, params={"key": "k", "page": "1"})
    echo = await do((await do(client.get(plain.url + "/echo?x=0", params={"page": "2", "z": "3"}))).json())
    assert echo["query"].startswith("x=0&")
    assert sorted(echo["query"].split("&")) == ["key=k", "page=2", "x=0", "z=3"]


async def test_attributes_are_readable_and_settable(world: World, plain: Site) -> None:
    client = world.client(plain)
    client.headers.update({"X-Test": "from client"})
    client.params = {"key": "secret"}
    client.cookies.set("flavour", "oat")
    client.auth = ("user", "secret")
    client.base_url = plain.url
    client.timeout = 3
    echo = await do((await do(client.get("/echo"))).json())
    got = fields(echo)
    assert got["x-test"] == "from client"
    assert got["cookie"] == "flavour=oat"
    assert got["authorization"].startswith("Basic ")
    assert echo["query"] == "key=secret"
    assert client.timeout == http3.TimeoutConfig(3)
    assert client.base_url == http3.URL(plain.url)
    assert client.params["key"] == "secret"
    assert client.default_encoding is None
    assert not client.is_closed
    await do(client.close())
    assert client.is_closed


async def test_headers_of_a_call_beat_those_of_the_client(world: World, plain: Site) -> None:
    client = world.client(plain, headers={"X-Test": "client", "X-Other": "client", "User-Agent": "client"})
    headers = {"x-test": "call", "X-Other": None}
    echo = await do((await do(client.get(plain.url + "/echo", headers=headers))).json())
    got = fields(echo)
    assert got["x-test"] == "call"
    assert "x-other" not in got
    assert got["user-agent"] == "client"


@pytest.mark.parametrize(
    ("base", "url", "path"),
    [
        ("/v1", "/users", "/v1/users"),
        ("/v1", "users", "/v1/users"),
        ("/v1/", "/users", "/v1/users"),
        ("/v1", "", "/v1"),
        ("/v1", "../x", "/x"),
        ("/v1", "./users?b=2", "/v1/users?b=2"),
        ("/v1?a=1", "users?b=2", "/v1/users?a=1&b=2"),
        ("", "/users", "/users"),
        ("", "", "/"),
    ],
)
async def test_base_url(world: World, base: str, url: str, path: str) -> None:
    client = world.client(base_url="https://example.org" + base)
    assert str(client.build_request("GET", url).url) == "https://example.org" + path


async def test_base_url_is_replaced_by_an_absolute_url(world: World) -> None:
    client = world.client(base_url="https://example.org/v1")
    assert str(client.build_request("GET", "http://other.example/x").url) == "http://other.example/x"
    for url in ("//other.example/x", "///other.example", r"\\other.example\x"):
        try:
            assert client.build_request("GET", url).url.host == "example.org", url
        except http3.InvalidURL:
            pass
    with pytest.raises(http3.InvalidURL):
        client.build_request("GET", "//other.example/x")


async def test_a_relative_url_needs_a_base(world: World) -> None:
    error = await raised(http3.InvalidURL, lambda: world.client().get("/users"))
    assert isinstance(error, ValueError)
    assert "/users" in str(error)


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


async def test_send_takes_a_request_made_by_hand(world: World, site: Site) -> None:
    request = world.request_class("PUT", site.url + "/echo", data=b"abc", headers={"X-Mine": "1"})
    request.headers["X-Later"] = "2"
    response = await do(world.client(site).send(request, stream=True))
    assert not response.is_stream_consumed
    await do(response.read())
    echo = await do(response.json())
    assert (echo["method"], echo["body"]) == ("PUT", "abc")
    assert fields(echo)["x-later"] == "2"


async def test_the_kind_of_client_says_which_request_it_sends(world: World, plain: Site) -> None:
    other = http3.Request if world.is_async else http3.AsyncRequest
    await raised(TypeError, lambda: world.client().send(other("GET", plain.url)))
    await raised(TypeError, lambda: world.client().send(plain.url))


async def test_hooks_see_every_exchange(world: World, two_ways: Site) -> None:
    seen: list[str] = []
    hooks = {
        "request": [lambda request: seen.append(f"> {request.url.path}")],
        "response": [lambda response: seen.append(f"< {response.status_code}")],
    }
    client = world.client(two_ways, hooks=hooks)
    await do(client.get(two_ways.url + "/redirect/2"))
    assert seen == ["> /redirect/2", "< 302", "> /redirect/1", "< 302", "> /redirect/0", "< 200"]


async def test_hooks_may_change_the_request_and_raise(world: World, plain: Site) -> None:
    def change(request: Any) -> None:
        request.headers["X-Hook"] = "was here"

    def check(response: Any) -> None:
        response.raise_for_status()

    client = world.client(plain, hooks={"request": [change], "response": [check]})
    echo = await do((await do(client.get(plain.url + "/echo"))).json())
    assert fields(echo)["x-hook"] == "was here"
    error = await raised(http3.HttpError, lambda: client.get(plain.url + "/status/404"))
    assert error.response.status_code == 404
    assert (await do(client.get(plain.url + "/json"))).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_the_body_of_an_error_that_a_hook_raises(world: World, site: Site, stream: bool) -> None:
    seen: list[bytes] = []

    def check(response: Any) -> None:
        if not stream:
            seen.append(response.content)
        response.raise_for_status()

    client = world.client(site, hooks={"response": [check]}, pool_limits=http3.PoolLimits(hard_limit=1))
    body = base64.urlsafe_b64encode(b"what went wrong").decode()
    for _ in range(2):
        url = f"{site.url}/answer?status=500&pieces=4&body={body}"
        error = await raised(http3.HttpError, lambda: client.get(url, stream=stream))  # noqa: B023
        assert error.response.content == b"what went wrong"
        assert error.response.is_closed
    assert (await do(client.get(site.url + "/redirect/1"))).status_code == 200
    assert seen[:3] == ([] if stream else [b"what went wrong"] * 2 + [b"moved\n"])


async def test_async_hooks(world: World, plain: Site) -> None:
    if not world.is_async:
        return
    seen: list[int] = []

    async def note(response: Any) -> None:
        await world.sleep(0)
        seen.append(response.status_code)

    await do(world.client(plain, hooks={"response": [note]}).get(plain.url + "/json"))
    assert seen == [200]


async def test_documented_parameters_may_be_given_by_position(world: World, plain: Site) -> None:
    client = world.client_class(
        ("user", "secret"), {"a": "1"}, True, None, 3.0, http3.PoolLimits(), 5, plain.url
    )
    try:
        got = fields(await do((await do(client.get("/echo"))).json()))
        assert got["cookie"] == "a=1"
        assert got["authorization"].startswith("Basic")
    finally:
        await do(client.close())
    with pytest.raises(TypeError):
        world.client_class(*[None] * 13)
