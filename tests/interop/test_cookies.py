"""Cookies from end to end (RFC 6265bis)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from support.worlds import Site, World, do


def setting(site: Site, *cookies: str, path: str = "/answer", then: str = "") -> str:
    """A URL whose answer sets cookies."""
    fields = "".join(f"&h={quote('Set-Cookie:' + cookie, safe='')}" for cookie in cookies)
    return f"{site.url}{path}?x=1{fields}{then}"


async def cookies_at(client: Any, url: str, **options: Any) -> dict[str, str]:
    """The cookies that arrived."""
    got: dict[str, str] = await do((await do(client.get(url + "/cookies", **options))).json())
    return got


async def test_cookies_are_kept(world: World, site: Site) -> None:
    client = world.client(site)
    response = await do(client.get(setting(site, "a=1; Path=/", "b=two; Path=/; HttpOnly")))
    assert dict(response.cookies) == {"a": "1", "b": "two"}
    assert await cookies_at(client, site.url) == {"a": "1", "b": "two"}
    assert client.cookies["a"] == "1"
    await do(client.get(setting(site, "a=; Path=/; Max-Age=0")))
    assert await cookies_at(client, site.url) == {"b": "two"}


async def test_cookies_in_latin_1_go_back_as_they_came(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    response = await do(client.get(setting(two_ways, "a=caf\u00e9; Path=/", "b=1; Path=/")))  # in latin-1
    assert dict(response.cookies) == {"a": "caf\u00e9", "b": "1"}
    assert client.cookies["a"] == "caf\u00e9"
    echoed = await do((await do(client.get(two_ways.url + "/echo"))).json())  # shown in latin-1
    came = "; ".join([value for name, value in echoed["headers"] if name == "cookie"])
    assert came == "a=caf\u00e9; b=1"
    headers = {"Cookie": b"hand=\xe8"}
    echoed = await do((await do(client.get(two_ways.url + "/echo", headers=headers))).json())
    came = "; ".join([value for name, value in echoed["headers"] if name == "cookie"])
    assert came == "hand=\u00e8; a=caf\u00e9; b=1"
    request = client.build_request("GET", two_ways.url + "/echo", headers=headers, cookies={"own": "\u00e9"})
    echoed = await do((await do(client.send(request))).json())
    came = "; ".join([value for name, value in echoed["headers"] if name == "cookie"])
    assert came == "hand=\u00e8; own=\u00c3\u00a9; a=caf\u00e9; b=1"


async def test_cookies_set_on_the_way(world: World, site: Site) -> None:
    client = world.client(site)
    response = await do(client.get(site.url + "/cookies/set?flavour=oat"))
    assert await do(response.json()) == {"flavour": "oat"}
    assert response.history[0].cookies["flavour"] == "oat"
    assert client.cookies["flavour"] == "oat"


async def test_secure_cookies_need_tls(world: World, sites: dict[str, Site]) -> None:
    plain, secure = sites["h1"], sites["h1-tls"]
    client = world.client(secure)
    await do(client.get(setting(secure, "a=1; Path=/; Secure", "__Host-b=2; Path=/; Secure", "c=3; Path=/")))
    assert await cookies_at(client, secure.url) == {"a": "1", "__Host-b": "2", "c": "3"}
    assert await cookies_at(client, plain.url) == {"c": "3"}
    await do(client.get(setting(plain, "a=overwritten; Path=/", "d=4; Path=/; Secure")))
    assert await cookies_at(client, secure.url) == {"a": "1", "__Host-b": "2", "c": "3"}
