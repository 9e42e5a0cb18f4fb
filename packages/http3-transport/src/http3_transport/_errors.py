"""Where failures of the network become exceptions of ours.

Each message says what happened, to which URL, in which phase, after how long and against which limit.
The failure below stays visible as ``__cause__``: callers write ``raise network_error(...) from exc``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from http3_models import (
    ConnectTimeout,
    Delivery,
    NetworkError,
    PoolTimeout,
    ProtocolError,
    ReadTimeout,
    Timeout,
    TLSError,
    TotalTimeout,
    WriteTimeout,
)
from http3_models.engine import describe

if TYPE_CHECKING:
    from http3_models.engine import RequestState

_TIMEOUTS: dict[str, tuple[type[Timeout], str, str]] = {
    "pool": (PoolTimeout, "no connection came free", "pool_timeout"),
    "connect": (ConnectTimeout, "connecting was not done", "connect_timeout"),
    "write": (WriteTimeout, "no byte of the request was accepted", "write_timeout"),
    "read": (ReadTimeout, "no byte of the response arrived", "read_timeout"),
}

EARLY = 0.005
"""Seconds by which a timer may fire early; so near to the deadline it is the deadline that has passed."""

ProtocolErrorT = TypeVar("ProtocolErrorT", bound=ProtocolError)


class HTTP11Required(Exception):
    """Why an HTTP/2 server has refused a request, if that is HTTP_1_1_REQUIRED: the cause of the error."""

    def __init__(self) -> None:
        super().__init__("The server requires HTTP/1.1 (HTTP_1_1_REQUIRED, RFC 9113 section 7)")


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
            f"{message}: {describe(request)}", delivery=delivery, timings=request.phases.freeze()
        )
    bound = "" if limit is None else f" for {limit:g} s ({name})"
    return kind(
        f"In the {phase} phase {what}{bound}: {describe(request)}",
        delivery=delivery,
        timings=request.phases.freeze(),
    )


def network_error(
    kind: type[NetworkError], request: RequestState, what: BaseException | str, delivery: Delivery
) -> NetworkError:
    """A NetworkError whose message tells what the operating system said."""
    said = what if isinstance(what, str) else reason(what)
    return kind(f"{said}: {describe(request)}", delivery=delivery, timings=request.phases.freeze())


def protocol_error(
    kind: type[ProtocolErrorT], request: RequestState, what: BaseException | str, delivery: Delivery
) -> ProtocolErrorT:
    """A ProtocolError of ours for one of h11, h2 or our own rules."""
    said = str(what) or type(what).__name__
    return kind(f"{said}: {describe(request)}", delivery=delivery, timings=request.phases.freeze())


def broken(kind: type[NetworkError], exc: BaseException, *, fresh: bool) -> type[NetworkError]:
    """``kind``, or TLSError where ``exc`` says that the server did not accept the TLS handshake.

    With TLS 1.3 the server checks the client's certificate after the client is through with the handshake, so
    the alert comes in answer to the request (RFC 8446 section 4.4.2.4). ``fresh``: nothing else has come yet
    on this connection.
    """
    alert = _alert(exc)
    return TLSError if alert and (fresh or alert in _ABOUT_CERTIFICATES) else kind


def is_alert(exc: BaseException) -> bool:
    """Whether the peer has ended TLS with an alert: what it says explains why the connection broke."""
    return bool(_alert(exc))


_ALERT = re.compile(r"\balert ([a-z ]+)")

_ABOUT_CERTIFICATES = {
    "certificate required": "it wants a client certificate (cert=)",
    **dict.fromkeys(
        (
            "bad certificate",
            "unsupported certificate",
            "certificate revoked",
            "certificate expired",
            "certificate unknown",
            "unknown ca",
            "access denied",
        ),
        "it does not accept the client certificate",
    ),
}
"""Alerts (RFC 8446 section 6.2) by which a server refuses the client's certificate, or misses it."""

_PLACE_IN_C = re.compile(r" \(_ssl\.c:\d+\)$")

HOSTNAME_MISMATCH = 62
"""OpenSSL's code for a certificate of another name."""


def _alert(exc: BaseException) -> str:
    """The alert that the peer sent, in words; "" for any other failure.

    Told by what `ssl.SSLError` has, whose module is not loaded for that.
    """
    if not isinstance(exc, OSError) or getattr(exc, "library", None) != "SSL":
        return ""
    said = str(getattr(exc, "reason", None) or exc.strerror or "").replace("_", " ").lower()
    match = _ALERT.search(said)
    return "" if match is None else match[1].strip()


def reason(exc: BaseException) -> str:
    """What the system said, in words: the text of an OSError, an alert, or a failed certificate check."""
    verify_message = getattr(exc, "verify_message", None)
    if verify_message:
        if getattr(exc, "verify_code", None) == HOSTNAME_MISMATCH:
            verify_message = f"{verify_message.rstrip('.')}; a common name alone does not count"
        return f"certificate not accepted ({verify_message})"
    if not isinstance(exc, OSError) or not exc.strerror:
        return str(exc) or type(exc).__name__
    said = _PLACE_IN_C.sub("", exc.strerror)
    alert = _alert(exc)
    if not alert:
        return said
    hint = _ABOUT_CERTIFICATES.get(alert)
    return f"The server ended TLS with the alert {alert!r}{f', {hint}' if hint else ''} ({said})"
