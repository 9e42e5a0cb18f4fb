"""Headers: a case-insensitive, ordered multi-dict of fields."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models import Headers, LocalProtocolError
from http3_models.engine import SECRET_HEADERS, headers_from_pairs


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


def test_popitem() -> None:
    headers = Headers([("a", "1"), ("b", "2"), ("A", "3")])
    assert headers.popitem() == ("b", "2")
    assert headers.popitem() == ("a", "1, 3")
    with pytest.raises(KeyError):
        headers.popitem()
    assert headers.wire == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda headers, at: headers.__setitem__(f"new-{at}", "2"), id="set a new one"),
        pytest.param(lambda headers, at: headers.__setitem__(f"x-{at}", "2"), id="replace"),
        pytest.param(
            lambda headers, at: headers.__setitem__(f"x-{at}", "\u00e9") or headers[f"x-{at}"],
            id="replace and read beyond ASCII",
        ),
        pytest.param(lambda headers, at: headers.__delitem__(f"x-{at}"), id="delete"),
        pytest.param(lambda headers, at: headers.pop(f"x-{at * 2}", None), id="pop"),
        pytest.param(lambda headers, at: headers.popitem(), id="popitem"),
        pytest.param(lambda headers, at: headers.setdefault(f"x-{at * 2}", "2"), id="setdefault"),
        pytest.param(lambda headers, at: headers.update({f"x-{at * 2}": "2"}), id="update"),
        pytest.param(lambda headers, at: headers.add(f"x-{at * 2}", "2"), id="add"),
        pytest.param(lambda headers, at: headers.add("x-0", "2") or "x-0" in headers, id="add to one name"),
    ],
)
def test_a_change_costs_the_same_however_many_fields_there_are(
    change: Callable[[Headers, int], object],
) -> None:
    headers = Headers({f"x-{at}": "1" for at in range(20_000)})
    begun = time.process_time()
    for at in range(20_000):
        change(headers, at)
    assert time.process_time() - begun < 2  # some hundredths; 10 s and more if each looked at all fields


def test_reading_all_costs_the_same_per_field() -> None:
    headers = Headers({f"x-{at}": "\u00e9" for at in range(20_000)})
    begun = time.process_time()
    assert len(dict(headers)) == 20_000
    headers.clear()
    assert time.process_time() - begun < 2


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
    headers = headers_from_pairs(pairs)
    assert headers["content-type"] == "text/html"
    assert headers.getlist("set-cookie") == ["a", "b"]
    assert headers.raw[2] == (b"set-cookie", b"b")
    assert headers.wire == pairs
    headers.check()


# What may be sent


@pytest.mark.parametrize(
    ("name", "value", "message"),
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
def test_check_refuses(name: Any, value: Any, message: str) -> None:
    headers = Headers({"Host": "h"})
    headers.check()
    headers.add(name, value)
    for _ in range(2):
        with pytest.raises(LocalProtocolError) as caught:
            headers.check()
        assert message in str(caught.value)
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


def test_credentials_in_urls_are_redacted_in_the_repr() -> None:
    headers = Headers({"Location": "https://me:hunter2@h/a@b", "Link": "<//hunter2@h/>; rel=a", "X": "a@b"})
    assert "hunter2" not in repr(headers)
    assert repr(headers) == (
        "Headers({'location': 'https://[secure]@h/a@b', 'link': '<//[secure]@h/>; rel=a', 'x': 'a@b'})"
    )
    assert headers["Location"] == "https://me:hunter2@h/a@b"


# Properties

NAMES = st.sampled_from(["a", "A", "b", "B", "c", "d"])
VALUES = st.sampled_from(["1", "2", "\u00e9", b"\xe9", "3"])
CHANGES = st.one_of(
    st.tuples(st.sampled_from(["__setitem__", "add", "setdefault"]), st.tuples(NAMES, VALUES)),
    st.tuples(st.sampled_from(["__delitem__", "pop"]), st.tuples(NAMES)),
    st.tuples(st.just("update"), st.tuples(st.lists(st.tuples(NAMES, VALUES), max_size=4))),
    st.tuples(st.sampled_from(["popitem", "clear", "look"]), st.just(())),
)


class Reference:
    """A list of pairs, changed as plainly as can be."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        for name, value in pairs:
            self.add(name, value)

    def add(self, name: Any, value: Any) -> None:
        self.pairs.append((name.encode(), value if isinstance(value, bytes) else value.encode()))

    def has(self, name: Any) -> bool:
        return any(found.lower() == name.lower().encode() for found, _ in self.pairs)

    def __delitem__(self, name: Any) -> None:
        if not self.has(name):
            raise KeyError(name)
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != name.lower().encode()]

    pop = __delitem__

    def setdefault(self, name: Any, value: Any) -> None:
        if not self.has(name):
            self.add(name, value)

    def __setitem__(self, name: Any, value: Any) -> None:
        self.update([(name, value)])

    def update(self, pairs: list[tuple[Any, Any]]) -> None:
        for name in dict.fromkeys([name.lower() for name, _ in pairs]):
            new = Reference([pair for pair in pairs if pair[0].lower() == name]).pairs
            at = next((n for n, (found, _) in enumerate(self.pairs) if found.lower() == name.encode()), None)
            if at is None:
                self.pairs += new
            else:
                del self[name]
                self.pairs[at:at] = new

    def popitem(self) -> None:
        if not self.pairs:
            raise KeyError
        del self[list(dict.fromkeys([name.lower() for name, _ in self.pairs]))[-1].decode()]

    def clear(self) -> None:
        self.pairs = []

    def look(self) -> None:
        """Nothing is changed."""


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.lists(CHANGES, max_size=12), st.booleans())
def test_changes_in_any_order(pairs: list[Any], changes: list[Any], looks: bool) -> None:
    headers, reference = Headers(pairs), Reference(pairs)
    for method, arguments in changes:
        outcomes = []
        for target in (headers, reference):
            try:
                getattr(target if method != "look" else reference, method)(*arguments)
                outcomes.append("done")
            except KeyError:
                outcomes.append("KeyError")
        assert outcomes[0] == outcomes[1]
        fresh = headers_from_pairs(reference.pairs.copy())
        assert dict(headers) == dict(fresh)
        assert list(headers) == list(fresh)
        assert headers.encoding == fresh.encoding
        if looks or method == "look":
            assert headers.wire == reference.pairs
    assert headers.copy() == headers
    assert headers.wire == reference.pairs


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
    assert [each.cached(first_name) for each in (headers, copied, headers, copied.copy())] == [b"A"] * 4
    assert made == [headers]
    copied.add("B", "2")
    del copied["A"]
    assert (headers.cached(first_name), copied.cached(first_name)) == (b"A", b"B")
    assert len(made) == 2


def test_an_index_that_a_parser_made_is_used_until_a_change() -> None:
    headers = headers_from_pairs([(b"a", b"1"), (b"b", b"2")], {b"a": b"1", b"b": b"2"})
    assert headers == Headers({"A": "1", "B": "2"})
    assert (headers["a"], headers.getlist("B"), list(headers), len(headers)) == ("1", ["2"], ["a", "b"], 2)
    headers.add("A", "3")
    assert (headers["a"], headers.getlist("a")) == ("1, 3", ["1", "3"])
