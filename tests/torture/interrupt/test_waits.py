"""Every operation, cancelled at its waits: nothing is left, the next request is served.

On asyncio while it waits, and when what it waits for is there; and on trio, which delivers what came, and
cancels at the next wait. The number of points is printed (``pytest -s``). Where there are many, some are
left out, see `interruption.points`.
"""

from __future__ import annotations

import gc
import warnings
from functools import partial
from pathlib import Path

import pytest

import http3
from support.interrupted_requests import (
    OPERATIONS,
    PROXIES,
    SIZE,
    TARGETS,
    Operation,
    Target,
    ask,
    closing,
    note,
    one_request,
    silent_first_address,
    streamed,
    through,
    upload_much,
    whole,
)
from support.interruption import check_pool, interrupted, open_sockets, points, take_turns, tasks
from support.servers import Authority, Nginx
from support.worlds import World

pytestmark = pytest.mark.thorough

OTHER_PART = {"Range": f"bytes={SIZE}-{2 * SIZE - 1}"}


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, nginx: Nginx, authority: Authority) -> Target:
    return Target.of(request.param, nginx, authority)


operations = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)


@operations
@pytest.mark.parametrize("late", [False, True], ids=["waiting", "served"])
def test_cancelled_at_every_wait(world: World, target: Target, operation: Operation, late: bool) -> None:
    cancel_everywhere(world, target, operation, late=late)


@pytest.mark.parametrize("late", [False, True], ids=["waiting", "served"])
def test_cancelled_in_a_race_of_addresses(
    world: World, target: Target, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_first_address(target, monkeypatch):
        cancel_everywhere(world, target, one_request, late=late, where=", racing")


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("late", [False, True], ids=["waiting", "served"])
def test_cancelled_on_the_way_through_a_proxy(
    world: World, target: Target, proxy: str, late: bool, authority: Authority, tmp_path: Path
) -> None:
    if target.name not in ("plain", "tls_h2"):
        pytest.skip("a forwarded request and a tunnel are enough")
    with through(target, proxy, authority, tmp_path):
        cancel_everywhere(world, target, one_request, late=late, where=f", by {proxy}")


def cancel_everywhere(
    world: World, target: Target, operation: Operation, *, late: bool, where: str = ""
) -> None:
    if world.name == "sync":
        pytest.skip("see the test below")
    if late and world.name == "trio":
        pytest.skip("trio delivers what came, and cancels at the next wait")
    if not target.can_do(operation):
        pytest.skip("nobody says 100 there")

    async def main() -> int:
        running = tasks()
        for tried, number in enumerate(points()):
            sockets = open_sockets()
            pool = target.make_pool()
            client = http3.AsyncClient(dispatch=pool)
            reached = await interrupted(partial(operation, client, target.url), number, late=late)
            await take_turns()
            gc.collect()
            try:
                assert tasks() == running
                if operation is not closing:
                    check_pool(pool, sockets=sockets)
                    await ask(client, target.url)
                    check_pool(pool, sockets=sockets)
            except BaseException as exc:
                exc.add_note(f"cancelled at wait {number}")
                raise
            await client.close()
            await take_turns()
            if not reached:
                return tried
        raise AssertionError

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        note(f"{world.name}{', served' if late else ''}{where}", target, operation, world.run(main))


@pytest.mark.parametrize(
    "operation", [one_request, upload_much, streamed, whole], ids=lambda operation: operation.__name__
)
def test_a_sibling_lives(world: World, target: Target, operation: Operation) -> None:
    """On the same HTTP/2 connection, whatever of the other's request had left."""
    if world.name == "sync" or not target.multiplexes:
        pytest.skip("nothing is cancelled there, or nothing shared")

    async def main() -> int:
        expected = b"".join(n.to_bytes(8, "big") for n in range(SIZE // 8, SIZE // 4))
        for tried, number in enumerate(points()):
            sockets = open_sockets()
            pool = target.make_pool()
            client = http3.AsyncClient(dispatch=pool)
            sibling = await client.get(f"{target.url}/big", headers=OTHER_PART, stream=True)
            reached = await interrupted(partial(operation, client, target.url), number, late=False)
            await take_turns()
            gc.collect()
            assert await sibling.read() == expected, f"beside one that was cancelled at wait {number}"
            await ask(client, target.url)
            check_pool(pool, sockets=sockets)
            await client.close()
            await take_turns()
            if not reached:
                return tried
        raise AssertionError

    note(f"{world.name}, beside a sibling", target, operation, world.run(main), least=1)
