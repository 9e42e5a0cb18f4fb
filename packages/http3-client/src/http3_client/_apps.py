"""Telling WSGI from ASGI: by how an application can be called.

A WSGI application takes two arguments, ``(environ, start_response)``, and returns; an ASGI application
takes three, ``(scope, receive, send)``, and is awaited. Functions, methods, partials, classes and
instances alike are judged by that. Who can be called either way (``*args``) is not guessed at, and a class
whose instances are applications is not one itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from http3_models.engine import short_repr, short_text

Kind = Literal["asgi", "wsgi"]

_HINT = "pass it as dispatch=ASGIDispatch(app) or dispatch=WSGIDispatch(app)"


def app_kind(app: Callable[..., Any]) -> Kind:
    """Which of the two ``app`` is. Raises TypeError where it is neither, or may be both."""
    import inspect

    if not callable(app):
        raise TypeError(f"app must be a WSGI or ASGI application, not {type(app).__name__}")
    if isinstance(app, type) and _makes_applications(app):
        raise _is_only_a_class(app)
    try:
        signature = inspect.signature(app)
        awaited = _is_awaited(app)
    except Exception as exc:  # an object may answer questions about itself with anything
        raise TypeError(f"app={short_repr(app)} doesn't show how it is called: {_HINT}") from exc
    two, three = _takes(signature, 2), _takes(signature, 3)
    if two and three and _needs(signature) == 2:
        three = False  # a third argument with a default is the application's own affair
    if three and (awaited or not two):
        return "asgi"
    if two and not three and not awaited:
        return "wsgi"
    if isinstance(app, type):
        raise _is_only_a_class(app)
    shown = short_repr(signature).removeprefix("<Signature ").removesuffix(">")
    raise TypeError(
        f"app={short_repr(app)} can't be told to be WSGI or ASGI by its signature {shown}: {_HINT}"
    )


def _makes_applications(app: type) -> bool:
    """Whether its instances can be called, and are no answer to a call of the class: neither an iterable, as
    PEP 3333 wants, nor an awaitable."""
    names = {name for cls in app.__mro__ for name in cls.__dict__}
    return "__call__" in names and not names & {"__iter__", "__getitem__", "__await__"}


def _is_only_a_class(app: type) -> TypeError:
    name = short_text(app.__name__)
    return TypeError(
        f"app={name} is a class; pass an instance of it, app={name}(...). Where a call of the class itself "
        f"answers a request, {_HINT}"
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
    """How many positional arguments have no default."""
    positional = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")
    return sum(
        parameter.kind.name in positional and parameter.default is parameter.empty
        for parameter in signature.parameters.values()
    )
