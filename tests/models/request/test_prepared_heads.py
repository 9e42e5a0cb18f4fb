"""What a client adds to its requests: the short way to a head must lead where the expected one leads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from http3_models import URL, Headers, LocalProtocolError
from http3_models._request import prepared_heads as module
from http3_models._request.bodies import IteratorBody
from http3_models._request.prepared_heads import NO_DEFAULTS
from http3_models.engine import (
    EMPTY_BODY,
    BytesBody,
    RequestDefaults,
    RequestState,
    build_request,
    split_headers,
)

URL_TEXT = "https://example.org/path"

NAMES = st.sampled_from(
    [
        "X-A",
        "x-a",
        "X-B",
        "Accept",
        "accept",
        "User-Agent",
        "Accept-Encoding",
        "Connection",
        "Content-Type",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Cookie",
        "cookie",
        "Range",
        "Expect",
        "TE",
        "Authorization",
        "no token",
        "",
        "X:",
        "caf\u00e9",
        b"X-A",
        b"X-C",
        1,
    ]
)
VALUES = st.sampled_from(
    [
        "a",
        "",
        " a b ",
        "\ta",
        "close",
        "5",
        "chunked",
        "a\r\nX-Evil: 1",
        "a\x00",
        "caf\u00e9",
        "\ud800",
        b"a",
        7,
    ]
)
OWN = st.one_of(
    st.none(),
    st.dictionaries(NAMES, st.one_of(VALUES, st.none()), max_size=4),
    st.dictionaries(st.sampled_from(["X-A", "X-B", "Accept", "TE"]), st.just("plain text"), max_size=3),
)
CLIENTS = st.dictionaries(
    st.sampled_from(
        ["X-A", "Accept", "Host", "Cookie", "Connection", "Content-Type", "Content-Length", "X-D"]
    ),
    st.sampled_from(["a", "5", "b\n", None]),
    max_size=2,
)
BODIES = st.sampled_from(["none", "empty", "bytes", "iterator"])


def body_of(kind: str) -> Any:
    made = {"none": EMPTY_BODY, "empty": BytesBody(b""), "bytes": BytesBody(b"12345")}
    return made.get(kind) or IteratorBody([b"a"])


def outcome(make: Any, *arguments: Any) -> Any:
    """What is sent and remembered, or what is refused."""
    try:
        state: RequestState = make(*arguments)
    except (LocalProtocolError, TypeError, ValueError) as exc:
        return type(exc), str(exc)
    headers = state.headers
    return (
        state.method,
        state.url,
        headers.wire,
        dict(headers),
        headers.encoding,
        state.explicit_cookie,
        headers._checked == headers.version,
    )


@given(st.sampled_from(["GET", "POST"]), OWN, BODIES, st.sampled_from([{}, {"Accept": None}]))
def test_defaults_added_later_lead_to_the_same_head(method: str, own: Any, body: str, clients: Any) -> None:
    defaults = RequestDefaults(*split_headers(clients))

    def added_later() -> RequestState:
        state = NO_DEFAULTS.request(method, URL(URL_TEXT), own, body_of(body), None)
        defaults.complete(state)
        state.headers.check()
        return state

    at_once = outcome(defaults.request, method, URL(URL_TEXT), own, body_of(body), None)
    assert outcome(added_later) == at_once


@settings(max_examples=500)
@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    CLIENTS,
    OWN,
    BODIES,
    st.sampled_from([None, "application/json"]),
    st.sampled_from([None, "latin-1"]),
)
@example("POST", {}, {"X-A": " 1 ", "TE": "trailers"}, "bytes", "application/json", None)
@example("GET", {"Cookie": "a=1"}, {"X-A": "1"}, "none", None, None)
@example("GET", {}, {"Range": "bytes=0-"}, "none", None, None)
@example("GET", {"Accept-Encoding": None}, {"Accept-Encoding": "gzip"}, "none", None, None)
@example("POST", {"Content-Length": None}, None, "bytes", None, None)
@example("GET", {"Accept": "b\n"}, {"X-A": "\ud800"}, "none", None, None)
@example("POST", {"Content-Type": None}, None, "bytes", "application/json", None)
def test_both_ways_lead_to_the_same_head(
    method: str, clients: Any, own: Any, body: str, content_type: str | None, encoding: str | None
) -> None:
    headers, removed = split_headers(clients)
    if encoding is not None:
        headers.encoding = encoding
    defaults = RequestDefaults(headers, removed)
    arguments = (method, URL(URL_TEXT), own, body_of(body), content_type)
    expected = outcome(defaults._without_template, *arguments)
    assert outcome(defaults.request, *arguments) == expected
    assert outcome(defaults.request, *arguments) == expected  # with what is kept from the first time


@pytest.mark.parametrize(
    ("own", "is_short"),
    [
        (None, True),
        ({}, True),
        ({"X-A": "1", "Accept": "text/html"}, True),
        ({b"X-A": "1"}, True),
        ({"X-A": None}, False),
        ({"X-A": b"1"}, False),
        ({"X-A": "caf\u00e9"}, False),
        ({"X-Client": "1"}, False),
        ({"Cookie": "a=1"}, False),
        ({f"X-{number}": "1" for number in range(17)}, False),
        ([("X-A", "1")], False),
        (Headers({"X-A": "1"}), False),
    ],
)
def test_what_is_ordinary(own: Any, is_short: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = RequestDefaults(Headers({"X-Client": "c"}))
    expected: list[object] = []
    without_template = RequestDefaults._without_template

    def seen(*arguments: Any) -> RequestState:
        expected.append(1)
        return without_template(*arguments)

    monkeypatch.setattr(RequestDefaults, "_without_template", seen)
    state = defaults.request("GET", URL(URL_TEXT), own, EMPTY_BODY, None)
    assert state.headers["X-Client"] == ("1" if own == {"X-Client": "1"} else "c")
    assert bool(expected) is not is_short


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00", "\x7f", "caf\u00e9\r\n", "\x1f"]
)
@pytest.mark.parametrize("name", ["X-A", "Accept", "Content-Type"])
def test_no_value_brings_a_line_of_its_own(name: str, value: str) -> None:
    defaults = RequestDefaults(Headers({"X-Client": "c"}))
    assert defaults.request("GET", URL(URL_TEXT), {name: "good"}, EMPTY_BODY, None).headers[name] == "good"
    for own in ({name: value}, {name: "good", "X-B": value}):
        with pytest.raises(LocalProtocolError):
            defaults.request("GET", URL(URL_TEXT), own, EMPTY_BODY, None)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("options", [{}, {"headers": {"X-A": "1"}}, {"data": b"abc"}, {"json": [1]}])
def test_a_request_can_be_changed_without_effect_on_others(method: str, options: Any) -> None:
    defaults = RequestDefaults(Headers({"X-Client": "c"}))

    def made() -> RequestState:
        return build_request(method, URL_TEXT, defaults=defaults, **options)

    expected = made().headers.wire
    for _ in range(2):
        headers = made().headers
        headers["X-Client"] = "changed"
        headers.add("X-More", "1")
        del headers["accept"]
        assert (headers["x-client"], headers["x-more"], headers.get("accept")) == ("changed", "1", None)
        assert made().headers.wire == expected


def test_changed_headers_are_other_defaults() -> None:
    headers = Headers({"X-A": "1"})
    defaults = RequestDefaults(headers)
    assert defaults.are_still(headers)
    assert not defaults.are_still(headers.copy())
    headers["X-A"] = "2"
    assert not defaults.are_still(headers)


def test_what_is_kept_is_bounded_and_holds_no_values_of_requests() -> None:
    defaults = RequestDefaults(Headers())
    for number in range(200):
        own = {f"X-{number}": f"secret-{number}"}
        state = defaults.request("GET", URL(f"https://host-{number}.example/"), own, EMPTY_BODY, None)
        assert state.headers[f"x-{number}"] == f"secret-{number}"
        assert state.headers["host"] == f"host-{number}.example"
    assert 0 < len(defaults._templates) <= module._MOST_KEPT
    assert 0 < len(defaults._automatic) <= module._MOST_KEPT
    kept = [
        (key, template.headers.wire, template.automatic)
        for key, template in defaults._templates.items()
        if template
    ]
    assert kept
    assert "secret" not in repr((kept, defaults._automatic))


def test_hosts_are_told_apart_by_port() -> None:
    hosts = ["http://h:80/", "https://h:80/", "http://h:443/", "ftp://h:80/", "http://h:8080/"]
    assert [build_request("GET", url).headers["Host"] for url in hosts] == [
        "h",
        "h:80",
        "h:443",
        "h:80",
        "h:8080",
    ]


def test_what_is_kept_for_clients_without_headers_is_shared() -> None:
    url = URL("https://shared.example/")
    first, second = RequestDefaults(Headers()), RequestDefaults(Headers())
    first.request("GET", url, {"X-A": "1"}, EMPTY_BODY, None)
    assert (url.netloc, "X-A") in second._templates
    others = (RequestDefaults(Headers({"X-B": "2"})), RequestDefaults(Headers(), frozenset([b"accept"])))
    assert not any(other._templates for other in others)


def test_a_header_that_is_added_meanwhile_reaches_no_other_client() -> None:
    url = URL("https://meanwhile.example/")
    headers = Headers()
    defaults = RequestDefaults(headers)
    headers["Authorization"] = "secret"  # by another thread, after the client has looked
    defaults.request("GET", url, {"X-A": "1"}, EMPTY_BODY, None)
    defaults.request("GET", url, None, EMPTY_BODY, None)
    for own in (None, {"X-A": "1"}):
        request = RequestDefaults(Headers()).request("GET", url, own, EMPTY_BODY, None)
        assert "authorization" not in request.headers
    assert not defaults.are_still(headers)
