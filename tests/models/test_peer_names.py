"""Names of other libraries: an AttributeError that says what to write, and no other trace."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any
from unittest import mock

import pytest

from http3_models import AsyncRequest, AsyncResponse, Headers, QueryParams, Request, Response
from http3_models._peer_names import (
    ASYNC_RESPONSE_NAMES,
    HEADERS_NAMES,
    QUERY_NAMES,
    RESPONSE_NAMES,
)

URL = "http://h/"

TABLES: list[tuple[type, Any, dict[str, str]]] = [
    (Response, Response(200, request=Request("GET", URL)), RESPONSE_NAMES),
    (AsyncResponse, AsyncResponse(200, request=AsyncRequest("GET", URL)), ASYNC_RESPONSE_NAMES),
    (Headers, Headers({"a": "b"}), HEADERS_NAMES),
    (QueryParams, QueryParams("a=b"), QUERY_NAMES),
]

ALL = [(kind, instance, name) for kind, instance, table in TABLES for name in table]


@pytest.mark.parametrize(("kind", "instance", "name"), ALL)
def test_says_what_to_write(kind: type, instance: Any, name: str) -> None:
    for where in (instance, kind):
        with pytest.raises(AttributeError) as caught:
            getattr(where, name)
        assert str(caught.value).startswith(f"{kind.__name__} has no attribute '{name}': ")
        assert not hasattr(where, name)
        assert getattr(where, name, 3) == 3
    assert name not in dir(instance)


@pytest.mark.parametrize(("kind", "instance", "table"), TABLES)
def test_what_hints_name_is_there(kind: type, instance: Any, table: dict[str, str]) -> None:
    """Each hint names an attribute, or shows code that holds one."""
    for name, hint in table.items():
        named = [
            word
            for word in re.findall(r"(?:(?<![.\w])|(?<=response\.))([a-z_]+)\b", hint)
            if hasattr(instance, word)
        ]
        assert named or "name in headers" in hint or "[name]" in hint or "[*params" in hint, (name, hint)


@pytest.mark.parametrize(("kind", "instance", "table"), TABLES)
def test_no_other_name_is_touched(kind: type, instance: Any, table: dict[str, str]) -> None:
    assert not set(table) & set(dir(instance))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = instance.no_such_name
    assert {"__class__", "__eq__", "__reduce__"} < set(dir(instance))
    copied = pickle.loads(pickle.dumps(instance))
    assert dir(copied) == dir(copy.copy(instance)) == dir(instance)


def test_the_usual_ones() -> None:
    wanted = {
        (Response, "aread"): "write read()",
        (AsyncResponse, "aread"): "write await response.read()",
        (AsyncResponse, "aclose"): "write await response.close()",
        (Response, "iter_content"): "write stream(chunk_size)",
        (AsyncResponse, "aiter_bytes"): "write async for ... in response.stream(chunk_size)",
        (Response, "iter_raw"): "write raw(chunk_size)",
        (Response, "reason"): "write reason_phrase",
        (Response, "http_version"): "write protocol",
        (AsyncResponse, "status"): "write status_code",
        (Headers, "multi_items"): "write raw",
        (Headers, "get_list"): "write getlist(name)",
        (QueryParams, "getall"): "write getlist(name)",
        (QueryParams, "set"): "write merge({name: value})",
    }
    instances = {kind: instance for kind, instance, _ in TABLES}
    for (kind, name), hint in wanted.items():
        with pytest.raises(AttributeError, match=re.escape(hint)):
            getattr(instances[kind], name)


def test_what_the_hints_show_works() -> None:
    headers = Headers([("a", "1"), ("a", "2")])
    assert headers.raw == [(b"a", b"1"), (b"a", b"2")]
    assert headers.getlist("a")[0] == "1"
    params = QueryParams("a=1")
    assert str(params.merge({"a": "2"})) == "a=2"
    assert str(params.merge({"a": None})) == ""
    assert str(QueryParams([*params.multi_items(), ("a", "2")])) == "a=1&a=2"


def test_a_subclass_may_have_the_names() -> None:
    class Mine(Response):
        __slots__ = ()

        reason = "mine"

        def __getattr__(self, name: str) -> str:
            return f"made up: {name}"

    assert Mine(200).reason == "mine"
    assert Mine(200).http_version == "made up: http_version"
    assert "reason" in dir(Mine(200))
    assert "http_version" not in dir(Mine(200))


def test_a_mock_with_the_spec_of_an_instance_has_none_of_them() -> None:
    spec = mock.Mock(spec=Response(200, request=Request("GET", URL)))
    assert isinstance(spec, Response)
    with pytest.raises(AttributeError):
        spec.iter_content(10)
