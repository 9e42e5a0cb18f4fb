"""Interrupting an operation at each point where that can happen, one after the other.

Asynchronous code can be cancelled where it waits. `AtWait` drives a coroutine, counts its waits, and cancels
at the one that is wanted: while it waits, or at the moment in which what it waits for is there.

Blocking code can be interrupted (KeyboardInterrupt, or whatever else a signal handler raises) anywhere; what
counts is whether that is before or after the kernel, or OpenSSL, did something. `AtCall` counts these calls
and raises before or after the one that is wanted.

Either way what was injected must come out, itself and nothing in its place: a cancellation that is swallowed
is a hang elsewhere.
"""

from __future__ import annotations

import asyncio
import linecache
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator
from functools import partial
from types import BuiltinMethodType, FrameType
from typing import Any

import trio

from http3_models import HttpError, RequestError
from http3_transport import ConnectionPool, HTTPConnection
from http3_transport._http1.connection import HTTP11Connection
from http3_transport._http2.connection import HTTP2Connection

CALLS = (
    "socket.",
    "poll.",
    "_SSLSocket.",
    "MemoryBIO.",
    "sendfile",
    "sendmsg",
    "lock.acquire",
)
"""What calls into the kernel or OpenSSL, or waits, by qualified name."""

DEPTH = 3
"""Our code makes these calls itself or through methods of ssl and socket, which have frames of their own."""

EVERY_POINT = bool(os.environ.get("HTTP3_EVERY_POINT"))
"""Set this variable of the environment to have operations interrupted at all points, in some minutes."""

DENSE = 24
"""Points from the beginning that are all tried. Behind them bodies are on their way, piece by piece alike."""


def points() -> Iterator[int]:
    """The numbers of the points that are tried, from 1, without end: behind `DENSE` ever fewer of them."""
    number = 1
    while True:
        yield number
        number += 1 if EVERY_POINT or number < DENSE else number // 6


class Interruption(KeyboardInterrupt):
    """Distinct from a KeyboardInterrupt of the keyboard."""


class Alarm(BaseException):
    """What a signal handler of the user's may raise: nothing that anybody has heard of."""


class AtCall:
    """Raises before (or ``after``) the n-th call from our code to the kernel or OpenSSL.

    After: when it has returned or failed, and its result is lost.
    """

    def __init__(self, number: int, *, after: bool, kind: type[BaseException] = Interruption) -> None:
        self.left = number
        self.where = ""
        self._events = ("c_return", "c_exception") if after else ("c_call",)
        self._kind = kind
        self._raised: BaseException | None = None

    def __call__(self, frame: FrameType, event: str, called: Any) -> None:
        if event not in self._events or not isinstance(called, BuiltinMethodType):
            return
        if called.__qualname__.startswith(CALLS) and _is_ours(frame):
            self.left -= 1
            if self.left == 0:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} {called.__qualname__} {event}"
                self._raised = self._kind(self.where)
                raise self._raised

    def run(self, work: Callable[[], object]) -> bool:
        """True if it was interrupted."""
        sys.setprofile(self)
        try:
            work()
        except self._kind as exc:
            if exc is not self._raised:
                raise
            exc.__traceback__ = None  # its frames hold what was under way
            self._raised = None
            return True
        finally:
            sys.setprofile(None)
        assert self._raised is None, f"swallowed: {self.where}"
        return False


LINES_OF = (
    "_pool/pool.py",
    "_pool/state.py",
    "_pool/scope.py",
    "_pool/entries.py",
    "_pool/connection.py",
    "_connect/open_connection.py",
    "_connect/opening.py",
)
"""Modules whose lines `AtLine` counts."""


class AtLine:
    """Raises at the n-th line that runs in the modules of the pool.

    Not at a ``with``: its line comes up once more when the block is left, where Python itself delivers no
    signal before the lock is released.
    """

    def __init__(self, number: int) -> None:
        self.left = number
        self.where = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        path = frame.f_code.co_filename
        if not path.endswith(LINES_OF) or "http3_transport" not in path:
            return None
        if event == "line" and not linecache.getline(path, frame.f_lineno).strip().startswith("with "):
            self.left -= 1
            if self.left == 0:
                self.where = f"{path}:{frame.f_lineno}"
                raise Interruption(self.where)
        return self

    def run(self, work: Callable[[], object]) -> bool:
        """True if it raised on the way."""
        previous = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        except (Interruption, RequestError, HttpError):
            pass
        finally:
            sys.settrace(previous)
        return self.left <= 0


def _is_ours(frame: FrameType | None) -> bool:
    for _ in range(DEPTH):
        if frame is None:
            return False
        if "http3_transport" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


class AtWait:
    """Awaits a coroutine and calls ``cancel`` at its n-th wait; ``late``: when what is awaited is there."""

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, object],
        number: int,
        cancel: Callable[[], object],
        *,
        late: bool,
    ) -> None:
        self.left = number
        self._coroutine = coroutine
        self._cancel = cancel
        self._late = late

    def __await__(self) -> Generator[Any, Any, object]:
        step: Callable[[], Any] = partial(self._coroutine.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration as stop:
                return stop.value
            self.left -= 1
            if self.left == 0:
                self._arrange(waits_for)
            try:
                step = partial(self._coroutine.send, (yield waits_for))
            except BaseException as exc:  # noqa: BLE001  (bytes_written on)
                step = partial(self._coroutine.throw, exc)

    def _arrange(self, waits_for: object) -> None:
        if self._late and isinstance(waits_for, asyncio.Future):
            waits_for.add_done_callback(lambda _: self._cancel())  # called before the task is woken
        else:
            self._cancel()


async def interrupted(
    operation: Callable[[], Coroutine[Any, Any, object]], number: int, *, late: bool
) -> bool:
    """Run an operation, cancelled at that wait, on the loop that runs; True if it came so far."""
    if asyncio_runs():
        task = asyncio.current_task()
        assert task is not None
        attempt = AtWait(operation(), number, task.cancel, late=late)
        try:
            await attempt
        except asyncio.CancelledError:
            assert attempt.left <= 0
            task.uncancel()
            return True
        assert not task.cancelling(), "the cancellation was swallowed"
        return False
    with trio.CancelScope() as scope:
        attempt = AtWait(operation(), number, scope.cancel, late=late)
        await attempt
    assert scope.cancelled_caught == scope.cancel_called, "the cancellation was swallowed"
    return scope.cancelled_caught


def tasks() -> int:
    """How many live on the loop that runs."""
    if asyncio_runs():
        return len(asyncio.all_tasks())
    return trio.lowlevel.current_statistics().tasks_living


async def take_turns() -> None:
    """Let what was cancelled with a task end, and transports close their sockets."""
    for _ in range(3):
        if asyncio_runs():
            await asyncio.sleep(0)
        else:
            await trio.lowlevel.checkpoint()


def asyncio_runs() -> bool:
    """True on asyncio, False on trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


# What must hold afterwards.


def open_sockets(server_port: int | None = None) -> int:
    """How many this process has, without those of a server that it runs on that port."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                count += server_port is None or _port_of(int(name)) != server_port
        except OSError:  # the folder's own, or closed meanwhile by a server's thread
            continue
    return count


def _port_of(descriptor: int) -> int | None:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        name = sock.getsockname()
        return name[1] if isinstance(name, tuple) else None


def check_pool(pool: ConnectionPool, *, sockets: int, busy: int = 0, server_port: int | None = None) -> None:
    """Nothing is held by a request that is over; ``busy`` connections are in use by others, for one each.

    ``sockets``: how many were open before there was a pool. What was interrupted within a constructor must
    have been collected.
    """
    scope = pool._scope
    if scope is None:
        return
    scope.run_deferred_releases()
    assert len(pool.active_connections) == busy
    assert not scope.state.waiting()
    assert scope.state.slots == busy + len(pool.keepalive_connections)
    assert open_sockets(server_port) - sockets == scope.state.slots, (open_sockets(server_port), sockets)
    for connection in pool.keepalive_connections:
        assert streams_of(connection) == 0
    for connection in pool.active_connections:
        assert streams_of(connection) == 1


def streams_of(connection: HTTPConnection) -> int:
    """Exchanges under way on it."""
    engine = connection.engine
    if isinstance(engine, HTTP2Connection):
        return len(engine._state.streams)
    assert isinstance(engine, HTTP11Connection)
    return 0 if engine.is_idle else 1
