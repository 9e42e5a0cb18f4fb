"""Host names and address literals: from the text of a URL to the host that is looked up.

A host is what a browser makes of the same text (WHATWG URL, section 3.5), or it is refused. If a checker and
a client read two hosts from one URL, requests can be forged into internal networks; so an unusual spelling of
an IPv4 address (``0x7f.1``) becomes that address, and is never looked up as a name.

It is stricter than browsers: a label has letters, digits, ``-`` and ``_`` only (RFC 1123, and the underscore
that container networks use), no hyphen at its ends, and 1 to 63 characters (RFC 1035, section 2.3.4); names
that are not ASCII must be valid in IDNA 2008 after the mapping of UTS 46. The text of the ValueErrors fits
behind "Invalid URL ...: "; the parser makes them InvalidURL.
"""

from __future__ import annotations

import re

from .percent import percent_decode

_LABEL = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LABEL_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ADDRESS_CHARACTERS = re.compile(r"[0-9A-Fa-f:.]+")

_MAX_NAME = 253
"""Longest name in its text form; 255 bytes on the wire (RFC 1035, section 2.3.4)."""

_MAX_LABEL = 63

_MAX_TEXT = 4 * _MAX_NAME
"""Characters of a name before it is mapped, which is slow: a letter and three marks for each that remains."""

_MAX_WRITTEN = 12 * _MAX_NAME
"""Characters of a name with escapes: four bytes of UTF-8 for each that remains."""

_LONG_LABEL = f"a label of more than {_MAX_LABEL} characters"
_TOO_LONG = f"the host is longer than {_MAX_NAME} characters"

_MAX_IPV6 = 45
"""``0000:0000:0000:0000:0000:ffff:255.255.255.255``"""


def normalise_host(text: str) -> str:
    """The host of an authority: ASCII, lower case, without brackets.

    ``text`` is as written: it may be percent-encoded or not ASCII; an IPv6 address is in brackets. Raises
    ValueError. The length is checked before each step that takes time.
    """
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError("the IPv6 address has no closing bracket")
        return normalise_ipv6(text[1:-1])
    if "%" in text:
        _check_length(text, _MAX_WRITTEN)
        text = _decoded(text)
    if text.isascii():
        name = text.lower()
    else:
        _check_length(text, _MAX_TEXT)
        name = _mapped(text)
    _check_length(name, _MAX_NAME + name.endswith("."))
    if "xn--" in name or not name.isascii():
        name = _to_ascii(name)
        _check_length(name, _MAX_NAME + name.endswith("."))
    if not _NAME.fullmatch(name):
        raise ValueError(_flaw(name))
    last = name.removesuffix(".").rpartition(".")[2]
    return _ipv4(name) if _NUMBER.fullmatch(last) else name


def _check_length(text: str, most: int) -> None:
    if len(text) > most:
        raise ValueError(_TOO_LONG)


def normalise_ipv6(text: str) -> str:
    """An IPv6 address (no brackets) in the form of RFC 5952, but all hexadecimal, as in browsers."""
    if "%" in text:
        raise ValueError("an IPv6 zone id has no meaning in a URL")
    from ipaddress import IPv6Address

    if len(text) > _MAX_IPV6 or not _ADDRESS_CHARACTERS.fullmatch(text):
        raise ValueError("brackets hold no IPv6 address")
    try:
        packed = IPv6Address(text).packed
    except ValueError as exc:
        raise ValueError("brackets hold no IPv6 address") from exc
    groups = [f"{packed[at] << 8 | packed[at + 1]:x}" for at in range(0, 16, 2)]
    return _compressed(groups)


def _compressed(groups: list[str]) -> str:
    """Replace the first of the longest runs of two or more zeros by ``::`` (RFC 5952, section 4.2)."""
    flags = "".join("0" if group == "0" else "x" for group in groups)
    longest = max(re.findall("0*", flags), key=len)
    if len(longest) < 2:
        return ":".join(groups)
    start = flags.index(longest)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + len(longest) :])


def _ipv4(name: str) -> str:
    """The address for a name that ends in a number (WHATWG URL, "IPv4 parser")."""
    parts = name.removesuffix(".").split(".")
    numbers = [_ipv4_number(part) for part in parts]
    *heads, tail = numbers
    if len(parts) > 4 or any(head > 255 for head in heads) or tail >= 256 ** (5 - len(parts)):
        raise ValueError("the host ends in a number but is no IPv4 address")
    value = tail + sum(head << 8 * (3 - at) for at, head in enumerate(heads))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _ipv4_number(text: str) -> int:
    """Decimal; hexadecimal after ``0x``; octal after ``0``."""
    try:
        if text.startswith("0x"):
            return int(text[2:] or "0", 16) if _NUMBER.fullmatch(text) else int("?")
        return int(text, 8 if text.startswith("0") else 10) if _NUMBER.fullmatch(text) else int("?")
    except ValueError as exc:
        raise ValueError("the host ends in a number but is no IPv4 address") from exc


def _decoded(text: str) -> str:
    try:
        return percent_decode(text).decode()
    except UnicodeDecodeError as exc:
        raise ValueError("the escapes in the host are not UTF-8") from exc


def _mapped(text: str) -> str:
    """UTS 46, section 4: case folding, width, ideographic full stops; NFC."""
    import idna

    try:
        return idna.uts46_remap(text, std3_rules=False)
    except idna.IDNAError as exc:
        raise ValueError(f"the host is not valid in IDNA: {exc}") from exc


def _to_ascii(name: str) -> str:
    """Labels that are not ASCII as A-labels, checked by IDNA 2008; A-labels are checked as well."""
    import idna

    labels = name.split(".")
    if any(len(label) > _MAX_LABEL for label in labels):  # no shorter as an A-label
        raise ValueError(f"the host is not valid in IDNA: {_LONG_LABEL}")
    try:
        return ".".join(
            label if label.isascii() and not label.startswith("xn--") else idna.alabel(label).decode("ascii")
            for label in labels
        )
    except UnicodeError as exc:
        raise ValueError(f"the host is not valid in IDNA: {exc}") from exc


def _flaw(name: str) -> str:
    """The message for a name that is no host."""
    if not name:
        return "the host is empty"
    for label in name.removesuffix(".").split("."):
        strange = [character for character in label if character not in _LABEL_CHARACTERS]
        if strange:
            return f"the host has the character {strange[0]!r}"
        if not label:
            return "the host has an empty label"
        if len(label) > _MAX_LABEL:
            return f"the host has {_LONG_LABEL}"
    return "a label of the host begins or ends with a hyphen"
