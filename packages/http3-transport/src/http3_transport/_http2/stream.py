"""What the connection knows of one exchange over HTTP/2: a plain record, filled by `HTTP2State`."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from .fast_h2 import INITIAL_STREAM_WINDOW

if TYPE_CHECKING:
    from http3_models import TransportError

    from .headers import Field

# What a stream may be waited for.
HEAD, BODY, CREDIT, INFORMATIONAL, SETTINGS = 1, 2, 4, 8, 16

BY_ID = attrgetter("stream_id")

SMALL_PIECE = 1024
MANY_PIECES = 64
"""Beyond this many unread pieces, pieces of less than SMALL_PIECE bytes are joined."""


class Failure(NamedTuple):
    """Why a stream will not bring a whole response."""

    kind: type[TransportError]
    text: str
    refused: bool = False
    cause: BaseException | None = None
    in_answer: bool = False
    """What is wrong is the answer itself, so its first byte has come"""


class NoStreamLeft(Exception):
    """The connection takes no further stream, now or ever; nothing of the request was sent."""


class HTTP2Stream:
    """One exchange, as far as the connection knows it.

    ``inbox`` holds what was received and not yet read. The feeder adds to it under the engine's lock; the
    one reader takes from it without, and must look at ``ended`` and ``failure`` before it finds it empty.
    """

    __slots__ = (
        "bodyless", "ended", "expected", "failure", "first_byte", "head", "inbox", "informational", "is_head",
        "owed", "padding", "received", "request_begun", "request_sent", "reset", "starved", "stream_id",
        "trailers", "waits_behind", "waits_since", "wants", "window",
    )  # fmt: skip

    def __init__(self, stream_id: int, first_byte: int, is_head: bool) -> None:
        self.stream_id = stream_id
        self.first_byte = first_byte
        self.is_head = is_head
        self.inbox: deque[bytes] = deque()
        self.head: tuple[int, list[Field]] | None = None
        self.trailers: list[Field] | None = None
        self.informational = 0
        self.bodyless = False
        self.expected: int | None = None
        self.received = 0
        self.ended = False
        """The response is whole."""
        self.failure: Failure | None = None
        self.request_begun = False
        """Some of the request's body was sent."""
        self.request_sent = False
        """END_STREAM was sent."""
        self.reset = False
        """RST_STREAM was sent or received: no further frame of ours may follow."""
        self.wants = 0
        self.waits_since: float | None = None
        """The moment at which it began to wait the last time."""
        self.waits_behind: int | None = None
        """How much the connection had sent then, if it was to send."""
        self.window = INITIAL_STREAM_WINDOW
        """What the server was told it may send beyond what came back: the stream's share of memory."""
        self.owed = 0
        """Bytes taken by the reader, whose credit was not given back yet; the reader's to count."""
        self.padding = 0
        """The same for padding, which nobody reads; the feeder's to count."""
        self.starved = False
        """The reader has found the inbox empty since it last gave credit: it is faster than the server."""

    def put(self, data: bytes) -> None:
        """Add to the inbox. Many small pieces are joined: a piece of two bytes takes 56 bytes of memory, so a
        window full of them would take 26 times its size.

        The reader takes pieces from the other end. If it finds the inbox empty between our two steps, it asks
        again under the lock, since a stream that gets another piece has not ended yet.
        """
        inbox = self.inbox
        if len(data) < SMALL_PIECE and len(inbox) > MANY_PIECES:
            with suppress(IndexError):
                last = inbox.pop()
                if len(last) < SMALL_PIECE:
                    data = last + data
                else:
                    inbox.append(last)
        inbox.append(data)

    @property
    def answered(self) -> bool:
        """A head has come, interim or final: whatever the server says later, it has acted on the request."""
        return self.head is not None or self.informational > 0

    def __repr__(self) -> str:
        state = "failed" if self.failure else "ended" if self.ended else "open"
        return f"<HTTP2Stream {self.stream_id} {state}>"
