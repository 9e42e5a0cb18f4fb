"""A header field as a pair of bytes: encoded, checked, and found by its name.

`Headers` is a list of such pairs (RFC 9110 section 5). A pair has the name as it was written; its *key*, for
look-ups, is the name in lower case.
"""

from __future__ import annotations

from typing import TypeAlias

from .._brief import short_repr
from .._exceptions import LocalProtocolError
from .._grammar import CONTROL_BYTES, NOT_A_TOKEN, TOKEN_BYTES
from .._redaction import forget_text

Text: TypeAlias = str | bytes
FieldPair: TypeAlias = tuple[bytes, bytes]

FieldIndex: TypeAlias = dict[bytes, bytes | list[bytes]]
"""By key the value, or the values if a name is repeated."""

_CONTROL_NAMES = {b"\r": "a carriage return", b"\n": "a line feed", b"\x00": "a NUL"}

_MAX_KNOWN = 1024
"""Spellings remembered. Programs use some dozens; at the bound all are forgotten."""

_MAX_KNOWN_LENGTH = 64
"""Characters of a name that is remembered; the two bounds limit the memory."""

known_names: dict[str, bytes] = {}
"""The keys of names that were used before."""

_tokens: set[bytes] = set()
"""Names that `check_pairs` found valid before, with the same bound."""


def key_of(name: object) -> bytes:
    """The key of a name. Raises TypeError unless it is str or bytes."""
    if isinstance(name, str):
        return known_names.get(name) or _key_of_new(name)
    if isinstance(name, bytes):
        return name.lower()
    raise TypeError(f"a header's name must be str or bytes, not {type(name).__name__}")


def _key_of_new(name: str) -> bytes:
    key = name.encode("utf-8", "surrogatepass").lower()  # ASCII only: \u212a is no k
    if len(name) <= _MAX_KNOWN_LENGTH:
        if len(known_names) >= _MAX_KNOWN:
            known_names.clear()
        known_names[name] = key
    return key


def pair_of(name: object, value: object, encoding: str) -> FieldPair:
    """A field as bytes, without blanks around its value. Raises TypeError and ValueError that name it."""
    if not isinstance(name, (str, bytes)):
        raise TypeError(f"a header's name must be str or bytes, not {type(name).__name__}")
    if not isinstance(value, (str, bytes)):
        raise TypeError(f"header {short_repr(name)} must be str or bytes, not {type(value).__name__}")
    try:
        name_bytes = name if isinstance(name, bytes) else name.encode()
        value_bytes = value if isinstance(value, bytes) else value.encode(encoding)
    except UnicodeEncodeError as exc:
        forget_text(exc)
        raise ValueError(f"header {short_repr(name)} can't be encoded as {exc.encoding}") from exc
    return name_bytes, value_bytes.strip(b" \t")


def as_pair(item: object) -> tuple[object, object]:
    """Name and value of a pair; a str of two characters is no pair. Raises TypeError."""
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    raise TypeError(f"headers must hold pairs of name and value, not {type(item).__name__}")


def indexed(pairs: list[FieldPair]) -> FieldIndex:
    """The values by key."""
    index: FieldIndex = {name.lower(): value for name, value in pairs}
    if len(index) < len(pairs):
        lists: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            lists.setdefault(name.lower(), []).append(value)
        index.update({name: values for name, values in lists.items() if len(values) > 1})
    return index


class Slots:
    """Fields while they are replaced and removed, which costs the same for any number of fields.

    A slot is a number and some fields that follow each other; a dict keeps the slots in order, and removes
    any of them without moving the others.
    """

    __slots__ = ("_by_key", "_next", "_slots")

    def __init__(self, pairs: list[FieldPair]) -> None:
        self._slots: dict[int, list[FieldPair]] = {number: [pair] for number, pair in enumerate(pairs)}
        self._by_key: dict[bytes, list[int]] = {}
        self._next = len(pairs)
        for number, (name, _) in enumerate(pairs):
            self._by_key.setdefault(name.lower(), []).append(number)

    def pairs(self) -> list[FieldPair]:
        """All fields, in order; a new list."""
        return [pair for slot in self._slots.values() for pair in slot]

    def append(self, key: bytes, pairs: list[FieldPair]) -> None:
        """Add fields of one key at the end."""
        self._slots[self._next] = pairs
        self._by_key.setdefault(key, []).append(self._next)
        self._next += 1

    def replace(self, key: bytes, pairs: list[FieldPair]) -> list[FieldPair]:
        """Put fields in the place of the first of this key; returns all fields that this key had."""
        first, *others = self._by_key[key]
        gone = [*self._slots[first], *[pair for number in others for pair in self._slots.pop(number)]]
        self._slots[first] = pairs
        self._by_key[key] = [first]
        return gone

    def remove(self, key: bytes) -> list[FieldPair]:
        """Remove all fields of this key; returns them."""
        return [pair for number in self._by_key.pop(key) for pair in self._slots.pop(number)]


class NonASCII:
    """Counts the fields that are not ASCII: they decide the encoding of all fields."""

    __slots__ = ("_other", "_utf8")

    def __init__(self, pairs: list[FieldPair]) -> None:
        self._utf8 = self._other = 0
        self.count(pairs, 1)

    def count(self, pairs: list[FieldPair], by: int) -> None:
        """Fields were added (``by`` is 1) or removed (-1)."""
        for name, value in pairs:
            if name.isascii() and value.isascii():
                continue
            try:
                name.decode()
                value.decode()
            except UnicodeDecodeError:
                self._other += by
            else:
                self._utf8 += by

    @property
    def encoding(self) -> str:
        """The first of "ascii", "utf-8" and "iso-8859-1" that all fields can be read in."""
        return "iso-8859-1" if self._other else "utf-8" if self._utf8 else "ascii"


def check_pairs(pairs: list[FieldPair]) -> None:
    """Raise LocalProtocolError unless names are tokens, and values have no control characters but tab."""
    for name, _ in pairs:
        if name not in _tokens:
            _check_name(name)
    if found := CONTROL_BYTES.search(b"".join([value for _, value in pairs])):
        culprit = next(name for name, value in pairs if CONTROL_BYTES.search(value)).decode()
        what = _CONTROL_NAMES.get(found[0], "a control character")
        raise LocalProtocolError(f"Header {short_repr(culprit)} has {what} in its value; nothing was sent")


def _check_name(name: bytes) -> None:
    if not TOKEN_BYTES.fullmatch(name):
        shown = name[:100].decode("ascii", "backslashreplace")  # `short_repr` cuts it
        raise LocalProtocolError(f"Header name {short_repr(shown)} {NOT_A_TOKEN}; nothing was sent")
    if len(name) <= _MAX_KNOWN_LENGTH:
        if len(_tokens) >= _MAX_KNOWN:
            _tokens.clear()
        _tokens.add(name)
