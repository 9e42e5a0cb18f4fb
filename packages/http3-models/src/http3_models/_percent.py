"""Percent-encoding, RFC 3986 section 2.1; the one place for the URL and for forms.

An encoder is a compiled pattern of what must not stay, and a table from each byte to its text. Text
that is clean already (nearly all of it) costs one scan and no copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable

UNRESERVED = r"A-Za-z0-9\-._~"
"""RFC 3986 section 2.3, as the inside of a character class. Escapes of these mean the plain character."""

SUB_DELIMS = "!$&'()*+,;="
"""RFC 3986 section 2.2."""

_ESCAPES = tuple(f"%{byte:02X}" for byte in range(256))
_FORM_ESCAPES = tuple("+" if byte == 0x20 else escape for byte, escape in enumerate(_ESCAPES))
_ESCAPE_BYTES = re.compile(rb"%([0-9A-Fa-f]{2})")


def keeping_escapes(allowed: str) -> Callable[[str], str]:
    """An encoder that leaves ``allowed`` (inside of a character class) and valid escapes as they are.

    A ``%`` that begins no valid escape becomes ``%25``; all else is encoded as UTF-8.
    """
    dirty = re.compile(f"(?:[^{allowed}%]|%(?![0-9A-Fa-f]{{2}}))+")

    def encode(text: str) -> str:
        return dirty.sub(_escape, text)

    return encode


_NOT_UNRESERVED = re.compile(f"[^{UNRESERVED}]+")


def encode_component(text: str) -> str:
    """Encode everything but the unreserved characters, ``%`` too: for plain text put into a URL."""
    return _NOT_UNRESERVED.sub(_escape, text)


def encode_form(text: str) -> str:
    """Encode one name or value of application/x-www-form-urlencoded; a space becomes ``+``."""
    if text.isalnum() and text.isascii():  # most names and values are (-0.3 us each)
        return text
    return _NOT_UNRESERVED.sub(_escape_form, text)


def decode(text: str) -> bytes:
    """Undo escapes. What is no valid escape stays; characters beyond ASCII become UTF-8."""
    data = text.encode()
    return _ESCAPE_BYTES.sub(_unescape, data) if b"%" in data else data


def _escape(match: re.Match[str]) -> str:
    return "".join(map(_ESCAPES.__getitem__, match.group().encode()))


def _escape_form(match: re.Match[str]) -> str:
    return "".join(map(_FORM_ESCAPES.__getitem__, match.group().encode()))


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode())
