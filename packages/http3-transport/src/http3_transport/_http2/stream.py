"""`HTTP2Stream`: what was received of one response, and how far its request was sent. `HTTP2State` fills it.

It owns one invariant, **ends**. A response is whole only if END_STREAM came, after a valid head, with as many
bytes as announced. Anything else that ends a stream is a `Failure`.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from .fast_h2 import INITIAL_STREAM_WINDOW
from .frames import length_fault
from .headers import Malformed, content_length, response_head, trailer_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from http3_models import Limits, TransportError

    from .headers import Field

# What a stream may be waited for.
HEAD, BODY, WINDOW, INFORMATIONAL, SETTINGS = 1, 2, 4, 8, 16

BY_ID = attrgetter("stream_id")

SMALL_PIECE = 1024
MANY_PIECES = 64
"""Beyond this many unread pieces, pieces of less than SMALL_PIECE bytes are joined."""


class Failure(NamedTuple):
    """Why the response of a stream is not whole."""

    kind: type[TransportError]
    text: str
    refused: bool = False
    cause: BaseException | None = None
    in_answer: bool = False
    """The response itself is at fault, so its first byte was received"""


class NoStreamLeft(Exception):
    """The connection takes no further stream; nothing of the request was sent."""


class HTTP2Stream:
    """The record of one exchange.

    ``inbox`` holds what was received and not yet read. `HTTP2State` adds to it under the connection's lock;
    its one reader takes from it without, and must check ``ended`` and ``failure`` before it finds it empty.
    """

    __slots__ = (
        "bodyless",
        "ended",
        "expected",
        "failure",
        "head",
        "inbox",
        "informational",
        "is_head",
        "padding",
        "queued_at",
        "reader_waiting",
        "received",
        "request_begun",
        "request_sent",
        "reset",
        "stream_id",
        "trailers",
        "unacked",
        "waits_behind",
        "waits_since",
        "wants",
        "window",
    )

    def __init__(self, stream_id: int, queued_at: int, is_head: bool) -> None:
        self.stream_id = stream_id
        self.queued_at = queued_at
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
        """No further frame may be sent: RST_STREAM was sent or received, or the connection has ended."""
        self.wants = 0
        self.waits_since: float | None = None
        """The moment at which it began to wait the last time."""
        self.waits_behind: int | None = None
        """How much the connection had sent then, if it was to send."""
        self.window = INITIAL_STREAM_WINDOW
        """The receive window that the server was given: the most that is unread."""
        self.unacked = 0
        """Bytes taken by the reader and not yet in a WINDOW_UPDATE; counted by the reader."""
        self.padding = 0
        """The same for padding; counted by `FlowControl`."""
        self.reader_waiting = False
        """The reader has found the inbox empty since the last WINDOW_UPDATE: it is faster than the server."""

    # What was received; each raises Malformed if the response breaks the rules.

    def take_informational(self, received: Iterable[Field], limits: Limits) -> None:
        """The head of a 1xx response."""
        status, _ = response_head(received, limits)
        self.informational += 1
        if status == 101:
            raise Malformed(
                "The server switched protocols (101 Switching Protocols), which HTTP/2 does not support"
            )
        if self.informational > limits.max_informational:
            raise Malformed(f"More than max_informational ({limits.max_informational}) 1xx responses")

    def take_head(self, received: Iterable[Field], limits: Limits) -> None:
        """The head of the final response."""
        status, fields = response_head(received, limits)
        length = None if self.is_head else content_length(fields)
        self.bodyless = self.is_head or status in (204, 304)
        self.expected = None if self.bodyless else length
        self.head = (status, fields)

    def take_data(self, data: bytes) -> None:
        """Bytes of the body."""
        self.received += len(data)
        if self.expected is not None and self.received > self.expected:
            raise Malformed(length_fault(self.expected, self.received))
        if self.bodyless:
            raise Malformed("The server sent a body where there can be none")
        self.put(data)

    def take_trailers(self, received: Iterable[Field], limits: Limits) -> None:
        """The fields after the body."""
        self.trailers = trailer_fields(received, limits)

    def end(self) -> None:
        """END_STREAM."""
        if self.head is None:
            raise Malformed("The response ended without a final head")
        if self.expected is not None and self.expected != self.received:
            raise Malformed(length_fault(self.expected, self.received))
        self.ended = True

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
        """A head was received, interim or final: the server has acted on the request."""
        return self.head is not None or self.informational > 0

    def __repr__(self) -> str:
        state = "failed" if self.failure else "ended" if self.ended else "open"
        return f"<HTTP2Stream {self.stream_id} {state}>"
