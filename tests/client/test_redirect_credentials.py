"""Redirects that try to carry credentials to where they were not meant to go."""

from __future__ import annotations

from typing import Any

import pytest

from http3_client import DigestAuth
from http3_models import AsyncDispatcher, Dispatcher, RedirectError, Response, UnsupportedProtocol
from support.pages import Site, redirect
from support.worlds import World

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


# What a dispatcher, a hook or an auth flow writes into a request is not what the client asked for.

EVIL = "https://evil.example/"


class Rewriting(Dispatcher):
    """Sends requests to another origin, where a redirect awaits them, and adds headers of its own."""

    def __init__(self, url: str, location: str, *, in_place: bool = True) -> None:
        self.url, self.location, self.in_place = url, location, in_place
        self.requests: list[tuple[str, str]] = []

    def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Response:
        self.requests.append((str(request.url), f"{cert} {request.headers.raw}"))
        if len(self.requests) > 1:
            return Response(200)
        request.url = self.url
        if self.in_place:
            request.headers["X-Signature"] = "secret"
        else:
            request.headers = {"X-Signature": "secret", **request.headers}
        return redirect(self.location)


class AsyncRewriting(AsyncDispatcher):
    """The same, asynchronous."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.inner = Rewriting(*arguments, **options)
        self.requests = self.inner.requests

    async def send(self, request: Any, verify: Any = None, cert: Any = None, timeout: Any = None) -> Any:
        return self.inner.send(request, verify, cert, timeout)


@pytest.mark.parametrize("dispatcher", [Rewriting, AsyncRewriting])
@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("location", ["/next", EVIL + "next", "//evil.example/next"])
@pytest.mark.parametrize("auth", [("user", "secret"), DigestAuth("user", "secret"), None])
def test_trust_is_in_the_url_that_was_asked(
    world: World, dispatcher: Any, location: str, in_place: bool, auth: Any
) -> None:
    dispatch = dispatcher(EVIL, location, in_place=in_place)
    session = world.session(dispatch, headers={"X-Plain": "1"}, secret_headers=["X-Mine"])
    headers = {"X-Api-Key": "secret", "X-Mine": "secret", "Cookie": "hand=secret"}
    cookies = {"own": "secret"}
    session.get(START, auth=auth, headers=headers, cookies=cookies, cert="/secret.pem")
    assert [url for url, _ in dispatch.requests] == [START, EVIL + "next"]
    first, second = (headers for _, headers in dispatch.requests)
    assert first.count("secret") >= 5
    assert "secret" not in second
    assert "authorization" not in second
    assert "x-plain" in second


def test_a_redirect_back_to_where_the_client_asked_keeps_auth(world: World) -> None:
    dispatch = Rewriting("https://10.0.0.1:8080/start", "https://bank.example/next")
    world.session(dispatch, auth=("user", "secret")).get(START)
    assert "authorization" in dispatch.requests[1][1]
    assert "x-signature" not in dispatch.requests[1][1]  # the dispatcher's own, for one request


@pytest.mark.parametrize("writer", ["hook", "flow"])
def test_hooks_and_flows_do_not_change_what_is_trusted(world: World, writer: str) -> None:
    def move(request: Any) -> Any:
        if str(request.url) == START:
            request.url = EVIL
            request.headers["X-Signature"] = "secret"
        return request

    class Moving:
        def auth_flow(self, request: Any) -> Any:
            request.headers["Authorization"] = "secret"
            yield move(request)

    site = Site({EVIL: redirect("/next")})
    options: dict[str, Any] = {"hooks": {"request": [move]}, "auth": ("user", "secret")}
    session = world.session(site, **(options if writer == "hook" else {"auth": Moving()}))
    session.get(START, headers={"X-Api-Key": "secret"}, cookies={"own": "secret"})
    assert site.urls == [EVIL, EVIL + "next"]
    assert "secret" not in carried(site.last)
    assert "authorization" not in site.last.headers


def test_steps_taken_twice_carry_nothing_either(world: World) -> None:
    site = Site({START: redirect(EVIL)})
    session = world.session(site, auth=("user", "secret"))
    first = session.get(START, headers=SECRETS, cookies={"own": "secret"}, allow_redirects=False)
    for _ in range(2):
        session.do(first.next())
        assert "secret" not in carried(site.last)
        assert "authorization" not in site.last.headers
