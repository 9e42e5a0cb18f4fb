"""Random traffic over a network that fails: what `simulate` says must hold, for the first seeds.

``python -m tests.simulate`` runs more of them, and single ones with their traces.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

import http3
import simulate
from http3_transport.testing import Faults, HTTP11Server, ServerConnection, Simulation
from support.source_tree import ROOT

SEEDS = 20
"""Of each version, in portions of ten."""


@pytest.mark.parametrize("version", simulate.VERSIONS)
@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_what_must_hold(version: str, first: int) -> None:
    wrong: list[str] = []
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + 10):
        run = simulate.Run(seed, version)
        try:
            run.check()
        except AssertionError as exc:
            wrong.append(f"python -m tests.simulate --seeds 1 --first {seed} --version {version}\n{exc}")
        outcomes += run.outcomes
    assert not wrong, "\n".join(wrong)
    # The network must fail for this to mean something, and so must it not.
    assert outcomes["200"] > 100, outcomes
    assert outcomes["cancelled"] > 10, outcomes
    assert len(outcomes) > 7, outcomes


def digests(hash_seed: int) -> str:
    """What a process of its own makes of some seeds."""
    command = [sys.executable, "-m", "tests.simulate", "--seeds", "1", "--first", "1", "--digest"]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=100
    )
    return "".join(line for line in ended.stdout.splitlines(keepends=True) if line.startswith("seed "))


def test_one_seed_is_one_run() -> None:
    """Event by event the same, in processes that differ in their hashes, addresses and past."""
    here = ""
    for version in simulate.VERSIONS:
        run = simulate.Run(1, version)
        run.check()
        here += f"seed 1, {version}: {run.simulation.trace.digest}\n"
    assert digests(1) == here
    assert digests(2) == here


class WrongServer(HTTP11Server):
    """Answers the first request, and every later one with that answer."""

    first: bytes | None = None

    async def __call__(self, connection: ServerConnection) -> None:
        head = await connection.read_until(b"\r\n\r\n")
        mark = head.split(b" ")[1].split(b"?")[0].split(b"/")[2]
        self.first = self.first or mark
        await connection.write(b"HTTP/1.1 200 OK\r\nX-Mark: %b\r\nContent-Length: 0\r\n\r\n" % self.first)


def test_wrong_answers_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "HTTP11Server", WrongServer)
    with pytest.raises(simulate.Wrong, match="an answer with the mark"):
        simulate.Run(1, "HTTP/1.1").check()


def test_what_is_left_open_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[http3.ConnectionPool] = []

    async def close(self: http3.ConnectionPool) -> None:
        """Forget to. A pool that is collected would warn, too."""
        forgotten.append(self)

    monkeypatch.setattr(http3.ConnectionPool, "close", close)
    with pytest.raises(simulate.Wrong, match=r"open after close\(\): [1-9]"):
        for seed in range(10):  # in some of them connections stay open when idle
            simulate.Run(seed, "HTTP/1.1").check()
    for pool in forgotten:
        if pool._scope is not None:
            pool._scope.drop()


def test_an_hour_of_traffic() -> None:
    """A request every six seconds."""
    simulation = Simulation(1, faults=Faults(latency=(0.01, 0.2), partial_read=0.1))
    simulation.serve("api.test", 80, HTTP11Server(lambda request: http3.Response(200, text=request.url.path)))

    async def main() -> None:
        async with http3.AsyncClient(backend=simulation.backend) as client:
            for number in range(600):
                response = await client.get(f"http://api.test/{number}")
                assert response.text == f"/{number}"
                await simulation.sleep(6)

    simulation.run(main)
    assert simulation.now() > 3600
