"""What is requested in a soak, and what must come of it.

An operation is a coroutine function that is given a `Caller`: it sends one request or a few that belong
together, and raises `Wrong` unless the answers have its mark. The same functions serve both clients: in the
sync world nothing that they await suspends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from random import Random
from typing import Any

import http3
from support.worlds import do

from .app import digest, packed, pattern
from .sites import STATIC_FILES, Site, static

LIMITS = http3.TimeoutConfig(30, pool_timeout=45)
"""Far beyond what anything takes here that was not killed. A frozen server thaws long before."""


LARGE = 4_000_000
"""Bytes of the largest bodies."""


class Wrong(AssertionError):
    """An answer that is another's, or not what was asked for."""


class ServerFailed(Wrong):
    """A status of 5xx: wrong, unless the server was told to end just then."""


def expect(condition: bool, what: str) -> None:
    """Raise Wrong with ``what`` unless it is true."""
    if not condition:
        raise Wrong(what)


Together = Callable[[list[Callable[[], Awaitable[None]]]], Awaitable[None]]
"""Runs functions at the same time, or one after the other where nothing suspends."""


class Caller:
    """One operation: at which site, by which client, with which mark and limits."""

    def __init__(
        self, client: Any, site: Site, mark: str, worker: str, random: Random, together: Together
    ) -> None:
        self.client = client
        self.together = together
        self.site = site
        self.mark = mark
        self.worker = worker
        self.random = random
        self.limits = LIMITS
        self.is_async = isinstance(client, http3.AsyncClient)

    def another(self, number: int) -> Caller:
        """For an operation of its own beside this one."""
        mark, random = f"{self.mark}-{number}", Random(f"{self.mark} {number}")
        other = Caller(self.client, self.site, mark, f"{self.worker}-{number}", random, self.together)
        other.limits = self.limits
        return other

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The response, with status 200 and in the right protocol."""
        response = await do(self.client.request(method, self.site.url + path, timeout=self.limits, **options))
        if response.status_code != 200:
            what = f"{response!r} to {method} {path}: {self._beginning(response)}"
            raise ServerFailed(what) if response.is_server_error else Wrong(what)
        expect(response.protocol == self.site.version, f"{response.protocol} at {self.site.name}")
        return response

    def _beginning(self, response: Any) -> str:
        try:
            return repr(response.text[:200])
        except http3.StreamException:
            return "a body that is streamed"

    def marked(self, response: Any) -> Any:
        """The same response, whose head has the mark."""
        found = response.headers.get("x-mark")
        expect(found == self.mark, f"the mark {found!r} instead of {self.mark!r}")
        return response

    def body(self, most: int, least: int = 0) -> bytes:
        """Some bytes that nobody else sends."""
        return pattern(f"{self.mark}+", self.random.randrange(least, most))

    def pieces(self, body: bytes) -> Iterator[bytes] | AsyncIterator[bytes]:
        """The body in pieces, of which nobody knows the sum."""
        size = self.random.randrange(1, 20_000)
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        return AsyncPieces(pieces) if self.is_async and self.random.random() < 0.5 else iter(pieces)


class AsyncPieces:
    """An asynchronous iterator over pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)

    def __aiter__(self) -> AsyncPieces:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


Operation = Callable[[Caller], Awaitable[None]]


def check_mark(caller: Caller, response: Any, method: str, body: bytes | None = b"") -> None:
    """What /mark says; ``body`` None: not known in bytes."""
    words = caller.marked(response).text.split()
    expect(words[:2] == [method, caller.mark], f"{words} instead of {method} {caller.mark}")
    if caller.site.kind == "asgi":
        if body is not None:
            expect(words[2:4] == [str(len(body)), digest(body)], f"{words}: not what was sent")
        expect(words[4:] == ["1"], f"{words}: sent {' '.join(words[4:])} times")


# --- small ones --------------------------------------------------------------------------------------------


async def get(caller: Caller) -> None:
    check_mark(caller, await caller.request("GET", f"/mark/{caller.mark}"), "GET")


async def head(caller: Caller) -> None:
    response = caller.marked(await caller.request("HEAD", f"/mark/{caller.mark}"))
    expect(response.content == b"", "a body behind HEAD")


async def delete(caller: Caller) -> None:
    check_mark(caller, await caller.request("DELETE", f"/mark/{caller.mark}"), "DELETE")


async def post(caller: Caller) -> None:
    body = caller.body(3000)
    check_mark(caller, await caller.request("POST", f"/mark/{caller.mark}", data=body), "POST", body)


async def post_json(caller: Caller) -> None:
    response = await caller.request("POST", f"/mark/{caller.mark}", json={"mark": caller.mark})
    check_mark(caller, response, "POST", f'{{"mark":"{caller.mark}"}}'.encode())


async def post_form(caller: Caller) -> None:
    response = await caller.request("POST", f"/mark/{caller.mark}", data={"mark": caller.mark})
    check_mark(caller, response, "POST", f"mark={caller.mark}".encode())


async def patch_files(caller: Caller) -> None:
    files = {"file": (f"{caller.mark}.txt", caller.body(20_000))}
    check_mark(caller, await caller.request("PATCH", f"/mark/{caller.mark}", files=files), "PATCH", None)


async def packed_body(caller: Caller) -> None:
    response = caller.marked(await caller.request("GET", f"/packed/{caller.mark}"))
    coding = response.headers.get("content-encoding")
    expect(coding == "gzip", f"the coding {coding}")
    content = pattern(caller.mark, 8 * (len(caller.mark) + 1)) if caller.site.kind == "nginx" else None
    expect(response.content == (content or packed(caller.mark)), "unpacked to something else")


# --- larger ones -------------------------------------------------------------------------------------------


async def put_pieces(caller: Caller) -> None:
    body = caller.body(100_000)
    response = await caller.request("PUT", f"/mark/{caller.mark}", data=caller.pieces(body))
    check_mark(caller, response, "PUT", body)


async def echo(caller: Caller) -> None:
    body = caller.body(100_000)
    data = body if caller.random.random() < 0.5 else caller.pieces(body)
    response = await caller.request("POST", f"/echo/{caller.mark}", data=data)
    expect(response.content == body, f"{len(response.content)} bytes instead of the {len(body)} sent")


async def put_much(caller: Caller) -> None:
    """More than sockets and windows hold."""
    body = caller.body(LARGE, LARGE // 4)
    data = body if caller.random.random() < 0.5 else caller.pieces(body)
    path = f"/{'echo' if caller.site.kind == 'nghttpd' else 'mark'}/{caller.mark}"
    response = await caller.request("PUT", path, data=data)
    if caller.site.kind == "nghttpd":
        expect(response.content == body, f"{len(response.content)} bytes instead of the {len(body)} sent")
    else:
        check_mark(caller, response, "PUT", body)


async def download(caller: Caller) -> None:
    size = caller.random.randrange(LARGE if caller.random.random() < 0.05 else 200_000)
    length = caller.random.choice(["", "?length=no"])
    response = await caller.request("GET", f"/download/{caller.mark}/{size}{length}")
    expect(caller.marked(response).content == pattern(caller.mark, size), "another download")


async def static_file(caller: Caller) -> None:
    number = caller.random.randrange(STATIC_FILES)
    response = await caller.request("GET", _static_path(caller, number))
    expect(response.content == static(number), f"not the file {number}")


async def slow(caller: Caller) -> None:
    response = caller.marked(await caller.request("GET", f"/slow/{caller.mark}", stream=True))
    content = await do(response.read())
    expect(content == pattern(caller.mark, 5 * (len(caller.mark) + 1)), "another slow body")


async def store(caller: Caller) -> None:
    """PUT a file, get it, delete it."""
    body, path = caller.body(60_000), f"/files/{caller.mark}"
    sent = await do(caller.client.put(caller.site.url + path, data=body, timeout=caller.limits))
    expect(sent.status_code in (201, 204), f"{sent!r} to PUT")
    expect((await caller.request("GET", path)).content == body, "another file")
    gone = await do(caller.client.delete(caller.site.url + path, timeout=caller.limits))
    expect(gone.status_code == 204, f"{gone!r} to DELETE")


# --- left unfinished ---------------------------------------------------------------------------------------


async def unfinished(caller: Caller) -> None:
    """Close a response of which a part was read, or nothing."""
    response, content = await _begun(caller)
    pieces = b""
    if caller.random.random() < 0.7:
        stream = response.stream(caller.random.randrange(1, 30_000))
        for _ in range(caller.random.randrange(1, 4)):
            pieces += await _next(stream)
    expect(content.startswith(pieces), "another body")
    await do(response.close())


async def forgotten(caller: Caller) -> None:
    """Drop a response: its finaliser gives back what it had, and warns."""
    response, content = await _begun(caller)
    if caller.random.random() < 0.5:
        expect(content.startswith(await _next(response.stream())), "another body")


async def _begun(caller: Caller) -> tuple[Any, bytes]:
    """A response with its body still to come, and what that is."""
    if caller.site.kind == "asgi":
        size = caller.random.randrange(1, 300_000)
        response = await caller.request("GET", f"/download/{caller.mark}/{size}", stream=True)
        return caller.marked(response), pattern(caller.mark, size)
    number = caller.random.randrange(STATIC_FILES // 2, STATIC_FILES)
    return await caller.request("GET", _static_path(caller, number), stream=True), static(number)


async def _next(stream: Any) -> bytes:
    """The next piece of a body of either kind; b"" at its end."""
    piece: bytes
    if hasattr(stream, "__anext__"):
        try:
            piece = await stream.__anext__()
        except StopAsyncIteration:
            return b""
        return piece
    piece = next(stream, b"")
    return piece


def _static_path(caller: Caller, number: int) -> str:
    return f"/static/{number}" if caller.site.kind == "nginx" else f"/{number}"


# --- several that belong together --------------------------------------------------------------------------


async def redirected(caller: Caller) -> None:
    response = await caller.request("GET", f"/go/302/{caller.mark}")
    check_mark(caller, response, "GET")
    caller.marked(response.history[0])


async def redirected_body(caller: Caller) -> None:
    body = caller.body(3000)
    response = await caller.request("POST", f"/go/307/{caller.mark}", data=body)
    check_mark(caller, response, "POST", body)
    caller.marked(response.history[0])


async def cookies(caller: Caller) -> None:
    """What is set for this worker is sent with its next request; nobody else sets it."""
    name = f"{caller.worker}-{caller.site.name.replace(' ', '-')}"
    caller.marked(await caller.request("GET", f"/cookie/{caller.mark}/{name}"))
    mark, _, sent = (await caller.request("GET", f"/seen/{caller.mark}")).text.partition(" ")
    expect(mark == caller.mark, f"the mark {mark!r} instead of {caller.mark!r}")
    expect(f"{name}={caller.mark}" in sent.split("; "), f"{name}={caller.mark} is not in {sent}")


async def burst(caller: Caller) -> None:
    """More at once than a host may have connections."""

    def one(number: int) -> Callable[[], Awaitable[None]]:
        operation = static_file if caller.site.kind == "nghttpd" else get
        return lambda: operation(caller.another(number))

    await caller.together([one(number) for number in range(caller.random.randrange(2, 20))])


OPERATIONS: dict[str, dict[Operation, int]] = {
    "asgi": {
        get: 20,
        head: 3,
        delete: 2,
        post: 10,
        post_json: 3,
        post_form: 3,
        patch_files: 2,
        packed_body: 5,
        put_pieces: 5,
        echo: 4,
        put_much: 1,
        download: 5,
        slow: 2,
        unfinished: 5,
        forgotten: 1,
        redirected: 5,
        redirected_body: 3,
        cookies: 4,
        burst: 1,
    },
    "nginx": {
        get: 25,
        head: 3,
        delete: 2,
        post: 10,
        post_json: 3,
        post_form: 3,
        patch_files: 2,
        packed_body: 5,
        put_pieces: 5,
        put_much: 1,
        static_file: 6,
        store: 2,
        unfinished: 5,
        forgotten: 1,
        redirected: 5,
        redirected_body: 3,
        cookies: 4,
        burst: 1,
    },
    "nghttpd": {static_file: 25, echo: 12, put_much: 1, unfinished: 5, forgotten: 1, burst: 1},
}
"""What each kind of server can answer, and how often it is asked for, compared with the others."""

KEPT_WHOLE: frozenset[Operation] = frozenset({store})
"""Not to be given up half-way: they would leave something behind on the server."""


def choose(kind: str, random: Random) -> Operation:
    """An operation for a server of this kind."""
    operations = OPERATIONS[kind]
    return random.choices(list(operations), list(operations.values()))[0]
