"""The Link header (RFC 8288): the URL of the next page, and other relations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._grammar import unescape

if TYPE_CHECKING:
    import re

_PARAMETER = r"""
    (?:\s*+;)++\s*+([^\s=;,]*+)\s*+
    (?:=\s*+(?: "((?:[^"\\]|\\.)*+)" | '([^']*+)'(?=\s*+(?:[;,]|\Z)) | ([^\s;,]*+) ))?+
"""
"""``; name=token``, ``; name="quoted"``, or ``; name='quoted'``, which is sent although RFC 8288 does not
allow it; of several ``;`` the last counts. The quantifiers are possessive, so that no input makes it read a
character more than a few times."""

_pattern: re.Pattern[str] | None = None


def _parameter_pattern() -> re.Pattern[str]:
    """Compiled at first use: most programs never receive a Link header."""
    global _pattern
    if _pattern is None:
        import re

        _pattern = re.compile(_PARAMETER, re.DOTALL | re.VERBOSE)
    return _pattern


def parse_links(value: str) -> dict[str, dict[str, str]]:
    """A Link header's value (several joined by commas) as relation -> {"url": ..., parameters ...}.

    A link with several relations is the value of each of them, one without is that of its URL. Relations and
    names of parameters are compared without case (sections 2.1 and 3) and returned in lower case; URLs and
    values as sent, without quotes. What is malformed is skipped.
    """
    links: dict[str, dict[str, str]] = {}
    position = value.find("<")
    while position >= 0:
        end = value.find(">", position)
        if end < 0:
            break
        link = {"url": value[position + 1 : end].strip()}
        end = _read_parameters(value, end + 1, link)
        relations = link.get("rel", "").lower().replace("'", " ").replace('"', " ").split()
        for relation in relations or [link["url"]]:
            links[relation] = link
        comma = value.find(",", end)
        position = value.find("<", comma) if comma >= 0 else -1
    return links


def _read_parameters(value: str, position: int, link: dict[str, str]) -> int:
    """Put the parameters that begin at ``position`` into ``link``; the first of a name counts."""
    pattern = _parameter_pattern()
    while match := pattern.match(value, position):
        name, quoted, single, token = match.groups()
        text = single or token or "" if quoted is None else unescape(quoted)
        if name:
            link.setdefault(name.lower(), text)
        position = match.end()
    return position
