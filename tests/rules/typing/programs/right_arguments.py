"""Arguments as newcomers write them, in place and in variables without annotations. Never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import http3

URL = "https://example.org/"


def in_place() -> None:
    """Literals."""
    http3.get(URL, params={"q": "x", "page": 2, "tag": ["a", "b"], "all": True, "none": None})
    http3.get(URL, params=[("q", "x"), ("page", 2)])
    http3.post(URL, data={"name": "x", "n": [1, 2]})
    http3.post(URL, data=[("name", "x"), ("n", 1)])
    http3.post(URL, files={"photo": b"x", "notes": ("notes.txt", "text"), "many": [b"1", ("2.txt", b"2")]})
    http3.post(URL, files=[("photo", b"x"), ("notes", ("notes.txt", "text", "text/plain"))])
    http3.get(URL, headers={"Accept": "*/*", "User-Agent": None}, cookies={"a": "b"})


def in_variables() -> None:
    """What a checker infers by itself: ``dict[str, object]`` for values of several types, says mypy."""
    params = {"q": "x", "page": 2}
    http3.get(URL, params=params)
    http3.post(URL, data=params)
    pairs = [("q", "x"), ("page", 2)]
    http3.get(URL, params=pairs)
    http3.post(URL, data=pairs)
    form = {"name": "x", "n": [1, 2]}
    http3.post(URL, data=form)
    http3.get(URL, params=form)
    text = {"a": "b"}
    http3.get(URL, params=text, headers=text, cookies=text)
    http3.post(URL, data=text)
    numbers = {"a": 1}
    http3.get(URL, params=numbers)
    lists = {"a": ["b", "c"]}
    http3.get(URL, params=lists)
    http3.post(URL, data=lists)
    optional = {"a": "b", "c": None}
    http3.get(URL, params=optional, headers=optional)
    texts = [("a", "b")]
    http3.get(URL, params=texts, headers=texts, cookies=texts)
    http3.post(URL, data=texts)
    auth, timeout = ("user", "secret"), (1, 2.5)
    http3.get(URL, auth=auth, timeout=timeout)


def files_in_variables() -> None:
    """Uploads."""
    with Path("photo.jpg").open("rb") as photo:
        one = {"photo": photo}
        http3.post(URL, files=one)
        several = {"photos": [photo, photo]}
        http3.post(URL, files=several)
        repeated = [("photos", photo), ("photos", photo)]
        http3.post(URL, files=repeated)
        named = {"photo": ("photo.jpg", photo, "image/jpeg")}
        http3.post(URL, files=named)


def annotated(
    params: dict[str, str | int],
    anything: dict[str, Any],
    objects: dict[str, object],
    headers: dict[str, str | None],
    raw: dict[bytes, bytes],
    mixed: dict[str, str | bytes],
    pairs: list[tuple[str, str | int]],
) -> None:
    """Types that programs write down."""
    http3.get(URL, params=params)
    http3.post(URL, data=params)
    http3.get(URL, params=anything, headers=anything, cookies=anything)
    http3.post(URL, data=anything, files=anything)
    http3.get(URL, params=objects)
    http3.post(URL, data=objects)
    http3.get(URL, params=headers, headers=headers)
    http3.get(URL, headers=raw)
    http3.get(URL, headers=mixed)
    http3.get(URL, params=pairs)
    http3.post(URL, data=pairs)


def values_of_ours(response: http3.Response) -> None:
    """What a response had, for another request; and a URL beside text."""
    http3.get(response.url, params=response.url.query, headers=response.headers, cookies=response.cookies)
    http3.get(URL, params=http3.QueryParams("a=b"))
    urls = {"https://example.org/", "https://example.com/"}
    if response.url == URL or response.url in urls or response.url in list(urls):
        print("there")
