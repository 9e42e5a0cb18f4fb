"""What a proxy may answer before the tunnel stands: cut and changed at each byte, dripping, without end.

Whatever it is, the error names the proxy, nothing counts as sent, nothing is sent directly instead, and the
client serves the next request.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import http3
from http3_transport.testing import ScriptedConnection, ScriptedServer, response_bytes
from support.worlds import World, do

pytestmark = pytest.mark.thorough

TARGET = "https://target.example/"

REFUSAL = (
    b'HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
    b"Content-Length: 5\r\n\r\nwho?\n"
)

HTTP_ANSWERS = {
    "established": b"HTTP/1.1 200 Connection established\r\nVia: 1.1 p\r\n\r\n",
    "old": b"HTTP/1.0 200 OK\r\n\r\n",
    "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n",
    "in chunks": b"HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nno!\n\r\n0\r\n\r\n",
    "challenge": REFUSAL,
}

SOCKS_ANSWERS = {
    "open": [b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"],
    "password": [b"\x05\x02", b"\x01\x00", b"\x05\x00\x00\x03\x04host\x00\x50"],
    "refused": [b"\x05\x00", b"\x05\x04\x00\x04" + bytes(18)],
}


async def fails(client: Any, url: str = TARGET) -> http3.TransportError:
    """The failure of a request, which must be one of the way there."""
    with pytest.raises((http3.ProxyError, http3.TLSError, http3.ConnectTimeout)) as caught:
        await do(client.get(url))
    assert caught.value.delivery is http3.Delivery.NOT_SENT
    assert "hunter2" not in str(caught.value)
    return caught.value


def one_after_the_other(answers: Iterator[bytes]) -> Callable[[ScriptedConnection], None]:
    """A proxy with another answer for each connection."""

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(next(answers))

    return script


@pytest.mark.parametrize("name", HTTP_ANSWERS)
def test_answers_cut_at_each_byte(world: World, name: str) -> None:
    answer = HTTP_ANSWERS[name]
    pieces = [answer[:size] for size in range(len(answer) + 1)]

    async def main() -> None:
        with ScriptedServer(one_after_the_other(iter(pieces * 3))) as proxy:
            client = world.client(proxy=proxy.url.replace("//", "//us:hunter2@"))
            for piece in pieces:
                error = await fails(client)
                if len(piece) < answer.find(b"\r\n\r\n") + 4:
                    assert isinstance(error, http3.ProxyError), piece
                    assert error.status_code is None
                assert proxy.url in str(error) or isinstance(error, http3.TLSError), piece

    world.run(main)


@pytest.mark.parametrize("name", HTTP_ANSWERS)
def test_answers_changed_at_each_byte(world: World, name: str) -> None:
    answer = HTTP_ANSWERS[name]
    changed = [
        answer[:at] + bytes([answer[at] ^ bit]) + answer[at + 1 :]
        for at in range(len(answer))
        for bit in (0x01, 0x80)
    ]

    async def main() -> None:
        with ScriptedServer(one_after_the_other(iter(changed * 3))) as proxy:
            client = world.client(proxy=proxy.url.replace("//", "//us:hunter2@"), timeout=5)
            for _ in changed:
                await fails(client)

    world.run(main)


def socks(steps: list[bytes], cut: int | None = None) -> Callable[[ScriptedConnection], None]:
    """A SOCKS proxy that says these, ``cut`` bytes in all."""

    def script(connection: ScriptedConnection) -> None:
        left = sum(map(len, steps)) if cut is None else cut
        for step in steps:
            connection.read()
            connection.write(step[:left])
            if left < len(step):
                return
            left -= len(step)

    return script


@pytest.mark.parametrize("name", SOCKS_ANSWERS)
def test_socks_answers_cut_and_changed_at_each_byte(world: World, name: str) -> None:
    steps = SOCKS_ANSWERS[name]
    total = sum(map(len, steps))
    scripts = [socks(steps, size) for size in range(total + 1)]
    for number, step in enumerate(steps):
        for at in range(len(step)):
            for bit in (0x01, 0x80):
                other = step[:at] + bytes([step[at] ^ bit]) + step[at + 1 :]
                scripts.append(socks([*steps[:number], other, *steps[number + 1 :]]))

    async def main() -> None:
        with ScriptedServer(*scripts) as proxy:
            url = proxy.url.replace("http://", "socks5h://us:hunter2@")
            client = world.client(proxy=url, timeout=http3.TimeoutConfig(5, connect_timeout=1))
            for _ in scripts:
                await fails(client)

    world.run(main)


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_a_dripping_proxy_does_not_extend_the_limit(world: World, kind: str) -> None:
    def script(connection: ScriptedConnection) -> None:
        connection.read()
        if kind == "http":
            connection.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 0.02)
        else:
            connection.drip(b"\x05\x00\x05\x00\x00\x03\xff" + bytes(300), 0.05)

    async def main() -> None:
        with ScriptedServer(script) as proxy:
            timeout = http3.TimeoutConfig(20, connect_timeout=0.3)
            client = world.client(proxy=proxy.url.replace("http", kind), timeout=timeout)
            begun = time.monotonic()
            assert isinstance(await fails(client), http3.ConnectTimeout)
            assert time.monotonic() - begun < 5

    world.run(main)


FLOODS: dict[str, tuple[bytes, bytes]] = {
    "a head": (b"HTTP/1.1 200 OK\r\n", b"X-Fill: " + b"y" * 4000 + b"\r\n"),
    "interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50),
    "a body": (b"HTTP/1.1 403 No\r\nContent-Length: 100000000000\r\n\r\n", bytes(65536)),
    "a body in chunks": (
        b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1000\r\n" + bytes(0x1000) + b"\r\n",
    ),
    "a body until the end": (b"HTTP/1.1 403 No\r\n\r\n", bytes(65536)),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_are_bounded(world: World, name: str) -> None:
    begin, rest = FLOODS[name]

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(begin)
        connection.flood(rest)

    async def main() -> None:
        with ScriptedServer(script) as proxy:
            client = world.client(proxy=proxy.url)
            await fails(client)
            tracemalloc.start()
            try:
                error = await fails(client)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < 4_000_000
            assert isinstance(error, http3.ProxyError)
            assert error.content is None or len(error.content) <= 64 * 1024

    world.run(main)


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "closed"])
@pytest.mark.parametrize("url", [TARGET, "http://target.example/"])
def test_challenges_without_end(world: World, keeps: bool, url: str) -> None:
    asked: list[int] = []

    def script(connection: ScriptedConnection) -> None:
        while True:
            connection.read_request()
            asked.append(1)
            challenge = f'Digest realm="r", nonce="n{len(asked)}", qop="auth", stale=true'
            connection.write(
                response_bytes(b"again", status="407 Again", headers={"Proxy-Authenticate": challenge})
            )
            if not keeps:
                return

    async def main() -> None:
        with ScriptedServer(script) as proxy:
            client = world.client(proxy=proxy.url.replace("//", "//us:hunter2@"))
            if url == TARGET:
                error = await fails(client, url)
                assert isinstance(error, http3.ProxyError)
                assert (error.status_code, error.content) == (407, b"again")
            else:
                assert (await do(client.get(url))).status_code == 407
            assert len(asked) <= 4

    world.run(main)
