"""`Transport`: the seam between a client and what sends its requests. A `RequestState` goes in, a
`ResponseState` comes out.

`ConnectionPool`, `ASGIDispatch`, `WSGIDispatch` and `MockDispatcher` are transports. A third party writes one
as a class with the four members of `Transport`; no base class is needed. A `Dispatcher` or `AsyncDispatcher`,
which works with `Request` and `Response` objects, is adapted to it by the client.

A class can be both. Its ``send`` is then written on its ``exchange`` and marked with `sends_by_exchange`.
The mark belongs to that one function. So a client calls the ``send`` of a subclass that overrides it, and one
that was put in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ._records import ResponseState
from ._response import MemoryBody, phases_of
from ._timing import Timings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._records import RequestState
    from ._response import BaseResponse

Function = TypeVar("Function", bound="Callable[..., Any]")

_MARK = "http3_sends_by_exchange"


class Transport(Protocol):
    """Sends requests for a client. Both clients take one as ``dispatch=``.

    It applies ``request.timeout`` by itself. These attributes are optional:

    - ``keeps_deadline = True``: it also applies ``request.deadline``, to the bodies of its responses too. For
      all others the client applies it: it cancels what suspends, and after what blocks it reads the clock.
    - ``keeps_timeout = False``: it blocks, and can't apply the read timeout. An `AsyncClient`, which runs
      what blocks in a thread, applies it to each wait for that thread.
    - ``serves_both = True``: it blocks if ``request.asynchronous`` is False, else it suspends. Both clients
      use it in the thread that asks.
    """

    @property
    def blocks(self) -> bool:
        """True if nothing in it ever suspends, so that `run_sync` can drive it.

        A `Client` calls it in the caller's thread. An `AsyncClient` runs each exchange, and the body of its
        response, in a thread of its own; ``request.asynchronous`` is False there.
        """

    @property
    def now(self) -> Callable[[], float]:
        """The clock of deadlines and timings: seconds, monotonic, such as `time.monotonic`."""

    async def exchange(self, request: RequestState) -> ResponseState:
        """Send the request and return the response; its body is still to be read.

        Raises subclasses of `RequestError`, with ``delivery`` set where it is known.
        """

    def close(self) -> Awaitable[None] | None:
        """Close idle connections now and busy ones when their response ends. Idempotent; may be
        ``async def``."""


def sends_by_exchange(send: Function) -> Function:
    """Mark a dispatcher's ``send`` that only calls its ``exchange``: a decorator."""
    # Not True: `functools.wraps` copies a function's attributes to another one.
    setattr(send, _MARK, send)
    return send


def is_sent_by_exchange(send: Callable[..., object]) -> bool:
    """True if `sends_by_exchange` marks it."""
    function = getattr(send, "__func__", send)
    return getattr(function, _MARK, None) is function


def copy_response(state: ResponseState, request: RequestState) -> ResponseState:
    """A copy of ``state`` as the response to ``request``, with timings and connection of its exchange.

    For a response that may be returned several times, such as a mock's, or that comes from another client.
    """
    body = state.body
    if isinstance(body, MemoryBody):
        body = MemoryBody(body.data, body.on_close)
    record = ResponseState(
        status_code=state.status_code,
        reason_phrase=state.reason_phrase,
        protocol=state.protocol,
        headers=state.headers.copy(),
        body=body,
        request=request,
        connection=state.connection,
        url=state.url,
    )
    record.body_state = state.body_state
    record.elapsed = state.elapsed
    record.history = state.history.copy()
    record.content = state.content
    record.trailers = state.trailers
    record.received = state.received
    phases = phases_of(state)
    # All are None where the request was not sent.
    if phases is not None and phases.freeze() != Timings():
        record.phases = phases
        record.connection = state.connection or phases.connection
    return record


def answer_to(
    request: RequestState, response: BaseResponse[Any], now: Callable[[], float], started: float
) -> ResponseState:
    """The state for a response that a dispatcher's ``send`` or a handler returned for ``request``. It may
    return one response several times, or one of another client.

    ``started`` is when it was called, on the clock ``now``: times that began earlier are of another exchange.
    """
    record = copy_response(response._state, request)
    phases, record.phases = record.phases, None
    if phases is not None and not (phases.now == now and phases.started < started):
        request.phases = phases
    return record
