"""Coverage-guided fuzzing of HTTP/2 frames: whatever a server sends, nothing is raised, what is kept stays
within the windows, and streams get what plain h2 would give them. See README.md.

An input is one byte for the size of the pieces in which it arrives, and frames, which follow SETTINGS.
"""

from __future__ import annotations

import itertools
import sys

from harness import ROOT, fuzz, instrumented, pieces

sys.path.insert(0, str(ROOT / "tests" / "transport"))

with instrumented("http3_transport._http2"):
    from test_http2_frames import books, frames_of, outcome

    from http3_transport._http2_library import INITIAL_STREAM_WINDOW, TamedConnection
    from http3_transport._http2_state import HTTP2State
    from http3_transport._http2_stream import HTTP2Stream

MOST_ANSWERED = 2 * 1024 * 1024


def read(state: HTTP2State, streams: list[HTTP2Stream], parts: list[bytes]) -> int:
    """Feed it; how many bytes were answered."""
    answered = len(state.take_output())
    for part in parts:
        state.receive(part)
        answered += len(state.take_output())
        for stream in streams:
            kept = sum(map(len, stream.inbox))
            assert kept <= INITIAL_STREAM_WINDOW, "more is kept than the window allows"
            assert not (stream.ended and stream.failure), "whole, and failed"
    return answered


def one_input(data: bytes) -> None:
    if len(data) < 10:
        return
    whole, cut = data[1:], pieces(data[1:], data[0] & 31)
    tamed, streams = books(tamed=True)
    assert read(tamed, streams, cut) <= MOST_ANSWERED
    plain, expected = books(tamed=False)
    read(plain, expected, [whole])
    # Plain h2 fails more, and hands out no part of a frame that is not whole.
    connection = tamed._h2
    assert isinstance(connection, TamedConnection)
    is_like = plain.broken is None and tamed.broken is None and connection._piece is None
    if is_like and not any(stream.failure for stream in expected):
        assert [outcome(stream) for stream in streams] == [outcome(stream) for stream in expected]


def seeds() -> list[bytes]:
    heads = [("head", 1, status, flags) for status in ((b"200", b"5"), (b"103", None)) for flags in range(4)]
    rest = [
        ("data", 1, b"hello", 0), ("data", 1, b"hello", 1), ("data", 1, b"hello", 3), ("row", 1, 2, 4),
        ("trailers", 1, None, True), ("reset", 1, None, None), ("other", 1, 0, None), ("other", 3, 1, None),
    ]  # fmt: skip
    found = [frames_of([*steps]) for steps in itertools.product(heads, rest)]
    found += [frames_of([heads[0], *steps]) for steps in itertools.permutations(rest[:6], 2)]
    goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0"
    priority = b"\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10"
    push = b"\0\0\x05\x05\x04\0\0\0\x01\0\0\0\x02\x88"
    settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x01"
    found += [goaway, priority, push, settings, found[0] + goaway, settings * 3, b"\0\0\0\x04\x01\0\0\0\0"]
    return [bytes([size]) + seed for seed in found for size in (0, 1, 9)]


if __name__ == "__main__":
    fuzz(one_input, seeds())
