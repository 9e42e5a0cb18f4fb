"""Memory for a body of announced length: filled in place, and handed out as ``bytes`` without a copy.

Most of what a large body costs is its memory: the kernel makes each page when it is first written to. So
every page is written once, and by the kernel, with what it received. ``bytes(size)`` is memory that nobody
has touched yet, and a `BytesIO` that holds the only reference lets us write there, and hands it out in the
end.

A length is only what a server says. No more is reserved than a multiple of what has arrived; what is reserved
and not written to takes up addresses, but no memory.
"""

from __future__ import annotations

from io import BytesIO

TRUST = 256
"""How many times what has arrived is reserved at most. A body that grows is copied by a 256th of it."""

HEAD_START = 16 * 1024
"""Bytes that count as arrived from the beginning: bodies of up to 4 MiB are reserved at once."""

STEP = 1024 * 1024
"""Bytes to fill at a time. More would gain nothing, and hold up an event loop for more than a millisecond."""


def reserved(length: int, arrived: int) -> int:
    """Bytes to reserve, more than have arrived, for a body of ``length`` bytes.

    It is the length itself, or that divided by a power of 256: so the body grows as seldom as possible.
    """
    size = length
    while size > TRUST * max(arrived, HEAD_START):
        size = -(-size // TRUST)
    return size


class _Memory(BytesIO):
    """One that is not closed when it is collected: that fails while there is a view of it, and Python 3.13
    says so on stderr. (A coroutine that nobody goes on with is garbage together with it.)"""

    __slots__ = ()

    def __del__(self) -> None:
        """In place of `BytesIO`'s own, which calls `close`."""


class BodyBuffer:
    """``length`` bytes to be filled, ``begun`` are the first of them (and not all). Raises MemoryError.

    It must be released in the end: Python crashes where a `BytesIO` and a view of it are collected as parts
    of a cycle.
    """

    __slots__ = ("_arrived", "_length", "_memory", "_view")

    def __init__(self, length: int, begun: bytes) -> None:
        self._length = length
        self._arrived = len(begun)
        self._reserve(begun)

    def _reserve(self, content: bytes | memoryview) -> None:
        self._memory = _Memory(bytes(reserved(self._length, self._arrived)))
        self._view = self._memory.getbuffer()
        self._view[: self._arrived] = content

    def room(self) -> memoryview:
        """Where the next bytes go, at least one. To be released before the next call of anything here."""
        if self._arrived == len(self._view):
            self._reserve(self._view)
        return self._view[self._arrived : self._arrived + STEP]

    def add(self, count: int) -> None:
        """That many bytes were put into the room."""
        self._arrived += count

    def take(self) -> bytes:
        """The body, once it is whole. Nothing can be done with the buffer afterwards."""
        self.release()
        return self._memory.getvalue()

    def release(self) -> None:
        """Let go of the memory. Idempotent."""
        self._view.release()
