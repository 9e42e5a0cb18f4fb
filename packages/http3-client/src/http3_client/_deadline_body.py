"""Bodies of a user's dispatcher or transport that does not apply the call's deadline: applied around them.

The reading of any body (in `http3_models`) compares the clock with the deadline before and after each piece.
Here is what to do while a piece is awaited: what suspends is cancelled; what blocks can't be interrupted, and
the error says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import Delivery
from http3_models.engine import is_closed

from ._cancelling import until_deadline

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models.engine import RequestState, ResponseBody, ResponseState


class DeadlineBody:
    """``body`` with the deadline of ``request`` applied: the base of the two."""

    __slots__ = ("_body", "_request")

    def __init__(self, body: ResponseBody, request: RequestState) -> None:
        self._body = body
        self._request = request

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    async def read_chunk(self) -> bytes:
        return await self._body.read_chunk()

    async def close(self) -> None:
        await self._body.close()

    def abort(self) -> None:
        self._body.abort()


class BlockingBody(DeadlineBody):
    """One that blocks: TotalTimeout is raised when it returns too late."""

    __slots__ = ()

    async def read_chunk(self) -> bytes:
        chunk = await self._body.read_chunk()
        deadline = self._request.deadline
        if deadline is not None:
            why = "; its body blocks, which can't be interrupted"
            deadline.check(self._request, Delivery.MAYBE_PROCESSED, why)
        return chunk


class CancelledBody(DeadlineBody):
    """One that suspends: reading it is cancelled when the deadline passes."""

    __slots__ = ()

    async def read_chunk(self) -> bytes:
        return await until_deadline(self._request, self._body.read_chunk)


def apply_deadline(response: ResponseState, request: RequestState, kind: type[DeadlineBody]) -> None:
    """Apply the deadline of ``request`` to the response's body, if it is still to come."""
    if response.body is not None and not is_closed(response):
        response.body = kind(response.body, request)
