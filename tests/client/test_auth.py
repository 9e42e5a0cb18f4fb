"""Authentication: who wins, what a flow may do, and where it does not go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import http3_client
from http3_client import Auth, AuthBase, BasicAuth, BearerAuth, HTTPBasicAuth
from http3_models import (
    HttpError,
    InvalidURL,
    Request,
    Response,
    ResponseNotRead,
    StreamConsumed,
    StreamException,
)
from support.pages import Site, redirect
from support.worlds import World

CLIENT = "Basic Y2xpZW50OmNsaWVudA=="
REQUEST = "Basic cmVxdWVzdDpyZXF1ZXN0"
URL_AUTH = "Basic dXJsOnVybA=="


@pytest.mark.parametrize(
    ("client", "options", "url", "expected"),
    [
        (None, {}, "https://h/", None),
        (("client", "client"), {}, "https://h/", CLIENT),
        (("client", "client"), {}, "https://url:url@h/", CLIENT),
        (None, {}, "https://url:url@h/", URL_AUTH),
        (("client", "client"), {"auth": ("request", "request")}, "https://url:url@h/", REQUEST),
        (None, {"auth": ("request", "request")}, "https://url:url@h/", REQUEST),
        (("client", "client"), {"headers": {"Authorization": "hand"}}, "https://h/", "hand"),
        (None, {"headers": {"Authorization": "hand"}}, "https://url:url@h/", "hand"),
        (
            ("client", "client"),
            {"headers": {"authorization": "hand"}, "auth": ("request", "request")},
            "https://h/",
            REQUEST,
        ),
        (("client", "client"), {"auth": Auth()}, "https://h/", None),
        (("client", "client"), {}, "https://a%3Ab:secret@h/", CLIENT),
        (None, {"auth": ("request", "request")}, "https://a%3Ab:secret@h/", REQUEST),
        (None, {"auth": Auth()}, "https://a%3Ab:secret@h/", None),
        (("client", "client"), {"auth": False}, "https://url:url@h/", None),
        (("client", "client"), {"auth": None}, "https://h/", CLIENT),
        (None, {"auth": False}, "https://url:url@h/", None),
        (None, {"auth": False}, "https://a%3Ab:secret@h/", None),
        (False, {}, "https://url:url@h/", None),
        (False, {}, "https://a%3Ab:secret@h/", None),
        (False, {"auth": None}, "https://url:url@h/", None),
        (False, {"auth": ("request", "request")}, "https://url:url@h/", REQUEST),
        (("client", "client"), {"auth": False, "headers": {"Authorization": "hand"}}, "https://h/", "hand"),
        (False, {"headers": {"Authorization": "hand"}}, "https://url:url@h/", "hand"),
        (None, {"headers": {"Authorization": "hand"}}, "https://a%3Ab:secret@h/", "hand"),
    ],
)
def test_precedence(world: World, client: Any, options: Any, url: str, expected: str | None) -> None:
    site = Site()
    response = world.session(site, auth=client).get(url, **options)
    assert site.last.headers.get("authorization") == expected
    assert site.urls == ["https://h/"]
    assert str(response.url) == "https://h/"


def test_false_is_an_auth_that_can_be_seen_and_set(world: World) -> None:
    session = world.session(site := Site(), auth=("client", "client"), base_url="https://url:url@h/")
    session.client.auth = False
    assert session.client.auth is False
    session.get("/x")
    assert "authorization" not in site.last.headers
    session.client.auth = None
    session.get("/x")
    assert site.last.headers["authorization"] == URL_AUTH
    session.send(session.client.build_request("GET", "/x"), auth=False)
    assert "authorization" not in site.last.headers
    wrong: Any
    for wrong in (True, 0, "token", [], b""):
        with pytest.raises(TypeError, match="auth must be .* or False, not"):
            session.get("/x", auth=wrong)


def test_false_holds_for_the_redirects_too(world: World) -> None:
    site = Site({"https://h/a": redirect("/b"), "https://h/b": redirect("https://url:url@h/c")})
    session = world.session(site, auth=("client", "client"))
    session.get("https://url:url@h/a", auth=False)
    assert len(site.requests) == 3
    assert not any("authorization" in request.headers for request in site.requests)


def test_userinfo_that_is_needed_and_cannot_be_sent(world: World) -> None:
    session = world.session(site := Site())
    with pytest.raises(InvalidURL, match="userinfo of .* can't be sent: .* colon") as caught:
        session.get("https://a%3Ab:secret@h/")
    assert "secret" not in str(caught.value)
    assert "h/" in str(caught.value)
    assert not site.requests
    with pytest.raises(InvalidURL, match="colon"):
        world.session(site, base_url="https://a%3Ab:secret@h/").get("/x")
    response = world.session(site, base_url="https://a%3Ab:secret@h/", auth=("client", "client")).get("/x")
    assert str(response.url) == "https://h/x"


def test_credentials_are_utf_8_and_decoded_from_urls(world: World) -> None:
    site = Site()
    world.session(site, auth=("jürgen", "pässword")).get("https://h/")
    world.session(site).get("https://j%C3%BCrgen:p%C3%A4ssword@h/")
    world.session(site, auth=("jürgen".encode(), "pässword".encode())).get("https://h/")
    assert {request.headers["authorization"] for request in site.requests} == {
        "Basic asO8cmdlbjpww6Rzc3dvcmQ="
    }


def test_credentials_that_a_scheme_cannot_express() -> None:
    with pytest.raises(ValueError, match="colon"):
        BasicAuth("a:b", "c")
    with pytest.raises(TypeError, match="username"):
        BasicAuth(3, "c")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="password"):
        HTTPBasicAuth("a", None)  # type: ignore[arg-type]
    for token in ["", "a b", "a\r\nb", "ä"]:
        with pytest.raises(ValueError, match="token"):
            BearerAuth(token)
    with pytest.raises(TypeError, match="token"):
        BearerAuth(b"x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "auth",
    [
        BasicAuth("u", "secret"),
        BearerAuth("secret"),
        HTTPBasicAuth("u", "secret"),
        http3_client.DigestAuth("u", "secret"),
    ],
)
def test_reprs_hide_secrets(auth: Auth) -> None:
    assert "secret" not in repr(auth)
    assert type(auth).__name__ in repr(auth)
    assert type(auth).__module__ == "http3_client"


def bearer(request: Any) -> Any:
    request.headers["Authorization"] = "Bearer token"
    return request


class OldStyle(AuthBase):
    def __call__(self, request: Any) -> Any:
        return bearer(request)


class Duck:
    def auth_flow(self, request: Any) -> Any:
        yield bearer(request)


@pytest.mark.parametrize("auth", [bearer, OldStyle(), Duck(), BearerAuth("token")])
def test_kinds_of_auth(world: World, auth: Any) -> None:
    site = Site()
    session = world.session(site, auth=auth)
    session.get("https://h/")
    assert site.last.headers["authorization"] == "Bearer token"
    assert repr(session.client.auth)
    assert session.get("https://h/").request.headers["authorization"] == "Bearer token"


def test_http_basic_auth_is_callable(world: World) -> None:
    request = world.request_class("GET", "https://h/")
    assert HTTPBasicAuth("u", "p")(request) is request
    assert request.headers["authorization"] == "Basic dTpw"
    with pytest.raises(NotImplementedError, match="__call__"):
        AuthBase()(world.request_class("GET", "https://h/"))


def test_a_callable_may_return_another_request(world: World) -> None:
    site = Site()
    other = world.request_class("PUT", "https://h/other", data=b"x")
    response = world.session(site, auth=lambda _: other).get("https://h/")
    assert (site.last.method, site.urls) == ("PUT", ["https://h/other"])
    assert response.request.content == b"x"


async def coroutine_auth(request: Any) -> Any:
    return request


def not_a_generator(self: Any, request: Any) -> Any:
    return request


def empty_flow(self: Any, request: Any) -> Iterator[Any]:
    return
    yield


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        (lambda _: None, "must return a request"),
        (lambda _: 3, "must return a request"),
        (coroutine_auth, "must return a request"),
        (type("Plain", (Auth,), {"auth_flow": not_a_generator})(), "must be a generator"),
        (type("Empty", (Auth,), {"auth_flow": empty_flow})(), "must return a request"),
    ],
)
def test_auth_that_is_none(world: World, auth: Any, words: str) -> None:
    site = Site()
    with pytest.raises(TypeError, match=words):
        world.session(site, auth=auth).get("https://h/")
    assert site.requests == []


class TokenAuth(Auth):
    """Fetches a token when told so by a 401."""

    requires_response_body = True

    def __init__(self, world: World) -> None:
        self.world = world
        self.token = ""

    def auth_flow(self, request: Any) -> Any:
        request.headers["X-Token"] = self.token
        response = yield request
        if response.status_code == 401:
            token = yield self.world.request_class("POST", "https://h/token", data=b"please")
            self.token = token.text
            request.headers["X-Token"] = self.token
            yield request


def guarded(request: Any) -> Response:
    return Response(200 if request.headers["x-token"] == "t1" else 401, text="page")


def test_a_flow_may_send_several_requests(world: World) -> None:
    closed: list[str] = []
    site = Site(
        {
            "/page": guarded,
            "/token": lambda _: Response(
                200, content=iter([b"t", b"1"]), on_close=lambda: closed.append("token")
            ),
        }
    )
    session = world.session(site, auth=TokenAuth(world), cookies={"c": "1"})
    response = session.get("https://h/page")
    assert [request.url.path for request in site.requests] == ["/page", "/token", "/page"]
    assert response.status_code == 200
    assert closed == ["token"]
    assert [earlier.status_code for earlier in response.history] == [401, 200]
    assert [earlier.request.headers.get("x-token") for earlier in response.history] == ["", None]
    assert response.request.headers["x-token"] == "t1"
    session.get("https://h/page")
    assert len(site.requests) == 4


def test_earlier_responses_of_a_flow_are_drained_before_the_next_request(world: World) -> None:
    log: list[str] = []

    def body() -> Iterator[bytes]:
        yield b"x"
        log.append("drained")

    def page(request: Any) -> Response:
        log.append("request")
        return Response(401, content=body())

    class Twice(Auth):
        def auth_flow(self, request: Any) -> Any:
            yield request
            yield request

    response = world.session(page, auth=Twice()).get("https://h/", stream=True)
    assert log == ["request", "drained", "request"]
    assert response.history[0].content == b"x"
    session = world.session(Site())
    session.do(response.close())


def test_a_flow_that_fails_closes_the_response(world: World) -> None:
    closed: list[int] = []

    class Failing(Auth):
        def auth_flow(self, request: Any) -> Any:
            try:
                yield request
                raise KeyError("no")
            finally:
                closed.append(2)

    session = world.session(
        lambda _: Response(200, content=iter([b"x"]), on_close=lambda: closed.append(1)), auth=Failing()
    )
    with pytest.raises(KeyError):
        session.get("https://h/", stream=True)
    assert sorted(closed) == [1, 2]


def test_a_flow_is_closed_when_the_exchange_fails(world: World) -> None:
    closed: list[int] = []

    class Watched(Auth):
        def auth_flow(self, request: Any) -> Any:
            try:
                yield request
            finally:
                closed.append(1)

    def fail(_: Any) -> Response:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        world.session(fail, auth=Watched()).get("https://h/")
    assert closed == [1]


class Signing(Auth):
    requires_request_body = True

    def auth_flow(self, request: Any) -> Any:
        request.headers["X-Signature"] = str(len(request.content))
        yield request


def test_a_flow_that_needs_the_body_has_it(world: World) -> None:
    site = Site()
    world.session(site, auth=Signing()).post("https://h/", data=iter([b"abc", b"de"]))
    assert site.last.headers["x-signature"] == "5"
    assert site.last.content == b"abcde"


def test_a_flow_that_did_not_ask_for_the_body_is_told_how(world: World) -> None:
    class Hasty(Signing):
        requires_request_body = False

    session = world.session(Site(), auth=Hasty())
    with pytest.raises(StreamException, match="requires_request_body = True"):
        session.post("https://h/", data=iter([b"abc"]))
    assert session.post("https://h/", data=b"abc").status_code == 200


def test_a_challenge_cannot_be_answered_with_a_body_that_comes_only_once(world: World) -> None:
    class Again(Auth):
        def auth_flow(self, request: Any) -> Any:
            yield request
            yield request

    def page(request: Any) -> Any:
        if not world.is_async:
            assert list(request.stream())
            return Response(401)

        async def reading() -> Response:
            assert [piece async for piece in request.stream()]
            return Response(401)

        return reading()

    with pytest.raises(StreamConsumed):
        world.session(page, auth=Again()).post("https://h/", data=iter([b"once"]))


# What a flow is given


class Looking(Auth):
    """Notes what a flow is given and can read."""

    requires_response_body = True

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def auth_flow(self, request: Any) -> Any:
        self.seen.append(type(request))
        response = yield request
        self.seen += [type(response), response.content, response.text, response.json(), response.read()]
        self.seen += [b"".join(response.stream()), "".join(response.iter_text()), response.encoding]
        if response.status_code == 401:
            yield request


def unread(*data: bytes) -> Iterator[bytes]:
    yield from data


def test_a_flow_is_given_plain_requests_and_responses(world: World) -> None:
    pages = {
        "/": [lambda _: Response(401, content=unread(b'{"a":', b"1}")), Response(200, content=b"in")],
        "/memory": [Response(401, content=b'{"a":1}'), Response(200, content=b"in")],
    }
    for path in pages:
        auth = Looking()
        response = world.session(Site(pages), auth=auth).get("https://h" + path)
        data, text = b'{"a":1}', '{"a":1}'
        assert auth.seen == [Request, Response, data, text, {"a": 1}, data, data, text, "utf-8"]
        assert response.content == b"in"
        assert isinstance(response, world.response_class)
        assert isinstance(response.request, world.request_class)
        assert response.history[0].content == data


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wants", ["content", "text", "apparent_encoding"])
def test_what_a_flow_did_not_ask_for_names_the_attribute(world: World, wants: str, stream: bool) -> None:
    told: list[str] = []

    class Hasty(Auth):
        def auth_flow(self, request: Any) -> Any:
            response = yield request
            with pytest.raises(ResponseNotRead) as caught:
                getattr(response, wants)
            told.append(str(caught.value))
            assert response.encoding == "utf-8"  # what iter_text() would use

    for content in (lambda: unread(b"page"), lambda: b"page"):
        session = world.session(lambda _, content=content: Response(200, content=content()), auth=Hasty())
        response = session.get("https://h/", stream=stream)
        assert "requires_response_body = True" in told.pop()
        assert session.do(response.read()) == b"page"


def test_a_flow_of_an_async_client_cannot_read(world: World) -> None:
    class Reading(Auth):
        def auth_flow(self, request: Any) -> Any:
            response = yield request
            if world.is_async:
                for read in (response.read, response.json, lambda: list(response.stream()), response.close):
                    with pytest.raises(ResponseNotRead, match="requires_response_body"):
                        read()
            else:
                assert response.read() == b"page"

    session = world.session(lambda _: Response(200, content=unread(b"page")), auth=Reading())
    assert session.get("https://h/").content == b"page"


@pytest.mark.parametrize("asked_for", [True, False])
def test_the_body_of_an_error_that_a_flow_raises_stays_readable(world: World, asked_for: bool) -> None:
    class Strict(Auth):
        requires_response_body = asked_for

        def auth_flow(self, request: Any) -> Any:
            (yield request).raise_for_status()

    for content in (lambda: unread(b"no", b"!"), lambda: b"no!"):
        session = world.session(lambda _, content=content: Response(403, content=content()), auth=Strict())
        for stream in (False, True):
            with pytest.raises(HttpError) as caught:
                session.get("https://h/", stream=stream)
            assert (caught.value.response.content, caught.value.response.text) == (b"no!", "no!")
            assert caught.value.response.is_closed


# Redirects


def test_auth_stays_on_the_first_origin(world: World) -> None:
    site = Site(
        {
            "https://h/a": redirect("/b"),
            "https://h/b": redirect("https://other/c"),
            "https://other/c": redirect("https://h/d"),
        }
    )
    world.session(site, auth=("u", "p")).get("https://h/a")
    assert ["authorization" in request.headers for request in site.requests] == [True, True, False, False]


def test_headers_that_auth_touched_are_secret(world: World) -> None:
    def sign(request: Any) -> Any:
        request.headers["X-Added"] = "secret"
        request.headers["X-Changed"] = "secret"
        return request

    site = Site({"https://h/a": redirect("/b"), "https://h/b": redirect("https://other/c")})
    world.session(site, auth=sign).get("https://h/a", headers={"X-Changed": "hand", "X-Kept": "1"})
    first, second, third = (request.headers for request in site.requests)
    assert first["x-changed"] == second["x-changed"] == "secret"
    assert not {"x-added", "x-changed"} & set(third)
    assert third["x-kept"] == "1"


def test_a_flow_runs_anew_on_each_hop(world: World) -> None:
    count = iter(range(9))

    def numbered(request: Any) -> Any:
        request.headers["X-Number"] = str(next(count))
        return request

    site = Site({"/a": redirect("/b"), "/b": redirect("/c")})
    world.session(site, auth=numbered).get("https://h/a")
    assert [request.headers["x-number"] for request in site.requests] == ["0", "1", "2"]


def test_userinfo_of_a_location_is_not_used(world: World) -> None:
    site = Site({"/a": redirect("https://evil:evil@h/b")})
    world.session(site).get("https://h/a")
    assert "authorization" not in site.last.headers
    assert site.urls[-1] == "https://h/b"


def test_a_cookie_of_the_challenge_goes_with_the_answer(world: World) -> None:
    class Again(Auth):
        def auth_flow(self, request: Any) -> Any:
            response = yield request
            if response.status_code == 401:
                yield request

    def page(request: Any) -> Response:
        if "cookie" in request.headers:
            return Response(200)
        return Response(401, headers={"Set-Cookie": "challenge=1"})

    site = Site({"/": page})
    assert world.session(site, auth=Again()).get("https://h/").status_code == 200
    assert site.last.headers["cookie"] == "challenge=1"
