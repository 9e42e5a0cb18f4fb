"""Text and encodings of real answers (api.md section 7)."""

from __future__ import annotations

import base64
import codecs
import json
from typing import Any
from urllib.parse import quote

import pytest

import http3
from support.worlds import Site, World, collect, do, raised

CAFE = "Café – naïve"


def url(site: Site, body: bytes, kind: str = "text/plain", pieces: int = 0) -> str:
    packed = base64.urlsafe_b64encode(body).decode()
    return f"{site.url}/answer?body={packed}&h=Content-Type:{quote(kind, safe='')}&pieces={pieces}"


CASES: list[tuple[bytes, str, str]] = [
    (CAFE.encode(), "text/plain", CAFE),
    (CAFE.encode("windows-1252"), "text/plain", CAFE),
    (CAFE.encode("windows-1252"), "text/plain; charset=windows-1252", CAFE),
    ("café".encode("latin-1"), "text/html; charset=ISO-8859-1", "café"),
    (CAFE.encode("utf-16"), "text/plain", CAFE),
    (codecs.BOM_UTF8 + CAFE.encode(), "text/plain; charset=latin-1", CAFE),
    (codecs.BOM_UTF16_BE + CAFE.encode("utf-16-be"), "text/plain", CAFE),
    ("日本".encode("shift_jis"), "text/plain; charset=Shift_JIS", "日本"),
    ("日本".encode("euc-jp"), 'text/plain; charset="EUC-JP"', "日本"),
    (CAFE.encode(), "text/plain; charset=martian-8", CAFE),
    (CAFE.encode(), "application/json", CAFE),
    (b"+ADw-script+AD4-", "text/html; charset=utf-7", "+ADw-script+AD4-"),
    (b"\\u0041", "text/plain; charset=unicode_escape", "\\u0041"),
    (b"Nopq", "text/plain; charset=rot13", "Nopq"),
    ("日本".encode("cp932"), "text/plain; charset=x-sjis", "日本"),
    (b"ok \xff", "text/plain; charset=utf-8", "ok \ufffd"),
    (b"", "text/plain", ""),
]


@pytest.mark.parametrize(("body", "kind", "text"), CASES)
async def test_text(world: World, plain: Site, body: bytes, kind: str, text: str) -> None:
    response = await do(world.client(plain).get(url(plain, body, kind)))
    assert response.text == text


STREAMED = [
    case for case in CASES if not (case[0] == CAFE.encode("windows-1252") and "charset" not in case[1])
]


@pytest.mark.parametrize(("body", "kind", "text"), STREAMED)
@pytest.mark.parametrize("pieces", [1, 3, 0])
async def test_iter_text(world: World, plain: Site, body: bytes, kind: str, text: str, pieces: int) -> None:
    response = await do(world.client(plain).get(url(plain, body, kind, pieces), stream=True))
    assert "".join(await collect(response.iter_text())) == text


@pytest.mark.parametrize("pieces", [1, 2, 0])
async def test_iter_lines(world: World, plain: Site, pieces: int) -> None:
    body = "one\ntwo\r\nthree\rfour\n\nsix é\u2028x\x0cy\nlast".encode()
    response = await do(world.client(plain).get(url(plain, body, pieces=pieces), stream=True))
    lines = await collect(response.iter_lines())
    assert lines == ["one", "two", "three", "four", "", "six é\u2028x\x0cy", "last"]


async def test_encoding_is_settable(world: World, plain: Site) -> None:
    client = world.client(plain)
    response = await do(client.get(url(plain, "Привет".encode("koi8-r"))))
    assert response.charset_encoding is None
    response.encoding = "koi8-r"
    assert response.text == "Привет"
    assert response.encoding == "koi8-r"
    named = await do(client.get(url(plain, b"x", "text/plain; charset=koi8-r")))
    assert named.charset_encoding == "koi8-r"
    assert named.encoding == "koi8-r"


async def test_default_encoding(world: World, plain: Site) -> None:
    body = "Привет, мир".encode("koi8-r")
    named = world.client(plain, default_encoding="koi8-r")
    assert (await do(named.get(url(plain, body)))).text == "Привет, мир"
    seen: list[bytes] = []

    def guess(data: bytes) -> str:
        seen.append(data)
        return "koi8-r"

    called = world.client(plain, default_encoding=guess)
    assert (await do(called.get(url(plain, body)))).text == "Привет, мир"
    assert seen
    assert (await do(called.get(url(plain, b"x\xe9", "text/plain; charset=latin-1")))).text == "xé"


async def test_auto_and_apparent_encoding(world: World, plain: Site) -> None:
    text = "Это достаточно длинный русский текст, чтобы угадать его кодировку. " * 10
    auto = world.client(plain, default_encoding="auto")
    response = await do(auto.get(url(plain, text.encode("windows-1251"))))
    assert response.text == text
    assert codecs.lookup(response.apparent_encoding).name in ("cp1251", "windows-1251")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_json_is_told_by_its_bytes(world: World, plain: Site, encoding: str) -> None:
    value = {"text": CAFE, "list": [1, None]}
    body = json.dumps(value, ensure_ascii=False).encode(encoding)
    response = await do(world.client(plain).get(url(plain, body, "application/json")))
    assert await do(response.json()) == value


async def test_json_with_a_charset_and_options(world: World, plain: Site) -> None:
    client = world.client(plain)
    body = '{"a": 1.5, "b": "é"}'.encode("latin-1")
    response = await do(client.get(url(plain, body, "application/json; charset=latin-1")))
    assert await do(response.json(parse_float=str)) == {"a": "1.5", "b": "é"}


async def test_what_is_no_json(world: World, plain: Site) -> None:
    response = await do(world.client(plain).get(url(plain, b"<html>", "application/json")))
    await raised(ValueError, response.json)


async def test_a_response_made_by_hand(world: World) -> None:
    def handler(request: Any) -> Any:
        kind: dict[str, Any] = {
            "/json": {"json": {"a": "é"}},
            "/html": {"html": "<p>é"},
            "/text": {"text": "é"},
        }
        return http3.Response(200, **kind[request.url.path])

    client = world.client(dispatch=http3.MockDispatcher(handler), base_url="https://example.org")
    assert await do((await do(client.get("/json"))).json()) == {"a": "é"}
    html = await do(client.get("/html"))
    assert (html.text, html.headers["content-type"]) == ("<p>é", "text/html; charset=utf-8")
    assert (await do(client.get("/text"))).text == "é"


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"<html>no such page", "text/html", "Expecting value: line 1 column 1 (char 0)"),
        (b"[" * 20_000, "application/json", "Nested too deeply"),
        (b'"\xe9"', "application/json; charset=utf-8", "Not in utf-8"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_json_that_is_none(
    world: World, plain: Site, body: bytes, kind: str, message: str, stream: bool
) -> None:
    response = await do(world.client(plain).get(url(plain, body, kind), stream=stream))
    error = await raised(http3.JSONDecodeError, response.json)
    assert isinstance(error, json.JSONDecodeError)
    assert message in str(error)
    assert f"GET {plain.url}" in str(error)
    assert f"(200, Content-Type '{kind}')" in str(error)
