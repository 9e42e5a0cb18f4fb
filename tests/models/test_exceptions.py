"""The exception tree, what exceptions carry, and that they travel."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import http3_models
from http3_models import (
    AsyncRequest,
    AsyncResponse,
    ClientClosed,
    ConnectError,
    CookieConflict,
    DecodedSizeExceeded,
    Delivery,
    Headers,
    Http3Error,
    HttpError,
    InvalidURL,
    JSONDecodeError,
    ReadTimeout,
    RedirectError,
    Request,
    RequestError,
    Response,
    Timings,
    TooManyRedirects,
    UnsupportedProtocol,
)

Travel = Callable[[Any], Any]


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


@pytest.fixture(params=[pickled, copy.deepcopy, copy.copy])
def travel(request: pytest.FixtureRequest) -> Travel:
    function: Travel = request.param
    return function


TREE = {
    "Http3Error": (
        "RequestError HttpError StreamException InvalidURL JSONDecodeError CookieConflict ClientClosed"
    ),
    "RequestError": "TransportError DecodingError RedirectError",
    "TransportError": "Timeout NetworkError ProtocolError UnsupportedProtocol",
    "Timeout": "ConnectTimeout ReadTimeout WriteTimeout PoolTimeout TotalTimeout",
    "NetworkError": "ConnectError ReadError WriteError NotConnected",
    "ConnectError": "TLSError AddressRefused ProxyError",
    "ProtocolError": "LocalProtocolError RemoteProtocolError",
    "RemoteProtocolError": "ResponseTooLarge",
    "DecodingError": "DecodedSizeExceeded",
    "RedirectError": "TooManyRedirects RedirectLoop RedirectBodyUnavailable",
    "StreamException": "StreamConsumed ResponseNotRead ResponseClosed",
    "InvalidURL": "UnsupportedProtocol",
}

EXCEPTIONS = sorted({name for names in TREE.values() for name in names.split()} | {"Http3Error"})


@pytest.mark.parametrize(("parent", "children"), TREE.items())
def test_the_tree(parent: str, children: str) -> None:
    base = getattr(http3_models, parent)
    for name in children.split():
        assert base in getattr(http3_models, name).__bases__, name


def test_every_exception_is_in_the_tree() -> None:
    found = {
        name
        for name in http3_models.__all__
        if isinstance(value := getattr(http3_models, name), type) and issubclass(value, BaseException)
    }
    assert found == set(EXCEPTIONS)


def test_also_what_python_calls_it() -> None:
    assert issubclass(InvalidURL, ValueError)
    assert issubclass(UnsupportedProtocol, ValueError)
    assert issubclass(ClientClosed, RuntimeError)
    assert issubclass(JSONDecodeError, json.JSONDecodeError)


@pytest.mark.parametrize("name", [name for name in EXCEPTIONS if name != "JSONDecodeError"])
def test_every_exception_travels(name: str, travel: Travel) -> None:
    kind: Any = getattr(http3_models, name)
    details: Any = {"response": Response(500)} if kind is HttpError else {}
    error = kind("what", **details)
    error.added = "by the user"
    arrived = travel(error)
    assert type(arrived) is kind
    assert str(arrived) == "what"
    assert arrived.args == ("what",)
    assert arrived.added == "by the user"
    assert kind.__module__ == "http3_models"
    assert kind.__doc__


def test_json_errors_travel(travel: Travel) -> None:
    with pytest.raises(JSONDecodeError) as caught:
        Response(404, content=b"<html>\n<p>", request=Request("GET", "https://example.org/")).json()
    arrived = travel(caught.value)
    assert type(arrived) is JSONDecodeError
    assert str(arrived) == str(caught.value)
    assert (arrived.msg, arrived.doc, arrived.pos) == ("Expecting value", "<html>\n<p>", 0)
    assert (arrived.lineno, arrived.colno) == (1, 1)
    assert JSONDecodeError.__module__ == "http3_models"


def test_details_of_a_request_error(travel: Travel) -> None:
    request = Request("POST", "https://example.org/", data=b"abc")
    error = ReadTimeout("slow", request=request, delivery=Delivery.NOT_SENT, timings=Timings(wait=5.0))
    arrived = travel(error)
    assert arrived.delivery is Delivery.NOT_SENT
    assert arrived.timings == Timings(wait=5.0)
    assert arrived.request.method == "POST"
    assert arrived.request.content == b"abc"


def test_errors_with_responses(travel: Travel) -> None:
    request = Request("GET", "https://example.org/")
    response = Response(302, content=iter([b"x"]), request=request)
    arrived = travel(TooManyRedirects("21", response=response, request=request))
    assert arrived.response.status_code == 302
    assert arrived.request.url == request.url
    with pytest.raises(HttpError) as caught:
        Response(500, text="oh", request=request).raise_for_status()
    arrived = travel(caught.value)
    assert arrived.response.text == "oh"
    assert arrived.request.url == request.url


SECRET_FIELDS = [
    ("Authorization", "hunter2"),
    ("Cookie", "a=hunter2"),
    ("X-Api-Key", "hunter2"),
    ("Referer", "http://hunter2@h/"),
    ("X-Shown", "1"),
]


@pytest.mark.parametrize("travel", [pickled, copy.deepcopy])
@pytest.mark.parametrize(("kind", "response_kind"), [(Request, Response), (AsyncRequest, AsyncResponse)])
def test_secrets_are_left_behind(travel: Travel, kind: Any, response_kind: Any) -> None:
    """In everything that an exception carries; the exception itself keeps what it knows."""
    request = kind(
        "POST", "http://me:hunter2@example.org/", headers=SECRET_FIELDS, cookies={"b": "hunter2"}, data=b"abc"
    )
    set_cookie = [("Set-Cookie", "sid=hunter2; Path=/"), ("Set-Cookie", "hunter2"), ("X-Shown", "1")]
    earlier = response_kind(302, headers=[*set_cookie, ("Location", "http://hunter2@h/")], request=request)
    response = response_kind(500, headers=set_cookie, content=b"oh", request=request, history=[earlier])
    response._state.trailers = Headers(set_cookie)
    errors: list[RequestError | HttpError] = [
        ReadTimeout("slow", request=request),
        HttpError("500", response=response),
        TooManyRedirects("21", response=response, request=request),
    ]
    for error in errors:
        arrived = travel(error)
        assert b"hunter2" not in pickle.dumps(error)
        assert b"hunter2" not in pickle.dumps(arrived)
        assert b"hunter2" not in pickle.dumps(arrived.request)
        assert arrived.request.headers["X-Shown"] == "1"
        assert arrived.request.headers["Authorization"] == "[secure]"
        assert str(arrived.request.url) == "http://example.org/"
        assert arrived.request.content == b"abc"
        assert type(arrived.request) is kind
        assert error.request.headers["Authorization"] == "hunter2"
        assert str(error.request.url) == "http://me:hunter2@example.org/"
    failed = HttpError("500", response=response)
    arrived = travel(failed)
    assert arrived.response.content == b"oh"
    assert arrived.response.cookies == {"sid": "[secure]", "": "[secure]"}
    assert arrived.response.history[0].headers["Location"] == "http://[secure]@h/"
    assert type(arrived.response) is response_kind
    assert copy.copy(failed).response is response


def test_a_request_by_itself_travels_with_its_secrets() -> None:
    """It is to be sent from where it arrives."""
    request = Request("GET", "http://me:hunter2@example.org/", headers={"Authorization": "hunter2"})
    assert pickled(request).headers["Authorization"] == "hunter2"
    assert str(pickled(request).url) == "http://me:hunter2@example.org/"


def test_a_cause_becomes_text(travel: Travel) -> None:
    error = ConnectError("refused")
    error.__cause__ = OSError(111, "Connection refused")
    arrived = travel(error)
    assert "ConnectionRefusedError" in str(arrived.__cause__)
    assert "Connection refused" in str(arrived.__cause__)
    again = travel(arrived)
    assert str(again.__cause__) == str(arrived.__cause__)


def test_a_context_becomes_text_unless_suppressed() -> None:
    error = DecodedSizeExceeded("outer")
    error.__context__ = KeyError("inner")
    assert "inner" in str(pickled(error).__cause__)
    error.__suppress_context__ = True
    assert pickled(error).__cause__ is None


def test_what_is_not_known() -> None:
    with pytest.raises(RuntimeError, match="no request"):
        _ = RequestError("x").request
    with pytest.raises(RuntimeError, match="no response"):
        _ = RedirectError("x").response
    assert RequestError("x").delivery is None
    assert RequestError("x").timings is None
    error = RedirectError("x")
    error.response = Response(302)
    error.request = Request("GET", "https://example.org")
    assert error.response.status_code == 302
    assert error.request.method == "GET"


def test_delivery_is_text() -> None:
    assert isinstance(Delivery.NOT_SENT, str)
    assert str(Delivery.NOT_SENT) == "not_sent"
    assert Delivery("refused") is Delivery.REFUSED
    assert f"{Delivery.MAYBE_PROCESSED}" == "maybe_processed"


def test_cookie_conflicts_are_caught_by_the_root() -> None:
    with pytest.raises(Http3Error):
        raise CookieConflict("several")
