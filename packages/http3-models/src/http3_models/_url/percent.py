"""Percent-encoding (RFC 3986 section 2.1), for URLs and forms.

An encoder is a compiled pattern of characters to be encoded, and a table from each byte to its text. Text
without such characters (most text) costs one scan and no copy; for other text each byte is looked up, so that
the worst text costs a few times what the best does, and not a call for each character.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable
from typing import Self

from .._redaction import forget_text

UNRESERVED = r"A-Za-z0-9\-._~"
"""RFC 3986 section 2.3, as the inside of a character class. Their escapes are equivalent to the
characters."""

SUB_DELIMS = "!$&'()*+,;="
"""RFC 3986 section 2.2."""

QUERY = f"{UNRESERVED}{SUB_DELIMS}:@/?"
"""Characters of a query and a fragment (sections 3.4 and 3.5), as the inside of a character class."""

_HEX = "0123456789abcdefABCDEF"
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")
"""A run of escapes, decoded at once: text that is not ASCII may consist of them."""

_NOT_PLAIN = re.compile(
    "%(?:[0-9A-F][a-f]|[a-f][0-9A-Fa-f]|2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])"
)
"""Escapes with another normal form: with a lower-case letter, or of an unreserved character."""

_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_UNRESERVED = re.compile(f"[^{UNRESERVED}]")


def _table(allowed: str) -> list[str]:
    """The text of each byte: the character itself if it is ``allowed`` (inside of a character class)."""
    stays = re.compile(f"[{allowed}]")
    return [chr(byte) if stays.match(chr(byte)) else f"%{byte:02X}" for byte in range(256)]


def keeping_escapes(allowed: str) -> Callable[[str], str]:
    """An encoder that does not change ``allowed`` (inside of a character class) and valid escapes.

    A ``%`` that begins no valid escape becomes ``%25``; all else is encoded as UTF-8. Raises ValueError for a
    lone surrogate, which UTF-8 can't express.
    """
    dirty = re.compile(f"[^{allowed}%]|{_NO_ESCAPE.pattern}")
    table = _table(allowed + "%")

    def encode(text: str) -> str:
        if dirty.search(text) is None:
            return text
        encoded = "".join([table[byte] for byte in utf8(text)])
        # An escape made above can't complete an invalid one before it.
        return _NO_ESCAPE.sub("%25", encoded) if "%" in text else encoded

    return encode


_COMPONENT = _table(UNRESERVED)
_FORM = ["+" if byte == 0x20 else text for byte, text in enumerate(_COMPONENT)]


def encode_component(text: str) -> str:
    """Encode everything but the unreserved characters, ``%`` too: for plain text put into a URL.

    Raises ValueError for a lone surrogate.
    """
    if _NOT_UNRESERVED.search(text) is None:
        return text
    return "".join([_COMPONENT[byte] for byte in utf8(text)])


def encode_form(text: str | bytes) -> str:
    """Encode one name or value of application/x-www-form-urlencoded; a space becomes ``+``.

    Bytes are encoded byte for byte. Raises ValueError for a lone surrogate.
    """
    if isinstance(text, str):
        if text.isalnum() and text.isascii():  # most names and values are (-0.3 us each)
            return text
        text = utf8(text)
    return "".join([_FORM[byte] for byte in text])


class Undecoded(str):
    """Octets that are no UTF-8, as text with U+FFFD; `utf8` returns the octets."""

    __slots__ = ("octets",)

    octets: bytes

    def __new__(cls, octets: bytes) -> Self:
        text = super().__new__(cls, octets.decode("utf-8", "replace"))
        text.octets = octets
        return text

    def __reduce__(self) -> tuple[type[Undecoded], tuple[bytes]]:
        return (Undecoded, (self.octets,))


def shown_text(octets: bytes) -> str:
    """The octets as text, of which `utf8` returns the same octets."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return Undecoded(octets)


def utf8(text: str, what: str = "it") -> bytes:
    """The text as UTF-8. Raises ValueError, whose message begins with ``what``, for a lone surrogate."""
    if type(text) is Undecoded:
        return text.octets
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        forget_text(exc)
        raise ValueError(f"{what} can't be encoded as UTF-8: {exc.reason}") from exc


def percent_decode(text: str) -> bytes:
    """Decode escapes. Invalid escapes stay; characters that are not ASCII become UTF-8."""
    data = utf8(text)
    return _ESCAPES.sub(_unescaped, data) if b"%" in data else data


def _unescaped(escapes: re.Match[bytes]) -> bytes:
    return unhexlify(escapes[0].replace(b"%", b""))


_PLAIN = {f"%{high}{low}": _COMPONENT[int(high + low, 16)] for high in _HEX for low in _HEX}


def plain_escapes(text: str) -> str:
    """Escapes in upper case; those of unreserved characters decoded (sections 6.2.2.1 and 6.2.2.2).

    For text from an encoder, in which each ``%`` begins a valid escape.
    """
    return _NOT_PLAIN.sub(_plain, text) if "%" in text else text


def _plain(escape: re.Match[str]) -> str:
    return _PLAIN[escape[0]]
