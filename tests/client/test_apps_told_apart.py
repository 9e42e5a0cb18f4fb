"""WSGI or ASGI? By how an application can be called."""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any
from unittest import mock

import pytest

from http3_client._apps import app_kind


def wsgi(environ: Any, start_response: Any) -> Any: ...


def wsgi_with_extra(environ: Any, start_response: Any, extra: Any = None) -> Any: ...


def wsgi_with_config(config: Any, environ: Any, start_response: Any) -> Any: ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


async def asgi_with_config(config: Any, scope: Any, receive: Any, send: Any) -> None: ...


async def asgi_rest(*args: Any) -> None: ...


def asgi_wrapper(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...

    def method(self, environ: Any, start_response: Any) -> Any: ...


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...


class Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...

    @staticmethod
    async def static(scope: Any, receive: Any, send: Any) -> None: ...


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (wsgi, "wsgi"),
        (wsgi_with_extra, "wsgi"),
        (functools.partial(wsgi_with_config, {}), "wsgi"),
        (functools.partial(functools.partial(wsgi_with_config), {}), "wsgi"),
        (decorated(wsgi), "wsgi"),
        (lambda environ, start_response: [], "wsgi"),
        (Wsgi(), "wsgi"),
        (Wsgi().method, "wsgi"),
        (decorated(Wsgi()), "wsgi"),
        (WsgiClass, "wsgi"),
        (asgi, "asgi"),
        (asgi_rest, "asgi"),
        (asgi_wrapper, "asgi"),
        (functools.partial(asgi_with_config, {}), "asgi"),
        (decorated(asgi), "asgi"),
        (Asgi(), "asgi"),
        (Asgi().method, "asgi"),
        (Asgi.static, "asgi"),
    ],
)
def test_kinds(app: Any, kind: str) -> None:
    assert app_kind(app) == kind


@pytest.mark.parametrize("framework", ["flask", "django_wsgi", "django_asgi", "starlette", "fastapi"])
def test_frameworks(framework: str) -> None:
    app, kind = _framework(framework)
    assert app_kind(app) == kind


def _framework(name: str) -> tuple[Any, str]:
    if name == "flask":
        return pytest.importorskip("flask").Flask("x"), "wsgi"
    if name == "starlette":
        return pytest.importorskip("starlette.applications").Starlette(), "asgi"
    if name == "fastapi":
        return pytest.importorskip("fastapi").FastAPI(), "asgi"
    pytest.importorskip("django")
    settings = import_module("django.conf").settings
    if not settings.configured:
        settings.configure()
    if name == "django_wsgi":
        return import_module("django.core.handlers.wsgi").WSGIHandler(), "wsgi"
    return import_module("django.core.handlers.asgi").ASGIHandler(), "asgi"


@pytest.mark.parametrize(
    "app",
    [
        lambda *args: None,
        lambda: None,
        lambda scope: None,
        lambda a, b, c, d: None,
        lambda scope, receive=None, send=None: None,
        mock.Mock(),
        print,
        dict,
    ],
)
def test_what_can_not_be_told(app: Any) -> None:
    with pytest.raises(TypeError, match=r"dispatch=ASGIDispatch\(app\) or dispatch=WSGIDispatch\(app\)"):
        app_kind(app)


def test_what_is_no_application() -> None:
    with pytest.raises(TypeError, match="app must be"):
        app_kind("module:app")  # type: ignore[arg-type]
