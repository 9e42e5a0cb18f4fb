"""Request bodies of every kind, checked by their hash on the server (docs/streaming.md)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.servers import Nginx
from support.worlds import Site, World, do, raised

MIB = bytes(range(256)) * 4096


def pieces(data: bytes, size: int = 10_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def async_pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for piece in pieces(data, size):
        yield piece


class Unseekable:
    """A file that can only be read."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


async def upload(client: Any, site: Site, **options: Any) -> dict[str, Any]:
    got: dict[str, Any] = await do((await do(client.post(site.url + "/upload", **options))).json())
    return got


KINDS: dict[str, Callable[[bytes], Any]] = {
    "bytes": lambda data: data,
    "file": io.BytesIO,
    "unseekable file": Unseekable,
    "iterator": pieces,
    "iterator of odd sizes": lambda data: iter([b"", data[:1], b"", data[1:], b""]),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_mebibyte_arrives(world: World, site: Site, kind: str) -> None:
    got = await upload(world.client(site), site, data=KINDS[kind](MIB))
    assert got["size"] == len(MIB)
    assert got["sha256"] == hashlib.sha256(MIB).hexdigest()


async def test_async_iterators(world: World, site: Site) -> None:
    client = world.client(site)
    if not world.is_async:
        await raised(TypeError, lambda: client.post(site.url + "/upload", data=async_pieces(MIB)))
        assert (await upload(client, site, data=b"abc"))["size"] == 3
        return
    got = await upload(client, site, data=async_pieces(MIB))
    assert got["sha256"] == hashlib.sha256(MIB).hexdigest()


async def test_a_real_file_from_its_position(world: World, site: Site, tmp_path: Path) -> None:
    path = tmp_path / "upload.bin"
    path.write_bytes(MIB)
    with path.open("rb") as file:
        file.seek(1000)
        got = await upload(world.client(site), site, data=file)
    assert got["sha256"] == hashlib.sha256(MIB[1000:]).hexdigest()


async def test_to_nginx_and_back(world: World, nginx: Nginx, authority: Any) -> None:
    client = world.client(verify=authority.ca_file)
    for url, data in ((nginx.plain, pieces(MIB)), (nginx.tls_h2, io.BytesIO(MIB))):
        name = f"/files/{world.name}-{url.rpartition(':')[2]}"
        assert (await do(client.put(url + name, data=data))).status_code in (201, 204)
        assert (await do(client.get(url + name))).content == MIB
        assert (await do(client.delete(url + name))).status_code == 204
        assert (await do(client.get(url + name))).status_code == 404


async def test_multipart(world: World, site: Site) -> None:
    files = {
        "first": ("a.txt", io.BytesIO(b"file one")),
        "second": b"plain bytes",
        "third": ('naïve "q".bin', MIB, "application/x-test"),
        "fourth": ("d.txt", b"four", "text/plain", {"X-Part": "yes"}),
    }
    response = await do(
        world.client(site).post(site.url + "/parts", files=files, data={"field": "välue", "list": ["1", "2"]})
    )
    got = await do(response.json())
    assert int(got["content_length"]) == got["size"]
    parts = {part["name"]: part for part in got["parts"]}
    assert parts["first"]["filename"] == "a.txt"
    assert parts["first"]["text"] == "file one"
    assert parts["second"]["text"] == "plain bytes"
    assert parts["third"]["type"] == "application/x-test"
    assert parts["third"]["sha256"] == hashlib.sha256(MIB).hexdigest()
    assert parts["fourth"]["headers"]["x-part"] == "yes"
    assert parts["field"]["text"].encode("latin-1") == "välue".encode()
    assert parts["field"]["filename"] is None
    assert [part["text"] for part in got["parts"] if part["name"] == "list"] == ["1", "2"]


async def test_multipart_of_pairs_and_of_an_open_file(world: World, two_ways: Site, tmp_path: Path) -> None:
    path = tmp_path / "named.json"
    path.write_bytes(b"{}")
    with path.open("rb") as file:
        pairs = [("file", file), ("file", ("b", b"2")), ("stream", ("c", Unseekable(b"333")))]
        got = await do((await do(world.client(two_ways).post(two_ways.url + "/parts", files=pairs))).json())
    assert [part["name"] for part in got["parts"]] == ["file", "file", "stream"]
    assert got["parts"][0]["filename"] == "named.json"
    assert got["parts"][0]["type"] == "application/json"
    assert got["parts"][2]["text"] == "333"
    assert got["content_length"] == ""


async def test_an_iterator_that_fails(world: World, site: Site) -> None:
    def failing() -> Iterator[bytes]:
        yield b"some"
        raise KeyError("out of data")

    client = world.client(site)
    error = await raised(KeyError, lambda: client.post(site.url + "/upload", data=failing()))
    assert error.args == ("out of data",)
    assert (await upload(client, site, data=b"abc"))["size"] == 3


@pytest.mark.parametrize("way", ["h1", "h1-tls"])
async def test_an_early_answer_is_delivered(world: World, sites: dict[str, Site], way: str) -> None:
    site = sites[way]
    client = world.client(site)
    for data in (MIB * 8, pieces(MIB * 8, 65536)):
        response = await do(client.post(site.url + "/early-413", data=data))
        assert response.status_code == 413
        assert response.content == b"too much\n"
    assert (await upload(client, site, data=b"abc"))["size"] == 3


async def test_an_early_answer_of_nginx(world: World, nginx: Nginx, authority: Any) -> None:
    client = world.client(verify=authority.ca_file)
    for url in (nginx.plain, nginx.tls_h2):
        response = await do(client.post(url + "/limited", data=MIB * 4))
        assert response.status_code == 413
        assert (await do(client.post(url + "/sink", data=b"abc"))).content == b"taken\n"
