"""Reads the head of a response by the strict parser, or by h11 if that declines.

h11 begins at the first byte of the head, never later. It learns how much of the request was sent, and gets
every byte received for this response. Bytes behind the head are not for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._errors import SPEAKS_TLS, TLS_ALERT, Malformed
from .chunked import ChunkedDecoder
from .response_head import ResponseHead, Verdict, read_head

if TYPE_CHECKING:
    from http3_models import Limits
    from http3_models.engine import RequestState

    from .h11_fallback import LibraryReader


class HeadReader:
    """The reader of a connection; `reset` prepares it for the next exchange.

    The sender counts the bytes of the request's body in ``body_sent``, and sets ``finished`` at its end.
    ``pending`` are the bytes received behind the final head.
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
        """True if a part of a head was received."""
        return bool(self._begun if self._library is None else self._library.pending)

    def take(self, request: RequestState, data: bytes) -> ResponseHead | None:
        """Add received bytes; the final head if it is complete now. Raises Malformed."""
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
                if head is Verdict.INCOMPLETE and seen[:2] != TLS_ALERT:
                    self._begun = bytearray(data) if begun is None else begun
                    return None
                data = bytes(seen)
            if data[:2] == TLS_ALERT:
                raise Malformed(SPEAKS_TLS)
            library = self._library = self._hand_over(request)
        final = library.read_head(data)
        if final is not None:
            self.pending = library.pending
        return final

    def decode(self) -> tuple[ChunkedDecoder, bytes]:
        """For a chunked body: its decoder, and the content received with the head."""
        decoder = ChunkedDecoder(self._limits.max_trailer_size)
        return decoder, decoder.feed(self.pending)

    def _hand_over(self, request: RequestState) -> LibraryReader:
        from .h11_fallback import LibraryReader, connection_after

        connection = connection_after(request, self.body_sent, self.finished, self._limits.max_head_size)
        return LibraryReader(connection, request.method, self._limits)
