"""`AddressBook`: the addresses of host names, for one pool.

The resolver of the `NetworkConfig` is asked first, then the backend, which asks the system. What either says
is kept for ``dns_cache`` seconds, until no connection to it succeeds. Failures are not kept.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from http3_models.engine import UNIX, checked_addresses, short_repr

from .._interfaces import OperationTimeout
from ._lookup import literal_address
from ._tasks import spawn

if TYPE_CHECKING:
    from http3_models import NetworkConfig

    from .._interfaces import Address, Backend, Clock

_REMEMBERED = 1024
"""Names whose addresses are kept; the oldest is dropped."""

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class AddressBook:
    """Addresses by host and port; `resolve` may be called from several threads."""

    __slots__ = ("_families", "_kept", "_network", "_now")

    def __init__(self, network: NetworkConfig, now: Clock) -> None:
        self._network = network
        self._now = now
        self._families = _usable_families(network)
        self._kept: dict[tuple[str, int], tuple[float, Sequence[Address]]] = {}

    async def resolve(
        self, backend: Backend, host: str, port: int, timeout: float | None
    ) -> Sequence[Address]:
        """Addresses in the resolver's order, of the families that the configuration allows.

        Raises OSError where there are none, OperationTimeout after ``timeout`` seconds, and TypeError or
        ValueError for what a user's resolver should not return.
        """
        network = self._network
        if network.uds is not None:
            return [(_unix_family(), (network.uds, 0))]
        lifetime, key = network.dns_cache, (host, port)
        if lifetime is not None:
            kept = self._kept.get(key)
            if kept is not None and self._now() < kept[0]:
                return kept[1]
        found = self._usable(host, await self._look_up(backend, host, port, timeout))
        if lifetime is not None and found:
            self._keep(key, (self._now() + lifetime, found))
        return found

    def forget(self, host: str, port: int) -> None:
        """No address of this host could be connected to."""
        self._kept.pop((host, port), None)

    def _keep(self, key: tuple[str, int], entry: tuple[float, Sequence[Address]]) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= _REMEMBERED:
            self._kept.pop(next(iter(list(self._kept))), None)
        self._kept[key] = entry

    async def _look_up(
        self, backend: Backend, host: str, port: int, timeout: float | None
    ) -> Sequence[Address]:
        resolver = self._network.resolver
        given: object = None
        if isinstance(resolver, Mapping):
            given = resolver.get(host.removesuffix("."))
        elif resolver is not None:
            given = await _ask(resolver, host, port, backend, timeout)
        if given is None:
            return await backend.resolve(host, port, timeout)
        return [
            _address(text, port)
            for text in checked_addresses(f"what the resolver returned for {host}", given)
        ]

    def _usable(self, host: str, addresses: Sequence[Address]) -> Sequence[Address]:
        families = self._families
        if families is None:
            return addresses
        found = [address for address in addresses if address[0] in families]
        if addresses and not found:
            raise OSError(f"{host} has no address of the family that the network configuration asks for")
        return found


def _usable_families(network: NetworkConfig) -> frozenset[int] | None:
    """Socket families that may be used; None: all."""
    wanted = network.address_family
    if wanted is None and network.local_address is not None:
        wanted = 6 if ":" in network.local_address[0] else 4
    return None if wanted is None else frozenset({_FAMILIES[wanted], getattr(socket, "AF_UNIX", -1)})


def _unix_family() -> int:
    family: int | None = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise OSError("This system has no Unix sockets")
    return family


def _address(text: str, port: int) -> Address:
    if text.startswith(UNIX):
        return (_unix_family(), (text.removeprefix(UNIX), 0))
    found = literal_address(text, port)
    if found is None:
        raise OSError(f"{text} can't be used as an address here")
    return found


async def _ask(
    resolver: Callable[[str, int], Any], host: str, port: int, backend: Backend, timeout: float | None
) -> object:
    """What a user's function returns; awaited, for ``timeout`` seconds at most, if it is to be."""
    answer = resolver(host, port)
    if not hasattr(answer, "__await__"):
        return answer
    if backend.blocks:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        raise TypeError(f"resolver {short_repr(resolver)} is async; a Client takes a plain function")
    return await _within(cast("Awaitable[object]", answer), timeout)


async def _within(awaited: Awaitable[object], timeout: float | None) -> object:
    outcome: list[object] = []
    failure: list[Exception] = []

    async def work() -> None:
        try:
            outcome.append(await awaited)
        except Exception as exc:  # noqa: BLE001 (raised by the one who waits)
            failure.append(exc)

    task = spawn(work)
    try:
        if not await task.wait(timeout):
            raise OperationTimeout
    finally:
        if not task.is_done:
            task.cancel()
    if failure:
        raise failure[0]
    return outcome[0] if outcome else None
