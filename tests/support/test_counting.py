"""What tests/costs counts with: that it sees what is there, and that the guard would complain."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from pathlib import Path

import pytest

from costs import pinned
from costs.__main__ import to_pin
from costs.counters import CallCounter, StepLoop
from costs.counts import Found
from costs.memory import left_behind
from costs.system_calls import counted
from costs.worker import Job, ask
from costs.workloads import Sites


def twice(value: str) -> int:
    return once(value) + once(value)


def once(value: str) -> int:
    return len(value)


def test_calls_are_counted_by_name() -> None:
    counter = CallCounter()
    counter.start()
    twice("four")
    counter.stop()
    twice("four")
    found = counter.found()
    assert found["functions"] == {"test_counting:twice": 1, "test_counting:once": 2}
    assert found["builtins"] == {"len": 2}
    assert not found["kernel"]


def test_calls_of_sockets_are_told_apart() -> None:
    left, right = socket.socketpair()
    counter = CallCounter()
    with left, right:
        counter.start()
        left.send(b"x")
        right.recv(1)
        right.fileno()
        counter.stop()
    assert counter.found()["kernel"] == {"socket.send": 1, "socket.recv": 1}


def test_the_loop_counts_what_it_is_asked_for() -> None:
    async def main() -> dict[str, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StepLoop)
        before = loop.asked()
        waiter = loop.create_future()
        loop.call_later(0.001, waiter.set_result, None)
        await waiter
        await loop.create_task(asyncio.sleep(0))
        return dict(loop.asked() - before)

    with asyncio.Runner(loop_factory=StepLoop) as runner:
        found = runner.run(main())
    assert found["futures"] == found["timers"] == found["tasks"] == 1
    assert 3 <= found["turns"] <= 6
    assert 3 <= found["callbacks"] <= 6


def test_a_loop_in_step_looks_when_all_have_answered() -> None:
    """Ten answers come one by one; the loop that knows how many bytes they are looks once for all."""
    pairs = [socket.socketpair() for _ in range(10)]

    def answer() -> None:
        for _, peer in pairs:
            time.sleep(0.003)
            peer.send(b"answer")

    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StepLoop)
        turns = 0
        for step in (loop.step.learn, loop.step.hold):
            step()
            peers = threading.Thread(target=answer)
            peers.start()
            before = loop.asked()
            await asyncio.gather(*(loop.sock_recv(mine, 100) for mine, _ in pairs))
            turns = (loop.asked() - before)["turns"]
            peers.join()
        return turns

    for mine, _ in pairs:
        mine.setblocking(False)
    with asyncio.Runner(loop_factory=StepLoop) as runner:
        assert runner.run(main()) < 10  # and twice as many where each is seen alone
    for mine, peer in pairs:
        mine.close()
        peer.close()


def test_what_is_left_behind_is_found() -> None:
    kept: list[object] = []

    async def keeping(count: int) -> None:
        kept.extend([index] for index in range(1000, 1000 + count))

    async def tied_up(count: int) -> None:
        for _ in range(count):
            knot: list[object] = []
            knot.append(knot)

    gc.disable()
    leaking = asyncio.run(left_behind(keeping, 100, 50))
    kept.clear()
    tied = asyncio.run(left_behind(tied_up, 100, 0))
    gc.enable()
    assert leaking["blocks"]["blocks"] >= 1.5
    assert sum(leaking["bytes"].values()) > 60
    assert leaking["peak"]["peak"] > 3
    assert tied["cycles"]["builtins.list"] == pytest.approx(1, abs=0.3)
    assert tied["blocks"]["blocks"] < 0.5


def test_system_calls_are_told_from_the_lines_of_strace() -> None:
    lines = """\
71 read(3, "", 10) = 0
71 newfstatat(AT_FDCWD, "/costs/sync-get/begin", 0x7ffc, 0) = -1 ENOENT (No such file or directory)
71 poll([{fd=3, events=POLLIN}], 1, 0) = 0 (Timeout)
71 recvfrom(3,  <unfinished ...>
72 futex(0x55d0, FUTEX_WAKE_PRIVATE, 1) = 1
71 <... recvfrom resumed>"HTTP/1.1 200 OK", 65536, 0, NULL, NULL) = 15
71 ioctl(5, FIONREAD, [1278]) = 0
71 pselect6(0, [], [], [], {tv_sec=0, tv_nsec=1000000}, NULL) = 0 (Timeout)
71 newfstatat(AT_FDCWD, "/costs/sync-get/end", 0x7ffc, 0) = -1 ENOENT (No such file or directory)
71 write(1, "{}", 2) = 2
newfstatat(AT_FDCWD, "/costs/trio-get/begin", 0x7ffc, 0) = -1 ENOENT (No such file or directory)
epoll_wait(4, [], 2, 0) = 0
newfstatat(AT_FDCWD, "/costs/trio-get/end", 0x7ffc, 0) = -1 ENOENT (No such file or directory)
+++ exited with 0 +++
"""
    assert counted(lines.splitlines()) == {
        "sync-get": {"poll": 1, "recvfrom": 1, "futex": 1},
        "trio-get": {"epoll_wait": 1},
    }


def test_a_tenth_more_is_accepted_and_no_more() -> None:
    allowed = {"strace": 4.0, "functions": 100.0, "bytes": 0.0}
    assert (
        pinned.excess("get", {"strace": 4.4, "functions": 110.0, "bytes": 100.0, "new": 7.0}, allowed) == {}
    )
    complaints = pinned.excess("get", {"strace": 5.0, "functions": 111.0, "bytes": 200.0}, allowed)
    assert complaints == {
        "strace": "get: 5.00 strace a request, more than 4.45 (4 are pinned)",
        "functions": "get: 111.00 functions a request, more than 110.05 (100 are pinned)",
        "bytes": "get: 200.00 bytes a request, more than 128.00 (0 are pinned)",
    }


def test_pinning_leaves_other_lines_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned, "FILE", tmp_path / "pinned.toml")
    pinned.pin("get", {"strace": 4.004, "functions": 118.25}, "3.13")
    pinned.pin("get", {"functions": 100.0}, "3.9")
    pinned.pin("post", {"functions": 7.0}, "3.9")
    pinned.pin("get", {"strace": 5.004, "functions": -0.001}, "3.13")
    assert pinned.table() == {
        "3.9": {"get": {"functions": 100}, "post": {"functions": 7}},
        "3.13": {"get": {"strace": 5, "functions": 0}},
    }
    text = (tmp_path / "pinned.toml").read_text()
    assert text.startswith("# What one request costs")
    assert text.index("3.9") < text.index("3.13")
    assert "get = { strace = 5, functions = 0 }" in text


def test_what_strace_found_is_kept_where_there_is_none() -> None:
    known = {"strace": 4.0, "functions": 100.0, "gone": 1.0}
    assert to_pin(known, {"functions": 90.0}) == {"strace": 4.0, "functions": 90.0}
    assert to_pin(known, {"strace": 3.0, "memory": 2.0}) == {"strace": 3.0}


def test_lists_begin_with_the_most_frequent() -> None:
    found = Found({}, {"functions": {"seldom": 0.5, "often": 3.0, "once": 1.0}})
    assert found.listed("functions", 2).split() == ["3.00", "often", "1.00", "once"]
    assert found.listed("strace") == ""


def test_a_worker_that_fails_tells_why() -> None:
    sites = Sites({"plain": "http://127.0.0.1:1/"}, "none")
    with pytest.raises(RuntimeError, match="count of sync-get failed(?s:.*)ConnectError"):
        ask(Job("count", ["sync-get"], sites))
