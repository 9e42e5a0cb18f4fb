"""Which stream may use an HTTP/2 connection's send window, which all streams share (RFC 9113 section 5.2).

Streams that wait for the connection's window are in a queue. When the window allows it, the first gets a
turn: it sends its share and passes the turn on. A new stream is the last. So each stream makes progress,
however many there are, and none uses all of every WINDOW_UPDATE.

This module owns one invariant: **if the window is open and a stream waits, a stream has a turn.** A turn that
is not used must be passed on; `FlowControl` does that when a stream stops sending for any reason.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import HTTP2Stream

LEAST_SHARE, USUAL_SHARE = 1024, 16384
"""Bytes of a turn if an equal share of the window is less. The latter fills a frame; it is halved down to the
former if streams wait long for their turns."""

LONG_WAIT = 0.25
"""Seconds in the queue. Most write timeouts are many times that."""


class Turns:
    """The turns of one connection."""

    __slots__ = ("_holders", "_least_share", "_queue", "_short_waits")

    def __init__(self) -> None:
        self._queue: OrderedDict[HTTP2Stream, None] = OrderedDict()
        self._holders: set[HTTP2Stream] = set()
        self._least_share = USUAL_SHARE
        self._short_waits = 0
        """Turns in a row without a long wait."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self._holders)} in turn, {len(self._queue)} queued>"

    def share(self, stream: HTTP2Stream, window: int) -> int:
        """The part of the connection's ``window`` that the stream may use now."""
        others = len(self._queue) + len(self._holders)
        if not others:
            return window
        if stream not in self._holders:
            return 0
        return min(window, max(window // others, self._least_share))

    def enqueue(self, stream: HTTP2Stream, own_window: int, *, again: bool) -> None:
        """Put the stream at the end of the queue; or at its front if it was woken in vain and waits
        ``again``. A stream that waits for its own window is not queued."""
        again = again or stream in self._holders
        self._holders.discard(stream)
        if own_window > 0:
            self._queue[stream] = None
            if again:
                self._queue.move_to_end(stream, last=False)

    def leave_queue(self, stream: HTTP2Stream) -> None:
        """Remove the stream from the queue. It keeps its turn if it has one."""
        self._queue.pop(stream, None)

    def take(self, stream: HTTP2Stream) -> None:
        """Give the stream a turn at once: for the leader, which can't be woken."""
        self._holders.add(stream)

    def give_back(self, stream: HTTP2Stream) -> bool:
        """End the stream's turn, and its place in the queue; True if it had a turn."""
        self._queue.pop(stream, None)
        had_turn = stream in self._holders
        self._holders.discard(stream)
        return had_turn

    def next(self, moment: float, window_of: Callable[[HTTP2Stream], int]) -> HTTP2Stream | None:
        """With an open window: if no stream has a turn, give one to the first in the queue and return it.
        ``window_of(stream)`` is a stream's own window."""
        while self._queue and not self._holders:
            stream, _ = self._queue.popitem(last=False)
            if window_of(stream) > 0:
                self._holders.add(stream)
                self._adapt(0.0 if stream.waits_since is None else moment - stream.waits_since)
                return stream
        return None

    def _adapt(self, waited: float) -> None:
        """Make turns smaller if streams wait long, and larger again if they do not."""
        self._short_waits = self._short_waits + 1 if waited < LONG_WAIT / 2 else 0
        if waited > LONG_WAIT:
            self._least_share = max(self._least_share // 2, LEAST_SHARE)
        elif self._short_waits > len(self._queue):
            self._least_share = min(self._least_share * 2, USUAL_SHARE)
            self._short_waits = 0
