"""What comes from strangers is read in time linear in its length, however it is made up.

Each parser is given long texts of the kind that make careless ones start again at every position. It takes
some milliseconds of CPU for 20,000 characters, and would take seconds if its time were quadratic.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hpack import HPACKError

from http3_client._base_url import resolve_url
from http3_models import DEFAULT_LIMITS, URL, Cookies, Headers, Http3Error, QueryParams, Request, Response
from http3_models._codings.decoder import make_decoder
from http3_models._credentials.challenges import parse_challenges
from http3_models._headers.links import parse_links
from http3_models._request.multipart import encode_multipart
from http3_models._text.decoding import LineDecoder, TextDecoder, charset_of
from http3_models._url.percent import encode_component, encode_form
from http3_models.engine import join_cookie_headers, percent_decode
from http3_transport._errors import Malformed
from http3_transport._http1.chunked import ChunkedDecoder
from http3_transport._http1.head_reader import HeadReader
from http3_transport._http2.headers import Malformed as BrokenFields
from http3_transport._http2.headers import check_fields
from http3_transport._http2.hpack import FieldDecoder

SIZE = 20_000
BOUND = 0.15
"""Seconds of CPU."""

BASE = URL("https://example.org/a/b?c#d")

PIECES = [
    "a",
    "é",
    "\u20ac",
    "\U0001f600",
    " ",
    "\t",
    "\0",
    "\x7f",
    "\ud800",
    "%",
    "%a",
    "%41",
    "%zz",
    "%c3%a9",
    "a ",
    "éa",
    '"',
    "\\",
    '\\"',
    "'",
    "/",
    "/.",
    "/..",
    "/a/..",
    "//",
    "?",
    "#",
    "&",
    "a&",
    "=",
    "a=b&",
    ":",
    "a:",
    "@",
    "a:b@",
    "-",
    "+",
    "[",
    "]",
    ".",
    "a.",
    "1",
    "1.",
    "0x",
    "xn--",
    "xn--a.",
    "\u3002",
    "\u00ad",
    "a\u0301",
    "\u1100\u1161",
    "\ufdfa",
    "\u0627",
    "a\u200d",
    "http:",
    "http://",
    "://",
    ";",
    ",",
    ";=",
    "; a",
    "<",
    "<a>,",
    "\r",
    "\n",
    "\r\n",
    "a\r\n",
    "\r\n ",
]

AROUND = [
    ("", ""),
    ("a", "\0"),
    ("/\t", ""),
    ("http://h/", ""),
    ("http://h/?", ""),
    ("http://h:bad/", ""),
    ("http://", ""),
    ("http://", "@h/"),
    ("http://h:", "/"),
    ("http://[", "]/"),
    ("http://xn--", ""),
    ("", "://h"),
]
"""What stands before and behind the repeated piece; in a URL that puts it into each of its parts."""


def cpu(function: Callable[[Any], object], given: Any) -> float:
    """CPU seconds that it takes; a refusal is as good as a result."""
    begun = time.process_time()
    with suppress(ValueError, TypeError, RuntimeError, Http3Error, HPACKError, Malformed, BrokenFields):
        function(given)
    return time.process_time() - begun


def check(function: Callable[[Any], object], inputs: list[Any]) -> None:
    """Fail if one of them takes more CPU than the bound."""
    for given in inputs:
        seconds = [cpu(function, given)]
        while seconds[-1] > BOUND and len(seconds) < 3:  # the machine may be busy
            seconds.append(cpu(function, given))
        assert min(seconds) < BOUND, given[:60]


def texts(before: str = "", behind: str = "") -> list[str]:
    """Long texts, each a piece again and again."""
    return [before + piece * (SIZE // len(piece)) + behind for piece in PIECES]


def everything(url: URL) -> None:
    """What is asked of a URL on its way through a client."""
    hash(url), repr(url), url.username, url.password, url.netloc, url.full_path, url.path, url.query


URL_WORK: dict[str, Callable[[str], object]] = {
    "parse": URL,
    "location": BASE.join,
    "base_url": lambda text: resolve_url(text, BASE),
    "copy": lambda text: BASE.copy_with(host=text, path=text),
    "use": lambda text: everything(URL(text, allow_relative=True)),
}


@pytest.mark.parametrize("work", URL_WORK)
@pytest.mark.parametrize(("before", "behind"), AROUND)
def test_urls(work: str, before: str, behind: str) -> None:
    check(URL_WORK[work], texts(before, behind))


def test_urls_of_100_000_characters_take_some_milliseconds() -> None:
    hosts = ["a", "a.", ".", "1", "1.", "-", "0x", "xn--", "xn--a.", "%41", "\u00e9", "\u00e9.", "\u3002"]
    urls = [
        "http://h:bad/" + "a" * 60_000,
        "/\t" + "a" * 80_000,
        *["http://h/" + piece * (100_000 // len(piece)) for piece in ("a ", "%", "%41", "\u00e9a", "/..")],
        *["http://" + piece * (100_000 // len(piece)) for piece in hosts],
    ]
    for url in urls:
        assert min(cpu(BASE.join, url) for _ in range(5)) < 0.06, url[:40]  # 15 ms at most; seconds, before


def test_urls_of_100_000_characters_beyond_ascii_take_some_milliseconds() -> None:
    for piece in ("\u00e9", "\U0001f600", "%", "%41", "%c3"):
        part = piece * (100_000 // len(piece))
        everything_of = [f"http://h/{part}?{part}", f"http://{part}:{part}@h/"]
        for text in everything_of:
            assert min(cpu(everything, URL(text)) for _ in range(5)) < 0.15, text[:40]  # 40 ms at most


def fed(make: Callable[[], Any], step: int) -> Callable[[bytes], object]:
    """Hands the input over in small pieces."""

    def feed(data: bytes) -> None:
        take = make()
        for start in range(0, len(data), step):
            if take(data[start : start + step]):
                break

    return feed


def head_reader() -> Callable[[bytes], object]:
    reader, request = HeadReader(DEFAULT_LIMITS, fast=True), Request("GET", "http://h/")._state
    reader.finished = True
    return lambda data: reader.take(request, data)


def chunks_reader() -> Callable[[bytes], object]:
    decoder = ChunkedDecoder(SIZE)

    def take(data: bytes) -> bool:
        decoder.feed(data)
        return decoder.is_over or decoder.fault is not None

    return take


def text_reader() -> Callable[[bytes], object]:
    decoder, lines = TextDecoder("utf-8"), LineDecoder()
    return lambda data: lines.decode(decoder.decode(data)).clear()


TEXT_WORK: dict[str, Callable[[str], object]] = {
    "query": lambda text: str(QueryParams(text)),
    "escapes": lambda text: (encode_component(text), encode_form(text), percent_decode(text)),
    "link": parse_links,
    "challenge": lambda text: parse_challenges("Digest realm=" + text),
    "content type": lambda text: charset_of("text/html; charset=" + text),
    "content coding": lambda text: make_decoder(Headers({"content-encoding": text}), DEFAULT_LIMITS),
    "cookie header": lambda text: join_cookie_headers(text, text),
    "cookie": lambda text: Cookies({"a": text}),
    "cookie domain": lambda text: Cookies().set("a", "1", domain=text),
    "multipart": lambda text: encode_multipart({text: text}, {text: (text, b"")}),
    "header": lambda text: repr(Headers({"a": text, text: "a"})),
    "header to send": lambda text: Headers({"a": text, text: "a"}).check(),
    "json": lambda text: Response(200, content=text.encode()).json(),
    "request": lambda text: Request("POST", "http://h/", params=text, data={text: text}, cookies={"a": text}),
}


@pytest.mark.parametrize("work", TEXT_WORK)
def test_texts(work: str) -> None:
    check(TEXT_WORK[work], texts() + texts('"', "\0"))


def set_cookie(field: bytes) -> None:
    Cookies().extract(URL("https://a.example/"), Headers([(b"Set-Cookie", field)]))


HEADS = [
    b"",
    b"HTTP/1.1 200 ",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nX:",
    b"HTTP/1.1 200 OK\r\nX: a",
    b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nX:",
]
CHUNKS = [b"", b"3", b"3;", b"0\r\nX:"]

BYTES_WORK: dict[str, tuple[list[bytes], Callable[[bytes], object]]] = {
    "cookie": ([b"a="], set_cookie),
    "cookie attributes": ([b"a=b; "], set_cookie),
    "cookie date": ([b""], lambda data: set_cookie(b"a=b" + (b"; Expires=" + data[:1000]) * 20)),
    "head": (HEADS, fed(head_reader, SIZE * 2)),
    "head in pieces": (HEADS, fed(head_reader, 997)),
    "chunks": (CHUNKS, fed(chunks_reader, SIZE * 2)),
    "chunks in pieces": (CHUNKS, fed(chunks_reader, 199)),
    "fields": ([b""], lambda data: check_fields([(b"a", data), (data, b"a")], SIZE * 9, "head")),
    "header block": ([b"", b"\x00\x7f"], FieldDecoder().fields),
    "lines in pieces": ([b""], fed(text_reader, 199)),
}
"""What stands before the repeated piece, and the parser."""


@pytest.mark.parametrize("work", BYTES_WORK)
def test_bytes(work: str) -> None:
    beginnings, function = BYTES_WORK[work]
    for before in beginnings:
        long = [before + text.encode("utf-8", "surrogatepass") for text in texts()]
        check(function, long + [data + b"\0\r\n\r\n" for data in long])
