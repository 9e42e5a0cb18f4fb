"""The half of an HTTP/2 connection's books that is about sending: streams, windows, output (RFC 9113).

h2 keeps the protocol's rules; these books keep what belongs to our requests. Who may use the connection's
send window when is decided in `turns`. Two invariants are kept here.

**Windows.** Every stream starts with 128 KiB, which come back as its reader takes bytes. It grows while
its reader keeps up, by 12 MiB over all streams of a connection. With at most 100 streams no more than
25 MiB lie unread. The connection's own window is 16 MiB and comes back on receipt, so that a stream that
nobody reads never stalls another.

**Delivery.** ``first_byte`` of a stream is its HEADERS frame's place in all that the connection ever sent;
what was handed to the kernel is counted in ``handed``. So it is known of each request whether it left.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.exceptions import H2Error, NoAvailableStreamIDError, TooManyStreamsError

from http3_models import Delivery, ReadError

from .fast_h2 import INITIAL_STREAM_WINDOW, TamedConnection, new_connection
from .stream import Failure, HTTP2Stream, NoStreamLeft
from .turns import Turns

if TYPE_CHECKING:
    from http3_models import Limits

    from .headers import Field

CONNECTION_WINDOW = 16 * 1024 * 1024
"""Bytes on their way to us at most; more than any path of 1 Gbit/s and 100 ms holds."""

GROWTH = 12 * 1024 * 1024
"""What the windows of all streams together may grow by."""

PING_DATA = b"are you?"
"""Eight bytes of our choice (RFC 9113 section 6.7)."""

MAX_STREAMS = 100
"""Streams of ours at a time (the least that section 5.1.2 recommends a server to allow)."""


GIVEN_UP = Failure(ReadError, "The exchange was given up on this side")


class Outgoing:
    """What we send and when; the base of `HTTP2State`, which adds what we receive."""

    __slots__ = (
        "_answers", "_first_bytes", "_h2", "_limits", "_max_streams", "_moment", "_owed", "_put",
        "_remote_limit", "_turns", "_unsent", "broken", "credit_came", "draining", "growth_left", "handed",
        "http11_required", "last_error", "limit_changed", "news", "settled", "streams",
    )  # fmt: skip

    def __init__(self, limits: Limits, max_streams: int = MAX_STREAMS) -> None:
        self._h2 = new_connection(limits.max_head_size)
        self._limits = limits
        self._max_streams = max_streams
        self._remote_limit = max_streams
        self._first_bytes = b""
        self._turns = Turns()
        self._unsent: list[bytes | memoryview] = []
        self._put = 0
        self._answers = 0
        self._moment = 0.0
        """When the server said something last."""
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
        self.http11_required = False
        """The server has said so as it said goodbye."""
        self.settled = False
        """The server's SETTINGS are here."""
        self.limit_changed = False
        """SETTINGS have come since the engine has told what they mean, or the server wants HTTP/1.1."""

    def __repr__(self) -> str:
        state = "broken" if self.broken else "draining" if self.draining else "open"
        return f"<{type(self).__name__} {state}, {len(self.streams)} streams>"

    @property
    def stream_limit(self) -> int:
        """Streams that may be open at a time; 0 once no new one may come.

        One, until the server has said how many it takes: some end the connection over one too many.
        """
        if self.draining or self.broken is not None:
            return 0
        if not self.settled:
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
            stream_id, frames = self._request_frames(fields, end_stream)
        except NoAvailableStreamIDError as exc:
            self.draining = True
            raise NoStreamLeft("All stream ids of the connection are used up") from exc
        except TooManyStreamsError as exc:
            raise NoStreamLeft("The server allows no further stream at this time") from exc
        stream = HTTP2Stream(stream_id, self._put, fields[0][1] == b"HEAD")
        stream.request_sent = end_stream
        self.streams[stream_id] = stream
        self._unsent.append(frames)
        self._put += len(frames)
        return stream

    def _request_frames(self, fields: list[Field], end_stream: bool) -> tuple[int, bytes]:
        if isinstance(self._h2, TamedConnection):
            return self._h2.request_frames(fields, end_stream=end_stream)
        stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(stream_id, fields, end_stream=end_stream)
        return stream_id, self._h2.data_to_send()

    def _drain_text(self) -> str:
        return self.last_error or "The connection takes no new requests"

    def credit(self, stream: HTTP2Stream) -> int:
        """Bytes of body that may be sent now: where others wait, in turn with them."""
        return self._turns.share(stream, self.window(stream))

    def window(self, stream: HTTP2Stream) -> int:
        """Bytes of body that the server would take now."""
        if stream.reset or stream.request_sent or self.broken is not None:
            return 0
        try:
            return max(0, self._h2.local_flow_control_window(stream.stream_id))
        except H2Error:
            return 0  # closed on the wire

    def _own_window(self, stream: HTTP2Stream) -> int:
        """The same if the stream were alone."""
        found = self._h2.streams.get(stream.stream_id)
        return 0 if found is None or stream.reset else found.outbound_flow_control_window

    def line_up(self, stream: HTTP2Stream, *, again: bool) -> None:
        """Its owner waits for credit, and can be woken; ``again``: it was, for nothing."""
        self._turns.line_up(stream, self._own_window(stream), again=again)
        self.next_turn()

    def step_out(self, stream: HTTP2Stream) -> None:
        """Its owner was woken, or has given up; see `pass_turn`."""
        self._turns.step_out(stream)

    def take_turn(self, stream: HTTP2Stream) -> None:
        """Its owner reads for all and wants credit: if there is some, it need not be woken."""
        if self.window(stream):
            self._turns.take(stream)

    def pass_turn(self, stream: HTTP2Stream) -> None:
        """Its owner has sent its share, or does not want to send now."""
        if self._turns.give_back(stream):
            self.next_turn()

    def next_turn(self) -> None:
        """If there is credit, whoever is next is among ``news``."""
        if self._h2.outbound_flow_control_window > 0:
            stream = self._turns.next(self._moment, self._own_window)
            if stream is not None:
                self.news.add(stream)

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
        self._increase_window(stream, step)
        self._collect()

    def _increase_window(self, stream: HTTP2Stream, size: int) -> None:
        try:
            if size:
                self._h2.increment_flow_control_window(size, stream.stream_id)
        except (H2Error, KeyError):
            pass  # over on the wire, though the events that say so may still wait to be looked at

    def forget(self, stream: HTTP2Stream, code: ErrorCodes = ErrorCodes.CANCEL) -> bool:
        """The exchange is over for its reader. What is not over on the wire is reset: True if so."""
        if self.streams.pop(stream.stream_id, None) is None:
            return False
        if not stream.ended and stream.failure is None:
            stream.failure = GIVEN_UP
        self.growth_left += stream.window - INITIAL_STREAM_WINDOW
        self.news.discard(stream)
        if not stream.request_sent:
            self.pass_turn(stream)
        is_reset = not (stream.ended and stream.request_sent) and self._reset(stream, code)
        if isinstance(self._h2, TamedConnection):
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
        """Queue a PING: whoever lives answers it."""
        if self.broken is None:
            with suppress(H2Error):  # plain h2, after a GOAWAY
                self._h2.ping(PING_DATA)
            self._collect()

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
