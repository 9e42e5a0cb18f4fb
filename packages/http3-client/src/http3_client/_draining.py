"""How a response ends that another request follows: one of a chain of redirects, or of an auth flow.

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

    Errors of the body are ignored, but for the call's TotalTimeout.
    """
    await keep_short(response, now, pause)
    await close(response)  # a body that is in memory by now stays readable


async def keep_short(response: ResponseState, now: Callable[[], float], pause: Pause | None) -> None:
    """Read a short body into memory, as sent. One that turns out to be long, or breaks, is closed; one whose
    Content-Length is too long, or that a hook has begun to read, is left as it is.

    ``pause`` is awaited now and then, so that other tasks get their turn. Raises TotalTimeout, for the call's
    own deadline.
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
