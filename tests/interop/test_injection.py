"""Nothing is injected through any string that a caller passes on.

Each place that takes a string gets strings that would end a line, a header or a message if they were written
as they are. Either they are refused before a byte is sent, with an exception that callers can expect, or the
server gets one request, with the lines that it would have had without them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

import http3
from support.servers import StartServer, answer, read_request
from support.worlds import Site, World, do

EVIL = "x-evil: 1"

HARMFUL = [
    f"a\r\n{EVIL}\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil\r\n\r\n",
    f"a\n{EVIL}",
    f"a\r{EVIL}",
    f"\r\n{EVIL}",
    f"a\r\n {EVIL}",
    "a\r\n",
    "a\n",
    "\n",
    "a\x00b",
    "a\x1fb",
    "a\x7fb",
    "a\x85b",
    f"a\u2028{EVIL}",
    f"a\u010d\u010a{EVIL}",  # their low bytes are CR and LF
    f"a\uff0d\uff0a{EVIL}",
    "a\ud800b",
    "a b",
    "a\tb",
    'a"b',
    "a;b, c=d",
    f'"; {EVIL}; a="',
    "",
]

REFUSED = (http3.Http3Error, TypeError, ValueError)

Place = Callable[[str], dict[str, Any]]

PLACES: dict[str, Place] = {
    "method": lambda text: {"method": f"GET{text}"},
    "path": lambda text: {"path": f"/{text}"},
    "query": lambda text: {"path": f"/?q={text}"},
    "fragment": lambda text: {"path": f"/#{text}"},
    "params": lambda text: {"params": {text: text, "a": [text]}},
    "header name": lambda text: {"headers": {f"X-A{text}": "1"}},
    "header name as bytes": lambda text: {"headers": [(encoded(f"X-A{text}"), b"1")]},
    "header value": lambda text: {"headers": {"X-A": text}},
    "header value as bytes": lambda text: {"headers": [(b"X-A", encoded(text))]},
    "Host": lambda text: {"headers": {"Host": f"example.org{text}"}},
    "Cookie": lambda text: {"headers": {"Cookie": f"a={text}"}},
    "Content-Type": lambda text: {"headers": {"Content-Type": f"text/plain{text}"}, "data": b"x"},
    "Content-Length": lambda text: {"headers": {"Content-Length": f"1{text}"}, "data": b"x"},
    "Transfer-Encoding": lambda text: {"headers": {"Transfer-Encoding": f"chunked{text}"}, "data": b"x"},
    "cookie name": lambda text: {"cookies": {f"a{text}": "1"}},
    "cookie value": lambda text: {"cookies": {"a": text}},
    "user": lambda text: {"auth": (text, "secret")},
    "password": lambda text: {"auth": ("user", text)},
    "token": lambda text: {"auth": http3.BearerAuth(f"t{text}")},
    "form": lambda text: {"data": {text: text}},
    "text": lambda text: {"data": text},
    "json": lambda text: {"json": {text: text}},
    "name of a file": lambda text: {"files": {text: b"x"}},
    "file name": lambda text: {"files": {"a": (text, b"x")}},
    "type of a file": lambda text: {"files": {"a": ("a", b"x", f"text/plain{text}")}},
    "header of a file": lambda text: {"files": {"a": ("a", b"x", "text/plain", {"X-A": text})}},
    "name of a header of a file": lambda text: {
        "files": {"a": ("a", b"x", "text/plain", {f"X-A{text}": "1"})}
    },
}

USUAL = {
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "x-a",
    "cookie",
    "authorization",
}


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


async def send(client: Any, url: str, place: str, text: str, under: str = "/") -> Any:
    options = PLACES[place](text)
    options["path"] = under + options.get("path", "/")[1:]
    method, path = options.pop("method", "POST"), options.pop("path", "/")
    return await do(client.request(method, url + path, **options))


@pytest.mark.parametrize("place", PLACES)
async def test_http11(world: World, start_server: StartServer, place: str) -> None:
    received: list[Any] = []

    def script(connection: socket.socket) -> None:
        while (request := read_request(connection)) is not None:
            received.append(request)
            connection.sendall(answer(b"ok"))

    server = start_server(script)
    client = world.client()
    await send(client, server.url, place, "" if place in ("Content-Length", "Transfer-Encoding") else "a")
    (harmless,) = received
    for text in HARMFUL:
        received.clear()
        try:
            response = await send(client, server.url, place, text)
        except REFUSED:
            assert not received, f"{place} {text!r} was refused, and sent"
            continue
        assert response.status_code == 200
        (request,) = received
        assert set(request.headers) <= USUAL, f"{place} {text!r} became {request}"
        assert request.target.isprintable()
        assert " " not in request.target
        if "file" in place:
            assert request.body.count(b"\r\n") == harmless.body.count(b"\r\n"), f"{place} {text!r}: {request}"
    received.clear()
    assert (await do(client.get(server.url))).content == b"ok"
    assert len(received) == 1


@pytest.mark.parametrize("place", PLACES)
async def test_http2(world: World, sites: dict[str, Site], place: str) -> None:
    site = next(site for site in sites.values() if site.protocol == "HTTP/2")
    client = world.client(site)
    for text in HARMFUL:
        try:
            response = await send(client, site.url, place, text, under="/echo")
        except REFUSED:
            continue
        assert response.protocol == "HTTP/2"
        if response.status_code == 200:
            names = {name for name, _ in (await do(response.json()))["headers"]}
            assert names <= USUAL, f"{place} {text!r} became {names}"
    response = await do(client.get(f"{site.url}/echo"))
    assert response.status_code == 200
