"""The signatures of `get`, `post` and so on, as type checkers and `inspect` see them.

`Client.request` has the full signature. The other methods take ``**options`` and pass them on by name. All
take ``*surplus`` as well, and `request` ``**unknown``, to tell a caller what to write instead (`hints`).
`shown_as` hides that: type checkers see the signature of a template, with ``**options:
Unpack[RequestOptions]`` and nothing surplus, `inspect` and `help` see the full signature.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, Unpack, cast

if TYPE_CHECKING:
    from http3_models import AsyncRequest, Request, URLTypes

    from .options import (
        AsyncBuildOptions,
        AsyncRequestOptions,
        AsyncStreamOptions,
        BuildOptions,
        RequestOptions,
        SendOptions,
        StreamOptions,
    )

P = ParamSpec("P")
T = TypeVar("T")


class Function(Protocol):
    """A function that a ``def`` statement makes."""

    __code__: CodeType
    __kwdefaults__: dict[str, Any] | None
    __annotations__: dict[str, Any]

    @property
    def __globals__(self) -> dict[str, Any]: ...


# Templates for `shown_as`; they are never called.


def of_request(client: Any, method: str, url: URLTypes, **options: Unpack[RequestOptions]) -> None:
    """`Client.request`."""


def of_verb(client: Any, url: URLTypes, **options: Unpack[RequestOptions]) -> None:
    """`Client.get` and so on."""


def of_stream(client: Any, method: str, url: URLTypes, **options: Unpack[StreamOptions]) -> None:
    """`Client.stream`."""


def of_async_request(client: Any, method: str, url: URLTypes, **options: Unpack[AsyncRequestOptions]) -> None:
    """`AsyncClient.request`."""


def of_async_verb(client: Any, url: URLTypes, **options: Unpack[AsyncRequestOptions]) -> None:
    """`AsyncClient.get` and so on."""


def of_async_stream(client: Any, method: str, url: URLTypes, **options: Unpack[AsyncStreamOptions]) -> None:
    """`AsyncClient.stream`."""


def of_build_request(client: Any, method: str, url: URLTypes, **options: Unpack[BuildOptions]) -> None:
    """`Client.build_request`."""


def of_async_build_request(
    client: Any, method: str, url: URLTypes, **options: Unpack[AsyncBuildOptions]
) -> None:
    """`AsyncClient.build_request`."""


def of_send(client: Any, request: Request, **options: Unpack[SendOptions]) -> None:
    """`Client.send`."""


def of_async_send(client: Any, request: AsyncRequest, **options: Unpack[SendOptions]) -> None:
    """`AsyncClient.send`."""


def of_function(method: str, url: URLTypes, **options: Unpack[RequestOptions]) -> None:
    """`http3.request`."""


def of_verb_function(url: URLTypes, **options: Unpack[RequestOptions]) -> None:
    """`http3.get` and so on."""


def shown_as(
    template: Callable[P, object],
    source: Callable[..., object] | None = None,
    *,
    without: tuple[str, ...] = ("method",),
    **changed: object,
) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """A decorator: type checkers see the arguments of ``template``, `inspect` those of ``source``.

    Of ``source`` are left out the arguments ``without``; ``changed`` are defaults that differ. By default the
    source is the decorated function itself. `inspect.signature` and `help` follow ``__wrapped__``: it is a
    stub that has the signature and is never called. (``__signature__`` would need `inspect`, whose import
    takes longer than a request.)
    """

    def decorate(function: Callable[..., T]) -> Callable[P, T]:
        shown = function if source is None else source
        stub = _stub(
            cast(Function, shown), cast(Function, function), () if source is None else without, changed
        )
        setattr(function, "__wrapped__", stub)  # noqa: B010 (not an attribute that checkers know)
        return function

    return decorate


def _stub(
    source: Function, function: Function, without: tuple[str, ...], changed: dict[str, object]
) -> FunctionType:
    code = function.__code__
    names = tuple(name for name in argument_names(source.__code__) if name not in without)
    defaults = {**(source.__kwdefaults__ or {}), **changed}
    defaults = {name: value for name, value in defaults.items() if name in names}
    stub = FunctionType(
        _nothing.__code__.replace(
            co_argcount=len(names) - len(defaults),
            co_kwonlyargcount=len(defaults),
            co_varnames=names,
            co_nlocals=len(names),
            co_filename=code.co_filename,
            co_firstlineno=code.co_firstlineno,
            co_name=code.co_name,
        ),
        source.__globals__,
    )
    stub.__kwdefaults__ = defaults
    stub.__annotations__ = {
        name: source.__annotations__[name] for name in names if name in source.__annotations__
    }
    stub.__annotations__["return"] = function.__annotations__["return"]
    return stub


def argument_names(code: CodeType) -> tuple[str, ...]:
    """The names of a function's arguments, without ``*`` and ``**``."""
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _nothing() -> None:
    """The body of every stub."""
