"""The books of one HTTP/2 connection: bytes in, bytes out, and what each stream has received (RFC 9113).

h2 keeps the protocol's rules; these books keep what belongs to our requests. No await, no clock, no I/O:
the engine holds its lock around every call and moves the bytes.

This file owns three invariants.

**Windows.** Every stream starts with 128 KiB, which come back as its reader takes bytes. It grows while
its reader keeps up, by 12 MiB over all streams of a connection. With at most 100 streams no more than
25 MiB lie unread. The connection's own window is 16 MiB and comes back on receipt, so that a stream that
nobody reads never stalls another.

**Ends.** A response is whole only if END_STREAM came, after a valid head, with as many bytes as announced.
Whatever else ends a stream is a `Failure`.

**Delivery.** ``first_byte`` of a stream is its HEADERS frame's place in all that the connection ever sent;
what was handed to the kernel is counted in ``handed``. So it is known of each request whether it left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from h2.exceptions import DenialOfServiceError, H2Error, NoAvailableStreamIDError, TooManyStreamsError

from http3_models._config import Limits
from http3_models._exceptions import Delivery, RemoteProtocolError, ResponseTooLarge, TransportError

from ._http2_headers import (
    Field,
    Malformed,
    Oversized,
    declared_length,
    response_head,
    trailer_fields,
)
from ._http2_library import (
    INITIAL_STREAM_WINDOW,
    MalformedMessage,
    TamedConnection,
    length_fault,
    new_connection,
)
from ._http2_stream import BODY, CREDIT, HEAD, Failure, HTTP2Stream, NoStreamLeft

CONNECTION_WINDOW = 16 * 1024 * 1024
"""Bytes on their way to us at most; more than any path of 1 Gbit/s and 100 ms holds."""

CONNECTION_STEP = CONNECTION_WINDOW // 4
"""The connection's credit goes back in steps this large: one frame for 4 MiB."""

GROWTH = 12 * 1024 * 1024
"""What the windows of all streams together may grow by."""

MAX_STREAMS = 100
"""Streams of ours at a time (the least that section 5.1.2 recommends a server to allow)."""

MAX_UNSENT = 1024 * 1024
"""Answers to PING and the like that may wait to be sent, in bytes. A peer that asks without ever reading
would fill memory; no honest one comes near."""

MAX_ENCODER_TABLE = 64 * 1024
"""Bytes of header table that we keep, however much the server offers."""

PADDING_STEP = 16 * 1024
"""Credit for padding goes back in steps of this size."""


class HTTP2State:
    """The connection. What changed for waiting streams is collected in ``news`` until the engine asks."""

    __slots__ = (
        "_answers", "_first_bytes", "_h2", "_limits", "_max_streams", "_owed", "_put", "_remote_limit", "_unsent",
        "broken", "credit_came", "draining", "growth_left", "handed", "last_error", "news", "streams",
    )  # fmt: skip

    def __init__(self, limits: Limits, max_streams: int = MAX_STREAMS) -> None:
        self._h2 = new_connection(limits.max_head_size)
        self._limits = limits
        self._max_streams = max_streams
        self._remote_limit = max_streams
        self._first_bytes = b""
        self._unsent: list[bytes | memoryview] = []
        self._put = 0
        self._answers = 0
        self._owed = 0
        self.handed = 0
        self.growth_left = GROWTH
        self.streams: dict[int, HTTP2Stream] = {}
        self.news: set[HTTP2Stream] = set()
        self.credit_came = False
        self.draining = False
        """No new streams (GOAWAY, ids used up, or closing); those that are open go on."""
        self.broken: Failure | None = None
        """The connection is over."""
        self.last_error = ""

    def __repr__(self) -> str:
        state = "broken" if self.broken else "draining" if self.draining else "open"
        return f"<HTTP2State {state}, {len(self.streams)} streams>"

    @property
    def stream_limit(self) -> int:
        """Streams that may be open at a time; 0 once no new one may come."""
        if self.draining or self.broken is not None:
            return 0
        return min(self._max_streams, self._remote_limit)

    # Bytes out.

    def start(self) -> None:
        """Queue the preface, SETTINGS and the connection's window."""
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - 65535)
        self._collect()

    @property
    def has_output(self) -> bool:
        """True if something waits to be taken."""
        return bool(self._unsent)

    def take_output(self) -> bytes:
        """Everything that is to be sent. The caller owes it to the connection: all of it, in this order."""
        pieces = self._unsent
        data = b"".join(pieces)
        self._unsent = []
        self._answers = 0
        return data

    def _collect(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._unsent.append(data)
            self._put += len(data)

    def delivery(self, stream: HTTP2Stream) -> Delivery:
        """How far the request on this stream got, now that it has failed."""
        if stream.failure is not None and stream.failure.refused:
            return Delivery.REFUSED
        # While the connection lives, what is queued will still leave.
        unsent = self.broken is not None and stream.first_byte >= self.handed
        return Delivery.NOT_SENT if unsent else Delivery.MAYBE_PROCESSED

    # Requests.

    def open(self, fields: list[Field], *, end_stream: bool) -> HTTP2Stream:
        """Begin a request: its HEADERS are queued. Raises NoStreamLeft."""
        if self.broken is not None or self.draining:
            raise NoStreamLeft(self.broken.text if self.broken else self._drain_text())
        try:
            stream_id = self._h2.get_next_available_stream_id()
            self._h2.send_headers(stream_id, fields, end_stream=end_stream)
        except NoAvailableStreamIDError as exc:
            self.draining = True
            raise NoStreamLeft("All stream ids of the connection are used up") from exc
        except TooManyStreamsError as exc:
            raise NoStreamLeft("The server allows no further stream at this time") from exc
        stream = HTTP2Stream(stream_id, self._put, fields[0][1] == b"HEAD")
        stream.request_sent = end_stream
        self.streams[stream_id] = stream
        self._collect()
        return stream

    def _drain_text(self) -> str:
        return self.last_error or "The connection takes no new requests"

    def credit(self, stream: HTTP2Stream) -> int:
        """Bytes of body that may be sent now."""
        if stream.reset or stream.request_sent or self.broken is not None:
            return 0
        try:
            return max(0, self._h2.local_flow_control_window(stream.stream_id))
        except H2Error:
            return 0  # closed on the wire

    def send_data(self, stream: HTTP2Stream, data: memoryview, *, end: bool) -> int:
        """Queue as much of ``data`` as the windows allow; with ``end`` and all of it, the request is over.

        Returns the number of bytes queued. A stream that is over takes nothing.
        """
        if stream.reset or stream.request_sent or self.broken is not None:
            return 0
        size = len(data)
        count = min(size, self.credit(stream))
        last = end and count == size
        # The frame that ends the stream is left to h2, whose books are then right.
        rest = (count - 1) // self._h2.max_outbound_frame_size * self._h2.max_outbound_frame_size if last else count
        if rest > 0:
            self._send_frames(stream.stream_id, data[:rest])
        if last:
            self._h2.send_data(stream.stream_id, data[max(rest, 0) : count], end_stream=True)
            stream.request_sent = True
        self._collect()
        return count

    def _send_frames(self, stream_id: int, data: memoryview) -> None:
        if isinstance(self._h2, TamedConnection):
            pieces = self._h2.data_frames(stream_id, data)
            self._unsent += pieces
            self._put += sum(map(len, pieces))
            return
        frame_size = self._h2.max_outbound_frame_size
        for start in range(0, len(data), frame_size):
            self._h2.send_data(stream_id, data[start : start + frame_size])

    # Readers.

    def give_credit(self, stream: HTTP2Stream) -> None:
        """Return the credit of what the reader has taken; more than that, if it keeps up with the server."""
        step, stream.owed = stream.owed, 0
        if stream.ended or stream.reset or self.broken is not None:
            return
        step += stream.padding
        stream.padding = 0
        if stream.starved:
            stream.starved = False
            growth = min(stream.window, self.growth_left)
            stream.window += growth
            self.growth_left -= growth
            step += growth
        if step:
            self._h2.increment_flow_control_window(step, stream.stream_id)
            self._collect()

    def forget(self, stream: HTTP2Stream, code: ErrorCodes = ErrorCodes.CANCEL) -> None:
        """The exchange is over for its reader. What is not over on the wire is reset."""
        if self.streams.pop(stream.stream_id, None) is None:
            return
        self.growth_left += stream.window - INITIAL_STREAM_WINDOW
        self.news.discard(stream)
        if not (stream.ended and stream.request_sent):
            self._reset(stream, code)

    def _reset(self, stream: HTTP2Stream, code: ErrorCodes) -> None:
        if stream.reset or self.broken is not None:
            return
        stream.reset = True
        try:
            self._h2.reset_stream(stream.stream_id, code)
        except H2Error:
            return  # closed on the wire already
        self._collect()

    # Bytes in.

    def receive(self, data: bytes) -> None:
        """Take in what the server sent. A violation ends the connection (then in `broken`), with a GOAWAY queued."""
        if self.broken is not None or not self._is_greeting(data):
            return
        failure = None
        events: list[Event] = []
        put_before = self._put
        try:
            events = self._h2.receive_data(data)
        except DenialOfServiceError as exc:
            failure = Failure(
                ResponseTooLarge, f"The server's header list is beyond all bounds: {exc}", cause=exc
            )
        except Exception as exc:
            # Besides its own errors, h2 lets slip KeyError, ValueError and the like on absurd frames.
            failure = Failure(
                RemoteProtocolError, f"The server broke HTTP/2: {exc or type(exc).__name__}", cause=exc
            )
        if isinstance(self._h2, TamedConnection):
            events = self._h2.happened
            self._h2.happened = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event)
        self._return_connection_credit()
        self._collect()
        self._answers += self._put - put_before
        if failure is not None:
            self.lose(failure)
        elif self._answers > MAX_UNSENT:
            self.lose(
                Failure(
                    RemoteProtocolError, "The server floods the connection with frames that want an answer"
                )
            )

    def _is_greeting(self, data: bytes) -> bool:
        """Whether the connection begins with a SETTINGS frame (section 3.4); else the peer speaks no HTTP/2."""
        if len(self._first_bytes) >= 9:
            return True
        self._first_bytes += data[: 9 - len(self._first_bytes)]
        kind, flags = self._first_bytes[3:4], self._first_bytes[4:5]
        if kind in (b"", b"\x04") and not (flags and flags[0] & 1):
            return True
        text = f"The server does not speak HTTP/2; it began with {self._first_bytes!r}"
        self.lose(Failure(RemoteProtocolError, text))
        return False

    def end_of_input(self) -> None:
        """The server closed the connection."""
        text = "The server closed the connection before the response was whole"
        self.lose(Failure(RemoteProtocolError, f"{text}. {self.last_error}" if self.last_error else text))

    def lose(self, failure: Failure) -> None:
        """The connection is over: every response that is not whole fails."""
        if self.broken is not None:
            return
        self.broken = failure
        self.draining = True
        for stream in self.streams.values():
            if not stream.ended and stream.failure is None:
                stream.failure = failure
            self.news.add(stream)

    def close(self) -> None:
        """Queue a GOAWAY; no further stream."""
        if self.broken is None:
            self.draining = True
            self._h2.close_connection()
            self._collect()

    # What h2 tells.

    def _on_informational(self, event: InformationalResponseReceived) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None or stream.failure is not None:
            return
        try:
            status, _ = response_head(event.headers or [], self._limits)
        except Malformed as exc:
            self._malformed(stream, exc)
            return
        stream.informational += 1
        self.news.add(stream)
        if status == 101:
            self._fail(
                stream, RemoteProtocolError, "The server switched protocols (101), which HTTP/2 does not know"
            )
        elif stream.informational > self._limits.max_informational:
            text = f"More than max_informational ({self._limits.max_informational}) 1xx responses"
            self._fail(stream, RemoteProtocolError, text)

    def _on_response(self, event: ResponseReceived) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None or stream.failure is not None:
            return
        try:
            status, fields = response_head(event.headers or [], self._limits)
            stream.bodyless = stream.is_head or status in (204, 304)
            stream.expected = None if stream.bodyless else declared_length(fields)
        except Malformed as exc:
            self._malformed(stream, exc)
            return
        stream.head = (status, fields)
        self.news.add(stream)

    def _on_trailers(self, event: TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None or stream.failure is not None:
            return
        try:
            stream.trailers = trailer_fields(event.headers or [], self._limits)
        except Malformed as exc:
            self._malformed(stream, exc)

    def _on_data(self, event: DataReceived) -> None:
        length = event.flow_controlled_length or 0
        self._owed += length
        stream = self.streams.get(event.stream_id or 0)
        if stream is None or stream.failure is not None:
            return
        data = event.data or b""
        # Padding is read by nobody: its credit comes back from here.
        stream.padding += length - len(data)
        if stream.padding >= PADDING_STEP and not stream.reset:
            self._h2.increment_flow_control_window(stream.padding, stream.stream_id)
            stream.padding = 0
        if not data:
            return
        stream.received += len(data)
        if stream.bodyless:
            self._fail(stream, RemoteProtocolError, "The server sent a body where there can be none")
            return
        stream.inbox.append(data)
        self.news.add(stream)

    def _on_end(self, event: StreamEnded) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is not None and stream.failure is None:
            self._end(stream)

    def _end(self, stream: HTTP2Stream) -> None:
        if stream.head is None:
            self._fail(stream, RemoteProtocolError, "The response ended without a final head")
        elif stream.expected is not None and stream.expected != stream.received:
            self._fail(stream, RemoteProtocolError, length_fault(stream.expected, stream.received))
        else:
            stream.ended = True
            self.news.add(stream)

    def _on_reset(self, event: StreamReset) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None:
            return
        stream.reset = True
        self.news.add(stream)
        if stream.ended or stream.failure is not None:
            return  # a whole response, and the rest of the request is not wanted (section 8.1)
        code = error_name(event.error_code)
        refused = event.error_code == ErrorCodes.REFUSED_STREAM
        who = (
            "The server reset the stream"
            if event.remote_reset
            else "The server broke the rules of the stream"
        )
        stream.failure = Failure(RemoteProtocolError, f"{who} ({code})", refused)

    def _on_malformed(self, event: MalformedMessage) -> None:
        self._owed += event.flow_controlled_length
        stream = self.streams.get(event.stream_id)
        if stream is None or stream.failure is not None:
            return
        stream.reset = True
        if stream.bodyless and stream.head is not None and event.only_ends:
            self._end(stream)  # h2 misses the body that a 304's Content-Length speaks of
        else:
            self._fail(stream, RemoteProtocolError, event.text)

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        self.draining = True
        code = error_name(event.error_code)
        said = bytes(event.additional_data or b"")[:200].decode("utf-8", "backslashreplace")
        self.last_error = f"The server said goodbye ({code}{': ' if said else ''}{said})"
        last = event.last_stream_id or 0
        for stream in self.streams.values():
            if stream.stream_id > last and not stream.ended and stream.failure is None:
                stream.failure = Failure(
                    RemoteProtocolError, f"{self.last_error} before this request", refused=True
                )
                stream.reset = True
                self.news.add(stream)

    def _on_settings(self, event: RemoteSettingsChanged) -> None:
        self._remote_limit = self._h2.remote_settings.max_concurrent_streams
        if self._h2.encoder.header_table_size > MAX_ENCODER_TABLE:
            self._h2.encoder.header_table_size = MAX_ENCODER_TABLE
        self.credit_came = True

    def _on_window(self, event: WindowUpdated) -> None:
        if not event.stream_id:
            self.credit_came = True
        elif (stream := self.streams.get(event.stream_id)) is not None:
            self.news.add(stream)

    def _on_request(self, event: RequestReceived) -> None:
        self._h2.close_connection(ErrorCodes.PROTOCOL_ERROR)
        self.lose(Failure(RemoteProtocolError, "The server opened a stream by itself"))

    def _malformed(self, stream: HTTP2Stream, exc: Malformed) -> None:
        self._fail(stream, ResponseTooLarge if isinstance(exc, Oversized) else RemoteProtocolError, str(exc))

    def _fail(self, stream: HTTP2Stream, kind: type[TransportError], text: str) -> None:
        """A fault of one stream: it ends, the connection goes on."""
        stream.failure = Failure(kind, text)
        self.news.add(stream)
        self._reset(stream, ErrorCodes.PROTOCOL_ERROR)

    def _return_connection_credit(self) -> None:
        if self._owed >= CONNECTION_STEP and self.broken is None:
            self._h2.increment_flow_control_window(self._owed)
            self._owed = 0

    # What waits.

    def is_ready(self, stream: HTTP2Stream, wants: int) -> bool:
        """Whether one that waits for ``wants`` (HEAD, BODY, CREDIT) on the stream has something to do."""
        if stream.ended or stream.failure is not None:
            return True
        if wants & HEAD and stream.head is not None:
            return True
        if wants & BODY and stream.inbox:
            return True
        return bool(wants & CREDIT and (stream.reset or self.credit(stream)))


def error_name(code: int | None) -> str:
    """An error code of section 7 in words."""
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"code {code:#x}"


# Any: each handler takes the class of event it is listed for.
_HANDLERS: dict[type[Event], Callable[[HTTP2State, Any], None]] = {
    ConnectionTerminated: HTTP2State._on_goaway,
    DataReceived: HTTP2State._on_data,
    InformationalResponseReceived: HTTP2State._on_informational,
    MalformedMessage: HTTP2State._on_malformed,
    RemoteSettingsChanged: HTTP2State._on_settings,
    RequestReceived: HTTP2State._on_request,
    ResponseReceived: HTTP2State._on_response,
    StreamEnded: HTTP2State._on_end,
    StreamReset: HTTP2State._on_reset,
    TrailersReceived: HTTP2State._on_trailers,
    WindowUpdated: HTTP2State._on_window,
}
"""Events that matter here; all others (acknowledgements, PING that h2 answers, unknown frames) pass by."""
