"""Our backends pass the public suite, and the suite can fail."""

from __future__ import annotations

import ast
import inspect
import select
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from http3_transport import Address, BlockingBackend, OperationTimeout, Stream, Waiter
from http3_transport.testing import BACKEND_CHECKS, _conformance, check_backend
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


class Silent(BlockingBackend):
    """Its streams read nothing, and say so without a word."""

    async def connect_address(self, address: Address, timeout: float | None) -> Stream:
        stream = await super().connect_address(address, timeout)
        return cast(Stream, Deaf(stream))


class Deaf:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)

    async def read(self, max_bytes: int, timeout: float | None) -> bytes:
        raise OperationTimeout


class Hasty(BlockingBackend):
    async def resolve(self, host: str, port: int, timeout: float | None) -> Sequence[Address]:
        raise OperationTimeout("no")

    async def sleep(self, seconds: float) -> None:
        """No time for that."""

    def call_soon(self, loop_token: object, action: Callable[[], object]) -> bool:
        return True


@pytest.mark.parametrize(
    ("broken", "name", "message"),
    [
        (
            ForgetsTheOthers,
            "the_first_that_connects_wins",
            r"ConnectionRefusedError: \[Errno 111\] .*",
        ),
        (
            NeverWakes,
            "a_waiter_gives_up",
            r"wait\(0.1\) without set\(\) must return False, but returned True",
        ),
        (
            LooksUpNothing,
            "literals_need_no_lookup",
            r"resolve\('127.0.0.1', 80\) must return \[.*'127.0.0.1', 80.*\], but returned \[\]",
        ),
        (
            LooksUpNothing,
            "names_are_looked_up",
            r"resolve\('localhost', 8080\) must return an address at least, but returned \[\]",
        ),
        (
            LooksUpNothing,
            "unknown_names_fail",
            r"resolve\('no such host'\) must raise an OSError, but returned \[\]",
        ),
        (
            Hasty,
            "unknown_names_fail",
            r"resolve\('no such host'\) must raise an OSError, but raised OperationTimeout: resolve\(.*",
        ),
        (Hasty, "sleep_takes_its_time", r"sleep\(0.1\) must take 0.1 s, but took 0.\d+ s"),
        (Silent, "connects", r"OperationTimeout: read\(4, 10.0\) gave up after 0.0 s"),
    ],
)
def test_broken_backends_are_found(broken: type[BlockingBackend], name: str, message: str) -> None:
    with pytest.raises(AssertionError, match=f"^{name}: {message}$"):
        check_backend(None, broken(), [name])


def test_a_check_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no check is called 'conects'; there are .*connects"):
        check_backend(None, BlockingBackend(), ["conects"])


def test_every_failure_has_a_message() -> None:
    """Who writes a backend does without pytest, which shows more of an assertion."""
    sources = sorted(Path(inspect.getfile(_conformance)).parent.glob("*.py"))
    assert len(sources) > 5
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            assert not isinstance(node, ast.Assert) or node.msg is not None, f"{source}:{node.lineno}"


def test_an_operation_timeout_has_a_text() -> None:
    assert str(OperationTimeout()) == "the operation took longer than the seconds it was given"
    assert str(OperationTimeout("read")) == "read"
