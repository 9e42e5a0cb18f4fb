"""Content codings of real answers (RFC 9110 section 8.4)."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable
from urllib.parse import quote

import brotli
import pytest
from backports import zstd

from support.servers import Nginx
from support.worlds import Site, World, collect, do

TEXT = b"".join(b"line %d of the text\n" % number for number in range(3000))


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


async def test_nginx_compresses(world: World, nginx: Nginx) -> None:
    client = world.client()
    response = await do(client.get(nginx.plain + "/gzip"))
    assert response.headers["content-encoding"] == "gzip"
    assert response.text.startswith("<p>All work")
    plain = await do(client.get(nginx.plain + "/gzip", headers={"Accept-Encoding": "identity"}))
    assert "content-encoding" not in plain.headers
    assert plain.content == response.content
