"""Scripts for a `ScriptedServer`, ready to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .connection import ScriptedConnection

if TYPE_CHECKING:
    from .server import Script

End = Literal["close", "cut", "reset", "stall"]

ENDS = {
    "close": ScriptedConnection.close,
    "cut": ScriptedConnection.cut,
    "reset": ScriptedConnection.reset,
    "stall": ScriptedConnection.stall,
}


def response_bytes(
    body: bytes = b"", *, status: str = "200 OK", headers: dict[str, str] | None = None
) -> bytes:
    """An HTTP/1.1 response with a Content-Length, as bytes to be sent, cut or spoiled."""
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    lines = [f"HTTP/1.1 {status}", *[f"{name}: {value}" for name, value in fields.items()], "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def responding(*responses: bytes) -> Script:
    """A script that answers the n-th request of a connection with the n-th response, then with the last."""

    def script(connection: ScriptedConnection) -> None:
        number = 0
        while True:
            connection.read_request()
            connection.write(responses[min(number, len(responses) - 1)])
            number += 1

    return script


def cutting(response: bytes, size: int, end: End = "close") -> Script:
    """A script that reads a request, sends the first ``size`` bytes of ``response``, and then closes, cuts
    (TLS without its end), resets, or stalls."""
    if end not in ENDS:
        raise ValueError(f"end must be one of {', '.join(ENDS)}, not {end!r}")

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.write(response[:size])
        ENDS[end](connection)

    return script
