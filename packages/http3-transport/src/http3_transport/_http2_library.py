"""h2 as we want it: without work done in vain, and with errors where RFC 9113 puts them.

`TamedConnection` cuts what arrives into frames itself, and replaces one private method of h2,
`_receive_frame`, for four reasons:

- h2 renders ``repr(frame)`` for its logger on every frame, which costs more than all else together.
- Pieces of bodies need none of the objects that h2 and hyperframe make for them (three quarters of the cost
  of a download); they are counted here, in h2's own books.
- h2 takes a GOAWAY for the end of the connection; by section 6.8 the streams below its number go on.
- h2 answers a malformed response with a connection error; by section 8.1.1 it is its stream's error.

Events are collected one by one in `happened`, so a bad frame does not take with it what came before it
in the same packet. Where a version of h2 lacks what is replaced here, plain h2 serves: slower, and a GOAWAY
or a malformed response then ends every exchange of the connection, but nothing is delivered wrongly.
"""

from __future__ import annotations

from struct import Struct

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event
from h2.exceptions import (
    FrameTooLargeError,
    InvalidBodyLengthError,
    ProtocolError,
    StreamClosedError,
    StreamIDTooLowError,
)
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream, StreamClosedBy, StreamState
from hpack.exceptions import HPACKError
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

INITIAL_STREAM_WINDOW = 128 * 1024
"""Bytes that a server may send on a stream before anybody reads them."""

HARD_HEAD_FACTOR = 4
"""A head beyond its bound fails its own stream; beyond this multiple, unpacked no further, the connection."""


DATA, HEADERS, PUSH_PROMISE, CONTINUATION = 0, 1, 5, 9
END_HEADERS = 0x4
"""Types of frames, and a flag (RFC 9113 section 6)."""

_FRAME_HEADER = Struct(">HBBBL")
"""Length in three bytes, type, flags, stream (RFC 9113 section 4.1)."""

FRAME_HEADER_SIZE = _FRAME_HEADER.size

_RECEIVING = frozenset([StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL])


_OF_CONNECTIONS = (
    "_frame_dispatch_table", "_inbound_flow_control_window_manager", "_prepare_for_sending", "_receive_frame",
    "_stream_is_closed_by_reset", "max_inbound_frame_size", "outbound_flow_control_window", "streams",
)  # fmt: skip
_OF_STREAMS = (
    "_actual_content_length", "_expected_content_length", "_inbound_window_manager",
    "outbound_flow_control_window", "state_machine",
)  # fmt: skip


class MalformedMessage(Event):
    """h2 found the message on a stream to break the rules; its connection goes on."""

    def __init__(self, stream_id: int, text: str, frame: Frame) -> None:
        self.stream_id = stream_id
        self.text = text
        self.flow_controlled_length = 0
        self.only_ends = False
        if isinstance(frame, DataFrame):
            self.flow_controlled_length = frame.flow_controlled_length
            self.only_ends = not frame.data and "END_STREAM" in frame.flags


class BodyPiece(Event):
    """A DATA frame that is neither padded nor the last: what most of a download consists of."""

    __slots__ = ("data", "stream_id")

    def __init__(self, stream_id: int, data: bytes) -> None:
        self.stream_id = stream_id
        self.data = data


class TamedConnection(H2Connection):
    """An `H2Connection` of the client's side; see the module."""

    MAX_CLOSED_STREAMS = 4096
    """Ids of closed streams that are remembered, for frames still on their way; h2's own bound is 65536."""

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.happened: list[Event] = []
        self._tail = b""
        """The beginning of a frame whose rest has not arrived."""
        self._in_header_block = False

    def take_bytes(self, data: bytes) -> None:
        """`receive_data` with the cutting done here; see `happened` for what came. Raises the same."""
        data = self._tail + data if self._tail else data
        start, end = 0, len(data)
        try:
            while end - start >= FRAME_HEADER_SIZE:
                high, low, kind, flags, stream_id = _FRAME_HEADER.unpack_from(data, start)
                stop = start + FRAME_HEADER_SIZE + (high << 8) + low
                if stop - start - FRAME_HEADER_SIZE > self.max_inbound_frame_size:
                    self.close_connection(ErrorCodes.FRAME_SIZE_ERROR)
                    raise FrameTooLargeError(f"Received an overlong frame of {(high << 8) + low} bytes")
                if stop > end:
                    break
                begin, start = start, stop
                if (
                    kind != DATA
                    or flags
                    or not self._take_piece(stream_id, data, begin + FRAME_HEADER_SIZE, stop)
                ):
                    self._follow_header_block(kind, flags)
                    self.receive_data(data[begin:stop])
        finally:
            self._tail = data[start:]

    def _follow_header_block(self, kind: int, flags: int) -> None:
        """Between HEADERS without END_HEADERS and the last CONTINUATION no other frame may come."""
        if kind in (HEADERS, PUSH_PROMISE, CONTINUATION):
            self._in_header_block = not flags & END_HEADERS

    def _take_piece(self, stream_id: int, data: bytes, start: int, stop: int) -> bool:
        """Count a piece of a body as h2 would; False for all that is not quite ordinary: h2 judges that."""
        stream = self.streams.get(stream_id)
        if (
            stream is None
            or self._in_header_block
            or self.state_machine.state is not ConnectionState.CLIENT_OPEN
        ):
            return False
        machine, size, expected = stream.state_machine, stop - start, stream._expected_content_length
        if machine.state not in _RECEIVING or not machine.headers_received:
            return False
        if expected is not None and stream._actual_content_length + size > expected:
            return False
        windows = self._inbound_flow_control_window_manager, stream._inbound_window_manager
        if size > windows[0].current_window_size or size > windows[1].current_window_size:
            return False
        for window in windows:
            window.window_consumed(size)
        stream._actual_content_length += size
        self.happened.append(BodyPiece(stream_id, data[start:stop]))
        return True

    def _receive_frame(self, frame: Frame) -> list[Event]:
        if isinstance(frame, GoAwayFrame):
            self.happened.append(goaway_event(frame))
            return []
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
        self.happened.extend(events)
        return []

    def data_frames(self, stream_id: int, data: memoryview) -> list[bytes | memoryview]:
        """``data``, which the windows allow, as DATA frames that end nothing; its bytes are not copied.

        `send_data` checks, copies and logs each frame; that takes longer than all else in an upload.
        """
        size = len(data)
        pieces: list[bytes | memoryview] = []
        for start in range(0, size, self.max_outbound_frame_size):
            piece = data[start : start + self.max_outbound_frame_size]
            length = len(piece)
            pieces += (_FRAME_HEADER.pack(length >> 8, length & 0xFF, DATA, 0, stream_id), piece)
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
            # Its state machine closed it, without saying how; late frames are judged by that.
            self.streams[stream_id].state_machine.stream_closed_by = StreamClosedBy.SEND_RST_STREAM
            frame = RstStreamFrame(stream_id)
            frame.error_code = ErrorCodes.PROTOCOL_ERROR
            return [frame]


def fault(exc: ProtocolError) -> str:
    """What is wrong with a message."""
    if isinstance(exc, InvalidBodyLengthError):
        return length_fault(exc.expected_length, exc.actual_length)
    return f"The response is malformed: {exc}"


def length_fault(announced: int, received: int) -> str:
    """What is wrong with a body that does not fit its head."""
    return f"The body does not fit its Content-Length: {announced} bytes announced, {received} received"


def goaway_event(frame: GoAwayFrame) -> ConnectionTerminated:
    """What h2 would tell about a GOAWAY, without its consequences."""
    event = ConnectionTerminated()
    event.error_code = frame.error_code
    event.last_stream_id = frame.last_stream_id
    event.additional_data = frame.additional_data or None
    return event


def can_be_tamed() -> bool:
    """Whether this h2 has all that `TamedConnection` stands on."""
    config = H2Configuration(client_side=True)
    connection, stream = H2Connection(config), H2Stream(1, config, 65535, 65535)
    return all(hasattr(connection, name) for name in _OF_CONNECTIONS) and all(
        hasattr(stream, name) for name in _OF_STREAMS
    )


TAMED = can_be_tamed()


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
    connection = TamedConnection(config) if TAMED else H2Connection(config)
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
