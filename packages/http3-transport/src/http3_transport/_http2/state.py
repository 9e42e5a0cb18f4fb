"""The state of one HTTP/2 connection: bytes in, bytes out, and what each stream has received (RFC 9113).

No await, no clock, no I/O: the connection holds its lock around every call and moves the bytes. What is sent
is in `outgoing`; here is what the server sends, as events of h2.

This file owns one invariant. **Ends.** A response is whole only if END_STREAM came, after a valid head, with
as many bytes as announced. Anything else that ends a stream is a `Failure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from h2.exceptions import DenialOfServiceError

from http3_models import RemoteProtocolError, ResponseTooLarge, TransportError

from .._errors import SPEAKS_TLS, TLS_ALERT, HTTP11Required
from .fast_h2 import FastH2Connection
from .frames import BodyPiece, Head, MalformedMessage, length_fault, violation
from .headers import Malformed, Oversized, declared_length, response_head, trailer_fields
from .outgoing import CONNECTION_WINDOW, Outgoing
from .stream import BODY, HEAD, INFORMATIONAL, SETTINGS, WINDOW, Failure, HTTP2Stream

if TYPE_CHECKING:
    from .headers import Field

CONNECTION_STEP = CONNECTION_WINDOW // 4
"""The connection's credit goes back in steps this large: one frame for 4 MiB."""

MAX_UNSENT = 1024 * 1024
"""Answers to PING and the like that may wait to be sent, in bytes. A peer that asks without ever reading
would fill memory; no honest one comes near."""

MAX_ENCODER_TABLE = 64 * 1024
"""Bytes of header table that we keep, however much the server offers."""

PADDING_STEP = 16 * 1024
"""Credit for padding goes back in steps of this size."""


class HTTP2State(Outgoing):
    """The state of a connection. Streams that have something to do are collected in ``ready_streams``."""

    __slots__ = ()

    # Bytes in.

    def receive(self, data: bytes, moment: float = 0.0) -> None:
        """Take in what the server sent, and when that came.

        A violation ends the connection: see ``broken``; GOAWAY is queued.
        """
        if self.broken is not None or not self._check_preface(data):
            return
        failure = None
        events: list[Event] = []
        put_before = self._bytes_queued
        self._moment = moment
        try:
            if isinstance(self._h2, FastH2Connection):
                self._h2.floods.look_at(moment)
                self._h2.take_bytes(data)
            else:
                events = self._h2.receive_data(data)
        except DenialOfServiceError as exc:
            failure = Failure(
                ResponseTooLarge, f"The server's header list is beyond all bounds: {exc}", cause=exc
            )
        except Exception as exc:  # noqa: BLE001 - h2 lets slip KeyError and the like on absurd frames
            failure = Failure(RemoteProtocolError, f"The server broke HTTP/2: {violation(exc)}", cause=exc)
        if isinstance(self._h2, FastH2Connection):
            events = self._h2.events
            self._h2.events = []
        for event in events:
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event)
        if self.window_updated:
            self.next_turn()
        self._update_connection_window()
        self._collect()
        self._answers += self._bytes_queued - put_before
        if failure is not None:
            self.fail_all(failure)
        elif self._answers > MAX_UNSENT:
            self.fail_all(
                Failure(
                    RemoteProtocolError, "The server floods the connection with frames that want an answer"
                )
            )

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

    def end_of_input(self) -> None:
        """The server closed the connection."""
        text = "The server closed the connection before the response was whole"
        if not self._first_bytes:
            text = "The server closed the connection without sending a byte of HTTP/2 (it may not speak it)"
        self.fail_all(Failure(RemoteProtocolError, f"{text}. {self.last_error}" if self.last_error else text))

    # Events of h2.

    def _on_head(self, event: Head) -> None:
        take = self._take_head if event.is_final else self._take_informational
        take(event.stream_id, event.fields)

    def _on_informational(self, event: InformationalResponseReceived) -> None:
        self._take_informational(event.stream_id or 0, event.headers or [])

    def _on_response(self, event: ResponseReceived) -> None:
        self._take_head(event.stream_id or 0, event.headers or [])

    def _take_informational(self, stream_id: int, received: Iterable[Field]) -> None:
        stream = self.streams.get(stream_id)
        if stream is None or stream.failure is not None:
            return
        try:
            status, _ = response_head(received, self._limits)
        except Malformed as exc:
            self._malformed(stream, exc)
            return
        stream.informational += 1
        self.ready_streams.add(stream)
        if status == 101:
            text = "The server switched protocols (101 Switching Protocols), which HTTP/2 does not support"
            self._fail(stream, RemoteProtocolError, text)
        elif stream.informational > self._limits.max_informational:
            text = f"More than max_informational ({self._limits.max_informational}) 1xx responses"
            self._fail(stream, RemoteProtocolError, text)

    def _take_head(self, stream_id: int, received: Iterable[Field]) -> None:
        stream = self.streams.get(stream_id)
        if stream is None or stream.failure is not None:
            return
        try:
            status, fields = response_head(received, self._limits)
            length = None if stream.is_head else declared_length(fields)
            stream.bodyless = stream.is_head or status in (204, 304)
            stream.expected = None if stream.bodyless else length
        except Malformed as exc:
            self._malformed(stream, exc)
            return
        stream.head = (status, fields)
        self.ready_streams.add(stream)

    def _on_trailers(self, event: TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id or 0)
        if stream is None or stream.failure is not None:
            return
        try:
            stream.trailers = trailer_fields(event.headers or [], self._limits)
        except Malformed as exc:
            self._malformed(stream, exc)

    def _on_piece(self, event: BodyPiece) -> None:
        data = b"".join(event.views)
        self._take(event.stream_id, data, len(data))

    def _on_data(self, event: DataReceived) -> None:
        self._take(event.stream_id or 0, event.data or b"", event.flow_controlled_length or 0)

    def _take(self, stream_id: int, data: bytes, length: int) -> None:
        """Bytes of a body; ``length`` with padding."""
        self._unacked += length
        stream = self.streams.get(stream_id)
        if stream is None or stream.failure is not None:
            return
        if length != len(data):
            self._return_padding(stream, length - len(data))
        if not data:
            return
        stream.received += len(data)
        if stream.expected is not None and stream.received > stream.expected:
            self._fail(stream, RemoteProtocolError, length_fault(stream.expected, stream.received))
            return
        if stream.bodyless:
            self._fail(stream, RemoteProtocolError, "The server sent a body where there can be none")
            return
        stream.put(data)
        self.ready_streams.add(stream)

    def _return_padding(self, stream: HTTP2Stream, length: int) -> None:
        """Padding has no reader: the window is updated for it here."""
        stream.padding += length
        if stream.padding >= PADDING_STEP and not stream.reset:
            self._increase_window(stream, stream.padding)
            stream.padding = 0

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
            self.ready_streams.add(stream)

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

    def _on_malformed(self, event: MalformedMessage) -> None:
        self._unacked += event.flow_controlled_length
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
        ends_all = event.error_code == ErrorCodes.HTTP_1_1_REQUIRED
        if ends_all:
            self.http11_required = self.limit_changed = True
        code = error_name(event.error_code)
        said = bytes(event.additional_data or b"")[:200].decode("utf-8", "backslashreplace")
        self.last_error = f"The server said goodbye ({code}{': ' if said else ''}{said})"
        last = event.last_stream_id or 0
        for stream in self.streams.values():
            if stream.stream_id > last and not stream.ended and stream.failure is None:
                stream.failure = Failure(
                    RemoteProtocolError, f"{self.last_error} before this request", not stream.answered
                )
                stream.reset = True
                self.ready_streams.add(stream)
            elif ends_all and not stream.answered and stream.failure is None:
                # An error of the connection (section 5.4.1): no answer comes, even if the socket stays open.
                stream.failure = Failure(RemoteProtocolError, f"{self.last_error} and did not answer")
                stream.reset = True
                self.ready_streams.add(stream)

    def _on_settings(self, event: RemoteSettingsChanged) -> None:
        self.settings_received = self.limit_changed = True
        self._remote_limit = self._h2.remote_settings.max_concurrent_streams
        if self._h2.encoder.header_table_size > MAX_ENCODER_TABLE:
            self._h2.encoder.header_table_size = MAX_ENCODER_TABLE
        self.window_updated = True

    def _on_window(self, event: WindowUpdated) -> None:
        if not event.stream_id:
            self.window_updated = True
        elif (stream := self.streams.get(event.stream_id)) is not None:
            self.ready_streams.add(stream)

    def _on_request(self, event: RequestReceived) -> None:
        self._h2.close_connection(ErrorCodes.PROTOCOL_ERROR)
        self.fail_all(Failure(RemoteProtocolError, "The server opened a stream by itself"))

    def _malformed(self, stream: HTTP2Stream, exc: Malformed) -> None:
        self._fail(stream, ResponseTooLarge if isinstance(exc, Oversized) else RemoteProtocolError, str(exc))

    def _fail(self, stream: HTTP2Stream, kind: type[TransportError], text: str) -> None:
        """A fault of one stream: it ends, the connection goes on."""
        stream.failure = Failure(kind, text, in_answer=True)
        self.ready_streams.add(stream)
        self._reset(stream, ErrorCodes.PROTOCOL_ERROR)

    def _update_connection_window(self) -> None:
        if self._unacked >= CONNECTION_STEP and self.broken is None:
            self._h2.increment_flow_control_window(self._unacked)
            self._unacked = 0

    # What waits.

    def is_ready(self, stream: HTTP2Stream, wants: int) -> bool:
        """Whether one that waits for ``wants`` (HEAD and the like) on the stream has something to do."""
        if stream.ended or stream.failure is not None:
            return True
        if wants & HEAD and stream.head is not None:
            return True
        if wants & BODY and stream.inbox:
            return True
        if wants & INFORMATIONAL and stream.informational:
            return True
        if wants & SETTINGS and self.settings_received:
            return True
        return bool(wants & WINDOW and (stream.reset or self.send_window(stream)))


def error_name(code: int | None) -> str:
    """An error code of section 7 in words."""
    try:
        return ErrorCodes(code or 0).name
    except ValueError:
        return f"code {code:#x}"


# Any: each handler takes the class of event it is listed for.
_HANDLERS: dict[type[Event], Callable[[HTTP2State, Any], None]] = {
    BodyPiece: HTTP2State._on_piece,
    ConnectionTerminated: HTTP2State._on_goaway,
    DataReceived: HTTP2State._on_data,
    Head: HTTP2State._on_head,
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
