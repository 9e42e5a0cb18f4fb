"""Which cookies a client sends on which hop."""

from __future__ import annotations

import http.cookiejar
from typing import Any

import pytest

from http3_models import Cookies, Response
from support.pages import Site, redirect
from support.worlds import World


def sent(site: Site) -> list[str | None]:
    return [request.headers.get("cookie") for request in site.requests]


def test_cookies_of_servers_come_back(world: World) -> None:
    site = Site({"/login": Response(200, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/x")])})
    session = world.session(site)
    for url in ["https://h/login", "https://h/", "https://h/x/y", "https://other/"]:
        session.get(url)
    assert sent(site) == [None, "a=1", "b=2; a=1", None]
    assert session.client.cookies["a"] == "1"


def test_cookies_are_worked_out_anew_for_each_hop(world: World) -> None:
    site = Site(
        {
            "https://h/a": redirect("/b", Set_Cookie="n=1"),
            "https://h/b": redirect("https://other/c", Set_Cookie="n=2"),
            "https://other/c": redirect("https://h/d", Set_Cookie="o=1"),
        }
    )
    world.session(site).get("https://h/a")
    assert sent(site) == [None, "n=1", None, "n=2"]


def test_cookies_without_a_domain_go_to_hosts_asked_directly(world: World) -> None:
    site = Site({"https://h/a": redirect("https://other/b"), "https://other/b": redirect("https://h/c")})
    session = world.session(site, cookies={"s": "1"})
    session.get("https://h/a")
    session.get("https://other/x")
    assert sent(site) == ["s=1", None, None, "s=1"]


def test_cookies_without_a_domain_follow_no_redirect_to_a_host_that_ends_in_a_dot(world: World) -> None:
    site = Site({"https://h/a": redirect("https://evil.example./b")})
    world.session(site, cookies={"s": "1"}).get("https://h/a")
    world.session(site, cookies={"s": "1"}, base_url="https://h/").get("https://evil.example./b")
    assert sent(site) == ["s=1", None, None]


def test_with_a_base_url_they_go_to_its_host(world: World) -> None:
    site = Site()
    session = world.session(site, cookies={"s": "1"}, base_url="https://h/v1")
    for url in ["/x", "https://h/y", "https://other/"]:
        session.get(url)
    assert sent(site) == ["s=1", "s=1", None]


def test_cookies_of_a_request_are_for_it_and_its_same_origin_hops(world: World) -> None:
    site = Site({"https://h/a": redirect("/b"), "https://h/b": redirect("https://other/c")})
    session = world.session(site, cookies={"s": "store", "x": "store"})
    session.get("https://h/a", cookies={"s": "request"})
    session.get("https://h/z")
    assert sent(site) == ["s=request; x=store", "s=request; x=store", None, "s=store; x=store"]


def test_a_cookie_header_by_hand_goes_first(world: World) -> None:
    site = Site({"https://h/a": redirect("/b", Set_Cookie="n=1"), "https://h/b": redirect("https://other/c")})
    session = world.session(site, cookies={"s": "store", "t": "store"})
    session.get("https://h/a", headers={"Cookie": "s=hand; u=hand"})
    assert sent(site) == ["s=hand; u=hand; t=store", "s=hand; u=hand; t=store; n=1", None]


def test_a_login_in_a_redirect_is_remembered(world: World) -> None:
    site = Site({"/login": redirect("/", Set_Cookie="session=1; Secure; HttpOnly")})
    session = world.session(site)
    session.get("https://h/login")
    session.get("https://h/")
    session.get("http://h/")
    assert sent(site) == [None, "session=1", "session=1", None]


def test_a_jar_of_the_callers_is_written_to(world: World) -> None:
    jar = http.cookiejar.CookieJar()
    session = world.session(Site({"/": Response(200, headers={"Set-Cookie": "a=1"})}), cookies=jar)
    session.get("https://h/")
    assert [(cookie.name, cookie.value) for cookie in jar] == [("a", "1")]


def test_setting_cookies_replaces_the_store(world: World) -> None:
    site = Site()
    session = world.session(site, cookies={"a": "1"})
    session.client.cookies = {"b": "2"}
    session.get("https://h/")
    session.client.cookies.set("c", "3", domain="h")
    session.get("https://h/")
    session.client.cookies.clear()
    session.get("https://h/")
    assert sent(site)[0] == "b=2"
    assert set((sent(site)[1] or "").split("; ")) == {"b=2", "c=3"}
    assert sent(site)[2] is None
    assert isinstance(session.client.cookies, Cookies)


def test_responses_show_the_cookies_they_set(world: World) -> None:
    response = world.session(Site({"/": Response(200, headers={"Set-Cookie": "a=1"})})).get("https://h/")
    assert dict(response.cookies) == {"a": "1"}


@pytest.mark.parametrize("value", ["a\r\nb", "a;b"])
def test_cookies_that_cannot_be_sent(world: World, value: str) -> None:
    site = Site()
    with pytest.raises(ValueError, match="cookie"):
        world.session(site).get("https://h/", cookies={"a": value})
    assert site.requests == []


def test_auth_may_write_the_cookie_header(world: World) -> None:
    class Twice:
        def auth_flow(self, request: Any) -> Any:
            request.headers["Cookie"] = "auth=1"
            response = yield request
            assert response.status_code == 200
            yield request

    site = Site({"/": Response(200, headers={"Set-Cookie": "a=1"})})
    world.session(site, auth=Twice()).get("https://h/")
    assert sent(site) == ["auth=1", "auth=1"]
