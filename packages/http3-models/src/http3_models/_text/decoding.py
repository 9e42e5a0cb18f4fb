"""The encoding of a body, and its text, whole or in pieces.

The encoding of a whole body is that of its byte-order mark, or the charset of Content-Type, or the caller's
default, or without one UTF-8 if the body is valid UTF-8, else windows-1252 (as in browsers for western
pages). A stream can't be read ahead, so its last choice is UTF-8 with replacement characters. JSON has its
own rule (RFC 8259 section 8.1). A leading byte-order mark is never part of the text.

Encodings are returned under the names that were given; decoding uses Python's codec for them, see
`encodings`.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from .._brief import short_repr
from .._grammar import split_unquoted, unescape
from .encodings import find_text_encoding

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is the first half of this
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_SMALL_PART = 1024
"""Shorter parts of a line are joined with the next, since each str takes 50 bytes more."""

_MAX_CACHED = 100
"""Characters of a Content-Type that is cached."""


def detect_bom(data: bytes) -> str | None:
    """The encoding of the byte-order mark at the start of ``data``; None without one."""
    if data[:1] not in (b"\xef", b"\xff", b"\xfe", b"\x00"):
        return None
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return encoding
    return None


def charset_of(content_type: str | None) -> str | None:
    """The charset parameter of a Content-Type; None if absent, or if it is no known encoding."""
    if not content_type or "charset" not in content_type.lower():
        return None
    return (_cached_charset if len(content_type) <= _MAX_CACHED else _charset)(content_type)


def _charset(content_type: str) -> str | None:
    for name, value in _parameters(content_type):
        if name == "charset":
            return value if find_text_encoding(value) is not None else None
    return None


_cached_charset = lru_cache(maxsize=128)(_charset)
"""Servers send few different ones (-2 us)."""


def _parameters(value: str) -> list[tuple[str, str]]:
    """The parameters behind the first semicolon (RFC 9110 5.6.6), names lower-cased, values unquoted."""
    parameters = []
    for part in split_unquoted(value)[1:]:
        name, equals, text = part.partition("=")
        if equals:
            parameters.append((name.strip().lower(), _unquote(text.strip())))
    return parameters


def _unquote(text: str) -> str:
    """Unquote a quoted string; apostrophes, which some servers use as quotes, are removed as well."""
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "\"'":
        return text
    return unescape(text[1:-1])


DefaultEncoding = str | Callable[[bytes], str] | None
"""``default_encoding``: a name, "auto" (charset-normalizer), a callable ``bytes -> name``, or None."""


def text_encoding(data: bytes, content_type: str | None, default: DefaultEncoding = None) -> str:
    """The encoding of a whole body.

    Raises LookupError if ``default`` is or returns no name of a text encoding, ImportError for "auto" without
    charset-normalizer.
    """
    return detect_bom(data) or charset_of(content_type) or _default_encoding(data, default)


def stream_encoding(content_type: str | None, default: DefaultEncoding = None) -> str:
    """The encoding of a body before its first byte; a byte-order mark overrides it.

    Callables and "auto" need the whole body and are skipped. Raises LookupError like `text_encoding`.
    """
    charset = charset_of(content_type)
    if charset is not None:
        return charset
    if isinstance(default, str) and default != "auto":
        return _known(default)
    return "utf-8"


def _default_encoding(data: bytes, default: DefaultEncoding) -> str:
    if default is None:
        return "utf-8" if _is_utf8(data) else "windows-1252"
    if default == "auto":
        return apparent_encoding(data)
    return _known(default if isinstance(default, str) else default(data))


def _known(name: str) -> str:
    if find_text_encoding(name) is None:
        raise LookupError(f"default_encoding: {short_repr(name)} is no text encoding that is known here")
    return name


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def apparent_encoding(data: bytes) -> str:
    """The encoding that charset-normalizer detects; UTF-8 if it finds none.

    Raises ImportError without charset-normalizer (the extra ``charset``).
    """
    try:
        from charset_normalizer import from_bytes
    except ImportError as exc:
        raise ImportError(
            "Detecting an encoding needs charset-normalizer; install it with: pip install 'http3[charset]'"
        ) from exc
    best = from_bytes(data, cp_exclusion=["utf_7"]).best()
    return best.encoding if best is not None and find_text_encoding(best.encoding) else "utf-8"


def decode_text(data: bytes, encoding: str) -> str:
    """``data`` as text, with U+FFFD for what is malformed, without a leading byte-order mark."""
    return data.decode(_codec(encoding), "replace").removeprefix("\ufeff")


def _codec(encoding: str) -> str:
    codec = find_text_encoding(encoding)
    assert codec is not None, encoding  # callers have checked it
    return codec


def detect_json_encoding(data: bytes) -> str:
    """UTF-8, -16 or -32 (RFC 8259 section 8.1, RFC 4627 section 3): by the byte-order mark, else by the
    places of NULs among the first bytes, since the first character is ASCII."""
    head = data[:4]
    if head.isascii() and 0 not in head:
        return "utf-8"
    bom = detect_bom(data)
    if bom is not None:
        return bom
    if 0 not in head:
        return "utf-8"
    if head[0] == 0:
        return "utf-32-be" if head[1:2] == b"\0" else "utf-16-be"
    if head[1] != 0:
        return "utf-8"  # the JSON parser refuses a NUL
    return "utf-32-le" if head[2:] == b"\0\0" else "utf-16-le"


def decode_json(data: bytes) -> str:
    """The text of a JSON body. Raises UnicodeDecodeError, a ValueError, for malformed bytes."""
    return data.decode(detect_json_encoding(data)).removeprefix("\ufeff")


def parse_json(data: bytes, encoding: str | None, options: dict[str, Any]) -> Any:
    """The value of a JSON body, in ``encoding`` or the detected one; ``options`` are those of `json.loads`.

    Raises ValueError (UnicodeDecodeError, json.JSONDecodeError).
    """
    text = data.decode(_codec(encoding)).removeprefix("\ufeff") if encoding else decode_json(data)
    if not options:
        return _json_decoder()(text)
    from json import loads

    return loads(text, **options)


@cache
def _json_decoder() -> Callable[[str], Any]:
    """`json.loads` without options, whose checks take 1 us."""
    from json import JSONDecoder

    return JSONDecoder().decode


class TextDecoder:
    """Decodes text in pieces. A character that is cut between two pieces is returned with the second.

    ``encoding`` is that of `stream_encoding`; a byte-order mark overrides it unless ``sniff`` is False (for
    an encoding that the caller has set).
    """

    __slots__ = ("_decoder", "_encoding", "_head", "_started")

    def __init__(self, encoding: str, *, sniff: bool = True) -> None:
        self._encoding = encoding
        self._head = b""
        self._started = False
        self._decoder = None if sniff else _incremental(encoding)

    def decode(self, data: bytes) -> str:
        """The text of the next bytes without an incomplete character at their end; may be empty."""
        if self._decoder is None:
            data = self._head + data
            if _may_grow_to_bom(data):
                self._head = data
                return ""
            self._decoder, self._head = _incremental(detect_bom(data) or self._encoding), b""
        return self._without_mark(self._decoder.decode(data))

    def finish(self) -> str:
        """The rest, at the end of the body; an incomplete character becomes U+FFFD."""
        if self._decoder is None:
            self._decoder = _incremental(detect_bom(self._head) or self._encoding)
        return self._without_mark(self._decoder.decode(self._head, True))

    def _without_mark(self, text: str) -> str:
        if self._started or not text:
            return text
        self._started = True
        return text.removeprefix("\ufeff")


def _incremental(encoding: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(_codec(encoding))("replace")


def _may_grow_to_bom(data: bytes) -> bool:
    """True if further bytes may make it another mark, or one at all."""
    return len(data) < 4 and any(mark.startswith(data) and mark != data for mark, _ in _BOMS)


class LineDecoder:
    """Splits text in pieces into lines, without their ends: ``\\n``, ``\\r\\n`` and ``\\r`` only.

    A line is returned as soon as its end is there. Time and memory are linear, also for one long line in many
    small pieces. ``held`` is the number of characters of the line that has no end yet.
    """

    __slots__ = ("_after_cr", "_parts", "held")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._after_cr = False
        self.held = 0

    def decode(self, text: str) -> list[str]:
        """The lines that ``text`` completes."""
        if self._after_cr and text:
            text = text.removeprefix("\n")  # of a \r\n that was cut
            self._after_cr = False
        if not text:
            return []
        if "\r" in text:
            self._after_cr = text[-1] == "\r"
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        rest = lines.pop()
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = "".join(self._parts)
            self._parts = []
        if lines:
            self.held = 0
        if rest:
            self._hold(rest)
        return lines

    def _hold(self, text: str) -> None:
        self.held += len(text)
        parts = self._parts
        if parts and len(parts[-1]) < _SMALL_PART:
            text = parts.pop() + text
        parts.append(text)

    def finish(self) -> list[str]:
        """The last line if it has no end: a list of one or none."""
        parts, self._parts = self._parts, []
        return ["".join(parts)] if parts else []
