"""From the text of a URL to its parts and back, and the resolution of references (RFC 3986).

One regular expression splits the text (appendix B); then each part is normalised: scheme and host in lower
case, IDNA, no default port, no literal dot segments, disallowed characters encoded. Valid escapes stay byte
for byte, since signed URLs break otherwise. The text that `unsplit` makes of parts is parsed to the same
parts.

Functions here raise ValueErrors that say what is wrong; `parse` makes them InvalidURL, with the URL in front,
without its password.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .._exceptions import InvalidURL
from .host import normalise_host
from .percent import QUERY, SUB_DELIMS, UNRESERVED, keeping_escapes, plain_escapes

DEFAULT_PORTS = {"http": 80, "https": 443}

_SPLIT = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.\-]*):)?"  # scheme
    r"(?://([^/?#]*))?"  # authority
    r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?",  # path, query, fragment
    re.DOTALL,
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]*")
_SCHEME_LIKE = re.compile(r"([^:/?#]*):")
_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20]")
_NOT_IN_AUTHORITY = re.compile(r"[\x00-\x20\x7f\\]")
_BROWSERS_AUTHORITY = re.compile(r"[/\\]{2}")
_BEGINNING = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//")

encode_userinfo = keeping_escapes(f"{UNRESERVED}{SUB_DELIMS}:")
encode_path = keeping_escapes(f"{UNRESERVED}{SUB_DELIMS}:@/")
encode_query = keeping_escapes(QUERY)

_PLACEHOLDERS = ("x-oauth-basic",)
"""Passwords that are none: the user name is a token (GitHub)."""

_MAX_SHOWN = 200
"""Characters of a malformed URL in a message."""

_MAX_PREFIX = 40
"""Characters of a wrong scheme in a message."""


class Parts(NamedTuple):
    """A URL taken apart; each part as it is sent.

    ``scheme`` and ``userinfo`` are "" where absent, the others None (which differs from empty).
    ``host`` has no brackets. ``port`` None means the scheme's default.
    """

    scheme: str
    userinfo: str
    host: str | None
    port: int | None
    path: str
    query: str | None
    fragment: str | None

    def __repr__(self) -> str:
        return f"<Parts {unsplit(self._replace(userinfo=redacted_userinfo(self.userinfo)))!r}>"


def parse(text: str) -> Parts:
    """Split and normalise an absolute URL or a relative reference. Raises InvalidURL."""
    try:
        return _parse(text)
    except ValueError as exc:
        raise InvalidURL(f"Invalid URL {redacted_text(text)}: {exc}") from exc


def redacted_text(text: str) -> str:
    """A URL that may be malformed, quoted for a message, without anything that may be credentials.

    A password with an unescaped ``/``, ``?`` or ``#`` looks like host and path: so everything up to the last
    ``@`` is left out.
    """
    credentials, at, rest = text.rpartition("@")
    if at:
        beginning = _BEGINNING.match(credentials)
        text = f"{'' if beginning is None else beginning[0]}[secure]@{rest}"
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")


def redacted_userinfo(userinfo: str) -> str:
    """A userinfo for messages and reprs, without its password; without a password all of it is hidden."""
    name, _, password = userinfo.partition(":")
    if not password or password in _PLACEHOLDERS:
        return "[secure]" if name else ""
    return f"{name}:[secure]"


def _parse(text: str) -> Parts:
    for character, name in (("\t", "a tab"), ("\r", "a carriage return"), ("\n", "a line feed")):
        if character in text:
            raise ValueError(f"{name} at position {text.index(character)}")
    match = _SPLIT.fullmatch(text)
    assert match is not None  # the pattern matches any text
    scheme, authority, path, query, fragment = match.groups()
    scheme = (scheme or "").lower()
    if authority is None:
        _check_without_authority(text, scheme, path)
        userinfo, host, port = "", None, None
    else:
        userinfo, host, port = parse_authority(authority, scheme)
    return normalise(
        Parts(
            scheme,
            userinfo,
            host,
            port,
            encode_path(path),
            None if query is None else encode_query(query),
            None if fragment is None else encode_query(fragment),
        )
    )


def _check_without_authority(text: str, scheme: str, path: str) -> None:
    """Refuse what browsers would read as an absolute URL, though it has no authority by RFC 3986."""
    if scheme in DEFAULT_PORTS:
        raise ValueError(f"'//' is missing after '{scheme}:'")
    if text and ord(text[0]) <= 0x20:
        raise ValueError("it begins with a space or control character")
    if not scheme and (found := _SCHEME_LIKE.match(text)):
        prefix = found[1]
        if text.startswith("//", found.end()) or _CONTROL_OR_SPACE.search(prefix):
            raise ValueError(no_scheme(prefix) if prefix else "the scheme is missing")
    if not scheme and _BROWSERS_AUTHORITY.match(path):
        raise ValueError("a backslash where a host begins")


def parse_authority(text: str, scheme: str) -> tuple[str, str, int | None]:
    """Userinfo (encoded), host and port. Raises ValueError.

    The last ``@`` ends the userinfo, as in browsers. The host may be empty in URLs that are neither http nor
    https (``file:///x``); those are never sent.
    """
    if found := _NOT_IN_AUTHORITY.search(text):
        what = {" ": "a space", "\\": "a backslash"}.get(found[0], "a control character")
        raise ValueError(f"{what} in the authority")
    userinfo, _, rest = text.rpartition("@")
    host, port = _split_port(rest)
    if not host:
        if scheme in DEFAULT_PORTS or not scheme or text:
            raise ValueError("there is no host")
        return "", "", None
    userinfo = encode_userinfo(userinfo)
    return "" if userinfo == ":" else userinfo, normalise_host(host), port


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, port = text.partition("]")
        host += bracket
        if port and not port.startswith(":"):
            raise ValueError("something other than a port follows the IPv6 address")
        port = port[1:]
    else:
        host, _, port = text.partition(":")
        if ":" in port:
            raise ValueError("more than one colon in host and port (an IPv6 address needs brackets)")
    if not port:
        return host, None
    if not (port.isascii() and port.isdigit()):
        raise ValueError("the port is not a number")
    return host, check_port(int(port.lstrip("0")[:6] or "0"))


def check_port(port: int) -> int:
    """Raise ValueError unless it fits 16 bits."""
    if not 0 <= port <= 65535:
        raise ValueError("the port is not from 0 to 65535")
    return port


def check_scheme(text: str) -> str:
    """The scheme in lower case. Raises ValueError."""
    scheme = text.lower()
    if not _SCHEME.fullmatch(scheme):
        raise ValueError(no_scheme(text))
    return scheme


def no_scheme(text: str) -> str:
    """The message for a wrong scheme."""
    return f"{text if len(text) <= _MAX_PREFIX else text[:_MAX_PREFIX] + '...'!r} is no scheme"


def normalise(parts: Parts) -> Parts:
    """Remove a default port and dot segments, and prevent that the path is parsed as an authority or scheme.

    Dot segments of a relative reference stay until it is resolved.
    """
    scheme, host, port, path = parts.scheme, parts.host, parts.port, parts.path
    if port is not None and DEFAULT_PORTS.get(scheme) == port:
        port = None
    if host is not None:
        path = remove_dot_segments(path if not path or path[0] == "/" else "/" + path)
    elif path.startswith("//"):
        path = "/." + path  # RFC 3986 section 3.3: else it would be read as an authority
    elif not scheme and ":" in path.partition("/")[0]:
        path = "./" + path  # RFC 3986 section 4.2: else its first segment would be read as a scheme
    unchanged = path == parts.path and port == parts.port
    return parts if unchanged else parts._replace(port=port, path=path)


def authority(parts: Parts, *, userinfo: bool = True) -> str:
    """``userinfo@host:port``, or ``host:port`` as in a Host header; "" where there is none."""
    host = parts.host or ""
    text = f"[{host}]" if ":" in host else host
    if userinfo and parts.userinfo:
        text = f"{parts.userinfo}@{text}"
    return text if parts.port is None else f"{text}:{parts.port}"


def unsplit(parts: Parts) -> str:
    """The text of a URL (RFC 3986 section 5.3)."""
    text = f"{parts.scheme}:" if parts.scheme else ""
    if parts.host is not None:
        text += "//" + authority(parts)
    text += parts.path
    if parts.query is not None:
        text += "?" + parts.query
    return text if parts.fragment is None else f"{text}#{parts.fragment}"


def remove_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4; escaped dots stay."""
    if "." not in path:
        return path
    segments = path.split("/")
    absolute = segments[0] == "" and len(segments) > 1
    kept: list[str] = []
    for segment in segments[1:] if absolute else segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", "..") and (kept or absolute):
        kept.append("")
    return ("/" if absolute else "") + "/".join(kept)


def resolve(base: Parts, reference: Parts) -> Parts:
    """RFC 3986 section 5.2.2, for strict parsers. ``base`` has a scheme."""
    if reference.scheme:
        return reference
    if reference.host is not None:
        return normalise(reference._replace(scheme=base.scheme))
    query = reference.query
    if not reference.path:
        path = base.path
        query = base.query if query is None else query
    elif reference.path.startswith("/"):
        path = reference.path
    elif base.host is not None and not base.path:
        path = "/" + reference.path
    else:
        path = base.path[: base.path.rfind("/") + 1] + reference.path
    path = remove_dot_segments(path)
    return normalise(base._replace(path=path, query=query, fragment=reference.fragment))


def normal_form(parts: Parts) -> Parts:
    """The normal form, in which equivalent URLs are equal (RFC 3986 section 6.2). For comparisons only."""
    path = plain_escapes(parts.path)
    if parts.host is not None:
        path = remove_dot_segments(path) or "/"
    return parts._replace(
        userinfo=plain_escapes(parts.userinfo),
        path=path,
        query=parts.query and plain_escapes(parts.query),
        fragment=parts.fragment and plain_escapes(parts.fragment),
    )
