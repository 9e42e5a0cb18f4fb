"""Where failures of the network become exceptions of ours.

Each message says what happened, to which URL, in which phase, after how long and against which limit.
The failure below stays visible as ``__cause__``: callers write ``raise network_error(...) from exc``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from http3_models._exceptions import (
    ConnectTimeout,
    Delivery,
    NetworkError,
    PoolTimeout,
    ProtocolError,
    ReadTimeout,
    Timeout,
    TotalTimeout,
    WriteTimeout,
)
from http3_models._records import described

if TYPE_CHECKING:
    from http3_models._records import RequestState

_TIMEOUTS: dict[str, tuple[type[Timeout], str, str]] = {
    "pool": (PoolTimeout, "no connection came free", "pool_timeout"),
    "connect": (ConnectTimeout, "connecting was not done", "connect_timeout"),
    "write": (WriteTimeout, "no byte of the request was accepted", "write_timeout"),
    "read": (ReadTimeout, "no byte of the response arrived", "read_timeout"),
}

EARLY = 0.005
"""Seconds by which a timer may fire early; so near to the deadline it is the deadline that has passed."""

ProtocolErrorT = TypeVar("ProtocolErrorT", bound=ProtocolError)


def timeout_error(
    request: RequestState, phase: str, limit: float | None, delivery: Delivery = Delivery.MAYBE_PROCESSED
) -> Timeout:
    """The exception for a limit that ran out in ``phase`` (pool, connect, write or read).

    Where the call's total deadline has passed it is that one: TotalTimeout.
    """
    deadline = request.deadline
    kind, what, name = _TIMEOUTS[phase]
    if deadline is not None and deadline.remaining() <= EARLY:
        message = f"The call passed its total_timeout of {deadline.limit:g} s in the {phase} phase"
        return TotalTimeout(
            f"{message}: {described(request)}", delivery=delivery, timings=request.phases.freeze()
        )
    bound = "" if limit is None else f" for {limit:g} s ({name})"
    return kind(
        f"In the {phase} phase {what}{bound}: {described(request)}",
        delivery=delivery,
        timings=request.phases.freeze(),
    )


def network_error(
    kind: type[NetworkError], request: RequestState, what: BaseException | str, delivery: Delivery
) -> NetworkError:
    """A NetworkError whose message tells what the operating system said."""
    said = what if isinstance(what, str) else reason(what)
    return kind(f"{said}: {described(request)}", delivery=delivery, timings=request.phases.freeze())


def protocol_error(
    kind: type[ProtocolErrorT], request: RequestState, what: BaseException | str, delivery: Delivery
) -> ProtocolErrorT:
    """A ProtocolError of ours for one of h11, h2 or our own rules."""
    said = str(what) or type(what).__name__
    return kind(f"{said}: {described(request)}", delivery=delivery, timings=request.phases.freeze())


def reason(exc: BaseException) -> str:
    """What the system said, in words: the text of an OSError, or of a failed certificate check."""
    verify_message = getattr(exc, "verify_message", None)
    if verify_message:
        return f"certificate not accepted ({verify_message})"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc) or type(exc).__name__
