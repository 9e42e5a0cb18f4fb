"""One definition of a behaviour for `Client`, and for `AsyncClient` on asyncio and on trio.

A test that takes the ``world`` fixture is a coroutine function, and runs three times. It works on the
clients' own objects: what a verb gives goes through `do` (which awaits an awaitable), what is iterated
through `collect`. In the sync world nothing ever suspends: the coroutine is simply run to its end.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NamedTuple

import trio

import http3

Action = Callable[[], Coroutine[Any, Any, Any]]


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


class World:
    """One of sync, asyncio and trio."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name != "sync"
        self.client_class: Any = http3.AsyncClient if self.is_async else http3.Client
        self.request_class: Any = http3.AsyncRequest if self.is_async else http3.Request
        self.response_class: Any = http3.AsyncResponse if self.is_async else http3.Response
        self._clients: list[Any] = []

    def __repr__(self) -> str:
        return f"<World {self.name}>"

    def client(self, site: Site | None = None, **options: Any) -> Any:
        """A client, closed when the test ends."""
        client = self.client_class(**{**(site.options if site is not None else {}), **options})
        self._clients.append(client)
        return client

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

    def run(self, function: Callable[..., Coroutine[Any, Any, Any]], **arguments: Any) -> None:
        """Run a test, then close its clients."""
        if self.name == "sync":
            run_to_end(self._whole(function, arguments))
        elif self.name == "asyncio":
            asyncio.run(self._whole(function, arguments))
        else:
            trio.run(self._whole, function, arguments)

    async def _whole(self, function: Callable[..., Coroutine[Any, Any, Any]], arguments: Any) -> None:
        try:
            await function(**arguments)
        finally:
            for client in self._clients:
                await do(client.close())
            self._clients.clear()


def _in_threads(one: Callable[[int], Coroutine[Any, Any, None]], places: Iterable[int]) -> None:
    threads = [threading.Thread(target=lambda place=place: run_to_end(one(place))) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as exc:
        return exc.value
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
