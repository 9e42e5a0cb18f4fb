"""What `ConnectionPool` and `HTTPConnection` share as dispatchers that are used without a client.

A client makes a state of each request and adds the request to its errors; here that is done for ``send``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_models import AsyncRequest, Request, RequestError, TimeoutConfig
from http3_models.engine import Deadline, RequestState, failed_request, state_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from http3_models import TimeoutTypes
    from http3_models.engine import ResponseState

    from .._interfaces import Clock


def outgoing(
    request: AsyncRequest | Request, timeout: TimeoutTypes, now: Clock, *, asynchronous: bool = True
) -> RequestState:
    """A state for one exchange, apart from the request's own: that may be sent again, with other limits.

    Raises TypeError for other objects, StreamConsumed for a body that was sent and can't be sent again.
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
        proxy=given.proxy,
        without_cert=given.without_cert,
        asynchronous=asynchronous,
    )
    # A dispatcher that forwards a request, and returns a response of its own, reports the phases this way.
    given.phases = record.phases
    return record


async def send_by(
    exchange: Callable[[RequestState], Awaitable[ResponseState]],
    record: RequestState,
    request: AsyncRequest | Request,
) -> ResponseState:
    """Run the exchange; set ``elapsed`` of the response, and ``request`` of an error."""
    try:
        response = await exchange(record)
    except RequestError as exc:
        if failed_request(exc) is None:
            exc.request = request
        raise
    response.elapsed = record.phases.elapsed()
    record.phases.connection = response.connection
    return response
