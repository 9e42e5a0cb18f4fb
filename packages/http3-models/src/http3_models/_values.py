"""The base of configuration values: immutability, comparison, and the checks of their numbers."""

from __future__ import annotations

import enum
from typing import Any, Final, NoReturn, Self

from ._brief import short_repr

_INFINITE: Final = float("inf")


class Unset(enum.Enum):
    """The type of `UNSET`; an enum, so that type checkers narrow ``is UNSET``."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Stands for "not given", where None has a meaning of its own (no limit)."""


class ImmutableValue:
    """Equality, hash, repr, copying and pickling from a tuple of fields, which are keyword arguments."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self._fields])

    def _arguments(self) -> dict[str, Any]:
        """The keyword arguments that make an equal value."""
        return dict(zip(self._fields, self._values(), strict=True))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    @property
    def _is_made(self) -> bool:
        """False where the constructor failed."""
        return hasattr(self, self._fields[-1])

    def __repr__(self) -> str:
        if not self._is_made:
            return f"<{type(self).__name__}>"
        fields = ", ".join([f"{name}={_shown(value)}" for name, value in self._arguments().items()])
        return f"{type(self).__name__}({fields})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(
            f"{type(self).__name__} is immutable; make a new one instead of setting {name!r}"
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable; {name!r} can't be deleted")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self)._rebuild, (self._arguments(),))

    @classmethod
    def _rebuild(cls, fields: dict[str, Any]) -> Self:
        return cls(**fields)


def set_fields(value: ImmutableValue, /, **fields: object) -> None:
    """Set the fields of a value, in its constructor; they do not change afterwards."""
    for name, field in fields.items():
        object.__setattr__(value, name, field)


def _shown(value: object) -> str:
    return "float('inf')" if value == _INFINITE else repr(value)


class SecretText(str):
    """A password; its repr hides it, also in the repr of a tuple."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[secure]'"


# Checks: each returns the value as it is stored. bool is an int to Python, but ``timeout=True`` is a mistake.


def check_seconds(name: str, value: object, *, zero: bool = False) -> float | None:
    """A duration: positive and finite (``zero``: 0 as well), or None for no limit."""
    if value is None:
        return None
    number = _number(name, value, "None for no limit, or a number of seconds")
    if not (0 <= number < _INFINITE) or (number == 0 and not zero):
        hint = "; None means no limit" if number == _INFINITE else ""
        least = "0 or more" if zero else "more than 0"
        raise ValueError(f"{name} must be {least} seconds, not {short_repr(value)}{hint}")
    return number


def _number(name: str, value: object, expected: str) -> float:
    if value is True or value is False:
        raise ValueError(f"{name} must be {expected}, not {short_repr(value)}")
    if not isinstance(value, int | float):
        raise TypeError(f"{name} must be {expected}, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError as exc:
        raise ValueError(f"{name} is too large: {short_repr(value)}") from exc


def check_count(name: str, value: object, least: int) -> int:
    """A whole number of at least ``least``. Raises TypeError and ValueError that name the argument."""
    if value is True or value is False:
        raise ValueError(f"{name} must be a whole number, not {short_repr(value)}")
    if not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {short_repr(value)}")
    return int(value)


def check_count_or_none(name: str, value: object, least: int) -> int | None:
    return None if value is None else check_count(name, value, least)


def check_ratio(name: str, value: object) -> float:
    number = _number(name, value, "a number")
    if not number > 0:
        raise ValueError(f"{name} must be more than 0, not {short_repr(value)}")
    return number
