"""Reads the head of a response: strictly, or by h11 from the first byte where that declines.

Handing over happens before a head is accepted and never later. h11 is told how much of the request was
sent, gets every byte that came for this response, and reads it to the end of a chunked body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._http11_chunked import ChunkedDecoder
from ._http11_response import ResponseHead, Verdict, read_head

if TYPE_CHECKING:
    from http3_models._config import Limits
    from http3_models._records import RequestState

    from ._http11_body import Decoder
    from ._http11_library import LibraryReader


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
        if self._library is None:
            if self._fast:
                response = self._read_strictly(request, data)
                if isinstance(response, ResponseHead):
                    return response
                if response is Verdict.INCOMPLETE:
                    return None
                assert self._begun is not None
                data = bytes(self._begun)
            self._library = self._hand_over(request)
        final = self._library.read_head(data)
        if final is not None:
            self.pending = self._library.pending
        return final

    def decode(self) -> tuple[Decoder, bytes]:
        """For a chunked body: its decoder (of whoever read the head), and the content that is there."""
        library = self._library
        decoder = ChunkedDecoder(self._limits.max_trailer_size) if library is None else library.decoder()
        return decoder, decoder.feed(self.pending if library is None else b"")

    def _read_strictly(self, request: RequestState, data: bytes) -> ResponseHead | Verdict:
        begun = self._begun
        if begun is None:
            response = read_head(data, request.method, self._limits)
            if isinstance(response, ResponseHead):
                self.pending = data[response.size :]
            else:
                self._begun = bytearray(data)
            return response
        searched = len(begun)
        begun += data
        response = read_head(begun, request.method, self._limits, searched)
        if isinstance(response, ResponseHead):
            self.pending = bytes(begun[response.size :])
        return response

    def _hand_over(self, request: RequestState) -> LibraryReader:
        from ._http11_library import LibraryReader, connection_after

        connection = connection_after(request, self.body_sent, self.finished, self._limits.max_head_size)
        return LibraryReader(connection, request.method, self._limits)
