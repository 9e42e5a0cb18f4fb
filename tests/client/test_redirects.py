"""Redirects as a client follows them, and as `response.next` steps through them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest

from http3_models import (
    InvalidURL,
    Limits,
    RedirectBodyUnavailable,
    RedirectError,
    RedirectLoop,
    Response,
    TooManyRedirects,
    UnsupportedProtocol,
)
from support.pages import Site, redirect
from support.worlds import World

LONG = "x" * 3_000


@pytest.mark.parametrize("verb", ["get", "options", "post", "put", "patch", "delete"])
def test_all_verbs_but_head_follow(world: World, verb: str) -> None:
    session = world.session(Site({"/a": redirect("/b")}))
    assert session.do(getattr(session.client, verb)("https://h/a")).url.path == "/b"


def test_head_follows_only_if_asked(world: World) -> None:
    session = world.session(Site({"/a": redirect("/b")}))
    assert session.do(session.client.head("https://h/a")).status_code == 302
    assert session.do(session.client.head("https://h/a", allow_redirects=True)).url.path == "/b"
    assert session.request("HEAD", "https://h/a").url.path == "/b"


def test_history_holds_the_earlier_responses_with_their_bodies(world: World) -> None:
    site = Site({"/a": redirect("/b"), "/b": redirect("/c", 303)})
    response = world.session(site).get("https://h/a")
    assert [(earlier.status_code, earlier.url.path, earlier.text) for earlier in response.history] == [
        (302, "/a", "moved"),
        (303, "/b", "moved"),
    ]
    assert all(isinstance(earlier, world.response_class) for earlier in response.history)
    assert [len(earlier.history) for earlier in response.history] == [0, 1]
    assert response.history[0].elapsed <= response.elapsed


def test_only_short_bodies_are_kept(world: World) -> None:
    taken: list[int] = []
    closed: list[int] = []

    def body(count: int) -> Iterator[bytes]:
        for number in range(count):
            taken.append(number)
            yield b"x" * 10

    site = Site(
        {
            "/a": lambda _: Response(302, headers={"Location": "/b"}, content=body(3)),
            "/b": lambda _: Response(
                302, headers={"Location": "/c"}, content=body(1000), on_close=lambda: closed.append(1)
            ),
        }
    )
    response = world.session(site, limits=Limits(max_drained=40)).get("https://h/a")
    kept, given_up = response.history
    assert kept.text == "x" * 30
    assert given_up.is_closed
    assert closed == [1]
    assert len(taken) < 20


def test_a_long_content_length_is_not_even_begun(world: World) -> None:
    def body() -> Iterator[bytes]:
        raise AssertionError("begun")
        yield b""

    site = Site(
        {
            "/a": lambda _: Response(
                302, headers={"Location": "/b", "Content-Length": "9" * 30}, content=body()
            )
        }
    )
    assert world.session(site).get("https://h/a").url.path == "/b"


def test_a_redirect_whose_body_breaks_is_followed_all_the_same(world: World) -> None:
    from http3_models import ReadError

    def body() -> Iterator[bytes]:
        yield b"x"
        raise ReadError("gone")

    site = Site({"/a": lambda _: Response(302, headers={"Location": "/b"}, content=body())})
    response = world.session(site).get("https://h/a")
    assert response.url.path == "/b"
    assert response.history[0].is_closed


def test_drained_bodies_are_not_unpacked(world: World) -> None:
    site = Site(
        {"/a": Response(302, headers={"Location": "/b", "Content-Encoding": "gzip"}, content=b"no gzip")}
    )
    assert world.session(site).get("https://h/a").url.path == "/b"


def test_redirects_never_join_to_the_base_url(world: World) -> None:
    site = Site({"/v1/a": redirect("/b")})
    world.session(site, base_url="https://h/v1", params={"p": "1"}).get("/a")
    assert site.urls == ["https://h/v1/a?p=1", "https://h/b"]


def test_the_limit(world: World) -> None:
    site = Site({f"/{number}": redirect(f"/{number + 1}") for number in range(30)})
    assert world.session(site).get("https://h/10").url.path == "/30"
    with pytest.raises(TooManyRedirects, match="20") as caught:
        world.session(site).get("https://h/9")
    assert caught.value.response.url.path == "/29"
    assert len(caught.value.response.history) == 20
    assert caught.value.request.url.path == "/29"
    assert isinstance(caught.value.response, world.response_class)
    assert caught.value.response.text == "moved"


def test_no_redirects_at_all(world: World) -> None:
    site = Site({"/a": redirect("/b")})
    with pytest.raises(TooManyRedirects):
        world.session(site, max_redirects=0).get("https://h/a")
    assert world.session(site, max_redirects=0).get("https://h/a", allow_redirects=False).status_code == 302


def test_loops(world: World) -> None:
    site = Site({"/a": redirect("/b"), "/b": redirect("/a#x")})
    with pytest.raises(RedirectLoop) as caught:
        world.session(site).get("https://h/a")
    assert site.urls == ["https://h/a", "https://h/b"]
    assert caught.value.response.url.path == "/b"


def test_a_login_that_bounces_back_with_a_cookie_is_no_loop(world: World) -> None:
    def page(request: Any) -> Response:
        if "session=1" in request.headers.get("cookie", ""):
            return Response(200, text="in")
        return redirect("/login")

    site = Site({"/": page, "/login": redirect("/", Set_Cookie="session=1")})
    assert world.session(site).get("https://h/").text == "in"


def test_a_login_page_that_sets_a_new_cookie_each_time_ends_at_the_limit(world: World) -> None:
    count = iter(range(1000))
    site = Site({"/": lambda _: redirect("/", Set_Cookie=f"n={next(count)}")})
    with pytest.raises(TooManyRedirects):
        world.session(site).get("https://h/")


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("https://h:99999/", RedirectError),
        ("ftp://h/", UnsupportedProtocol),
        ("mailto:x@y", UnsupportedProtocol),
    ],
)
def test_what_is_not_followed(world: World, location: str, error: type[Exception]) -> None:
    closed: list[int] = []
    site = Site(
        {
            "/a": lambda _: Response(
                302, headers={"Location": location}, content=b"x", on_close=lambda: closed.append(1)
            )
        }
    )
    with pytest.raises(error) as caught:
        world.session(site).get("https://h/a")
    assert caught.value.request.url.path == "/a"  # type: ignore[attr-defined]
    assert closed == [1]
    if error is RedirectError:
        assert isinstance(caught.value.__cause__, InvalidURL)
        assert caught.value.response.status_code == 302  # type: ignore[attr-defined]
    session = world.session(site)
    response = session.get("https://h/a", allow_redirects=False)
    assert response.is_redirect
    with pytest.raises(error):
        session.do(response.next())


def test_bodies_that_come_only_once(world: World) -> None:
    def page(request: Any) -> Any:
        return _consume(world, request, redirect("/b", 307))

    session = world.session(Site({"/a": page, "/b": page}))
    with pytest.raises(RedirectBodyUnavailable) as caught:
        session.post("https://h/a", data=iter([b"once"]))
    assert caught.value.response.status_code == 307
    assert (
        session.request("PUT", "https://h/a", data=iter([b"once"]), allow_redirects=False).status_code == 307
    )


def _consume(world: World, request: Any, response: Response) -> Any:
    if not world.is_async:
        assert b"".join(request.stream()) == b"once"
        return response

    async def reading() -> Response:
        assert b"".join([piece async for piece in request.stream()]) == b"once"
        return response

    return reading()


def test_bodies_are_sent_again(world: World, tmp_path: Any) -> None:
    contents: list[bytes] = []

    def page(answer: Response) -> Any:
        def of(request: Any) -> Any:
            if world.is_async:

                async def reading() -> Response:
                    contents.append(b"".join([piece async for piece in request.stream()]))
                    return answer

                return reading()
            contents.append(b"".join(request.stream()))
            return answer

        return of

    site = Site({"/a": page(redirect("/b", 307)), "/b": page(redirect("/c", 308)), "/c": page(Response(200))})
    (tmp_path / "file").write_bytes(b"__content")
    with (tmp_path / "file").open("rb") as file:
        file.seek(2)
        for data in [b"content", "content", file]:
            assert world.session(site).post("https://h/a", data=data).status_code == 200
    assert contents == [b"content"] * 9


@pytest.mark.parametrize("stream", [False, True])
def test_next_takes_one_step(world: World, stream: bool) -> None:
    site = Site({"/a": redirect("/b", Set_Cookie="n=1"), "/b": redirect("/c")})
    session = world.session(site)
    first = session.get("https://h/a", allow_redirects=False, stream=stream)
    second = session.do(first.next())
    third = session.do(second.next())
    assert [response.url.path for response in (first, second, third)] == ["/a", "/b", "/c"]
    assert third.next is None
    assert [earlier.url.path for earlier in third.history] == ["/a", "/b"]
    assert site.last.headers["cookie"] == "n=1"
    assert session.do(third.read()) == b"/c"


@pytest.mark.parametrize(
    ("method", "status", "location", "shown"),
    [
        ("GET", 302, "/b?c#d", "<next: GET https://h/b?c#d>"),
        ("POST", 303, "https://me:hunter2@other/", "<next: GET https://other/>"),
        ("POST", 307, "b", "<next: POST https://h/b>"),
        ("HEAD", 303, "b", "<next: HEAD https://h/b>"),
        ("GET", 302, "ftp://h/b", "<next: The scheme of ftp://h/b is 'ftp'; it must be http or https>"),
        ("GET", 302, "http://hunter2@h:x/", "<next: The redirect leads to an invalid URL: .*port"),
    ],
)
def test_next_shows_what_it_requests(
    world: World, method: str, status: int, location: str, shown: str
) -> None:
    session = world.session(Site({"/a": redirect(location, status)}))
    response = session.request(method, "https://h/a", allow_redirects=False)
    assert re.match(re.escape(shown) if shown.endswith(">") else shown, repr(response.next))
    assert "hunter2" not in repr(response.next)


def test_next_keeps_to_the_rules(world: World) -> None:
    site = Site({"/a": redirect("https://other/b"), "/b": redirect("/a")})
    session = world.session(site, auth=("u", "p"), max_redirects=1)
    response = session.get("https://h/a", allow_redirects=False, headers={"X-Api-Key": "k"})
    response = session.do(response.next())
    assert not {"authorization", "x-api-key"} & set(site.last.headers)
    with pytest.raises(TooManyRedirects):
        session.do(response.next())


def test_next_on_a_closed_client(world: World) -> None:
    session = world.session(Site({"/a": redirect("/b")}))
    response = session.get("https://h/a", allow_redirects=False)
    session.do(session.client.close())
    with pytest.raises(RuntimeError, match="closed"):
        session.do(response.next())


def test_secret_headers_of_the_client(world: World) -> None:
    site = Site({"/a": redirect("https://other/b")})
    session = world.session(site, secret_headers=["X-Tenant"], headers={"X-Tenant": "1", "X-Plain": "1"})
    session.get("https://h/a")
    assert "x-tenant" not in site.last.headers
    assert site.last.headers["x-plain"] == "1"


def test_an_upgrade_to_https_keeps_credentials(world: World) -> None:
    site = Site({"http://h/a": redirect("https://h/a")})
    world.session(site, auth=("u", "p")).get("http://h/a")
    assert "authorization" in site.last.headers
    site = Site({"https://h/a": redirect("http://h/a")})
    world.session(site, auth=("u", "p")).get("https://h/a")
    assert "authorization" not in site.last.headers


# Locations that lead nowhere


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["", "  ", None])
def test_an_empty_location_is_like_one_that_is_missing(
    world: World, location: str | None, status: int, stream: bool
) -> None:
    headers = {} if location is None else {"Location": location}
    site = Site({"/a": Response(status, headers=headers, content=b"here")})
    session = world.session(site)
    for allow_redirects in (True, False):
        response = session.post("https://h/a", allow_redirects=allow_redirects, stream=stream)
        assert (response.status_code, session.do(response.read())) == (status, b"here")
        assert (response.is_redirect, response.next, response.history) == (False, None, [])
    assert len(site.requests) == 2


SCHEMES = [
    "mailto:user@example.org",
    "ftp://h/x",
    "javascript:alert(1)",
    "data:,x",
    "file:///x",
    "HTTPX://h/",
]
MALFORMED = [
    "http:/x",
    "http:x",
    "https:///x",
    "http://",
    "//",
    "http://h:bad/",
    "https://a b/",
    "http://[::1/",
]


@pytest.mark.parametrize("location", [*SCHEMES, *MALFORMED])
@pytest.mark.parametrize("stepping", [False, True])
def test_what_is_not_followed_names_hop_and_location(world: World, location: str, stepping: bool) -> None:
    site = Site({"/start": redirect("/hop", 303), "/hop": redirect(location, 307)})
    session = world.session(site)
    with pytest.raises(RedirectError) as caught:
        if not stepping:
            session.post("https://user:secret@h/start", data=b"x")
        response = session.post("https://user:secret@h/start", data=b"x", allow_redirects=False)
        response = session.do(response.next())
        assert response.is_redirect
        session.do(response.next())
    error = caught.value
    assert "GET https://h/hop was answered 307" in str(error)
    assert repr(location.lower() if location in SCHEMES else location) in str(error)
    assert "secret" not in str(error)
    assert (error.response.status_code, error.response.url.path) == (307, "/hop")
    assert isinstance(error.response, world.response_class)
    assert error.response.content == b"moved"
    assert error.request.url.path == "/hop"
    assert isinstance(error, InvalidURL) is isinstance(error, UnsupportedProtocol) is (location in SCHEMES)
    if location in MALFORMED:
        assert isinstance(error.__cause__, InvalidURL)
    assert len(site.requests) == 2
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.response.status_code) == (type(error), str(error), 307)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ftp://user:hunter2@h/x", "ftp://"),
        ("http://user:hunter2@h:bad/", "http://"),
        ("http:/user:hunter2@h/", "Location"),
        ("http://h:bad/" + LONG, "http://h:bad/xxx"),
        ("foo:" + LONG, "foo:xxx"),
        (b"http://h:\xe9/", r"http://h:\xe9/".replace(r"\xe9", "\xe9")),
    ],
)
def test_locations_in_messages_are_short_and_without_credentials(
    world: World, location: Any, shown: str
) -> None:
    with pytest.raises(RedirectError) as caught:
        world.session(Site({"/a": redirect(location)})).get("https://h/a")
    assert shown in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("pages", "kind", "hop", "location"),
    [
        ({"/a": redirect("/b"), "/b": redirect("/b")}, RedirectLoop, "GET https://h/b", "/b"),
        ({"/a": redirect("/b", 307), "/b": redirect("/c")}, TooManyRedirects, "POST https://h/b", "/c"),
        ({"/a": redirect("/b", 307)}, RedirectBodyUnavailable, "POST https://h/a", "/b"),
    ],
)
def test_every_redirect_error_names_hop_and_location(
    world: World, pages: dict[str, Response], kind: type[RedirectError], hop: str, location: str
) -> None:
    site = Site({**pages})
    if kind is RedirectBodyUnavailable:
        site.pages["/a"] = lambda request: _consume(world, request, pages["/a"])
    session = world.session(site, max_redirects=1 if kind is TooManyRedirects else 20)
    with pytest.raises(kind) as caught:
        session.post("https://h/a", data=iter([b"once"]))
    assert f"{hop} was answered {caught.value.response.status_code}" in str(caught.value)
    assert f"with Location {location!r}" in str(caught.value)
    assert str(caught.value.response.url) in hop
