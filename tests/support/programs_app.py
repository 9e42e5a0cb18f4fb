"""What the everyday programs of tests/interop/programs talk to: a small shop with accounts, files and events.

POST  /login          user=ada, password=secret: a cookie, and 303 to /account; else 401
GET   /account        JSON of who is signed in; 401 without the cookie
GET   /items          three items a page, `?page=`, with Link: <...>; rel="next"
POST  /items          201 with the JSON that came, and an id
any   /items/<id>     JSON (GET, PATCH), 204 (DELETE); 404 for an id above 9
GET   /flaky          503 twice, then 200, for each `?key=`
POST  /token          JSON: the access token
GET   /private        401 unless the token is the one of /token
GET   /records        ten lines of JSON
GET   /events         three server-sent events
GET   /file           `FILE`, with ranges and an ETag
POST  /upload         JSON: number of bytes and their sha256
POST  /form           JSON: the fields and files of a form
GET   /basic          401 unless user:secret
GET   /digest         the same by RFC 7616
GET   /headers        JSON: the request's header fields
GET   /old            301 to /older, which is a 302 to /new
GET   /slow           200 after a second
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

FILE = bytes(range(256)) * 4096
TOKEN = "fresh"
ITEMS = [{"id": number, "name": f"item {number}"} for number in range(1, 10)]

_seen: Counter[str] = Counter()


async def login(request: Request) -> Response:
    form = await request.form()
    if (form["user"], form["password"]) != ("ada", "secret"):
        return Response(status_code=401)
    response = RedirectResponse("/account", 303)
    response.set_cookie("session", "1234")
    return response


async def account(request: Request) -> Response:
    if request.cookies.get("session") != "1234":
        return Response(status_code=401)
    return JSONResponse({"user": "ada"})


async def items(request: Request) -> Response:
    if request.method == "POST":
        return JSONResponse({"id": 10, **await request.json()}, 201)
    page = int(request.query_params.get("page", "1"))
    more = {"Link": f'</items?page={page + 1}>; rel="next"'} if page < 3 else {}
    return JSONResponse(ITEMS[3 * page - 3 : 3 * page], headers=more)


async def item(request: Request) -> Response:
    number = request.path_params["number"]
    if number > len(ITEMS):
        return JSONResponse({"error": f"no item {number}"}, 404)
    if request.method == "DELETE":
        return Response(status_code=204)
    changes = await request.json() if request.method == "PATCH" else {}
    return JSONResponse({**ITEMS[number - 1], **changes})


async def flaky(request: Request) -> Response:
    key = request.query_params["key"]
    _seen[key] += 1
    return PlainTextResponse("at last") if _seen[key] > 2 else Response(status_code=503)


async def token(request: Request) -> Response:
    return JSONResponse({"access_token": TOKEN})


async def private(request: Request) -> Response:
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
    return JSONResponse({"secret": 42})


async def records(request: Request) -> Response:
    async def lines() -> AsyncIterator[str]:
        for number in range(10):
            yield json.dumps({"number": number}) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def events(request: Request) -> Response:
    async def stream() -> AsyncIterator[str]:
        yield ": a comment\n\n"
        for number in range(3):
            yield f"event: tick\ndata: {number}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


async def file(request: Request) -> Response:
    headers = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    if wanted is None or request.headers.get("if-range", '"v1"') != '"v1"':
        return Response(FILE, headers=headers)
    start = int(wanted[1])
    headers["Content-Range"] = f"bytes {start}-{len(FILE) - 1}/{len(FILE)}"
    return Response(FILE[start:], 206, headers)


async def upload(request: Request) -> Response:
    body = await request.body()
    return JSONResponse({"size": len(body), "sha256": hashlib.sha256(body).hexdigest()})


async def form(request: Request) -> Response:
    parts: list[list[str | None]] = []
    for name, value in (await request.form()).multi_items():
        if isinstance(value, UploadFile):
            text = (await value.read()).decode()
            parts.append([name, value.filename, value.content_type, text])
        else:
            parts.append([name, value])
    return JSONResponse(parts)


async def basic(request: Request) -> Response:
    if request.headers.get("authorization") != "Basic " + base64.b64encode(b"user:secret").decode():
        return Response(status_code=401, headers={"WWW-Authenticate": 'Basic realm="shop"'})
    return JSONResponse({"user": "user"})


async def digest(request: Request) -> Response:
    fields = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers.get("authorization", "")))

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    if fields.get("nonce") == "n1":
        secret, what = md5("user", "shop", "secret"), md5("GET", "/digest")
        if fields["response"] == md5(secret, "n1", fields["nc"], fields["cnonce"], "auth", what):
            return JSONResponse({"user": "user"})
    challenge = 'Digest realm="shop", qop="auth", algorithm=MD5, nonce="n1"'
    return Response(status_code=401, headers={"WWW-Authenticate": challenge})


async def headers(request: Request) -> Response:
    return JSONResponse(dict(request.headers))


async def old(request: Request) -> Response:
    return RedirectResponse("/older", 301)


async def older(request: Request) -> Response:
    return RedirectResponse("/new", 302)


async def new(request: Request) -> Response:
    return PlainTextResponse("here")


async def slow(request: Request) -> Response:
    await asyncio.sleep(1)
    return PlainTextResponse("at last")


app = Starlette(
    routes=[
        Route("/login", login, methods=["POST"]),
        Route("/account", account),
        Route("/items", items, methods=["GET", "POST"]),
        Route("/items/{number:int}", item, methods=["GET", "PATCH", "DELETE"]),
        Route("/flaky", flaky),
        Route("/token", token, methods=["POST"]),
        Route("/private", private),
        Route("/records", records),
        Route("/events", events),
        Route("/file", file),
        Route("/upload", upload, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/basic", basic),
        Route("/digest", digest),
        Route("/headers", headers),
        Route("/old", old),
        Route("/older", older),
        Route("/new", new),
        Route("/slow", slow),
    ]
)
