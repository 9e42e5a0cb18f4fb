"""Memory for a body of known length: filled in place, and returned as ``bytes`` without a copy.

Most of the cost of a large body is its memory: the kernel makes each page at the first write to it. So each
page is written once, by the kernel, with the received bytes. ``bytes(size)`` is memory without a write, and a
`BytesIO` that holds the only reference to it can be written to and returns it at the end.

The length is what a server claims. So no more is reserved than a multiple of what was received; reserved
memory without a write takes addresses, but no RAM.
"""

from __future__ import annotations

from io import BytesIO

TRUST = 256
"""How many times the received bytes are reserved at most. A body that grows is copied up to a 256th of it."""

HEAD_START = 16 * 1024
"""Bytes that count as received from the beginning: bodies of up to 4 MiB are reserved at once."""

STEP = 1024 * 1024
"""Bytes received at a time. More gains nothing, and blocks an event loop for more than a millisecond."""


def reserved(length: int, arrived: int) -> int:
    """Bytes to reserve for a body of ``length`` bytes, more than the ``arrived`` ones.

    That is the length, or the length divided by a power of 256: so the body grows as seldom as possible.
    """
    size = length
    while size > TRUST * max(arrived, HEAD_START):
        size = -(-size // TRUST)
    return size


class _Memory(BytesIO):
    """A `BytesIO` that is not closed when it is collected: closing fails while there is a view of it (as in a
    coroutine that is collected together with it), which Python 3.13 prints on stderr."""

    __slots__ = ()

    def __del__(self) -> None:
        """In place of `BytesIO`'s own, which calls `close`."""


class BodyBuffer:
    """A buffer of ``length`` bytes that begins with ``begun``. Raises MemoryError.

    It must be released at the end: Python crashes if a `BytesIO` and a view of it are collected as parts of
    one cycle.
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
        """The place for the next bytes, at least one. Must be released before any other call."""
        if self._arrived == len(self._view):
            self._reserve(self._view)
        return self._view[self._arrived : self._arrived + STEP]

    def add(self, count: int) -> None:
        """``count`` bytes were written into `room`."""
        self._arrived += count

    def take(self) -> bytes:
        """The whole body. The buffer can't be used afterwards."""
        self.release()
        return self._memory.getvalue()

    def release(self) -> None:
        """Free the memory. Idempotent."""
        self._view.release()
