"""From bytes to text and JSON: `encodings`, the names that are known; `decoding`, which encoding a body has,
whole or piece by piece; `json_error`, what `Response.json` raises, loaded with json when a body is not
JSON.
"""

from __future__ import annotations

from .decoding import (
    LineDecoder,
    TextDecoder,
    apparent_encoding,
    charset_of,
    decode_text,
    parse_json,
    split_unquoted,
    stream_encoding,
    text_encoding,
)
from .encodings import find_text_encoding

__all__ = [
    "LineDecoder",
    "TextDecoder",
    "apparent_encoding",
    "charset_of",
    "decode_text",
    "find_text_encoding",
    "parse_json",
    "split_unquoted",
    "stream_encoding",
    "text_encoding",
]
