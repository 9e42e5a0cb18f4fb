"""The `world` fixture: each test of client logic runs with `Client` and with `AsyncClient`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.worlds import World


@pytest.fixture(params=["sync", "asyncio"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Both clients, one after the other."""
    world = World(request.param)
    yield world
    world.close()
