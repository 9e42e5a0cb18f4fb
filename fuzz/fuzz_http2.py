"""Coverage-guided fuzzing of HTTP/2 frames: whatever a server sends, nothing is raised, what is kept stays
within the windows, no stream gets another's bytes, and each gets what plain h2 would give it. See README.md.

An input is one byte for how it arrives, and frames, which follow SETTINGS. Bits 0 to 4: the size of the
pieces; bit 5: what was received is read at once, and more may come; bit 6: halfway the first stream is
aborted.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator

from harness import fuzz, instrumented, load, pieces

WINDOW, SPARE = 64, 1024

with instrumented("http3_transport"):
    load("http3_transport._http2")
    for name, module in list(sys.modules.items()):  # a short input must be able to fill them
        if name.startswith("http3_transport._http2.") and hasattr(module, "INITIAL_STREAM_WINDOW"):
            module.__dict__["INITIAL_STREAM_WINDOW"] = WINDOW
    from http3_models import TransportError
    from http3_transport._http2 import flow_control
    from http3_transport._http2.fast_h2 import FastH2Connection
    from http3_transport._http2.stream import HTTP2Stream
    from transport.http2.test_frames import frames_of, outcome, three_requests

MOST_ANSWERED = 3
"""Bytes of ours for one of the server's; an answer to PING is as long as the PING."""

DATA, HEADERS, PUSH_PROMISE, CONTINUATION = 0, 1, 5, 9
PADDED, END_HEADERS = 8, 4

assert flow_control.__dict__["INITIAL_STREAM_WINDOW"] == WINDOW
flow_control.__dict__["GROWTH"] = SPARE


Frame = tuple[int, int, int, int, bytes]
"""Announced length, type, flags, stream, and as much of the payload as there is."""


def frames_in(data: bytes) -> Iterator[Frame]:
    """Read by a few lines that know nothing else."""
    while len(data) >= 9:
        length, stream_id = int.from_bytes(data[:3]), int.from_bytes(data[5:9]) & 0x7FFFFFFF
        yield length, data[3], data[4], stream_id, data[9 : 9 + length]
        data = data[9 + length :]


def bodies(frames: list[Frame]) -> dict[int, bytes]:
    """What the DATA frames of each stream hold."""
    found: dict[int, bytes] = {}
    for length, kind, flags, stream_id, payload in frames:
        if kind == DATA:
            if flags & PADDED and payload:
                payload = payload[1 : max(1, length - payload[0])]
            found[stream_id] = found.get(stream_id, b"") + payload
    return found


def interrupts_a_header_block(frames: list[Frame]) -> bool:
    """Whether something comes between HEADERS and the CONTINUATION that they want (RFC 9113 section 6.10)."""
    wanted: int | None = None
    for length, kind, flags, stream_id, payload in frames:
        if len(payload) < length:
            return False
        is_wanted = kind == CONTINUATION and stream_id == wanted
        if (wanted is not None or kind == CONTINUATION) and not is_wanted:
            return True
        if kind in (HEADERS, PUSH_PROMISE, CONTINUATION):
            wanted = None if flags & END_HEADERS else stream_id
    return False


class Reader:
    """Feeds a state what the server sends, and reads its streams."""

    def __init__(self, *, fast: bool) -> None:
        self.state, self.streams = three_requests(fast=fast)
        self.state.output.take()
        self.answered = 0
        self.taken: dict[HTTP2Stream, bytes] = dict.fromkeys(self.streams, b"")

    def feed(self, parts: list[bytes], *, at_once: bool, abort_first: bool = False) -> None:
        for number, part in enumerate(parts):
            if abort_first and number == len(parts) // 2:
                self.state.close_stream(self.streams.pop(0))
                self.state.output.take()
            self.state.receive(part)
            self.answered += len(self.state.output.take())
            for stream in self.streams:
                self._look_at(stream)
                if at_once:
                    self._take(stream)

    def body(self, stream: HTTP2Stream) -> bytes:
        return self.taken[stream] + b"".join(stream.inbox)

    def _look_at(self, stream: HTTP2Stream) -> None:
        kept = sum(map(len, stream.inbox))
        assert kept <= stream.window <= WINDOW + SPARE, "more is kept than the window allows"
        assert not (stream.ended and stream.failure), "whole, and failed"
        if stream.failure is not None:
            assert issubclass(stream.failure.kind, TransportError)
        if stream.ended:
            assert stream.head is not None, "whole, without a head"
            got = kept + len(self.taken[stream])
            assert stream.expected in (None, got), "whole, though not as long as was announced"
            assert not (stream.bodyless and got), "a body where there can be none"

    def _take(self, stream: HTTP2Stream) -> None:
        """As `_http2.exchange` does it."""
        while stream.inbox:
            chunk = stream.inbox.popleft()
            self.taken[stream] += chunk
            stream.unacked += len(chunk)
            if stream.unacked >= stream.window // 2:
                self.state.update_window(stream)
        stream.reader_waiting = True


def check_end(reader: Reader) -> None:
    """What must hold once the connection is closed."""
    state = reader.state
    state.end_of_input()
    assert state.broken is not None
    for stream in reader.streams:
        assert stream.ended or stream.failure is not None, "neither whole nor failed, for ever"
        state.close_stream(stream)
    assert not state.streams
    assert state.flow.growth_left == SPARE, "what the windows grew by does not come back"


def one_input(data: bytes) -> None:
    if len(data) < 10:
        return
    options, frames = data[0], data[1:]
    fast, plain = Reader(fast=True), Reader(fast=False)
    fast.feed(pieces(frames, options & 31), at_once=bool(options & 32), abort_first=bool(options & 64))
    assert fast.answered <= MOST_ANSWERED * len(data), "too many bytes answer what the server sent"
    if interrupts_a_header_block(found := list(frames_in(frames))):
        assert fast.state.broken is not None, "another frame came within a header block"
    sent = bodies(found)
    for stream in fast.streams:
        meant = sent.get(stream.stream_id, b"")
        assert meant.startswith(fast.body(stream)), "a stream got bytes of another"
    plain.feed([frames], at_once=False)
    # Plain h2 fails more, and hands out no part of a frame that is not whole.
    connection = fast.state._h2
    assert isinstance(connection, FastH2Connection)
    is_like = plain.state.broken is None and fast.state.broken is None and connection._piece is None
    if is_like and not any(stream.failure for stream in plain.streams):
        for stream, expected in zip(reversed(fast.streams), reversed(plain.streams), strict=False):
            body = fast.body(stream)
            stream.inbox.clear()
            stream.inbox.append(body)
            assert outcome(stream) == outcome(expected)
    check_end(fast)
    check_end(plain)


def seeds() -> list[bytes]:
    heads = [("head", 1, status, flags) for status in ((b"200", b"5"), (b"103", None)) for flags in range(4)]
    rest = [
        ("data", 1, b"hello", 0),
        ("data", 1, b"hello", 1),
        ("data", 1, b"hello", 3),
        ("row", 1, 2, 4),
        ("trailers", 1, None, True),
        ("reset", 1, None, None),
        ("other", 1, 0, None),
        ("other", 3, 1, None),
    ]
    found = [frames_of([*steps]) for steps in itertools.product(heads, rest)]
    found += [frames_of([heads[0], *steps]) for steps in itertools.permutations(rest[:6], 2)]
    every = [("head", number, (b"200", None), 0) for number in (1, 3, 5)]
    for ids in itertools.permutations((1, 3, 5)):
        mixed = [("data", number, bytes([64 + number]) * 5, 2 * (number == 3)) for number in ids]
        found.append(frames_of([*every, *mixed, *reversed(mixed), ("data", 5, b"end", 1), ("row", 1, 3, 5)]))
    found += [frames_of([("head", 3, (b"200", None), 0), ("data", 3, b"hello", 1)])]
    found += [frames_of([heads[0], *[("data", 1, b"x" * 30, 0)] * count, rest[0]]) for count in (2, 3, 9)]
    found += [frames_of([*every, *[("data", number, b"x" * 30, 0) for number in (1, 5) * 4]])]
    torn = b"\0\0\x01\x01\0\0\0\0\x03\x88"  # :status 200, and more to come
    found += [every_head + torn + frames_of([rest[0]]) for every_head in (b"", frames_of([heads[0]]))]
    goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0"
    priority = b"\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10"
    push = b"\0\0\x05\x05\x04\0\0\0\x01\0\0\0\x02\x88"
    settings = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x01"
    found += [goaway, priority, push, settings, found[0] + goaway, settings * 3, b"\0\0\0\x04\x01\0\0\0\0"]
    return [bytes([options]) + seed for seed in found for options in (0, 1, 9, 32, 41, 73)]


if __name__ == "__main__":
    fuzz(one_input, seeds())
