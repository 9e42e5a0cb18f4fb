"""Bodies of responses with something around them, and what becomes of those nobody will look at.

`DeadlineBody` holds any body to the call's ``total_timeout``, also one of a dispatcher that knows nothing
of it. `finish` ends an earlier response of a chain: read to its end where that is near, else closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import Delivery, RequestError
from http3_models.engine import Begun, Deadline, MemoryBody, Spent, WholeBody, close, drain

from ._cancelling import until_deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import Headers
    from http3_models.engine import Pause, RequestState, ResponseBody, ResponseState

_DRAIN_SECONDS = 5.0
"""How long a body that nobody wants may keep us, whatever the read timeout: a new connection is cheaper."""


_BLOCKS = "; its body blocks, which can't be interrupted"


class DeadlineBody:
    """A body that is over, with TotalTimeout, once the deadline has passed."""

    __slots__ = ("_body", "_deadline", "_request")

    def __init__(self, body: ResponseBody, deadline: Deadline, request: RequestState) -> None:
        self._body = body
        self._deadline = deadline
        self._request = request

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    async def read_chunk(self) -> bytes:
        self._deadline.check(self._request, Delivery.MAYBE_PROCESSED)
        chunk = await self._body.read_chunk()
        self._deadline.check(self._request, Delivery.MAYBE_PROCESSED)
        return chunk

    async def close(self) -> None:
        await self._body.close()

    def abort(self) -> None:
        self._body.abort()


class WholeDeadlineBody(DeadlineBody, WholeBody):
    """The same for one that can be read whole. It is ours, and keeps to the call's limits while it waits."""

    __slots__ = ()

    @property
    def deadline(self) -> Deadline:
        return self._deadline

    async def read_whole(self) -> bytes:
        body = self._body
        assert isinstance(body, WholeBody)
        self._deadline.check(self._request, Delivery.MAYBE_PROCESSED)
        content = await body.read_whole()
        self._deadline.check(self._request, Delivery.MAYBE_PROCESSED)
        return content


class BlockingBody(DeadlineBody):
    """A body of the user's that blocks: the deadline is looked at when it has brought something."""

    __slots__ = ()

    async def read_chunk(self) -> bytes:
        chunk = await self._body.read_chunk()
        self._deadline.check(self._request, Delivery.MAYBE_PROCESSED, _BLOCKS)
        return chunk


class CancelledBody(DeadlineBody):
    """A body of the user's that suspends: reading it is cancelled when the deadline passes."""

    __slots__ = ()

    async def read_chunk(self) -> bytes:
        return await until_deadline(self._request, self._body.read_chunk)


def is_streaming(response: ResponseState) -> bool:
    """True if there is a body that is still to come."""
    body = response.body
    return body is not None and not isinstance(body, MemoryBody | Spent) and response.content is None


def hold_to(response: ResponseState, deadline: Deadline, kind: type[DeadlineBody] = DeadlineBody) -> None:
    """Hold the response's body to the deadline. ``kind``: how, where it does not keep to it by itself."""
    body = response.body
    if body is not None and response.request is not None and is_streaming(response):
        # What another client answers may be read whole, but that one knows nothing of this deadline.
        keeps = isinstance(body, WholeBody) and body.deadline is deadline
        held = WholeDeadlineBody if keeps else kind
        response.body = held(body, deadline, response.request)


async def keep_short(response: ResponseState, now: Callable[[], float], pause: Pause | None) -> None:
    """Have a body in memory, as sent, if it is short. One that turns out to be long, or breaks, is closed;
    one that is said to be long, or that a hook has begun to read, is left as it is.

    ``pause`` is awaited now and then, where others wait for their turn. Raises TotalTimeout, for the call's
    own deadline.
    """
    if is_streaming(response) and not isinstance(response.body, Begun) and not _is_too_long(response):
        await _drain(response, now, pause)
    if isinstance(response.body, MemoryBody):
        response.body.is_kept = True


async def finish(response: ResponseState, now: Callable[[], float], pause: Pause | None) -> None:
    """End a response that another request follows, so that its connection can be used again.

    A failure of its body is nobody's concern any more, but for the call's own deadline: TotalTimeout.
    """
    await keep_short(response, now, pause)
    await close(response)  # of one that is in memory by now the bytes stay


async def _drain(response: ResponseState, now: Callable[[], float], pause: Pause | None) -> None:
    hold_to(response, Deadline(_DRAIN_SECONDS, now))
    try:
        await drain(response, pause)
    except RequestError:
        request = response.request
        if request is not None and request.deadline is not None:
            request.deadline.check(request, Delivery.MAYBE_PROCESSED)


def _is_too_long(response: ResponseState) -> bool:
    length = response.headers.get("content-length", "")
    most = response.limits.max_drained if response.limits is not None else 0
    return length.isascii() and length.isdigit() and int(length[:20]) > most
