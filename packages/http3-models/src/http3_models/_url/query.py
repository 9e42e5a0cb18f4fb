"""`QueryParams`, an immutable multi-dict of the pairs in a query, and the encoding of queries and forms.

The encoding is application/x-www-form-urlencoded: a space is ``+``, and all but the unreserved characters of
RFC 3986 are escaped. `text_of` makes text of the values of ``params=`` and of forms in ``data=``.

A query that is given as text is not changed: servers may sign it, or read it in another encoding than UTF-8.
So `QueryParams` holds the text of the query, and parses it when a value is read.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, Union

from .._brief import short_repr
from .._peer_names import QUERY_NAMES, explain_names
from .percent import QUERY, Undecoded, encode_form, keeping_escapes, percent_decode, shown_text, utf8

QueryParamTypes: TypeAlias = Union[
    "QueryParams",
    Mapping[str, object],
    Sequence[tuple[str, object]],
    Iterator[tuple[str, object]],
    ItemsView[str, object],
    str,
]
"""What ``params=`` takes.

Values are str, bytes, int, float, bool or None, or lists of these. The type is wider, since mypy infers
``dict[str, object]`` for a variable such as ``{"q": "x", "page": 2}``; other values are a TypeError.

Not Iterable, which a dict is, too: mypy could then not infer the type of a dict literal.
"""


encode_query = keeping_escapes(QUERY)


def encode_pairs(pairs: Iterable[tuple[str, str | bytes]], label: str) -> str:
    """``name=value&...``, percent and plus encoded, in order; bytes are escaped byte for byte.

    Raises ValueError, which names ``label`` and the field, for a lone surrogate.
    """
    pairs = list(pairs)
    try:
        return "&".join([f"{encode_form(name)}={encode_form(value)}" for name, value in pairs])
    except ValueError:
        for name, value in pairs:
            utf8(name, f"{label}: the name {short_repr(name)}")
            if isinstance(value, str):
                utf8(value, f"{label}[{short_repr(name)}]")
        raise


def decode_octets(text: str) -> list[tuple[bytes, bytes]]:
    """The pairs of a query or form. Blank values are kept."""
    pieces = (piece.replace("+", " ").partition("=") for piece in text.split("&") if piece)
    return [(percent_decode(name), percent_decode(value)) for name, _, value in pieces]


def decode_pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of a query or form as text; what is no UTF-8 is an `Undecoded`."""
    return [(shown_text(name), shown_text(value)) for name, value in decode_octets(text)]


MAPPINGS = (dict, Mapping)
"""For `isinstance`, which is slow for an abstract class, and finds a dict first."""

_BYTES = (bytes, bytearray, memoryview)

PLAIN_TYPES = frozenset([str, int])
"""The types of nearly all values: ``str()`` returns what `text_of` does, in a fifth of the time."""


def text_of(value: object, label: str) -> str:
    """One value as text: True and False as true and false, numbers as Python writes them.

    Raises TypeError, whose message begins with ``label``.
    """
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    raise TypeError(
        f"{label} must be str, bytes, int, float, bool or None, or a list of these, "
        f"not {type(value).__name__}"
    )


def plain_text(text: str) -> str:
    """The text as a plain str: the methods of a subclass may do something else. An `Undecoded` stays one."""
    return text if type(text) is Undecoded else str.__str__(text)


def bytes_or_text(value: object, label: str) -> str | bytes:
    """Bytes as bytes, other values like `text_of`."""
    return bytes(value) if isinstance(value, _BYTES) else text_of(value, label)


@explain_names(QUERY_NAMES)
class QueryParams(Mapping[str, str]):
    """The pairs of a query, in order; a name may occur several times. Immutable.

    ``params``: a query as text (without ``?``), a mapping, pairs, QueryParams, or None. A list as value
    repeats the name, None is left out, True and False become true and false, bytes are escaped byte for byte.
    Raises TypeError for others, ValueError that names the parameter for a lone surrogate.

    Text is not changed (``flag`` gets no ``=``); only characters that a URL can't have are escaped, and a
    space becomes ``+``. ``str()`` is the query. As a mapping it has the first value of each name; `getlist`
    and `multi_items` return all. A value that is no UTF-8 has U+FFFD in its text and keeps its octets: as
    ``params`` or ``data`` it is sent as it was received.
    """

    __slots__ = ("_index", "_text")

    _text: str
    _index: dict[str, list[str]] | None

    def __init__(self, params: QueryParamTypes | None = None) -> None:
        self._text, self._index = "", None  # for its repr, if ``params`` is refused
        self._text = query_of(params)

    def _lists(self) -> dict[str, list[str]]:
        if self._index is None:
            index: dict[str, list[str]] = {}
            for name, value in decode_pairs(self._text):
                index.setdefault(name, []).append(value)
            self._index = index
        return self._index

    def getlist(self, name: str) -> list[str]:
        """All values of a name, in order; a new list, empty where there are none."""
        return list(self._lists().get(name, ()))

    def multi_items(self) -> list[tuple[str, str]]:
        """All pairs, in order; a new list."""
        return decode_pairs(self._text)

    def merge(self, other: QueryParamTypes | None) -> QueryParams:
        """These pairs without the names that ``other`` has, then those of ``other``.

        A name that a mapping gives as None is removed.
        """
        added = QueryParams(other)
        names = {name for name, _ in decode_octets(added._text)}
        if isinstance(other, Mapping):
            names.update([name.encode("utf-8", "surrogatepass") for name in other])
        kept = [piece for piece in self._text.split("&") if not piece or _name_of(piece) not in names]
        merged = QueryParams()
        merged._text = "&".join([text for text in ("&".join(kept), added._text) if text])
        return merged

    def __getitem__(self, name: str) -> str:
        return self._lists()[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._lists()

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists())

    def __len__(self) -> int:
        return len(self._lists())

    def __bool__(self) -> bool:
        return bool(self._text) and bool(self._text.strip("&"))

    def _octets(self) -> dict[bytes, list[bytes]]:
        values: dict[bytes, list[bytes]] = {}
        for name, value in decode_octets(self._text):
            values.setdefault(name, []).append(value)
        return values

    def __eq__(self, other: object) -> bool:
        """Equal if each name has the same values in the same order; the order of names does not matter."""
        if not isinstance(other, QueryParams):
            if not isinstance(other, Mapping):
                return NotImplemented
            try:
                other = QueryParams(other)
            except (TypeError, ValueError):
                return False
        return self._text == other._text or self._octets() == other._octets()

    def __hash__(self) -> int:
        return hash(tuple(sorted((name, tuple(values)) for name, values in self._octets().items())))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._text,))


def query_of(params: object) -> str:
    """The text of ``QueryParams(params)``. Raises TypeError and ValueError."""
    if params is None:
        return ""
    if isinstance(params, QueryParams):
        return params._text
    if isinstance(params, str):
        utf8(params, "params")
        return encode_query(params.replace(" ", "+"))
    if isinstance(params, MAPPINGS):
        return encode_pairs(_text_pairs(params.items()), "params")
    if isinstance(params, Iterable) and not isinstance(params, (bytes, bytearray)):
        return encode_pairs(_text_pairs(params), "params")
    raise TypeError(f"params must be a str, a mapping, pairs or QueryParams, not {type(params).__name__}")


def _name_of(piece: str) -> bytes:
    return percent_decode(piece.partition("=")[0].replace("+", " "))


def _text_pairs(items: Iterable[object]) -> list[tuple[str, str | bytes]]:
    """The pairs of a caller as pairs of text: a list repeats its name, None is left out."""
    pairs: list[tuple[str, str | bytes]] = []
    for item in items:
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise TypeError(f"params must hold pairs of name and value, not {type(item).__name__}")
        name, value = item
        if not isinstance(name, str):
            raise TypeError(f"params must have names of type str, not {type(name).__name__}")
        name = plain_text(name)
        if type(value) in PLAIN_TYPES:
            pairs.append((name, str(value)))
            continue
        several = isinstance(value, Iterable) and not isinstance(value, (str, *_BYTES, Mapping))
        label = f"params[{short_repr(name)}]"
        values = value if several else (value,)
        pairs += [(name, bytes_or_text(each, label)) for each in values if each is not None]
    return pairs
