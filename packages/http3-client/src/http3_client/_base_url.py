"""Where a relative URL leads: the path joined to ``base_url``, never another host.

This is not RFC 3986 resolution: there ``/users`` would drop the path of the base. What an API client
wants is its base as a prefix. So the path is appended, the base's query goes first, and dot segments are
resolved after joining. ``//other/x`` is refused: a path that came from outside must not choose the host.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from http3_models import URL, InvalidURL
from http3_models.engine import parse_url, redacted_text

if TYPE_CHECKING:
    from http3_models import URLTypes

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_PARTS = re.compile(r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)

_LONGEST_KEPT = 2048
"""Characters. Longer URLs are rarely asked for twice, and would be much memory for those that are kept."""


def resolve_url(url: URLTypes, base: URL | None) -> URL:
    """The absolute URL that a caller means by ``url``.

    Raises InvalidURL for a relative one without base, for ``//host``, and for what is malformed; TypeError
    for other types than str and URL.
    """
    if type(url) is str and len(url) <= _LONGEST_KEPT:
        return _kept(url, None if base is None else str(base))
    if isinstance(url, URL) and url.is_absolute_url:
        return url
    if not isinstance(url, str | URL):
        raise TypeError(f"url must be a str or URL, not {type(url).__name__}")
    return _located(str(url), base)


@lru_cache(maxsize=1024)
def _kept(text: str, base: str | None) -> URL:
    """A program asks for the same URLs over and over (-1 us, and -4 us for a relative one)."""
    return _located(text, None if base is None else URL(base))


def _located(text: str, base: URL | None) -> URL:
    if _SCHEME.match(text):
        return parse_url(text)
    if base is None:
        raise InvalidURL(
            f"The URL {redacted_text(text)} has no scheme, and the client has no base_url to join it to"
        )
    return _joined(text, base)


def _joined(text: str, base: URL) -> URL:
    if text.startswith("//"):
        raise InvalidURL(
            f"The URL {redacted_text(text)} names another host; write its scheme, or one slash only"
        )
    match = _PARTS.fullmatch(text)
    assert match is not None  # the pattern matches every text
    path, query, fragment = match.groups(default="")
    if path:
        path = f"{base.path.rstrip('/')}/{path.removeprefix('/')}"
    return parse_url(_text(base, path or base.path, [base.query, query], fragment))


def _text(base: URL, path: str, queries: list[str], fragment: str) -> str:
    query = "&".join(part for part in queries if part)
    tail = (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
    return f"{base.scheme}://{base.authority}{path}{tail}"
