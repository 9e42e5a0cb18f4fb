"""What every `Backend` must do. Each check is a coroutine function that gets the backend."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from ..._interfaces import Address, Backend
from .peers import LIMIT, Listener, Peer
from .reporting import RunFunction, named, picked, reporting, run_without_loop, shown
from .steps import fails_with_oserror, read_exactly, same_bytes, times_out

if TYPE_CHECKING:
    from ..._interfaces import Stream

BackendCheck = Callable[[Backend], Awaitable[None]]


async def scope_is_the_same_all_along(backend: Backend) -> None:
    """Connections of one run belong together, and their loop is alive while it runs."""
    loop_token = backend.loop_token()
    await backend.sleep(0)
    again = backend.loop_token()
    assert again is loop_token or again == loop_token, (
        f"loop_token() must stay the same during a run, but was {shown(loop_token)} and then {shown(again)}"
    )
    ended = backend.loop_has_ended(loop_token)
    assert not ended, f"loop_has_ended() must be False for the loop that runs, but returned {ended!r}"


async def literals_need_no_lookup(backend: Backend) -> None:
    """An address in digits resolves to itself, at once."""
    expected: dict[str, list[Address]] = {"127.0.0.1": [(socket.AF_INET, ("127.0.0.1", 80))]}
    if socket.has_ipv6:
        expected["::1"] = [(socket.AF_INET6, ("::1", 80, 0, 0))]
    for host, addresses in expected.items():
        found = list(await backend.resolve(host, 80, LIMIT))
        assert found == addresses, f"resolve({host!r}, 80) must return {addresses}, but returned {found}"


async def names_are_looked_up(backend: Backend) -> None:
    """Also several times at once and one after the other."""
    for _ in range(2):
        found = await backend.resolve("localhost", 8080, LIMIT)
        call = "resolve('localhost', 8080)"
        assert found, f"{call} must return an address at least, but returned {found}"
        for family, address in found:
            assert family in (socket.AF_INET, socket.AF_INET6), (
                f"{call} must return addresses of AF_INET and AF_INET6 only, but returned {found}"
            )
            assert address[1] == 8080, f"{call} must return addresses with port 8080, but returned {found}"


async def unknown_names_fail(backend: Backend) -> None:
    """A name that doesn't exist is an OSError, and so is one that can't exist."""
    await fails_with_oserror("resolve('no such host')", backend.resolve("no such host", 80, LIMIT))
    too_long = "a" * 70 + ".invalid"  # a label has 63 characters at most
    await fails_with_oserror(f"resolve({too_long!r})", backend.resolve(too_long, 80, LIMIT))


async def connects(backend: Backend) -> None:
    """A stream to a listening address carries bytes both ways, and knows who is there."""
    with Listener() as listener:
        stream = await backend.connect_address(address_of(listener), LIMIT)
        peer = Peer(listener.accept(), backend.sleep)
        await talk(stream, peer)
        there = (listener.host, listener.port)
        assert stream.info.peer_address == there, (
            f"info.peer_address must be {there}, but is {stream.info.peer_address!r}"
        )
        assert stream.alpn_protocol is None, (
            f"alpn_protocol must be None without TLS, but is {stream.alpn_protocol!r}"
        )
        await end(stream, peer)


async def refusals_are_errors(backend: Backend) -> None:
    """No server listens: OSError, from one address as from several."""
    address = refusing_address()
    connecting = backend.connect_address(address, LIMIT)
    await fails_with_oserror("connect_address() to a refused address", connecting)
    racing = backend.connect_first([address, refusing_address()], LIMIT, 0.05)
    await fails_with_oserror("connect_first() to two refused addresses", racing)


async def connecting_times_out(backend: Backend) -> None:
    """A peer that doesn't answer: OperationTimeout, from one address as from several."""
    with SilentListener() as listener:
        address = address_of(listener)
        await times_out("connect_address", backend.connect_address(address, 0.2), 0.2)
        await times_out("connect_first", backend.connect_first([address, address], 0.2, 0.05), 0.2)


async def the_first_that_connects_wins(backend: Backend) -> None:
    """A refused address costs no waiting, and a second that isn't needed isn't tried."""
    with Listener() as first, Listener() as second:
        addresses = [refusing_address(), address_of(first), address_of(second)]
        start = time.monotonic()
        stream = await backend.connect_first(addresses, LIMIT, 5.0)
        taken = time.monotonic() - start
        assert taken < 2.5, (
            f"after a refused address the next must be tried at once, but was after {taken:.1f} s"
        )
        peer = Peer(first.accept(), backend.sleep)
        await talk(stream, peer)
        assert not second.has_connection(), (
            "connect_first() must not try an address after one that has connected, but did"
        )
        await end(stream, peer)


async def a_silent_address_is_overtaken(backend: Backend) -> None:
    """The next one starts after the stagger."""
    with SilentListener() as silent, Listener() as listener:
        start = time.monotonic()
        stream = await backend.connect_first([address_of(silent), address_of(listener)], LIMIT, 0.1)
        taken = time.monotonic() - start
        assert taken < LIMIT / 2, (
            f"the next address must be tried after the stagger of 0.1 s, but connected after {taken:.1f} s"
        )
        peer = Peer(listener.accept(), backend.sleep)
        await talk(stream, peer)
        await end(stream, peer)


async def a_waiter_is_set(backend: Backend) -> None:
    """Before the wait, or during it from another thread; and it stays set."""
    waiter = backend.waiter()
    states = [waiter.is_set]
    for _ in range(2):
        waiter.set()
        states.append(waiter.is_set)
    assert states == [False, True, True], (
        f"is_set at first, after set() and after a second set() must be False, True, True, but was {states}"
    )
    told = await waiter.wait(LIMIT)
    assert told, f"wait() after set() must return True, but returned {told!r}"
    waiter = backend.waiter()
    timer = threading.Timer(0.1, waiter.set)
    timer.start()
    start = time.monotonic()
    told = await waiter.wait(LIMIT)
    taken = time.monotonic() - start
    assert told, f"another thread called set(): wait() must return True, but returned {told!r}"
    assert taken < LIMIT / 2, f"another thread called set() after 0.1 s: wait() noticed after {taken:.1f} s"
    told = await waiter.wait(0)
    assert told, f"a waiter must stay set, but a second wait() returned {told!r}"
    timer.join()


async def a_waiter_gives_up(backend: Backend) -> None:
    """False after the timeout; set later, it is up for the next wait."""
    waiter = backend.waiter()
    start = time.monotonic()
    told = await waiter.wait(0.1)
    taken = time.monotonic() - start
    assert not told, f"wait(0.1) without set() must return False, but returned {told!r}"
    assert 0.09 <= taken < LIMIT / 2, f"wait(0.1) without set() must take 0.1 s, but took {taken:.3f} s"
    waiter.set()
    told = await waiter.wait(None)
    assert told, f"wait() after a wait that timed out, and set(), must return True, but returned {told!r}"


async def a_timer_fires_once(backend: Backend) -> None:
    """Not before its time, and not if it was cancelled. A backend without an event loop has none."""
    fired: list[float] = []
    start = time.monotonic()
    timer = backend.call_later(0.1, lambda: fired.append(time.monotonic() - start))
    other = backend.call_later(0.05, lambda: fired.append(0.0))
    if timer is None or other is None:
        assert timer is other, f"call_later() must always return a Timer or always None: {timer!r}, {other!r}"
        return
    other.cancel()
    while not fired and time.monotonic() - start < LIMIT:
        await backend.sleep(0.02)
    await backend.sleep(0.1)
    assert fired.count(0.0) == 0, "an action must not be called after cancel() of its timer, but was"
    assert len(fired) == 1, f"call_later() must call its action once, but did so {len(fired)} times"
    assert fired[0] >= 0.09, f"call_later(0.1) called its action after {fired[0]:.3f} s"


async def the_loop_is_called_from_elsewhere(backend: Backend) -> None:
    """`call_soon` from another thread; it returns False exactly if the call is not made."""
    called: list[object] = []
    accepted: list[bool] = []
    loop_token = backend.loop_token()

    def ask() -> None:
        accepted.append(backend.call_soon(loop_token, lambda: called.append(backend.loop_token())))

    timer = threading.Timer(0.05, ask)
    timer.start()
    start = time.monotonic()
    while (not accepted or (accepted[0] and not called)) and time.monotonic() - start < LIMIT:
        await backend.sleep(0.02)
    timer.join()
    assert accepted, "call_soon() must return at once, but did not"
    assert called == [loop_token] * accepted[0], (
        f"call_soon() returned {accepted[0]}: its action must be called {int(accepted[0])} times, in "
        f"{shown(loop_token)}, but was called {len(called)} times, in {shown(called)}"
    )
    taken = backend.call_soon(object(), ask)
    assert not taken, f"call_soon() must return False for a token of no loop, but returned {taken!r}"


async def sleep_takes_its_time(backend: Backend) -> None:
    """As long as it was told to, about."""
    start = time.monotonic()
    await backend.sleep(0.1)
    taken = time.monotonic() - start
    assert 0.09 <= taken < LIMIT / 2, f"sleep(0.1) must take 0.1 s, but took {taken:.3f} s"


BACKEND_CHECKS: dict[str, BackendCheck] = {
    check.__name__: check
    for check in (
        scope_is_the_same_all_along,
        literals_need_no_lookup,
        names_are_looked_up,
        unknown_names_fail,
        connects,
        refusals_are_errors,
        connecting_times_out,
        the_first_that_connects_wins,
        a_silent_address_is_overtaken,
        a_waiter_is_set,
        a_waiter_gives_up,
        a_timer_fires_once,
        the_loop_is_called_from_elsewhere,
        sleep_takes_its_time,
    )
}
"""All checks of a backend by name."""

# A full queue of connections makes only Linux fall silent; other systems refuse.
if not sys.platform.startswith("linux"):
    del BACKEND_CHECKS["connecting_times_out"], BACKEND_CHECKS["a_silent_address_is_overtaken"]


def check_backend(run: RunFunction | None, backend: Backend, names: Iterable[str] | None = None) -> None:
    """Check that a `Backend` keeps its contract; its streams are for `check_stream` (see `plain_pairs`).

    ``run(function, *args)`` runs a coroutine function as `trio.run` does, once for each check; None for a
    backend that never suspends. ``names`` are those of the checks to run; None for all of `BACKEND_CHECKS`.

    Raises AssertionError that begins with the check's name and says what was expected and what happened.
    """

    async def one(name: str) -> None:
        await BACKEND_CHECKS[name](reporting(backend))

    for name in picked(BACKEND_CHECKS, names):
        (run or run_without_loop)(named, one, name)


# What the checks are made of.


def address_of(listener: Listener) -> Address:
    """What to connect to."""
    return (listener.family, (listener.host, listener.port))


def refusing_address() -> Address:
    """One on which no server listens."""
    with Listener() as listener:
        return address_of(listener)


class SilentListener(Listener):
    """A listener that neither accepts nor refuses: its queue is full, and Linux drops what else comes."""

    def __init__(self) -> None:
        super().__init__(backlog=0)
        self._fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((self.host, self.port))
            self._fillers.append(filler)

    def close(self) -> None:
        for filler in self._fillers:
            filler.close()
        super().close()


async def talk(stream: Stream, peer: Peer) -> None:
    """A word in each direction; if that fails, nothing is left open."""
    try:
        await stream.write(b"ping", LIMIT)
        same_bytes("what write() sent", peer.receive_exactly(4), b"ping")
        peer.send(b"pong")
        same_bytes("read", await read_exactly(reporting(stream), 4), b"pong")
    except BaseException:
        await end(stream, peer)
        raise


async def end(stream: Stream, peer: Peer) -> None:
    """Let go of both ends."""
    stream.abort()
    peer.close()
    await peer.sleep(0.01)
