"""Cookies from end to end (api.md section 9)."""

from __future__ import annotations

import http.cookiejar
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import http3
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


async def test_cookies_of_the_client_of_the_call_and_of_the_store(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, cookies={"session": "abc123"}, base_url=two_ways.url)
    assert await cookies_at(client, "") == {"session": "abc123"}
    both = await cookies_at(client, "", cookies={"once": "1"})
    assert both == {"session": "abc123", "once": "1"}
    assert await cookies_at(client, "") == {"session": "abc123"}


async def test_a_cookie_without_a_domain_goes_where_the_caller_asks(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, cookies={"a": "1"})
    assert await cookies_at(client, two_ways.url) == {"a": "1"}
    there = await do(client.get(two_ways.url + "/redirect-to", params={"url": "/cookies"}))
    assert await do(there.json()) == {"a": "1"}
    localhost = two_ways.url.replace("127.0.0.1", "localhost")
    crossed = await do(client.get(two_ways.url + "/redirect-to", params={"url": localhost + "/cookies"}))
    assert await do(crossed.json()) == {}


async def test_cookies_of_a_call_stay_at_its_origin(world: World, two_ways: Site) -> None:
    url = two_ways.url + "/redirect-to"
    client = world.client(two_ways)
    options = {"cookies": {"once": "1"}}
    same = await do(client.get(url, params={"url": "/cookies"}, **options))
    assert await do(same.json()) == {"once": "1"}
    localhost = two_ways.other.replace("127.0.0.1", "localhost")
    other = await do(client.get(url, params={"url": localhost + "/cookies"}, **options))
    assert await do(other.json()) == {}


@pytest.mark.parametrize(
    ("cookie", "path", "arrives"),
    [
        ("a=1; Path=/cookies", "/cookies", True),
        ("a=1; Path=/other", "/cookies", False),
        ("a=1", "/cookies", True),
        ("a=1; Domain=example.org", "/cookies", False),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/cookies", False),
        ("a=1; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "/cookies", True),
        ("__Host-a=1; Path=/", "/cookies", False),
        ("a=1; Path=/; SameSite=Lax", "/cookies", True),
    ],
)
async def test_attributes(world: World, plain: Site, cookie: str, path: str, arrives: bool) -> None:
    client = world.client(plain)
    await do(client.get(setting(plain, cookie)))
    got = await do((await do(client.get(plain.url + path))).json())
    assert bool(got) == arrives


async def test_secure_cookies_need_tls(world: World, sites: dict[str, Site]) -> None:
    plain, secure = sites["h1"], sites["h1-tls"]
    client = world.client(secure)
    await do(client.get(setting(secure, "a=1; Path=/; Secure", "__Host-b=2; Path=/; Secure", "c=3; Path=/")))
    assert await cookies_at(client, secure.url) == {"a": "1", "__Host-b": "2", "c": "3"}
    assert await cookies_at(client, plain.url) == {"c": "3"}
    await do(client.get(setting(plain, "a=overwritten; Path=/", "d=4; Path=/; Secure")))
    assert await cookies_at(client, secure.url) == {"a": "1", "__Host-b": "2", "c": "3"}


async def test_a_cookie_header_by_hand_comes_first(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    await do(client.get(setting(two_ways, "a=store; Path=/", "b=store; Path=/")))
    headers = {"Cookie": "z=hand; a=hand"}
    response = await do(client.get(two_ways.url + "/cookies", headers=headers))
    assert response.request.headers["cookie"] == "z=hand; a=hand; b=store"
    redirected = await do(client.get(two_ways.url + "/redirect-to?url=/cookies", headers=headers))
    assert await do(redirected.json()) == {"z": "hand", "a": "hand", "b": "store"}


async def test_a_built_request_shows_what_would_be_sent(world: World, plain: Site) -> None:
    client = world.client(plain, cookies={"a": "store"})
    assert client.build_request("GET", plain.url + "/cookies").headers["cookie"] == "a=store"


async def test_a_jar_of_the_user_is_written_to(world: World, plain: Site, tmp_path: Path) -> None:
    jar = http.cookiejar.MozillaCookieJar(str(tmp_path / "cookies.txt"))
    client = world.client(plain, cookies=jar)
    await do(client.get(setting(plain, "kept=1; Path=/; Max-Age=1000")))
    assert [(cookie.name, cookie.value) for cookie in jar] == [("kept", "1")]
    jar.save()
    again = http.cookiejar.MozillaCookieJar(str(tmp_path / "cookies.txt"))
    again.load()
    assert await cookies_at(world.client(plain, cookies=again), plain.url) == {"kept": "1"}


async def test_the_jar_of_the_store(world: World, plain: Site) -> None:
    client = world.client(plain)
    await do(client.get(setting(plain, "a=1; Path=/")))
    assert isinstance(client.cookies.jar, http.cookiejar.CookieJar)
    assert [cookie.name for cookie in client.cookies.jar] == ["a"]
    client.cookies.jar.clear()
    assert await cookies_at(client, plain.url) == {}


async def test_cookies_are_a_mapping(world: World, plain: Site) -> None:
    client = world.client(plain)
    client.cookies.set("a", "1", domain="127.0.0.1", path="/")
    client.cookies["b"] = "2"
    assert await cookies_at(client, plain.url) == {"a": "1", "b": "2"}
    del client.cookies["b"]
    client.cookies.delete("a")
    assert await cookies_at(client, plain.url) == {}
    client.cookies = {"c": "3"}
    assert await cookies_at(client, plain.url) == {"c": "3"}
    client.cookies.clear()
    assert len(client.cookies) == 0


def test_an_ambiguous_look_up() -> None:
    cookies = http3.Cookies()
    cookies.set("a", "1", domain="one.example", path="/")
    cookies.set("a", "2", domain="two.example", path="/")
    with pytest.raises(http3.CookieConflict):
        cookies["a"]
    assert cookies.get("a", domain="two.example") == "2"


@pytest.mark.parametrize("cookies", [{"a": "1\r\nX: y"}, {"a": "1\0"}, {"a\n": "1"}])
async def test_cookies_that_would_break_the_header(
    world: World, plain: Site, cookies: dict[str, str]
) -> None:
    client = world.client(plain)
    try:
        await do(client.get(plain.url + "/cookies", cookies=cookies))
    except (http3.LocalProtocolError, ValueError):
        pass
    else:
        raise AssertionError("sent")
    assert await cookies_at(client, plain.url) == {}
