"""Where relative URLs lead: what was worked out before must not answer for another base."""

from __future__ import annotations

from typing import Any

import pytest

import http3
from http3_client._base_url import resolve_url
from http3_models import URL, InvalidURL
from support.pages import Site
from support.worlds import World

LONG = "x" * 4000


@pytest.mark.parametrize("text", ["users", "https://h/x", LONG, f"https://h/{LONG}"])
def test_each_base_has_its_own(text: str) -> None:
    bases = [URL("https://one/v1"), URL("https://one/v2"), URL("https://user:secret@one/v1"), None]
    for _ in range(2):
        for base in bases:
            if "://" in text:
                assert str(resolve_url(text, base)) == text
            elif base is None:
                with pytest.raises(InvalidURL, match="base_url"):
                    resolve_url(text, base)
            else:
                assert str(resolve_url(text, base)) == f"{base}/{text}"


def test_subclasses_of_str_and_url() -> None:
    class Text(str):
        __slots__ = ()

    class Address(URL):
        __slots__ = ()

    base = Address("https://one/v1")
    assert str(resolve_url(Text("users"), base)) == "https://one/v1/users"
    assert resolve_url(base, None) is base
    assert type(resolve_url("users", base)) is URL


@pytest.mark.parametrize("url", [b"https://h/", None, 1])
def test_other_types(url: object) -> None:
    with pytest.raises(TypeError, match="url must be a str or URL"):
        resolve_url(url, None)  # type: ignore[arg-type]


SCHEMELESS = [
    ("example.org/a", "https://example.org/a"),
    ("localhost:8000/a", "http://localhost:8000/a"),
    ("127.0.0.1:8000", "http://127.0.0.1:8000"),
]


@pytest.mark.parametrize(("text", "meant"), SCHEMELESS)
def test_a_url_without_scheme_gets_the_one_that_was_meant(world: World, text: str, meant: str) -> None:
    session = world.session(Site())
    request = session.client.build_request("GET", "http://h/")
    calls: list[Any] = [
        lambda: session.get(text),
        lambda: session.client.build_request("GET", text),
        lambda: setattr(session.client, "base_url", text),
        lambda: world.client_class(base_url=text),
        lambda: setattr(request, "url", text),
        lambda: world.request_class("GET", text),
        lambda: world.response_class(200, url=text),
        lambda: session.do(http3.AsyncClient().get(text)) if world.is_async else http3.get(text),
    ]
    for call in calls:
        with pytest.raises(InvalidURL) as caught:
            call()
        assert f"did you mean {meant!r}?" in str(caught.value)


def test_a_relative_url_is_told_of_base_url() -> None:
    for text in ("/users", "users"):
        with pytest.raises(InvalidURL, match="the client has no base_url to join it to$"):
            http3.get(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [(" https://h/", "begins with a space"), ("1http://h/", "'1http' is no scheme"), ("/a\n", "a line feed")],
)
def test_what_is_no_relative_url_is_told_why(text: str, why: str) -> None:
    with pytest.raises(InvalidURL, match=why):
        http3.get(text)


def test_with_a_base_url_hosts_are_told_apart_by_the_scheme() -> None:
    base = URL("https://one/v1")
    assert str(resolve_url("example.org/a", base)) == "https://one/v1/example.org/a"
    with pytest.raises(InvalidURL, match="did you mean 'http://localhost:8000/a'"):
        resolve_url("localhost:8000/a", base)
