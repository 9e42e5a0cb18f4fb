"""Reads the head of a response: strictly, or by h11 from the first byte where that declines.

Handing over happens before a head is accepted and never later. h11 is told how much of the request was sent,
and gets every byte that came for this response. What follows the head is not its business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .chunked import ChunkedDecoder
from .response_head import ResponseHead, Verdict, read_head

if TYPE_CHECKING:
    from http3_models import Limits
    from http3_models.engine import RequestState

    from .h11_fallback import LibraryReader


class HeadReader:
    """One for a connection; `reset` makes it ready for the next exchange.

    The sender counts in ``body_sent`` the bytes of the request's body, and sets ``finished`` at its end.
    ``pending`` is what came behind the final head.
    """

    __slots__ = ("_begun", "_fast", "_library", "_limits", "body_sent", "finished", "pending")

    def __init__(self, limits: Limits, *, fast: bool) -> None:
        self._limits = limits
        self._fast = fast
        self.reset()

    def reset(self) -> None:
        """Forget the exchange."""
        self.body_sent = 0
        self.finished = False
        self.pending = b""
        self._begun: bytearray | None = None
        self._library: LibraryReader | None = None

    @property
    def has_begun(self) -> bool:
        """True if a part of a head is there."""
        return bool(self._begun if self._library is None else self._library.pending)

    def take(self, request: RequestState, data: bytes) -> ResponseHead | None:
        """Add what came; the final head, if it is there now. Raises Malformed."""
        library = self._library
        if library is None:
            if self._fast:
                searched, begun = 0, self._begun
                seen: bytes | bytearray = data
                if begun is not None:
                    searched = len(begun)
                    begun += data
                    seen = begun
                head = read_head(seen, request.method, self._limits, searched)
                if isinstance(head, ResponseHead):
                    self.pending = bytes(seen[head.size :])
                    return head
                if head is Verdict.INCOMPLETE:
                    self._begun = bytearray(data) if begun is None else begun
                    return None
                data = bytes(seen)
            library = self._library = self._hand_over(request)
        final = library.read_head(data)
        if final is not None:
            self.pending = library.pending
        return final

    def decode(self) -> tuple[ChunkedDecoder, bytes]:
        """For a chunked body: its decoder, and the content that is there."""
        decoder = ChunkedDecoder(self._limits.max_trailer_size)
        return decoder, decoder.feed(self.pending)

    def _hand_over(self, request: RequestState) -> LibraryReader:
        from .h11_fallback import LibraryReader, connection_after

        connection = connection_after(request, self.body_sent, self.finished, self._limits.max_head_size)
        return LibraryReader(connection, request.method, self._limits)
