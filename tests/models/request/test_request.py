"""Requests: automatic headers, what wins over them, what is refused, and the body."""

from __future__ import annotations

import asyncio
import copy
import io
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from http3_models import (
    URL,
    USER_AGENT,
    AsyncRequest,
    Cookies,
    Headers,
    InvalidURL,
    LocalProtocolError,
    Request,
    StreamConsumed,
    StreamException,
)
from http3_models._codings.decoder import accept_encoding
from http3_models.engine import RequestDefaults, build_request, check_request, split_headers, view_request

URL_TEXT = "https://example.org/path"


def names(request: Request) -> list[str]:
    return [name.decode() for name, _ in request.headers.wire]


async def agenerate(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def test_headers_stay_as_they_are_given() -> None:
    """A server that makes a `Request` of what it received adds no defaults of a client."""
    incoming = [("host", "example.org"), ("x-a", "1"), ("accept", "text/html"), ("X-A", "2")]
    for kind in (Request, AsyncRequest):
        assert kind("GET", URL_TEXT, headers=incoming).headers.wire == [
            (name.encode(), value.encode()) for name, value in incoming
        ]
        assert kind("GET", URL_TEXT, headers=Headers(incoming)).headers == Headers(incoming)
        assert kind("GET", URL_TEXT).headers.wire == [(b"Host", b"example.org")]
        assert list(kind("GET", URL_TEXT, headers={"X": "1"}).headers) == ["host", "x"]
        posted = kind("POST", URL_TEXT, headers={"Range": "bytes=0-"}, json=1)
        assert list(posted.headers) == ["host", "range", "content-type", "content-length"]


def completed(request: Request | AsyncRequest, **client: Any) -> Headers:
    """The headers with what a client adds that has these."""
    RequestDefaults(*split_headers(client.get("headers"))).complete(request._state)
    return request.headers


def test_automatic_headers_of_a_get() -> None:
    request = Request("GET", URL_TEXT)
    assert completed(request).wire == [
        (b"Host", b"example.org"),
        (b"User-Agent", USER_AGENT.encode()),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", accept_encoding().encode()),
        (b"Connection", b"keep-alive"),
    ]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.org/", "example.org"),
        ("http://example.org:80/", "example.org"),
        ("https://example.org:443/", "example.org"),
        ("http://example.org:443/", "example.org:443"),
        ("https://[::1]/", "[::1]"),
        ("https://[::1]:8443/", "[::1]:8443"),
        ("https://user:secret@example.org/", "example.org"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
    ],
)
def test_host(url: str, host: str) -> None:
    assert Request("GET", url).headers["Host"] == host


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "post"])
def test_methods_that_mean_a_body_say_that_there_is_none(method: str) -> None:
    assert Request(method, URL_TEXT).headers["Content-Length"] == "0"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PURGE"])
def test_other_methods_send_no_content_length_without_a_body(method: str) -> None:
    assert "Content-Length" not in Request(method, URL_TEXT).headers


@pytest.mark.parametrize(
    ("options", "length", "content_type"),
    [
        ({"data": b"abc"}, "3", None),
        ({"data": "ä"}, "2", None),
        ({"data": {"a": 1}}, "3", "application/x-www-form-urlencoded"),
        ({"json": {"a": 1}}, "7", "application/json"),
        ({"data": io.BytesIO(b"12345")}, "5", None),
    ],
)
def test_bodies_of_known_length(options: dict[str, Any], length: str, content_type: str | None) -> None:
    request = Request("DELETE", URL_TEXT, **options)
    assert request.headers["Content-Length"] == length
    assert request.headers.get("Content-Type") == content_type
    assert "Transfer-Encoding" not in request.headers


def test_a_body_of_unknown_length_is_chunked() -> None:
    request = Request("POST", URL_TEXT, data=iter([b"a"]))
    assert request.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in request.headers


def test_headers_by_hand_win_and_keep_their_case() -> None:
    request = Request(
        "POST",
        URL_TEXT,
        json=1,
        headers={"user-AGENT": "me", "content-type": "application/x+json", "Host": "other", "X-Own": "1"},
    )
    assert names(request) == ["Host", "user-AGENT", "content-type", "X-Own", "Content-Length"]
    completed(request)
    assert names(request) == [
        "Host",
        "Accept",
        "Accept-Encoding",
        "Connection",
        "user-AGENT",
        "content-type",
        "X-Own",
        "Content-Length",
    ]
    assert request.headers["Host"] == "other"
    assert request.headers["Content-Type"] == "application/x+json"


@pytest.mark.parametrize("name", ["User-Agent", "accept", "ACCEPT-ENCODING", "Connection", "Content-Type"])
@pytest.mark.parametrize("as_pairs", [True, False])
def test_none_removes_a_default(name: str, as_pairs: bool) -> None:
    headers: Any = [(name, None), ("X", "1")] if as_pairs else {name: None, "X": "1"}
    request = Request("POST", URL_TEXT, json=1, headers=headers)
    for sent in (request, pickle.loads(pickle.dumps(request)), copy.deepcopy(request)):
        assert name not in completed(sent)
        assert sent.headers["X"] == "1"
        assert len(sent.headers) == 7  # of eight


def test_none_under_a_name_of_bytes() -> None:
    assert "User-Agent" not in completed(Request("GET", URL_TEXT, headers={b"User-Agent": None}))


def test_defaults_are_added_once_and_only_to_what_was_made_without_a_client() -> None:
    request = Request("GET", URL_TEXT)
    completed(request)
    del request.headers["Accept"]
    assert "Accept" not in completed(request)
    assert "Accept" not in completed(pickle.loads(pickle.dumps(request)))
    made = view_request(Request, build_request("GET", URL_TEXT, defaults=RequestDefaults(Headers())))
    del made.headers["Accept"]
    assert "Accept" not in completed(made)


def test_a_clients_own_defaults_stand_in_for_the_automatic_ones() -> None:
    request = Request("GET", URL_TEXT, headers={"Accept": "mine", "Connection": None})
    headers = {"User-Agent": "client", "Accept": "client", "Connection": "close", "X-Other": "1"}
    assert completed(request, headers=headers | {"Accept-Encoding": None}).wire == [
        (b"Host", b"example.org"),
        (b"User-Agent", b"client"),
        (b"Accept", b"mine"),
    ]


def test_headers_that_are_set_later() -> None:
    request = Request("GET", URL_TEXT, headers={"Accept": None})
    request.headers = {"User-Agent": None, "X": "1"}
    assert names(request) == ["X", "Host"]
    assert list(completed(request)) == ["accept", "accept-encoding", "connection", "x", "host"]


def test_host_cannot_be_removed() -> None:
    with pytest.raises(LocalProtocolError, match="Host"):
        Request("GET", URL_TEXT, headers={"Host": None})


def test_without_content_length_a_body_is_chunked() -> None:
    request = Request("POST", URL_TEXT, data=b"abc", headers={"Content-Length": None})
    assert request.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in Request("POST", URL_TEXT, headers={"Content-Length": None}).headers


def test_a_body_must_be_framed() -> None:
    with pytest.raises(LocalProtocolError, match="needs Content-Length"):
        Request("POST", URL_TEXT, data=iter([b""]), headers={"Transfer-Encoding": None})


def test_identity_with_range() -> None:
    headers = {"Range": "bytes=0-1"}
    assert completed(Request("GET", URL_TEXT, headers=headers))["Accept-Encoding"] == "identity"
    headers["Accept-Encoding"] = "gzip"
    assert completed(Request("GET", URL_TEXT, headers=headers))["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "4"},
        {"Content-Length": "0"},
        {"Content-Length": "+3"},
        {"Content-Length": "3, 3"},
        {"Content-Length": "x"},
        {"Content-Length": ""},
        {"Content-Length": "٣"},
        {"Content-Length": "3" * 5000},
        {"Content-Length": "3", "Transfer-Encoding": "chunked"},
        {"Transfer-Encoding": "gzip"},
        {"Transfer-Encoding": "chunked, gzip"},
        [("Content-Length", "3"), ("content-length", "3")],
        [("Host", "a"), ("Host", "b")],
        {"X": "a\r\nEvil: 1"},
        {"X": "a\0"},
        {"X\n": "a"},
        {"": "a"},
        {"X Y": "a"},
    ],
)
def test_refused_headers(headers: Any) -> None:
    with pytest.raises(LocalProtocolError):
        Request("POST", URL_TEXT, data=b"abc", headers=headers)


def test_framing_by_hand_that_fits() -> None:
    assert (
        names(Request("POST", URL_TEXT, data=b"abc", headers={"Content-Length": "3"})).count("Content-Length")
        == 1
    )
    request = Request("POST", URL_TEXT, data=b"abc", headers={"Transfer-Encoding": "gzip, chunked"})
    assert "Content-Length" not in request.headers
    request = Request("POST", URL_TEXT, data=iter([b"abc"]), headers={"Content-Length": "3"})
    assert "Transfer-Encoding" not in request.headers


@pytest.mark.parametrize("method", ["", "GET ", "G\r\nET", "G/T", "ıget", "GÉT", "a b"])
def test_refused_methods(method: str) -> None:
    with pytest.raises(LocalProtocolError, match="token"):
        Request(method, URL_TEXT)


@pytest.mark.parametrize("method", [b"GET", None, 1, ["GET"]])
def test_methods_of_wrong_types(method: Any) -> None:
    with pytest.raises(TypeError, match="method"):
        Request(method, URL_TEXT)


def test_methods_are_upper_case() -> None:
    assert [Request(name, URL_TEXT).method for name in ("get", "Get", "m-search")] == [
        "GET",
        "GET",
        "M-SEARCH",
    ]


@pytest.mark.parametrize("headers", ["X: 1", b"X: 1", 5, [5], [("a", "b", "c")], {"a": 5}, {5: None}])
def test_headers_of_wrong_types(headers: Any) -> None:
    with pytest.raises(TypeError):
        Request("GET", URL_TEXT, headers=headers)


def test_params_are_appended() -> None:
    request = Request("GET", "https://example.org/?a=1", params={"b": [1, None, True], "c": "x y"})
    assert request.url == URL("https://example.org/?a=1&b=1&b=true&c=x+y")


def test_a_relative_url_is_refused() -> None:
    with pytest.raises(InvalidURL):
        Request("GET", "/path")


def test_cookies_stand_after_those_by_hand() -> None:
    request = Request("GET", URL_TEXT, headers={"Cookie": "a=1; b=2"}, cookies={"b": "9", "c": "3"})
    assert request.headers["Cookie"] == "a=1; b=2; c=3"
    assert request._state.explicit_cookie == "a=1; b=2"
    assert request.cookies == {"b": "9", "c": "3"}


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({"Cookie": b"a=caf\xe9"}, b"a=caf\xe9; c=3"),
        ({"Cookie": "a=caf\u00e9"}, "a=caf\u00e9; c=3".encode()),
        ([("Cookie", b"a=\xe9"), ("X-A", "1"), ("Cookie", "b=2")], b"a=\xe9; b=2; c=3"),
    ],
)
def test_cookies_by_hand_stay_byte_for_byte(headers: Any, sent: bytes) -> None:
    request = Request("GET", URL_TEXT, headers=headers, cookies={"c": "3"})
    assert [value for name, value in request.headers.wire if name == b"Cookie"] == [sent]


def test_cookies_alone() -> None:
    cookies = Cookies({"a": "1"})
    request = Request("GET", URL_TEXT, cookies=cookies)
    assert request.headers["Cookie"] == "a=1"
    assert request.cookies is cookies
    assert request._state.explicit_cookie is None


def test_cookies_of_a_request_without_any() -> None:
    request = Request("GET", URL_TEXT)
    request.cookies.set("a", "1")
    assert request.cookies == {"a": "1"}


def test_a_clients_defaults() -> None:
    headers, removed = split_headers({"X-Client": "c", "User-Agent": "c", "Accept": None})
    defaults = RequestDefaults(headers, removed)
    state = build_request("GET", URL_TEXT, headers={"x-client": "r"}, defaults=defaults)
    assert state.headers["X-Client"] == "r"
    assert state.headers["User-Agent"] == "c"
    assert "Accept" not in state.headers
    state = build_request("GET", URL_TEXT, headers={"X-Client": None}, defaults=defaults)
    assert "X-Client" not in state.headers
    state = build_request("GET", URL_TEXT, headers={"Accept": "a"}, defaults=defaults)
    assert state.headers["Accept"] == "a"
    assert headers == {"X-Client": "c", "User-Agent": "c"}


def test_defaults_are_not_shared() -> None:
    defaults = Headers({"X": "1"})
    state = build_request("GET", URL_TEXT, defaults=RequestDefaults(defaults))
    state.headers["X"] = "2"
    state.headers["Y"] = "2"
    assert defaults == {"X": "1"}
    assert "Y" not in build_request("GET", URL_TEXT).headers


def test_the_host_follows_the_url_unless_set_by_hand() -> None:
    request = Request("GET", URL_TEXT)
    request.url = "https://other.example:8443/x"
    assert request.url == URL("https://other.example:8443/x")
    assert request.headers["Host"] == "other.example:8443"
    request.headers["Host"] = "by.hand"
    request.url = URL(URL_TEXT)
    assert request.headers["Host"] == "by.hand"


def test_setting_the_method_frames_anew() -> None:
    request = Request("get", URL_TEXT)
    request.method = "post"
    assert request.method == "POST"
    assert request.headers["Content-Length"] == "0"
    with pytest.raises(LocalProtocolError):
        request.method = "no token"


def test_setting_headers_keeps_what_the_protocol_needs() -> None:
    request = Request("POST", URL_TEXT, data=b"abc")
    given = Headers({"X": "1"})
    request.headers = given
    assert request.headers == {"X": "1", "Host": "example.org", "Content-Length": "3"}
    assert given == {"X": "1"}


def test_check_state_sees_later_changes() -> None:
    request = Request("POST", URL_TEXT, data=b"abc")
    check_request(request._state)
    request.headers["X"] = "a\nb"
    with pytest.raises(LocalProtocolError, match="line feed"):
        check_request(request._state)
    del request.headers["X"]
    for name in ("Content-Length", "Host"):
        value = request.headers.pop(name)
        with pytest.raises(LocalProtocolError, match=name):
            check_request(request._state)
        request.headers[name] = value
    check_request(request._state)


@pytest.mark.parametrize("data", [b"abc", "abc", {"a": "1"}])
def test_content_of_bodies_in_memory(data: Any) -> None:
    request = Request("POST", URL_TEXT, data=data)
    expected = b"a=1" if isinstance(data, dict) else b"abc"
    assert not request.is_streaming
    assert request.content == request.read() == expected
    assert list(request.stream()) == list(request.stream()) == [expected]


def test_a_request_without_a_body() -> None:
    request = Request("GET", URL_TEXT)
    assert request.content == request.read() == b""
    assert list(request.stream()) == []
    assert not request.is_streaming


def test_a_streamed_body_is_there_after_read() -> None:
    request = Request("POST", URL_TEXT, data=iter([b"a", b"", b"bc"]))
    assert request.is_streaming
    with pytest.raises(StreamException, match="read"):
        _ = request.content
    assert request.read() == b"abc"
    assert request.content == b"abc"
    assert not request.is_streaming
    assert request.headers["Transfer-Encoding"] == "chunked"
    check_request(request._state)


def test_an_iterator_streams_once() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    request = Request("POST", URL_TEXT, data=chunks())
    assert list(request.stream()) == [b"a", b"b"]
    with pytest.raises(StreamConsumed):
        list(request.stream())
    with pytest.raises(StreamConsumed):
        request.read()


def test_a_file_streams_from_its_start_each_time() -> None:
    request = Request("POST", URL_TEXT, data=io.BytesIO(b"abc"))
    assert next(request.stream()) == b"abc"
    assert list(request.stream()) == [b"abc"]
    assert request.read() == b"abc"


def test_a_broken_body_names_its_request() -> None:
    file = io.BytesIO(b"abc")
    request = Request("POST", URL_TEXT, data=file)
    file.truncate(1)
    with pytest.raises(LocalProtocolError) as caught:
        list(request.stream())
    assert caught.value.request is request


def test_the_async_request() -> None:
    async def main() -> None:
        request = AsyncRequest("POST", URL_TEXT, data=agenerate(b"a", b"b"), params={"q": 1})
        assert request.is_streaming
        assert request.headers["Transfer-Encoding"] == "chunked"
        assert await request.read() == b"ab"
        assert request.content == b"ab"
        assert [chunk async for chunk in request.stream()] == [b"ab"]
        assert repr(request) == "<AsyncRequest('POST', 'https://example.org/path?q=1')>"

    asyncio.run(main())


def test_a_sync_request_takes_no_async_iterator() -> None:
    with pytest.raises(TypeError, match="data"):
        Request("POST", URL_TEXT, data=agenerate(b"a"))  # type: ignore[arg-type]


def test_repr_hides_the_password() -> None:
    shown = repr(Request("GET", "https://user:secret@example.org/"))
    assert shown.startswith("<Request('GET', 'https://user:")
    assert "secret@" not in shown
