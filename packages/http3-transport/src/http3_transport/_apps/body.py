"""The body of a response that an application is still making; the same for ASGI and WSGI.

A `Source` gets the next part from the application. This module owns one invariant: a body that was closed
before its end never looks like one that came to its end.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol, Self

from http3_models import Delivery, ReadError
from http3_models.engine import redacted

from .._errors import limit_left, network_error, phase_timeout, timeout_error
from .._interfaces import OperationTimeout

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models.engine import RequestState

    from .._interfaces import Clock


class Source(Protocol):
    """An application under way."""

    @property
    def trailers(self) -> Headers | None:
        """Trailer fields, once they came."""

    async def next_chunk(self) -> bytes:
        """The next part, b"" at the end. Raises what the application raises, and RequestError subclasses."""

    async def close(self) -> None:
        """The client has gone before the end; waits until the application has noticed."""

    def abort(self) -> None:
        """`close` without waiting for anything."""

    def abort_from_finalizer(self) -> None:
        """`abort` for finalisers: runs no code of the application, takes no lock; from any thread."""


class AppBody:
    """A `ResponseBody` over a `Source`."""

    __slots__ = ("_ended_early", "_now", "_over", "_request", "_source", "_started")

    def __init__(self, source: Source, request: RequestState, now: Clock) -> None:
        self._source = source
        self._request = request
        self._now = now
        self._started = now()
        self._ended_early = False
        self._over = False  # last: from here on it must be read or closed

    @classmethod
    def of(cls, source: Source, request: RequestState, now: Clock) -> Self:
        """The body; if its constructor is interrupted, the source is aborted."""
        try:
            return cls(source, request, now)
        except BaseException:
            source.abort()
            raise

    @property
    def trailers(self) -> Headers | None:
        """Trailer fields, once they came."""
        return self._source.trailers

    async def read_chunk(self) -> bytes:
        """The next part; b"" at the end."""
        if self._over:
            return self._after_end()
        try:
            chunk = await self._source.next_chunk()
        except BaseException:
            self.abort()
            raise
        if not chunk and not self._over:
            self._over = True
            self._request.phases.receive = self._now() - self._started
        return chunk

    def _after_end(self) -> bytes:
        if self._ended_early:
            raise network_error(
                ReadError, self._request, "The body was closed before its end", Delivery.MAYBE_PROCESSED
            )
        return b""

    async def close(self) -> None:
        """Let the application notice that the client has gone, and wait for that."""
        if not self._over:
            self._over = self._ended_early = True
            await self._source.close()

    def abort(self) -> None:
        """`close` without waiting for the application to notice."""
        if not self._over:
            self._over = self._ended_early = True
            self._source.abort()

    def __del__(self) -> None:
        if not getattr(self, "_over", True):  # its constructor may have been interrupted
            self._over = True
            self._source.abort_from_finalizer()
            url = redacted(self._request.url)
            warnings.warn(f"the response of {url} was neither read nor closed", ResourceWarning, stacklevel=2)


def patience(request: RequestState, waited: float | None) -> float | None:
    """Seconds for which to wait for the application, for which the client has waited ``waited`` seconds
    already.

    ``waited`` None: the application waits for the client, so only the deadline counts. Raises ReadTimeout,
    TotalTimeout.
    """
    try:
        limit = None if waited is None else phase_timeout(request, "read")
        return limit_left(request, limit, waited or 0.0)
    except OperationTimeout as exc:
        raise timeout_error(request, "read") from exc
