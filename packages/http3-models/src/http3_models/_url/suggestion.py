"""What a text without a scheme was probably meant to be; for messages only, nothing is corrected."""

from __future__ import annotations

import re

from .._exceptions import InvalidURL
from .parse import parse

_LONGEST = 200
"""Characters; a longer URL is not shown whole, so it is not suggested either."""

_HOST = re.compile(
    r"(?://)?"
    r"((?P<local>localhost|[\w.-]*\.localhost|\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f:.]+\])|[^\s/?#@:\\]*)"
    r"(?P<port>:\d+)?"
    r"(?:[/?#]|$)",
    re.IGNORECASE,
)


_WITHOUT_COLON = re.compile(r"(https?)//(?=[^/])", re.IGNORECASE)


def did_you_mean(text: str) -> str:
    """``; did you mean 'https://example.org/'?`` for a text that would be a URL with a scheme, else "".

    That is one that begins like a host: with a dot or a port in it, an address, localhost, or after ``//``;
    or with ``http//``. The scheme is http for localhost and addresses, which mostly are test servers.
    """
    if len(text) > _LONGEST or "@" in text:
        return ""
    meant = _with_scheme(text)
    try:
        parse(meant)
    except InvalidURL:
        return ""
    return f"; did you mean {meant!r}?" if meant else ""


def _with_scheme(text: str) -> str:
    if found := _WITHOUT_COLON.match(text):
        return f"{found[1].lower()}://{text[found.end() :]}"
    found = _HOST.match(text)
    if found is None or not found[1]:
        return ""
    if not (found["local"] or found["port"] or "." in found[1].strip(".") or text.startswith("//")):
        return ""
    return f"{'http' if found['local'] else 'https'}://{text.removeprefix('//')}"
