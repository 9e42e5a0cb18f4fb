"""Whose turn it is to use an HTTP/2 connection's send window, which all streams share (RFC 9113 section 5.2).

Streams that wait for the connection's credit stand in line. When there is credit the first of them gets a
turn: it may send its share, steps back, and the next gets a turn. Who comes new waits behind the line. So
each makes progress, however many there are, and none takes all of every WINDOW_UPDATE.

This module owns one invariant: **where there is credit and somebody waits, somebody has a turn.** A turn that
is not used must be passed on; `Outgoing` does that when a stream stops to send, in whatever way.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import HTTP2Stream

LEAST_SHARE, USUAL_SHARE = 1024, 16384
"""Bytes that a turn is good for, where an equal share of the window is less. The latter fills a frame; where
streams wait long for their turns it is halved, down to the former."""

LONG_WAIT = 0.25
"""Seconds in line. Most write timeouts are many times that."""


class Turns:
    """Of one connection."""

    __slots__ = ("_holders", "_least", "_line", "_soon")

    def __init__(self) -> None:
        self._line: OrderedDict[HTTP2Stream, None] = OrderedDict()
        self._holders: set[HTTP2Stream] = set()
        self._least = USUAL_SHARE
        self._soon = 0
        """Turns in a row that came soon."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._holders)} in turn, {len(self._line)} in line>"

    def share(self, stream: HTTP2Stream, window: int) -> int:
        """What of the connection's ``window`` the stream may use now."""
        others = len(self._line) + len(self._holders)
        if not others:
            return window
        if stream not in self._holders:
            return 0
        return min(window, max(window // others, self._least))

    def line_up(self, stream: HTTP2Stream, own_window: int, *, again: bool) -> None:
        """It waits for the connection's credit, behind those who wait already; or before them, if it was
        woken for nothing and waits ``again``. One that waits for its own window holds up nobody."""
        again = again or stream in self._holders
        self._holders.discard(stream)
        if own_window > 0:
            self._line[stream] = None
            if again:
                self._line.move_to_end(stream, last=False)

    def step_out(self, stream: HTTP2Stream) -> None:
        """It does not wait any more. A turn that it has been given stays its own."""
        self._line.pop(stream, None)

    def take(self, stream: HTTP2Stream) -> None:
        """It takes a turn, whoever is in line: for the one who reads for all, and can't be woken."""
        self._holders.add(stream)

    def give_back(self, stream: HTTP2Stream) -> bool:
        """It neither waits nor has a turn any more; True if it had one."""
        self._line.pop(stream, None)
        had_turn = stream in self._holders
        self._holders.discard(stream)
        return had_turn

    def next(self, moment: float, window_of: Callable[[HTTP2Stream], int]) -> HTTP2Stream | None:
        """Where there is credit: give the first in line a turn if nobody has one; who that is. ``window_of``
        tells what a stream's own window allows."""
        while self._line and not self._holders:
            stream, _ = self._line.popitem(last=False)
            if window_of(stream) > 0:
                self._holders.add(stream)
                self._adapt(0.0 if stream.waits_since is None else moment - stream.waits_since)
                return stream
        return None

    def _adapt(self, waited: float) -> None:
        """Make turns small enough for each stream to have one in time, and larger when nobody waits long."""
        self._soon = self._soon + 1 if waited < LONG_WAIT / 2 else 0
        if waited > LONG_WAIT:
            self._least = max(self._least // 2, LEAST_SHARE)
        elif self._soon > len(self._line):
            self._least = min(self._least * 2, USUAL_SHARE)
            self._soon = 0
