"""The characters of HTTP that several parsers and checks share: tokens, control characters.

Each as text and as bytes: a field is bytes, a method and a cookie are text.
"""

from __future__ import annotations

import re

TOKEN_CHARACTERS = r"!#$%&'*+\-.^_`|~0-9A-Za-z"
"""Of methods and names of fields (RFC 9110 section 5.6.2); stands between the brackets of a pattern."""

CONTROL_CHARACTERS = r"\x00-\x08\x0a-\x1f\x7f"
"""All but tab: not allowed in values of fields (RFC 9110 section 5.5); stands between brackets as well."""

TOKEN = re.compile(f"[{TOKEN_CHARACTERS}]+")
TOKEN_BYTES = re.compile(TOKEN.pattern.encode())

CONTROL = re.compile(f"[{CONTROL_CHARACTERS}]")
CONTROL_BYTES = re.compile(CONTROL.pattern.encode())

NOT_A_TOKEN = "is not a token (letters, digits and !#$%&'*+-.^_`|~)"
"""For messages."""
