"""What the body of a response and an upload need of the connection that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models.engine import RequestState

    from .._interfaces import Clock, Stream
    from .head_reader import HeadReader
    from .response_head import ResponseHead


class RequestForm(Protocol):
    """How the requests of a connection are written, where that is not to their origin but to a proxy."""

    def write(self, request: RequestState) -> tuple[str, Headers]:
        """The request target (RFC 9112 section 3.2) and the header fields."""


class ExchangeOwner(Protocol):
    """The connection as its parts see it; `HTTP11Connection` is one."""

    stream: Stream
    now: Clock
    reader: HeadReader

    asks_caller: bool
    """True while the caller's code runs, which is asked for the next piece of a request's body. What it
    raises is no failure of the connection."""

    was_aborted: bool
    """True once `abort` was called."""

    def take(self, request: RequestState, data: bytes) -> ResponseHead | None:
        """Add received bytes; the final head if it is complete now. Raises Malformed."""

    def complete(self, *, reusable: bool) -> None:
        """The exchange has ended in both directions. The connection is closed unless it is ``reusable``."""

    def abort(self) -> None:
        """Drop the socket."""
