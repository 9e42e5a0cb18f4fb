"""What is interrupted at every point, and where it goes: requests of all kinds to a real server.

Each operation gets a client of either kind, with one connection at most, and the server's URL.
"""

from __future__ import annotations

import itertools
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import http3
from http3 import URL
from http3_transport import ConnectionPool
from http3_transport._backends import _asyncio, _blocking, _lookup, _trio
from http3_transport._backends._sockets import SocketSettings, make_socket
from http3_transport._interfaces import Address
from support.servers import TESTS, Authority, Nginx, free_port, running
from support.worlds import do

SIZE = 200_000
"""Bytes of a body: an upload of so many does not go out with its head, a download does not come with it."""

PART = {"Range": f"bytes=0-{SIZE - 1}"}

LEAST = 2
"""Points of any operation: on an open connection, and where nobody waits for the kernel to take a request."""

TARGETS = ("plain", "tls", "h2c", "tls_h2")

covered: Counter[str] = Counter()

marks = itertools.count()


class Target(NamedTuple):
    """Where requests go, over what."""

    name: str
    url: str
    options: dict[str, Any]

    @property
    def multiplexes(self) -> bool:
        """True for HTTP/2."""
        return "h2" in self.name

    @classmethod
    def of(cls, name: str, nginx: Nginx, authority: Authority) -> Target:
        """One of `TARGETS`."""
        versions = ("HTTP/2",) if "h2" in name else ("HTTP/1.1",)
        url = getattr(nginx, name).replace("127.0.0.1", "localhost")  # a name to be looked up
        return cls(name, url, {"http_versions": versions, "verify": authority.ca_file})

    def make_pool(self, **options: Any) -> ConnectionPool:
        """With one connection at most, for which nobody waits long."""
        limits = http3.PoolLimits(hard_limit=1, pool_timeout=0.01)
        return ConnectionPool(pool_limits=limits, timeout=20, **self.options, **options)

    def can_do(self, operation: Operation) -> bool:
        """nginx does not say 100 over HTTP/2; each such request would wait a second for it."""
        return not (self.multiplexes and operation is upload_expecting)


Operation = Callable[[Any, str], Coroutine[Any, Any, None]]


async def ask(client: Any, url: str) -> None:
    """A request whose answer shows that it is its own."""
    mark = f"/echo?{next(marks)}"
    response = await do(client.get(url + mark))
    assert (await do(response.json()))["uri"] == mark


@contextmanager
def silent_first_address(target: Target, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The first of two addresses takes no connection and refuses none: there is a race, with a loser.

    A listener drops what comes once its backlog is full; nginx listens at the other address only.
    """
    port = URL(target.url).port
    found = [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
    patch.setattr(_lookup, "get_addresses", lambda *_: found)
    target.options["network"] = http3.NetworkConfig(stagger=0.005)
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_INET6))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::1", port))
        listener.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket(socket.AF_INET6))
            filler.setblocking(False)
            filler.connect_ex(("::1", port))
        yield


PROXIES: dict[str, tuple[str, list[str]]] = {
    "http": ("http://127.0.0.1:{port}", ["http"]),
    "digest": ("http://us:pw@127.0.0.1:{port}", ["http", "--credentials", "us:pw", "--scheme", "digest"]),
    "digest, closing": (
        "http://us:pw@127.0.0.1:{port}",
        ["http", "--credentials", "us:pw", "--scheme", "digest", "--closes"],
    ),
    "tls": ("https://localhost:{port}", ["http"]),
    "socks5": ("socks5://us:pw@127.0.0.1:{port}", ["socks5", "--credentials", "us:pw"]),
    "socks5h": ("socks5h://127.0.0.1:{port}", ["socks5"]),
}
"""URLs of proxies, and the arguments of `support.proxy_server`."""


@contextmanager
def through(target: Target, name: str, authority: Authority, folder: Path) -> Iterator[None]:
    """Requests to the target go through one of `PROXIES`, which runs in a process of its own."""
    url, arguments = PROXIES[name]
    port = free_port()
    command = [sys.executable, "-m", "support.proxy_server", arguments[0], str(port), *arguments[1:]]
    if name == "tls":
        command += ["--certificate", authority.server_cert, authority.server_key]
    target.options["proxy"] = http3.Proxy(url.format(port=port), verify=authority.ca_file)
    with running(command, ports=[port], log=folder / "proxy.log", cwd=TESTS):
        yield


def narrow_sockets(patch: pytest.MonkeyPatch) -> None:
    """The kernel takes little at once, so that some writes wait."""

    def narrow(address: Address, settings: SocketSettings) -> socket.socket:
        sock = make_socket(address, settings)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        return sock

    for module in (_asyncio, _blocking, _trio):
        patch.setattr(module, "make_socket", narrow)


class Upload:
    """The same for both kinds of client."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([bytes(SIZE // 4)] * 4)


async def one_request(client: Any, url: str) -> None:
    await ask(client, url)


async def again(client: Any, url: str) -> None:
    await ask(client, url)
    await ask(client, url)


async def upload_pieces(client: Any, url: str) -> None:
    response = await do(client.post(f"{url}/sink", data=Upload()))
    assert response.status_code == 200


async def upload_much(client: Any, url: str) -> None:
    """More than the kernel takes at once, to a server that wants it all."""
    response = await do(client.put(f"{url}/files/much", data=bytes(10 * SIZE)))
    assert response.status_code in (201, 204)


async def upload_file(client: Any, url: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(bytes(SIZE))
        file.seek(0)
        response = await do(client.post(f"{url}/sink", data=file))
    assert response.status_code == 200


async def upload_expecting(client: Any, url: str) -> None:
    """Waits for the server's word before its body."""
    headers = {"Expect": "100-continue"}
    response = await do(client.put(f"{url}/files/expecting", data=bytes(SIZE), headers=headers))
    assert response.status_code in (201, 204)


async def streamed(client: Any, url: str) -> None:
    response = await do(client.get(f"{url}/big", headers=PART, stream=True))
    iterator = response.stream(1000)
    size = 0
    for _ in range(3):
        size += len(await anext(iterator) if hasattr(iterator, "__anext__") else next(iterator))
    assert size == 3000
    await do(response.close())


async def in_a_block(client: Any, url: str) -> None:
    """Left before the body's end."""
    response = await do(client.get(f"{url}/big", headers=PART, stream=True))
    if isinstance(response, http3.AsyncResponse):
        async with response:
            assert await anext(response.stream(1000))
    else:
        with response:
            assert next(response.stream(1000))


async def whole(client: Any, url: str) -> None:
    response = await do(client.get(f"{url}/big", headers=PART, stream=True))
    assert len(await do(response.read())) == SIZE


async def redirect(client: Any, url: str) -> None:
    response = await do(client.get(f"{url}/redirect"))
    assert response.content == b"hello\n"


async def waiting(client: Any, url: str) -> None:
    """For the one connection, which another response has."""
    response = await do(client.get(f"{url}/big", stream=True))
    try:
        await ask(client, url)
    except http3.PoolTimeout:
        pass
    finally:
        await do(response.close())


async def closing(client: Any, url: str) -> None:
    await ask(client, url)
    await do(client.close())


OPERATIONS: list[Operation] = [
    one_request,
    again,
    upload_pieces,
    upload_much,
    upload_file,
    upload_expecting,
    streamed,
    in_a_block,
    whole,
    redirect,
    waiting,
    closing,
]


def note(where: str, target: Target, operation: Operation, points: int, *, least: int = LEAST) -> None:
    covered[where] += points
    print(f"{where}, {target.name}, {operation.__name__}: {points} points; {covered.total()} so far")
    assert points >= least
