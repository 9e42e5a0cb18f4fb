"""How far the body of a response has been read; `ResponseState.body_state` is one of these."""

from __future__ import annotations

from enum import Enum

from ._exceptions import ResponseClosed, StreamConsumed, StreamException


class BodyState(Enum):
    """How far the body of a response has been read. In the last two ``ResponseState.body`` is None."""

    UNREAD = "unread"
    STREAMING = "streaming"
    """A reader has begun; `close` still reaches the body."""
    CONSUMED = "consumed"
    """Read to its end; ``ResponseState.content`` has it, if it was read whole."""
    CLOSED = "closed"
    """Closed before its end, or failed."""

    def error(self) -> StreamException:
        """The exception for an attempt to read the body."""
        kind, message = _ERRORS[self]
        return kind(message)


UNREAD, STREAMING, CONSUMED, CLOSED = BodyState

_ERRORS: dict[BodyState, tuple[type[StreamException], str]] = {
    STREAMING: (
        StreamConsumed,
        "The body is being read, or was in part, and comes only once; read() keeps it in memory",
    ),
    CONSUMED: (
        StreamConsumed,
        "The body was streamed already, and comes only once; read() keeps it in memory",
    ),
    CLOSED: (
        ResponseClosed,
        "The response was closed before its body was read; read() keeps it in memory for later",
    ),
}
