"""The simulation's backend and its streams pass the suites that those over real sockets pass."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from http3_transport._interfaces import Address, Stream
from http3_transport.testing import (
    BACKEND_CHECKS,
    STREAM_CHECKS,
    Faults,
    SimulatedBackend,
    Simulation,
    check_backend,
    check_stream,
)
from support.virtual_peers import make_pairs, move_in


@pytest.mark.parametrize("name", STREAM_CHECKS)
def test_streams_conform(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation()
    move_in(simulation, monkeypatch)
    check_stream(simulation.run, make_pairs(simulation), [name])


# That one takes the first part that is not taken for the end of the buffer.
PARTIAL = [name for name in STREAM_CHECKS if name != "write_nowait_never_waits"]


@pytest.mark.parametrize("name", PARTIAL)
def test_streams_conform_where_everything_is_partial(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(5, faults=Faults(partial_write=0.5, partial_read=0.5, shuffle=True))
    move_in(simulation, monkeypatch)
    check_stream(simulation.run, make_pairs(simulation), [name])


@pytest.mark.parametrize("name", BACKEND_CHECKS)
def test_the_backend_conforms(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation()
    move_in(simulation, monkeypatch)
    check_backend(simulation.run, simulation.backend, [name])


class ForgetsTheOthers(SimulatedBackend):
    async def connect_first(
        self, addresses: Sequence[Address], timeout: float | None, stagger: float
    ) -> Stream:
        return await self.connect_address(addresses[0], timeout)


def test_the_checks_can_fail_here(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation()
    move_in(simulation, monkeypatch)
    simulation.backend = ForgetsTheOthers(simulation._network)
    with pytest.raises(AssertionError, match="^a_silent_address_is_overtaken: ."):
        check_backend(simulation.run, simulation.backend, ["a_silent_address_is_overtaken"])
