"""`QueryParams`, an immutable multi-dict of the pairs in a query, and the form encoding it shares with forms.

Encoding is application/x-www-form-urlencoded: a space is ``+``, everything but RFC 3986's unreserved
characters is escaped. Values become text in one place, `text_of`, so that ``params=`` and a form in
``data=`` can't differ.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, Union

from ._brief import brief
from ._percent import decode, encode_form

PrimitiveValue: TypeAlias = str | int | float | bool | None
_Value: TypeAlias = PrimitiveValue | Iterable[PrimitiveValue]
_Pair: TypeAlias = tuple[str, _Value]
QueryParamTypes: TypeAlias = Union[
    "QueryParams", Mapping[str, _Value], Sequence[_Pair], Iterator[_Pair], ItemsView[str, _Value], str
]
"""What ``params=`` takes.

Not Iterable, which would take in dict: mypy could not tell any more what a literal dict is meant to be.
"""


def encode_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """``name=value&...``, percent and plus encoded, in order."""
    return "&".join([f"{encode_form(name)}={encode_form(value)}" for name, value in pairs])


def decode_pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of a query or form. Blank values are kept; what is no UTF-8 becomes U+FFFD."""
    pieces = (piece.replace("+", " ").partition("=") for piece in text.split("&") if piece)
    return [(_decoded(name), _decoded(value)) for name, _, value in pieces]


MAPPINGS = (dict, Mapping)
"""For `isinstance`, which runs Python code for an abstract class, and none for a dict."""

PLAIN_TYPES = frozenset([str, int])
"""Nearly all values are of these: `str` makes of them what `text_of` does, in a fifth of the time."""


def text_of(value: object, label: str) -> str:
    """One value as text: True and False as true and false, numbers as Python writes them.

    Raises TypeError that begins with ``label``.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    raise TypeError(
        f"{label} must be str, int, float, bool or None, or a list of these, not {type(value).__name__}"
    )


class QueryParams(Mapping[str, str]):
    """The pairs of a query, in order; a name may occur several times. Immutable.

    ``params``: a query as text (without ``?``), a mapping, pairs, QueryParams, or None. A list as value
    repeats the name, None is left out, True and False become true and false. Raises TypeError for others.

    As a mapping it shows the first value of each name; `getlist` and `multi_items` show all.
    """

    __slots__ = ("_index", "_pairs")

    _pairs: tuple[tuple[str, str], ...]
    _index: dict[str, list[str]] | None

    def __init__(self, params: QueryParamTypes | None = None) -> None:
        self._pairs = ()
        self._index = None
        self._pairs = pairs_of(params)

    def _lists(self) -> dict[str, list[str]]:
        if self._index is None:
            index: dict[str, list[str]] = {}
            for name, value in self._pairs:
                index.setdefault(name, []).append(value)
            self._index = index
        return self._index

    def getlist(self, name: str) -> list[str]:
        """All values of a name, in order; a new list, empty where there are none."""
        return list(self._lists().get(name, ()))

    def multi_items(self) -> list[tuple[str, str]]:
        """All pairs, in order; a new list."""
        return list(self._pairs)

    def merge(self, other: QueryParamTypes | None) -> QueryParams:
        """These pairs without the names that ``other`` has, then those of ``other``.

        A name that a mapping gives as None is removed.
        """
        added = QueryParams(other)
        names = set(other) if isinstance(other, Mapping) else added.keys()
        kept = [pair for pair in self._pairs if pair[0] not in names]
        return QueryParams([*kept, *added._pairs])

    def __getitem__(self, name: str) -> str:
        return self._lists()[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._lists()

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists())

    def __len__(self) -> int:
        return len(self._lists())

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def __eq__(self, other: object) -> bool:
        """Equal if each name has the same values in the same order; the order of names does not matter."""
        if not isinstance(other, QueryParams):
            if not isinstance(other, Mapping):
                return NotImplemented
            try:
                other = QueryParams(other)
            except TypeError:
                return False
        return self._lists() == other._lists()

    def __hash__(self) -> int:
        return hash(tuple(sorted((name, tuple(values)) for name, values in self._lists().items())))

    def __str__(self) -> str:
        return encode_pairs(self._pairs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._pairs,))


def pairs_of(params: object) -> tuple[tuple[str, str], ...]:
    """The pairs of what `QueryParams` takes. Raises TypeError for others."""
    if params is None:
        return ()
    if isinstance(params, QueryParams):
        return params._pairs
    if isinstance(params, str):
        return tuple(decode_pairs(params))
    if isinstance(params, MAPPINGS):
        return tuple(_text_pairs(params.items()))
    if isinstance(params, Iterable) and not isinstance(params, (bytes, bytearray)):
        return tuple(_text_pairs(params))
    raise TypeError(f"params must be a str, a mapping, pairs or QueryParams, not {type(params).__name__}")


def _text_pairs(items: Iterable[object]) -> list[tuple[str, str]]:
    """Pairs as a caller wrote them as pairs of text: a list repeats its name, None is left out."""
    pairs: list[tuple[str, str]] = []
    for item in items:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise TypeError(f"params must hold pairs of name and value, not {type(item).__name__}")
        name, value = item
        if not isinstance(name, str):
            raise TypeError(f"params must have names of type str, not {type(name).__name__}")
        name = str.__str__(name)
        if type(value) in PLAIN_TYPES:
            pairs.append((name, str(value)))
            continue
        several = isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, Mapping))
        label = f"params[{brief(name)}]"
        pairs += [
            (name, text_of(each, label)) for each in (value if several else (value,)) if each is not None
        ]
    return pairs


def _decoded(text: str) -> str:
    return decode(text).decode("utf-8", "replace") if "%" in text else text
