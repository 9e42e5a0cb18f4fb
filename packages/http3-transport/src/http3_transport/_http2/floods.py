"""What an HTTP/2 server may send that brings nothing: bounded, since it costs us more than the server.

Two cases differ. Small frames (PING, SETTINGS, empty DATA and the like) are counted from the last
one that was of use, in either direction, and from second to second. DATA for a stream that we have reset may
still be on its way, as much as its window had left; beyond that the server ignores the reset.
"""

from __future__ import annotations

SMALL_FRAME = 1024
"""Bytes of payload below which a frame is cheap to send."""

MAX_USELESS = 2000
"""Small frames in a second that bring nothing. An honest server sends a few."""

MAX_REMEMBERED = 1000
"""Streams that were reset last, of which it is known how much may still come."""


class FloodGuard:
    """For one connection. ``useless_frames`` is set to 0 by whatever is of use."""

    __slots__ = ("_late", "_second_ends", "useless_frames")

    def __init__(self) -> None:
        self.useless_frames = 0
        self._second_ends = 0.0
        self._late: dict[int, int] = {}

    def look_at(self, moment: float) -> None:
        """What the time is: after a second it is counted anew."""
        if moment >= self._second_ends:
            self._second_ends = moment + 1
            self.useless_frames = 0

    def allows_small_frame(self) -> bool:
        """Count a small frame; False if there are too many."""
        self.useless_frames += 1
        return self.useless_frames <= MAX_USELESS

    def expect_late(self, stream_id: int, window: int) -> None:
        """A stream was reset that has so much of its window left."""
        self._late[stream_id] = window
        if len(self._late) > MAX_REMEMBERED:
            del self._late[next(iter(self._late))]

    def allows_late_data(self, stream_id: int, size: int) -> bool:
        """Count DATA of a stream that was reset; False if it is beyond what was left of the window."""
        left = self._late.get(stream_id)
        if left is None:
            return True
        self._late[stream_id] = left - size
        return size <= left
