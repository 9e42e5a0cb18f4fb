"""``response.json()`` where the body is no JSON: one exception, which shows what the body is."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from http3_models import AsyncRequest, AsyncResponse, Http3Error, JSONDecodeError, Request, Response

URL = "https://user:secret@example.org/data"


def parse_sync(content: bytes, content_type: str | None, status: int = 200, **options: Any) -> Any:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return Response(status, content=content, headers=headers, request=Request("GET", URL)).json(**options)


def parse_async(content: bytes, content_type: str | None, status: int = 200, **options: Any) -> Any:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = AsyncResponse(status, content=content, headers=headers, request=AsyncRequest("GET", URL))
    return asyncio.run(response.json(**options))


parsers = pytest.mark.parametrize("parse", [parse_sync, parse_async])
Parse = Callable[..., Any]


def failure(parse: Parse, *args: Any, **options: Any) -> JSONDecodeError:
    with pytest.raises(JSONDecodeError) as caught:
        parse(*args, **options)
    return caught.value


@parsers
def test_what_came_instead(parse: Parse) -> None:
    error = failure(parse, b"<html>\n<b>Bad Gateway</b>" + b"x" * 1000, "text/html; charset=utf-8", 502)
    assert isinstance(error, Http3Error)
    assert isinstance(error, json.JSONDecodeError)
    text = str(error)
    assert "of GET https://" in text
    assert "example.org/data" in text
    assert "secret" not in text
    assert "(502, Content-Type 'text/html; charset=utf-8')" in text
    assert "is no JSON: Expecting value: line 1 column 1 (char 0); it begins with '<html>" in text
    assert len(text) < 400
    assert error.doc.startswith("<html>\n<b>Bad")
    assert error.pos == 0
    assert isinstance(error.__cause__, json.JSONDecodeError)


@parsers
@pytest.mark.parametrize(
    ("content", "message", "pos"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0); it is empty", 0),
        (b'{"a": 1}\n{"b": 2}', "Extra data: line 2 column 1 (char 9)", 9),
        (b"[1,\n 2,\n x]", "Expecting value: line 3 column 2 (char 9)", 9),
        ('"äö'.encode() + b'\xff"', "Not in utf-8 (invalid start byte): line 1 column 4 (char 3)", 3),
        (b"[" * 100_000, "Nested too deeply: line 1 column 1 (char 0); it begins with '[[[", 0),
        (b'{"a":' * 100_000, "Nested too deeply", 0),
        (b"1" * 5000, "Exceeds the limit (4300 digits)", 0),
    ],
)
def test_each_way_to_be_none(parse: Parse, content: bytes, message: str, pos: int) -> None:
    error = failure(parse, content, None)
    assert "(200, no Content-Type)" in str(error)
    assert message in str(error)
    assert error.pos == pos


@parsers
def test_the_response_comes_along(parse: Parse) -> None:
    error = failure(parse, b"<html>", "text/html", 502)
    assert error.response.status_code == 502
    assert error.response.content == b"<html>"
    assert str(error.request.url) == URL
    for copied in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(copied) is JSONDecodeError
        assert (str(copied), copied.doc, copied.pos) == (str(error), error.doc, error.pos)
        assert copied.response.text == "<html>"
        assert type(copied.response) is type(error.response)
        assert str(copied.request.url) == "https://example.org/data"
    assert "secret" not in repr(pickle.dumps(error))


def test_without_a_response() -> None:
    error = JSONDecodeError("Expecting value", "", 0)
    for name in ("response", "request"):
        with pytest.raises(RuntimeError, match="no response"):
            getattr(error, name)


@parsers
def test_bytes_that_are_no_text(parse: Parse) -> None:
    """`json.loads` raises UnicodeDecodeError, which is a ValueError, but no JSONDecodeError."""
    error = failure(parse, b"\x89PNG\r\n\xff" * 1000, "image/png")
    assert isinstance(error.__cause__, UnicodeDecodeError)
    assert len(str(error)) < 400
    error = failure(parse, b"\xff\xfe\x00", None)  # half a character of UTF-16
    assert "Not in utf-16" in str(error)


@parsers
def test_with_a_charset(parse: Parse) -> None:
    error = failure(parse, b'"\xe9', "application/json; charset=ascii")
    assert "Not in ascii (ordinal not in range(128))" in str(error)
    assert error.doc == '"\ufffd'


@parsers
def test_with_options(parse: Parse) -> None:
    def refuse(text: str) -> float:
        raise ValueError(f"{text} is too exact")

    assert parse(b"[1.5]", None, parse_float=str) == ["1.5"]
    assert "Nested too deeply" in str(failure(parse, b"[" * 100_000, None, parse_float=str))
    with pytest.raises(ValueError, match=r"^1.5 is too exact$") as caught:
        parse(b"[1.5]", None, parse_float=refuse)
    assert type(caught.value) is ValueError


def test_without_a_request() -> None:
    with pytest.raises(JSONDecodeError, match=r"^The response body \(200, no Content-Type\) is no JSON: "):
        Response(200, content=b"x").json()


def test_what_cannot_be_sent_as_json() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValueError, match="json: it is nested too deeply"):
        Request("POST", URL, json=nested)
    while nested:
        nested = nested.pop()
