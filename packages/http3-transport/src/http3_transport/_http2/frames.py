"""Frames of HTTP/2 as bytes (RFC 9113 section 4), and the events of `FastH2Connection` beyond those of h2."""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING

from h2.events import ConnectionTerminated, Event
from h2.exceptions import (
    FlowControlError,
    H2Error,
    InvalidBodyLengthError,
    NoSuchStreamError,
    ProtocolError,
    StreamIDTooLowError,
)
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
)

if TYPE_CHECKING:
    from .headers import Field

DATA, HEADERS, PUSH_PROMISE, CONTINUATION = 0, 1, 5, 9
END_STREAM, END_HEADERS = 0x1, 0x4
"""Types of frames, and flags (RFC 9113 section 6)."""

FRAME_HEADER = Struct(">HBBBL")
"""Length in three bytes, type, flags, stream (RFC 9113 section 4.1)."""

FRAME_HEADER_SIZE = FRAME_HEADER.size

PRIORITY_SIZE = 5
"""Bytes of priority that HEADERS may begin with (RFC 9113 section 6.2)."""

_MISPLACED = re.compile(r"Invalid input \w+Inputs\.RECV_(\w+)")

_WRONG_STREAM = re.compile(r"Stream ID must be (non-)?zero for (\w+)Frame")

_KNOWN_SETTINGS = frozenset(SettingCodes)

MAX_SETTINGS = 200
"""Settings in one frame. A dozen is registered; a server may add a few unknown ones to test its clients."""


def frame_header(size: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The nine bytes before a frame's payload."""
    return FRAME_HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id)


def header_frames(stream_id: int, block: bytes, end_stream: bool, frame_size: int) -> bytes:
    """A header block as HEADERS and, where it is larger than a frame, CONTINUATION."""
    frames = []
    kind, flags = HEADERS, END_STREAM if end_stream else 0
    for start in range(0, len(block), frame_size):
        piece = block[start : start + frame_size]
        if start + frame_size >= len(block):
            flags |= END_HEADERS
        frames += [frame_header(len(piece), kind, flags, stream_id), piece]
        kind, flags = CONTINUATION, 0
    return b"".join(frames)


class Head(Event):
    """The head of a response, final or not, that came in one frame."""

    __slots__ = ("fields", "is_final", "stream_id")

    def __init__(self, stream_id: int, fields: list[Field], *, is_final: bool) -> None:
        self.stream_id = stream_id
        self.fields = fields
        self.is_final = is_final


class BodyPiece(Event):
    """Bytes of a body, of one DATA frame or of several in a row. The views are of what was received."""

    __slots__ = ("stream_id", "views")

    def __init__(self, stream_id: int, view: memoryview) -> None:
        self.stream_id = stream_id
        self.views = [view]


class MalformedMessage(Event):
    """The message on a stream breaks the rules; its connection goes on."""

    def __init__(self, stream_id: int, text: str, frame: Frame | None = None) -> None:
        self.stream_id = stream_id
        self.text = text
        self.only_ends = isinstance(frame, DataFrame) and not frame.data and "END_STREAM" in frame.flags


def goaway_event(frame: GoAwayFrame) -> ConnectionTerminated:
    """The event of h2 for a GOAWAY, without its effects."""
    event = ConnectionTerminated()
    event.error_code = frame.error_code
    event.last_stream_id = frame.last_stream_id
    event.additional_data = frame.additional_data or None
    return event


def drop_unknown_settings(frame: SettingsFrame) -> None:
    """Ignore unknown settings, as RFC 9113 section 6.5.2 asks. h2 would keep them: 50 MiB for all 65,536
    identifiers, and each later SETTINGS frame would cost a search through all of them."""
    frame.settings = {code: value for code, value in frame.settings.items() if code in _KNOWN_SETTINGS}


def overlooked_fault(frame: Frame, highest_stream_id: int) -> str | None:
    """What is wrong with a frame that h2 and hyperframe let pass (RFC 9113 sections 6.2, 6.4 and 6.10)."""
    if isinstance(frame, SettingsFrame) and len(frame.settings) > MAX_SETTINGS:
        return f"Received {len(frame.settings)} settings in one frame"
    if isinstance(frame, ContinuationFrame):  # one that continues something is part of it by now
        return f"Received a CONTINUATION of nothing on stream {frame.stream_id}"
    if isinstance(frame, RstStreamFrame) and (
        frame.stream_id % 2 == 0 or frame.stream_id > highest_stream_id
    ):
        return f"Received a reset of stream {frame.stream_id}, which was never opened"
    if isinstance(frame, HeadersFrame) and "PRIORITY" in frame.flags:
        room = frame.body_len - PRIORITY_SIZE
        return "Received a head with more padding than it has room for" if frame.pad_length > room else None
    return None


def fault(exc: ProtocolError) -> str:
    """What h2 found wrong with a message."""
    if isinstance(exc, InvalidBodyLengthError):
        return length_fault(exc.expected_length, exc.actual_length)
    return f"The response is malformed: {violation(exc)}"


def violation(exc: Exception) -> str:
    """What h2 objects to, in the words of HTTP/2: h2 speaks of inputs, and of states that have numbers."""
    if isinstance(exc, NoSuchStreamError | StreamIDTooLowError):
        return f"a frame on stream {exc.stream_id}, which is not open"
    said = str(exc)
    if (misplaced := _MISPLACED.match(said)) is not None:
        return f"{misplaced[1]} where it is not allowed"
    if (wrong := _WRONG_STREAM.search(said)) is not None:
        return f"a {wrong[2]} frame with{'out' if wrong[1] else ''} a stream"
    if isinstance(exc, H2Error) and said:
        return said
    return "flow control was violated" if isinstance(exc, FlowControlError) else "a frame that makes no sense"


def length_fault(announced: int, received: int) -> str:
    """What is wrong with a body that does not fit its head."""
    return f"The body does not fit its Content-Length: {announced} bytes announced, {received} received"
