"""The challenges of WWW-Authenticate, as servers write them (RFC 9110 section 11.6). Pure.

A field is a list of challenges: a scheme, and parameters or one token68. Both lists are separated by commas,
so a word that no "=" follows is a scheme, and a parameter belongs to the last scheme before it. Servers are
not strict about the rest, and requests, httpx, aiohttp and curl authenticate all the same; so do we:

    nonce=abc==, domain=/     values without quotes go on to the comma, whatever they hold
    realm=                    may be empty
    realm="a" nonce="b"       commas may be missing, or be semicolons
    opaque="abc               a quote that is missing at the end of the field
    flag, x, =3               what is no parameter is passed over

Each character is looked at a bounded number of times: the quantifiers are possessive where they
could overlap.
"""

from __future__ import annotations

import re

from http3_models.engine import TOKEN_CHARACTERS

_MOST_WORDS = 256
"""Schemes and parameters of a field that are looked at: servers send a dozen, a head has room for 100,000."""

Parameters = dict[str, str]
"""By name, in lower case; of one name the last counts."""

_NAME = r'[^\s,;="]++'
_WORD = re.compile(rf"[\s,;]*+({_NAME})(\s*+)(=?)")
_PARAMETER = re.compile(rf"{_NAME}\s*+=")
_QUOTED = re.compile(r'\s*+"((?:[^"\\]++|\\.)*+)(?:"|\\?\Z)', re.DOTALL)
_UNQUOTED = re.compile(rf"\s*+([^\s,]*+(?:\s++(?![{TOKEN_CHARACTERS}]++\s*+=)[^\s,]++)*+)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SEPARATORS = re.compile(r"[\s,;]*+")


def parse_challenges(field: str) -> list[tuple[str, Parameters]]:
    """The schemes of a field, in lower case and in order, each with its parameters."""
    return _read(field)[1:]


def parse_parameters(field: str) -> Parameters:
    """The parameters of a field that names no scheme, as Authentication-Info (RFC 7615) is."""
    return _read(field)[0][1]


def _read(field: str) -> list[tuple[str, Parameters]]:
    """What stands before the first scheme, under "", and the challenges."""
    current: Parameters = {}
    found = [("", current)]
    position = 0
    for _ in range(_MOST_WORDS):
        if position >= len(field):
            break
        word = _WORD.match(field, position)
        if word is None:
            position = _after_comma(field, position)
        elif word[3]:
            current[word[1].lower()], position = _value(field, word.end())
        else:
            scheme, position = word[1].lower(), word.end(1)
            begun: Parameters = {}
            found.append((scheme, begun))
            # A word with nothing behind it may also be an odd parameter: those that follow are still of the
            # scheme that has some.
            has_own = word[2] and _PARAMETER.match(field, word.end(2)) is not None
            if has_own or len(found) == 2 or scheme == "digest":
                current = begun
    return found


def _value(field: str, position: int) -> tuple[str, int]:
    """The value of a parameter, and where it ends."""
    quoted = _QUOTED.match(field, position)
    if quoted is not None:
        return _ESCAPE.sub(r"\1", quoted[1]), quoted.end()
    value = _UNQUOTED.match(field, position)
    assert value is not None  # it may be empty
    return value[1].rstrip(";"), value.end()


def _after_comma(field: str, position: int) -> int:
    """Past what begins with neither a word nor a separator."""
    separators = _SEPARATORS.match(field, position)
    assert separators is not None  # it may be empty
    comma = field.find(",", separators.end())
    return len(field) if comma < 0 else comma
