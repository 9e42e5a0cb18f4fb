"""`SendBuffer`: the output of an HTTP/2 connection, in order, until the kernel has taken it.

It owns one invariant, **delivery**. Positions in all output of the connection are counted in bytes:
``queued_at`` of a stream is the position of its HEADERS frame, `bytes_written` is how much the kernel has
taken. So it is known of each request whether it was sent.
"""

from __future__ import annotations


class SendBuffer:
    """`put` is called under the connection's lock, `rest` and `written` are for the one writer."""

    __slots__ = ("answers", "bytes_queued", "bytes_written", "pieces", "rest")

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = []
        """What was put in and not yet taken."""
        self.rest = memoryview(b"")
        """What was taken and not yet written."""
        self.bytes_queued = 0
        self.bytes_written = 0
        self.answers = 0
        """Bytes of ``pieces`` that answer what the server sent (PING, SETTINGS)."""

    def __repr__(self) -> str:
        return f"<SendBuffer {self.bytes_written} of {self.bytes_queued} bytes written>"

    def put(self, piece: bytes | memoryview) -> None:
        """Add output."""
        self.pieces.append(piece)
        self.bytes_queued += len(piece)

    def take(self) -> bytes:
        """All that was put in. The caller must send all of it, in this order."""
        pieces, self.pieces = self.pieces, []
        self.answers = 0
        return b"".join(pieces)

    def written(self, count: int) -> None:
        """The kernel has taken ``count`` bytes of ``rest``."""
        self.rest = self.rest[count:]
        self.bytes_written += count
