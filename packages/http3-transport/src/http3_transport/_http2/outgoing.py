"""The sending half of an HTTP/2 connection's state: streams, windows, output (RFC 9113).

h2 applies the protocol's rules; here is what belongs to the requests. `turns` decides which stream may use
the connection's send window. Two invariants are kept here.

**Windows.** Every stream starts with a receive window of 128 KiB, which is updated as its reader takes bytes.
It grows while its reader keeps up, by 12 MiB over all streams of a connection: with at most 100 streams no
more than 25 MiB are unread. The connection's own window is 16 MiB and is updated on receipt, so that a stream
without a reader never stalls another.

**Delivery.** ``queued_at`` of a stream is the position of its HEADERS frame in all output of the connection;
``bytes_written`` is how much of that the kernel has taken. So it is known of each request whether it was
sent.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.exceptions import H2Error, NoAvailableStreamIDError, TooManyStreamsError

from http3_models import Delivery, ReadError

from .fast_h2 import INITIAL_STREAM_WINDOW, FastH2Connection, new_connection
from .stream import Failure, HTTP2Stream, NoStreamLeft
from .turns import Turns

if TYPE_CHECKING:
    from http3_models import Limits

    from .headers import Field

CONNECTION_WINDOW = 16 * 1024 * 1024
"""Bytes that the server may have under way: more than a path of 1 Gbit/s and 100 ms holds."""

GROWTH = 12 * 1024 * 1024
"""Bytes by which the windows of all streams together may grow."""

PING_DATA = b"are you?"
"""Eight bytes of our choice (RFC 9113 section 6.7)."""

MAX_STREAMS = 100
"""Streams at a time (the least that section 5.1.2 recommends a server to allow)."""


CLOSED_HERE = Failure(ReadError, "The exchange was closed on this side")


class Outgoing:
    """What is sent; the base of `HTTP2State`, which adds what is received."""

    __slots__ = (
        "_answers",
        "_bytes_queued",
        "_first_bytes",
        "_h2",
        "_limits",
        "_max_streams",
        "_moment",
        "_remote_limit",
        "_turns",
        "_unacked",
        "_unsent",
        "broken",
        "bytes_written",
        "draining",
        "growth_left",
        "http11_required",
        "last_error",
        "limit_changed",
        "ready_streams",
        "settings_received",
        "streams",
        "window_updated",
    )

    def __init__(self, limits: Limits, max_streams: int = MAX_STREAMS) -> None:
        self._h2 = new_connection(limits.max_head_size)
        self._limits = limits
        self._max_streams = max_streams
        self._remote_limit = max_streams
        self._first_bytes = b""
        self._turns = Turns()
        self._unsent: list[bytes | memoryview] = []
        self._bytes_queued = 0
        self._answers = 0
        self._moment = 0.0
        """When something was received last."""
        self._unacked = 0
        self.bytes_written = 0
        self.growth_left = GROWTH
        self.streams: dict[int, HTTP2Stream] = {}
        self.ready_streams: set[HTTP2Stream] = set()
        self.window_updated = False
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
        """SETTINGS came since `_tell_limit`, or the server requires HTTP/1.1."""

    def __repr__(self) -> str:
        state = "broken" if self.broken else "draining" if self.draining else "open"
        return f"<{type(self).__name__} {state}, {len(self.streams)} streams>"

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

    # Bytes out.

    def start(self) -> None:
        """Queue the preface, SETTINGS and the connection's window."""
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - 65535)
        self._collect()

    @property
    def has_output(self) -> bool:
        """True if there is output to send."""
        return bool(self._unsent)

    def take_output(self) -> bytes:
        """All output. The caller must send all of it, in this order."""
        pieces = self._unsent
        data = b"".join(pieces)
        self._unsent = []
        self._answers = 0
        return data

    def _collect(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._unsent.append(data)
            self._bytes_queued += len(data)

    def delivery(self, stream: HTTP2Stream) -> Delivery:
        """How far the failed request on this stream got."""
        if stream.failure is not None and stream.failure.refused:
            return Delivery.REFUSED
        # While the connection is open, what is queued will be sent.
        unsent = self.broken is not None and stream.queued_at >= self.bytes_written
        return Delivery.NOT_SENT if unsent else Delivery.MAYBE_PROCESSED

    # Requests.

    def open(self, fields: list[Field], *, end_stream: bool) -> HTTP2Stream:
        """Open a stream and queue its HEADERS. Raises NoStreamLeft."""
        if self.broken is not None or self.draining:
            raise NoStreamLeft(self.broken.text if self.broken else self._drain_text())
        try:
            stream_id, frames = self._request_frames(fields, end_stream)
        except NoAvailableStreamIDError as exc:
            self.draining = True
            raise NoStreamLeft("All stream ids of the connection are used up") from exc
        except TooManyStreamsError as exc:
            raise NoStreamLeft("The server allows no further stream at this time") from exc
        stream = HTTP2Stream(stream_id, self._bytes_queued, fields[0][1] == b"HEAD")
        stream.request_sent = end_stream
        self.streams[stream_id] = stream
        self._unsent.append(frames)
        self._bytes_queued += len(frames)
        return stream

    def _request_frames(self, fields: list[Field], end_stream: bool) -> tuple[int, bytes]:
        if isinstance(self._h2, FastH2Connection):
            return self._h2.request_frames(fields, end_stream=end_stream)
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, fields, end_stream=end_stream)
        return stream_id, self._h2.data_to_send()

    def _drain_text(self) -> str:
        return self.last_error or "The connection takes no new requests"

    def send_window(self, stream: HTTP2Stream) -> int:
        """Bytes of the body that may be sent now, in turn with other streams that wait."""
        return self._turns.share(stream, self.window(stream))

    def window(self, stream: HTTP2Stream) -> int:
        """Bytes of the body that the server's windows allow now."""
        if stream.reset or stream.request_sent or self.broken is not None:
            return 0
        try:
            return max(0, self._h2.local_flow_control_window(stream.stream_id))
        except H2Error:
            return 0  # closed on the wire

    def _own_window(self, stream: HTTP2Stream) -> int:
        """The stream's own send window, without the connection's."""
        found = self._h2.streams.get(stream.stream_id)
        return 0 if found is None or stream.reset else found.outbound_flow_control_window

    def enqueue(self, stream: HTTP2Stream, *, again: bool) -> None:
        """The stream waits for a WINDOW_UPDATE, and can be woken; ``again``: it was woken in vain."""
        self._turns.enqueue(stream, self._own_window(stream), again=again)
        self.next_turn()

    def leave_queue(self, stream: HTTP2Stream) -> None:
        """The stream does not wait any more; see `pass_turn`."""
        self._turns.leave_queue(stream)

    def take_turn(self, stream: HTTP2Stream) -> None:
        """The leader waits for a WINDOW_UPDATE itself: give it a turn if there is a window."""
        if self.window(stream):
            self._turns.take(stream)

    def pass_turn(self, stream: HTTP2Stream) -> None:
        """The stream has sent its share, or does not send now."""
        if self._turns.give_back(stream):
            self.next_turn()

    def next_turn(self) -> None:
        """If the window allows it, add the next stream to ``ready_streams``."""
        if self._h2.outbound_flow_control_window > 0:
            stream = self._turns.next(self._moment, self._own_window)
            if stream is not None:
                self.ready_streams.add(stream)

    def send_data(self, stream: HTTP2Stream, data: memoryview, *, end: bool) -> int:
        """Queue as much of ``data`` as the windows allow; with ``end`` and all of it, the request is over.

        Returns the number of bytes queued; 0 for a stream that has ended.
        """
        if stream.reset or stream.request_sent or self.broken is not None:
            return 0
        size = len(data)
        count = min(size, self.send_window(stream))
        last = end and count == size
        # h2 makes the frame that ends the stream, so that its state is right.
        rest = (
            (count - 1) // self._h2.max_outbound_frame_size * self._h2.max_outbound_frame_size
            if last
            else count
        )
        if rest > 0:
            self._send_frames(stream.stream_id, data[:rest])
        if last:
            self._h2.send_data(stream.stream_id, data[max(rest, 0) : count], end_stream=True)
            stream.request_sent = True
        self._collect()
        self.pass_turn(stream)
        return count

    def _send_frames(self, stream_id: int, data: memoryview) -> None:
        if isinstance(self._h2, FastH2Connection):
            pieces = self._h2.data_frames(stream_id, data)
            self._unsent += pieces
            self._bytes_queued += sum(map(len, pieces))
            return
        frame_size = self._h2.max_outbound_frame_size
        for start in range(0, len(data), frame_size):
            self._h2.send_data(stream_id, data[start : start + frame_size])

    # Readers.

    def update_window(self, stream: HTTP2Stream) -> None:
        """Update the receive window by what the reader has taken; by more if it keeps up with the server."""
        step, stream.unacked = stream.unacked, 0
        if stream.ended or stream.reset or self.broken is not None:
            return
        step += stream.padding
        stream.padding = 0
        if stream.reader_waiting:
            stream.reader_waiting = False
            growth = min(stream.window, self.growth_left)
            stream.window += growth
            self.growth_left -= growth
            step += growth
        self._increase_window(stream, step)
        self._collect()

    def _increase_window(self, stream: HTTP2Stream, size: int) -> None:
        try:
            if size:
                self._h2.increment_flow_control_window(size, stream.stream_id)
        except (H2Error, KeyError):
            pass  # closed on the wire; its events are not processed yet

    def close_stream(self, stream: HTTP2Stream, code: ErrorCodes = ErrorCodes.CANCEL) -> bool:
        """End the exchange. A stream that is not closed on the wire is reset; True if so."""
        if self.streams.pop(stream.stream_id, None) is None:
            return False
        if not stream.ended and stream.failure is None:
            stream.failure = CLOSED_HERE
        self.growth_left += stream.window - INITIAL_STREAM_WINDOW
        self.ready_streams.discard(stream)
        if not stream.request_sent:
            self.pass_turn(stream)
        is_reset = not (stream.ended and stream.request_sent) and self._reset(stream, code)
        if isinstance(self._h2, FastH2Connection):
            self._h2.drop(stream.stream_id)
        return is_reset

    def _reset(self, stream: HTTP2Stream, code: ErrorCodes) -> bool:
        if stream.reset or self.broken is not None:
            return False
        stream.reset = True
        try:
            self._h2.reset_stream(stream.stream_id, code)
        except H2Error:
            return False  # closed on the wire already
        self._collect()
        return True

    # The end.

    def ping(self) -> None:
        """Queue a PING."""
        if self.broken is None:
            with suppress(H2Error):  # plain h2, after a GOAWAY
                self._h2.ping(PING_DATA)
            self._collect()

    def fail_all(self, failure: Failure) -> None:
        """The connection has ended: every response that is not whole fails."""
        if self.broken is not None:
            return
        self.broken = failure
        self.draining = True
        for stream in self.streams.values():
            if not stream.ended and stream.failure is None:
                stream.failure = failure
            self.ready_streams.add(stream)

    def close(self) -> None:
        """Queue a GOAWAY; no further stream."""
        if self.broken is None:
            self.draining = True
            self._h2.close_connection()
            self._collect()
