"""A constructor that is interrupted at each of its lines: nothing is said on stderr, and nothing stays open.

An object whose ``__init__`` did not come to its end is collected like any other, finaliser included.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from support.servers import StartServer, answer, read_request
from support.stalling_peers import serve_http2, serve_http11
from support.worlds import World, do

pytestmark = pytest.mark.thorough

Trace = Callable[[FrameType, str, object], Any]

MUCH = bytes(400_000)
"""A body that does not come with its head."""


class Interruption(KeyboardInterrupt):
    """Told from one that somebody typed."""


class AtLine:
    """A trace function that raises at the n-th line that runs in a constructor of ours."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: object) -> Trace | None:
        code = frame.f_code
        is_ours = "http3_" in code.co_filename and code.co_name == "__init__"
        return self._in_constructor if is_ours else None

    def _in_constructor(self, frame: FrameType, event: str, argument: object) -> Trace:
        if event == "line":
            self.left -= 1
            if self.left == 0:
                self.where = f"{frame.f_code.co_qualname}:{frame.f_lineno} {event}"
                raise Interruption(self.where)
        return self._in_constructor


@pytest.fixture
def traced() -> Iterator[None]:
    before, hook = sys.gettrace(), sys.unraisablehook
    yield
    sys.settrace(before)
    sys.unraisablehook = hook


def serve_much(framing: str) -> Callable[[Any], None]:
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(MUCH), MUCH)
    answers = {
        "length": answer(MUCH),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
        "until close": b"HTTP/1.1 200 OK\r\n\r\n" + MUCH,
    }

    def script(connection: Any) -> None:
        while read_request(connection) is not None:
            connection.sendall(answers[framing])
            if framing == "until close":
                return

    return script


def wsgi(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"a"
    yield b"b"


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await send({"type": "http.response.body", "body": b"b"})


def never_bad(*_: object) -> None:
    raise AssertionError("no request of these tests is bad")


async def one_request(make: Callable[[], Any], url: str) -> None:
    """All that there is to construct; the client is closed undisturbed."""
    client = None
    try:
        client = make()
        response = await do(client.get(url, stream=True))
        sys.settrace(None)  # from here on the response is the program's to close
        await do(response.close())
    finally:
        sys.settrace(None)
        if client is not None:
            await do(client.close())


KINDS = ("HTTP/1.1", "HTTP/2", "length", "chunked", "until close", "wsgi", "asgi")


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["sync", "asyncio", "trio"])
def test_an_interrupted_constructor_makes_no_noise(name: str, kind: str, start_server: StartServer) -> None:
    world = World(name)
    options: dict[str, Any] = {}
    if kind in ("wsgi", "asgi"):
        url, options["app"] = "http://localhost/", {"wsgi": wsgi, "asgi": asgi}[kind]
    else:
        script = serve_much(kind) if kind in ("length", "chunked", "until close") else serve_http11(never_bad)
        url = start_server(serve_http2(never_bad) if kind == "HTTP/2" else script).url
        options["http_versions"] = ("HTTP/2",) if kind == "HTTP/2" else ("HTTP/1.1",)

    def make() -> Any:
        return world.client_class(**options)

    world.run(one_request, make=make, url=url)  # imports what there is to import
    said: list[str] = []
    sys.unraisablehook = lambda unraisable: said.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")
    number = 0
    while True:
        number += 1
        attempt = AtLine(number)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            sys.settrace(attempt)
            try:
                world.run(one_request, make=make, url=url)
            except Interruption:
                pass
            finally:
                sys.settrace(None)
            gc.collect(0)
        said += [str(warning.message) for warning in warned]
        assert not said, (attempt.where, said)
        if attempt.left > 0:
            break
    assert number > 100
    end = time.monotonic() + 5
    while {"http3-app", "http3-loop"} & (names := {thread.name for thread in threading.enumerate()}):
        assert time.monotonic() < end, names
        time.sleep(0.01)
