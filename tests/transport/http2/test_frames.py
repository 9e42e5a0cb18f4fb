"""Frames that are taken past h2: the same as plain h2 makes of them, however they are cut on their way."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from h2.connection import H2Connection
from h2.exceptions import (
    FlowControlError,
    NoSuchStreamError,
    ProtocolError,
    StreamClosedError,
    StreamIDTooLowError,
)
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from http3_models import Limits, RemoteProtocolError
from http3_transport._http2 import fast_h2
from http3_transport._http2.fast_h2 import FastH2Connection
from http3_transport._http2.flow_control import CONNECTION_WINDOW
from http3_transport._http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    frame_header,
    header_frames,
    violation,
)
from http3_transport._http2.state import HTTP2State
from http3_transport._http2.stream import HTTP2Stream, NoStreamLeft

REQUEST = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/")]

STATUSES = st.sampled_from([b"103", b"200", b"204", b"304", b"20", b""])
LENGTHS = st.none() | st.sampled_from([b"0", b"3", b"5", b"x"])
STREAMS = st.sampled_from([1, 3, 5])


def three_requests(*, fast: bool) -> tuple[HTTP2State, list[HTTP2Stream]]:
    """A state with three requests sent: a GET, a HEAD and a POST under way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_h2, "IS_FAST", fast)
        state = HTTP2State(Limits())
    state.start()
    state.receive(SettingsFrame(0).serialize())
    head = [(b":method", b"HEAD"), *REQUEST[1:]]
    streams = [state.open(fields, end_stream=True) for fields in (REQUEST, head)]
    streams.append(state.open([(b":method", b"POST"), *REQUEST[1:]], end_stream=False))
    return state, streams


def outcome(stream: HTTP2Stream) -> tuple[object, ...]:
    """All that a reader would learn. Before a failure it may see more or less of the body."""
    if stream.failure is not None:
        return stream.head, stream.informational, stream.failure.kind
    body = b"".join(stream.inbox)
    return stream.head, stream.informational, body, stream.trailers, stream.ended, stream.reset


Step = tuple[str, int, object, object]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("head"), STREAMS, st.tuples(STATUSES, LENGTHS), st.integers(0, 3)),
        st.tuples(st.just("data"), STREAMS, st.binary(max_size=5), st.integers(0, 3)),
        st.tuples(st.just("row"), STREAMS, st.integers(0, 3), st.integers(2, 5)),
        st.tuples(st.just("trailers"), STREAMS, st.just(None), st.booleans()),
        st.tuples(st.just("reset"), STREAMS, st.just(None), st.just(None)),
        st.tuples(st.just("other"), STREAMS, st.integers(0, 2), st.just(None)),
    ),
    max_size=12,
)


def frames_of(steps: Iterable[Step]) -> bytes:
    """What a server sends, step by step; bit 0 of the last value ends the stream, bit 1 is for odd ways."""
    encoder = Encoder()
    sent: list[Frame] = []
    for kind, stream_id, what, flags in steps:
        ends = ["END_STREAM"] if isinstance(flags, int) and flags & 1 else []
        is_odd = isinstance(flags, int) and bool(flags & 2)
        if kind == "head":
            assert isinstance(what, tuple)
            fields = [(b":status", what[0]), (b"server", b"nginx")]
            fields += [(b"content-length", what[1])] if what[1] is not None else []
            block = encoder.encode(fields)
            if is_odd:
                sent += [
                    HeadersFrame(stream_id, block[:2], flags=ends),
                    ContinuationFrame(stream_id, block[2:], flags=["END_HEADERS"]),
                ]
            else:
                sent.append(HeadersFrame(stream_id, block, flags=["END_HEADERS", *ends]))
        elif kind == "data":
            assert isinstance(what, bytes)
            padding = {"flags": ["PADDED", *ends], "pad_length": 3} if is_odd else {"flags": ends}
            sent.append(DataFrame(stream_id, what, **padding))
        elif kind == "row":
            assert isinstance(what, int)
            assert isinstance(flags, int)
            sent += [DataFrame(stream_id, bytes(what))] * flags
        elif kind == "trailers":
            block = encoder.encode([(b"checksum", b"1")])
            sent.append(HeadersFrame(stream_id, block, flags=["END_HEADERS", *ends]))
        elif kind == "reset":
            sent.append(RstStreamFrame(stream_id, error_code=2))
        else:
            others = (PingFrame(0, b"12345678"), WindowUpdateFrame(stream_id, 10), WindowUpdateFrame(0, 10))
            assert isinstance(what, int)
            sent.append(others[what])
    return b"".join(frame.serialize() for frame in sent)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_plain_h2_makes_the_same_of_it(steps: list[Step]) -> None:
    data = frames_of(steps)
    fast, streams = three_requests(fast=True)
    plain, expected = three_requests(fast=False)
    fast.output.take()
    plain.output.take()
    fast.receive(data)
    plain.receive(data)
    if plain.broken is None:  # plain h2 fails more
        assert fast.broken is None
        assert [outcome(stream) for stream in streams] == [outcome(stream) for stream in expected]
        if not any(stream.failure or stream.reset for stream in streams):
            assert fast.output.take() == plain.output.take()


@settings(max_examples=300, deadline=None)
@given(STEPS, st.lists(st.integers(1, 40), max_size=20))
def test_cuts_change_nothing(steps: list[Step], cuts: list[int]) -> None:
    data = frames_of(steps)
    whole, expected = three_requests(fast=True)
    cut, streams = three_requests(fast=True)
    whole.receive(data)
    for size in [*cuts, len(data)]:
        cut.receive(data[:size])
        data = data[size:]
    if any(stream.failure for stream in expected):
        return  # what follows a fault within a packet is looked at before the stream is reset
    assert cut.broken is None
    assert [outcome(stream) for stream in streams] == [outcome(stream) for stream in expected]
    assert received(cut) == received(whole)


@pytest.mark.parametrize("number", [0, 2])
def test_an_informational_head_behind_a_whole_response(number: int) -> None:
    """A fault of the server's that takes nothing from the response: it is whole, and did not fail."""
    state, streams = three_requests(fast=True)
    stream = streams[number]
    state.receive(head_of(stream, end=True))
    block = Encoder().encode([(b":status", b"103")])
    state.receive(HeadersFrame(stream.stream_id, block, flags=["END_HEADERS"]).serialize())
    assert stream.ended
    assert stream.failure is None
    assert stream.reset
    assert state.broken is None
    assert state.send_data(stream, memoryview(b"more"), end=True) == 0


def received(state: HTTP2State) -> int:
    """Bytes by which the connection's window is smaller."""
    return CONNECTION_WINDOW - state._h2.inbound_flow_control_window


def head_of(stream: HTTP2Stream, *fields: tuple[bytes, bytes], end: bool = False) -> bytes:
    block = Encoder().encode([(b":status", b"200"), *fields])
    flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
    return HeadersFrame(stream.stream_id, block, flags=flags).serialize()


def test_pieces_in_a_row_are_one() -> None:
    state, (stream, _, other) = three_requests(fast=True)
    state.receive(head_of(stream))
    state.receive(head_of(other))
    ours = DataFrame(stream.stream_id, b"a" * 100).serialize()
    data = ours * 3 + DataFrame(other.stream_id, b"b").serialize() + ours[:50]
    state.receive(data)
    assert [len(piece) for piece in stream.inbox] == [300, 41]
    assert list(other.inbox) == [b"b"]
    state.receive(ours[50:])
    assert b"".join(stream.inbox) == b"a" * 400


@pytest.mark.parametrize("size", [1000, 8192, 16384])
@pytest.mark.parametrize("fast", [False, True])
def test_a_row_ends_where_the_window_does(size: int, fast: bool) -> None:
    state, (stream, *_) = three_requests(fast=fast)
    state.receive(head_of(stream))
    frame = DataFrame(stream.stream_id, bytes(size)).serialize()
    fitting = fast_h2.INITIAL_STREAM_WINDOW // size
    state.receive(frame * fitting)
    assert stream.failure is None
    assert sum(map(len, stream.inbox)) == fitting * size
    state.receive(frame * 2)
    assert stream.failure is not None


def test_a_row_ends_where_the_body_does() -> None:
    state, (stream, _, other) = three_requests(fast=True)
    state.receive(head_of(stream, (b"content-length", b"35")) + head_of(other))
    state.receive(DataFrame(stream.stream_id, bytes(10)).serialize() * 6)
    assert stream.failure is not None
    assert "35 bytes announced" in stream.failure.text
    assert state.broken is None


@pytest.mark.parametrize("ends", [False, True])
def test_a_stream_that_is_given_up_within_a_piece(ends: bool) -> None:
    state, (stream, _, other) = three_requests(fast=True)
    state.receive(head_of(stream))
    data = DataFrame(stream.stream_id, bytes(1000), flags=["END_STREAM"] if ends else []).serialize()
    state.receive(data[:500])
    assert state.close_stream(stream)
    state.receive(data[500:] + head_of(other, end=True))
    assert state.broken is None
    assert other.ended
    assert received(state) == 1000  # all of it counts for the connection


@pytest.mark.parametrize("size", [4, 6])
def test_a_body_that_does_not_fit_its_head(size: int) -> None:
    state, (stream, *_) = three_requests(fast=True)
    state.receive(head_of(stream, (b"content-length", b"5")))
    state.receive(DataFrame(stream.stream_id, bytes(size), flags=["END_STREAM"]).serialize())
    assert stream.failure is not None
    assert f"5 bytes announced, {size} received" in stream.failure.text
    assert state.broken is None


def test_too_much_for_the_window_breaks_the_connection() -> None:
    state, (stream, *_) = three_requests(fast=True)
    state.receive(head_of(stream))
    state.receive(DataFrame(stream.stream_id, bytes(16384)).serialize() * 9)
    assert state.broken is not None
    assert sum(map(len, stream.inbox)) == 8 * 16384


def test_a_block_that_cannot_be_unpacked_breaks_the_connection() -> None:
    state, (stream, *_) = three_requests(fast=True)
    state.output.take()
    state.receive(HeadersFrame(stream.stream_id, b"\xff\xff\xff", flags=["END_HEADERS"]).serialize())
    assert state.broken is not None
    assert state.output.take()[3] == 7  # GOAWAY


@pytest.mark.parametrize("size", [1, 10, 100, 101, 350])
def test_header_blocks_in_frames(size: int) -> None:
    block = bytes(range(256)) * 2
    data = header_frames(5, block[:size], True, 100)
    found, kinds, flags = b"", [], []
    while data:
        length = int.from_bytes(data[:3])
        assert length <= 100
        assert int.from_bytes(data[5:9]) == 5
        kinds.append(data[3])
        flags.append(data[4])
        found += data[9 : 9 + length]
        data = data[9 + length :]
    assert found == block[:size]
    assert kinds == [HEADERS] + [CONTINUATION] * (len(kinds) - 1)
    assert flags[0] & END_STREAM
    assert [flag & END_HEADERS for flag in flags] == [0] * (len(flags) - 1) + [END_HEADERS]


def test_the_servers_limit_of_streams_is_kept() -> None:
    state = HTTP2State(Limits())
    state.start()
    state.receive(SettingsFrame(0, settings={3: 2}).serialize())
    streams = [state.open(REQUEST, end_stream=True) for _ in range(2)]
    with pytest.raises(NoStreamLeft):
        state.open(REQUEST, end_stream=True)
    state.receive(head_of(streams[0], end=True))  # over on the wire, though not forgotten here
    streams.append(state.open(REQUEST, end_stream=True))
    with pytest.raises(NoStreamLeft):
        state.open(REQUEST, end_stream=True)


def test_many_requests_leave_nothing_behind() -> None:
    state = HTTP2State(Limits())
    state.start()
    state.receive(SettingsFrame(0).serialize())
    for number in range(6000):
        stream = state.open([*REQUEST, (b"x-request-id", b"%d" % number)], end_stream=True)
        state.output.take()
        state.receive(head_of(stream) + DataFrame(stream.stream_id, b"x", flags=["END_STREAM"]).serialize())
        assert stream.ended
        assert not state.close_stream(stream)
        assert not state.output.pieces
    connection = state._h2
    assert isinstance(connection, FastH2Connection)
    assert not state.streams
    assert not state.ready_streams
    assert not connection.streams
    assert not connection.events
    assert not connection._closed_streams
    assert len(connection.encoder.header_table.dynamic_entries) <= 128


def test_unknown_settings_are_dropped() -> None:
    """RFC 9113 section 6.5.2; the known ones among them count."""
    state = HTTP2State(Limits())
    state.start()
    state.receive(SettingsFrame(0, settings={3: 7, 0x1A2A: 1}).serialize())
    state.receive(SettingsFrame(0, settings=dict.fromkeys(range(256, 448), 1)).serialize())
    assert state._h2.remote_settings.max_concurrent_streams == 7
    assert len(state._h2.remote_settings) < 10
    assert state._h2.streams == {}


def test_a_settings_frame_of_hundreds_ends_the_connection() -> None:
    state, streams = three_requests(fast=True)
    state.receive(SettingsFrame(0, settings=dict.fromkeys(range(256, 256 + 201), 1)).serialize())
    failures = [stream.failure for stream in streams]
    assert all(failure is not None and "201 settings" in failure.text for failure in failures)


def test_small_pieces_that_nobody_reads_are_joined() -> None:
    stream = HTTP2Stream(1, 0, is_head=False)
    pieces = [bytes([number % 251]) * (1 + number % 3) for number in range(20_000)]
    for piece in pieces:
        stream.put(piece)
    assert len(stream.inbox) < 64 + 2 + 40_000 // 512
    assert b"".join(stream.inbox) == b"".join(pieces)


def test_large_pieces_that_nobody_reads_stay_as_they_are() -> None:
    stream = HTTP2Stream(1, 0, is_head=False)
    pieces = [bytes([number]) * 1024 for number in range(100)]
    for piece in pieces:
        stream.put(piece)
    assert list(stream.inbox) == pieces


@pytest.mark.parametrize(
    ("exc", "text"),
    [
        (StreamIDTooLowError(1, 3), "a frame on stream 1, which is not open"),
        (NoSuchStreamError(5), "a frame on stream 5, which is not open"),
        (StreamClosedError(7), "a frame on stream 7, which is not open"),
        (FlowControlError(), "flow control was violated"),
        (KeyError("X"), "a frame that makes no sense"),
        (ProtocolError("Received pushed stream"), "Received pushed stream"),
    ],
    ids=repr,
)
def test_what_h2_objects_to_is_told_in_words_of_http2(exc: Exception, text: str) -> None:
    assert violation(exc) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (frame_header(0, DATA, 0, 1), "DATA where it is not allowed"),
        (frame_header(0, DATA, 0, 0), "a Data frame without a stream"),
        (frame_header(0, 4, 0, 3), "a Settings frame with a stream"),
    ],
)
def test_a_frame_that_h2_finds_out_of_place(data: bytes, text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        H2Connection().receive_data(data)
    assert violation(caught.value) == text


STATUS_200 = b"\x88"


@pytest.mark.parametrize("is_given_up", [False, True])
def test_a_continuation_of_nothing_ends_the_connection(is_given_up: bool) -> None:
    """h2 takes it for a late frame where the stream was reset; its fields would be lost to HPACK's table."""
    state, streams = three_requests(fast=True)
    if is_given_up:
        state.close_stream(streams[0])
    state.receive(ContinuationFrame(1, STATUS_200, flags=["END_HEADERS"]).serialize())
    assert state.broken is not None
    assert state.broken.kind is RemoteProtocolError
    assert all(stream.failure is not None for stream in streams[1:])


def test_a_late_head_in_two_frames_does_no_harm() -> None:
    state, streams = three_requests(fast=True)
    state.close_stream(streams[0])
    head = (
        HeadersFrame(1, b"").serialize() + ContinuationFrame(1, STATUS_200, flags=["END_HEADERS"]).serialize()
    )
    other = HeadersFrame(3, STATUS_200, flags=["END_HEADERS", "END_STREAM"]).serialize()
    state.receive(head + other)
    assert state.broken is None
    assert streams[1].ended
