"""Compares the bytes sent of a request's body with its Content-Length, for all ways of sending."""

from __future__ import annotations

from http3_models import LocalProtocolError


def check_sent(declared: int | None, sent: int, *, is_end: bool) -> None:
    """Raise LocalProtocolError if ``sent`` bytes are more than ``declared``, or less at the end.

    ``declared`` None: there is no Content-Length (RFC 9112 section 6.3), any number is right.
    """
    if declared is not None and (sent > declared or (is_end and sent < declared)):
        what = f"The body has {'more than ' if sent > declared else 'only '}"
        raise LocalProtocolError(f"{what}{min(sent, declared)} bytes, Content-Length says {declared}")
