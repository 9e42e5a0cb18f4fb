"""A backend as a third party would write it: plain sockets and a stream class of its own, no base class.

The stream is written once. How it waits for its socket is what blocking code, asyncio and trio differ in.
"""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import trio

import http3
from http3_transport import Address, OperationTimeout

Wait = Callable[[socket.socket, bool, bool, float | None], Coroutine[Any, Any, None]]
"""Waits until a socket can be read, or written, or either; OperationTimeout after so many seconds."""


async def wait_blocking(sock: socket.socket, read: bool, write: bool, timeout: float | None) -> None:
    if not any(select.select([sock] * read, [sock] * write, [], timeout)):
        raise OperationTimeout


async def wait_on_asyncio(sock: socket.socket, read: bool, write: bool, timeout: float | None) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    number = sock.fileno()
    if read:
        loop.add_reader(number, ready.set)
    if write:
        loop.add_writer(number, ready.set)
    try:
        async with asyncio.timeout(timeout):
            await ready.wait()
    except TimeoutError:
        raise OperationTimeout from None
    finally:
        loop.remove_reader(number)
        loop.remove_writer(number)


async def wait_on_trio(sock: socket.socket, read: bool, write: bool, timeout: float | None) -> None:
    async def ready(wait: Callable[[socket.socket], Coroutine[Any, Any, None]]) -> None:
        await wait(sock)
        nursery.cancel_scope.cancel()

    with trio.move_on_after(float("inf") if timeout is None else timeout) as limit:
        async with trio.open_nursery() as nursery:
            if read:
                nursery.start_soon(ready, trio.lowlevel.wait_readable)
            if write:
                nursery.start_soon(ready, trio.lowlevel.wait_writable)
    if limit.cancelled_caught:
        raise OperationTimeout


class PlainStream:
    """A socket. It has the members of `http3_transport.Stream` and no more."""

    alpn_protocol = None
    is_truncated = False
    has_unsent = False

    def __init__(self, sock: socket.socket, wait: Wait) -> None:
        self.sock = sock
        self.wait_for = wait
        self.waiting = 0
        self.is_closed = False
        self.info = http3.ConnectionInfo(
            peer_address=sock.getpeername()[:2], local_address=sock.getsockname()[:2]
        )

    async def wait(self, read: bool, write: bool, timeout: float | None) -> None:
        self.check()
        self.waiting += 1
        try:
            await self.wait_for(self.sock, read, write, timeout)
        finally:
            self.waiting -= 1
            if self.is_closed and not self.waiting:
                self.sock.close()
        self.check()

    def check(self) -> None:
        if self.is_closed:
            raise OSError("the stream was closed on this side")

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        while (data := self.read_nowait(max_bytes)) is None:
            await self.wait(True, False, timeout)
        return data

    def read_nowait(self, max_bytes: int) -> bytes | None:
        self.check()
        try:
            return self.sock.recv(max_bytes)
        except BlockingIOError:
            return None

    async def write(self, data: bytes | memoryview, timeout: float | None) -> None:
        view = memoryview(data)
        sent = self.write_nowait(view)
        while sent < len(view):
            await self.wait(False, True, timeout)
            sent += self.write_nowait(view[sent:])

    async def write_until_readable(self, data: bytes | memoryview, timeout: float | None) -> int:
        view = memoryview(data)
        sent = 0
        while True:
            self.check()
            if select.select([self.sock], [], [], 0)[0]:
                return sent
            sent += self.write_nowait(view[sent:])
            if sent == len(view):
                return sent
            await self.wait(True, True, timeout)

    def write_nowait(self, data: bytes | memoryview) -> int:
        self.check()
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    async def wait_writable(self, timeout: float | None, *, or_readable: bool = False) -> bool:
        await self.wait(or_readable, True, timeout)
        return or_readable and bool(select.select([self.sock], [], [], 0)[0])

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            if self.waiting:  # in another thread perhaps; the one that waits closes
                with suppress(OSError):
                    self.sock.shutdown(socket.SHUT_RDWR)
            else:
                self.sock.close()


class PlainWaiter:
    """A flag that is looked at from time to time."""

    def __init__(self, sleep: Callable[[float], Coroutine[Any, Any, None]]) -> None:
        self.sleep = sleep
        self.is_set = False

    def set(self) -> None:
        self.is_set = True

    async def wait(self, timeout: float | None) -> bool:
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set and (end is None or time.monotonic() < end):
            await self.sleep(0.005)
        return self.is_set


class PlainBackend:
    """Plain sockets under blocking code ("sync"), asyncio or trio."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.blocks = kind == "sync"
        self.must_look = not self.blocks
        self.streams: list[PlainStream] = []

    def loop_token(self) -> object:
        if self.blocks:
            return "everywhere"
        return asyncio.get_running_loop() if self.kind == "asyncio" else trio.lowlevel.current_trio_token()

    def loop_has_ended(self, loop_token: object) -> bool:
        if isinstance(loop_token, asyncio.AbstractEventLoop):
            return loop_token.is_closed()
        try:
            if isinstance(loop_token, trio.lowlevel.TrioToken):
                loop_token.run_sync_soon(int)
        except trio.RunFinishedError:
            return True
        return False

    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as exc:
            raise OSError(f"no host can be called {host!r}") from exc
        return [(family, address) for family, _, _, _, address in found if isinstance(address[0], str)]

    async def connect_address(self, address: Address, timeout: float | None) -> PlainStream:
        return await self.connect_first([address], timeout, 0)

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> PlainStream:
        end = None if timeout is None else time.monotonic() + timeout
        left, tried = list(addresses), list[socket.socket]()
        error, following = OSError("no address"), 0.0
        try:
            while left or tried:
                if left and (not tried or time.monotonic() >= following):
                    tried.append(begin(left.pop(0)))
                    following = time.monotonic() + stagger
                for sock in select.select([], tried, [], 0)[1]:
                    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    tried.remove(sock)
                    if not number:
                        self.streams.append(PlainStream(sock, WAITS[self.kind]))
                        return self.streams[-1]
                    sock.close()
                    error = OSError(number, f"connecting failed with {number}")
                if end is not None and time.monotonic() >= end:
                    raise OperationTimeout
                await self.sleep(0.005 if tried else 0)
            raise error
        finally:
            for sock in tried:
                sock.close()

    def waiter(self) -> PlainWaiter:
        return PlainWaiter(self.sleep)

    async def sleep(self, seconds: float) -> None:
        if self.blocks:
            time.sleep(seconds)  # noqa: ASYNC251 - nothing else runs there
        elif self.kind == "asyncio":
            await asyncio.sleep(seconds)
        else:
            await trio.sleep(seconds)

    def call_later(self, seconds: float, action: Callable[[], object]) -> None:
        """No timers."""

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        return False


WAITS: dict[str, Wait] = {"sync": wait_blocking, "asyncio": wait_on_asyncio, "trio": wait_on_trio}


def begin(address: Address) -> socket.socket:
    """A socket that connects."""
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(BlockingIOError):
        sock.connect(where)
    return sock


class CountingStream:
    """Counts the bytes that pass; all else is the stream's inside."""

    def __init__(self, inner: Any, counts: dict[str, int]) -> None:
        self.inner = inner
        self.counts = counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        data: bytes = await self.inner.read(max_bytes, timeout)
        self.counts["read"] += len(data)
        return data

    def read_nowait(self, max_bytes: int) -> bytes | None:
        data: bytes | None = self.inner.read_nowait(max_bytes)
        self.counts["read"] += len(data or b"")
        return data


class CountingBackend:
    """Around a backend of http3, or any other."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.counts = {"read": 0, "connections": 0}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def connect_address(self, address: Address, timeout: float | None) -> CountingStream:
        self.counts["connections"] += 1
        return CountingStream(await self.inner.connect_address(address, timeout), self.counts)

    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> CountingStream:
        self.counts["connections"] += 1
        return CountingStream(await self.inner.connect_first(addresses, timeout, stagger), self.counts)
