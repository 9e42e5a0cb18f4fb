"""`FlowControl`: the windows of an HTTP/2 connection and of its streams (RFC 9113 section 5.2).

Receive windows are updated here. Every stream starts with 128 KiB, and its window is updated as its reader
takes bytes. It grows while its reader keeps up, by 12 MiB over all streams of a connection: with at most 100
streams no more than 25 MiB are unread. The connection's own window is 16 MiB and is updated on receipt, so
that a stream without a reader never stalls another.

Send windows are what the server allows. All streams share the connection's, in `turns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.exceptions import H2Error

from .fast_h2 import INITIAL_STREAM_WINDOW
from .turns import Turns

if TYPE_CHECKING:
    from h2.connection import H2Connection

    from .pulse import Pulse
    from .stream import HTTP2Stream

CONNECTION_WINDOW = 16 * 1024 * 1024
"""Bytes that the server may have under way: more than a path of 1 Gbit/s and 100 ms holds."""

CONNECTION_STEP = CONNECTION_WINDOW // 4
"""The connection's window is updated in steps this large: one frame for 4 MiB."""

GROWTH = 12 * 1024 * 1024
"""Bytes by which the windows of all streams together may grow."""

PADDING_STEP = 16 * 1024
"""A stream's window is updated for padding in steps of this size."""


class FlowControl:
    """The windows of one connection, which ``h2`` counts. The frames that update them are left in ``h2``.

    Streams that get a turn to send are added to ``ready_streams``.
    """

    __slots__ = ("_h2", "_pulse", "_ready_streams", "growth_left", "turns")

    def __init__(self, h2: H2Connection, ready_streams: set[HTTP2Stream], pulse: Pulse) -> None:
        self._h2 = h2
        self._pulse = pulse
        self._ready_streams = ready_streams
        self.turns = Turns()
        self.growth_left = GROWTH

    def __repr__(self) -> str:
        return f"<FlowControl {self.growth_left} bytes of growth left, {self.turns!r}>"

    # Receive windows.

    def start(self) -> None:
        """Enlarge the connection's window from its initial size."""
        self._h2.increment_flow_control_window(CONNECTION_WINDOW - self._h2.inbound_flow_control_window)

    def update_connection(self) -> None:
        """Update the connection's window by what was received."""
        received = CONNECTION_WINDOW - self._h2.inbound_flow_control_window
        if received >= CONNECTION_STEP:
            self._h2.increment_flow_control_window(received)

    def update(self, stream: HTTP2Stream) -> None:
        """Update a window by what the reader has taken; by more if it keeps up with the server."""
        step, stream.unacked = stream.unacked + stream.padding, 0
        if stream.ended or stream.reset:
            return
        stream.padding = 0
        if stream.reader_waiting:
            stream.reader_waiting = False
            growth = min(stream.window, self.growth_left)
            stream.window += growth
            self.growth_left -= growth
            step += growth
        self._increase(stream, step)

    def take_padding(self, stream: HTTP2Stream, size: int) -> None:
        """Padding has no reader: the window is updated for it here."""
        stream.padding += size
        if stream.padding >= PADDING_STEP and not stream.reset:
            self._increase(stream, stream.padding)
            stream.padding = 0

    def _increase(self, stream: HTTP2Stream, size: int) -> None:
        try:
            if size:
                self._h2.increment_flow_control_window(size, stream.stream_id)
        except (H2Error, KeyError):
            pass  # closed on the wire; its events are not processed yet

    def close(self, stream: HTTP2Stream) -> None:
        """The stream is over: others may grow by what it grew, and send in its place."""
        self.growth_left += stream.window - INITIAL_STREAM_WINDOW
        if not stream.request_sent:
            self.pass_turn(stream)

    # Send windows.

    def window(self, stream: HTTP2Stream) -> int:
        """Bytes of the body that the server's windows allow now."""
        if stream.reset or stream.request_sent:
            return 0
        try:
            return max(0, self._h2.local_flow_control_window(stream.stream_id))
        except H2Error:
            return 0  # closed on the wire

    def share(self, stream: HTTP2Stream) -> int:
        """Bytes of the body that may be sent now, in turn with other streams that wait."""
        return self.turns.share(stream, self.window(stream))

    def _own_window(self, stream: HTTP2Stream) -> int:
        """The stream's own send window, without the connection's."""
        found = self._h2.streams.get(stream.stream_id)
        return 0 if found is None or stream.reset else found.outbound_flow_control_window

    def enqueue(self, stream: HTTP2Stream, *, again: bool) -> None:
        """The stream waits for a WINDOW_UPDATE, and can be woken; ``again``: it was woken in vain."""
        self.turns.enqueue(stream, self._own_window(stream), again=again)
        self.next_turn()

    def take_turn(self, stream: HTTP2Stream) -> None:
        """The leader waits for a WINDOW_UPDATE itself: give it a turn if there is a window."""
        if self.window(stream):
            self.turns.take(stream)

    def pass_turn(self, stream: HTTP2Stream) -> None:
        """The stream has sent its share, or does not send now."""
        if self.turns.give_back(stream):
            self.next_turn()

    def next_turn(self) -> None:
        """If the window allows it, the next stream has a turn."""
        if self._h2.outbound_flow_control_window > 0:
            stream = self.turns.next(self._pulse.received_at, self._own_window)
            if stream is not None:
                self._ready_streams.add(stream)
