"""Sync, asyncio and trio: one definition of a behaviour for each of them.

A test that takes the ``world`` fixture runs in all three (in tests/client in sync and asyncio). It may be a
coroutine function, which works on the clients' own objects: what a verb gives goes through `do` (which awaits
an awaitable), what is iterated through `collect`. Or it is a plain function: it asks a `Session`, or builds
what it needs on ``world.backend`` and hands a coroutine function to ``world.run``. In the sync world nothing
ever suspends: the coroutine is simply run to its end.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple, TypeVar

import trio

import http3
from http3_transport._interfaces import Backend

T = TypeVar("T")

Action = Callable[[], Coroutine[Any, Any, Any]]

BACKENDS: dict[str, Callable[[], Backend]] = {
    "sync": http3.BlockingBackend,
    "asyncio": http3.AsyncioBackend,
    "trio": http3.TrioBackend,
}


class Site(NamedTuple):
    """A way to reach `site_app`: where, and with which options of a client."""

    name: str
    url: str
    other: str
    """The same application at another origin, on another port"""
    options: dict[str, Any]
    protocol: str
    """"HTTP/1.1" or "HTTP/2": what is spoken there"""

    @property
    def is_tls(self) -> bool:
        """TLS is spoken there."""
        return self.url.startswith("https:")


async def do(result: Any) -> Any:
    """What a method of either client or response gives, awaited if it must be."""
    return await result if hasattr(result, "__await__") else result


async def collect(iterable: Any) -> list[Any]:
    """All items of an iterator of either kind."""
    if hasattr(iterable, "__aiter__"):
        return [item async for item in iterable]
    return list(iterable)


class Session:
    """A client whose methods block in each world, and give its own objects."""

    def __init__(self, client: Any, runner: asyncio.Runner | None) -> None:
        self.client = client
        self._runner = runner

    def do(self, result: Any) -> Any:
        """What a verb of either kind gives."""
        return self._runner.run(do(result)) if self._runner is not None else result

    def request(self, method: str, url: Any, **options: Any) -> Any:
        """``client.request``."""
        return self.do(self.client.request(method, url, **options))

    def get(self, url: Any, **options: Any) -> Any:
        """``client.get``."""
        return self.do(self.client.get(url, **options))

    def post(self, url: Any, **options: Any) -> Any:
        """``client.post``."""
        return self.do(self.client.post(url, **options))

    def send(self, request: Any, **options: Any) -> Any:
        """``client.send``."""
        return self.do(self.client.send(request, **options))

    def close(self) -> None:
        """Close the client, and the loop."""
        self.do(self.client.close())
        if self._runner is not None:
            self._runner.close()
            self._runner = None


class World:
    """One of sync, asyncio and trio."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name != "sync"
        self.backend = BACKENDS[name]()
        self.client_class: Any = http3.AsyncClient if self.is_async else http3.Client
        self.request_class: Any = http3.AsyncRequest if self.is_async else http3.Request
        self.response_class: Any = http3.AsyncResponse if self.is_async else http3.Response
        self._clients: list[Any] = []
        self._sessions: list[Session] = []

    def __repr__(self) -> str:
        return f"<World {self.name}>"

    def client(self, site: Site | None = None, **options: Any) -> Any:
        """A client, closed when `run` ends."""
        client = self.client_class(**{**(site.options if site is not None else {}), **options})
        self._clients.append(client)
        return client

    def session(self, dispatch: Any = None, **options: Any) -> Session:
        """A client over a handler or a dispatcher, for tests that are plain functions; closed by `close`."""
        if dispatch is not None:
            is_handler = callable(dispatch) and not hasattr(dispatch, "send")
            options["dispatch"] = http3.MockDispatcher(dispatch) if is_handler else dispatch
        session = Session(self.client_class(**options), asyncio.Runner() if self.is_async else None)
        self._sessions.append(session)
        return session

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        if self.name == "sync":
            time.sleep(seconds)  # noqa: ASYNC251 - nothing else runs in this world
        elif self.name == "asyncio":
            await asyncio.sleep(seconds)
        else:
            await trio.sleep(seconds)

    async def together(self, *actions: Action) -> list[Any]:
        """Run coroutine functions at the same time (threads in the sync world): results, or exceptions."""
        results: list[Any] = [None] * len(actions)

        async def one(place: int) -> None:
            try:
                results[place] = await actions[place]()
            except Exception as exc:  # noqa: BLE001 - given to the test
                results[place] = exc

        if self.name == "asyncio":
            await asyncio.gather(*(one(place) for place in range(len(actions))))
        elif self.name == "trio":
            async with trio.open_nursery() as nursery:
                for place in range(len(actions)):
                    nursery.start_soon(one, place)
        else:
            _in_threads(one, range(len(actions)))
        return results

    def run(self, function: Callable[..., Coroutine[Any, Any, T]], *args: object, **options: object) -> T:
        """Call the coroutine function and run it to its end, then close its clients."""
        if self.name == "sync":
            return run_to_end(self._whole(function, args, options))
        if self.name == "asyncio":
            return asyncio.run(self._whole(function, args, options))
        return trio.run(self._whole, function, args, options)

    async def _whole(
        self, function: Callable[..., Coroutine[Any, Any, T]], args: Any, options: dict[str, Any]
    ) -> T:
        try:
            return await function(*args, **options)
        finally:
            for client in self._clients:
                await do(client.close())
            self._clients.clear()

    def close(self) -> None:
        """Close every session."""
        for session in self._sessions:
            session.close()
        self._sessions.clear()


def _in_threads(one: Callable[[int], Coroutine[Any, Any, None]], places: Iterable[int]) -> None:
    threads = [threading.Thread(target=lambda place=place: run_to_end(one(place))) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as exc:
        result: T = exc.value
        return result
    coroutine.close()
    raise AssertionError("a sync client suspended")


Kinds = type[BaseException] | tuple[type[BaseException], ...]


async def raised(kinds: Kinds, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The exception of ``call`` (it gives a result or an awaitable); fails if there is none."""
    try:
        result = await do(call(*args, **options))
    except kinds as exc:
        return exc
    raise AssertionError(f"no {kinds}, but {result!r}")
