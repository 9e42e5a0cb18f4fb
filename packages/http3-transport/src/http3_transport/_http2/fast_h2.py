"""h2 without needless work, and with errors where RFC 9113 puts them.

`FastH2Connection` cuts what arrives into frames itself. What most of the traffic consists of (requests, heads
of responses, pieces of bodies) it makes and takes without the objects, checks and log records that h2 and
hyperframe have for each; its state machines and windows are kept all the same. That more than halves the cost
of a request, and quarters that of a download. Everything unusual goes to h2.

One private method of h2, `_receive_frame`, is replaced for three reasons:

- h2 renders ``repr(frame)`` for its logger on every frame, which costs more than all else together.
- h2 takes a GOAWAY for the end of the connection; by section 6.8 the streams below its number go on.
- h2 answers a malformed response with a connection error; by section 8.1.1 it is its stream's error.

Events are collected one by one in `events`, so a bad frame does not take with it what came before it
in the same packet. Where a version of h2 lacks what is replaced here, plain h2 serves: slower, and a GOAWAY
or a malformed response then ends every exchange of the connection, but nothing is delivered wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import AllowedStreamIDs, ConnectionInputs, ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import (
    DenialOfServiceError,
    FrameTooLargeError,
    InvalidBodyLengthError,
    ProtocolError,
    StreamClosedError,
    StreamIDTooLowError,
    TooManyStreamsError,
)
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream, StreamClosedBy, StreamInputs, StreamState
from hpack import HPACKError, OversizedHeaderListError
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

from . import hpack
from .floods import SMALL_FRAME, FloodGuard
from .frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER,
    FRAME_HEADER_SIZE,
    HEADERS,
    PUSH_PROMISE,
    BodyPiece,
    Head,
    MalformedMessage,
    drop_unknown_settings,
    fault,
    frame_header,
    goaway_event,
    header_frames,
    overlooked_fault,
)
from .hpack import FieldDecoder, FieldEncoder

if TYPE_CHECKING:
    from .headers import Field

INITIAL_STREAM_WINDOW = 128 * 1024
"""Bytes that a server may send on a stream before they are read."""

HARD_HEAD_FACTOR = 4
"""A head beyond its bound fails its own stream; beyond this multiple, unpacked no further, the connection."""

_RECEIVING = frozenset([StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL])
_RESETS = frozenset([StreamClosedBy.SEND_RST_STREAM, StreamClosedBy.RECV_RST_STREAM])

_OF_CONNECTIONS = (
    "_begin_new_stream",
    "_closed_streams",
    "_frame_dispatch_table",
    "_inbound_flow_control_window_manager",
    "_prepare_for_sending",
    "_receive_frame",
    "_stream_is_closed_by_reset",
    "decoder",
    "encoder",
    "highest_outbound_stream_id",
    "max_inbound_frame_size",
    "outbound_flow_control_window",
    "state_machine",
    "streams",
)
_OF_STREAMS = (
    "_actual_content_length",
    "_expected_content_length",
    "_inbound_window_manager",
    "closed",
    "closed_by",
    "outbound_flow_control_window",
    "request_method",
    "state_machine",
)


class FastH2Connection(H2Connection):
    """An `H2Connection` of the client's side; see the module."""

    MAX_CLOSED_STREAMS = 4096
    """Ids of reset streams that are remembered, for frames still on their way; h2's own bound is 65536."""

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.decoder: FieldDecoder = FieldDecoder()
        self.encoder: FieldEncoder = FieldEncoder()
        self.events: list[Event] = []
        self._tail = b""
        """The beginning of a frame whose rest has not arrived."""
        self.floods: FloodGuard = FloodGuard()
        self._in_header_block = False
        self._piece: tuple[int, int] | None = None
        """Stream and flags of a DATA frame that was counted, and not all of which has arrived."""
        self._piece_left = 0

    def take_bytes(self, data: bytes) -> None:
        """`receive_data` with the cutting done here; see `events` for what came. Raises the same."""
        data = self._tail + data if self._tail else data
        view = memoryview(data)
        start, end = self._take_data(view), len(data)
        try:
            while end - start >= FRAME_HEADER_SIZE:
                high, low, kind, flags, stream_id = FRAME_HEADER.unpack_from(data, start)
                size = (high << 8) + low
                begin = start + FRAME_HEADER_SIZE
                if size > self.max_inbound_frame_size:
                    start = begin
                    self.close_connection(ErrorCodes.FRAME_SIZE_ERROR)
                    raise FrameTooLargeError(f"Received an overlong frame of {size} bytes")
                if size < SMALL_FRAME and not self.floods.allows_small_frame():
                    self.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
                    raise ProtocolError("It floods the connection with frames that bring nothing")
                if kind == DATA and flags <= END_STREAM and self._begin_data(stream_id, size, flags):
                    start = begin + self._take_data(view[begin:])
                    if size and not flags and self._piece is None:
                        start = self._take_equal_frames(stream_id, size, data, view, start)
                    continue
                stop = begin + size
                if stop > end:
                    break
                block, start = start, stop
                if kind != HEADERS or not self._take_head(stream_id, flags, view[begin:stop]):
                    self._follow_header_block(kind, flags)
                    self.receive_data(view[block:stop])
        finally:
            self._tail = data[start:]

    def _follow_header_block(self, kind: int, flags: int) -> None:
        """Between HEADERS without END_HEADERS and the last CONTINUATION no other frame may come."""
        if kind in (HEADERS, PUSH_PROMISE, CONTINUATION):
            self._in_header_block = not flags & END_HEADERS

    def _receiving(self, stream_id: int) -> H2Stream | None:
        """The stream, if nothing stands against a frame of its response now."""
        stream = self.streams.get(stream_id)
        if (
            stream is None
            or self._in_header_block
            or self.state_machine.state is not ConnectionState.CLIENT_OPEN
            or stream.state_machine.state not in _RECEIVING
        ):
            return None
        return stream

    # Each takes an ordinary frame; False for any other: then nothing has changed, and h2 takes it.
    # -10 us for a head, -6 us for what ends a body.

    def _take_head(self, stream_id: int, flags: int, block: memoryview) -> bool:
        """The head of a response. `headers` checks its fields, `HTTP2State` its length."""
        stream = self._receiving(stream_id)
        if stream is None or stream.state_machine.headers_received or flags & ~END_STREAM != END_HEADERS:
            return False
        fields = self._decoded(bytes(block))
        is_final = not fields or fields[0][0] != b":status" or fields[0][1][:1] != b"1"
        if is_final:
            self.floods.useless_frames = 0
            stream.state_machine.process_input(StreamInputs.RECV_HEADERS)
        elif flags & END_STREAM:
            self._prepare_for_sending(self._ended(stream_id))
            self.events.append(MalformedMessage(stream_id, "The response ended without a final head"))
            return True
        self.events.append(Head(stream_id, fields, is_final=is_final))
        if flags & END_STREAM:
            self.events += stream.state_machine.process_input(StreamInputs.RECV_END_STREAM)
        return True

    def _decoded(self, block: bytes) -> list[Field]:
        """The fields of a header block. Where it is broken the connection is, as its tables are."""
        try:
            return self.decoder.fields(block)
        except OversizedHeaderListError as exc:
            self.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            raise DenialOfServiceError(f"Oversized header block: {exc}") from exc
        except HPACKError as exc:
            self.close_connection(ErrorCodes.COMPRESSION_ERROR)
            raise ProtocolError(f"Error decoding header block: {exc}") from exc

    def _begin_data(self, stream_id: int, size: int, flags: int) -> bool:
        """Count a DATA frame without padding, maybe the last; `_take_data` takes its bytes as they come."""
        stream = self._receiving(stream_id)
        if stream is None or not stream.state_machine.headers_received:
            return False
        expected = stream._expected_content_length
        if expected is not None:
            left = expected - stream._actual_content_length - size
            if left < 0 or (left and flags):
                return False
        ours, its = self._inbound_flow_control_window_manager, stream._inbound_window_manager
        if size > ours.current_window_size or size > its.current_window_size:
            return False
        ours.window_consumed(size)
        its.window_consumed(size)
        stream._actual_content_length += size
        self._piece = (stream_id, flags)
        self._piece_left = size
        return True

    def _take_data(self, view: memoryview) -> int:
        """Take what has arrived of the piece under way; how many bytes that is.

        Pieces in a row are one for the reader, and nothing is put together that was cut on its way:
        a download costs a tenth less.
        """
        if self._piece is None:
            return 0
        stream_id, flags = self._piece
        size = min(self._piece_left, len(view))
        if size:
            self.floods.useless_frames = 0
            last = self.events[-1] if self.events else None
            if isinstance(last, BodyPiece) and last.stream_id == stream_id:
                last.views.append(view[:size])
            else:
                self.events.append(BodyPiece(stream_id, view[:size]))
            self._piece_left -= size
        if not self._piece_left:
            self._piece = None
            stream = self._receiving(stream_id) if flags else None
            if stream is not None:  # not reset since the piece began
                self.events += stream.state_machine.process_input(StreamInputs.RECV_END_STREAM)
        return size

    def _take_equal_frames(self, stream_id: int, size: int, data: bytes, view: memoryview, start: int) -> int:
        """Take the frames behind such a piece, of ``size`` bytes, that are whole and just like it; where they
        end.

        Servers cut a body into frames of one size, and what was asked for the first holds for all (-20 % of a
        download, -12 % over TLS).
        """
        last = self.events[-1]
        assert isinstance(last, BodyPiece)
        stream = self.streams[stream_id]
        ours, its = self._inbound_flow_control_window_manager, stream._inbound_window_manager
        room = min(ours.current_window_size, its.current_window_size)
        if stream._expected_content_length is not None:
            room = min(room, stream._expected_content_length - stream._actual_content_length)
        step = FRAME_HEADER_SIZE + size
        most = min(room // size, (len(data) - start) // step)
        header, count = data[start - step : start - size], 0
        while count < most and data.startswith(header, start):
            last.views.append(view[start + FRAME_HEADER_SIZE : start + step])
            start += step
            count += 1
        taken = count * size
        ours.window_consumed(taken)
        its.window_consumed(taken)
        stream._actual_content_length += taken
        return start

    def _receive_frame(self, frame: Frame) -> list[Event]:
        if isinstance(frame, GoAwayFrame):
            self.events.append(goaway_event(frame))
            return []
        self._check_frame(frame)
        try:
            answers, events = self._frame_dispatch_table[frame.__class__](frame)
        except (StreamClosedError, StreamIDTooLowError) as exc:
            # A frame that was on its way when the stream was reset; any other is a connection error.
            if not self._stream_is_closed_by_reset(exc.stream_id):
                raise
            answers, events = [], list(getattr(exc, "_events", ()))
        except ProtocolError as exc:
            if not self._is_stream_error(frame, exc):
                raise
            answers, events = (
                self._ended(frame.stream_id),
                [MalformedMessage(frame.stream_id, fault(exc), frame)],
            )
        if answers:
            self._prepare_for_sending(answers)
        self.events.extend(events)
        return []

    def _check_frame(self, frame: Frame) -> None:
        """Refuse what h2 and hyperframe let pass."""
        text = overlooked_fault(frame, self.highest_outbound_stream_id)
        if isinstance(frame, SettingsFrame):
            drop_unknown_settings(frame)
        if text is None and isinstance(frame, DataFrame):
            if frame.stream_id in self.streams:
                self.floods.useless_frames = 0 if frame.data else self.floods.useless_frames
            elif not self.floods.allows_late_data(frame.stream_id, frame.flow_controlled_length):
                text = f"It goes on with stream {frame.stream_id}, which was reset"
        if text is not None:
            raise ProtocolError(text)

    def drop(self, stream_id: int) -> None:
        """Forget a stream that is closed, as h2 does when it counts."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.closed:
            del self.streams[stream_id]
            if stream.closed_by in _RESETS:  # only these are looked up later, to tell late frames from faults
                self._closed_streams[stream_id] = stream.closed_by
            if stream.closed_by is StreamClosedBy.SEND_RST_STREAM:
                self.floods.expect_late(stream_id, stream._inbound_window_manager.current_window_size)

    def request_frames(self, fields: list[Field], *, end_stream: bool) -> tuple[int, bytes]:
        """Open a stream: its number and the frames of its head. ``fields`` begin with :method.

        As `send_headers`, and raises the same; -10 us, and more with many streams: h2 looks at all of them
        for each one that is opened, here that is done at the limit only.
        """
        stream_id = self.get_next_available_stream_id()
        limit = self.remote_settings.max_concurrent_streams
        if len(self.streams) >= limit and self.open_outbound_streams >= limit:
            raise TooManyStreamsError("The peer allows no further stream")
        self.state_machine.process_input(ConnectionInputs.SEND_HEADERS)
        stream = self._begin_new_stream(stream_id, AllowedStreamIDs.ODD)
        stream.request_method = fields[0][1]
        stream.state_machine.process_input(StreamInputs.SEND_HEADERS)
        if end_stream:
            stream.state_machine.process_input(StreamInputs.SEND_END_STREAM)
        block = self.encoder.block(fields)
        return stream_id, header_frames(stream_id, block, end_stream, self.max_outbound_frame_size)

    def data_frames(self, stream_id: int, data: memoryview) -> list[bytes | memoryview]:
        """``data``, which the windows allow, as DATA frames that end nothing; its bytes are not copied.

        `send_data` checks, copies and logs each frame; that takes longer than all else in an upload.
        """
        size = len(data)
        pieces: list[bytes | memoryview] = []
        for start in range(0, size, self.max_outbound_frame_size):
            piece = data[start : start + self.max_outbound_frame_size]
            length = len(piece)
            pieces += (frame_header(length, DATA, 0, stream_id), piece)
        self.floods.useless_frames = 0
        self.outbound_flow_control_window -= size
        self.streams[stream_id].outbound_flow_control_window -= size
        return pieces

    def _is_stream_error(self, frame: Frame, exc: ProtocolError) -> bool:
        """Whether a message broke the rules, and not the framing, the compression or the windows."""
        return (
            type(exc) in (ProtocolError, InvalidBodyLengthError)
            and not isinstance(exc.__cause__, HPACKError)
            and isinstance(frame, (HeadersFrame, DataFrame))
            and frame.stream_id in self.streams
            and self.state_machine.state is not ConnectionState.CLOSED
        )

    def _ended(self, stream_id: int) -> list[Frame]:
        """Close a stream whose message is malformed."""
        try:
            return self.streams[stream_id].reset_stream(ErrorCodes.PROTOCOL_ERROR)
        except StreamClosedError:
            # Its state machine closed it, without saying how; that decides about late frames.
            self.streams[stream_id].state_machine.stream_closed_by = StreamClosedBy.SEND_RST_STREAM
            frame = RstStreamFrame(stream_id)
            frame.error_code = ErrorCodes.PROTOCOL_ERROR
            return [frame]


def can_be_fast() -> bool:
    """Whether this h2 has all that `FastH2Connection` stands on."""
    config = H2Configuration(client_side=True)
    connection, stream = H2Connection(config), H2Stream(1, config, 65535, 65535)
    return (
        hpack.can_be_used()
        and all(hasattr(connection, name) for name in _OF_CONNECTIONS)
        and all(hasattr(stream, name) for name in _OF_STREAMS)
    )


IS_FAST = can_be_fast()


def new_connection(max_head_size: int) -> H2Connection:
    """An h2 connection with our settings, nothing sent yet. It leaves the checking of headers to us."""
    config = H2Configuration(
        client_side=True,
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        validate_inbound_headers=False,
        normalize_inbound_headers=False,
    )
    connection = FastH2Connection(config) if IS_FAST else H2Connection(config)
    connection.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: INITIAL_STREAM_WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: max_head_size,
        },
    )
    connection.decoder.max_header_list_size = max_head_size * HARD_HEAD_FACTOR
    return connection
