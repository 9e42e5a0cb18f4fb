"""What `ConnectionPool` and `HTTPConnection` share as dispatchers that are used without a client.

A client makes a record of each request and signs what fails; who calls ``send`` gets the same from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from http3_models import (
    AsyncRequest,
    Request,
    RequestError,
    TimeoutConfig,
)
from http3_models.engine import Deadline, RequestState, failed_request, state_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from http3_models import TimeoutTypes
    from http3_models.engine import ResponseState

    from .._interfaces import Clock

T = TypeVar("T")


def outgoing(
    request: AsyncRequest | Request, timeout: TimeoutTypes, now: Clock, *, asynchronous: bool = True
) -> RequestState:
    """A record of its own for one exchange: the request may be sent again, with other limits.

    Raises TypeError for what is no request, StreamConsumed for a body that was sent and can't be again.
    """
    if not isinstance(request, AsyncRequest | Request):
        raise TypeError(f"request must be a Request or an AsyncRequest, not {type(request).__name__}")
    given = state_of(request)
    limits = TimeoutConfig(timeout)
    deadline = given.deadline
    if deadline is None and limits.total_timeout is not None:
        deadline = Deadline(limits.total_timeout, now)
    given.body.rewind()
    record = RequestState(
        given.method,
        given.url,
        given.headers,
        given.body,
        cookies=given.cookies,
        explicit_cookie=given.explicit_cookie,
        timeout=limits,
        deadline=deadline,
        without_cert=given.without_cert,
        asynchronous=asynchronous,
    )
    # Who sends somebody's request on, and answers by a response made by hand, tells the phases in this way.
    given.phases = record.phases
    return record


async def send_by(
    exchange: Callable[[RequestState], Awaitable[ResponseState]],
    record: RequestState,
    request: AsyncRequest | Request,
) -> ResponseState:
    """The exchange, with the time it took; an error tells its request."""
    try:
        response = await exchange(record)
    except RequestError as exc:
        if failed_request(exc) is None:
            exc.request = request
        raise
    response.elapsed = record.phases.elapsed()
    record.phases.connection = response.connection
    return response
