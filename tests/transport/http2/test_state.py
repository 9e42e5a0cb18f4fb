"""`HTTP2State` in memory: h2's server on the other side, no socket."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamReset, WindowUpdated
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from http3_models import Delivery, Limits, RemoteProtocolError, ResponseTooLarge
from http3_transport._http2 import fast_h2
from http3_transport._http2.flow_control import CONNECTION_WINDOW, GROWTH
from http3_transport._http2.state import HTTP2State
from http3_transport._http2.stream import BODY, HEAD, WINDOW, HTTP2Stream, NoStreamLeft

FIELDS = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/")]
KIB = 1024


class Pair:
    """A state, and the server it is connected to."""

    def __init__(self, limits: Limits | None = None, max_streams: int = 100) -> None:
        self.state = HTTP2State(limits or Limits(), max_streams)
        config = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.server = H2Connection(config)
        self.server.initiate_connection()
        self.state.start()
        self.events: list[object] = []
        self.exchange()

    def exchange(self) -> None:
        """Carry everything to both sides until nothing is left."""
        while True:
            output = self.state.output.take()
            self.state.output.bytes_written += len(output)
            self.events += self.server.receive_data(output)
            answer = self.server.data_to_send()
            if answer:
                self.state.receive(answer)
            if not self.state.output.pieces:
                return

    def open(self, *, end: bool = True, method: bytes = b"GET") -> HTTP2Stream:
        stream = self.state.open([(b":method", method), *FIELDS[1:]], end_stream=end)
        self.exchange()
        return stream

    def answer(
        self, stream: HTTP2Stream, body: bytes = b"", *, end: bool = True, status: str = "200"
    ) -> None:
        self.server.send_headers(stream.stream_id, [(":status", status)], end_stream=end and not body)
        if body:
            self.server.send_data(stream.stream_id, body, end_stream=end)
        self.exchange()

    def frames(self, *frames: Frame) -> None:
        self.state.receive(b"".join(frame.serialize() for frame in frames))

    def take(self, stream: HTTP2Stream, *, hungry: bool = True) -> int:
        """Read all that is there, as the body's reader does."""
        size = 0
        while stream.inbox:
            piece = stream.inbox.popleft()
            size += len(piece)
            stream.unacked += len(piece)
        stream.reader_waiting = hungry
        self.state.update_window(stream)
        return size


def test_a_whole_exchange() -> None:
    pair = Pair()
    stream = pair.open()
    assert not pair.state.is_ready(stream, HEAD)
    pair.answer(stream, b"body")
    assert stream in pair.state.ready_streams
    assert stream.head == (200, [])
    assert pair.state.is_ready(stream, HEAD)
    assert pair.state.is_ready(stream, BODY)
    assert stream.ended
    assert list(stream.inbox) == [b"body"]
    pair.state.close_stream(stream)
    assert not pair.state.output.pieces  # nothing to reset
    assert not pair.state.streams
    pair.state.close_stream(stream)


def test_responses_byte_by_byte() -> None:
    pair = Pair()
    stream = pair.open()
    pair.server.send_headers(stream.stream_id, [(":status", "103"), ("a", "b")])
    pair.server.send_headers(stream.stream_id, [(":status", "200"), ("c", "d" * 100)])
    pair.server.send_data(stream.stream_id, b"body", pad_length=10)
    pair.server.send_headers(stream.stream_id, [("e", "f")], end_stream=True)
    for byte in pair.server.data_to_send():
        assert not stream.ended
        pair.state.receive(bytes([byte]))
    assert stream.informational == 1
    assert stream.head == (200, [(b"c", b"d" * 100)])
    assert b"".join(stream.inbox) == b"body"
    assert stream.trailers == [(b"e", b"f")]
    assert stream.ended


def test_delivery_follows_the_bytes() -> None:
    pair = Pair()
    sent = pair.open()
    queued = pair.state.open(FIELDS, end_stream=True)
    pair.state.end_of_input()
    assert pair.state.delivery(sent) is Delivery.MAYBE_PROCESSED
    assert pair.state.delivery(queued) is Delivery.NOT_SENT
    for stream in (sent, queued):
        assert stream.failure is not None
        assert stream.failure.kind is RemoteProtocolError


def test_what_is_queued_on_a_living_connection_still_leaves() -> None:
    pair = Pair()
    queued = pair.state.open(FIELDS, end_stream=True)
    assert pair.state.delivery(queued) is Delivery.MAYBE_PROCESSED


def test_stream_limits() -> None:
    pair = Pair(max_streams=50)
    assert pair.state.stream_limit == 50
    pair.server.update_settings({3: 2})
    pair.exchange()
    assert pair.state.stream_limit == 2
    streams = [pair.open() for _ in range(2)]
    pair.server.update_settings({3: 1})
    pair.exchange()
    assert pair.state.stream_limit == 1
    with pytest.raises(NoStreamLeft, match="no further stream"):
        pair.open()
    for stream in streams:
        pair.answer(stream)
        pair.state.close_stream(stream)
    pair.open()
    pair.server.update_settings({3: 1000})
    pair.exchange()
    assert pair.state.stream_limit == 50
    assert "1 streams" in repr(pair.state)


def test_credit_comes_back_as_the_reader_takes() -> None:
    pair = Pair()
    stream = pair.open()
    pair.answer(stream, end=False)
    window = pair.server.local_flow_control_window
    assert window(stream.stream_id) == 128 * KIB
    for _ in range(8):
        pair.server.send_data(stream.stream_id, bytes(16 * KIB))
    pair.exchange()
    assert window(stream.stream_id) == 0
    assert pair.take(stream, hungry=False) == 128 * KIB
    pair.exchange()
    assert window(stream.stream_id) == 128 * KIB  # a slow reader's window does not grow


def test_windows_grow_while_the_reader_keeps_up() -> None:
    pair = Pair()
    fast, slow = pair.open(), pair.open()
    for stream in (fast, slow):
        pair.answer(stream, end=False)
    for _ in range(20):
        pair.server.send_data(fast.stream_id, bytes(16 * KIB))
        pair.exchange()
        pair.take(fast)
        pair.exchange()
    assert fast.window == 128 * KIB + GROWTH
    assert slow.window == 128 * KIB
    assert pair.state.flow.growth_left == 0
    pair.state.close_stream(fast)
    assert pair.state.flow.growth_left == GROWTH


def test_the_connection_credit_comes_back_on_receipt() -> None:
    pair = Pair()
    streams = [pair.open() for _ in range(100)]
    for stream in streams:
        pair.answer(stream, end=False)
    for _ in range(8):
        for stream in streams:
            pair.server.send_data(stream.stream_id, bytes(16 * KIB))
        pair.exchange()
    unread = sum(len(piece) for stream in streams for piece in stream.inbox)
    assert unread == 100 * 128 * KIB
    assert pair.server.outbound_flow_control_window >= CONNECTION_WINDOW // 2
    for stream in streams:
        pair.state.close_stream(stream)
    pair.exchange()
    assert len([event for event in pair.events if isinstance(event, StreamReset)]) == 100


def test_padding_never_uses_up_a_window() -> None:
    pair = Pair()
    stream = pair.open()
    pair.answer(stream, end=False)
    for _ in range(2000):  # 512 KiB of padding around 2000 bytes
        pair.server.send_data(stream.stream_id, b"x", pad_length=255)
        pair.exchange()
    for _ in range(1000):
        pair.server.send_data(stream.stream_id, b"", pad_length=255)
        pair.exchange()
    pair.server.send_data(stream.stream_id, b"", end_stream=True, pad_length=255)
    pair.exchange()
    assert b"".join(stream.inbox) == b"x" * 2000
    assert stream.ended


def test_uploads_follow_the_windows() -> None:
    pair = Pair()
    stream = pair.open(end=False, method=b"POST")
    data = memoryview(bytes(range(256)) * 512)
    assert pair.state.flow.share(stream) == 65535
    assert pair.state.send_data(stream, data, end=True) == 65535
    assert pair.state.send_data(stream, data[65535:], end=True) == 0
    assert not pair.state.is_ready(stream, WINDOW)
    pair.exchange()
    pair.server.increment_flow_control_window(100_000, stream.stream_id)
    pair.exchange()
    assert pair.state.flow.share(stream) == 0  # the connection's is used up
    pair.server.increment_flow_control_window(100_000)
    pair.exchange()
    assert pair.state.is_ready(stream, WINDOW)
    assert pair.state.send_data(stream, data[65535:], end=True) == len(data) - 65535
    pair.exchange()
    received = [event.data for event in pair.events if isinstance(event, DataReceived)]
    assert b"".join(received) == data
    assert max(map(len, received)) == 16 * KIB
    assert stream.request_sent
    assert pair.state.send_data(stream, data, end=True) == 0
    assert pair.state.flow.share(stream) == 0


def test_a_negative_window() -> None:
    pair = Pair()
    stream = pair.open(end=False)
    pair.state.send_data(stream, memoryview(bytes(60_000)), end=False)
    pair.server.update_settings({4: 10})
    pair.exchange()
    assert pair.state.flow.share(stream) == 0
    assert pair.state.send_data(stream, memoryview(b"abc"), end=True) == 0
    pair.server.increment_flow_control_window(60_000, stream.stream_id)
    pair.exchange()
    assert pair.state.flow.share(stream) == 10
    # The end itself takes no credit.
    assert pair.state.send_data(stream, memoryview(b""), end=True) == 0
    assert stream.request_sent


def test_a_window_beyond_all_bounds_is_the_fault_of_its_stream() -> None:
    pair = Pair()
    stream, other = pair.open(end=False), pair.open()
    pair.frames(WindowUpdateFrame(stream.stream_id, window_increment=2**31 - 1))
    assert stream.failure is not None
    assert "FLOW_CONTROL_ERROR" in stream.failure.text
    assert other.failure is None
    assert pair.state.broken is None


def test_goaway() -> None:
    pair = Pair()
    first, second, third = (pair.open() for _ in range(3))
    pair.frames(GoAwayFrame(0, last_stream_id=2**31 - 1), PingFrame(0, b"12345678"))
    assert pair.state.draining
    assert third.failure is None
    pair.frames(
        GoAwayFrame(0, last_stream_id=second.stream_id, error_code=0xB, additional_data=b"too \xff many")
    )
    assert pair.state.delivery(third) is Delivery.REFUSED
    assert second.failure is None
    with pytest.raises(NoStreamLeft, match="ENHANCE_YOUR_CALM: too"):
        pair.open()
    pair.answer(first, b"one")
    assert first.ended
    pair.state.end_of_input()
    assert second.failure is not None
    assert "ENHANCE_YOUR_CALM" in second.failure.text
    assert first.failure is None


def test_late_frames_on_a_reset_stream_are_ignored() -> None:
    pair = Pair()
    stream = pair.open()
    pair.server.send_headers(stream.stream_id, [(":status", "200")])
    pair.server.send_data(stream.stream_id, b"x" * 1000)
    pair.server.send_data(stream.stream_id, b"x" * 1000, end_stream=True)
    pair.state.close_stream(stream)
    pair.state.receive(pair.server.data_to_send())
    other = pair.open()
    pair.answer(other, b"well")
    assert other.ended
    assert pair.state.broken is None


def test_frames_after_the_end_break_the_connection() -> None:
    pair = Pair()
    stream, other = pair.open(), pair.open()
    pair.answer(stream)
    pair.frames(
        HeadersFrame(
            stream.stream_id, pair.server.encoder.encode([(":status", "200")]), flags=["END_HEADERS"]
        )
    )
    assert pair.state.broken is not None
    assert stream.failure is None
    assert other.failure is not None


def test_what_came_before_a_bad_frame_counts() -> None:
    pair = Pair()
    stream = pair.open()
    pair.server.send_headers(stream.stream_id, [(":status", "200")], end_stream=True)
    pair.state.receive(pair.server.data_to_send() + SettingsFrame(0, settings={5: 1}).serialize())
    assert pair.state.broken is not None
    assert stream.ended
    assert stream.failure is None


@pytest.mark.parametrize("size", [2, 8])
def test_heads_beyond_their_bound(size: int) -> None:
    pair = Pair(Limits(max_head_size=10_000))
    stream, other = pair.open(), pair.open()
    pair.server.send_headers(stream.stream_id, [(":status", "200"), *[("x", "y" * 1000)] * (5 * size)])
    pair.state.receive(pair.server.data_to_send())
    assert stream.failure is not None
    assert stream.failure.kind is ResponseTooLarge
    # Far beyond it, what hpack has in hand is given up in the middle: the connection can't go on.
    assert (pair.state.broken is None) is (size == 2)
    assert (other.failure is None) is (size == 2)


def test_the_encoder_keeps_a_bounded_table() -> None:
    pair = Pair()
    pair.frames(SettingsFrame(0, settings={1: 2**31}))
    assert pair.state._h2.encoder.header_table_size == 64 * KIB


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        PingFrame(0, b"12345678").serialize(),
        SettingsFrame(0, flags=["ACK"]).serialize(),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_server_must_begin_with_settings(greeting: bytes, whole: bool) -> None:
    state = HTTP2State(Limits())
    state.start()
    stream = state.open(FIELDS, end_stream=True)
    for piece in [greeting] if whole else [bytes([byte]) for byte in greeting]:
        state.receive(piece)
    assert stream.failure is not None
    assert "does not speak HTTP/2" in stream.failure.text


def test_a_stream_opened_by_the_server_breaks_the_connection() -> None:
    pair = Pair()
    stream = pair.open()
    block = pair.server.encoder.encode([(":method", "GET"), (":path", "/")])
    pair.frames(HeadersFrame(2, block, flags=["END_HEADERS"]))
    assert stream.failure is not None
    assert pair.state.output.pieces


def test_data_for_a_head_request() -> None:
    pair = Pair()
    stream = pair.open(method=b"HEAD")
    pair.answer(stream, b"body", end=False)
    assert stream.failure is not None
    assert not stream.inbox


def test_a_violation_behind_many_bytes() -> None:
    """What was received would be due for an update of the connection's window, which is over."""
    pair = Pair()
    streams = [pair.open() for _ in range(32)]
    for stream in streams:
        pair.answer(stream, end=False)
    pieces = [DataFrame(stream.stream_id, bytes(16 * KIB)).serialize() for stream in streams] * 8
    pair.state.receive(b"".join(pieces[:-1]))
    # DATA without a stream.
    pair.state.receive(pieces[-1] + b"\0\0\x01\0\0\0\0\0\0x")
    assert pair.state.broken is not None
    assert "without a stream" in pair.state.broken.text
    assert all(stream.failure is pair.state.broken for stream in streams)


def test_answers_that_nobody_reads_are_bounded() -> None:
    pair = Pair()
    flood = PingFrame(0, b"12345678").serialize() * 10_000
    for _ in range(10):
        pair.state.receive(flood)
    assert pair.state.broken is not None
    assert "flood" in pair.state.broken.text


def test_closing() -> None:
    pair = Pair()
    pair.state.close()
    assert pair.state.stream_limit == 0
    with pytest.raises(NoStreamLeft):
        pair.open()
    pair.state.end_of_input()
    pair.state.close()
    pair.state.receive(b"whatever")


# h2 without what we replace in it.


@pytest.fixture
def plain_h2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_h2, "IS_FAST", False)


@pytest.mark.usefixtures("plain_h2")
def test_plain_h2_serves_as_well() -> None:
    pair = Pair()
    stream = pair.open(end=False, method=b"POST")
    assert pair.state.send_data(stream, memoryview(bytes(40_000)), end=True) == 40_000
    pair.exchange()
    assert sum(len(event.data) for event in pair.events if isinstance(event, DataReceived)) == 40_000
    pair.answer(stream, b"body")
    assert list(stream.inbox) == [b"body"]
    assert stream.ended
    assert [event for event in pair.events if isinstance(event, WindowUpdated)]


@pytest.mark.usefixtures("plain_h2")
@pytest.mark.parametrize("what", ["goaway", "malformed"])
def test_plain_h2_fails_more_but_nothing_wrongly(what: str) -> None:
    pair = Pair()
    first, second = pair.open(), pair.open()
    if what == "goaway":
        pair.frames(GoAwayFrame(0, last_stream_id=first.stream_id))
        assert pair.state.delivery(second) is Delivery.REFUSED
    pair.server.send_headers(first.stream_id, [(":status", "200"), ("content-length", "x")])
    pair.state.receive(pair.server.data_to_send())
    assert first.failure is not None
    assert second.failure is not None


# Whatever a server sends.


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_garbage_never_escapes(data: bytes, framed: bool) -> None:
    pair = Pair()
    stream = pair.open()
    pair.state.receive(framed_as(data) if framed else data)
    assert not stream.ended or stream.head is not None
    pair.state.end_of_input()
    assert stream.ended or stream.failure is not None


def framed_as(data: bytes) -> bytes:
    """Bytes cut into frames of random type for stream 0 to 3."""
    frames = []
    for start in range(0, len(data) - 3, 20):
        piece = data[start : start + 20]
        payload = piece[3:]
        frames.append(bytes([0, 0, len(payload), piece[0] % 12, piece[1], 0, 0, 0, piece[2] % 4]) + payload)
    return b"".join(frames)


def test_data_before_a_head_is_the_fault_of_its_stream() -> None:
    pair = Pair()
    stream, other = pair.open(), pair.open()
    pair.frames(DataFrame(stream.stream_id, b"early"), DataFrame(stream.stream_id, b"more"))
    assert stream.failure is not None
    assert "before headers" in stream.failure.text
    assert other.failure is None
    assert pair.state.broken is None
