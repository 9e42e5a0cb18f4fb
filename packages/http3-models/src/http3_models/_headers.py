"""`Headers`, a case-insensitive, ordered multi-dict of header fields (RFC 9110 section 5).

Fields are kept as pairs of bytes, names as they were written: that is what HTTP/1.1 sends. Looking up goes
through an index by lower-case name, built when first asked for and dropped by each change; so a parser
hands over its list for nothing, and reading ten fields costs one pass.

Text and bytes: str values are stored as UTF-8, or in the encoding that was set. Bytes are read as ASCII
or UTF-8 if all fields allow it, else as ISO-8859-1; setting `encoding` settles it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias, TypeVar, Union, overload

from ._exceptions import LocalProtocolError

Text: TypeAlias = str | bytes

HeaderFields: TypeAlias = Union[
    "Headers", Mapping[str, Text], Mapping[bytes, Text], Iterable[tuple[Text, Text]]
]
"""What `Headers` takes."""

HeaderTypes: TypeAlias = (
    HeaderFields
    | Mapping[str, Text | None]
    | Mapping[bytes, Text | None]
    | Iterable[tuple[Text, Text | None]]
)
"""What ``headers=`` of clients and requests takes; there, None as value removes a default."""

T = TypeVar("T")
Pair: TypeAlias = tuple[bytes, bytes]

Index: TypeAlias = Mapping[bytes, bytes | list[bytes]]
"""By lower-case name the value, or the values where a name is repeated."""

SECRET_HEADERS = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "proxy-authorization",
        "set-cookie",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-token",
        "x-csrf-token",
    }
)
"""Names whose values no repr and no message shows."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CONTROL_NAMES = {b"\r": "a carriage return", b"\n": "a line feed", b"\x00": "a NUL"}

_MAX_KNOWN = 1024
"""Spellings remembered. Programs use some dozens; those that make names up start over at the bound."""

_known: dict[str, bytes] = {}

_tokens: set[bytes] = set()
"""Names that `Headers.check` found good before; bounded as the other."""


def _lower(name: str) -> bytes:
    """The key of a name: lower case, as bytes. Remembered, for the few names that are asked for all day."""
    key = _known.get(name)
    if key is None:
        key = name.encode("utf-8", "surrogatepass").lower()  # ASCII only: \u212a is no k
        if len(name) <= 64:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[name] = key
    return key


class Headers(MutableMapping[str, str]):
    """Header fields, in order; names compare without case and may occur several times.

    ``headers``: a mapping, pairs, Headers, or None; names and values are str or bytes. As a mapping it shows
    each name once, in lower case, its values joined by ", "; `getlist`, `raw` and `wire` show the fields.
    ``encoding``: how bytes become text; by default worked out, see `encoding`.

    Whitespace around a value is no part of it (RFC 9110 section 5.5) and is stripped. Raises TypeError that
    names the header for other types. Whether all of it may be sent is asked by `check`.
    """

    __slots__ = ("_checked", "_derived", "_encoding", "_index", "_pairs", "version")

    _pairs: list[Pair]
    _index: Index | None
    _encoding: str | None
    _checked: int
    _derived: dict[object, Any]

    version: int
    """Grows with each change; for caches of what was derived from the fields."""

    def __init__(self, headers: HeaderFields | None = None, encoding: str | None = None) -> None:
        self._encoding = None
        self._index = None
        self._checked = -1
        self._derived = {}
        self.version = 0
        if encoding is not None:
            self.encoding = encoding
        elif isinstance(headers, Headers):
            self._encoding = headers._encoding
        self._pairs = self._pairs_of(headers)

    @classmethod
    def _from_raw(cls, pairs: list[Pair], index: Index | None = None) -> Headers:
        """Headers of pairs that a parser has validated; the list is taken over, not copied.

        ``index``: where the parser has made one of the pairs.
        """
        self = cls.__new__(cls)
        self._pairs = pairs
        self._index = index
        self._encoding = None
        self._checked = -1
        self._derived = {}
        self.version = 0
        return self

    # Reading

    @property
    def raw(self) -> list[Pair]:
        """The fields as pairs of bytes, names in lower case; a new list."""
        return [(name.lower(), value) for name, value in self._pairs]

    @property
    def wire(self) -> list[Pair]:
        """The fields as pairs of bytes, names as written; a new list."""
        return self._pairs.copy()

    @property
    def encoding(self) -> str:
        """How bytes are read: as set, else "ascii" or "utf-8" if all fields allow it, else "iso-8859-1".

        Setting it raises LookupError for an unknown name.
        """
        if self._encoding is not None:
            return self._encoding
        everything = b"".join([part for pair in self._pairs for part in pair])
        if everything.isascii():
            return "ascii"
        try:
            everything.decode()
        except UnicodeDecodeError:
            return "iso-8859-1"
        return "utf-8"

    @encoding.setter
    def encoding(self, encoding: str) -> None:
        "a".encode(encoding)  # raises LookupError
        self._encoding = encoding

    def getlist(self, name: Text, split_commas: bool = False) -> list[str]:
        """The values of a name, one for each field; a new list, empty where there are none.

        ``split_commas``: each member of a comma-separated list by itself. Commas in quoted strings are not
        looked at: don't use it where members may be quoted, nor for Set-Cookie.
        """
        found = self._values().get(_key(name), ())
        values = [self._decode(value) for value in ((found,) if isinstance(found, bytes) else found)]
        if not split_commas:
            return values
        return [member for value in values for each in value.split(",") if (member := each.strip())]

    @overload
    def get(self, name: Text, default: None = None) -> str | None: ...
    @overload
    def get(self, name: Text, default: str) -> str: ...
    @overload
    def get(self, name: Text, default: T) -> str | T: ...
    def get(self, name: Text, default: object = None) -> object:
        """The values of a name, joined by ", "; ``default`` where there are none."""
        values = self._values().get(_key(name))
        return default if values is None else self._joined(values)

    def __getitem__(self, name: Text) -> str:
        values = self._values().get(_key(name))
        if values is None:
            raise KeyError(name)
        return self._joined(values)

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            # Asked several times of every response: no calls for names that are known (-1 us each).
            index = self._index
            return (_known.get(name) or _lower(name)) in (self._values() if index is None else index)
        return isinstance(name, bytes) and name.lower() in self._values()

    def __iter__(self) -> Iterator[str]:
        return iter([self._decode(name) for name in self._values()])

    def __len__(self) -> int:
        return len(self._values())

    # Changing

    def __setitem__(self, name: Text, value: Text) -> None:
        """Replace all fields of this name by one, where the first of them stood; else append it."""
        pair = self._pair(name, value)
        key = pair[0].lower()
        if key not in self._values():
            self._pairs.append(pair)
        else:
            at = next(at for at, (found, _) in enumerate(self._pairs) if found.lower() == key)
            self._pairs[at] = pair
            self._pairs[at + 1 :] = [each for each in self._pairs[at + 1 :] if each[0].lower() != key]
        self._changed()

    def __delitem__(self, name: Text) -> None:
        """Remove all fields of this name. Raises KeyError where there are none."""
        key = _key(name)
        if key not in self._values():
            raise KeyError(name)
        self._pairs = [pair for pair in self._pairs if pair[0].lower() != key]
        self._changed()

    def add(self, name: Text, value: Text) -> None:
        """Append a field, beside those of the same name."""
        self._pairs.append(self._pair(name, value))
        self._changed()

    def update(self, headers: HeaderFields | None = None, /, **fields: Text) -> None:  # type: ignore[override]
        """Replace the fields of each name given by those given, all of them where a name is repeated."""
        added = self._pairs_of(headers) + self._pairs_of(fields)
        names = {name.lower() for name, _ in added}
        first: dict[bytes, list[Pair]] = {}
        for pair in added:
            first.setdefault(pair[0].lower(), []).append(pair)
        merged: list[Pair] = []
        for pair in self._pairs:
            key = pair[0].lower()
            if key not in names:
                merged.append(pair)
            else:
                merged.extend(first.pop(key, ()))
        for pairs in first.values():
            merged.extend(pairs)
        self._pairs = merged
        self._changed()

    def copy(self) -> Headers:
        """Headers of their own with the same fields."""
        copied = type(self)._from_raw(self._pairs.copy())
        copied._encoding = self._encoding
        copied._checked = copied.version if self._checked == self.version else -1
        copied._derived = self._derived
        return copied

    def derived(self, make: Callable[[Headers], T]) -> T:
        """What the function ``make`` makes of the fields; made once, until they change. Copies share it."""
        known: T | None = self._derived.get(make)
        if known is None:
            known = self._derived[make] = make(self)
        return known

    def check(self) -> None:
        """Raise LocalProtocolError, naming the header, unless all of it may be sent.

        Names must be tokens, values must have no control characters but tab (RFC 9110, sections 5.1 and 5.5).
        """
        if self._checked == self.version:
            return
        for name, _ in self._pairs:
            if name not in _tokens:
                _check_name(name)
        if found := _CONTROL.search(b"".join([value for _, value in self._pairs])):
            culprit = next(name for name, value in self._pairs if _CONTROL.search(value)).decode()
            what = _CONTROL_NAMES.get(found[0], "a control character")
            raise LocalProtocolError(f"Header {culprit!r} has {what} in its value; nothing was sent")
        self._checked = self.version

    # Comparing and showing

    def __eq__(self, other: object) -> bool:
        """Equal if each name has the same values in the same order; the order of names does not matter."""
        if not isinstance(other, Headers):
            if isinstance(other, (str, bytes)) or not isinstance(other, Iterable):
                return NotImplemented
            try:
                other = Headers(other)
            except (TypeError, ValueError):
                return False
        return self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        pairs = [(self._decode(name.lower()), self._shown(name, value)) for name, value in self._pairs]
        fields = repr(dict(pairs) if len(self) == len(pairs) else pairs)
        encoding = self.encoding
        return (
            f"{type(self).__name__}({fields})"
            if encoding == "ascii"
            else (f"{type(self).__name__}({fields}, encoding={encoding!r})")
        )

    def __copy__(self) -> Headers:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._pairs, self._encoding))

    # Bytes and text

    def _changed(self) -> None:
        self._index = None
        self._derived = {}
        self.version += 1

    def _values(self) -> Index:
        index = self._index
        if index is None:
            self._index = index = _indexed(self._pairs)
        return index

    def _joined(self, values: bytes | list[bytes]) -> str:
        return self._decode(values if isinstance(values, bytes) else b", ".join(values))

    def _decode(self, data: bytes) -> str:
        if self._encoding is None and data.isascii():
            return data.decode("ascii")
        return data.decode(self.encoding, "replace")

    def _shown(self, name: bytes, value: bytes) -> str:
        return "[secure]" if name.lower().decode("latin-1") in SECRET_HEADERS else self._decode(value)

    def _pairs_of(self, headers: object) -> list[Pair]:
        if headers is None:
            return []
        if isinstance(headers, Headers):
            return headers._pairs.copy()
        if isinstance(headers, Mapping):
            return [self._pair(name, value) for name, value in headers.items()]
        if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
            raise TypeError(f"headers must be a mapping, pairs or Headers, not {type(headers).__name__}")
        return [self._pair(*_two(item)) for item in headers]

    def _pair(self, name: object, value: object) -> Pair:
        """A field as bytes."""
        encoding = self._encoding or "utf-8"
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"a header's name must be str or bytes, not {type(name).__name__}")
        if not isinstance(value, (str, bytes)):
            raise TypeError(f"header {name!r} must be str or bytes, not {type(value).__name__}")
        try:
            name_bytes = name if isinstance(name, bytes) else name.encode()
            value_bytes = value if isinstance(value, bytes) else value.encode(encoding)
        except UnicodeEncodeError as exc:
            raise ValueError(f"header {name!r} can't be encoded as {exc.encoding}") from exc
        return name_bytes, value_bytes.strip(b" \t")


def _indexed(pairs: list[Pair]) -> Index:
    index: dict[bytes, bytes | list[bytes]] = {name.lower(): value for name, value in pairs}
    if len(index) < len(pairs):
        lists: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            lists.setdefault(name.lower(), []).append(value)
        index.update({name: values for name, values in lists.items() if len(values) > 1})
    return index


def _check_name(name: bytes) -> None:
    if not _TOKEN.fullmatch(name):
        shown = name.decode("ascii", "backslashreplace")
        raise LocalProtocolError(
            f"Header name {shown!r} is not a token (letters, digits and !#$%&'*+-.^_`|~); nothing was sent"
        )
    if len(name) <= 64:
        if len(_tokens) >= _MAX_KNOWN:
            _tokens.clear()
        _tokens.add(name)


def _key(name: object) -> bytes:
    """What a name is indexed by."""
    if isinstance(name, str):
        return _lower(name)
    if isinstance(name, bytes):
        return name.lower()
    raise TypeError(f"a header's name must be str or bytes, not {type(name).__name__}")


def _two(item: object) -> tuple[object, object]:
    """Name and value of a pair; a str of two characters is none."""
    if isinstance(item, (tuple, list)) and len(item) == 2:
        return item[0], item[1]
    raise TypeError(f"headers must hold pairs of name and value, not {type(item).__name__}")
