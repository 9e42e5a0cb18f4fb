"""The memory that a body is received into: views of it must be gone when a failed read is collected."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import pytest

import http3
from http3_transport.testing import ScriptedServer, cutting, response_bytes


def test_a_failed_read_that_is_collected_in_a_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """MessageClasses of a `BytesIO` must be gone by then: else Python says so on stderr, or crashes."""
    noticed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", noticed.append)

    def fail(url: str) -> None:
        try:
            http3.get(url)
        except http3.RemoteProtocolError as exc:
            failure = exc  # which has a traceback, which has this frame
            assert failure.__traceback__ is not None
        else:
            raise AssertionError("the body was cut")

    cut = response_bytes(bytes(3_000_000))[:1_000_000]
    with ScriptedServer(cutting(cut, len(cut))) as server:
        for _ in range(3):
            fail(server.url)
            gc.collect()
    assert not noticed


def test_a_read_that_nobody_goes_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", noticed.append)

    async def main(url: str) -> None:
        async with http3.AsyncClient() as client:
            response = await client.get(url, stream=True)
            reading = response.read()
            waits_for = reading.send(None)
            cycle: list[object] = [reading, response, waits_for]
            cycle.append(cycle)

    cut = response_bytes(bytes(3_000_000))[:1_000_000]
    with ScriptedServer(cutting(cut, len(cut), "stall")) as server:
        for _ in range(3):
            asyncio.run(main(server.url))
            gc.collect()
    # That nobody closed the response may be said; nothing else.
    assert all(issubclass(each.exc_type, ResourceWarning) for each in noticed)
