"""Redirects that try to carry credentials to where they were not meant to go."""

from __future__ import annotations

from typing import Any

import pytest

from client_worlds import Site, World, redirect
from http3_client import DigestAuth
from http3_models import RedirectError, Response, UnsupportedProtocol

START = "https://bank.example/start"
SECRETS = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "Cookie": "hand=secret"}

FOREIGN = [
    "https://evil.example/",
    "//evil.example/",
    "https://bank.example:8443/",
    "http://bank.example/",
    "http://bank.example:443/",
    "https://www.bank.example/",
    "https://bank.example.evil.example/",
    "https://bank.example@evil.example/",
    "https://bank.example:443@evil.example/",
    "https://user:password@evil.example/",
    "https://bank.example./",
    "https://b\u0430nk.example/",  # a Cyrillic letter
    "https://xn--bnk-7cd.example/",
    "https://bank.example%2eevil.example/",
]

SAME = [
    "/next",
    "https://BANK.example/next",
    "https://bank.example:443/next",
    "https://bank.ex\uff41mple/next",
]

NOT_FOLLOWED = [
    "file:///etc/passwd",
    "data:text/plain,x",
    "javascript:alert(1)",
    "ftp://bank.example/",
    "https://evil.example\\@bank.example/",
    "https://bank.example\\.evil.example/",
    "https://",
    "https://bank.example:99999/",
]


def carried(request: Any) -> str:
    """All that a request says, in one text."""
    return f"{request.url} {[(name, value) for name, value in request.headers.raw]}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", FOREIGN, ids=ascii)
def test_nothing_secret_crosses(world: World, location: str, status: int) -> None:
    site = Site({START: redirect(location.encode(), status)})
    session = world.session(site)
    try:
        session.get(START, headers=SECRETS, auth=("user", "secret"), cookies={"own": "secret"})
    except RedirectError:
        assert len(site.requests) == 1
        return
    assert len(site.requests) == 2
    assert "secret" in carried(site.requests[0])
    assert "secret" not in carried(site.last)
    assert "authorization" not in site.last.headers
    assert "password" not in carried(site.last)


@pytest.mark.parametrize("location", FOREIGN, ids=ascii)
def test_nor_by_hand(world: World, location: str) -> None:
    site = Site({START: redirect(location.encode())})
    session = world.session(site)
    response = session.get(START, headers=SECRETS, auth=("user", "secret"), allow_redirects=False)
    try:
        session.do(response.next())
    except RedirectError:
        assert len(site.requests) == 1
        return
    assert "secret" not in carried(site.last)


@pytest.mark.parametrize("location", SAME, ids=ascii)
def test_on_the_same_origin_they_stay(world: World, location: str) -> None:
    site = Site({START: redirect(location.encode())})
    world.session(site).get(START, headers=SECRETS)
    assert site.last.url.path == "/next"
    assert site.last.headers["authorization"] == "Bearer secret"
    assert site.last.headers["x-api-key"] == "secret"


@pytest.mark.parametrize("location", NOT_FOLLOWED, ids=ascii)
def test_what_is_not_followed(world: World, location: str) -> None:
    site = Site({START: redirect(location)})
    with pytest.raises((RedirectError, UnsupportedProtocol)):
        world.session(site).get(START, headers=SECRETS)
    assert len(site.requests) == 1


def test_away_and_back(world: World) -> None:
    site = Site(
        {
            START: redirect("https://evil.example/"),
            "https://evil.example/": redirect("https://bank.example/x"),
        }
    )
    world.session(site).get(START, headers=SECRETS, auth=("user", "secret"))
    assert len(site.requests) == 3
    for request in site.requests[1:]:
        assert "secret" not in carried(request)
        assert "authorization" not in request.headers


@pytest.mark.parametrize(
    "challenge", ['Basic realm="bank"', 'Digest realm="bank", nonce="n", domain="https://bank.example/"']
)
def test_a_challenge_from_elsewhere_is_not_answered(world: World, challenge: str) -> None:
    answer = Response(401, headers={"WWW-Authenticate": challenge})
    site = Site({START: redirect("https://evil.example/"), "https://evil.example/": answer})
    response = world.session(site).get(START, auth=DigestAuth("user", "secret"))
    assert response.status_code == 401
    assert [request.url.host for request in site.requests] == ["bank.example", "evil.example"]
    assert "authorization" not in site.last.headers


@pytest.mark.parametrize(
    "field",
    [
        "a=1; Domain=evil.example",
        "a=1; Domain=com",
        "a=1; Domain=co.uk",
        "a=1; Domain=other.bank.example",
        "__Host-a=1; Secure; Path=/; Domain=bank.example",
        "__Host-a=1; Path=/",
        "__Host-a=1; Secure; Path=/x",
        "__Secure-a=1",
        "__host-a=1; Path=/",
        "=__Secure-a=1",
    ],
)
def test_cookies_that_are_not_taken(world: World, field: str) -> None:
    site = Site({START: Response(200, headers={"Set-Cookie": field})})
    session = world.session(site)
    session.get(START)
    hosts = ("bank.example", "evil.example", "other.bank.example", "a.co.uk", "x.com")
    for host in hosts:
        session.get(f"https://{host}/x/")
        assert "cookie" not in site.last.headers
