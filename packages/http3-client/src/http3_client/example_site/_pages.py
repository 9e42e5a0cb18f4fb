"""The pages of the example site: functions from a request to a response, and the table of them."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from http3_models import QueryParams, Request, Response

Handler = Callable[[Request, str], Response]


class Page(NamedTuple):
    """``shown`` and ``title`` are its line in the list; ``handler`` gets the rest of the path."""

    shown: str
    title: str
    handler: Handler


PAGES: dict[str, Page] = {}
"""By the first segment of the path."""

USERS = {1: "Ada", 2: "Grace", 3: "Edsger"}
ITEMS = 25
ITEMS_A_PAGE = 10
FILE_SIZE = 1024 * 1024
LARGEST_FILE = 1024 * FILE_SIZE
PIECE = 64 * 1024
LONGEST_WAIT = 60.0
USES_OF_A_TOKEN = 2


def answer(request: Request) -> Response:
    """The site's response to a request; ``/v1`` in front of a path makes no difference."""
    name, _, argument = request.url.path.removeprefix("/v1").strip("/").partition("/")
    page = PAGES.get(name)
    if page is None:
        return _problem(404, f"no page {request.url.path}; / lists them all")
    try:
        return page.handler(request, argument)
    except (ValueError, KeyError, TypeError) as exc:  # no number, no JSON, not the field that the page needs
        return _problem(400, f"{page.shown} does not understand this request: {exc}")


def listing() -> str:
    """The list of all pages, a line each."""
    width = max(len(page.shown) for page in PAGES.values())
    return "".join(f"{page.shown:<{width}}  {page.title}\n" for page in PAGES.values())


def _page(shown: str, title: str) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        PAGES[shown.split("/")[1].partition("?")[0]] = Page(shown, title, handler)
        return handler

    return add


def _problem(status_code: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(status_code, json={"error": text}, headers=headers)


def _query(request: Request) -> QueryParams:
    return QueryParams(request.url.query)


def _form(request: Request) -> QueryParams:
    return QueryParams(request.read().decode())


def _seconds(argument: str, default: float) -> float:
    return min(max(float(argument or default), 0), LONGEST_WAIT)


# --- first steps -----------------------------------------------------------------------------------------


@_page("/", "this list")
def home(request: Request, argument: str) -> Response:
    return Response(200, text=f"The pages of this site:\n\n{listing()}")


@_page("/users", "users as JSON; ?limit=2; POST adds one (201), /users/1 shows one; PATCH, PUT, DELETE")
def users(request: Request, argument: str) -> Response:
    given = json.loads(request.read() or b"{}")
    if not argument and request.method == "POST":
        return Response(201, json={"id": len(USERS) + 1, **given}, headers={"Location": "/users/4"})
    if not argument:
        limit = int(_query(request).get("limit", len(USERS)))
        return Response(200, json=[{"id": number, "name": name} for number, name in USERS.items()][:limit])
    number = int(argument)
    if number not in USERS:
        return _problem(404, f"no user {number}")
    if request.method == "DELETE":
        return Response(204)
    return Response(200, json={"id": number, "name": USERS[number], **given})


@_page("/echo", "your request as JSON: method, path, query, headers, body, form")
def echo(request: Request, argument: str) -> Response:
    body = request.read().decode("latin-1")
    told: dict[str, Any] = {
        "method": request.method,
        "path": request.url.path,
        "query": request.url.query,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": body,
    }
    if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        told["form"] = dict(QueryParams(body).items())
    return Response(200, json=told)


@_page("/upload", "size and SHA-256 of the body, whatever it is")
def upload(request: Request, argument: str) -> Response:
    size, digest = 0, hashlib.sha256()
    for chunk in request.stream():
        size += len(chunk)
        digest.update(chunk)
    return Response(200, json={"size": size, "sha256": digest.hexdigest()})


@_page("/status/404", "an answer with this status")
def status(request: Request, argument: str) -> Response:
    code = int(argument or 200)
    if not 200 <= code <= 599:
        raise ValueError(f"status {code}")
    return Response(code) if code in (204, 304) else Response(code, text=f"status {code}\n")


# --- redirects, cookies, authentication ------------------------------------------------------------------


@_page("/old", "redirects to /new (301)")
def old(request: Request, argument: str) -> Response:
    return Response(301, headers={"Location": "/new"})


@_page("/new", "where /old leads")
def new(request: Request, argument: str) -> Response:
    return Response(200, text="the new place\n")


@_page("/redirect/3", "so many redirects (302) in a row, then the list of pages")
def redirect(request: Request, argument: str) -> Response:
    left = int(argument or 1) - 1
    return Response(302, headers={"Location": f"/redirect/{left}" if left > 0 else "/"})


@_page("/loop", "redirects to itself (302)")
def loop(request: Request, argument: str) -> Response:
    return Response(302, headers={"Location": "/loop"})


@_page("/login", "POST sets a cookie and redirects to /account (303)")
def login(request: Request, argument: str) -> Response:
    request.read()
    secure = "; Secure" if request.url.is_ssl else ""
    cookie = f"session=1234; Path=/; Max-Age=3600; HttpOnly{secure}"
    return Response(303, headers={"Location": "/account", "Set-Cookie": cookie})


@_page("/account", "who is signed in; 401 without the cookie of /login")
def account(request: Request, argument: str) -> Response:
    signed_in = "session=1234" in request.headers.get("Cookie", "")
    return Response(200 if signed_in else 401, json={"signed_in": signed_in})


@_page("/cookies", "the cookies of your request as JSON")
def cookies(request: Request, argument: str) -> Response:
    pairs = [pair.strip().partition("=") for pair in request.headers.get("Cookie", "").split(";")]
    return Response(200, json={name: value for name, equals, value in pairs if equals})


@_page("/basic-auth", "for user 'user' with password 'secret', else 401")
def basic_auth(request: Request, argument: str) -> Response:
    expected = f"Basic {base64.b64encode(b'user:secret').decode()}"
    if request.headers.get("Authorization") != expected:
        return _problem(401, "who are you?", {"WWW-Authenticate": 'Basic realm="example"'})
    return Response(200, json={"user": "user"})


@_page("/digest", "the same by Digest authentication (RFC 7616)")
def digest_auth(request: Request, argument: str) -> Response:
    fields = dict(_DIGEST_FIELD.findall(request.headers.get("Authorization", "")))
    given = {name: value.strip('"') for name, value in fields.items()}
    user = _sha256("user:example:secret")
    asked = _sha256(f"{request.method}:{given.get('uri', '')}")
    proof = [given.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
    if given.get("nonce") != "abc123" or given.get("response") != _sha256(":".join([user, *proof, asked])):
        challenge = 'Digest realm="example", qop="auth", algorithm=SHA-256, nonce="abc123"'
        return _problem(401, "who are you?", {"WWW-Authenticate": challenge})
    return Response(200, json={"user": "user"})


_DIGEST_FIELD = re.compile(r'(\w+)=("[^"]*"|[^\s,]+)')


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@_page("/bearer", "for the bearer token 'token', else 401")
def bearer(request: Request, argument: str) -> Response:
    if request.headers.get("Authorization") != "Bearer token":
        return _problem(401, "who are you?", {"WWW-Authenticate": "Bearer"})
    return Response(200, json={"token": "token"})


class _Tokens:
    """The access token that is good now: each one for a few requests only, so that its end can be seen."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.good = ""
        self.uses_left = 0

    def issue(self) -> str:
        self.good, self.uses_left = f"token-{next(self.numbers)}", USES_OF_A_TOKEN
        return self.good

    def takes(self, authorization: str) -> bool:
        self.uses_left -= 1
        return self.uses_left >= 0 and authorization == f"Bearer {self.good}"


_tokens = _Tokens()


@_page("/token", "POST refresh_token=refresh: an access token as OAuth 2 gives it, good for two requests")
def token(request: Request, argument: str) -> Response:
    if _form(request).get("refresh_token") != "refresh":
        return _problem(400, "invalid_grant")
    return Response(200, json={"access_token": _tokens.issue(), "token_type": "Bearer"})


@_page("/private", "for who has an access token of /token, else 401")
def private(request: Request, argument: str) -> Response:
    if not _tokens.takes(request.headers.get("Authorization", "")):
        return _problem(401, "invalid_token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return Response(200, json={"secret": 42})


# --- large, slow, and failing ----------------------------------------------------------------------------


@_page(
    "/files/big.bin",
    "1 MiB, or ?size=; ranges, an ETag; ?stop=300000 breaks off after so many bytes; PUT tells the size",
)
def files(request: Request, argument: str) -> Response:
    if request.method in ("PUT", "POST"):
        return upload(request, "")
    if argument.endswith(".txt"):
        return Response(200, text="first line\nsecond line\nthird line\n")
    size = min(int(_query(request).get("size", FILE_SIZE)), LARGEST_FILE)
    etag, first, code = f'"big-{size}"', 0, 200
    headers = {"Content-Type": "application/octet-stream", "ETag": etag, "Accept-Ranges": "bytes"}
    wanted = request.headers.get("Range", "")
    if wanted.startswith("bytes=") and request.headers.get("If-Range", etag) == etag:
        first, code = int(wanted.removeprefix("bytes=").partition("-")[0]), 206
        if first >= size:
            return Response(416, headers={"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
    end = min(first + int(_query(request).get("stop", size)), size)
    headers["Content-Length"] = str(size - first)
    return Response(code, headers=headers, content=_pieces(first, end))


def _pieces(first: int, end: int) -> Iterator[bytes]:
    """The bytes ``first`` to ``end`` of the file; the text has a prime period, so that a shift would show."""
    period = bytes(range(251))
    for start in range(first, end, PIECE):
        size, skip = min(PIECE, end - start), start % len(period)
        yield (period * (size // len(period) + 2))[skip : skip + size]


@_page("/slow/2", "answers after so many seconds, 60 at most")
def slow(request: Request, argument: str) -> Response:
    seconds = _seconds(argument, 2)
    time.sleep(seconds)
    return Response(200, text=f"{seconds:g} seconds later\n")


@_page("/drip/10", "a byte ten times a second, for so many seconds")
def drip(request: Request, argument: str) -> Response:
    def drops() -> Iterator[bytes]:
        for _ in range(int(10 * _seconds(argument, 10))):
            yield b"."
            time.sleep(0.1)

    return Response(200, content=drops())


@_page("/stream/5", "so many lines, a tenth of a second apart")
def stream(request: Request, argument: str) -> Response:
    def lines() -> Iterator[bytes]:
        for number in range(1, int(argument or 5) + 1):
            yield f"line {number}\n".encode()
            time.sleep(0.1)

    return Response(200, headers={"Content-Type": "text/plain; charset=utf-8"}, content=lines())


@_page("/events", "five server-sent events, three at a time; goes on after your Last-Event-ID, then 204")
def events(request: Request, argument: str) -> Response:
    last = int(request.headers.get("Last-Event-ID", 0))
    if last >= 5:
        return Response(204)
    numbers = range(last + 1, min(last + 3, 5) + 1)
    told = b"".join(b"id: %d\nevent: tick\ndata: number %d\n\n" % (n, n) for n in numbers)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    return Response(200, headers=headers, content=iter([b"retry: 100\n\n", told]))


@_page("/items?page=1", "25 items, ten on a page; the Link header leads to the next")
def items(request: Request, argument: str) -> Response:
    number = int(_query(request).get("page", 1))
    first = (number - 1) * ITEMS_A_PAGE
    there = list(range(first + 1, min(first + ITEMS_A_PAGE, ITEMS) + 1))
    more = {"Link": f'</items?page={number + 1}>; rel="next"'} if there and there[-1] < ITEMS else None
    return Response(200, json=there, headers=more)


_asked: dict[int, Iterator[int]] = {}


@_page("/flaky/2", "503 so many times, then a 200, and so on; Retry-After says when")
def flaky(request: Request, argument: str) -> Response:
    failures = min(int(argument or 2), 9)
    number = next(_asked.setdefault(failures, itertools.count()))
    if number % (failures + 1) < failures:
        return _problem(503, "try again", {"Retry-After": "0"})
    return Response(200, text="at last\n")
