"""URL and Origin: normalising, what is refused with which message, equality, joining."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from http3_models import URL, InvalidURL, Origin
from http3_models._url.parse import normal_form, remove_dot_segments
from http3_models._url.url import URLParts
from http3_models.engine import redacted


def test_parts() -> None:
    url = URL("HTTPS://us%65r:p%40ss@Example.ORG:8443/a/b;c?x=1&y=2#top")
    assert url.scheme == "https"
    assert url.authority == "us%65r:p%40ss@example.org:8443"
    assert url.netloc == "example.org:8443"
    assert (url.userinfo, url.username, url.password) == ("us%65r:p%40ss", "user", "p@ss")
    assert (url.host, url.port) == ("example.org", 8443)
    assert (url.path, url.query, url.fragment) == ("/a/b;c", "x=1&y=2", "top")
    assert url.full_path == "/a/b;c?x=1&y=2"
    assert url.is_ssl
    assert url.is_absolute_url
    assert not url.is_relative_url
    assert str(url) == "https://us%65r:p%40ss@example.org:8443/a/b;c?x=1&y=2#top"


def test_parts_that_are_absent() -> None:
    url = URL("http://example.org")
    assert (url.userinfo, url.username, url.password, url.query, url.fragment) == ("", "", "", "", "")
    assert (url.port, url.path, url.full_path, url.is_ssl) == (80, "/", "/", False)
    assert URL("https://example.org").port == 443
    assert URL("ftp://example.org").port is None


def test_a_relative_reference() -> None:
    url = URL("a/../b?c#d", allow_relative=True)
    assert (url.scheme, url.authority, url.netloc, url.host, url.port) == ("", "", "", "", None)
    assert (url.path, url.query, url.fragment) == ("a/../b", "c", "d")
    assert url.is_relative_url
    assert URL("", allow_relative=True).path == ""
    assert URL("*", allow_relative=True).full_path == "*"


@pytest.mark.parametrize(
    ("given_url", "sent"),
    [
        ("HTTP://EXAMPLE.com/", "http://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:443", "https://example.com"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com:/", "http://example.com/"),
        ("http://example.com:0080/", "http://example.com/"),
        ("http://example.com:08080/", "http://example.com:8080/"),
        ("http://@example.com/", "http://example.com/"),
        ("http://:@example.com/", "http://example.com/"),
        ("http://user@example.com/", "http://user@example.com/"),
        ("http://a@b@example.com/", "http://a%40b@example.com/"),
        ("http://us\u00e9r:p%zz@example.com/", "http://us%C3%A9r:p%25zz@example.com/"),
        ("http://h/a/./b/../c", "http://h/a/c"),
        ("http://h/../../a", "http://h/a"),
        ("http://h/a/..", "http://h/"),
        ("http://h/a/%2e%2E/b", "http://h/a/%2e%2E/b"),
        ("http://h/%7euser/%c3%a9/%41", "http://h/%7euser/%c3%a9/%41"),
        ("http://h/a b\u00e9", "http://h/a%20b%C3%A9"),
        ("http://h/50%", "http://h/50%25"),
        ("http://h/%2", "http://h/%252"),
        ("http://h/%zz%41", "http://h/%25zz%41"),
        ("http://h/\x00\x0b\x7f?\x01", "http://h/%00%0B%7F?%01"),
        ('http://h/"<>\\^`{|}[]', "http://h/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"),
        ("http://h/!$&'()*+,;=:@-._~", "http://h/!$&'()*+,;=:@-._~"),
        ("http://h/?a=/?:@ \u2603", "http://h/?a=/?:@%20%E2%98%83"),
        ("http://h/?", "http://h/?"),
        ("http://h?q", "http://h?q"),
        ("http://h/a?b?c", "http://h/a?b?c"),
        ("http://h/#", "http://h/#"),
        ("http://h/#a#b c", "http://h/#a%23b%20c"),
        ("http://h//a//", "http://h//a//"),
        ("http://h/a/..//b", "http://h//b"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("http://[2001:DB8::0:1]:80/", "http://[2001:db8::1]/"),
    ],
)
def test_sent_and_shown(given_url: str, sent: str) -> None:
    assert str(URL(given_url)) == sent
    assert str(URL(sent)) == sent


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no scheme"),
        ("/path", "no scheme"),
        ("//host/path", "no scheme"),
        ("example.com", "no scheme"),
        ("://example.com", "scheme is missing"),
        ("1http://example.com", "'1http' is no scheme"),
        (" http://example.com", "begins with a space"),
        ("ht tp://example.com", "'ht tp' is no scheme"),
        ("ht\x01tp:example.com", "is no scheme"),
        ("http:example.com", "'//' is missing after 'http:'"),
        ("https:/example.com", "'//' is missing after 'https:'"),
        ("localhost:8000/x", "'//' is missing after 'localhost:'"),
        ("mailto:someone", "'//' is missing"),
        ("http://", "there is no host"),
        ("http:///path", "there is no host"),
        ("http://:80/", "there is no host"),
        ("http://user@/", "there is no host"),
        ("file:///etc/hosts", "there is no host"),
        ("http://exa mple.com/", "a space in the authority"),
        ("http://us er@example.com/", "a space in the authority"),
        ("http://example.com /", "a space in the authority"),
        ("http://exa\x00mple.com/", "a control character in the authority"),
        ("http://exa\x7fmple.com/", "a control character in the authority"),
        ("http://example.com\\@other.com/", "a backslash in the authority"),
        ("http://h/a\tb", "a tab at position 10"),
        ("http://h/a\r\nb", "a carriage return at position 10"),
        ("http://h/?a\nb", "a line feed at position 11"),
        ("http://h/#\t", "a tab"),
        ("http://h:x/", "the port is not a number"),
        ("http://h:-1/", "the port is not a number"),
        ("http://h:+80/", "the port is not a number"),
        ("http://h:\u0661/", "the port is not a number"),
        ("http://h:65536/", "the port is not from 0 to 65535"),
        ("http://h:1" + "0" * 5000 + "/", "the port is not from 0 to 65535"),
        ("http://2001::1/", "more than one colon"),
        ("http://[::1]x/", "something other than a port"),
        ("http://h/\ud800", "surrogates not allowed"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        URL(text)
    assert why in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "text",
    [
        "http:x",
        "http:/x",
        "//",
        "///x",
        "//:80",
        "\\\\h/x",
        "/\\h/x",
        "\\/h",
        " /x",
        "\x0b//h",
        "1a://h",
        "a\tb",
    ],
)
def test_refused_even_as_relative_reference(text: str) -> None:
    with pytest.raises(InvalidURL):
        URL(text, allow_relative=True)


@pytest.mark.parametrize(
    "text", ["//host/x", "x", "/x", "?q", "#f", "", "a:b", "mailto:a@b", "file:///x", "./1:2"]
)
def test_accepted_as_relative_reference(text: str) -> None:
    url = URL(text, allow_relative=True)
    assert str(url) == text
    with pytest.raises(InvalidURL):
        URL(url)


@pytest.mark.parametrize(
    "text",
    [
        "http://user:hunter2@exa mple/",
        "http://user:hun/ter2@host:x/",
        "http://user:hunter2/@host/",
        "user:hunter2@host/",
        "http:user:hunter2@host",
        "http://user:hunter2#@host/",
    ],
)
def test_messages_hold_no_credentials(text: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        URL(text)
    assert "ter2" not in str(caught.value)
    assert "[secure]@" in str(caught.value)


def test_messages_are_cut() -> None:
    with pytest.raises(InvalidURL) as caught:
        URL("http://h:x/" + "a" * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("bad", [None, 1, b"http://h/", ["http://h/"], object()])
def test_other_types(bad: Any) -> None:
    with pytest.raises(TypeError, match="url must be a str or URL"):
        URL(bad)
    with pytest.raises(TypeError, match="url must be a str or URL"):
        URL("http://h/").join(bad)


def test_a_subclass_of_str() -> None:
    class Text(str):
        def __str__(self) -> str:
            return "http://other/"

    assert str(URL(Text("http://h/"))) == "http://h/"


def test_a_url_of_a_url() -> None:
    url = URL("http://h/a")
    assert URL(url) is url
    assert str(URL(url, params={"b": 1})) == "http://h/a?b=1"


def test_subclasses_stay_subclasses() -> None:
    class Mine(URL):
        __slots__ = ()

    for url in (
        Mine("http://h/"),
        Mine(URL("http://h/")),
        Mine("http://h/").copy_with(path="/x"),
        Mine("http://h/").join("x"),
    ):
        assert type(url) is Mine
    assert type(URL(Mine("http://h/"))) is URL
    assert Mine("http://h/") == URL("http://h/")
    assert repr(Mine("http://h/")) == "Mine('http://h/')"


def test_long_urls_are_not_cached() -> None:
    text = "http://h/" + "a" * 5000
    assert URL(text) == URL(text)
    assert URL(text) is not URL(text)


@pytest.mark.parametrize(
    ("text", "params", "sent"),
    [
        ("http://h/", {"a": "1"}, "http://h/?a=1"),
        ("http://h/?b=%41", {"a": ["1", "2"]}, "http://h/?b=%41&a=1&a=2"),
        ("http://h/?", {"a": "1"}, "http://h/?a=1"),
        ("http://h/?b", {}, "http://h/?b"),
        ("http://h/?b", {"a": None}, "http://h/?b"),
        ("http://h/?b=1#f", "a=x y", "http://h/?b=1&a=x+y#f"),
        ("http://h", [("a", True)], "http://h?a=true"),
    ],
)
def test_params_are_appended(text: str, params: Any, sent: str) -> None:
    assert str(URL(text, params=params)) == sent


@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "http://h",
        "http://h/",
        "https://u:p@h:8443/a/b?",
        "http://h?c=1",
        "http://h/a?c=1&",
        "http://h/a#f",
        "http://h/a?b#f",
        "http://[::1]:80/%3Fa?%23=%3F?",
        "http://h/*",
    ],
)
@pytest.mark.parametrize("params", [{"a": "b c", "d": ["\u00e9", 1]}, {"a": ""}, {}, "x=1&y=?"])
def test_with_params_it_is_the_url_of_its_text(text: str, params: Any, asked_before: bool) -> None:
    url = URL(text)
    if asked_before:
        assert url.netloc in text.replace(":80/", "/")
        assert url.origin.host
    made = URL(url, params=params)
    again = pickle.loads(pickle.dumps(made))
    for name in ("_parts", "_text", "full_path", "netloc", "origin", "path", "query", "fragment"):
        assert getattr(made, name) == getattr(again, name)
    assert made == again
    assert (made == url) is (not params)


def test_params_of_the_asterisk_form() -> None:
    made = URL(URL("http://h").copy_with(full_path="*"), params={"a": 1})
    assert (str(made), made.full_path) == ("http://h?a=1", "/?a=1")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://h", "http://h/"),
        ("HTTP://H:80/", "http://h/"),
        ("http://h/%7euser", "http://h/~user"),
        ("http://h/%e9", "http://h/%E9"),
        ("http://h/a/%2E%2e/b", "http://h/b"),
        ("http://h/?%61=%2d", "http://h/?a=-"),
        ("http://h/#%61", "http://h/#a"),
        ("http://%61:%62@h/", "http://a:b@h/"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("http://h/\u00e9", "http://h/%c3%a9"),
    ],
)
def test_equal(one: str, other: str) -> None:
    assert URL(one) == URL(other)
    assert hash(URL(one)) == hash(URL(other))
    assert len({URL(one), URL(other)}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://h/", "https://h/"),
        ("http://h/", "http://h:81/"),
        ("http://h/a", "http://h/A"),
        ("http://h/a", "http://h/a/"),
        ("http://h/", "http://h/?"),
        ("http://h/%2F", "http://h//"),
        ("http://h/?a=%26", "http://h/?a=&"),
        ("http://h/", "http://user@h/"),
        ("http://h/#a", "http://h/#b"),
    ],
)
def test_unequal(one: str, other: str) -> None:
    assert URL(one) != URL(other)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://h/a?b#c", "http://h/a?b#c"),
        ("http://h/a", "HTTP://H:80/%61"),
        ("http://h/%7euser", "http://h/~user"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("http://h", "http://h/"),
        ("/a?b", "/a?b"),
        ("", ""),
        ("*", "*"),
    ],
)
def test_equal_to_a_str(url: str, text: str) -> None:
    made = URL(url, allow_relative=True)
    assert made == text
    assert text == made
    assert [made].index(text) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "http://h/b", "http://h/a/", "h/a", "/a", "http://", "http:///a", "http://h:x/a", "http://h/a\n", "",
        "http://h/\udcff", "http://user@h/a", "https://[::1", "nonsense",
    ],
)  # fmt: skip
def test_unequal_to_a_str(text: str) -> None:
    """Also to one that is no URL, which is no error."""
    url = URL("http://h/a")
    assert url != text
    assert text != url


def test_a_str_that_is_a_subclass_equals_by_its_text() -> None:
    class Text(str):
        def __str__(self) -> str:
            return "something else"

    assert URL("http://h/a") == Text("http://h/a")


def test_the_asterisk_form_equals_no_str() -> None:
    url = URL("http://h").copy_with(full_path="*")
    assert url != "http://h"
    assert url != URL("http://h")
    assert url == URL("http://h").copy_with(full_path="*")


def test_in_sets_a_str_in_normal_form_stands_for_the_url() -> None:
    url = URL("HTTP://H:80/%7euser")
    normal, other = {"http://h/~user", "x"}, {"http://h/%7Euser", "x"}
    assert hash(url) == hash("http://h/~user")
    assert url in normal
    assert {url: "found"}["http://h/~user"] == "found"  # type: ignore[index]
    assert {"http://h/~user": "found"}[url] == "found"  # type: ignore[index]
    assert url == "http://h/%7Euser"
    assert url not in other  # equal, and its hash is another
    assert URL("http://h") in {"http://h/", "x"}


def test_unequal_to_anything_else() -> None:
    assert URL("http://h/") != b"http://h/"
    assert URL("http://h/") != None  # noqa: E711
    assert URL("http://h/") != 1


@given(st.text("/:?#@%.aA~0\u00e92eE", max_size=12), st.text("/:?#@%.aA~0\u00e92eE", max_size=12))
@example("h", "h/")
@example("h/%2e%2E/a", "h/a")
@example("h/?", "h/")
def test_urls_are_equal_if_and_only_if_the_parts_of_their_normal_forms_are(one: str, other: str) -> None:
    made = []
    for text in (f"http://{one}", f"http://{other}", one, other):
        try:
            made.append(URL(text, allow_relative=True))
        except InvalidURL:
            assert text not in made
    for first in made:
        for second in made:
            equal = normal_form(first._parts) == normal_form(second._parts)
            assert (first == second) is equal
            assert (first == str(second)) is equal
            assert hash(first) == hash(first._normal_form())


def test_password_is_redacted_in_the_repr_only() -> None:
    url = URL("http://user:hunter2@h/")
    assert repr(url) == "URL('http://user:[secure]@h/')"
    assert redacted(url) == "http://user:[secure]@h/"
    assert str(url) == "http://user:hunter2@h/"


@pytest.mark.parametrize(
    ("userinfo", "shown"),
    [
        ("user:hunter2@", "user:[secure]@"),
        (":hunter2@", ":[secure]@"),
        ("hunter2@", "[secure]@"),
        ("hunter2:@", "[secure]@"),
        ("hunter2:x-oauth-basic@", "[secure]@"),
        ("", ""),
    ],
)
def test_a_user_name_alone_is_redacted_too(userinfo: str, shown: str) -> None:
    """It is a token as often as not."""
    for url in (URL(f"http://{userinfo}h/a?b#c"), URL(f"//{userinfo}h/a?b#c", allow_relative=True)):
        text = f"{url.scheme}{':' * bool(url.scheme)}//{shown}h/a?b#c"
        assert repr(url) == f"URL({text!r})"
        assert redacted(url) == text
        assert repr(url._parts) == f"<Parts {text!r}>"
        assert url.userinfo + "@" * bool(userinfo) == userinfo


@pytest.mark.parametrize(
    ("userinfo", "username", "password"),
    [
        ("a:b:c", "a", "b:c"),
        ("a%3Ab:", "a:b", ""),
        (":b", "", "b"),
        ("%E2%98%83", "\u2603", ""),
        ("%E9", "\u00e9", ""),
    ],
)
def test_credentials_are_decoded(userinfo: str, username: str, password: str) -> None:
    url = URL(f"http://{userinfo}@h/")
    assert (url.username, url.password) == (username, password)


@pytest.mark.parametrize("name", ["scheme", "host", "full_path", "query", "origin", "anything"])
def test_immutable(name: str) -> None:
    url = URL("http://h/")
    with pytest.raises(AttributeError):
        setattr(url, name, "x")


@pytest.mark.parametrize("text", ["http://user:pw@h:81/%7e?q#f", "a/../b"])
def test_copies_and_pickles(text: str) -> None:
    url = URL(text, allow_relative=True)
    for other in (
        copy.copy(url),
        copy.deepcopy(url),
        *(pickle.loads(pickle.dumps(url, p)) for p in range(6)),
    ):
        assert other == url
        assert str(other) == text
        assert hash(other) == hash(url)


# copy_with


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ({}, "https://user:pw@example.org:8443/a?b=c#d"),
        ({"scheme": "HTTP"}, "http://user:pw@example.org:8443/a?b=c#d"),
        ({"port": None}, "https://user:pw@example.org/a?b=c#d"),
        ({"port": 443}, "https://user:pw@example.org/a?b=c#d"),
        ({"port": 80}, "https://user:pw@example.org:80/a?b=c#d"),
        ({"port": 80, "scheme": "http"}, "http://user:pw@example.org/a?b=c#d"),
        ({"host": "B\u00dcCHER.example"}, "https://user:pw@xn--bcher-kva.example:8443/a?b=c#d"),
        ({"host": "::1"}, "https://user:pw@[::1]:8443/a?b=c#d"),
        ({"host": "[::1]"}, "https://user:pw@[::1]:8443/a?b=c#d"),
        ({"authority": "other"}, "https://other/a?b=c#d"),
        ({"authority": "x:y@other:1", "host": "third"}, "https://x:y@third:1/a?b=c#d"),
        ({"userinfo": ""}, "https://example.org:8443/a?b=c#d"),
        ({"userinfo": "a%20b:c/d@"}, "https://a%20b:c%2Fd%40@example.org:8443/a?b=c#d"),
        (
            {"username": "a:%", "password": "/@\u00e9"},
            "https://a%3A%25:%2F%40%C3%A9@example.org:8443/a?b=c#d",
        ),
        ({"password": None}, "https://user@example.org:8443/a?b=c#d"),
        ({"path": "/x?y#z/%41"}, "https://user:pw@example.org:8443/x%3Fy%23z/%41?b=c#d"),
        ({"path": "x/../y"}, "https://user:pw@example.org:8443/y?b=c#d"),
        ({"path": ""}, "https://user:pw@example.org:8443?b=c#d"),
        ({"path": "//x"}, "https://user:pw@example.org:8443//x?b=c#d"),
        ({"query": "e=f#g"}, "https://user:pw@example.org:8443/a?e=f%23g#d"),
        ({"query": None, "fragment": None}, "https://user:pw@example.org:8443/a"),
        ({"query": "", "fragment": ""}, "https://user:pw@example.org:8443/a"),
        ({"fragment": "x y"}, "https://user:pw@example.org:8443/a?b=c#x%20y"),
        ({"full_path": "/x?y?z"}, "https://user:pw@example.org:8443/x?y?z#d"),
        ({"full_path": "/x"}, "https://user:pw@example.org:8443/x#d"),
    ],
)
def test_copy_with(parts: Any, sent: str) -> None:
    url = URL("https://user:pw@example.org:8443/a?b=c#d")
    assert str(url.copy_with(**parts)) == sent
    assert str(url) == "https://user:pw@example.org:8443/a?b=c#d"


@pytest.mark.parametrize(
    "parts",
    [
        {"scheme": "1"},
        {"scheme": "a b"},
        {"scheme": None},
        {"scheme": ""},
        {"host": ""},
        {"host": None},
        {"host": "a/b"},
        {"host": "a@b"},
        {"host": "a:1"},
        {"host": "-"},
        {"port": -1},
        {"port": 65536},
        {"authority": ""},
        {"authority": "a b"},
        {"authority": "a/b"},
        {"path": "\ud800"},
    ],
)
def test_copy_with_refuses(parts: Any) -> None:
    with pytest.raises(InvalidURL) as caught:
        URL("http://user:hunter2@h/").copy_with(**parts)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "parts", [{"port": "80"}, {"port": True}, {"path": b"/"}, {"query": 1}, {"hots": "x"}, {"params": {}}]
)
def test_copy_with_names_a_wrong_argument(parts: Any) -> None:
    with pytest.raises(TypeError, match=next(iter(parts))):
        URL("http://h/").copy_with(**parts)


def test_the_asterisk_as_target() -> None:
    url = URL("http://h:81/x?y").copy_with(full_path="*")
    assert url.full_path == "*"
    assert str(url) == "http://h:81"
    assert url != URL("http://h:81")
    assert pickle.loads(pickle.dumps(url)) == url
    assert URL(url).full_path == "*"
    assert url.copy_with(fragment="f").full_path == "*"
    assert url.copy_with(path="/x").full_path == "/x"


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ({"path": "a:b"}, "./a:b?q"),
        ({"path": "//evil/x"}, "/.//evil/x?q"),
        ({"query": "r"}, "x?r"),
        ({"scheme": "g"}, "g:x?q"),
    ],
)
def test_copy_with_on_a_relative_reference(parts: Any, sent: str) -> None:
    made = URL("x?q", allow_relative=True).copy_with(**parts)
    assert str(made) == sent
    assert str(URL(made, allow_relative=True)) == sent
    assert URL(sent, allow_relative=True) == made


@pytest.mark.parametrize("parts", [{"scheme": "http"}, {"port": 1}, {"username": "u"}])
def test_a_part_that_needs_a_host(parts: Any) -> None:
    with pytest.raises(InvalidURL, match="there is no host"):
        URL("x", allow_relative=True).copy_with(**parts)


# join: RFC 3986, sections 5.4.1 and 5.4.2

RFC_EXAMPLES = {
    "g:h": "g:h",
    "g": "http://a/b/c/g",
    "./g": "http://a/b/c/g",
    "g/": "http://a/b/c/g/",
    "/g": "http://a/g",
    "//g": "http://g",
    "?y": "http://a/b/c/d;p?y",
    "g?y": "http://a/b/c/g?y",
    "#s": "http://a/b/c/d;p?q#s",
    "g#s": "http://a/b/c/g#s",
    "g?y#s": "http://a/b/c/g?y#s",
    ";x": "http://a/b/c/;x",
    "g;x": "http://a/b/c/g;x",
    "g;x?y#s": "http://a/b/c/g;x?y#s",
    "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/",
    "./": "http://a/b/c/",
    "..": "http://a/b/",
    "../": "http://a/b/",
    "../g": "http://a/b/g",
    "../..": "http://a/",
    "../../": "http://a/",
    "../../g": "http://a/g",
    "../../../g": "http://a/g",
    "../../../../g": "http://a/g",
    "/./g": "http://a/g",
    "/../g": "http://a/g",
    "g.": "http://a/b/c/g.",
    ".g": "http://a/b/c/.g",
    "g..": "http://a/b/c/g..",
    "..g": "http://a/b/c/..g",
    "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/",
    "g/./h": "http://a/b/c/g/h",
    "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y",
    "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x",
    "g?y/../x": "http://a/b/c/g?y/../x",
    "g#s/./x": "http://a/b/c/g#s/./x",
    "g#s/../x": "http://a/b/c/g#s/../x",
}


@pytest.mark.parametrize(("reference", "target"), RFC_EXAMPLES.items())
def test_join_rfc_examples(reference: str, target: str) -> None:
    base = URL("http://a/b/c/d;p?q")
    assert str(base.join(reference)) == target
    relative = URL(reference, allow_relative=True)
    assert str(base.join(relative)) == target
    assert str(relative.resolve_with(base)) == str(relative.resolve_with(str(base))) == target


def test_join_is_strict_about_the_same_scheme() -> None:
    with pytest.raises(InvalidURL, match="'//' is missing"):
        URL("http://a/b").join("http:g")


@pytest.mark.parametrize(
    ("base", "reference", "target"),
    [
        ("http://a", "g", "http://a/g"),
        ("http://a?x", "", "http://a?x"),
        ("https://a/", "//b:443/x", "https://b/x"),
        ("http://a/", "//b:443/x", "http://b:443/x"),
        ("http://u:p@a:1/x", "/y", "http://u:p@a:1/y"),
        ("http://a/x#f", "y", "http://a/y"),
        ("http://a/b/c", "/.//x", "http://a//x"),
        ("http://a/b", "12:34", "http://a/12:34"),
        ("http://a/b", "\u00e9 x", "http://a/%C3%A9%20x"),
        ("http://a/b", "mailto:x@y", "mailto:x@y"),
        ("http://a/b", "file:///x", "file:///x"),
        ("http://a/b", "https://c/../d", "https://c/d"),
    ],
)
def test_join(base: str, reference: str, target: str) -> None:
    assert str(URL(base).join(reference)) == target


def test_join_to_other_schemes() -> None:
    opaque = URL("g:a/b", allow_relative=True)
    assert str(opaque.join("../c")) == "g:c"
    assert str(opaque.join("/..//x")) == "g:/.//x"


def test_join_without_a_base() -> None:
    relative = URL("x", allow_relative=True)
    assert str(relative.join("http://h/")) == "http://h/"
    with pytest.raises(InvalidURL, match="has no scheme"):
        relative.join("y")


# Origin


def test_origin() -> None:
    url = URL("https://user:pw@Example.org/x")
    assert url.origin is url.origin
    assert (url.origin.is_ssl, url.origin.host, url.origin.port) == (True, "example.org", 443)
    assert url.origin == Origin(url) == Origin("https://example.org:443/y")
    assert len({url.origin, Origin("https://example.org"), Origin("http://example.org")}) == 2
    assert url.origin != Origin("https://example.org:444")
    assert repr(url.origin) == "Origin('https://example.org:443')"
    assert Origin("ftp://h").port == 0


def test_origin_of_an_ipv6_host() -> None:
    origin = Origin("http://[::1]:8000/")
    assert origin.host == "::1"
    assert str(origin) == "http://[::1]:8000"


def test_origin_copies_and_pickles() -> None:
    origin = Origin("https://[::1]:8000/")
    for other in (
        copy.copy(origin),
        copy.deepcopy(origin),
        *(pickle.loads(pickle.dumps(origin, p)) for p in range(6)),
    ):
        assert type(other) is Origin
        assert other == origin


def test_origin_is_immutable() -> None:
    with pytest.raises(AttributeError):
        Origin("http://h/").host = "x"  # type: ignore[misc]


def test_origin_of_a_relative_reference() -> None:
    with pytest.raises(InvalidURL):
        Origin(URL("/x", allow_relative=True))
    with pytest.raises(InvalidURL):
        _ = URL("/x", allow_relative=True).origin


# Properties

PIECES = st.sampled_from(
    [*"abZ09-._~:/?#[]@!$&'()*+,;=%\\ \x00\x7f\u00e9\u2603\ud800", "//", "..", "%2e", "%2F", "%c3", "1.2"]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@given(st.sampled_from(["http://", "https://h", "http://h/", "g:", ""]), TEXTS)
@example("", "/.//x")
@example("g:", "/..//x")
def test_str_is_a_fixed_point(start: str, rest: str) -> None:
    try:
        url = URL(start + rest, allow_relative=True)
    except InvalidURL:
        return
    text = str(url)
    again = URL(text, allow_relative=True)
    assert str(again) == text
    assert again._parts == url._parts
    assert again == url
    assert text.isascii()
    assert not any(ord(character) <= 0x20 or character in '"<>\\^`{|}\x7f' for character in text)


@given(TEXTS, TEXTS, TEXTS)
def test_a_changed_url_is_a_fixed_point(path: str, query: str, fragment: str) -> None:
    for base in ("http://h/", "x", "g:x"):
        try:
            url = URL(base, allow_relative=True).copy_with(path=path, query=query, fragment=fragment)
        except InvalidURL:
            continue
        again = URL(str(url), allow_relative=True)
        assert again._parts == url._parts
        assert again.host == ("h" if base.startswith("http") else "")


@given(TEXTS)
def test_a_joined_url_is_a_fixed_point(reference: str) -> None:
    for base in ("http://h/a/b?c", "http://h", "g:a/b"):
        try:
            url = URL(base, allow_relative=True).join(reference)
        except InvalidURL:
            continue
        assert str(URL(str(url), allow_relative=True)) == str(url)
        assert URL(reference, allow_relative=True).resolve_with(url) == url.join(reference)


@given(TEXTS)
def test_credentials_come_back(text: str) -> None:
    try:
        url = URL("http://h/").copy_with(username=text, password=text)
    except InvalidURL:
        assert "\ud800" in text
        return
    assert (url.username, url.password) == (text, text)
    assert url.host == "h"


@given(st.lists(st.sampled_from(["a", "b.", "..", ".", "", "..c"]), max_size=8))
def test_dot_segments_as_the_rfc_removes_them(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    assert remove_dot_segments(path) == rfc_remove_dot_segments(path)


def rfc_remove_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4, step by step."""
    output: list[str] = []
    while path:
        if path.startswith(("../", "./")):
            path = path.partition("/")[2]
        elif path.startswith("/./") or path == "/.":
            path = "/" + path[3:]
        elif path.startswith("/../") or path == "/..":
            path = "/" + path[4:]
            del output[-1:]
        elif path in (".", ".."):
            path = ""
        else:
            end = path.find("/", 1)
            end = len(path) if end < 0 else end
            output.append(path[:end])
            path = path[end:]
    return "".join(output)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("http://example.org/", {"userinfo": ":"}),
        ("http://example.org/", {"authority": ":@example.org"}),
        ("http://user:@example.org/", {"username": ""}),
        ("http://user:@example.org/", {"username": None}),
        ("http://:secret@example.org/", {"password": ""}),
    ],
)
def test_a_userinfo_that_says_nothing_is_dropped(text: str, part: URLParts) -> None:
    url = URL(text).copy_with(**part)
    assert str(url) == "http://example.org/"
    assert url == URL(str(url))
