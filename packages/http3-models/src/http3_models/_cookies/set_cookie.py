"""The Set-Cookie header field, read as RFC 6265bis section 5.6 says; pure functions of their text.

Servers do not always follow the grammar of the field. So the RFC has an algorithm that accepts any text and
raises no error: it ignores a part of the field, or all of it (None here). This file follows its steps.
`cookie` decides what an attribute means for a host.

Cookies are octets, shown as text: UTF-8, or ISO-8859-1 if they are no UTF-8. The encoding is kept with the
text, so that a server's cookie is sent back byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .._grammar import CONTROL

MAX_PAIR = 4096
"""Octets of name and value together (RFC 6265bis 5.6); browsers have the same bound."""

MAX_ATTRIBUTE = 1024
"""Octets of an attribute's value; an attribute with a longer one is ignored."""

_WHITESPACE = " \t"

LATIN_1 = "iso-8859-1"


class SetCookie:
    """One Set-Cookie field. Of an attribute given twice the last one applies; None: not given, or ignored.

    ``expires`` is in unix seconds and ``max_age`` in seconds. ``domain`` is lower case, without its leading
    dot; "" is a Domain attribute that is empty. ``path`` is None too where it does not start with a slash;
    ``has_path``: there was a Path attribute, usable or not (for the prefix ``__Host-``). ``encoding`` is
    that of name and value.
    """

    __slots__ = (
        "domain",
        "encoding",
        "expires",
        "has_path",
        "http_only",
        "max_age",
        "name",
        "path",
        "same_site",
        "secure",
        "value",
    )

    def __init__(self, name: str, value: str, encoding: str) -> None:
        self.name = name
        self.value = value
        self.encoding = encoding
        self.expires: float | None = None
        self.max_age: int | None = None
        self.domain: str | None = None
        self.path: str | None = None
        self.has_path = False
        self.secure = False
        self.http_only = False
        self.same_site: str | None = None


def to_text(octets: bytes) -> str:
    """The octets of a Cookie header as text; `to_bytes` reverses it, also for what is no UTF-8."""
    return octets.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The octets that `to_text` made ``text`` of, or its UTF-8. Raises UnicodeEncodeError for a lone
    surrogate."""
    return text.encode("utf-8", "surrogateescape")


def decoded(octets: bytes) -> tuple[str, str]:
    """The octets as text, and its encoding: UTF-8 if they are UTF-8, else ISO-8859-1."""
    try:
        return octets.decode(), "utf-8"
    except UnicodeDecodeError:
        return octets.decode(LATIN_1), LATIN_1


def _length(text: str, encoding: str = "utf-8") -> int:
    return len(text) if text.isascii() or encoding == LATIN_1 else len(to_bytes(text))


def read_set_cookie(octets: bytes) -> SetCookie | None:
    """`parse_set_cookie` for the bytes of a field."""
    if octets.isascii():
        return parse_set_cookie(octets.decode("ascii"))
    pair, semicolon, attributes = octets.partition(b";")
    text, encoding = decoded(pair)
    return parse_set_cookie(text + semicolon.decode() + decoded(attributes)[0], encoding)


def parse_set_cookie(field: str, encoding: str = "utf-8") -> SetCookie | None:
    """The parsed Set-Cookie field, or None if it must be ignored (RFC 6265bis section 5.6).

    ``encoding``: of name and value, "utf-8" or "iso-8859-1".
    """
    if CONTROL.search(field):  # step 1: it could split a header
        return None
    pair, *attributes = field.split(";")
    name, equals, value = pair.partition("=")
    if not equals:  # a nameless cookie: "foo" is the value
        name, value = "", name
    name, value = name.strip(_WHITESPACE), value.strip(_WHITESPACE)
    if not (name or value) or _length(name, encoding) + _length(value, encoding) > MAX_PAIR:
        return None
    cookie = SetCookie(name, value, encoding)
    for attribute in attributes:
        key, _, text = attribute.partition("=")
        text = text.strip(_WHITESPACE)
        read = _ATTRIBUTES.get(key.strip(_WHITESPACE).lower())
        if read is not None and _length(text) <= MAX_ATTRIBUTE:
            read(cookie, text)
    return cookie


# One function for each attribute: it sets fields of the cookie.


def _expires(cookie: SetCookie, text: str) -> None:
    from .date import parse_cookie_date

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
