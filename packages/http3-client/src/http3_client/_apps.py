"""Whether an application is WSGI or ASGI, by its signature.

A WSGI application takes two arguments, ``(environ, start_response)``, and returns; an ASGI application takes
three, ``(scope, receive, send)``, and is awaited. That holds for functions, methods, partials, classes and
instances. An application that can be called both ways (``*args``) is refused, and so is a class whose
instances are applications.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from http3_models.engine import short_repr, short_text

Kind = Literal["asgi", "wsgi"]

_HINT = "pass it as dispatch=ASGIDispatch(app) or dispatch=WSGIDispatch(app)"


def app_kind(app: Callable[..., Any]) -> Kind:
    """Whether ``app`` is ASGI or WSGI. Raises TypeError if it is neither, or could be both."""
    import inspect

    if not callable(app):
        raise TypeError(f"app must be a WSGI or ASGI application, not {type(app).__name__}")
    if isinstance(app, type) and _makes_applications(app):
        raise _is_only_a_class(app)
    try:
        signature = inspect.signature(app)
        awaited = _is_awaited(app)
    except Exception as exc:  # attributes of an object may raise anything
        raise TypeError(f"app={short_repr(app)} has no signature: {_HINT}") from exc
    two, three = _takes(signature, 2), _takes(signature, 3)
    if two and three and _needs(signature) == 2:
        three = False  # a third argument with a default is the application's own
    if three and (awaited or not two):
        return "asgi"
    if two and not three and not awaited:
        return "wsgi"
    if isinstance(app, type):
        raise _is_only_a_class(app)
    shown = short_repr(signature).removeprefix("<Signature ").removesuffix(">")
    raise TypeError(
        f"app={short_repr(app)} could be WSGI or ASGI by its signature {shown}, or neither: {_HINT}"
    )


def _makes_applications(app: type) -> bool:
    """Whether the class has callable instances that are no result of an application: neither iterable
    (PEP 3333) nor awaitable."""
    names = {name for cls in app.__mro__ for name in cls.__dict__}
    return "__call__" in names and not names & {"__iter__", "__getitem__", "__await__"}


def _is_only_a_class(app: type) -> TypeError:
    name = short_text(app.__name__)
    return TypeError(
        f"app={name} is a class; pass an instance of it, app={name}(...). If the class itself is the "
        f"application, {_HINT}"
    )


def _is_awaited(app: Callable[..., Any]) -> bool:
    import functools
    import inspect

    while isinstance(app, functools.partial):
        app = app.func
    app = inspect.unwrap(app)
    call = None if inspect.isclass(app) else getattr(app, "__call__", None)  # noqa: B004 (the method itself)
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(call)


def _takes(signature: Any, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _needs(signature: Any) -> int:
    """The number of positional arguments without default."""
    positional = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")
    return sum(
        parameter.kind.name in positional and parameter.default is parameter.empty
        for parameter in signature.parameters.values()
    )
