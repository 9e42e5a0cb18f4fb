"""Every operation of blocking code, interrupted at every call to the kernel and OpenSSL: nothing is left.

Before and after each call, by a KeyboardInterrupt, and before it by an exception of an unknown class. The
number of points is printed (``pytest -s``). Where there are many, some are left out, see
`interruption.points`.
"""

from __future__ import annotations

import gc
import warnings
from functools import partial
from pathlib import Path

import pytest

import http3
from http3_transport import BlockingBackend
from support.interrupted_requests import (
    OPERATIONS,
    PROXIES,
    TARGETS,
    Operation,
    Target,
    ask,
    closing,
    note,
    one_request,
    silent_first_address,
    through,
)
from support.interruption import Alarm, AtCall, Interruption, check_pool, open_sockets, points
from support.servers import Authority, Nginx
from support.worlds import World

pytestmark = pytest.mark.thorough


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, nginx: Nginx, authority: Authority) -> Target:
    return Target.of(request.param, nginx, authority)


moments = pytest.mark.parametrize(
    ("after", "kind"),
    [(False, Interruption), (True, Interruption), (False, Alarm)],
    ids=["before", "after", "by something unknown"],
)
operations = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)


@operations
@moments
def test_interrupted_at_every_system_call(
    target: Target, operation: Operation, after: bool, kind: type[BaseException]
) -> None:
    if not target.can_do(operation):
        pytest.skip("nobody says 100 there")
    interrupt_everywhere(target, operation, after=after, kind=kind)


@moments
def test_interrupted_in_a_race_of_addresses(
    target: Target, after: bool, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_first_address(target, monkeypatch):
        interrupt_everywhere(target, one_request, after=after, kind=kind, where=", racing")


@pytest.mark.parametrize("proxy", PROXIES)
@moments
def test_interrupted_on_the_way_through_a_proxy(
    target: Target,
    proxy: str,
    after: bool,
    kind: type[BaseException],
    authority: Authority,
    tmp_path: Path,
) -> None:
    if target.name not in ("plain", "tls_h2"):
        pytest.skip("a forwarded request and a tunnel are enough")
    with through(target, proxy, authority, tmp_path):
        interrupt_everywhere(target, one_request, after=after, kind=kind, where=f", by {proxy}")


def interrupt_everywhere(
    target: Target, operation: Operation, *, after: bool, kind: type[BaseException], where: str = ""
) -> None:
    sockets = open_sockets()
    tried = 0
    for number in points():
        attempt = AtCall(number, after=after, kind=kind)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                reached = interrupt_once(target, operation, attempt, sockets)
            except BaseException as exc:
                exc.add_note(f"interrupted at {attempt.where}")
                raise
        # In the midst of closing a socket it leaves that to the socket's finaliser, which complains.
        assert not caught or "socket.close c_call" in attempt.where, (attempt.where, caught[0].message)
        if not reached:
            break
        tried += 1
    where = f"blocking, {'after' if after else 'before'}, {kind.__name__}{where}"
    note(where, target, operation, tried)


def interrupt_once(target: Target, operation: Operation, attempt: AtCall, sockets: int) -> bool:
    """With a client of its own; True if it came so far."""
    run_to_end = World("sync").run
    pool = target.make_pool(backend=BlockingBackend())
    client = http3.Client(dispatch=pool)
    reached = attempt.run(partial(run_to_end, operation, client, target.url))
    gc.collect()
    if operation is not closing:
        check_pool(pool, sockets=sockets)
        run_to_end(ask, client, target.url)
        check_pool(pool, sockets=sockets)
    client.close()
    del pool, client
    if "socket.close c_call" in attempt.where:
        gc.collect()  # within the caller's block, which takes note of what that warns of
    assert open_sockets() == sockets
    return reached
