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


class Configured:
    """Its instances are WSGI applications; a call with two arguments makes one."""

    def __init__(self, config: Any, database: Any) -> None: ...

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class ConfiguredAsgi:
    def __init__(self, config: Any, database: Any, cache: Any) -> None: ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class WsgiByIteration(Configured):
    def __iter__(self) -> Any: ...


class AsgiByAwaiting:
    """As the endpoint classes of Starlette."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Any: ...


def test_classes_that_answer_by_being_made() -> None:
    assert app_kind(WsgiByIteration) == "wsgi"
    assert app_kind(AsgiByAwaiting) == "asgi"


@pytest.mark.parametrize("name", ["flask.Flask", "starlette.applications.Starlette", "fastapi.FastAPI"])
def test_the_class_of_a_framework_in_place_of_an_instance(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    cls = getattr(pytest.importorskip(module), attribute)
    with pytest.raises(TypeError, match=f"app={attribute} is a class; pass an instance") as caught:
        app_kind(cls)
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", [Configured, ConfiguredAsgi, mock.Mock])
def test_a_class_in_place_of_an_instance(cls: type) -> None:
    with pytest.raises(TypeError, match="is a class; pass an instance"):
        app_kind(cls)


class NoRepr:
    def __call__(self, *args: Any) -> Any: ...

    def __repr__(self) -> str:
        raise KeyError("no repr")


class NoSignature:
    def __call__(self) -> None: ...

    @property
    def __signature__(self) -> Any:
        raise KeyError("x" * 5000)


def with_long_default(*args: Any, text: str = "line\n" * 5000) -> None: ...


def with_unshown_default(*args: Any, default: Any = NoRepr()) -> None: ...  # noqa: B008


def around_itself() -> None: ...


around_itself.__wrapped__ = around_itself  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "app",
    [
        NoRepr(),
        NoSignature(),
        with_long_default,
        with_unshown_default,
        around_itself,
        functools.partial(with_long_default, "x" * 5000),
        type("X" * 5000, (), {}),
    ],
    ids=range(7),
)
def test_strange_callables_are_told_of_on_one_line(app: Any) -> None:
    with pytest.raises(TypeError, match="dispatch=ASGIDispatch") as caught:
        app_kind(app)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_what_is_no_application() -> None:
    with pytest.raises(TypeError, match="app must be"):
        app_kind("module:app")  # type: ignore[arg-type]
