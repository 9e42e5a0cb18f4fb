"""Who sends the requests of a soak: threads that share a `Client`, tasks of asyncio, tasks of trio.

Each backend lives as long as the soak, with its clients and its event loop, so that what piles up is found.
`Backend.order` has its workers do a round, and `Backend.wait` waits for its end.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import trio

import http3
from support.worlds import do, run_to_end

from . import traffic
from .judge import Event, Fate, Judge
from .sites import Site
from .traffic import Caller

NAMES = ("sync", "asyncio", "trio")

PLAIN, HURRIED = 0.84, 0.92
"""Up to the first number an operation is left alone, up to the second it has little time; then cancelled."""

TIGHT = ("read_timeout", "total_timeout", "write_timeout", "connect_timeout", "pool_timeout")

SOON, LATER = 0.03, 0.4
"""Seconds in which most of these end; some may last until a server is frozen, and sockets are full."""

DOWN_SECONDS = 0.15
"""For which a worker leaves a server alone that refuses connections: else it would do nothing but try."""

POOL_LIMITS = http3.PoolLimits(soft_limit=3, hard_limit=5, pool_timeout=45)
"""Fewer connections than there are workers: some wait in line."""

Clients = dict[str, Any]
"""By what they may speak."""

WAYS = {"HTTP/1.1": ("HTTP/1.1",), "HTTP/2": ("HTTP/2",), "either": ("HTTP/1.1", "HTTP/2")}


class Round:
    """What the workers of one backend are to do: so many operations each, at these sites.

    Without workers it is the calm after a round: a request to each site, which does what finalisers have left
    to be done.
    """

    def __init__(self, number: int, sites: list[Site], workers: int, operations: int, seed: int) -> None:
        self.number = number
        self.sites = sites
        self.workers = workers
        self.operations = operations
        self.seed = seed


class Backend:
    """The base. ``running`` has, for each worker, what it does and since when."""

    name = ""

    def __init__(self, judge: Judge, ca_file: str, *, fates: bool) -> None:
        self.judge = judge
        self.fates = fates
        self.running: dict[str, tuple[str, float]] = {}
        self._ca_file = ca_file
        self._orders: queue.SimpleQueue[Round | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.clients: Clients = {}
        self._thread = threading.Thread(target=self._live, name=f"soak-{self.name}", daemon=True)
        self._thread.start()

    def order(self, work: Round) -> None:
        """Begin a round."""
        self._orders.put(work)

    def wait(self, seconds: float) -> bool:
        """Whether the round that was ordered has ended meanwhile. Raises what it raised."""
        try:
            failure = self._done.get(timeout=seconds)
        except queue.Empty:
            return False
        if failure is not None:
            raise failure
        return True

    def close(self) -> None:
        """Close the clients, end the thread."""
        self._orders.put(None)
        self._thread.join()

    def holdings(self) -> tuple[int, int]:
        """Leases that are not given back, and idle connections; between two rounds."""
        pools = [client._engine._transport for client in self.clients.values()]
        opened = [pool for pool in pools if pool is not None]
        return (
            sum(len(pool.active_connections) for pool in opened),
            sum(len(pool.keepalive_connections) for pool in opened),
        )

    def _live(self) -> None:
        raise NotImplementedError

    def _make_clients(self, kind: Callable[..., Any]) -> None:
        self.clients = {
            name: kind(
                verify=self._ca_file, http_versions=versions, timeout=traffic.LIMITS, pool_limits=POOL_LIMITS
            )
            for name, versions in WAYS.items()
        }

    def client_for(self, site: Site) -> Any:
        """The one that speaks what the site is to be spoken to in."""
        return self.clients["either" if site.by_alpn else site.version]

    # One worker, in all worlds.

    async def work(self, round_: Round, number: int) -> None:
        """So many operations, one after the other."""
        random = Random(f"{round_.seed} {self.name} {round_.number} {number}")
        worker = f"{self.name}-{number}"
        for count in range(round_.operations):
            site = random.choice(round_.sites)
            operation = traffic.choose(site.kind, random)
            fate = self._fate(random, operation)
            mark = f"{worker}-{round_.number}-{count}-{random.randrange(1 << 32):x}"
            caller = Caller(self.client_for(site), site, mark, worker, random, self.together)
            if fate.kind == "tight":
                name = random.choice(TIGHT)
                caller.limits = http3.TimeoutConfig(traffic.LIMITS, **{name: fate.seconds})
            is_down = await self._carry_out(worker, operation, caller, fate)
            await self.sleep(DOWN_SECONDS if is_down else 0)

    def _fate(self, random: Random, operation: traffic.Operation) -> Fate:
        drawn = random.random()
        if not self.fates or drawn < PLAIN or operation in traffic.KEPT_WHOLE:
            return Fate()
        kind = "tight" if drawn < HURRIED or self.name == "sync" else "cancelled"
        return Fate(kind, random.uniform(0.0002, SOON if random.random() < 0.8 else LATER))

    async def _carry_out(self, worker: str, operation: traffic.Operation, caller: Caller, fate: Fate) -> bool:
        """True if the server is down."""
        now = self.judge.now
        name = getattr(operation, "__name__", "?")
        began = now()
        self.running[worker] = (f"{self.name}, {caller.site.name}, {name} ({fate.kind})", began)
        site = caller.site

        def event() -> Event:
            return Event(self.name, site.name, site.server.name, name, fate, began, now())

        try:
            if fate.kind == "cancelled":
                ended = await self.cancelled(operation, caller, fate.seconds)
                self.judge.fine(event(), "answered" if ended else "cancelled")
            else:
                await operation(caller)
                self.judge.fine(event())
        except Exception as exc:  # noqa: BLE001 - the judge's to explain
            for failure in flat(exc):
                self.judge.failed(event(), failure)
            return isinstance(exc, http3.ConnectError)
        finally:
            self.running.pop(worker, None)
        return False

    async def cancelled(self, operation: traffic.Operation, caller: Caller, seconds: float) -> bool:
        """Carry it out, cancelled after a while; whether it has ended before."""
        raise NotImplementedError

    async def together(self, functions: list[Callable[[], Any]]) -> None:
        """At the same time, or one after the other where nothing suspends."""
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        """Wait; for no time at all, let others run."""
        raise NotImplementedError

    async def calm(self, round_: Round) -> None:
        """See `Round`."""
        for site in round_.sites:
            mark = f"{self.name}-{round_.number}"
            caller = Caller(self.client_for(site), site, mark, self.name, Random(0), self.together)
            operation = traffic.static_file if site.kind == "nghttpd" else traffic.get
            await self._carry_out("calm", operation, caller, Fate())

    async def close_clients(self) -> None:
        for client in self.clients.values():
            await do(client.close())


class SyncBackend(Backend):
    """Threads over one client."""

    name = "sync"

    async def together(self, functions: list[Callable[[], Any]]) -> None:
        for function in functions:
            await function()

    async def sleep(self, seconds: float) -> None:
        if seconds:
            time.sleep(seconds)  # noqa: ASYNC251 - nothing else runs in this world

    def _live(self) -> None:
        self._make_clients(http3.Client)
        while (round_ := self._orders.get()) is not None:
            self._done.put(self._round(round_))
        run_to_end(self.close_clients())

    def _round(self, round_: Round) -> BaseException | None:
        failures: list[BaseException] = []

        def live(number: int) -> None:
            try:
                run_to_end(self.work(round_, number))
            except BaseException as exc:  # noqa: BLE001 - raised by `wait`
                failures.append(exc)

        threads = [
            threading.Thread(target=live, args=(number,), name=f"soak-sync-{number}", daemon=True)
            for number in range(round_.workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not threads:
            run_to_end(self.calm(round_))
        return failures[0] if failures else None


class AsyncBackend(Backend):
    """Tasks over one client; the base of both libraries. The loop goes on turning between rounds."""

    async def _serve(self) -> None:
        self._make_clients(http3.AsyncClient)
        while True:
            try:
                round_ = self._orders.get_nowait()
            except queue.Empty:
                await self.sleep(0.01)
                continue
            if round_ is None:
                break
            try:
                await self.together([self._worker(round_, number) for number in range(round_.workers)])
                if not round_.workers:
                    await self.calm(round_)
            except Exception as exc:  # noqa: BLE001 - raised by `wait`
                self._done.put(exc)
            else:
                self._done.put(None)
        await self.close_clients()
        await self.sleep(0.1)

    def _worker(self, round_: Round, number: int) -> Callable[[], Coroutine[Any, Any, None]]:
        return lambda: self.work(round_, number)


class AsyncioBackend(AsyncBackend):
    """On asyncio."""

    name = "asyncio"

    def _live(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._noticed)
        await self._serve()

    def _noticed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.judge.noticed(f"asyncio: {context}")

    async def together(self, functions: list[Callable[[], Any]]) -> None:
        async with asyncio.TaskGroup() as group:
            for function in functions:
                group.create_task(function())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def cancelled(self, operation: traffic.Operation, caller: Caller, seconds: float) -> bool:
        task = asyncio.ensure_future(operation(caller))
        await asyncio.wait({task}, timeout=seconds)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return False
        return True


class TrioBackend(AsyncBackend):
    """On trio."""

    name = "trio"

    def _live(self) -> None:
        trio.run(self._serve)

    async def together(self, functions: list[Callable[[], Any]]) -> None:
        async with trio.open_nursery() as nursery:
            for function in functions:
                nursery.start_soon(function)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def cancelled(self, operation: traffic.Operation, caller: Caller, seconds: float) -> bool:
        with trio.move_on_after(seconds) as scope:
            await operation(caller)
        return not scope.cancelled_caught


def flat(exc: Exception) -> list[Exception]:
    """What several functions at the same time have raised, one by one."""
    if not isinstance(exc, ExceptionGroup):
        return [exc]
    return [each for inner in exc.exceptions for each in flat(inner)]


BACKENDS: dict[str, type[Backend]] = {
    "sync": SyncBackend,
    "asyncio": AsyncioBackend,
    "trio": TrioBackend,
}
