"""What a client is told and what it sends: verbs, options, attributes, base_url, closing."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

import http3_client
from http3_models import (
    DEFAULT_POOL_LIMITS,
    DEFAULT_TIMEOUT_CONFIG,
    URL,
    ClientClosed,
    Cookies,
    Headers,
    InvalidURL,
    Limits,
    LocalProtocolError,
    QueryParams,
    Response,
    TimeoutConfig,
    UnsupportedProtocol,
)
from support.pages import Site, redirect
from support.worlds import World

VERBS = ["get", "options", "head", "post", "put", "patch", "delete"]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_takes_every_option(world: World, verb: str) -> None:
    site = Site()
    session = world.session(site)
    response = session.do(
        getattr(session.client, verb)(
            "https://example.org/x",
            json={"a": 1},
            params={"q": "1"},
            headers={"X-One": "1"},
            cookies={"c": "2"},
            stream=False,
            auth=("user", "secret"),
            allow_redirects=True,
            cert=None,
            verify=True,
            timeout=3,
        )
    )
    assert response.status_code == 200
    sent = site.last
    assert sent.method == verb.upper()
    assert str(sent.url) == "https://example.org/x?q=1"
    assert sent.content == b'{"a":1}'
    assert sent.headers["x-one"] == "1"
    assert sent.headers["cookie"] == "c=2"
    assert sent.headers["authorization"] == "Basic dXNlcjpzZWNyZXQ="


@pytest.mark.parametrize(
    ("options", "url", "params", "sent"),
    [
        ({}, "https://h/", "q=%D6%D0", "https://h/?q=%D6%D0"),
        ({}, "https://h/?a=%D6", "flag", "https://h/?a=%D6&flag"),
        ({"params": "q=%D6%D0&flag"}, "https://h/", None, "https://h/?q=%D6%D0&flag"),
        ({"params": "q=%D6%D0&flag"}, "https://h/", {"a": "1"}, "https://h/?q=%D6%D0&flag&a=1"),
        ({"params": "q=%D6%D0&flag"}, "https://h/", "q=%D0", "https://h/?flag&q=%D0"),
        ({"params": {"a": b"\xd6"}}, "https://h/?z=%FF", "b=%20", "https://h/?z=%FF&a=%D6&b=%20"),
        ({"base_url": "https://h/v1?k=%D6%D0"}, "x?flag", "q=%D6", "https://h/v1/x?k=%D6%D0&flag&q=%D6"),
    ],
)
def test_params_as_text_are_sent_byte_for_byte(
    world: World, options: dict[str, Any], url: str, params: Any, sent: str
) -> None:
    site = Site()
    session = world.session(site, **options)
    session.get(url, params=params)
    session.get(url, params=None if params is None else QueryParams(params))
    session.send(session.client.build_request("GET", url, params=params))
    assert site.urls == [sent] * 3
    following = Site({"/a": redirect(sent)})
    response = world.session(following).get("https://h/a")
    assert str(response.url) == sent
    assert str(QueryParams(response.url.query)) == response.url.query


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"params": {"q": "\ud800"}}, r"params\['q'\]"),
        ({"data": {"q": "\ud800"}}, r"data\['q'\]"),
        ({"files": {"q": ("\ud800", b"")}}, "filename of 'q'"),
        ({"headers": {"X-Q": "\ud800"}}, "header 'X-Q'"),
        ({"headers": {"\ud800": "1"}}, r"header '\\ud800'"),
        ({"cookies": {"q": "\ud800"}}, "cookie 'q'"),
        ({"cookies": {"\ud800": "1"}}, "cookie's name"),
        ({"json": {"\ud800": 1}}, "json"),
        ({"auth": ("\ud800", "p")}, "username"),
        ({"auth": ("u", "\ud800")}, "password"),
        ({"url": "https://h/\ud800"}, "Invalid URL"),
        ({"url": "https://\ud800/"}, "Invalid URL"),
        ({"url": "https://\ud800@h/"}, "Invalid URL"),
    ],
)
def test_lone_surrogates_are_refused_and_the_field_is_named(
    world: World, options: dict[str, Any], named: str
) -> None:
    session = world.session(site := Site())
    options = dict(options)
    url = options.pop("url", "https://h/")
    with pytest.raises(ValueError, match=named) as caught:
        session.post(url, **options)
    assert not isinstance(caught.value, UnicodeError)
    if "auth" not in options:
        with pytest.raises(ValueError, match=named):
            world.request_class("POST", url, **options)
    assert not site.requests


AUTOMATIC = ["host", "user-agent", "accept", "accept-encoding", "connection"]


def test_defaults_are_added_to_a_request_made_by_hand_when_it_is_sent(world: World) -> None:
    session = world.session(site := Site({"/a": redirect("/b")}), headers={"X-Client": "1"})
    request = world.request_class("GET", "https://h/a", headers={"X-Own": "2"})
    assert list(request.headers) == ["host", "x-own"]
    session.send(request)
    assert [list(sent.headers) for sent in site.requests] == [[*AUTOMATIC, "x-own"]] * 2
    assert list(request.headers) == ["host", "x-own"]
    session.send(pickle.loads(pickle.dumps(request)))
    assert list(site.last.headers) == [*AUTOMATIC, "x-own"]


def test_a_request_made_by_hand_leaves_defaults_out(world: World) -> None:
    headers = {"Accept": None, "User-Agent": "client", "Connection": None}
    session = world.session(site := Site(), headers=headers)
    session.send(world.request_class("GET", "https://h/", headers={"Accept-Encoding": None}))
    assert site.last.headers == {"host": "h", "user-agent": "client"}
    session.send(world.request_class("GET", "https://h/", headers={"User-Agent": "own", "Range": "bytes=0-"}))
    assert site.last.headers["user-agent"] == "own"
    assert site.last.headers["accept-encoding"] == "identity"


def test_a_built_request_shows_all_headers_and_keeps_what_is_done_to_them(world: World) -> None:
    session = world.session(site := Site(), headers={"X-Client": "1"})
    request = session.client.build_request("GET", "https://h/", headers={"X-Own": "2"})
    assert list(request.headers) == [*AUTOMATIC, "x-client", "x-own"]
    del request.headers["Accept"]
    request.headers["User-Agent"] = "mine"
    for sent in (request, pickle.loads(pickle.dumps(request))):
        session.send(sent)
        assert "accept" not in site.last.headers
        assert site.last.headers["user-agent"] == "mine"


def test_a_request_that_a_flow_makes_gets_defaults(world: World) -> None:
    class Token(http3_client.Auth):
        def auth_flow(self, request: Any) -> Any:
            yield type(request)("POST", "https://h/token", headers={"X-Token": "1"}, data=b"")
            yield request

    session = world.session(site := Site(), auth=Token())
    session.get("https://h/")
    own = [*AUTOMATIC, "x-token", "content-length"]
    assert [list(sent.headers) for sent in site.requests] == [own, AUTOMATIC]


@pytest.mark.parametrize("empty", [{"data": {}}, {"files": {}}, {"data": [], "files": {}}, {"data": None}])
def test_json_beside_empty_data_and_files(world: World, empty: dict[str, Any]) -> None:
    site = Site()
    session = world.session(site)
    session.post("https://example.org/", json={"a": 1}, **empty)
    assert site.last.content == b'{"a":1}'
    assert site.last.headers["content-type"] == "application/json"
    session.send(world.request_class("PUT", "https://example.org/", json={}, **empty))
    assert site.last.content == b"{}"
    with pytest.raises(TypeError, match="json can't be combined with data"):
        session.post("https://example.org/", json={"a": 1}, data={"b": "c"})


@pytest.mark.parametrize("verb", [*VERBS, "request"])
def test_unknown_options_are_type_errors(world: World, verb: str) -> None:
    session = world.session(Site())
    arguments = ("GET", "https://example.org") if verb == "request" else ("https://example.org",)
    with pytest.raises(TypeError, match="alow_redirects"):
        session.do(getattr(session.client, verb)(*arguments, alow_redirects=False))


def test_the_documented_arguments_may_be_given_by_position(world: World) -> None:
    arguments = (
        ("u", "p"),
        {"a": "1"},
        True,
        None,
        7,
        DEFAULT_POOL_LIMITS,
        3,
        "https://h/",
        None,
        None,
        True,
        None,
    )
    client = world.client_class(*arguments)
    assert client.timeout == TimeoutConfig(7)
    assert client.base_url == URL("https://h/")
    assert dict(client.cookies) == {"a": "1"}
    assert isinstance(client.auth, http3_client.BasicAuth)
    assert not client.is_closed


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"auth": 3}, TypeError, "auth"),
        ({"auth": ("a",)}, TypeError, "auth"),
        ({"cookies": 3}, TypeError, "cookies"),
        ({"verify": 3}, TypeError, "verify"),
        ({"cert": 3}, TypeError, "cert"),
        ({"timeout": "5"}, TypeError, "timeout"),
        ({"timeout": 0}, ValueError, "timeout"),
        ({"pool_limits": 3}, TypeError, "pool_limits"),
        ({"max_redirects": "3"}, TypeError, "max_redirects"),
        ({"max_redirects": True}, TypeError, "max_redirects"),
        ({"max_redirects": -1}, ValueError, "max_redirects"),
        ({"base_url": 3}, TypeError, "base_url"),
        ({"base_url": "/relative"}, InvalidURL, "scheme"),
        ({"base_url": "ftp://h/"}, UnsupportedProtocol, "ftp"),
        ({"dispatch": 3}, TypeError, "dispatch"),
        ({"dispatch": Site(), "app": Site()}, TypeError, "dispatch"),
        ({"app": 3}, TypeError, "app"),
        ({"raise_app_exceptions": 1}, TypeError, "raise_app_exceptions"),
        ({"headers": "abc"}, TypeError, "headers"),
        ({"headers": {"a": 3}}, TypeError, "a"),
        ({"params": 3}, TypeError, "params"),
        ({"http_versions": "HTTP/2"}, TypeError, "http_versions"),
        ({"http_versions": ()}, ValueError, "http_versions"),
        ({"http_versions": ("HTTP/3",)}, ValueError, "http_versions"),
        ({"trust_env": "no"}, TypeError, "trust_env"),
        ({"default_encoding": 3}, TypeError, "default_encoding"),
        ({"hooks": [print]}, TypeError, "hooks"),
        ({"hooks": {"request": print}}, TypeError, "hooks"),
        ({"hooks": {"request": ["f"]}}, TypeError, "hooks"),
        ({"hooks": {"done": [print]}}, ValueError, "done"),
        ({"replay": 0}, TypeError, "replay"),
        ({"secret_headers": "x-secret"}, TypeError, "secret_headers"),
        ({"secret_headers": [3]}, TypeError, "secret_headers"),
        ({"limits": 3}, TypeError, "limits"),
        ({"proxy": 3}, TypeError, "proxy"),
        ({"proxy": "gopher://p"}, ValueError, "proxy"),
        ({"proxy": {"ftp": "http://p"}}, ValueError, "ftp"),
        ({"network": 3}, TypeError, "network"),
    ],
)
def test_wrong_arguments_are_named(
    world: World, options: dict[str, Any], error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        world.client_class(**options)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"method": 3}, TypeError, "method"),
        ({"method": "GE T"}, LocalProtocolError, "method"),
        ({"url": 3}, TypeError, "url"),
        ({"url": b"https://h"}, TypeError, "url"),
        ({"data": {"a": "b"}, "json": {}}, TypeError, "json"),
        ({"json": float("nan")}, ValueError, "JSON"),
        ({"params": 3}, TypeError, "params"),
        ({"headers": {"a": "b\r\nc: d"}}, LocalProtocolError, "a"),
        ({"headers": "abc"}, TypeError, "headers"),
        ({"cookies": 3}, TypeError, "cookies"),
        ({"stream": 1}, TypeError, "stream"),
        ({"auth": 3}, TypeError, "auth"),
        ({"allow_redirects": "yes"}, TypeError, "allow_redirects"),
        ({"cert": 3}, TypeError, "cert"),
        ({"verify": 3}, TypeError, "verify"),
        ({"timeout": "3"}, TypeError, "timeout"),
        ({"timeout": -1}, ValueError, "timeout"),
        ({"url": "ftp://h/"}, UnsupportedProtocol, "ftp"),
        ({"url": "relative"}, InvalidURL, "scheme"),
    ],
)
def test_wrong_options_are_named(
    world: World, options: dict[str, Any], error: type[Exception], named: str
) -> None:
    site = Site()
    with pytest.raises(error, match=named):
        world.session(site).request(**{"method": "GET", "url": "https://h/", **options})
    assert site.requests == []


# base_url


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        ("https://host/v1", "/users", "https://host/v1/users"),
        ("https://host/v1", "users", "https://host/v1/users"),
        ("https://host/v1/", "/users", "https://host/v1/users"),
        ("https://host/v1", "", "https://host/v1"),
        ("https://host/v1/", "", "https://host/v1/"),
        ("https://host", "", "https://host/"),
        ("https://host", "users", "https://host/users"),
        ("https://host/v1?key=1", "/users?page=2", "https://host/v1/users?key=1&page=2"),
        ("https://host/v1?key=1", "/users", "https://host/v1/users?key=1"),
        ("https://host/v1?key=1", "?page=2", "https://host/v1?key=1&page=2"),
        ("https://host/v1#there", "/users#here", "https://host/v1/users#here"),
        ("https://host/v1#there", "/users", "https://host/v1/users"),
        ("https://host/v1", "../v2/./x", "https://host/v2/x"),
        ("https://host/v1", "../../..", "https://host/"),
        ("https://host/v1", "/a//b", "https://host/v1/a//b"),
        ("https://host/v1", "a:b/c", None),
        ("https://host/v1", "/a:b/c", "https://host/v1/a:b/c"),
        ("https://host/v1", "https://other/x", "https://other/x"),
        ("https://host/v1", "HTTP://other/x", "http://other/x"),
        ("https://host/v1", "//other/x", None),
        ("https://host/v1", "///x", None),
        ("https://host/v1", "/\\other/x", "https://host/v1/%5Cother/x"),
        ("https://host/v1", "/\t/other", None),
        ("https://host/v1", "/@other/x", "https://host/v1/@other/x"),
        ("https://host", "@other/x", "https://host/@other/x"),
        ("https://host", ".other/x", "https://host/.other/x"),
        ("https://host/v1", "/100%/%2F", "https://host/v1/100%25/%2F"),
        ("https://[::1]:8443/v1", "x", "https://[::1]:8443/v1/x"),
    ],
)
def test_base_url_is_a_prefix(world: World, base: str, url: str, expected: str | None) -> None:
    site = Site()
    session = world.session(site, base_url=base)
    if expected is None:
        with pytest.raises(InvalidURL):
            session.get(url)
        with pytest.raises(InvalidURL):
            session.client.build_request("GET", url)
        assert site.requests == []
    else:
        session.get(url)
        assert site.urls == [expected]


def test_a_relative_url_object_joins_too(world: World) -> None:
    site = Site()
    world.session(site, base_url="https://host/v1").get(URL("x?y=1", allow_relative=True))
    assert site.urls == ["https://host/v1/x?y=1"]


def test_relative_urls_need_a_base(world: World) -> None:
    for url in ["/users", "users", "", "//host/x"]:
        with pytest.raises(InvalidURL, match="base_url"):
            world.session(Site()).get(url)


def test_credentials_of_the_base_url_are_used_and_not_shown(world: World) -> None:
    site = Site()
    session = world.session(site, base_url="https://user:pw%40@host/v1")
    session.get("/x")
    assert site.urls == ["https://host/v1/x"]
    assert site.last.headers["authorization"] == "Basic dXNlcjpwd0A="
    assert "pw" not in repr(session.client)


# Headers and params


def test_headers_of_the_request_win_and_none_removes(world: World) -> None:
    site = Site()
    session = world.session(
        site, headers={"X-A": "client", "X-B": "client", "User-Agent": "mine", "Accept": None}
    )
    session.get("https://h/", headers={"x-a": "request", "X-B": None, "X-C": b"bytes"})
    sent = site.last.headers
    assert sent["x-a"] == "request"
    assert "x-b" not in sent
    assert "accept" not in sent
    assert (sent["x-c"], sent["user-agent"]) == ("bytes", "mine")
    session.get("https://h/")
    assert site.last.headers["x-b"] == "client"


def test_changing_client_headers_in_place_counts_for_the_next_request(world: World) -> None:
    site = Site()
    session = world.session(site)
    session.get("https://h/")
    session.client.headers["X-New"] = "1"
    session.get("https://h/")
    session.client.headers.update({"X-New": "2"})
    session.get("https://h/")
    assert [request.headers.get("x-new") for request in site.requests] == [None, "1", "2"]


def test_what_a_server_or_hook_does_to_a_request_stays_out_of_the_client(world: World) -> None:
    def handler(request: Any) -> Response:
        seen.append("x-leak" in request.headers)
        request.headers["X-Leak"] = "1"
        return Response(200)

    seen: list[bool] = []
    session = world.session(handler, headers={"X-A": "1"})
    for _ in range(3):
        session.get("https://h/")
    assert seen == [False] * 3
    assert "x-leak" not in session.client.headers


def test_many_hosts_and_methods(world: World) -> None:
    site = Site()
    session = world.session(site, headers={"Cookie": "a=1"})
    for number in [*range(80), 79, 0]:
        for method in ("get", "POST"):
            session.request(method, f"https://h{number}/")
            assert site.last.headers["host"] == f"h{number}"
            assert site.last.headers["cookie"] == "a=1"
            assert site.last.method == method.upper()
            assert site.last.headers.get("content-length") == ("0" if method == "POST" else None)


def test_params_of_the_client_go_first_and_are_replaced_by_name(world: World) -> None:
    site = Site()
    session = world.session(site, params={"key": "1", "page": "1"})
    session.get("https://h/?own=0", params={"page": ["2", "3"]})
    session.get("https://h/")
    assert site.urls == ["https://h/?own=0&key=1&page=2&page=3", "https://h/?key=1&page=1"]


# Attributes


def test_attributes_are_converted(world: World) -> None:
    client = world.session(Site()).client
    assert client.timeout == DEFAULT_TIMEOUT_CONFIG
    assert client.base_url is None
    assert client.auth is None
    assert client.default_encoding is None
    assert client.hooks == {"request": [], "response": []}
    client.timeout = 3
    client.headers = {"A": "1", "B": None}
    client.params = {"p": "1"}
    client.cookies = {"c": "1"}
    client.auth = ("u", "p")
    client.base_url = "https://h/v1"
    client.default_encoding = "latin-1"
    client.hooks = {"request": (print,)}
    assert client.timeout == TimeoutConfig(3)
    assert (type(client.headers), client.headers["a"]) == (Headers, "1")
    assert client.params == QueryParams({"p": "1"})
    assert isinstance(client.cookies, Cookies)
    assert isinstance(client.auth, http3_client.BasicAuth)
    assert client.base_url == URL("https://h/v1")
    assert client.default_encoding == "latin-1"
    assert client.hooks == {"request": [print], "response": []}
    client.timeout = None
    assert client.timeout == TimeoutConfig(None)
    with pytest.raises(TypeError, match="base_url"):
        client.base_url = 3
    with pytest.raises(AttributeError):
        client.no_such_attribute = 1


def test_attributes_have_docstrings() -> None:
    for name in ["headers", "params", "cookies", "auth", "timeout", "base_url", "default_encoding", "hooks"]:
        assert getattr(http3_client.Client, name).__doc__
        assert getattr(http3_client.AsyncClient, name).__doc__


def test_default_encoding_reaches_the_response(world: World) -> None:
    session = world.session(lambda _: Response(200, content="ä".encode("cp850")), default_encoding="cp850")
    assert session.get("https://h/").text == "ä"


def test_limits_reach_the_response(world: World) -> None:
    from http3_models import DecodedSizeExceeded

    session = world.session(lambda _: Response(200, content=b"x" * 100), limits=Limits(max_decoded=10))
    with pytest.raises(DecodedSizeExceeded) as caught:
        session.get("https://h/")
    assert caught.value.request.url == URL("https://h/")


# send and build_request


def test_send_takes_a_request_made_by_hand(world: World) -> None:
    site = Site()
    session = world.session(
        site, headers={"X-Client": "1"}, params={"p": "1"}, cookies={"a": "1"}, auth=("u", "p")
    )
    request = world.request_class("POST", "https://h/x", data=b"body", headers={"X-Own": "1"})
    before = dict(request.headers)
    for _ in range(2):
        assert session.send(request).status_code == 200
        sent = site.last
        assert (str(sent.url), sent.content) == ("https://h/x", b"body")
        assert sent.headers["cookie"] == "a=1"
        assert "authorization" in sent.headers
        assert "x-client" not in sent.headers
    assert dict(request.headers) == before


def test_send_takes_its_own_kind_of_request_only(world: World) -> None:
    for wrong in [3, "https://h", _other(world)]:
        with pytest.raises(TypeError, match="request must be"):
            world.session(Site()).send(wrong)


def _other(world: World) -> Any:
    other = World("sync" if world.is_async else "asyncio")
    return other.request_class("GET", "https://h/")


def test_what_was_changed_on_a_request_is_checked_before_it_goes(world: World) -> None:
    site = Site()
    request = world.request_class("POST", "https://h/x", data=b"body")
    request.headers["Content-Length"] = "3"
    with pytest.raises(LocalProtocolError) as caught:
        world.session(site).send(request)
    assert caught.value.request.method == "POST"
    assert site.requests == []


def test_build_request_makes_what_request_would_send(world: World) -> None:
    site = Site()
    session = world.session(
        site, base_url="https://u:p@h/v1", headers={"X-Client": "1"}, params={"p": "1"}, cookies={"a": "1"}
    )
    request = session.client.build_request("post", "/x", json=[1], headers={"X-Own": "2"}, cookies={"b": "2"})
    assert isinstance(request, world.request_class)
    session.send(request)
    session.request("post", "/x", json=[1], headers={"X-Own": "2"}, cookies={"b": "2"})
    first, second = site.requests
    assert str(first.url) == str(second.url) == "https://h/v1/x?p=1"
    assert first.headers == second.headers
    assert first.headers["cookie"] == "b=2; a=1"
    assert first.content == second.content == b"[1]"


def test_a_cookie_header_written_after_the_fact_is_kept(world: World) -> None:
    site = Site()
    session = world.session(site, cookies={"a": "store", "b": "store"})
    request = world.request_class("GET", "https://h/")
    request.headers["Cookie"] = "b=hand"
    session.send(request)
    assert site.last.headers["cookie"] == "b=hand; a=store"


# Responses


def test_responses_are_read_unless_streamed(world: World) -> None:
    def handler(request: Any) -> Response:
        return Response(200, content=iter([b"a", b"b"]))

    session = world.session(handler)
    assert session.get("https://h/").content == b"ab"
    streamed = session.get("https://h/", stream=True)
    assert not streamed.is_stream_consumed
    assert session.do(streamed.read()) == b"ab"


def test_a_body_that_breaks_closes_the_response(world: World) -> None:
    closed = []

    def broken() -> Any:
        yield b"a"
        raise OSError("broken")

    session = world.session(lambda _: Response(200, content=broken(), on_close=lambda: closed.append(1)))
    with pytest.raises(OSError, match="broken"):
        session.get("https://h/")
    assert closed == [1]


def test_on_close_is_called_once_the_body_was_read(world: World) -> None:
    closed = []
    session = world.session(lambda _: Response(200, content=b"x", on_close=lambda: closed.append(1)))
    session.get("https://h/")
    assert closed == [1]


def test_elapsed_and_request(world: World) -> None:
    response = world.session(Site()).get("https://h/x")
    assert response.elapsed.total_seconds() >= 0
    assert isinstance(response, world.response_class)
    assert isinstance(response.request, world.request_class)
    assert response.url == URL("https://h/x")
    assert response.next is None


# Closing


def test_a_closed_client_says_so(world: World) -> None:
    session = world.session(Site())
    assert "open" in repr(session.client)
    session.do(session.client.close())
    session.do(session.client.close())
    assert session.client.is_closed
    assert "closed" in repr(session.client)
    for error in (ClientClosed, RuntimeError):
        with pytest.raises(error, match="closed"):
            session.get("https://h/")
    with pytest.raises(ClientClosed):
        session.send(world.request_class("GET", "https://h/"))


def test_context_managers_close() -> None:
    with http3_client.Client(dispatch=_mock()) as client:
        assert client.get("https://h/").ok
    assert client.is_closed


def _mock() -> Any:
    from http3_models import MockDispatcher

    return MockDispatcher(Site())


async def _with_async_client() -> bool:
    async with http3_client.AsyncClient(dispatch=_mock()) as client:
        response = await client.get("https://h/")
        assert response.ok
    return client.is_closed


def test_async_context_managers_close() -> None:
    import asyncio

    assert asyncio.run(_with_async_client())


def test_a_client_closes_its_dispatcher_once(world: World) -> None:
    from http3_models import MockDispatcher

    closed = []

    class Counting(MockDispatcher):
        def close(self) -> None:
            closed.append(1)

    session = world.session(Counting(Site()))
    session.get("https://h/")
    session.do(session.client.close())
    session.do(session.client.close())
    assert closed == [1]


def test_clients_do_not_pickle(world: World) -> None:
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(world.session(Site()).client)


def test_settings_that_make_no_sense_are_named() -> None:
    with pytest.raises(ValueError, match="default_encoding must be the name"):
        http3_client.Client(default_encoding="martian")
    with pytest.raises(InvalidURL, match="base_url: "):
        http3_client.Client(base_url="/v1")
    with pytest.raises(TypeError, match="backend must be a Backend or a ConcurrencyBackend, not int"):
        http3_client.Client(backend=42)  # type: ignore[arg-type]


def test_a_url_in_a_message_shows_no_credentials() -> None:
    with http3_client.Client(base_url="https://example.org") as client, pytest.raises(InvalidURL) as caught:
        client.get("//user:hunter2@elsewhere.example/")
    assert "hunter2" not in str(caught.value)
