"""`Transport`: the seam between a client and what sends its requests. A `RequestState` goes in, a
`ResponseState` comes out.

`ConnectionPool`, `ASGIDispatch`, `WSGIDispatch` and `MockDispatcher` are transports. A third party writes one
as a class with the four members of `Transport`; no base class is needed. A `Dispatcher` or `AsyncDispatcher`,
which works with `Request` and `Response` objects, is adapted to it by the client.

A class can be both. Its ``send`` is then written on its ``exchange`` and marked with `sends_by_exchange`. A
subclass that overrides ``send`` has no mark, so a client calls its ``send``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._records import RequestState, ResponseState

Function = TypeVar("Function", bound="Callable[..., Any]")

_MARK = "http3_sends_by_exchange"


class Transport(Protocol):
    """Sends requests for a client. Both clients take one as ``dispatch=``.

    It applies ``request.timeout`` by itself. One that also applies ``request.deadline``, to the bodies of its
    responses too, has an attribute ``keeps_deadline = True``. For all others the client applies it: what
    suspends is cancelled, and after what blocks the clock is looked at.
    """

    @property
    def blocks(self) -> bool:
        """True if nothing in it ever suspends, so that `run_sync` can drive it and a `Client` starts no event
        loop for it.

        An `AsyncClient` awaits its coroutines all the same; ``request.asynchronous`` tells which client asks.
        """

    @property
    def now(self) -> Callable[[], float]:
        """The clock that deadlines and timings are measured with: seconds, monotonic. `time.monotonic` will
        do."""

    async def exchange(self, request: RequestState) -> ResponseState:
        """Send the request and return the response; its body is still to be read.

        Raises subclasses of `RequestError`, with ``delivery`` set where it is known.
        """

    def close(self) -> Awaitable[None] | None:
        """Close idle connections now and busy ones when their response ends. Idempotent; may be
        ``async def``."""


def is_transport(candidate: object) -> TypeGuard[Transport]:
    """True if it has ``exchange`` and ``blocks``, and no ``send`` that does something else."""
    if not (callable(getattr(candidate, "exchange", None)) and hasattr(candidate, "blocks")):
        return False
    send = getattr(candidate, "send", None)
    return send is None or hasattr(send, _MARK)


def sends_by_exchange(send: Function) -> Function:
    """Mark a dispatcher's ``send`` that does no more than its ``exchange``: a decorator."""
    setattr(send, _MARK, True)
    return send
