"""The parser of WWW-Authenticate, as servers write it (RFC 9110 section 11.6). Pure.

A field is a list of challenges: a scheme, and parameters or one token68. Commas separate challenges and also
parameters: a word without "=" after it is a scheme, and a parameter belongs to the last scheme before it.
Many servers break the grammar, and requests, httpx, aiohttp and curl accept it. So does this parser:

    nonce=abc==, domain=/     a value without quotes ends at the comma, and may have any characters
    realm=                    a value may be empty
    realm="a" nonce="b"       commas may be missing, or be semicolons
    opaque="abc               the last quote may be missing
    flag, x, =3               words that are no parameters are ignored

It takes linear time: quantifiers that could overlap are possessive.
"""

from __future__ import annotations

import re

from .._grammar import TOKEN_CHARACTERS

_MAX_WORDS = 256
"""Schemes and parameters of a field that are read. Servers send a dozen; a head has room for 100,000."""

Parameters = dict[str, str]
"""By name, in lower case. Of two parameters of one name the last is used."""

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
    """The parameters of a field without scheme, as Authentication-Info (RFC 7615) is."""
    return _read(field)[0][1]


def _read(field: str) -> list[tuple[str, Parameters]]:
    """The parameters before the first scheme, under "", and the challenges."""
    current: Parameters = {}
    found = [("", current)]
    position = 0
    for _ in range(_MAX_WORDS):
        if position >= len(field):
            break
        word = _WORD.match(field, position)
        if word is None:
            position = _after_comma(field, position)
        elif word[3]:
            current[word[1].lower()], position = _value(field, word.end())
        else:
            scheme, position = word[1].lower(), word.end(1)
            parameters: Parameters = {}
            found.append((scheme, parameters))
            # A word without parameters right after it may be a malformed parameter. Those that follow then
            # belong to the scheme before.
            has_own = word[2] and _PARAMETER.match(field, word.end(2)) is not None
            if has_own or len(found) == 2 or scheme == "digest":
                current = parameters
    return found


def _value(field: str, position: int) -> tuple[str, int]:
    """The value of a parameter, and its end."""
    quoted = _QUOTED.match(field, position)
    if quoted is not None:
        return _ESCAPE.sub(r"\1", quoted[1]), quoted.end()
    value = _UNQUOTED.match(field, position)
    assert value is not None  # it may be empty
    return value[1].rstrip(";"), value.end()


def _after_comma(field: str, position: int) -> int:
    """The position after the next comma: what is there is neither word nor separator."""
    separators = _SEPARATORS.match(field, position)
    assert separators is not None  # it may be empty
    comma = field.find(",", separators.end())
    return len(field) if comma < 0 else comma
