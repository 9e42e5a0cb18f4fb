"""What the `site` fixtures serve: the routes of `echo_app`, and these.

any  /answer     any answer: `status`, `h=Name:value` (repeatable), `body` (base64),
                 `pieces` (bytes per chunk), `length=no` (no Content-Length)
any  /bounce     a redirect: `to`, `status`, `h=Name:value`
any  /digest     RFC 7616 with user:secret; `algorithm`, `qop`, `stale=1` (every nonce serves once)
any  /parts      the multipart body taken apart: list of {name, filename, type, size, sha256, text}
GET  /cut/<n>    announces n bytes, sends half of them and breaks off
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Any
from urllib.parse import parse_qs

from support import echo_app
from support.echo_app import Exchange, Handler, Receive, Scope, Send


def _parameters(exchange: Exchange) -> dict[str, list[str]]:
    return parse_qs(exchange.scope["query_string"].decode(), keep_blank_values=True)


def _fields(parameters: dict[str, list[str]]) -> list[tuple[str, str]]:
    pairs = (field.partition(":") for field in parameters.get("h", []))
    return [(name, value.strip()) for name, _, value in pairs]


async def answer(exchange: Exchange, _: str) -> None:
    await exchange.chunks()
    parameters = _parameters(exchange)
    body = base64.urlsafe_b64decode(parameters.get("body", [""])[0])
    fields = _fields(parameters)
    if "length" not in parameters:
        fields.append(("content-length", str(len(body))))
    await exchange.start(int(parameters.get("status", ["200"])[0]), fields)
    size = int(parameters.get("pieces", ["0"])[0])
    if size:
        for start in range(0, len(body), size):
            await exchange.body(body[start : start + size], more=True)
        body = b""
    await exchange.body(body)


async def bounce(exchange: Exchange, _: str) -> None:
    await exchange.chunks()
    parameters = _parameters(exchange)
    fields = [("location", parameters["to"][0]), *_fields(parameters)]
    await exchange.answer(b"moved\n", status=int(parameters.get("status", ["302"])[0]), headers=fields)


HASHES: dict[str, Any] = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
NONCES: dict[str, str] = {}
"""The nonces given out, with the last nonce count of each."""


async def digest(exchange: Exchange, _: str) -> None:
    body = b"".join(await exchange.chunks())
    parameters = _parameters(exchange)
    algorithm = parameters.get("algorithm", ["SHA-256"])[0]
    qop = parameters.get("qop", ["auth"])[0]
    pattern = r'(\w+)=(?:"([^"]*)"|([^\s,]+))'
    found = re.findall(pattern, exchange.header("authorization"))
    given = {name: quoted or plain for name, quoted, plain in found}
    known = given.get("nonce") in NONCES
    if known and given.get("response") == _digest(exchange, algorithm, given, body) and _counted(given):
        if "stale" in parameters:
            del NONCES[given["nonce"]]
        await exchange.json({"user": given["username"], "nc": given.get("nc"), "qop": given.get("qop")})
        return
    nonce = secrets.token_hex(8)
    NONCES[nonce] = ""
    challenge = f'Digest realm="tests", nonce="{nonce}", algorithm={algorithm}, opaque="op"'
    challenge += f', qop="{qop}"' if qop != "none" else ""
    challenge += ", stale=true" if given and not known else ""
    await exchange.answer(b"who?\n", status=401, headers=[("www-authenticate", challenge)])


def _counted(given: dict[str, str]) -> bool:
    """Each nonce count is used once, and counts upwards."""
    if "qop" not in given:
        return True
    last, NONCES[given["nonce"]] = NONCES[given["nonce"]], given["nc"]
    return given["nc"] > last and given.get("opaque") == "op"


def _digest(exchange: Exchange, algorithm: str, given: dict[str, str], body: bytes) -> str:
    made = HASHES[algorithm.removesuffix("-sess")]

    def hashed(text: str) -> str:
        return str(made(text.encode()).hexdigest())

    scope = exchange.scope
    target = scope["raw_path"].decode()
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode()
    if given.get("uri") != target:
        return "another target"
    a1 = hashed("user:tests:secret")
    if algorithm.endswith("-sess"):
        a1 = hashed(f"{a1}:{given['nonce']}:{given['cnonce']}")
    a2 = f"{scope['method']}:{target}"
    if given.get("qop") == "auth-int":
        a2 += ":" + str(made(body).hexdigest())
    if "qop" not in given:
        return hashed(f"{a1}:{given['nonce']}:{hashed(a2)}")
    return hashed(f"{a1}:{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}:{hashed(a2)}")


async def parts(exchange: Exchange, _: str) -> None:
    body = b"".join(await exchange.chunks())
    kind, _, boundary = exchange.header("content-type").partition("; boundary=")
    assert kind == "multipart/form-data"
    opening, *pieces, closing = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    assert (opening, closing) == (b"", b"--\r\n"), (opening, closing)
    await exchange.json(
        {
            "content_length": exchange.header("content-length"),
            "size": len(body),
            "parts": [_part(piece) for piece in pieces],
        }
    )


def _part(piece: bytes) -> dict[str, Any]:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    fields = (line.partition(": ") for line in head.decode().split("\r\n"))
    headers = {name.lower(): value for name, _, value in fields}
    given = dict(re.findall(r'; (\w+)="([^"]*)"', headers["content-disposition"]))
    return {
        "name": given.get("name"),
        "filename": given.get("filename"),
        "type": headers.get("content-type"),
        "headers": headers,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": content[:100].decode("latin-1"),
    }


async def cut(exchange: Exchange, argument: str) -> None:
    size = int(argument)
    await exchange.start(200, [("content-length", str(size))])
    await exchange.body(bytes(size // 2), more=True)
    raise RuntimeError("this route breaks off on purpose")


ROUTES: dict[str, Handler] = {
    "answer": answer,
    "bounce": bounce,
    "digest": digest,
    "parts": parts,
    "cut": cut,
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    name, _, argument = scope.get("path", "").lstrip("/").partition("/")
    if scope["type"] == "http" and name in ROUTES:
        await ROUTES[name](Exchange(scope, receive, send), argument)
    else:
        await echo_app.app(scope, receive, send)
