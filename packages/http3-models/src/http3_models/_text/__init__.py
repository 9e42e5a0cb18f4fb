"""From bytes to text and JSON: `encodings`, the known names; `decoding`, the encoding of a body and its text,
whole or in pieces; `json_error`, the exception of `Response.json`, loaded when a body is not JSON.
"""

from __future__ import annotations

from .decoding import (
    LineDecoder,
    TextDecoder,
    apparent_encoding,
    charset_of,
    decode_text,
    parse_json,
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
    "stream_encoding",
    "text_encoding",
]
