"""The call's deadline for the bodies of a user's dispatcher or transport that does not apply it.

`http3_models` checks the deadline before and after each chunk of any body. The classes here apply it while a
chunk is awaited: a body that suspends is cancelled; a body that blocks can't be, and the error says so.
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
    """``body`` with the deadline of ``request``: the base class."""

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
    """A body that blocks: TotalTimeout is raised after a chunk that came too late."""

    __slots__ = ()

    async def read_chunk(self) -> bytes:
        chunk = await self._body.read_chunk()
        deadline = self._request.deadline
        if deadline is not None:
            why = "; its body blocks, which can't be interrupted"
            deadline.check(self._request, Delivery.MAYBE_PROCESSED, why)
        return chunk


class CancelledBody(DeadlineBody):
    """A body that suspends: reading is cancelled at the deadline."""

    __slots__ = ()

    async def read_chunk(self) -> bytes:
        return await until_deadline(self._request, self._body.read_chunk)


def apply_deadline(response: ResponseState, request: RequestState, kind: type[DeadlineBody]) -> None:
    """Apply the deadline of ``request`` to the response's body, unless it is closed."""
    if response.body is not None and not is_closed(response):
        response.body = kind(response.body, request)
