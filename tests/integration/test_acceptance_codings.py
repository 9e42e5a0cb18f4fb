"""Content codings of real answers (api.md section 7)."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote

import brotli
import pytest
from backports import zstd

import http3
from support.servers import Nginx, answer, answering
from support.worlds import Site, World, collect, do, raised

TEXT = b"".join(b"line %d of the text\n" % number for number in range(3000))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
}


def answer_url(site: Site, body: bytes, coding: str, more: str = "") -> str:
    packed = base64.urlsafe_b64encode(body).decode()
    return f"{site.url}/answer?body={packed}&h=Content-Encoding:{quote(coding)}{more}"


@pytest.mark.parametrize("coding", PACK)
async def test_codings(world: World, site: Site, coding: str) -> None:
    url = answer_url(site, PACK[coding](TEXT), coding, "&pieces=1000")
    client = world.client(site)
    response = await do(client.get(url))
    assert response.content == TEXT
    assert response.headers["content-encoding"] == coding
    streamed = await do(client.get(url, stream=True))
    chunks = await collect(streamed.stream(4096))
    assert {len(chunk) for chunk in chunks[:-1]} == {4096}
    assert b"".join(chunks) == TEXT


VARIANTS: dict[str, tuple[str, bytes, bytes]] = {
    "raw deflate": ("deflate", raw_deflate(TEXT), TEXT),
    "every member": ("gzip", gzip.compress(b"one ") + gzip.compress(b"two"), b"one two"),
    "padding": ("gzip", gzip.compress(b"padded") + bytes(512), b"padded"),
    "a line feed behind gzip": ("gzip", gzip.compress(b"one") + b"\n", b"one"),
    "a line feed behind zlib": ("deflate", zlib.compress(b"one") + b"\r\n", b"one"),
    "a line feed behind raw deflate": ("deflate", raw_deflate(b"one") + b"\n", b"one"),
    "a line feed behind brotli": ("br", brotli.compress(b"one") + b"\n", b"one"),
    "a line feed behind zstd": ("zstd", zstd.compress(b"one") + b"\n", b"one"),
    "padding between members": ("gzip", gzip.compress(b"one ") + b"\0\n" + gzip.compress(b"two"), b"one two"),
    "two in a row": ("deflate, gzip", gzip.compress(zlib.compress(b"twice")), b"twice"),
    "five in a row": (
        "gzip,gzip,gzip,gzip,gzip",
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"5"))))),
        b"5",
    ),
    "identity": ("identity", b"as it is", b"as it is"),
    "upper case": ("GZIP", gzip.compress(b"loud"), b"loud"),
    "unknown": ("martian", b"\x00\x01", b"\x00\x01"),
    "one unknown": ("gzip, martian", gzip.compress(b"x"), gzip.compress(b"x")),
    "nothing": ("gzip", b"", b""),
    "nothing in brotli": ("br", b"", b""),
    "nothing in zstd": ("zstd", b"", b""),
}


@pytest.mark.parametrize("variant", VARIANTS)
async def test_variants(world: World, plain: Site, variant: str) -> None:
    coding, packed, expected = VARIANTS[variant]
    assert (await do(world.client().get(answer_url(plain, packed, coding)))).content == expected


BROKEN: dict[str, tuple[str, bytes]] = {
    **{f"cut {coding}": (coding, PACK[coding](TEXT)[:-7]) for coding in PACK},
    **{f"half {coding}": (coding, PACK[coding](TEXT)[:200]) for coding in PACK},
    **{f"not {coding}": (coding, b"this is not compressed at all") for coding in PACK},
    "cut raw deflate": ("deflate", raw_deflate(TEXT)[:-7]),
    "bad checksum": ("gzip", gzip.compress(TEXT)[:-8] + bytes(8)),
    **{f"rubbish behind {coding}": (coding, PACK[coding](TEXT) + b"rubbish") for coding in PACK},
    **{f"a byte behind {coding}": (coding, PACK[coding](TEXT) + b"x") for coding in PACK},
    "cut second member": ("gzip", gzip.compress(b"one") + gzip.compress(TEXT)[:-4]),
    "six in a row": ("gzip,gzip,gzip,gzip,gzip,gzip", gzip.compress(b"")),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_broken_or_cut_data(world: World, plain: Site, case: str) -> None:
    coding, packed = BROKEN[case]
    client = world.client(plain)
    url = answer_url(plain, packed, coding)
    error = await raised(http3.DecodingError, lambda: client.get(url))
    assert isinstance(error, http3.RequestError)
    assert plain.url in str(error)
    assert ("data after the end of the" in str(error)) == ("behind" in case or case == "not br")
    assert error.delivery == "maybe_processed"
    assert error.request.url.path == "/answer"
    streamed = await do(client.get(url, stream=True))
    with pytest.raises(http3.DecodingError):
        await collect(streamed.stream())
    assert (await do(client.get(plain.url + "/json"))).status_code == 200


async def test_head_and_304_are_not_decoded(world: World, plain: Site) -> None:
    client = world.client(plain)
    assert (await do(client.head(answer_url(plain, b"x", "gzip")))).content == b""
    assert (await do(client.get(answer_url(plain, b"", "gzip", "&status=304")))).content == b""


async def test_partial_content_is_decoded_only_where_asked_for(world: World, plain: Site) -> None:
    client = world.client(plain)
    url = answer_url(plain, gzip.compress(b"part"), "gzip", "&status=206")
    assert (await do(client.get(url))).content == gzip.compress(b"part")
    asked = await do(client.get(url, headers={"Accept-Encoding": "gzip"}))
    assert asked.content == b"part"


@cache
def bomb(coding: str) -> bytes:
    """64 MiB of zeroes, packed."""
    data = bytes(64 * 1024 * 1024)
    return brotli.compress(data, quality=1) if coding == "br" else PACK[coding](data)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_bomb_read_into_memory(world: World, plain: Site, coding: str, raw_server: Any) -> None:
    server = raw_server(answering(answer(bomb(coding), headers=(f"Content-Encoding: {coding}",))))
    client = world.client(plain)
    error = await raised(http3.DecodedSizeExceeded, lambda: client.get(server.url))
    assert isinstance(error, http3.DecodingError)
    assert "250" in str(error)
    assert (await do(client.get(plain.url + "/json"))).status_code == 200


async def test_max_decoded(world: World, two_ways: Site) -> None:
    client = world.client(two_ways, limits=http3.Limits(max_decoded=10_000))
    error = await raised(
        http3.DecodedSizeExceeded, lambda: client.get(answer_url(two_ways, gzip.compress(TEXT), "gzip"))
    )
    assert "10" in str(error)
    small = await do(client.get(answer_url(two_ways, gzip.compress(b"small"), "gzip")))
    assert small.content == b"small"


async def test_a_bomb_may_be_streamed(world: World, raw_server: Any) -> None:
    server = raw_server(answering(answer(bomb("gzip"), headers=("Content-Encoding: gzip",))))
    response = await do(world.client().get(server.url, stream=True))
    biggest = total = 0
    iterator = response.stream()
    while total < 10_000_000:
        chunk = await anext(iterator) if world.is_async else next(iterator)
        biggest, total = max(biggest, len(chunk)), total + len(chunk)
    assert biggest < 2_000_000
    await do(response.close())


async def test_nginx_compresses(world: World, nginx: Nginx) -> None:
    client = world.client()
    response = await do(client.get(nginx.plain + "/gzip"))
    assert response.headers["content-encoding"] == "gzip"
    assert response.text.startswith("<p>All work")
    plain = await do(client.get(nginx.plain + "/gzip", headers={"Accept-Encoding": "identity"}))
    assert "content-encoding" not in plain.headers
    assert plain.content == response.content
