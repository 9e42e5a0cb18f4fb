"""Request bodies of every kind, checked by their hash on the server (api.md section 6)."""

from __future__ import annotations

import hashlib
import io
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import http3
from support.http2_peer import Peer
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


async def echo(client: Any, site: Site, **options: Any) -> dict[str, Any]:
    got: dict[str, Any] = await do((await do(client.post(site.url + "/echo", **options))).json())
    got["fields"] = dict(got["headers"])
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


async def test_framing(world: World, plain: Site) -> None:
    client = world.client(plain)
    for data in (b"abc", "abc", io.BytesIO(b"abc")):
        fields = (await echo(client, plain, data=data))["fields"]
        assert fields["content-length"] == "3"
        assert "transfer-encoding" not in fields
    fields = (await echo(client, plain, data=iter([b"a", b"bc"])))["fields"]
    assert fields["transfer-encoding"] == "chunked"
    assert "content-length" not in fields
    known = await echo(client, plain, data=iter([b"a", b"bc"]), headers={"Content-Length": "3"})
    assert known["fields"]["content-length"] == "3"
    assert "transfer-encoding" not in known["fields"]
    assert known["body"] == "abc"


async def test_a_boundary_of_the_callers(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    options = {
        "headers": {"Content-Type": "multipart/form-data; boundary=abc"},
        "data": {"field": "value"},
        "files": {"f": ("a.txt", b"content")},
    }
    for path in ("/parts", "/bounce?status=307&to=/parts"):
        got = await do((await do(client.post(two_ways.url + path, **options))).json())
        assert {part["name"]: part["text"] for part in got["parts"]} == {"field": "value", "f": "content"}
    related = await echo(
        client,
        two_ways,
        headers={"Content-Type": 'multipart/related; boundary="a b"'},
        files=[("root", (None, b"<a/>", "text/xml"))],
    )
    assert related["fields"]["content-type"] == 'multipart/related; boundary="a b"'
    assert related["body"].startswith("--a b\r\n")
    assert related["body"].endswith("<a/>\r\n--a b--\r\n")
    added = await echo(
        client, two_ways, headers={"Content-Type": "multipart/form-data"}, files={"f": b"content"}
    )
    boundary = added["fields"]["content-type"].removeprefix("multipart/form-data; boundary=")
    assert added["body"].startswith(f"--{boundary}\r\n")
    request = world.request_class("POST", two_ways.url + "/parts", **options)
    got = await do((await do(client.send(request))).json())
    assert len(got["parts"]) == 2
    wrong = {"Content-Type": "multipart/form-data; boundary="}
    await raised(
        http3.LocalProtocolError, lambda: client.post(two_ways.url, headers=wrong, files={"f": b"x"})
    )


async def test_form(world: World, two_ways: Site) -> None:
    form = {"name": "Zoë & co", "many": ["1", "2"], "number": 3, "empty": ""}
    got = await echo(world.client(two_ways), two_ways, data=form)
    assert got["body"] == "name=Zo%C3%AB+%26+co&many=1&many=2&number=3&empty="
    assert got["fields"]["content-type"] == "application/x-www-form-urlencoded"


async def test_text_is_utf8(world: World, two_ways: Site) -> None:
    got = await echo(world.client(two_ways), two_ways, data="naïve")
    assert got["body"].encode("latin-1") == "naïve".encode()
    own = await echo(world.client(two_ways), two_ways, data="x", headers={"Content-Type": "text/csv"})
    assert own["fields"]["content-type"] == "text/csv"


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True]}, [], "text", 0, False, "ünï"])
async def test_json(world: World, plain: Site, value: Any) -> None:
    got = await echo(world.client(plain), plain, json=value)
    assert got["fields"]["content-type"] == "application/json"
    assert json.loads(got["body"].encode("latin-1")) == value
    assert " " not in got["body"]


@pytest.mark.parametrize(
    ("error", "options"),
    [
        pytest.param(ValueError, {"json": {"x": float("nan")}}, id="nan"),
        pytest.param(ValueError, {"json": float("inf")}, id="infinity"),
        pytest.param(TypeError, {"json": object()}, id="object-as-json"),
        pytest.param(TypeError, {"json": {}, "data": b""}, id="json-and-data"),
        pytest.param(TypeError, {"data": b"x", "files": {"f": b"y"}}, id="bytes-and-files"),
        pytest.param(TypeError, {"data": 42}, id="int"),
        pytest.param(TypeError, {"data": object()}, id="object"),
        pytest.param(TypeError, {"files": {"f": 42}}, id="int-as-file"),
        pytest.param(TypeError, {"data": io.StringIO("text")}, id="text-file"),
    ],
)
async def test_what_cannot_be_sent(
    world: World, plain: Site, error: type[Exception], options: dict[str, Any]
) -> None:
    client = world.client(plain)
    text = str(await raised(error, lambda: client.post(plain.url + "/echo", **options)))
    assert any(word in text for word in ("json", "data", "files", "file", "JSON")), text
    assert (await upload(client, plain, data=b"abc"))["size"] == 3


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


async def test_a_wrong_content_length_is_refused(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    for length, data in (("5", b"abc"), ("1", b"abc"), ("nonsense", b"abc")):
        headers = {"Content-Length": length}
        url = two_ways.url + "/upload"
        error = await raised(http3.LocalProtocolError, client.post, url, data=data, headers=headers)
        assert error.delivery == "not_sent"
        assert two_ways.url in str(error)
    both = {"Content-Length": "3", "Transfer-Encoding": "chunked"}
    await raised(
        http3.LocalProtocolError, lambda: client.post(two_ways.url + "/upload", data=b"abc", headers=both)
    )
    assert (await upload(client, two_ways, data=b"abc"))["size"] == 3


@pytest.mark.parametrize("count", [2, 4])
async def test_an_iterator_that_keeps_not_to_its_content_length(
    world: World, two_ways: Site, count: int
) -> None:
    client = world.client(two_ways)
    headers = {"Content-Length": "3"}
    data = iter([b"x"] * count)
    error = await raised(
        http3.LocalProtocolError, lambda: client.post(two_ways.url + "/upload", data=data, headers=headers)
    )
    assert "3" in str(error)
    assert (await upload(client, two_ways, data=b"abc"))["size"] == 3


async def test_an_iterator_that_fails(world: World, site: Site) -> None:
    def failing() -> Iterator[bytes]:
        yield b"some"
        raise KeyError("out of data")

    client = world.client(site)
    error = await raised(KeyError, lambda: client.post(site.url + "/upload", data=failing()))
    assert error.args == ("out of data",)
    assert (await upload(client, site, data=b"abc"))["size"] == 3


async def test_an_iterator_of_the_wrong_things(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    await raised(TypeError, lambda: client.post(two_ways.url + "/upload", data=iter([b"a", "text", 3])))
    assert (await upload(client, two_ways, data=b"abc"))["size"] == 3


@pytest.mark.parametrize("way", ["h1", "h1-tls"])
async def test_an_early_answer_is_delivered(world: World, sites: dict[str, Site], way: str) -> None:
    site = sites[way]
    client = world.client(site)
    for data in (MIB * 8, pieces(MIB * 8, 65536)):
        response = await do(client.post(site.url + "/early-413", data=data))
        assert response.status_code == 413
        assert response.content == b"too much\n"
    assert (await upload(client, site, data=b"abc"))["size"] == 3


async def test_an_early_answer_of_http2(world: World, raw_server: Any) -> None:
    def script(connection: socket.socket) -> None:
        peer = Peer(connection)
        peer.credit = False
        for number in range(2):
            request = peer.request(number, whole=False)
            peer.respond(request.stream_id, b"too much", 413)
            peer.h2.reset_stream(request.stream_id, 0)
            peer.flush()
        peer.respond(peer.request(2).stream_id, b"fine")
        peer.until_closed()

    server = raw_server(script)
    client = world.client(http_versions=("HTTP/2",))
    for data in (MIB, pieces(MIB)):
        response = await do(client.post(server.url, data=data))
        assert (response.status_code, response.content) == (413, b"too much")
    assert (await do(client.get(server.url))).content == b"fine"
    assert server.connections == 1


async def test_an_early_answer_of_nginx(world: World, nginx: Nginx, authority: Any) -> None:
    client = world.client(verify=authority.ca_file)
    for url in (nginx.plain, nginx.tls_h2):
        response = await do(client.post(url + "/limited", data=MIB * 4))
        assert response.status_code == 413
        assert (await do(client.post(url + "/sink", data=b"abc"))).content == b"taken\n"


async def test_a_request_body_is_readable(world: World) -> None:
    request = world.request_class("POST", "https://example.org", data={"a": "1"})
    assert not request.is_streaming
    assert await do(request.read()) == b"a=1"
    assert request.content == b"a=1"
    streaming = world.request_class("POST", "https://example.org", data=iter([b"a", b"b"]))
    assert streaming.is_streaming
    assert await do(streaming.read()) == b"ab"


def test_multipart_names_are_escaped_as_browsers_do() -> None:
    request = http3.Request("POST", "https://example.org", files={'a"b\r\nc': ('d"e\n.txt', b"x")})
    head = request.read().partition(b"\r\n\r\n")[0]
    assert b'name="a%22b%0D%0Ac"' in head
    assert b'filename="d%22e%0A.txt"' in head


async def ended(world: World, iterator: Any) -> Any:
    """The iterator, read to its end."""
    if hasattr(iterator, "__anext__"):
        async for _ in iterator:
            pass
    else:
        list(iterator)
    return iterator


@pytest.mark.parametrize("kind", ["generator", "list", "asynchronous generator"])
async def test_an_iterator_that_has_ended_is_not_sent(world: World, site: Site, kind: str) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "generator": lambda: pieces(MIB),
        "list": lambda: iter([MIB]),
        "asynchronous generator": lambda: async_pieces(MIB),
    }
    if kind == "asynchronous generator" and not world.is_async:
        pytest.skip("Client sends no asynchronous iterator")
    client = world.client(site)
    data = await ended(world, makers[kind]())
    await raised(http3.StreamConsumed, client.post, site.url + "/upload", data=data)
    data = makers[kind]()
    assert (await upload(client, site, data=data))["size"] == len(MIB)
    error = await raised(http3.StreamConsumed, client.post, site.url + "/upload", data=data)
    assert site.url in str(error)
    request = client.build_request("POST", site.url + "/upload", data=await ended(world, makers[kind]()))
    await raised(http3.StreamConsumed, client.send, request)
    assert (await upload(client, site, data=makers[kind]()))["size"] == len(MIB)
