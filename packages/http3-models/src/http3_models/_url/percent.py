"""Percent-encoding, RFC 3986 section 2.1; the one place for the URL and for forms.

An encoder is a compiled pattern of what must not stay, and a table from each byte to its text. Text that is
clean already (nearly all of it) costs one scan and no copy; for the rest each byte is looked up, so that the
worst text costs a few times what the best does, and not a call for each character.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable
from typing import Self

from .._redaction import forget_text

UNRESERVED = r"A-Za-z0-9\-._~"
"""RFC 3986 section 2.3, as the inside of a character class. Escapes of these mean the plain character."""

SUB_DELIMS = "!$&'()*+,;="
"""RFC 3986 section 2.2."""

QUERY = f"{UNRESERVED}{SUB_DELIMS}:@/?"
"""What a query and a fragment may hold (sections 3.4 and 3.5), as the inside of a character class."""

_HEX = "0123456789abcdefABCDEF"
_ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})++")
"""Escapes one behind the other, which are undone at once: text beyond ASCII may be nothing else."""

_NOT_PLAIN = re.compile(
    "%(?:[0-9A-F][a-f]|[a-f][0-9A-Fa-f]|2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])"
)
"""Escapes that have another form: with a small letter, or of an unreserved character."""

_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_UNRESERVED = re.compile(f"[^{UNRESERVED}]")


def _table(allowed: str) -> list[str]:
    """The text of each byte: the character itself if it is ``allowed`` (inside of a character class)."""
    stays = re.compile(f"[{allowed}]")
    return [chr(byte) if stays.match(chr(byte)) else f"%{byte:02X}" for byte in range(256)]


def keeping_escapes(allowed: str) -> Callable[[str], str]:
    """An encoder that leaves ``allowed`` (inside of a character class) and valid escapes as they are.

    A ``%`` that begins no valid escape becomes ``%25``; all else is encoded as UTF-8. Raises ValueError for a
    lone surrogate, which UTF-8 can't express.
    """
    dirty = re.compile(f"[^{allowed}%]|{_NO_ESCAPE.pattern}")
    table = _table(allowed + "%")

    def encode(text: str) -> str:
        if dirty.search(text) is None:
            return text
        encoded = "".join([table[byte] for byte in utf8(text)])
        # What was escaped just now can't complete an escape that was none.
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

    Bytes are taken as they are. Raises ValueError for a lone surrogate.
    """
    if isinstance(text, str):
        if text.isalnum() and text.isascii():  # most names and values are (-0.3 us each)
            return text
        text = utf8(text)
    return "".join([_FORM[byte] for byte in text])


class Undecoded(str):
    """Octets that are no UTF-8, shown as text with U+FFFD; `utf8` gives them back as they were."""

    __slots__ = ("octets",)

    octets: bytes

    def __new__(cls, octets: bytes) -> Self:
        text = super().__new__(cls, octets.decode("utf-8", "replace"))
        text.octets = octets
        return text

    def __reduce__(self) -> tuple[type[Undecoded], tuple[bytes]]:
        return (Undecoded, (self.octets,))


def shown_text(octets: bytes) -> str:
    """The octets as text, from which `utf8` makes the same octets."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return Undecoded(octets)


def utf8(text: str, what: str = "it") -> bytes:
    """The text as UTF-8. Raises ValueError, which begins with ``what``, for a lone surrogate."""
    if type(text) is Undecoded:
        return text.octets
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        forget_text(exc)
        raise ValueError(f"{what} can't be encoded as UTF-8: {exc.reason}") from exc


def percent_decode(text: str) -> bytes:
    """Undo escapes. What is no valid escape stays; characters beyond ASCII become UTF-8."""
    data = utf8(text)
    return _ESCAPES.sub(_unescaped, data) if b"%" in data else data


def _unescaped(escapes: re.Match[bytes]) -> bytes:
    return unhexlify(escapes[0].replace(b"%", b""))


_PLAIN = {f"%{high}{low}": _COMPONENT[int(high + low, 16)] for high in _HEX for low in _HEX}


def plain_escapes(text: str) -> str:
    """Escapes in upper case, and gone where the character needs none (sections 6.2.2.1 and 6.2.2.2).

    For text that an encoder made: each ``%`` in it begins a valid escape.
    """
    return _NOT_PLAIN.sub(_plain, text) if "%" in text else text


def _plain(escape: re.Match[str]) -> str:
    return _PLAIN[escape[0]]
