"""The fields of a form, as pairs of name and value, from what a caller passes as ``data``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._brief import short_repr
from .._url import PLAIN_TYPES, QueryParams, bytes_or_text, decode_octets, shown_text


def form_pairs(data: Mapping[Any, Any]) -> list[tuple[str, str | bytes]]:
    """The fields of a form: a list repeats its field, None is omitted, True and False are in lower case.

    Bytes stay bytes. Raises TypeError that names ``data`` and the field.
    """
    if isinstance(data, QueryParams):
        return [(shown_text(name), value) for name, value in decode_octets(str(data))]
    multi_items: Callable[[], Iterable[tuple[Any, Any]]] = getattr(data, "multi_items", data.items)
    return expand_values(multi_items())


def expand_values(items: Iterable[tuple[Any, ...]]) -> list[tuple[str, str | bytes]]:
    pairs: list[tuple[str, str | bytes]] = []
    for item in items:
        if len(item) != 2:
            raise TypeError(f"data must hold pairs of name and value, not {len(item)} items")
        name, value = item
        if not isinstance(name, str):
            raise TypeError(f"data must have names of type str, not {type(name).__name__}")
        if type(value) in PLAIN_TYPES:
            pairs.append((name, str(value)))
            continue
        values = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        label = f"data[{short_repr(name)}]"
        pairs += [(name, bytes_or_text(one, label)) for one in values if one is not None]
    return pairs
