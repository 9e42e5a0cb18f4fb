"""A short soak over all servers, and what a soak must notice; ``python -m tests.soak`` goes on for hours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

import http3
from soak.app import digest, pattern
from soak.judge import ROOM, Event, Fate, Judge, Measured
from soak.sites import NAMES, Server, Site, missing
from soak.traffic import OPERATIONS, Caller, ServerFailed, Wrong, burst, cookies, echo, get, post
from support.worlds import run_to_end

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(100)
def test_some_hundred_requests() -> None:
    command = [sys.executable, "-m", "tests.soak", "--requests", "900", "--seconds", "20"]
    done = subprocess.run(
        [*command, "--workers", "6", "--operations", "50"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in NAMES:
        assert missing(name) or f"\n  {name} h2 " in done.stdout or f"\n  {name} h1 " in done.stdout
    for name in ("sync", "asyncio", "trio"):
        assert done.stdout.count(f" {name} ") > 3


# What it would notice.


class Clock:
    """Moments that a test sets."""

    def __init__(self) -> None:
        self.moment = 100.0

    def __call__(self) -> float:
        return self.moment


PLAIN = Fate()


def event(fate: Fate = PLAIN, *, server: str = "s", began: float = 100.0, ended: float = 101.0) -> Event:
    """An operation that has ended."""
    return Event("sync", "s h1", server, "get", fate, began, ended)


def test_what_is_explained() -> None:
    clock = Clock()
    judge = Judge(clock)
    clock.moment = 100.5
    judge.begin("s", "kill")
    judge.failed(event(), http3.ReadError("reset"))
    judge.failed(event(began=99.0, ended=100.45), http3.RemoteProtocolError("cut"))
    clock.moment = 101.0
    judge.end("s")
    judge.failed(event(began=101.05, ended=103.0), http3.ConnectError("refused"))
    judge.failed(event(Fate("tight", 0.01)), http3.ReadTimeout("slow"))
    judge.failed(event(), ServerFailed("500"))
    judge.fine(event(Fate("cancelled", 0.01)), "cancelled")
    assert judge.is_good()
    assert judge.explained.total() == 5
    assert judge.requests == 6


@pytest.mark.parametrize(
    ("found", "exc"),
    [
        (event(), http3.ReadTimeout("slow")),
        (event(), http3.ReadError("reset")),
        (event(server="other", began=100.5), http3.ReadError("reset")),
        (event(began=101.5, ended=102.0), http3.ReadError("reset")),
        (event(Fate("tight", 0.01), began=101.5), http3.ReadError("reset")),
        (event(began=100.5), OSError("bare")),
        (event(began=100.5), http3.DecodingError("cut")),
        (event(began=100.5), http3.PoolTimeout("line")),
    ],
)
def test_what_is_not(found: Event, exc: Exception) -> None:
    clock = Clock()
    judge = Judge(clock)
    if found.began != 100.0 or found.server != "s":
        judge.begin("s", "kill")
        clock.moment = 101.0
        judge.end("s")
    judge.failed(found, exc)
    assert not judge.is_good()
    assert len(judge.unexplained) == 1


def test_wrong_answers_hangs_and_leases_are_noticed() -> None:
    tellers: list[Callable[[Judge], object]] = [
        lambda judge: judge.failed(event(), Wrong("another mark")),
        lambda judge: judge.failed(event(), ServerFailed("500")),
        lambda judge: judge.hung("worker 1"),
        lambda judge: judge.measure(1, 0),
        lambda judge: judge.measure(0, 2),
        lambda judge: judge.noticed("a warning"),
    ]
    for tell in tellers:
        judge = Judge()
        tell(judge)
        assert not judge.is_good()


@pytest.mark.parametrize("name", ROOM)
def test_growth_is_noticed(name: str) -> None:
    def verdict(step: float) -> list[str]:
        judge = Judge()
        for number in range(16):
            values = {"threads": 4, "blocks": 300_000, "allocated": 10**7, "memory": 10**8}
            values[name] += int(number * step)
            judge.measured.append(Measured(number * 1000, 0, 0, **values))
        judge.check_growth()
        return judge.left

    room = ROOM[name]
    assert verdict(0) == []
    assert verdict(-1) == []
    assert verdict(room / 5) == []
    assert name in verdict(room / 3.5 + 1)[0]


def caller_of(answer: Any) -> Caller:
    """A caller at a site that answers as ``answer`` says: a mark, and the text behind it."""
    client = http3.Client(dispatch=http3.MockDispatcher(answer))
    site = Site("s h1", Server("s", [], [], Path()), "asgi", "http://h", "HTTP/1.1")

    async def together(functions: list[Any]) -> None:
        for function in functions:
            await function()

    return Caller(client, site, "m", "w", Random(1), together)


def marking(request: Any) -> http3.Response:
    """The right answers of `soak.app`."""
    _, name, mark, *more = request.url.path.split("/")
    headers, content = {"x-mark": mark}, request.read()
    if name == "cookie":
        headers["set-cookie"] = f"{more[0]}={mark}; Path=/"
    elif name == "seen":
        content = f"{mark} {request.headers['cookie']}".encode()
    elif name == "mark":
        content = f"{request.method} {mark} {len(content)} {digest(content)} 1\n".encode()
    return http3.Response(200, headers=headers, content=content)


def _with(response: http3.Response, content: bytes) -> http3.Response:
    return http3.Response(200, headers=response.headers, content=content)


OF_ANOTHER: dict[str, Callable[[http3.Response], http3.Response]] = {
    "status": lambda response: http3.Response(500),
    "mark": lambda response: http3.Response(200, headers={"x-mark": "n"}, content=response.content),
    "body": lambda response: _with(response, response.content.replace(b"m", b"n")),
    "empty": lambda response: _with(response, b""),
}


@pytest.mark.parametrize("operation", [get, post, echo, cookies, burst])
def test_answers_are_checked(operation: Any) -> None:
    run_to_end(operation(caller_of(marking)))
    for name, spoiled in OF_ANOTHER.items():
        if name == "mark" and operation is echo:
            continue  # its body is marked
        with pytest.raises(Wrong):
            run_to_end(operation(caller_of(lambda request, spoil=spoiled: spoil(marking(request)))))


def test_a_post_that_arrives_twice_is_noticed() -> None:
    def twice(request: Any) -> http3.Response:
        response = marking(request)
        return _with(response, response.content.replace(b" 1\n", b" 2\n"))

    with pytest.raises(Wrong, match="sent 2 times"):
        run_to_end(post(caller_of(twice)))


def test_each_kind_of_server_is_asked_for_much() -> None:
    assert set(OPERATIONS) == {"asgi", "nginx", "nghttpd"}
    assert pattern("m", 5) == b"m\nm\nm"
