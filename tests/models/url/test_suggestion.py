"""What a text without a scheme was meant to be."""

from __future__ import annotations

import pytest

from http3_models import URL, InvalidURL, Origin


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("example.org", "https://example.org"),
        ("www.example.org/a/b?c=d#e", "https://www.example.org/a/b?c=d#e"),
        ("//example.org/a", "https://example.org/a"),
        ("//intranet/a", "https://intranet/a"),
        ("example.org:8443/a", "https://example.org:8443/a"),
        ("intranet:8080/a", "https://intranet:8080/a"),
        ("http//example.org/a", "http://example.org/a"),
        ("HTTPS//intranet", "https://intranet"),
        ("bücher.example/ä", "https://bücher.example/ä"),
        ("localhost", "http://localhost"),
        ("localhost:8000", "http://localhost:8000"),
        ("LOCALHOST:8000/a", "http://LOCALHOST:8000/a"),
        ("app.localhost/a", "http://app.localhost/a"),
        ("127.0.0.1:8000/a", "http://127.0.0.1:8000/a"),
        ("10.0.0.1?a=b", "http://10.0.0.1?a=b"),
        ("[::1]:8000/a", "http://[::1]:8000/a"),
    ],
)
def test_is_shown(text: str, meant: str) -> None:
    for take in (URL, Origin):
        with pytest.raises(InvalidURL) as caught:
            take(text)
        assert str(caught.value).endswith(f"; did you mean {meant!r}?")
        assert repr(text) in str(caught.value)
    URL(meant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/path",
        "path",
        ".",
        "../up",
        "?a=b",
        "#a",
        "mailto:me",
        "example",
        "...",
        "http",
        "http/example",
        "http///example",
        "xhttp//example",
        "ex ample.org",
        "example.org:99999/",
        "exa_mple..org",
        "[::g]/",
        "me:hunter2@example.org",
        "example.org/" + "a" * 300,
    ],
)
def test_there_is_none(text: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        URL(text)
    assert "did you mean" not in str(caught.value)


def test_of_a_relative_url() -> None:
    with pytest.raises(InvalidURL, match=r"did you mean 'https://example\.org/a'"):
        URL(URL("example.org/a", allow_relative=True))


def test_of_a_str_that_shows_itself_otherwise() -> None:
    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "hunter2"

    with pytest.raises(InvalidURL, match=r"'example\.org' has|'example\.org': it has") as caught:
        URL(Text("example.org"))
    assert "hunter2" not in str(caught.value)


def test_takes_linear_time_in_the_length() -> None:
    for text in ("a." * 500_000, "a" * 1_000_000, "." * 1_000_000, "[" + ":" * 1_000_000):
        with pytest.raises(InvalidURL) as caught:
            URL(text)
        assert len(str(caught.value)) < 400
