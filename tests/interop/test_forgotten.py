"""What nobody looks at any more: responses that are forgotten, clients that are open when all ends."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import http3
from support.bounded import bounded
from support.heap import set_aside
from support.servers import Authority, Script, StartServer
from support.stalling_peers import (
    half_http2,
    half_http11,
    serve_http2,
    serve_http11,
)
from support.worlds import World, do

pytestmark = pytest.mark.thorough

PATIENT = http3.TimeoutConfig(5)


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def version(request: pytest.FixtureRequest) -> str:
    """What is spoken, in clear text."""
    value: str = request.param
    return value


def serving(version: str) -> Script:
    if version == "HTTP/1.1":
        return serve_http11(half_http11)
    return serve_http2(half_http2, max_concurrent_streams=1)


def forget(held: list[Any]) -> None:
    """Let go of responses, those in a cycle as well; whoever does that is told."""
    with pytest.warns(ResourceWarning, match="neither read nor closed"):
        clear(held)


def clear(held: list[Any]) -> None:
    held.clear()
    gc.collect()


@contextmanager
def collected_at_every_allocation() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)


# --- forgotten responses -----------------------------------------------------------------------------------


async def test_a_forgotten_response_gives_back_what_it_had(
    world: World, version: str, start_server: StartServer
) -> None:
    """Its place, its socket or stream; and whoever forgot it is told."""
    server = start_server(serving(version))
    sut = bounded(world, version, PATIENT, pool_limits=http3.PoolLimits(hard_limit=1, pool_timeout=3))
    for number in range(3):
        forget([await do(sut.client.get(server.url + "/bad", stream=True))])
        start = time.monotonic()
        assert (await do(sut.client.get(f"{server.url}/good/{number}"))).text == f"/good/{number}"
        assert time.monotonic() - start < 1
        assert sut.pool.active_connections == []
        assert len(sut.pool.keepalive_connections) == 1
    assert server.connections == (1 if version == "HTTP/2" else 4)


async def test_who_waits_in_line_gets_what_is_forgotten_meanwhile(
    world: World, version: str, start_server: StartServer
) -> None:
    url = start_server(serving(version)).url
    sut = bounded(world, version, PATIENT, pool_limits=http3.PoolLimits(hard_limit=1, pool_timeout=5))
    held = [await do(sut.client.get(url + "/bad", stream=True))]

    async def waits() -> str:
        text: str = (await do(sut.client.get(url + "/waited"))).text
        return text

    async def forgets() -> None:
        await world.sleep(0.1)
        forget(held)

    text, nothing = await world.together(waits, forgets)
    assert (text, nothing) == ("/waited", None)


async def test_forgetting_takes_no_lock(world: World, version: str, start_server: StartServer) -> None:
    """A finaliser runs wherever memory is asked for: also in a thread that holds the lock it would need."""
    url = start_server(serving(version)).url
    sut = bounded(world, version, PATIENT)
    held = [await do(sut.client.get(url + "/bad", stream=True))]
    engine: Any = sut.pool.active_connections[0].engine
    books: Any = sut.pool._scope
    locks = [books._lock]
    if version == "HTTP/2":
        locks += [engine._lock, engine._writer.lock._state]
    for lock in locks:
        lock.acquire()
    try:
        forget(held)
    finally:
        for lock in locks:
            lock.release()
    assert (await do(sut.client.get(url + "/good"))).text == "/good"
    assert sut.pool.active_connections == []


@pytest.mark.filterwarnings("ignore:.*neither read nor closed:ResourceWarning")
async def test_collection_at_every_allocation(world: World, version: str, start_server: StartServer) -> None:
    url = start_server(serving(version)).url
    limits = http3.PoolLimits(hard_limit=2, pool_timeout=5)
    sut = bounded(world, version, PATIENT, pool_limits=limits)
    assert (await do(sut.client.get(url + "/warm"))).text == "/warm"
    set_aside()
    with collected_at_every_allocation():
        for number in range(4):
            cycle: list[Any] = [await do(sut.client.get(url + "/bad", stream=True))]
            cycle.append(cycle)
            del cycle
            assert (await do(sut.client.get(f"{url}/{number}"))).text == f"/{number}"
    gc.collect()
    assert (await do(sut.client.get(url + "/last"))).text == "/last"
    assert sut.pool.active_connections == []


# --- the end of a process ----------------------------------------------------------------------------------

OPEN = """
import sys, threading, time
import http3
url, version, cafile = sys.argv[1:]
options = {"http_versions": (version,), "verify": cafile, "timeout": 30}
"""

SYNC = """
client = http3.Client(**options)
assert client.get(url + "/idle").text == "/idle"
half = client.get(url + "/bad/half", stream=True)
asked = threading.Event()
def wait():
    other = http3.Client(**options)
    other.get(url + "/first")
    asked.set()
    other.get(url + "/bad/waiting")
for _ in range(2):
    threading.Thread(target=wait, daemon=True).start()
assert asked.wait(10)
time.sleep(0.1)
"""

ASYNC = """
client = http3.AsyncClient(**options)
half = None
async def main():
    global half
    assert (await client.get(url + "/idle")).text == "/idle"
    half = await client.get(url + "/bad/half", stream=True)
"""

PROGRAMS = {
    "sync": SYNC,
    "asyncio": ASYNC + "import asyncio\nasyncio.run(main())\n",
    "trio": ASYNC + "import trio\ntrio.run(main)\n",
    "bridged": SYNC + "async def app(scope, receive, send):\n    await receive()\n"
    "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
    "    await send({'type': 'http.response.body', 'body': b'x', 'more_body': False})\n"
    "calling = http3.Client(app=app)\nassert calling.get('/').content == b'x'\n",
}


def ends_well(flags: list[str], program: str, *arguments: str) -> None:
    """Exit code 0, nothing on stderr, and no time between the program's last line and the end."""
    whole = OPEN + program + "print(time.time(), flush=True)\n"
    command = [sys.executable, *flags, "-c", whole, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    ended = time.time()
    assert (done.returncode, done.stderr) == (0, "")
    assert ended - float(done.stdout) < 2


@pytest.mark.parametrize("way", ["HTTP/1.1", "HTTP/2", "HTTP/1.1 TLS", "HTTP/2 TLS"])
@pytest.mark.parametrize("program", list(PROGRAMS))
def test_a_process_ends_at_once_and_without_noise(
    start_server: StartServer, authority: Authority, program: str, way: str
) -> None:
    version, _, secure = way.partition(" ")
    alpn = "http/1.1" if version == "HTTP/1.1" else "h2"
    script = serve_http11(half_http11) if version == "HTTP/1.1" else serve_http2(half_http2)
    url = start_server(script, tls=authority.server_context(alpn) if secure else None).url
    # What asyncio and trio leave open is told, and only then, where Python is asked to tell.
    strict = ["-W", "error", "-X", "dev"] if program in ("sync", "bridged") else []
    ends_well(strict, PROGRAMS[program], url, version, authority.ca_file)


def test_a_thread_that_waits_does_not_hold_up_the_end(start_server: StartServer) -> None:
    """One that waits in line, and is woken by the interpreter's own end at the latest."""
    url = start_server(serve_http11(half_http11)).url
    program = (
        "client = http3.Client(**options, pool_limits=http3.PoolLimits(hard_limit=1, pool_timeout=30))\n"
        "half = client.get(url + '/bad/half', stream=True)\n"
        "threading.Thread(target=lambda: client.get(url + '/x'), daemon=True).start()\n"
        "time.sleep(0.2)\n"
    )
    ends_well(["-W", "error", "-X", "dev"], program, url, "HTTP/1.1", "")
