"""Failures of the network and time limits become exceptions of http3 here.

Each message says what happened, within which limit, to which URL, and how long after the start of the call.
The failure below stays visible as ``__cause__``: callers write ``raise network_error(...) from exc``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from http3_models import (
    ConnectTimeout,
    Delivery,
    LocalProtocolError,
    NetworkError,
    PoolTimeout,
    ProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    ResponseTooLarge,
    Timeout,
    TLSError,
    WriteError,
    WriteTimeout,
)
from http3_models.engine import describe

from ._interfaces import OperationTimeout

if TYPE_CHECKING:
    from http3_models import RequestError
    from http3_models.engine import RequestState

_TIMEOUTS: dict[str, tuple[type[Timeout], str, str]] = {
    "pool": (PoolTimeout, "No connection was free", "within"),
    "connect": (ConnectTimeout, "Could not connect", "within"),
    "write": (WriteTimeout, "No data could be sent", "for"),
    "read": (ReadTimeout, "No data received", "for"),
}

EARLY = 0.005
"""Seconds by which a timer may fire early: so close to the deadline, the deadline counts as passed."""

ProtocolErrorT = TypeVar("ProtocolErrorT", bound=ProtocolError)


class HTTP11Required(Exception):
    """The cause of an error if an HTTP/2 server has refused a request with HTTP_1_1_REQUIRED."""

    def __init__(self) -> None:
        super().__init__("The server requires HTTP/1.1 (HTTP_1_1_REQUIRED, RFC 9113 section 7)")


class Malformed(Exception):
    """A response that HTTP does not allow; becomes RemoteProtocolError."""


class Oversized(Malformed):
    """A part of a response is larger than a limit; becomes ResponseTooLarge."""


def phase_timeout(request: RequestState, phase: str) -> float | None:
    """The request's timeout for a phase (connect, write or read) in seconds; None: no limit."""
    timeout = request.timeout
    if timeout is None:
        return None
    if phase == "read":
        return timeout.read_timeout
    return timeout.write_timeout if phase == "write" else timeout.connect_timeout


def time_left(request: RequestState, phase: str) -> float | None:
    """Seconds that an operation may take now in a phase (connect, write or read); None: no limit.

    That is the timeout of the phase, or what is left of the call's total_timeout if that is less. Raises
    OperationTimeout if nothing is left; `timeout_error` finds out which of the two it was.
    """
    timeout, deadline = request.timeout, request.deadline
    if timeout is not None and deadline is None:  # the usual case, without a further call
        if phase == "read":
            return timeout.read_timeout
        return timeout.write_timeout if phase == "write" else timeout.connect_timeout
    return limit_left(request, phase_timeout(request, phase), 0.0)


def limit_left(request: RequestState, limit: float | None, waited: float) -> float | None:
    """What is left of ``limit`` seconds (None: no limit) after ``waited`` of them; else as `time_left`."""
    if limit is not None and waited:
        limit -= waited
        if limit <= 0:
            raise OperationTimeout
    deadline = request.deadline
    if deadline is None:
        return limit
    left = deadline.remaining()
    if left <= 0:
        raise OperationTimeout
    return left if limit is None or left < limit else limit


def timeout_error(
    request: RequestState,
    phase: str,
    delivery: Delivery = Delivery.MAYBE_PROCESSED,
    *,
    pool_timeout: float | None = None,
) -> Timeout:
    """The exception for an operation that took too long in a phase (pool, connect, write or read).

    TotalTimeout if the call's deadline has passed, else that of the phase. ``pool_timeout`` is the limit of
    the phase "pool", in seconds.
    """
    deadline = request.deadline
    if deadline is not None and deadline.remaining() <= EARLY:
        return deadline.error(request, delivery, phase=phase)
    kind, what, within = _TIMEOUTS[phase]
    limit = pool_timeout if phase == "pool" else phase_timeout(request, phase)
    bound = "in time" if limit is None else f"{within} {limit:g} s ({phase}_timeout)"
    return kind(f"{what} {bound}: {describe(request)}", delivery=delivery, timings=request.phases.freeze())


def request_error(
    exc: BaseException, request: RequestState, phase: str, delivery: Delivery, *, fresh: bool = False
) -> RequestError | None:
    """The exception of http3 for a failure in the write or read phase; None if ``exc`` is to pass unchanged.

    ``fresh``: nothing was received on this connection yet.
    """
    if isinstance(exc, OperationTimeout):
        return timeout_error(request, phase, delivery)
    if isinstance(exc, LocalProtocolError):
        return protocol_error(LocalProtocolError, request, exc, delivery) if exc.delivery is None else None
    if isinstance(exc, Malformed):
        kind = ResponseTooLarge if isinstance(exc, Oversized) else RemoteProtocolError
        return protocol_error(kind, request, exc, delivery)
    if isinstance(exc, OSError):
        failed: type[NetworkError] = WriteError if phase == "write" else ReadError
        return network_error(broken(failed, exc, fresh=fresh), request, exc, delivery)
    return None


def network_error(
    kind: type[NetworkError], request: RequestState, what: BaseException | str, delivery: Delivery
) -> NetworkError:
    """A NetworkError with the text of ``what``, mostly an OSError."""
    said = what if isinstance(what, str) else reason(what)
    return kind(f"{said}: {describe(request)}", delivery=delivery, timings=request.phases.freeze())


def protocol_error(
    kind: type[ProtocolErrorT], request: RequestState, what: BaseException | str, delivery: Delivery
) -> ProtocolErrorT:
    """A ProtocolError for what h11, h2 or the parsers found wrong."""
    said = str(what) or type(what).__name__
    return kind(f"{said}: {describe(request)}", delivery=delivery, timings=request.phases.freeze())


def broken(kind: type[NetworkError], exc: BaseException, *, fresh: bool) -> type[NetworkError]:
    """``kind``, or TLSError if ``exc`` is an alert by which the server refuses the TLS handshake.

    With TLS 1.3 the server checks the client's certificate after the client has finished its handshake, so
    the alert comes after the request (RFC 8446 section 4.4.2.4). ``fresh``: nothing else was received yet.
    """
    alert = _alert(exc)
    return TLSError if alert and (fresh or alert in _ABOUT_CERTIFICATES) else kind


def is_alert(exc: BaseException) -> bool:
    """Whether the peer has ended TLS with an alert, which explains why the connection broke."""
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
"""Alerts (RFC 8446 section 6.2) by which a server refuses or misses a client certificate."""

_UNKNOWN_AUTHORITY = (
    'its authority is not trusted here; name the authority with verify="ca.pem" or SSL_CERT_FILE'
)

HOSTNAME_MISMATCH = 62
"""OpenSSL's code for a certificate of another name."""

_ABOUT_VERIFICATION = {
    **dict.fromkeys((2, 18, 19, 20, 21, 27), _UNKNOWN_AUTHORITY),
    9: "the clock of this machine may be wrong",
    10: "the server needs a new one, or the clock of this machine is wrong",
    HOSTNAME_MISMATCH: "a common name alone does not count; use a name of the certificate in the URL",
    64: "use a name or an address of the certificate in the URL",
}
"""What to do about a certificate, by OpenSSL's code for what is wrong with it (X509_V_ERR_...)."""

_CLEAR_TEXT = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL"}
)
"""OpenSSL's reasons for a first record that is none of TLS."""

TLS_ALERT = b"\x15\x03"
"""The beginning of an alert of TLS (RFC 8446 section 5.1)."""

SPEAKS_TLS = "The server speaks TLS on this port; write https:// in the URL"

_PLACE_IN_C = re.compile(r" \(_ssl\.c:\d+\)$")


def handshake_failed(host: str, port: int, exc: OSError) -> str:
    """What to say when a TLS handshake has failed."""
    said = reason(exc)
    if getattr(exc, "reason", None) in _CLEAR_TEXT:
        said = f"the server does not speak TLS on this port; for clear text write http:// in the URL ({said})"
    return f"The TLS handshake with {host} port {port} failed: {said}"


def _alert(exc: BaseException) -> str:
    """The alert that the peer sent, in words; "" for any other failure.

    Recognised by the attributes of `ssl.SSLError`, so that ssl is not imported.
    """
    if not isinstance(exc, OSError) or getattr(exc, "library", None) != "SSL":
        return ""
    said = str(getattr(exc, "reason", None) or exc.strerror or "").replace("_", " ").lower()
    match = _ALERT.search(said)
    return "" if match is None else match[1].strip()


def reason(exc: BaseException) -> str:
    """The text of an OSError, a TLS alert, or a failed certificate check."""
    verify_message = getattr(exc, "verify_message", None)
    if verify_message:
        advice = _ABOUT_VERIFICATION.get(getattr(exc, "verify_code", 0))
        return f"certificate not accepted ({verify_message.rstrip('.')}{advice and '; '}{advice or ''})"
    if not isinstance(exc, OSError) or not exc.strerror:
        return str(exc) or type(exc).__name__
    said = _PLACE_IN_C.sub("", exc.strerror)
    alert = _alert(exc)
    if not alert:
        return said
    hint = _ABOUT_CERTIFICATES.get(alert)
    return f"The server ended TLS with the alert {alert!r}{f', {hint}' if hint else ''} ({said})"


def check_no_proxy(request: RequestState, dispatcher: object) -> None:
    """Raise ValueError if the request names a proxy, and goes to what has no connections."""
    if request.proxy:
        raise ValueError(f"proxy is for connections; a {type(dispatcher).__name__} calls its application")
