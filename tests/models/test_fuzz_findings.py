"""Inputs that fuzzing found (see fuzz/README.md), each with what it must come to."""

from __future__ import annotations

import pytest

from http3_models import URL
from http3_models._url import URLParts


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("http://example.org/", {"userinfo": ":"}),
        ("http://example.org/", {"authority": ":@example.org"}),
        ("http://user:@example.org/", {"username": ""}),
        ("http://user:@example.org/", {"username": None}),
        ("http://:secret@example.org/", {"password": ""}),
    ],
)
def test_a_userinfo_that_says_nothing_is_dropped(text: str, part: URLParts) -> None:
    url = URL(text).copy_with(**part)
    assert str(url) == "http://example.org/"
    assert url == URL(str(url))
