"""The end of a response that another request follows: of a redirect that is followed, or in an auth flow.

A short body is read to its end, so that its connection can be used again; a long one is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import Delivery, RequestError
from http3_models.engine import BodyState, Deadline, MemoryBody, close, drain, is_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models.engine import Pause, ResponseState

_DRAIN_SECONDS = 5.0
"""How long reading such a body may take, whatever the read timeout: a new connection is cheaper."""


async def drain_or_close(response: ResponseState, now: Callable[[], float], pause: Pause | None) -> None:
    """Read the body if it is short, else close it.

    Errors of the body are ignored, except TotalTimeout of the call's deadline.
    """
    await read_short_body(response, now, pause)
    await close(response)  # a body that is in memory by now stays readable


async def read_short_body(response: ResponseState, now: Callable[[], float], pause: Pause | None) -> None:
    """Read a short body into memory, without decoding it.

    A body that turns out to be long, or breaks off, is closed. A body with a Content-Length above the limit,
    or that a hook has begun to read, is left as it is. ``pause`` is awaited now and then, so that other tasks
    can run. Raises TotalTimeout for the call's deadline.
    """
    if response.body_state is BodyState.UNREAD and not is_closed(response) and not _is_too_long(response):
        try:
            await drain(response, pause, Deadline(_DRAIN_SECONDS, now))
        except RequestError:
            request = response.request
            if request is not None and request.deadline is not None:
                request.deadline.check(request, Delivery.MAYBE_PROCESSED)
    if isinstance(response.body, MemoryBody):
        response.body.is_kept = True


def _is_too_long(response: ResponseState) -> bool:
    length = response.headers.get("content-length", "")
    most = response.limits.max_drained if response.limits is not None else 0
    return length.isascii() and length.isdigit() and int(length[:20]) > most
