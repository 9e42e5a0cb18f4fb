"""How a class explains a name that it does not have: by a descriptor that raises AttributeError with a hint.

A ``__getattr__`` would do the same, and make each access to any other attribute of the class take more than
twice as long. The names are absent all the same: ``hasattr`` is False, `dir` of an instance does not list
them, and a subclass may define them. (`dir` of the class does list them, so a mock with the class as its spec
has them.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar, cast

Class = TypeVar("Class", bound=type)


class _PeerName:
    """An attribute that a class does not have: getting it raises AttributeError."""

    def __init__(self, name: str, hint: str) -> None:
        self._text = f"has no attribute {name!r}: {hint}"

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__name__} {self._text}")


def explain_names(hints: dict[str, str]) -> Callable[[Class], Class]:
    """Decorate a class: its attributes of these names, which it must not have, are an AttributeError with a
    hint."""

    def decorate(decorated: Class) -> Class:
        list_names = cast("Callable[[object], Iterable[str]]", decorated.__dir__)

        def without_hints(self: object) -> list[str]:
            return [name for name in list_names(self) if not isinstance(_found(self, name), _PeerName)]

        for name, hint in hints.items():
            setattr(decorated, name, _PeerName(name, hint))
        decorated.__dir__ = without_hints  # type: ignore[assignment]
        return decorated

    return decorate


def _found(instance: object, name: str) -> object:
    """What the class of the object has under a name, without getting it."""
    return next((vars(base)[name] for base in type(instance).__mro__ if name in vars(base)), None)
