"""The Set-Cookie header field, read as RFC 6265bis section 5.6 says; pure functions of their text.

The grammar servers ought to follow is narrow; what they send is not. So the RFC gives an algorithm that
takes anything and never fails loudly: a field is ignored whole (None here), or a part of it is. This file
follows its steps. What an attribute *means* for a given host is decided in `_cookie_store`.

Cookies are octets. Here they are text, for which `to_text` and `to_bytes` are the way in and out: what is no
UTF-8 survives it too and goes back byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

MAX_PAIR = 4096
"""Octets of name and value together (RFC 6265bis 5.6); browsers have the same bound."""

MAX_ATTRIBUTE = 1024
"""Octets of an attribute's value; a longer one is as if it were not there."""

_WHITESPACE = " \t"

# Controls but for HTAB end a cookie's life (RFC 6265bis 5.6 step 1): they could split a header.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class SetCookie:
    """One Set-Cookie field. Of an attribute given twice the last one counts; None: not given, or unusable.

    ``expires`` is in unix seconds and ``max_age`` in seconds. ``domain`` is lower case, without its leading
    dot; "" is a Domain attribute that is empty. ``path`` is None too where it does not start with a slash;
    ``has_path`` tells whether there was a Path attribute at all (for the prefix ``__Host-``).
    """

    __slots__ = (
        "domain", "expires", "has_path", "http_only", "max_age", "name", "path", "same_site", "secure",
        "value",
    )  # fmt: skip

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        self.expires: float | None = None
        self.max_age: int | None = None
        self.domain: str | None = None
        self.path: str | None = None
        self.has_path = False
        self.secure = False
        self.http_only = False
        self.same_site: str | None = None


def has_controls(text: str) -> bool:
    """True if there is a control character other than HTAB."""
    return _CONTROLS.search(text) is not None


def to_text(octets: bytes) -> str:
    """A cookie's octets as text; bytes that are no UTF-8 become lone surrogates."""
    return octets.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The octets that `to_text` made ``text`` of, or its UTF-8. Raises UnicodeEncodeError for half a pair."""
    return text.encode("utf-8", "surrogateescape")


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(to_bytes(text))


def parse_set_cookie(field: str) -> SetCookie | None:
    """What a Set-Cookie field says, or None if it must be ignored (RFC 6265bis 5.6)."""
    if has_controls(field):
        return None
    pair, *attributes = field.split(";")
    name, equals, value = pair.partition("=")
    if not equals:  # a nameless cookie: "foo" is the value
        name, value = "", name
    name, value = name.strip(_WHITESPACE), value.strip(_WHITESPACE)
    if not (name or value) or _length(name) + _length(value) > MAX_PAIR:
        return None
    cookie = SetCookie(name, value)
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        text = text.strip(_WHITESPACE)
        read = _ATTRIBUTES.get(key.strip(_WHITESPACE).lower())
        if read is not None and _length(text) <= MAX_ATTRIBUTE:
            read(cookie, text)
    return cookie


# One function an attribute: it puts what it understood into the cookie.


def _expires(cookie: SetCookie, text: str) -> None:
    from ._cookie_date import parse_cookie_date

    moment = parse_cookie_date(text)
    if moment is not None:
        cookie.expires = moment


def _max_age(cookie: SetCookie, text: str) -> None:
    digits = text[1:] if text[:1] == "-" else text
    if digits.isascii() and digits.isdigit():
        cookie.max_age = int(text)


def _domain(cookie: SetCookie, text: str) -> None:
    cookie.domain = text.removeprefix(".").lower()


def _path(cookie: SetCookie, text: str) -> None:
    cookie.path = text if text[:1] == "/" else None
    cookie.has_path = True


def _secure(cookie: SetCookie, text: str) -> None:
    cookie.secure = True


def _http_only(cookie: SetCookie, text: str) -> None:
    cookie.http_only = True


def _same_site(cookie: SetCookie, text: str) -> None:
    cookie.same_site = text.lower() if text.lower() in ("strict", "lax", "none") else None


_ATTRIBUTES: Final[dict[str, Callable[[SetCookie, str], None]]] = {
    "expires": _expires,
    "max-age": _max_age,
    "domain": _domain,
    "path": _path,
    "secure": _secure,
    "httponly": _http_only,
    "samesite": _same_site,
}
