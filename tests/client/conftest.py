"""The `world` fixture: each test of client logic runs with `Client` and with `AsyncClient`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.client_worlds import World


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Both clients, one after the other."""
    world = World(request.param)
    yield world
    world.close()
