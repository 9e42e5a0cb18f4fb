"""Our backends pass the public suite, and the suite can fail."""

from __future__ import annotations

import select
from collections.abc import Sequence

import pytest

from http3_transport import BlockingBackend
from http3_transport._interfaces import Address, Stream, Waiter
from http3_transport.testing import BACKEND_CHECKS, check_backend
from support.stream_pairs import run_uvloop
from support.worlds import World


@pytest.mark.parametrize("name", BACKEND_CHECKS)
def test_backends_conform(world: World, name: str) -> None:
    check_backend(world.run, world.backend, [name])


@pytest.mark.parametrize("name", BACKEND_CHECKS)
def test_asyncio_backend_conforms_on_uvloop(name: str) -> None:
    check_backend(run_uvloop, World("asyncio").backend, [name])


@pytest.mark.parametrize("name", BACKEND_CHECKS)
def test_blocking_backend_conforms_without_poll(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    world = World("sync")
    check_backend(world.run, world.backend, [name])


class ForgetsTheOthers(BlockingBackend):
    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        return await self.connect_address(addresses[0], timeout)


class NeverWakes(BlockingBackend):
    def waiter(self) -> Waiter:
        waiter = super().waiter()
        waiter.set()
        return waiter


class LooksUpNothing(BlockingBackend):
    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        return []


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (ForgetsTheOthers, "the_first_that_connects_wins"),
        (NeverWakes, "a_waiter_gives_up"),
        (LooksUpNothing, "names_are_looked_up"),
        (LooksUpNothing, "unknown_names_fail"),
    ],
)
def test_broken_backends_are_found(broken: type[BlockingBackend], name: str) -> None:
    with pytest.raises(AssertionError, match=f"^{name}: ."):
        check_backend(World("sync").run, broken(), [name])
