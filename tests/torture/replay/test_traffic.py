"""Thousands of POSTs to servers that die at random; ``python -m tests.replay`` sends as many as one likes."""

from __future__ import annotations

from collections import Counter

import pytest

import http3
import replay
import simulate


@pytest.mark.parametrize("version", replay.VERSIONS)
@pytest.mark.parametrize("tasks", [False, True], ids=["threads", "tasks"])
def test_nothing_is_done_twice(version: str, tasks: bool) -> None:
    result = replay.run(2000, version, tasks=tasks)
    assert not result.wrong, "\n".join(result.wrong)
    assert sum(result.outcomes.values()) == 2000
    # Many must get through, and many must not, for this to mean something.
    assert result.outcomes["answered"] > 200, result.outcomes
    assert result.outcomes["answered"] < 1990, result.outcomes


@pytest.mark.parametrize("version", simulate.VERSIONS)
def test_nor_over_a_network_that_fails(version: str) -> None:
    acted_on = 0
    for seed in range(6):
        run = simulate.Run(seed, version, posts=True)
        run.check()
        acted_on += run.executed.total()
    assert acted_on > 50


def test_a_request_that_is_acted_on_twice_is_noticed() -> None:
    judge = replay.Judge()
    assert judge.verdict(Counter({b"/1": 1})) == []
    assert judge.verdict(Counter({b"/1": 2})) == ["b'/1' was acted on 2 times"]


def test_an_untrue_delivery_is_noticed() -> None:
    judge = replay.Judge()
    judge.failed(b"/1", http3.ReadError("text", delivery=http3.Delivery.NOT_SENT))
    assert judge.verdict(Counter()) == []
    assert judge.verdict(Counter({b"/1": 1})) == ["b'/1' was acted on, and is not_sent"]


def test_another_answer_is_noticed() -> None:
    judge = replay.Judge()
    judge.answered(b"/1", http3.Response(200, content=b"/2"))
    assert judge.verdict(Counter()) == ["b'/1' was answered with b'/2'"]
