"""The characters of tokens, and control characters, as str and as bytes; quoted strings."""

from __future__ import annotations

import re

TOKEN_CHARACTERS = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
"""Of methods and field names (RFC 9110 section 5.6.2), to be put between the brackets of a pattern."""

CONTROL_CHARACTERS = r"\x00-\x08\x0a-\x1f\x7f"
"""All but tab: not allowed in field values (RFC 9110 section 5.5); to be put between brackets, too."""

TOKEN = re.compile(f"[{TOKEN_CHARACTERS}]+")
TOKEN_BYTES = re.compile(TOKEN.pattern.encode())

CONTROL = re.compile(f"[{CONTROL_CHARACTERS}]")
CONTROL_BYTES = re.compile(CONTROL.pattern.encode())

NOT_A_TOKEN = "is not a token (letters, digits and !#$%&'*+-.^_`|~)"
"""For messages."""

_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)


def split_unquoted(value: str) -> list[str]:
    """Split at semicolons outside of quoted strings."""
    if '"' not in value:
        return value.split(";")
    parts, start, quoted, escaped = [], 0, False, False
    for index, char in enumerate(value):
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == ";" and not quoted:
            parts.append(value[start:index])
            start = index + 1
    parts.append(value[start:])
    return parts


def unescape(quoted: str) -> str:
    """The text inside the quotes of a quoted string (RFC 9110 section 5.6.4)."""
    return _ESCAPED.sub(r"\1", quoted)
