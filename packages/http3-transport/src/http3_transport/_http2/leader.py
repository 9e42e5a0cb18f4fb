"""`Leader`: which exchange reads an HTTP/2 connection for all.

One of the waiting exchanges reads for all and fills the others' inboxes. It leads until it has what it waits
for; then the one that has waited longest leads. An exchange that stops waiting for any reason (served, timed
out, cancelled) wakes the next leader if there is none. So a time limit fails its own request only.

This file owns one invariant: **no exchange waits while none reads.**
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .stream import BY_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._interfaces import Waiter
    from .stream import HTTP2Stream


class Leader:
    """Who leads, and who waits meanwhile. The connection holds its lock around every call."""

    __slots__ = ("followers", "is_present")

    def __init__(self) -> None:
        self.is_present = False
        self.followers: dict[HTTP2Stream, Waiter] = {}

    def __repr__(self) -> str:
        return f"<Leader {'present' if self.is_present else 'absent'}, {len(self.followers)} followers>"

    def claim(self) -> bool:
        """Lead; False if another does."""
        if self.is_present:
            return False
        self.is_present = True
        return True

    def resign(self) -> None:
        """Lead no more."""
        self.is_present = False
        self._wake_next()

    def leave(self, stream: HTTP2Stream) -> None:
        """A follower does not wait any more. It may have been woken to lead."""
        del self.followers[stream]
        self._wake_next()

    def _wake_next(self) -> None:
        """If there is no leader, wake the follower that has waited longest; it then leads."""
        if not self.is_present and self.followers:
            next(iter(self.followers.values())).set()

    def wake(self, streams: Iterable[HTTP2Stream]) -> None:
        """Wake the followers among these, by id: the order of a set depends on memory addresses."""
        if self.followers:
            for stream in sorted(streams, key=BY_ID):
                if (waiter := self.followers.get(stream)) is not None:
                    waiter.set()
