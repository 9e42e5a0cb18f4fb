"""The Link header."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http3_models._headers.links import parse_links

Links = dict[str, dict[str, str]]


@pytest.mark.parametrize(
    ("value", "links"),
    [
        ("", {}),
        ("nothing", {}),
        ("<a", {}),
        ("<a>", {"a": {"url": "a"}}),
        ("<a>; rel=next", {"next": {"url": "a", "rel": "next"}}),
        ('<a>;REL="next"', {"next": {"url": "a", "rel": "next"}}),
        (
            '<a>; rel="next last"',
            {"next": {"url": "a", "rel": "next last"}, "last": {"url": "a", "rel": "next last"}},
        ),
        (
            '<a,b;c>; rel=x; title="one, \\"two\\"; <z>", <d>; rel=y',
            {
                "x": {"url": "a,b;c", "rel": "x", "title": 'one, "two"; <z>'},
                "y": {"url": "d", "rel": "y"},
            },
        ),
        ("<a>; rel=x; rel=y; flag", {"x": {"url": "a", "rel": "x", "flag": ""}}),
        ("<a>; rel = x ; q = 1", {"x": {"url": "a", "rel": "x", "q": "1"}}),
        ("<a> garbage, <b>; rel=y", {"a": {"url": "a"}, "y": {"url": "b", "rel": "y"}}),
        (
            '<a>; title="open, <b>; rel=y',
            {"a": {"url": "a", "title": '"open'}, "y": {"url": "b", "rel": "y"}},
        ),
        (";; <a>;;rel=x", {"x": {"url": "a", "rel": "x"}}),
        ("<a>; ; ;; rel=x ;; ;q;", {"x": {"url": "a", "rel": "x", "q": ""}}),
        ("<a>; rel='next'", {"next": {"url": "a", "rel": "next"}}),
        (
            "<a>; rel='next', <b>; rel = 'prev' ; Title='two words'",
            {
                "next": {"url": "a", "rel": "next"},
                "prev": {"url": "b", "rel": "prev", "title": "two words"},
            },
        ),
        (
            "<a>; rel='next last'; title=it's",
            {
                "next": {"url": "a", "rel": "next last", "title": "it's"},
                "last": {"url": "a", "rel": "next last", "title": "it's"},
            },
        ),
        (
            "<a>; rel='open, <b>; rel='y'",
            {"open": {"url": "a", "rel": "'open"}, "y": {"url": "b", "rel": "y"}},
        ),
        ("<a>; rel=''", {"a": {"url": "a", "rel": ""}}),
    ],
)
def test_links(value: str, links: Links) -> None:
    assert parse_links(value) == links


@pytest.mark.parametrize(
    "value", ['<a>; REL="Next"', "<a>; Rel=NEXT", "<a>; rel='neXt'", "<a>; rel=\"'Next'\""]
)
def test_relations_are_compared_without_case_and_have_no_quotes(value: str) -> None:
    assert parse_links(value)["next"]["url"] == "a"
    assert list(parse_links(value)) == ["next"]


@given(st.text(alphabet="<>;,=\"\\ ra\t'", max_size=60))
def test_anything_is_taken(value: str) -> None:
    for link in parse_links(value).values():
        assert "url" in link


@pytest.mark.parametrize(
    "value",
    [
        "<a>" + ";" * 100_000,
        "<a>; a=" + '"' * 100_001,
        "<a>; a=" + "'" * 100_001,
        "<a>" + ";a='b" * 20_000,
        "<a>" + ';a="\\' * 20_000,
        "<" * 100_000,
        "<a>" + " " * 100_000,
    ],
)
def test_hostile_headers_take_no_time(value: str) -> None:
    begun = time.process_time()
    parse_links(value)
    assert time.process_time() - begun < 2
