"""Clients that are used in ``__del__`` at the very end of the interpreter, when nothing can be imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.servers import Authority, StartServer
from support.stalling_peers import serve_http2, serve_http11

PROGRAM = """
import sys
import http3


url, world, state, cafile, version = sys.argv[1:]
options = {"verify": cafile, "http_versions": (version,)}

class Last:
    def __init__(self):
        self.http3, self.url, self.options = http3, url, options
        self.closes = state == "closing"
        self.run = lambda result: result
        if world == "asyncio":
            import asyncio
            self.run = asyncio.run
            asyncio.run(asyncio.sleep(0))
        if world == "trio":
            import trio
            self.run = lambda coroutine: trio.run(lambda: coroutine)
        self.make = http3.Client if world == "sync" else http3.AsyncClient
        self.client = None if state == "made" else self.make(**options)
        if state in ("used", "closing"):
            self.run(self.client.get(url))

    def __del__(self):
        try:
            if self.closes:
                self.run(self.client.close())
                print("closed")
                return
            client = self.client or self.make(**self.options)
            print(self.run(client.get(self.url)).text)
        except self.http3.Http3Error as exc:
            print(type(exc).__name__, "shutting down" in str(exc))


last = Last()
sys.modules["last"] = last
"""


def at_the_end(*arguments: str) -> str:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture
def url(start_server: StartServer) -> str:
    """By name, which has to be looked up."""
    return start_server(serve_http11(lambda *_: None)).url.replace("127.0.0.1", "localhost") + "/x"


@pytest.mark.parametrize("world", ["sync", "asyncio", "trio"])
def test_a_client_that_was_used_before_answers(url: str, world: str) -> None:
    assert at_the_end(url, world, "used", "", "HTTP/1.1") == "/x"


@pytest.mark.parametrize("world", ["sync", "asyncio", "trio"])
def test_a_client_closes(url: str, world: str) -> None:
    assert at_the_end(url, world, "closing", "", "HTTP/1.1") == "closed"


@pytest.mark.parametrize(
    ("world", "state"), [("sync", "fresh"), ("asyncio", "fresh"), ("trio", "fresh"), ("sync", "made")]
)
def test_a_client_that_is_used_for_the_first_time_says_what_is_wrong(
    url: str, world: str, state: str
) -> None:
    assert at_the_end(url, world, state, "", "HTTP/1.1") == "ClientClosed True"


@pytest.mark.parametrize("world", ["sync", "asyncio", "trio"])
def test_a_connection_that_needs_more_than_was_imported(
    start_server: StartServer, authority: Authority, world: str
) -> None:
    """Over HTTP/2 and TLS it answers, or says what is wrong."""
    server = start_server(serve_http2(lambda *_: None), tls=authority.server_context("h2"))
    said = at_the_end(server.url + "/x", world, "used", authority.ca_file, "HTTP/2")
    assert said in ("/x", "ClientClosed True")
