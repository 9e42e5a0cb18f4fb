"""Frames that fuzzing found (see fuzz/README.md), each with what it must come to."""

from __future__ import annotations

import pytest
from hyperframe.frame import ContinuationFrame, HeadersFrame

from http3_models import RemoteProtocolError
from transport.test_http2_frames import books

STATUS_200 = b"\x88"


@pytest.mark.parametrize("is_given_up", [False, True])
def test_a_continuation_of_nothing_ends_the_connection(is_given_up: bool) -> None:
    """h2 takes it for a late frame where the stream was reset; its fields would be lost to HPACK's table."""
    state, streams = books(tamed=True)
    if is_given_up:
        state.forget(streams[0])
    state.receive(ContinuationFrame(1, STATUS_200, flags=["END_HEADERS"]).serialize())
    assert state.broken is not None
    assert state.broken.kind is RemoteProtocolError
    assert all(stream.failure is not None for stream in streams[1:])


def test_a_late_head_in_two_frames_does_no_harm() -> None:
    state, streams = books(tamed=True)
    state.forget(streams[0])
    head = (
        HeadersFrame(1, b"").serialize() + ContinuationFrame(1, STATUS_200, flags=["END_HEADERS"]).serialize()
    )
    other = HeadersFrame(3, STATUS_200, flags=["END_HEADERS", "END_STREAM"]).serialize()
    state.receive(head + other)
    assert state.broken is None
    assert streams[1].ended
