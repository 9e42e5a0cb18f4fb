"""The characters of tokens, and control characters: for parsers and checks, as str and as bytes."""

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
