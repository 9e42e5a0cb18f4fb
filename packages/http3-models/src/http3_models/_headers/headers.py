"""`Headers`, a case-insensitive, ordered multi-dict of header fields (RFC 9110 section 5).

Fields are kept as pairs of bytes, with names as written: that is what HTTP/1.1 sends. Look-ups use an index
by lower-case name, which is built when it is first needed and updated with each change. So a parser's list is
taken over at no cost, and reading ten fields costs one pass over it. While fields are replaced or removed,
they are in `Slots` instead of the list, which is rebuilt when it is next needed.

Text and bytes: str values are stored as UTF-8, or in the encoding that was set. Bytes are read in the
encoding that was set, or else as ASCII or UTF-8 if all fields can be, or as ISO-8859-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Protocol, TypeAlias, TypeVar, Union, overload

from .._brief import short_repr
from .._exceptions import LocalProtocolError
from .._peer_names import HEADERS_NAMES, explain_names
from .._redaction import forget_locals
from .fields import (
    FieldIndex,
    FieldPair,
    NonASCII,
    Slots,
    Text,
    as_pair,
    check_pairs,
    indexed,
    key_of,
    known_names,
    pair_of,
)
from .secret_fields import redacted_value

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


@explain_names(HEADERS_NAMES)
class Headers(MutableMapping[str, str]):
    """Header fields, in order; names are compared without case and may occur several times.

    ``headers``: a mapping, pairs, Headers, or None; names and values are str or bytes. As a mapping it has
    each name once, in lower case, its values joined by ", "; `getlist`, `raw` and `wire` return the fields.
    ``encoding``: see `encoding`.

    Whitespace around a value is not part of it (RFC 9110 section 5.5) and is removed. Raises TypeError that
    names the header for other types. `check` checks whether the fields may be sent.
    """

    __slots__ = (
        "_cached_values",
        "_checked",
        "_encoding",
        "_index",
        "_list",
        "_non_ascii",
        "_prefix",
        "_slots",
        "version",
    )

    _list: list[FieldPair]  # out of date while there are `_slots`
    _slots: Slots | None
    _index: FieldIndex | None
    _encoding: str | None  # as set
    _non_ascii: NonASCII | None  # decides the encoding otherwise, once that was needed
    _checked: int
    _cached_values: dict[object, Any]
    _prefix: tuple[Headers, list[FieldPair]] | None  # other headers and the pairs that follow them here

    version: int
    """Grows with each change; for caches of what was computed from the fields."""

    def __init__(self, headers: HeaderFields | None = None, encoding: str | None = None) -> None:
        self._list = []
        self._encoding = self._non_ascii = None
        self._index = self._slots = None
        self._checked = -1
        self._cached_values = {}
        self._prefix = None
        self.version = 0
        if encoding is not None:
            self.encoding = encoding
        elif headers is not None and isinstance(headers, Headers):
            self._encoding = headers._encoding
        try:
            if headers is not None:
                self._list = self._pairs_of(headers)
        except (TypeError, ValueError) as exc:
            forget_locals(exc)
            raise
        finally:
            del headers

    @classmethod
    def _from_raw(cls, pairs: list[FieldPair], index: FieldIndex | None = None) -> Headers:
        """Headers of pairs that a parser has validated; the list is used, not copied.

        ``index``: of the pairs, if the parser has made one; used, too.
        """
        self = cls.__new__(cls)
        self._list = pairs
        self._index = index
        self._slots = self._encoding = self._non_ascii = None
        self._checked = -1
        self._cached_values = {}
        self._prefix = None
        self.version = 0
        return self

    def _with_suffix(self, pairs: list[FieldPair]) -> Headers:
        """New headers: these, which must not change later, and behind them ``pairs``, which are valid."""
        longer = type(self)._from_raw(self._list + pairs)
        longer._encoding = self._encoding
        longer._checked = 0 if self._checked == self.version else -1
        longer._prefix = (self, pairs)
        return longer

    # Reading

    @property
    def raw(self) -> list[FieldPair]:
        """The fields as pairs of bytes, names in lower case; a new list."""
        pairs = self._list if self._slots is None else self._pairs  # mostly one call less
        return [(name.lower(), value) for name, value in pairs]

    @property
    def wire(self) -> list[FieldPair]:
        """The fields as pairs of bytes, names as written; a new list."""
        return (self._list if self._slots is None else self._pairs).copy()

    @property
    def encoding(self) -> str:
        """The encoding of the fields: as set, else "ascii" or "utf-8" if all can be read so, or "iso-8859-1".

        Setting it raises LookupError for an unknown name.
        """
        if self._encoding is not None:
            return self._encoding
        non_ascii = self._non_ascii
        if non_ascii is None:
            self._non_ascii = non_ascii = NonASCII(self._pairs)
        return non_ascii.encoding

    @encoding.setter
    def encoding(self, encoding: str) -> None:
        try:
            "a".encode(encoding)
        except LookupError as exc:
            raise LookupError(
                f"encoding: {short_repr(encoding)} is no text encoding that Python knows"
            ) from exc
        self._encoding = encoding

    def getlist(self, name: Text, split_commas: bool = False) -> list[str]:
        """The values of a name, one for each field; a new list, empty where there are none.

        ``split_commas``: split comma-separated lists into their members, also at commas in quoted strings:
        don't use it where members may be quoted, nor for Set-Cookie.
        """
        found = self._values().get(key_of(name), ())
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
        values = self._values().get(key_of(name))
        return default if values is None else self._joined(values)

    def __getitem__(self, name: Text) -> str:
        values = self._values().get(key_of(name))
        if values is None:
            raise KeyError(name)
        return self._joined(values)

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            # Needed several times for each response: no call for names that are known (-1 us each).
            index = self._index
            return (known_names.get(name) or key_of(name)) in (self._values() if index is None else index)
        return isinstance(name, bytes) and name.lower() in self._values()

    def __iter__(self) -> Iterator[str]:
        return iter([self._decode(name) for name in self._values()])

    def __len__(self) -> int:
        return len(self._values())

    # Changing

    def __setitem__(self, name: Text, value: Text) -> None:
        """Replace all fields of this name by one, in the place of the first; else append it."""
        try:
            pair = pair_of(name, value, self._encoding or "utf-8")
        except (TypeError, ValueError) as exc:
            forget_locals(exc)
            raise
        finally:
            del value
        self._put(pair[0].lower(), [pair])
        self._changed()

    def __delitem__(self, name: Text) -> None:
        """Remove all fields of this name. Raises KeyError where there are none."""
        key = key_of(name)
        index = self._values()
        if key not in index:
            raise KeyError(name)
        self._count(self._editable().remove(key), -1)
        del index[key]
        self._changed()

    def add(self, name: Text, value: Text) -> None:
        """Append a field; others of the same name stay."""
        try:
            pair = pair_of(name, value, self._encoding or "utf-8")
        except (TypeError, ValueError) as exc:
            forget_locals(exc)
            raise
        finally:
            del value
        self._append(pair[0].lower(), [pair])
        self._changed()

    def update(self, headers: HeaderFields | None = None, /, **fields: Text) -> None:  # type: ignore[override]
        """Replace the fields of each name in ``headers`` by those given, which may repeat a name."""
        try:
            added = self._pairs_of(headers) + self._pairs_of(fields)
        except (TypeError, ValueError) as exc:
            forget_locals(exc)
            raise
        finally:
            del headers, fields
        groups: dict[bytes, list[FieldPair]] = {}
        for pair in added:
            groups.setdefault(pair[0].lower(), []).append(pair)
        for key, pairs in groups.items():
            self._put(key, pairs)
        self._changed()

    def clear(self) -> None:
        """Remove all fields."""
        self._list, self._index, self._slots = [], {}, None
        self._non_ascii = None
        self._changed()

    def popitem(self) -> tuple[str, str]:
        """Remove the name that was added last, and return it with its value. Raises KeyError if there is
        none."""
        if not self._values():
            raise KeyError("there are no headers")
        key, values = self._values().popitem()
        item = (self._decode(key), self._joined(values))
        self._count(self._editable().remove(key), -1)
        self._changed()
        return item

    def copy(self) -> Headers:
        """Independent headers with the same fields."""
        copied = type(self)._from_raw((self._list if self._slots is None else self._pairs).copy())
        copied._encoding = self._encoding
        copied._checked = copied.version if self._checked == self.version else -1
        copied._cached_values = self._cached_values
        copied._prefix = self._prefix
        return copied

    def cached(
        self, compute: Callable[[Headers], T], extend: Callable[[T, list[FieldPair]], T] | None = None
    ) -> T:
        """The result of ``compute(self)``, computed once until the fields change. Copies share it.

        ``extend(value, pairs)`` returns the same, from the result for the first fields and the pairs behind
        them: where many requests begin with the same fields, `compute` is called once for all.
        """
        known: T | None = self._cached_values.get(compute)
        if known is None:
            prefix = self._prefix
            if extend is None or prefix is None:
                known = compute(self)
            else:
                known = extend(prefix[0].cached(compute), prefix[1])
            self._cached_values[compute] = known
        return known

    def check(self) -> None:
        """Raise LocalProtocolError, naming the header, unless all fields may be sent.

        Names must be tokens, values must have no control characters but tab (RFC 9110, sections 5.1 and 5.5).
        """
        if self._checked != self.version:
            try:
                check_pairs(self._list if self._slots is None else self._pairs)
            except LocalProtocolError as exc:
                forget_locals(exc)
                raise
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

    def _without_secrets(self) -> Headers:
        """A copy for pickles and tracebacks; of a Set-Cookie field the cookie's name stays."""
        return type(self)(
            [(name, redacted_value(name, value)) for name, value in self._pairs], self._encoding
        )

    def __copy__(self) -> Headers:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._pairs, self._encoding))

    # Bytes and text

    @property
    def _pairs(self) -> list[FieldPair]:
        """The fields, in order; they are moved back to the list."""
        slots = self._slots
        if slots is not None:
            self._list = slots.pairs()
            self._slots = None
        return self._list

    def _editable(self) -> Slots:
        """The fields in slots, to replace and remove some of them."""
        slots = self._slots
        if slots is None:
            self._slots = slots = Slots(self._list)
        return slots

    def _put(self, key: bytes, pairs: list[FieldPair]) -> None:
        """Put ``pairs`` in the place of all fields of this key, or at the end."""
        index = self._values()
        if key not in index:
            self._append(key, pairs)
            return
        self._count(self._editable().replace(key, pairs), -1)
        self._count(pairs, 1)
        index[key] = _entry(pairs)

    def _append(self, key: bytes, pairs: list[FieldPair]) -> None:
        if self._slots is None:
            self._list += pairs
        else:
            self._slots.append(key, pairs)
        self._count(pairs, 1)
        index = self._index
        if index is None:
            return
        known = index.get(key)
        if known is None:
            index[key] = _entry(pairs)
        else:
            values = known if isinstance(known, list) else [known]
            values += [value for _, value in pairs]
            index[key] = values

    def _count(self, pairs: list[FieldPair], by: int) -> None:
        if self._non_ascii is not None:
            self._non_ascii.count(pairs, by)

    def _changed(self) -> None:
        self._prefix = None
        self._cached_values = {}
        self.version += 1

    def _values(self) -> FieldIndex:
        index = self._index
        if index is None:
            self._index = index = indexed(self._pairs)
        return index

    def _joined(self, values: bytes | list[bytes]) -> str:
        value = values if isinstance(values, bytes) else b", ".join(values)
        if self._encoding is None and value.isascii():
            return value.decode("ascii")
        return self._decode(value)

    def _decode(self, data: bytes) -> str:
        if self._encoding is None and data.isascii():
            return data.decode("ascii")
        return data.decode(self.encoding, "replace")

    def _shown(self, name: bytes, value: bytes) -> str:
        hidden = redacted_value(name, value)
        return "[secure]" if name.lower() == b"set-cookie" else self._decode(hidden)

    def _pairs_of(self, headers: object) -> list[FieldPair]:
        if headers is None:
            return []
        if isinstance(headers, Headers):
            return headers.wire
        encoding = self._encoding or "utf-8"
        if isinstance(headers, Mapping):
            return [pair_of(name, value, encoding) for name, value in headers.items()]
        if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
            raise TypeError(f"headers must be a mapping, pairs or Headers, not {type(headers).__name__}")
        return [pair_of(*as_pair(item), encoding) for item in headers]


def _entry(pairs: list[FieldPair]) -> bytes | list[bytes]:
    """The value of an index for the fields of one key."""
    return pairs[0][1] if len(pairs) == 1 else [value for _, value in pairs]


class _FromPairs(Protocol):
    def __call__(self, pairs: list[FieldPair], index: FieldIndex | None = None) -> Headers: ...


headers_from_pairs: _FromPairs = Headers._from_raw
"""Headers of pairs that a parser has validated; the list and the index are used, not copied."""
