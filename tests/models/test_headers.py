"""Headers: a case-insensitive, ordered multi-dict of fields."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models._exceptions import LocalProtocolError
from http3_models._headers import SECRET_HEADERS, Headers


@pytest.fixture
def headers() -> Headers:
    return Headers([("Accept", "a"), ("X-One", "1"), (b"ACCEPT", b"b")])


@pytest.mark.parametrize(
    "given_headers",
    [
        {"Host": "h", "X-A": "1"},
        {b"Host": b"h", b"X-A": b"1"},
        {"Host": b"h", b"X-A": "1"},
        [("Host", "h"), (b"X-A", "1")],
        [["Host", "h"], ["X-A", b"1"]],
        iter([("Host", "h"), ("X-A", "1")]),
        Headers({"Host": "h", "X-A": "1"}),
        {"Host": " h\t", "X-A": b"1 "},
    ],
)
def test_what_it_takes(given_headers: Any) -> None:
    headers = Headers(given_headers)
    assert headers.wire == [(b"Host", b"h"), (b"X-A", b"1")]
    assert headers.raw == [(b"host", b"h"), (b"x-a", b"1")]


def test_nothing() -> None:
    assert Headers().raw == Headers(None).raw == Headers({}).raw == []
    assert Headers().encoding == "ascii"
    assert not Headers()


@pytest.mark.parametrize(
    ("given_headers", "named"),
    [
        ({"X-A": 1}, "'X-A'"),
        ({"X-A": None}, "'X-A'"),
        ([(b"X-A", ["1"])], "'X-A'"),
        ({1: "a"}, "name must be str or bytes"),
        (1, "headers must be"),
        ("a: b", "headers must be"),
        (b"a: b", "headers must be"),
        (["ab"], "pairs"),
        ([("a", "b", "c")], "pairs"),
    ],
)
def test_other_types(given_headers: Any, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        Headers(given_headers)


def test_a_value_that_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="'X-A' can't be encoded as utf-8"):
        Headers({"X-A": "\ud800"})


def test_reading(headers: Headers) -> None:
    for name in ("accept", "ACCEPT", b"Accept"):
        assert headers[name] == headers.get(name) == "a, b"
        assert headers.getlist(name) == ["a", "b"]
        assert name in headers
    assert headers.get("x-two") is None
    assert headers.get("x-two", "default") == "default"
    assert headers.getlist("x-two") == []
    assert "x-two" not in headers
    assert headers.__contains__(1) is False
    assert "\u212a" not in Headers({"k": "1"})  # the Kelvin sign, a k in lower case
    assert "\ud800" not in headers
    with pytest.raises(KeyError, match="x-two"):
        headers["x-two"]
    with pytest.raises(TypeError, match="name must be str or bytes"):
        headers[1]  # type: ignore[index]


def test_as_a_mapping(headers: Headers) -> None:
    assert list(headers) == list(headers.keys()) == ["accept", "x-one"]
    assert list(headers.values()) == ["a, b", "1"]
    assert list(headers.items()) == [("accept", "a, b"), ("x-one", "1")]
    assert len(headers) == 2
    assert dict(headers) == {"accept": "a, b", "x-one": "1"}


def test_many_names_are_looked_up_alike() -> None:
    for number in range(2000):
        name = f"X-Made-Up-{number}"
        assert Headers({name: "1"})[name.upper()] == "1"
    Headers({f"X-Made-Up-{number}": "1" for number in range(2000)}).check()
    long = "X" * 100
    headers = Headers({long: "1"})
    headers.check()
    assert headers[long.lower()] == "1"


@pytest.mark.parametrize(
    ("values", "split"),
    [
        (["a, b", "c"], ["a", "b", "c"]),
        (["a,,b ,\tc"], ["a", "b", "c"]),
        (["", " "], []),
    ],
)
def test_split_commas(values: list[str], split: list[str]) -> None:
    headers = Headers([("Vary", value) for value in values])
    assert headers.getlist("vary", split_commas=True) == split
    assert headers.getlist("vary") == [value.strip() for value in values]


def test_lists_are_new(headers: Headers) -> None:
    headers.raw.clear()
    headers.wire.clear()
    headers.getlist("accept").clear()
    assert headers.getlist("accept") == ["a", "b"]


def test_set_replaces_all_where_the_first_stood() -> None:
    headers = Headers([("A", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("a", "5")])
    headers["a"] = b"6"
    assert headers.wire == [(b"a", b"6"), (b"b", b"2"), (b"c", b"4")]
    headers["New"] = "7"
    assert headers.wire[-1] == (b"New", b"7")


def test_add_appends(headers: Headers) -> None:
    headers.add("accept", "c")
    assert headers["accept"] == "a, b, c"
    assert headers.wire[-1] == (b"accept", b"c")


def test_delete_removes_all(headers: Headers) -> None:
    del headers["ACCEPT"]
    assert headers.raw == [(b"x-one", b"1")]
    with pytest.raises(KeyError):
        del headers["accept"]


def test_the_rest_of_a_mutable_mapping(headers: Headers) -> None:
    assert headers.pop("Accept") == "a, b"
    assert headers.pop("Accept", None) is None
    assert headers.setdefault("X-One", "2") == "1"
    assert headers.setdefault("X-Two", "2") == "2"
    headers.clear()
    assert headers.raw == []


def test_update() -> None:
    headers = Headers([("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")])
    headers.update([("A", "5"), ("d", "6"), ("a", "7")])
    assert headers.wire == [(b"A", b"5"), (b"a", b"7"), (b"b", b"2"), (b"c", b"4"), (b"d", b"6")]
    headers.update({"B": "8"}, c="9")
    assert headers["b"] == "8"
    assert headers["c"] == "9"
    headers.update()
    assert len(headers) == 4


@pytest.mark.parametrize("change", ["update", "add", "__setitem__"])
def test_a_failed_change_changes_nothing(headers: Headers, change: str) -> None:
    before = headers.wire
    bad: Any = {"a": "1", "accept": 2}
    with pytest.raises(TypeError, match="'accept'"):
        getattr(headers, change)(*([bad] if change == "update" else ["accept", 2]))
    assert headers.wire == before


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        ("add", ("a", "1")),
        ("update", ({"a": "2"},)),
        ("__setitem__", ("a", "3")),
        ("__delitem__", ("accept",)),
    ],
)
def test_version_grows_with_each_change(headers: Headers, change: str, arguments: Any) -> None:
    before = headers.version
    headers.get("accept")
    assert headers.version == before
    getattr(headers, change)(*arguments)
    assert headers.version > before


def test_copy(headers: Headers) -> None:
    for other in (headers.copy(), copy.copy(headers), copy.deepcopy(headers), Headers(headers)):
        assert other == headers
        assert other.wire == headers.wire
        other["accept"] = "c"
        assert headers["accept"] == "a, b"


@pytest.mark.parametrize("protocol", range(6))
def test_pickles(headers: Headers, protocol: int) -> None:
    headers.encoding = "iso-8859-1"
    other = pickle.loads(pickle.dumps(headers, protocol))
    assert other == headers
    assert other.wire == headers.wire
    assert other.encoding == "iso-8859-1"


@pytest.mark.parametrize(
    "other",
    [
        Headers([("x-one", "1"), ("accept", "a"), ("accept", "b")]),
        [("ACCEPT", "a"), ("Accept", "b"), (b"X-ONE", b"1")],
        {"accept": "a", "ACCEPT": "b", "x-one": "1"},
    ],
)
def test_equal(headers: Headers, other: Any) -> None:
    assert headers == other


@pytest.mark.parametrize(
    "other",
    [
        Headers([("x-one", "1"), ("accept", "b"), ("accept", "a")]),
        {"accept": "a, b", "x-one": "1"},
        {"accept": 1},
        "accept: a",
        b"accept: a",
        None,
        1,
        [1],
    ],
)
def test_unequal(headers: Headers, other: Any) -> None:
    assert headers != other


def test_unhashable(headers: Headers) -> None:
    with pytest.raises(TypeError):
        hash(headers)


# Encoding


@pytest.mark.parametrize(
    ("value", "encoding", "text"),
    [
        (b"plain", "ascii", "plain"),
        ("\u2603 \u00e9".encode(), "utf-8", "\u2603 \u00e9"),
        (b"caf\xe9", "iso-8859-1", "caf\u00e9"),
    ],
)
def test_bytes_become_text(value: bytes, encoding: str, text: str) -> None:
    headers = Headers([("X-A", value), ("X-B", "plain")])
    assert headers.encoding == encoding
    assert headers["x-a"] == text
    assert headers["x-b"] == "plain"


def test_one_field_decides_for_all() -> None:
    headers = Headers([("X-A", "\u00e9".encode()), ("X-B", b"\xe9")])
    assert headers.encoding == "iso-8859-1"
    assert headers["x-a"] == "\u00c3\u00a9"


def test_text_is_stored_as_utf_8_or_as_set() -> None:
    headers = Headers({"X-A": "\u00e9"})
    assert headers.raw == [(b"x-a", "\u00e9".encode())]
    assert headers["x-a"] == "\u00e9"
    headers = Headers({"X-A": "\u00e9"}, encoding="iso-8859-1")
    assert headers.raw == [(b"x-a", b"\xe9")]
    with pytest.raises(ValueError, match="'X-B' can't be encoded"):
        headers["X-B"] = "\u2603"


def test_setting_the_encoding() -> None:
    headers = Headers({"X-A": "\u2603"})
    headers.encoding = "iso-8859-1"
    assert headers["x-a"] == "\u00e2\u0098\u0083"
    headers.encoding = "ascii"
    assert headers["x-a"] == "\ufffd" * 3
    assert Headers(headers).encoding == headers.copy().encoding == "ascii"
    with pytest.raises(LookupError):
        headers.encoding = "nonsense"


# What parsers hand over


def test_from_raw_takes_the_list_over() -> None:
    pairs = [(b"Content-Type", b"text/html"), (b"set-cookie", b"a"), (b"Set-Cookie", b"b")]
    headers = Headers._from_raw(pairs)
    assert headers["content-type"] == "text/html"
    assert headers.getlist("set-cookie") == ["a", "b"]
    assert headers.raw[2] == (b"set-cookie", b"b")
    assert headers.wire == pairs
    headers.check()


# What may be sent


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("X-A", "a\r\nX-B: c", "Header 'X-A' has a carriage return"),
        ("X-A", "a\nb", "Header 'X-A' has a line feed"),
        ("X-A", b"a\x00", "Header 'X-A' has a NUL"),
        ("X-A", "\x7f", "Header 'X-A' has a control character"),
        ("X-A", "\x0b", "Header 'X-A' has a control character"),
        ("X A", "a", "Header name 'X A' is not a token"),
        ("", "a", "Header name '' is not a token"),
        ("X-A:", "a", "is not a token"),
        ("X-A\r\n", "a", "is not a token"),
        ("X-\u00e9", "a", "is not a token"),
        (b"X-\xff", "a", "is not a token"),
    ],
)
def test_check_refuses(name: Any, value: Any, told: str) -> None:
    headers = Headers({"Host": "h"})
    headers.check()
    headers.add(name, value)
    for _ in range(2):
        with pytest.raises(LocalProtocolError) as caught:
            headers.check()
        assert told in str(caught.value)
        assert "X-B" not in str(caught.value)


def test_check_accepts() -> None:
    headers = Headers({"x!#$%&'*+-.^_`|~9": "a\tb \u00e9\u2603", "Empty": ""})
    headers["X-Latin"] = b"\xe9\xff"
    headers.check()
    headers.check()
    assert len(headers) == 3


# Repr


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        (Headers(), "Headers({})"),
        (Headers({"Host": "h"}), "Headers({'host': 'h'})"),
        (Headers([("a", "1"), ("A", "2")]), "Headers([('a', '1'), ('a', '2')])"),
        (Headers({"a": "\u2603"}), "Headers({'a': '\u2603'}, encoding='utf-8')"),
    ],
)
def test_repr(headers: Headers, text: str) -> None:
    assert repr(headers) == text


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "X-Api-Key",
        "Api-Key",
        "X-Auth-Token",
        "X-Amz-Security-Token",
        "X-Csrf-Token",
        "Private-Token",
        "X-Goog-Api-Key",
        "X-Vault-Token",
        "X-Auth-Key",
        "X-Access-Token",
    ],
)
def test_secrets_are_redacted_in_the_repr(name: str) -> None:
    headers = Headers({name: "hunter2"})
    assert repr(headers) == f"Headers({{'{name.lower()}': '[secure]'}})"
    assert headers[name] == "hunter2"
    assert name.lower() in SECRET_HEADERS


# Properties

NAMES = st.sampled_from(["a", "A", "b", "B", "c", "x-a", "X-A"])
CHANGES = st.lists(st.tuples(st.sampled_from(["set", "add", "del"]), NAMES, st.sampled_from(["1", "2", "3"])))


@given(CHANGES)
def test_agrees_with_a_simple_model(changes: list[tuple[str, str, str]]) -> None:
    headers = Headers()
    model: dict[str, list[str]] = {}
    for change, name, value in changes:
        key = name.lower()
        if change == "set":
            headers[name] = value
            model[key] = [value]
        elif change == "add":
            headers.add(name, value)
            model.setdefault(key, []).append(value)
        else:
            assert (headers.pop(name, None) is None) == (model.pop(key, None) is None)
    assert {name: headers.getlist(name) for name in headers} == model
    assert list(headers) == list(dict.fromkeys(name.decode() for name, _ in headers.raw))
    assert sum(map(len, model.values())) == len(headers.raw)


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_check_lets_through_what_one_line_can_carry(fields: dict[str, str]) -> None:
    try:
        headers = Headers(fields)
        headers.check()
    except (LocalProtocolError, ValueError):
        return
    for name, value in headers.wire:
        assert b":" not in name
        assert not set(name + value) & set(b"\r\n\x00")


# What parsers and writers use.


def test_what_is_derived_is_made_once_for_all_copies_until_a_change() -> None:
    made: list[Headers] = []

    def first_name(headers: Headers) -> bytes:
        made.append(headers)
        return headers.wire[0][0]

    headers = Headers({"A": "1"})
    copied = headers.copy()
    assert [each.derived(first_name) for each in (headers, copied, headers, copied.copy())] == [b"A"] * 4
    assert made == [headers]
    copied.add("B", "2")
    del copied["A"]
    assert (headers.derived(first_name), copied.derived(first_name)) == (b"A", b"B")
    assert len(made) == 2


def test_an_index_that_a_parser_made_is_used_until_a_change() -> None:
    headers = Headers._from_raw([(b"a", b"1"), (b"b", b"2")], {b"a": b"1", b"b": b"2"})
    assert headers == Headers({"A": "1", "B": "2"})
    assert (headers["a"], headers.getlist("B"), list(headers), len(headers)) == ("1", ["2"], ["a", "b"], 2)
    headers.add("A", "3")
    assert (headers["a"], headers.getlist("a")) == ("1, 3", ["1", "3"])
