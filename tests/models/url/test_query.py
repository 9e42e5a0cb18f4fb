"""QueryParams and the form encoding it shares with forms."""

from __future__ import annotations

import copy
import enum
import pickle
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models import URL, QueryParams, Request
from http3_models._url.query import decode_pairs, encode_pairs, text_of


class Number(int, enum.Enum):
    ONE = 1


class Word(str, enum.Enum):  # noqa: UP042 - its str() is "Word.A", which must not be sent
    A = "a b"


@pytest.mark.parametrize(
    ("params", "text"),
    [
        (None, ""),
        ("", ""),
        ({}, ""),
        ("a=1&b=2&a=3", "a=1&b=2&a=3"),
        ("a&b=&=c&&d==", "a&b=&=c&&d=="),
        ("a+b=%2B%20c", "a+b=%2B%20c"),
        ("a=%C3%A9&b=%E9&c=%zz", "a=%C3%A9&b=%E9&c=%25zz"),
        ("q=%D6%D0&%d6%D0", "q=%D6%D0&%d6%D0"),
        ("flag", "flag"),
        ("&a;b,c=(1):@/?!$'*&", "&a;b,c=(1):@/?!$'*&"),
        ('a=x y&\u00e9=#"', "a=x+y&%C3%A9=%23%22"),
        ({"a": b"\xd6\xd0 +", "b": [b"c", bytearray(b"\xff")]}, "a=%D6%D0+%2B&b=c&b=%FF"),
        ({"a": memoryview(b"\x00")}, "a=%00"),
        ({"a": "1", "b": 2, "c": 1.5}, "a=1&b=2&c=1.5"),
        ({"a": True, "b": False, "c": None}, "a=true&b=false"),
        ({"a": ["1", 2, None, True]}, "a=1&a=2&a=true"),
        ({"a": ()}, ""),
        ({"a": (str(n) for n in range(2))}, "a=0&a=1"),
        ({"a": Number.ONE, "b": Word.A}, "a=1&b=a+b"),
        ([("a", "1"), ["b", ["2", "3"]], ("a", None), ("a", "4")], "a=1&b=2&b=3&a=4"),
        ({"a b": "&=+#%\u00e9~*"}, "a+b=%26%3D%2B%23%25%C3%A9~%2A"),
        (iter([("a", "1")]), "a=1"),
    ],
)
def test_what_it_takes(params: Any, text: str) -> None:
    assert str(QueryParams(params)) == text
    assert str(QueryParams(QueryParams(text))) == text


@pytest.mark.parametrize(
    ("params", "named"),
    [
        (1, "params must be"),
        (b"a=1", "params must be"),
        (["ab"], "pairs of name and value"),
        ([("a", "b", "c")], "pairs of name and value"),
        ({1: "a"}, "names of type str"),
        ({"key": {"a": 1}}, r"params\['key'\]"),
        ({"key": [object()]}, r"params\['key'\]"),
        ({"key": [["a"]]}, r"params\['key'\]"),
    ],
)
def test_other_types(params: Any, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        QueryParams(params)


def test_as_a_mapping() -> None:
    params = QueryParams("a=1&b=2&a=3")
    assert params["a"] == params.get("a") == "1"
    assert params.get("c") is None
    assert params.get("c", "x") == "x"
    assert "a" in params
    assert "c" not in params
    assert list(params) == list(params.keys()) == ["a", "b"]
    assert list(params.items()) == [("a", "1"), ("b", "2")]
    assert len(params) == 2
    assert dict(params) == {"a": "1", "b": "2"}
    with pytest.raises(KeyError):
        params["c"]


def test_all_values() -> None:
    params = QueryParams("a=1&b=2&a=3")
    assert params.getlist("a") == ["1", "3"]
    assert params.getlist("c") == []
    assert params.multi_items() == [("a", "1"), ("b", "2"), ("a", "3")]


def test_what_it_hands_out_is_no_way_in() -> None:
    params = QueryParams("a=1")
    params.getlist("a").append("2")
    params.multi_items().clear()
    assert str(params) == "a=1"
    with pytest.raises(TypeError):
        params["a"] = "2"  # type: ignore[index]


def test_equality() -> None:
    assert QueryParams("a=1&b=2") == QueryParams("b=2&a=1")
    assert hash(QueryParams("a=1&b=2")) == hash(QueryParams("b=2&a=1"))
    assert QueryParams("a=1&a=2") != QueryParams("a=2&a=1")
    assert QueryParams("a=1&a=2") == {"a": [1, 2]}
    assert QueryParams("a=1") != {"a": object()}
    assert QueryParams("a=1") != "a=1"


@pytest.mark.parametrize(
    ("first", "other", "merged"),
    [
        ("a=1&b=2", {"c": "3"}, "a=1&b=2&c=3"),
        ("a=1&b=2&a=3", {"a": "4"}, "b=2&a=4"),
        ("a=1", {"a": ["2", "3"]}, "a=2&a=3"),
        ("a=1&b=2", {"a": None}, "b=2"),
        ("a=1", None, "a=1"),
        ("a=1", "b=2", "a=1&b=2"),
        ("a=1", [("a", "2")], "a=2"),
        ("a=1", QueryParams("a=5"), "a=5"),
        ("flag&a=%D6%D0&&b=%20", {"c": "x y"}, "flag&a=%D6%D0&&b=%20&c=x+y"),
        ("flag&a=%D6%D0&b=%20", "b=%D0&flag2", "flag&a=%D6%D0&b=%D0&flag2"),
        ("flag&a=1", "flag", "a=1&flag"),
        ("flag&a=1&flag=2", {"flag": None}, "a=1"),
        ("%D6=1&%D0=2&+=3", "%d6=4", "%D0=2&+=3&%d6=4"),
        ("a+b=1&a%20b=2&c=3", {"a b": "4"}, "c=3&a+b=4"),
        ("", "a", "a"),
    ],
)
def test_merge(first: str, other: Any, merged: str) -> None:
    params = QueryParams(first)
    assert str(params.merge(other)) == merged
    assert str(params) == first


def test_repr_copies_and_pickles() -> None:
    params = QueryParams("a=1&b=x y&a=2")
    assert repr(params) == "QueryParams('a=1&b=x+y&a=2')"
    for other in (
        copy.copy(params),
        copy.deepcopy(params),
        *(pickle.loads(pickle.dumps(params, p)) for p in range(6)),
    ):
        assert other == params
        assert str(other) == str(params)


@pytest.mark.parametrize("text", ["q=%D6%D0", "flag", "a=1&&b&=", "a=%20+%2b&%e9=%E9"])
def test_text_survives_every_round_trip(text: str) -> None:
    params = QueryParams(text)
    url = URL("http://h/", params=text)
    trips = [
        QueryParams(params),
        QueryParams(url.query),
        QueryParams(str(params)),
        params.merge(None),
        params.merge({}),
        QueryParams().merge(params),
        pickle.loads(pickle.dumps(params)),
        copy.deepcopy(params),
    ]
    assert [str(each) for each in trips] == [text] * len(trips)
    assert all(each == params and hash(each) == hash(params) for each in trips)
    urls = [
        url,
        URL("http://h/", params=params),
        URL(f"http://h/?{text}"),
        URL("http://h/").copy_with(query=text),
        URL("http://h/?x").copy_with(full_path=f"/?{text}"),
        URL("http://h/?x").join(f"?{text}"),
        pickle.loads(pickle.dumps(url)),
        URL(str(url)),
        url.copy_with(path="/").copy_with(fragment=None),
    ]
    assert {str(each) for each in urls} == {f"http://h/?{text}"}


def test_what_is_no_utf_8_is_shown_with_replacements() -> None:
    params = QueryParams("q=%D6%D0&p=%D6")
    assert params["q"] == "\ufffd\ufffd"
    assert params.multi_items() == [("q", "\ufffd\ufffd"), ("p", "\ufffd")]
    assert params != QueryParams("q=%D0%D6&p=%D6")


def test_what_is_no_utf_8_survives_as_pairs_and_mappings() -> None:
    text = "q=%D6%D0&%FFp=x%FE&u=%C3%A9"
    params = QueryParams(text)
    pairs = params.multi_items()
    mapping = {"q": pairs[0][1], "%": "1"}
    for given_back in (pairs, dict(params), params.items(), {**params}, copy.deepcopy(pairs)):
        assert str(QueryParams(given_back)) == text
        assert Request("POST", "http://h/", data=dict(given_back)).content == text.encode()
    assert str(QueryParams(pickle.loads(pickle.dumps(pairs)))) == text
    assert str(QueryParams(mapping)) == "q=%D6%D0&%25=1"
    assert str(QueryParams({"q": params.getlist("q")})) == "q=%D6%D0"
    assert str(QueryParams({"q": params["q"] + "!"})) == "q=%EF%BF%BD%EF%BF%BD%21"
    part = Request("POST", "http://h/", data=dict(params), files={"f": b""}).content
    assert b"\r\n\r\n\xd6\xd0\r\n" in part


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ("q=\ud800", "^params can't"),
        ({"q": "secret\ud800"}, r"^params\['q'\] can't"),
        ([("ok", "1"), ("q", ["a", "\udfff"])], r"^params\['q'\] can't"),
        ({"q\ud800": "1"}, r"^params: the name 'q\\ud800' can't"),
    ],
)
def test_lone_surrogates(params: Any, named: str) -> None:
    for function in (QueryParams, lambda params: URL("http://h/", params=params)):
        with pytest.raises(ValueError, match=named) as caught:
            function(params)
        assert "secret" not in str(caught.value)
        assert "surrogates not allowed" in str(caught.value)


def test_text_of_names_its_label() -> None:
    with pytest.raises(TypeError, match=r"^data\['x'\] must be"):
        text_of(None, "data['x']")


@given(st.lists(st.tuples(st.text(), st.text())))
def test_pairs_come_back(pairs: list[tuple[str, str]]) -> None:
    text = encode_pairs(pairs, "params")
    assert text.isascii()
    assert decode_pairs(text) == pairs
    assert text == urlencode(pairs)


@given(st.text(alphabet="a&=+%e9C3 \u00e9#;"))
def test_decoding_as_the_standard_library_does(text: str) -> None:
    expected = parse_qsl(text, keep_blank_values=True)
    assert decode_pairs(text) == expected
