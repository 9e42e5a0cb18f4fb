"""What every `Backend` must do. Each check is a coroutine function that gets the backend."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from ..._interfaces import Address, Backend, OperationTimeout
from .peers import LIMIT, Listener, Peer
from .streams import RunFunction, fails_with_oserror, read_exactly, times_out

if TYPE_CHECKING:
    from ..._interfaces import Stream

BackendCheck = Callable[[Backend], Awaitable[None]]


async def scope_is_the_same_all_along(backend: Backend) -> None:
    """Connections of one run belong together, and their loop is alive while it runs."""
    loop_token = backend.loop_token()
    await backend.sleep(0)
    assert backend.loop_token() is loop_token or backend.loop_token() == loop_token, "it changes during a run"
    assert not backend.loop_has_ended(loop_token), "the loop has ended while it runs"


async def literals_need_no_lookup(backend: Backend) -> None:
    """An address in digits resolves to itself, at once."""
    assert list(await backend.resolve("127.0.0.1", 80, LIMIT)) == [(socket.AF_INET, ("127.0.0.1", 80))]
    if socket.has_ipv6:
        found = list(await backend.resolve("::1", 80, LIMIT))
        assert found == [(socket.AF_INET6, ("::1", 80, 0, 0))], f"::1 resolved to {found}"


async def names_are_looked_up(backend: Backend) -> None:
    """Also several times at once and one after the other."""
    for _ in range(2):
        found = await backend.resolve("localhost", 8080, LIMIT)
        assert found, "localhost has no address"
        for family, address in found:
            assert family in (socket.AF_INET, socket.AF_INET6), f"a family that is not IP: {found}"
            assert address[1] == 8080, f"another port than was asked for: {found}"


async def unknown_names_fail(backend: Backend) -> None:
    """A name that doesn't exist is an OSError, and so is one that can't exist."""
    await fails_with_oserror("a name that can't exist", backend.resolve("no such host", 80, LIMIT))
    await fails_with_oserror("a label that is too long", backend.resolve("a" * 70 + ".invalid", 80, LIMIT))


async def connects(backend: Backend) -> None:
    """A stream to a listening address carries bytes both ways, and knows who is there."""
    with Listener() as listener:
        stream = await backend.connect_address(address_of(listener), LIMIT)
        peer = Peer(listener.accept(), backend.sleep)
        await talk(stream, peer)
        assert stream.info.peer_address == (listener.host, listener.port), f"info is {stream.info}"
        assert stream.alpn_protocol is None, "a plain stream claims ALPN"
        await end(stream, peer)


async def refusals_are_errors(backend: Backend) -> None:
    """No server listens: OSError, from one address as from several."""
    address = refusing_address()
    await fails_with_oserror("connect_address", backend.connect_address(address, LIMIT))
    await fails_with_oserror(
        "connect_first", backend.connect_first([address, refusing_address()], LIMIT, 0.05)
    )


async def connecting_times_out(backend: Backend) -> None:
    """A peer that doesn't answer: OperationTimeout, from one address as from several."""
    with SilentListener() as listener:
        address = address_of(listener)
        await times_out(backend.connect_address(address, 0.2), 0.2)
        await times_out(backend.connect_first([address, address], 0.2, 0.05), 0.2)


async def the_first_that_connects_wins(backend: Backend) -> None:
    """A refused address costs no waiting, and a second that isn't needed isn't tried."""
    with Listener() as first, Listener() as second:
        addresses = [refusing_address(), address_of(first), address_of(second)]
        start = time.monotonic()
        stream = await backend.connect_first(addresses, LIMIT, 5.0)
        assert time.monotonic() - start < 2.5, "a refused address did not make way for the next at once"
        peer = Peer(first.accept(), backend.sleep)
        await talk(stream, peer)
        assert not second.has_connection(), "an address was tried although the one before it had connected"
        await end(stream, peer)


async def a_silent_address_is_overtaken(backend: Backend) -> None:
    """The next one starts after the stagger."""
    with SilentListener() as silent, Listener() as listener:
        start = time.monotonic()
        stream = await backend.connect_first([address_of(silent), address_of(listener)], LIMIT, 0.1)
        assert time.monotonic() - start < LIMIT / 2, "the second address had to wait for the first"
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
    assert states == [False, True, True], f"is_set at first, after set(), and after another: {states}"
    assert await waiter.wait(LIMIT), "a waiter that was set before isn't up"
    waiter = backend.waiter()
    timer = threading.Timer(0.1, waiter.set)
    timer.start()
    start = time.monotonic()
    assert await waiter.wait(LIMIT), "set() from another thread did not wake the one who waits"
    assert time.monotonic() - start < LIMIT / 2, "set() from another thread is noticed late"
    assert await waiter.wait(0), "a waiter that was set went down again"
    timer.join()


async def a_waiter_gives_up(backend: Backend) -> None:
    """False after the timeout; set later, it is up for the next wait."""
    waiter = backend.waiter()
    start = time.monotonic()
    assert not await waiter.wait(0.1), "a wait for nothing ended with True"
    assert 0.09 <= time.monotonic() - start < LIMIT / 2, "a wait of 0.1 s took another time"
    waiter.set()
    assert await waiter.wait(None), "a waiter that was given up once can't be set any more"


async def a_timer_fires_once(backend: Backend) -> None:
    """Not before its time, and not if it was cancelled. A backend without an event loop has none."""
    fired: list[float] = []
    start = time.monotonic()
    timer = backend.call_later(0.1, lambda: fired.append(time.monotonic() - start))
    other = backend.call_later(0.05, lambda: fired.append(0.0))
    if timer is None or other is None:
        assert timer is other, "call_later() sets one timer and not another"
        return
    other.cancel()
    while not fired and time.monotonic() - start < LIMIT:
        await backend.sleep(0.02)
    await backend.sleep(0.1)
    assert len(fired) == 1, f"a timer fired {len(fired)} times"
    assert fired[0] >= 0.09, f"a timer of 0.1 s fired after {fired[0]:.3f} s"


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
    assert called == [loop_token] * accepted[0], f"call_soon() said {accepted[0]}, and was called in {called}"
    assert not backend.call_soon(object(), ask), "call_soon() takes anything for its loop"


async def sleep_takes_its_time(backend: Backend) -> None:
    """As long as it was told to, about."""
    start = time.monotonic()
    await backend.sleep(0.1)
    assert 0.09 <= time.monotonic() - start < LIMIT / 2, f"0.1 s took {time.monotonic() - start:.3f} s"


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


def check_backend(run: RunFunction, backend: Backend, names: Iterable[str] = BACKEND_CHECKS) -> None:
    """Check that a `Backend` keeps its contract; its streams are for `check_stream` (see `plain_pairs`).

    ``run(function, *args)`` runs a coroutine function, once for each check. ``names`` picks from
    `BACKEND_CHECKS`, all by default. Raises AssertionError that names the check and what is wrong.
    """

    async def one(name: str) -> None:
        try:
            await BACKEND_CHECKS[name](backend)
        except AssertionError as exc:
            raise AssertionError(f"{name}: {exc}") from exc
        except (Exception, OperationTimeout) as exc:
            raise AssertionError(f"{name}: {type(exc).__name__}: {exc}") from exc

    for name in names:
        run(one, name)


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
    """A word in each direction."""
    await stream.write(b"ping", LIMIT)
    assert peer.receive_exactly(4) == b"ping", "what was written did not arrive"
    peer.send(b"pong")
    assert await read_exactly(stream, 4) == b"pong", "what was sent can't be read"


async def end(stream: Stream, peer: Peer) -> None:
    """Let go of both ends."""
    stream.abort()
    peer.close()
    await peer.sleep(0.01)
