"""`HTTP2State`: the state of one HTTP/2 connection, bytes in and bytes out (RFC 9113).

No await, no clock, no I/O: the connection holds its lock around every call and moves the bytes. h2 applies
the protocol's rules; its events go to the streams. A fault of one response ends its stream, a fault of the
connection ends all. `SendBuffer` has what is to be sent, `FlowControl` the windows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import (
    DenialOfServiceError,
    H2Error,
    NoAvailableStreamIDError,
    TooManyStreamsError,
)

from http3_models import Delivery, ReadError, RemoteProtocolError, ResponseTooLarge

from .._errors import SPEAKS_TLS, TLS_ALERT, HTTP11Required
from .fast_h2 import FastH2Connection, new_connection
from .flow_control import FlowControl
from .frames import BodyPiece, Head, MalformedMessage, violation
from .headers import Malformed, Oversized
from .pulse import Pulse
from .send_buffer import SendBuffer
from .stream import BODY, HEAD, INFORMATIONAL, SETTINGS, WINDOW, Failure, HTTP2Stream, NoStreamLeft

if TYPE_CHECKING:
    from http3_models import Limits

    from .headers import Field

MAX_STREAMS = 100
"""Streams at a time (the least that section 5.1.2 recommends a server to allow)."""

MAX_UNSENT = 1024 * 1024
"""Answers to PING and the like that may wait to be sent, in bytes. A peer that asks without ever reading
would fill memory; no honest one comes near."""

MAX_ENCODER_TABLE = 64 * 1024
"""Bytes of header table that we keep, however much the server offers."""

PING_DATA = b"are you?"
"""Eight bytes of our choice (RFC 9113 section 6.7)."""

CLOSED_HERE = Failure(ReadError, "The exchange was closed on this side")


class HTTP2State:
    """The state of a connection. Streams that have something to do are collected in ``ready_streams``."""

    __slots__ = (
        "_first_bytes",
        "_h2",
        "_limits",
        "_max_streams",
        "_remote_limit",
        "broken",
        "draining",
        "flow",
        "http11_required",
        "last_error",
        "limit_changed",
        "output",
        "pulse",
        "ready_streams",
        "settings_received",
        "streams",
    )

    def __init__(self, limits: Limits, max_streams: int = MAX_STREAMS, moment: float = 0.0) -> None:
        self._h2 = new_connection(limits.max_head_size)
        self._limits = limits
        self._max_streams = max_streams
        self._remote_limit = max_streams
        self._first_bytes = b""
        self.streams: dict[int, HTTP2Stream] = {}
        self.ready_streams: set[HTTP2Stream] = set()
        self.output = SendBuffer()
        self.pulse = Pulse(moment)
        self.flow = FlowControl(self._h2, self.ready_streams, self.pulse)
        self.draining = False
        """No new streams (GOAWAY, ids used up, or closing); open ones continue."""
        self.broken: Failure | None = None
        """Why the connection has ended; None while it is open."""
        self.last_error = ""
        self.http11_required = False
        """GOAWAY came with HTTP_1_1_REQUIRED."""
        self.settings_received = False
        """The server's first SETTINGS were received."""
        self.limit_changed = False
        """``stream_limit`` may have changed; the connection sets it back."""

    def __repr__(self) -> str:
        state = "broken" if self.broken else "draining" if self.draining else "open"
        return f"<HTTP2State {state}, {len(self.streams)} streams>"

    @property
    def stream_limit(self) -> int:
        """Streams that may be open at a time; 0 once none may be opened.

        One until SETTINGS were received: some servers end the connection over one stream too many.
        """
        if self.draining or self.broken is not None:
            return 0
        if not self.settings_received:
            return 1
        return min(self._max_streams, self._remote_limit)

    def is_ready(self, stream: HTTP2Stream, wants: int) -> bool:
        """Whether one that waits for ``wants`` (HEAD and the like) on the stream has something to do."""
        return bool(
            stream.ended
            or stream.failure is not None
            or (wants & HEAD and stream.head is not None)
            or (wants & BODY and stream.inbox)
            or (wants & INFORMATIONAL and stream.informational)
            or (wants & SETTINGS and self.settings_received)
            or (wants & WINDOW and (stream.reset or self.flow.share(stream)))
        )

    def delivery(self, stream: HTTP2Stream) -> Delivery:
        """How far the failed request on this stream got."""
        if stream.failure is not None and stream.failure.refused:
            return Delivery.REFUSED
        # While the connection is open, what is queued will be sent.
        unsent = self.broken is not None and stream.queued_at >= self.output.bytes_written
        return Delivery.NOT_SENT if unsent else Delivery.MAYBE_PROCESSED

    # Bytes out.

    def start(self) -> None:
        """Queue the preface, SETTINGS and the connection's window."""
        self._h2.initiate_connection()
        self.flow.start()
        self._collect()

    def open(self, fields: list[Field], *, end_stream: bool) -> HTTP2Stream:
        """Open a stream and queue its HEADERS. Raises NoStreamLeft."""
        if self.broken is not None or self.draining:
            text = self.broken.text if self.broken else self.last_error
            raise NoStreamLeft(text or "The connection takes no new requests")
        try:
            stream_id, frames = self._request_frames(fields, end_stream)
        except NoAvailableStreamIDError as exc:
            self.draining = True
            raise NoStreamLeft("All stream ids of the connection are used up") from exc
        except TooManyStreamsError as exc:
            raise NoStreamLeft("The server allows no further stream at this time") from exc
        stream = HTTP2Stream(stream_id, self.output.bytes_queued, fields[0][1] == b"HEAD")
        stream.request_sent = end_stream
        self.streams[stream_id] = stream
        self.output.put(frames)
        return stream

    def _request_frames(self, fields: list[Field], end_stream: bool) -> tuple[int, bytes]:
        if isinstance(self._h2, FastH2Connection):
            return self._h2.request_frames(fields, end_stream=end_stream)
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, fields, end_stream=end_stream)
        return stream_id, self._h2.data_to_send()

    def send_data(self, stream: HTTP2Stream, data: memoryview, *, end: bool) -> int:
        """Queue as much of ``data`` as the windows allow; with ``end`` and all of it, the request is over.

        Returns the number of bytes queued; 0 for a stream that has ended.
        """
        if stream.reset or stream.request_sent:
            return 0
        size = len(data)
        count = min(size, self.flow.share(stream))
        last = end and count == size
        # h2 makes the frame that ends the stream, so that its state is right.
        frame_size = self._h2.max_outbound_frame_size
        rest = (count - 1) // frame_size * frame_size if last else count
        if rest > 0:
            self._send_frames(stream.stream_id, data[:rest], frame_size)
        if last:
            self._h2.send_data(stream.stream_id, data[max(rest, 0) : count], end_stream=True)
            stream.request_sent = True
        self._collect()
        self.flow.pass_turn(stream)
        return count

    def _send_frames(self, stream_id: int, data: memoryview, frame_size: int) -> None:
        if isinstance(self._h2, FastH2Connection):
            for piece in self._h2.data_frames(stream_id, data):
                self.output.put(piece)
            return
        for start in range(0, len(data), frame_size):
            self._h2.send_data(stream_id, data[start : start + frame_size])

    def update_window(self, stream: HTTP2Stream) -> None:
        """Queue a WINDOW_UPDATE for what the reader has taken."""
        self.flow.update(stream)
        self._collect()

    def ping(self) -> None:
        """Queue a PING."""
        if self.broken is None:
            with suppress(H2Error):  # plain h2, after a GOAWAY
                self._h2.ping(PING_DATA)
            self._collect()

    def _collect(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self.output.put(data)

    # Ends.

    def close_stream(self, stream: HTTP2Stream, code: ErrorCodes = ErrorCodes.CANCEL) -> bool:
        """End the exchange. A stream that is not closed on the wire is reset; True if so."""
        if self.streams.pop(stream.stream_id, None) is None:
            return False
        if not stream.ended and stream.failure is None:
            stream.failure = CLOSED_HERE
        self.ready_streams.discard(stream)
        self.flow.close(stream)
        is_reset = not (stream.ended and stream.request_sent) and self._reset(stream, code)
        if isinstance(self._h2, FastH2Connection):
            self._h2.drop(stream.stream_id)
        return is_reset

    def _reset(self, stream: HTTP2Stream, code: ErrorCodes) -> bool:
        if stream.reset:
            return False
        stream.reset = True
        try:
            self._h2.reset_stream(stream.stream_id, code)
        except H2Error:
            return False  # closed on the wire already
        self._collect()
        return True

    def fail_all(self, failure: Failure) -> None:
        """The connection has ended: every response that is not whole fails."""
        if self.broken is not None:
            return
        self.broken = failure
        self.draining = True
        for stream in self.streams.values():
            if not stream.ended and stream.failure is None:
                stream.failure = failure
            stream.reset = True
            self.ready_streams.add(stream)
        self.ready_streams.update(self.pulse.end_doubt())

    def end_of_input(self) -> None:
        """The server closed the connection."""
        text = "The server closed the connection before the response was whole"
        if not self._first_bytes:
            text = "The server closed the connection without sending a byte of HTTP/2 (it may not speak it)"
        self.fail_all(Failure(RemoteProtocolError, f"{text}. {self.last_error}" if self.last_error else text))

    def close(self) -> None:
        """Queue a GOAWAY; no further stream."""
        if self.broken is None:
            self.draining = True
            self._h2.close_connection()
            self._collect()

    # Bytes in.

    def receive(self, data: bytes, moment: float = 0.0) -> None:
        """Take in what the server sent, and when that came.

        A violation ends the connection: see ``broken``; GOAWAY is queued.
        """
        if self.broken is not None or not self._check_preface(data):
            return
        queued = self.output.bytes_queued
        self._note_received(moment)
        events, failure = self._events(data, moment)
        for event in events:
            if (of_response := _OF_RESPONSES.get(type(event))) is not None:
                stream = self.streams.get(event.stream_id)
                if stream is not None and stream.failure is None:
                    try:
                        of_response(self, stream, event)
                    except Malformed as exc:
                        self._fail(stream, exc)
            elif (of_connection := _OF_CONNECTIONS.get(type(event))) is not None:
                of_connection(self, event)
        if failure is not None:
            self.fail_all(failure)
        elif self.broken is None:
            self.flow.update_connection()
        self._collect()
        self.output.answers += self.output.bytes_queued - queued
        if self.output.answers > MAX_UNSENT:
            text = "The server floods the connection with frames that want an answer"
            self.fail_all(Failure(RemoteProtocolError, text))

    def _note_received(self, moment: float) -> None:
        """The server is there."""
        pulse = self.pulse
        pulse.received_at = moment
        if pulse.doubted_since is not None:
            self.ready_streams.update(pulse.end_doubt())
        if pulse.is_silent:
            pulse.is_silent = False
            self.limit_changed = True

    def _events(self, data: bytes, moment: float) -> tuple[list[Any], Failure | None]:
        """The events of h2, and the violation that ended them."""
        h2 = self._h2
        events: list[Event] = []
        failure = None
        try:
            if isinstance(h2, FastH2Connection):
                h2.floods.look_at(moment)
                h2.take_bytes(data)
            else:
                events = h2.receive_data(data)
        except DenialOfServiceError as exc:
            text = f"The server's header list is beyond all bounds: {exc}"
            failure = Failure(ResponseTooLarge, text, cause=exc)
        except Exception as exc:  # noqa: BLE001 - h2 lets slip KeyError and the like on absurd frames
            failure = Failure(RemoteProtocolError, f"The server broke HTTP/2: {violation(exc)}", cause=exc)
        if isinstance(h2, FastH2Connection):
            events, h2.events = h2.events, []
        return events, failure

    def _check_preface(self, data: bytes) -> bool:
        """Whether the first frame is SETTINGS (section 3.4); else the peer speaks no HTTP/2."""
        if len(self._first_bytes) >= 9:
            return True
        self._first_bytes += data[: 9 - len(self._first_bytes)]
        kind, flags = self._first_bytes[3:4], self._first_bytes[4:5]
        if kind in (b"", b"\x04") and not (flags and flags[0] & 1):
            return True
        text = f"The server does not speak HTTP/2; it began with {self._first_bytes!r}"
        if self._first_bytes.startswith(TLS_ALERT):
            text = SPEAKS_TLS
        self.fail_all(Failure(RemoteProtocolError, text))
        return False

    def _fail(self, stream: HTTP2Stream, exc: Malformed) -> None:
        """A response breaks the rules: its stream ends, the connection goes on."""
        kind = ResponseTooLarge if isinstance(exc, Oversized) else RemoteProtocolError
        stream.failure = Failure(kind, str(exc), in_answer=True)
        self.ready_streams.add(stream)
        self._reset(stream, ErrorCodes.PROTOCOL_ERROR)

    # Events of responses that have not failed. They raise Malformed.

    def _on_head(self, stream: HTTP2Stream, event: Head) -> None:
        take = stream.take_head if event.is_final else stream.take_informational
        take(event.fields, self._limits)
        self.ready_streams.add(stream)

    def _on_informational(self, stream: HTTP2Stream, event: InformationalResponseReceived) -> None:
        stream.take_informational(event.headers or [], self._limits)
        self.ready_streams.add(stream)

    def _on_response(self, stream: HTTP2Stream, event: ResponseReceived) -> None:
        stream.take_head(event.headers or [], self._limits)
        self.ready_streams.add(stream)

    def _on_piece(self, stream: HTTP2Stream, event: BodyPiece) -> None:
        stream.take_data(b"".join(event.views))
        self.ready_streams.add(stream)

    def _on_data(self, stream: HTTP2Stream, event: DataReceived) -> None:
        data = event.data or b""
        if padding := (event.flow_controlled_length or 0) - len(data):
            self.flow.take_padding(stream, padding)
        if data:
            stream.take_data(data)
            self.ready_streams.add(stream)

    def _on_trailers(self, stream: HTTP2Stream, event: TrailersReceived) -> None:
        stream.take_trailers(event.headers or [], self._limits)

    def _on_end(self, stream: HTTP2Stream, event: StreamEnded) -> None:
        stream.end()
        self.ready_streams.add(stream)

    def _on_malformed(self, stream: HTTP2Stream, event: MalformedMessage) -> None:
        stream.reset = True
        self.ready_streams.add(stream)
        if stream.ended:
            return  # a 1xx after a whole response
        if not (stream.bodyless and stream.head is not None and event.only_ends):
            raise Malformed(event.text)
        stream.end()  # h2 misses the body that a 304's Content-Length speaks of

    # Events of the connection, and RST_STREAM.

    def _on_reset(self, event: StreamReset) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None:
            return
        stream.reset = True
        self.ready_streams.add(stream)
        if stream.ended or stream.failure is not None:
            return  # a whole response, and the rest of the request is not wanted (section 8.1)
        code = error_name(event.error_code)
        refused = event.error_code == ErrorCodes.REFUSED_STREAM and not stream.answered
        who = (
            "The server reset the stream"
            if event.remote_reset
            else "The server broke the rules of the stream"
        )
        cause = HTTP11Required() if event.error_code == ErrorCodes.HTTP_1_1_REQUIRED else None
        stream.failure = Failure(RemoteProtocolError, f"{who} ({code})", refused, cause)

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        self.draining = True
        ends_all = event.error_code == ErrorCodes.HTTP_1_1_REQUIRED
        if ends_all:
            self.http11_required = self.limit_changed = True
        code = error_name(event.error_code)
        debug = bytes(event.additional_data or b"")[:200].decode("utf-8", "backslashreplace")
        self.last_error = f"The server sent GOAWAY ({code}{': ' if debug else ''}{debug})"
        last = event.last_stream_id or 0
        for stream in self.streams.values():
            if stream.ended or stream.failure is not None:
                continue
            if stream.stream_id > last:
                text, refused = f"{self.last_error} before this request", not stream.answered
            elif ends_all and not stream.answered:
                # An error of the connection (section 5.4.1): no answer comes, even if the socket stays open.
                text, refused = f"{self.last_error} and did not answer", False
            else:
                continue
            stream.failure = Failure(RemoteProtocolError, text, refused)
            stream.reset = True
            self.ready_streams.add(stream)

    def _on_settings(self, event: RemoteSettingsChanged) -> None:
        self.settings_received = self.limit_changed = True
        self._remote_limit = self._h2.remote_settings.max_concurrent_streams
        if self._h2.encoder.header_table_size > MAX_ENCODER_TABLE:
            self._h2.encoder.header_table_size = MAX_ENCODER_TABLE
        # The windows of all streams may have changed.
        self.ready_streams.update(stream for stream in self.streams.values() if stream.wants & WINDOW)
        self.flow.next_turn()

    def _on_window(self, event: WindowUpdated) -> None:
        if not event.stream_id:
            self.flow.next_turn()
        elif (stream := self.streams.get(event.stream_id)) is not None:
            self.ready_streams.add(stream)

    def _on_request(self, event: RequestReceived) -> None:
        self._h2.close_connection(ErrorCodes.PROTOCOL_ERROR)
        self.fail_all(Failure(RemoteProtocolError, "The server opened a stream by itself"))


def error_name(code: int | None) -> str:
    """An error code of section 7 in words."""
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"code {code:#x}"


# Any: each handler takes the class of event it is listed for. All other events (acknowledgements, PING that
# h2 answers, unknown frames) pass by.
_OF_RESPONSES: dict[type, Callable[[HTTP2State, HTTP2Stream, Any], None]] = {
    BodyPiece: HTTP2State._on_piece,
    DataReceived: HTTP2State._on_data,
    Head: HTTP2State._on_head,
    InformationalResponseReceived: HTTP2State._on_informational,
    MalformedMessage: HTTP2State._on_malformed,
    ResponseReceived: HTTP2State._on_response,
    StreamEnded: HTTP2State._on_end,
    TrailersReceived: HTTP2State._on_trailers,
}
_OF_CONNECTIONS: dict[type, Callable[[HTTP2State, Any], None]] = {
    ConnectionTerminated: HTTP2State._on_goaway,
    RemoteSettingsChanged: HTTP2State._on_settings,
    RequestReceived: HTTP2State._on_request,
    StreamReset: HTTP2State._on_reset,
    WindowUpdated: HTTP2State._on_window,
}
