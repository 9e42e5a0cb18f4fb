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
    ClientClosed,
    ConnectError,
    CookieConflict,
    DecodedSizeExceeded,
    Delivery,
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
    "ConnectError": "TLSError AddressRefused",
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
