"""Requests, responses and what hangs on them travel: pickled or copied they are what they were, apart from
bodies that come only once, connections, and the way to the next request."""

from __future__ import annotations

import copy
import gzip
import io
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from http3_models import (
    URL,
    AsyncRequest,
    AsyncResponse,
    ConnectionInfo,
    ConnectTimeout,
    Cookies,
    Delivery,
    EgressPolicy,
    Headers,
    HttpError,
    Limits,
    PoolLimits,
    Protocol,
    QueryParams,
    Request,
    Response,
    ResponseClosed,
    SSLConfig,
    StreamConsumed,
    TimeoutConfig,
    Timings,
)
from http3_models.engine import run_sync, set_next

VALUES = [
    URL("https://example.org/a"),
    URL("https://example.org/a").origin,
    QueryParams("a=1"),
    Headers({"A": "1"}),
    Cookies({"a": "1"}),
    Delivery.REFUSED,
    EgressPolicy(),
    Limits(),
    PoolLimits(),
    SSLConfig(),
    TimeoutConfig(3),
    AsyncRequest("GET", "https://example.org", cookies={"a": "1"}),
    Request("POST", "https://example.org", files={"a": io.BytesIO(b"a")}),
    Request("POST", "https://example.org", data=iter([b"a"])),
    Response(200, content=b"a", request=Request("GET", "https://example.org"), timings=Timings()),
    AsyncResponse(302, history=[AsyncResponse(301)], connection=ConnectionInfo()),
    ConnectTimeout("a", request=Request("GET", "https://example.org"), timings=Timings()),
    HttpError("a", response=Response(500)),
]
"""One of each kind of value that travels."""

Travel = Callable[[Any], Any]


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.fixture(params=[pickled, copy.deepcopy, copy.copy])
def travel(request: pytest.FixtureRequest) -> Travel:
    function: Travel = request.param
    return function


@pytest.mark.parametrize("kind", [Request, AsyncRequest])
@pytest.mark.parametrize(
    "body", [{}, {"data": b"abc"}, {"data": {"a": "b"}}, {"json": [1]}, {"files": {"f": b"x"}}]
)
def test_requests(travel: Travel, kind: type[Request | AsyncRequest], body: dict[str, Any]) -> None:
    request: Any = kind(
        "POST", "https://u:p@example.org/?a=1", headers={"Cookie": "b=2"}, cookies={"c": "3"}, **body
    )
    request._state.phases.wait = 0.5
    request._state.timeout = TimeoutConfig(3)
    arrived = travel(request)
    assert type(arrived) is kind
    assert arrived._state is not request._state
    assert (arrived.method, str(arrived.url)) == (request.method, str(request.url))
    assert arrived.headers.wire == request.headers.wire
    assert arrived.content == request.content
    assert arrived.cookies == {"c": "3"}
    assert arrived._state.explicit_cookie == "b=2"
    assert arrived._state.phases.freeze() == Timings(wait=0.5)
    assert arrived._state.timeout is None


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_pickles_name_public_places_only(value: object) -> None:
    named = []

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            named.append(f"{module}.{name}")
            return super().find_class(module, name)

    assert type(Unpickler(io.BytesIO(pickle.dumps(value))).load()) is type(value)
    assert named
    assert [name for name in named if "._" in name] == []


def test_a_copys_headers_are_its_own() -> None:
    request = Request("GET", "https://example.org")
    for arrived in (pickled(request), copy.deepcopy(request)):
        arrived.headers["X"] = "1"
    assert "X" not in request.headers


def test_a_body_that_comes_once_is_left_behind(travel: Travel) -> None:
    request = Request("POST", "https://example.org", data=iter([b"a"]))
    arrived = travel(request)
    assert arrived.is_streaming or travel is copy.copy
    if travel is copy.copy:
        return
    with pytest.raises(StreamConsumed):
        arrived.read()
    assert request.read() == b"a"


def test_a_files_content_travels() -> None:
    arrived = pickled(Request("POST", "https://example.org", data=io.BytesIO(b"abc")))
    assert arrived.read() == b"abc"


def full_response(kind: type[Any], request: Any) -> Any:
    response = kind(
        404,
        reason_phrase="Gone fishing",
        protocol=Protocol.HTTP_2,
        headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        content=b"\xe4",
        request=request,
        history=[kind(302, headers={"Location": "/"})],
        elapsed=1.5,
        timings=Timings(wait=0.5),
    )
    response.encoding = "latin-1"
    set_next(response, lambda: None)
    response._state.connection = ConnectionInfo(("127.0.0.1", 80))
    response._state.trailers = Headers({"T": "1"})
    return response


@pytest.mark.parametrize(("kind", "request_kind"), [(Response, Request), (AsyncResponse, AsyncRequest)])
def test_responses(travel: Travel, kind: type[Any], request_kind: type[Any]) -> None:
    response = full_response(kind, request_kind("GET", "https://example.org"))
    arrived = travel(response)
    assert type(arrived) is kind
    assert (arrived.status_code, arrived.reason_phrase, arrived.protocol) == (404, "Gone fishing", "HTTP/2")
    assert arrived.headers.wire == response.headers.wire
    assert arrived.content == b"\xe4"
    assert arrived.text == "ä"
    assert arrived.cookies == {"a": "1", "b": "2"}
    assert type(arrived.request) is request_kind
    assert arrived.url == response.url
    assert [(type(earlier), earlier.status_code) for earlier in arrived.history] == [(kind, 302)]
    assert arrived.elapsed == timedelta(seconds=1.5)
    assert arrived.connection == ConnectionInfo(("127.0.0.1", 80))
    assert arrived.trailers == {"T": "1"}
    assert arrived.timings == Timings(wait=0.5)
    assert arrived.next is None


def test_a_read_response_travels_with_its_content(travel: Travel) -> None:
    response = Response(200, headers={"Content-Encoding": "gzip"}, content=iter([gzip.compress(b"abc")]))
    response.read()
    arrived = travel(response)
    assert arrived.content == arrived.read() == b"abc"
    assert arrived.is_closed
    assert arrived.is_stream_consumed
    assert list(arrived.stream(2)) == [b"ab", b"c"]


def test_content_that_was_never_decoded_travels_as_it_is(travel: Travel) -> None:
    response = Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b"abc"))
    assert travel(response).content == b"abc"


def test_an_unread_body_is_left_behind(travel: Travel) -> None:
    for kind in (Response, AsyncResponse):
        response: Any = kind(200, content=iter([b"abc"]))
        arrived = travel(response)
        with pytest.raises(StreamConsumed):
            _ = arrived.content
        with pytest.raises(StreamConsumed):
            arrived.stream()
        read = response.read()
        assert (read if isinstance(response, Response) else run_sync(read)) == b"abc"


def test_a_closed_response_stays_closed(travel: Travel) -> None:
    response = Response(200, content=iter([b"abc"]))
    response.close()
    with pytest.raises(ResponseClosed):
        travel(response).read()


def test_a_response_without_a_body_stays_empty(travel: Travel) -> None:
    assert travel(Response(200)).content == b""


def test_default_encodings_travel() -> None:
    response = Response(200, content=b"\xe4")
    response._state.default_encoding = lambda data: "latin-1"
    assert pickled(response).text == "ä"
    response._state.default_encoding = "cp437"
    assert pickled(response).text == "Σ"
    unread = Response(200, content=iter([b"\xe4"]))
    unread._state.default_encoding = lambda data: "latin-1"
    assert pickled(unread).encoding == "utf-8"


class OwnResponse(Response):
    """A subclass of a user's."""


def test_subclasses_stay_subclasses(travel: Travel) -> None:
    assert type(travel(OwnResponse(200))) is OwnResponse


@pytest.mark.parametrize(
    "value",
    [
        Timings(wait=0.5),
        ConnectionInfo(("a", 1), tls_version="TLSv1.3"),
        Protocol.HTTP_2,
        Delivery.NOT_SENT,
        Cookies({"a": "1"}),
        Headers({"A": "1"}),
    ],
)
def test_small_values(value: Any) -> None:
    assert pickled(value) == value == copy.deepcopy(value)
    assert type(pickled(value)) is type(value)
