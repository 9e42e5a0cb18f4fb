"""Where relative URLs lead: what was worked out before must not answer for another base."""

from __future__ import annotations

import pytest

from http3_client._base_url import resolve_url
from http3_models import URL, InvalidURL

LONG = "x" * 4000


@pytest.mark.parametrize("text", ["users", "https://h/x", LONG, f"https://h/{LONG}"])
def test_each_base_has_its_own(text: str) -> None:
    bases = [URL("https://one/v1"), URL("https://one/v2"), URL("https://user:secret@one/v1"), None]
    for _ in range(2):
        for base in bases:
            if "://" in text:
                assert str(resolve_url(text, base)) == text
            elif base is None:
                with pytest.raises(InvalidURL, match="base_url"):
                    resolve_url(text, base)
            else:
                assert str(resolve_url(text, base)) == f"{base}/{text}"


def test_subclasses_of_str_and_url() -> None:
    class Text(str):
        __slots__ = ()

    class Address(URL):
        __slots__ = ()

    base = Address("https://one/v1")
    assert str(resolve_url(Text("users"), base)) == "https://one/v1/users"
    assert resolve_url(base, None) is base
    assert type(resolve_url("users", base)) is URL


@pytest.mark.parametrize("url", [b"https://h/", None, 1])
def test_other_types(url: object) -> None:
    with pytest.raises(TypeError, match="url must be a str or URL"):
        resolve_url(url, None)  # type: ignore[arg-type]
