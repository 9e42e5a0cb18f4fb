"""The lock of coroutines: fair, with a deadline, and never lost by one that gives up."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import trio

from http3_transport._http2.lock import FIFOLock
from support.http2_client import cancelled_after, together
from support.worlds import World


async def test_it_is_free_or_held(world: World) -> None:
    lock = FIFOLock(world.backend)
    assert "free" in repr(lock)
    assert await lock.acquire(1)
    assert lock.is_held
    assert not lock.try_acquire()
    assert "held" in repr(lock)
    lock.release()
    assert lock.try_acquire()
    lock.release()
    with pytest.raises(RuntimeError):
        lock.release()


def test_first_come_first_served(world: World) -> None:
    async def main() -> list[int]:
        lock = FIFOLock(world.backend)
        assert lock.try_acquire()
        order: list[int] = []

        async def until(waiting: int) -> None:
            while f"{waiting} waiting" not in repr(lock):
                await world.backend.sleep(0.001)

        async def take(index: int) -> None:
            await until(index)
            assert await lock.acquire(5)
            order.append(index)
            lock.release()

        async def let_go() -> None:
            await until(4)
            lock.release()

        calls = [lambda index=index: take(index) for index in range(4)]
        assert await together(world, *calls, let_go) == [None] * 5
        assert not lock.is_held
        return order

    assert world.run(main) == [0, 1, 2, 3]


async def test_giving_up_after_the_deadline(world: World) -> None:
    lock = FIFOLock(world.backend)
    assert lock.try_acquire()
    started = time.monotonic()
    assert not await lock.acquire(0.1)
    assert 0.05 < time.monotonic() - started < 1
    assert "0 waiting" in repr(lock)
    lock.release()
    assert await lock.acquire(None)


async def test_cancelling_one_in_line(world: World) -> None:
    if world.name == "sync":
        pytest.skip("a thread can't be cancelled")
    lock = FIFOLock(world.backend)
    assert lock.try_acquire()
    await cancelled_after(world, 0.05, lambda: lock.acquire(5))
    lock.release()
    assert not lock.is_held


def test_a_chosen_one_that_is_cancelled_passes_it_on() -> None:
    """The lock is bytes_written over and the task cancelled in the same turn of the loop."""

    async def with_asyncio() -> None:
        lock = FIFOLock(World("asyncio").backend)
        assert lock.try_acquire()
        chosen = asyncio.ensure_future(lock.acquire(5))
        following = asyncio.ensure_future(lock.acquire(5))
        await asyncio.sleep(0.05)
        lock.release()
        chosen.cancel()
        assert await following
        assert chosen.cancelled()
        lock.release()
        assert not lock.is_held

    async def with_trio() -> None:
        lock = FIFOLock(World("trio").backend)
        assert lock.try_acquire()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lock.acquire, 5)
            await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
            lock.release()
        # Either it took the lock and returned, or it was cancelled and let it go.
        if lock.is_held:
            lock.release()
        assert await lock.acquire(1)

    asyncio.run(with_asyncio())
    trio.run(with_trio)


def test_many_threads_share_it() -> None:
    world = World("sync")
    lock = FIFOLock(world.backend)
    inside = 0
    most = 0

    def work() -> None:
        async def main() -> None:
            nonlocal inside, most
            for _ in range(200):
                assert await lock.acquire(20)
                inside += 1
                most = max(most, inside)
                inside -= 1
                lock.release()

        world.run(main)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1
    assert not lock.is_held


async def test_once_open_it_keeps_nobody(world: World) -> None:
    lock = FIFOLock(world.backend)
    assert lock.try_acquire()
    got: list[bool] = []

    async def take() -> None:
        got.append(await lock.acquire(20))
        lock.release()

    async def open_it() -> None:
        await world.backend.sleep(0.1)
        lock.open()

    began = time.monotonic()
    assert await together(world, take, take, open_it) == [None] * 3
    assert got == [True, True]
    assert time.monotonic() - began < 10
    assert await lock.acquire(0.1)
    assert lock.try_acquire()
    lock.release()
