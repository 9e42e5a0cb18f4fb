"""What has happened in a simulation, event by event."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

KEPT = 100_000
"""Events that can be looked at afterwards, at least; the digest is of all."""


class Event(NamedTuple):
    """One thing that happened at ``moment`` (virtual seconds): who did what, and of how many bytes."""

    moment: float
    who: str
    what: str
    size: int | None = None

    def __str__(self) -> str:
        size = "" if self.size is None else f" {self.size} bytes"
        return f"{self.moment:12.6f}  {self.who} {self.what}{size}"


class Trace:
    """The events of a simulation: iterable, of a length, and with a `digest` by which runs are compared.

    Contents are not in it, sizes are. Two runs of one program from one seed have equal traces. (Not over TLS,
    where what is sent is drawn by OpenSSL; nor where sizes depend on the machine or the time of day.)
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._events: list[Event] = []
        self._dropped = 0
        self._hash = hashlib.sha256()

    def __repr__(self) -> str:
        return f"<Trace of {len(self)} events>"

    def __len__(self) -> int:
        """How many events there were, those that are not kept any more included."""
        return self._dropped + len(self._events)

    def __iter__(self) -> Iterator[Event]:
        """The last events, 100,000 at least."""
        return iter(list(self._events))

    @property
    def digest(self) -> str:
        """A checksum of all events: equal for equal runs."""
        total = self._hash.copy()
        total.update(_encoded(self._events))
        return total.hexdigest()

    def text(self, last: int = 50) -> str:
        """The last events, one a line, for a person."""
        return "\n".join(map(str, self._events[-last:]))

    def note(self, who: str, what: str, size: int | None = None) -> None:
        """Something has happened."""
        self._events.append(Event(self._now(), who, what, size))
        if len(self._events) >= 2 * KEPT:
            self._hash.update(_encoded(self._events[:KEPT]))
            del self._events[:KEPT]
            self._dropped += KEPT


def _encoded(events: list[Event]) -> bytes:
    return "".join([f"{event!r}\n" for event in events]).encode()
