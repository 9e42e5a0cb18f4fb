"""The options of `get`, `post` and so on, for type checkers and for `inspect`.

`Client.request` has the full signature. The other methods take ``**options: Unpack[RequestOptions]`` and pass
them on by name, so type checkers and the running program refuse a misspelled name. Python alone would show
them as ``(url, **options)``; with `with_signature_of` `inspect` and `help` show the full signature.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, TypeVar

if TYPE_CHECKING:
    from http3_models import (
        AsyncRequestData,
        AuthTypes,
        CertTypes,
        CookieTypes,
        HeaderTypes,
        QueryParamTypes,
        RequestData,
        RequestFiles,
        TimeoutTypes,
        VerifyTypes,
    )


class Function(Protocol):
    """A function that a ``def`` statement makes."""

    __code__: CodeType
    __kwdefaults__: dict[str, Any] | None
    __annotations__: dict[str, Any]

    @property
    def __globals__(self) -> dict[str, Any]: ...


F = TypeVar("F", bound=Function)


class CommonOptions(TypedDict, total=False):
    """The options of a request in both clients and in the request functions, without ``data``."""

    files: RequestFiles | None
    """multipart/form-data: name -> file, bytes or (filename, file[, type[, headers]]). Default: None."""

    json: object
    """The body: an object that is sent as JSON. Default: None, no body."""

    params: QueryParamTypes | None
    """Added to the URL's query; a name replaces the client's parameter of that name. Default: None."""

    headers: HeaderTypes | None
    """Added to the client's; a name replaces, a value of None removes a header. Default: None."""

    cookies: CookieTypes | None
    """For this request and its redirects on the same origin. Default: None."""

    stream: bool
    """True: return after the response's head, and read the body on demand. Default: False."""

    auth: AuthTypes | None
    """(user, password), a callable ``request -> request``, or an `Auth`. Default: None, the client's."""

    allow_redirects: bool
    """Follow redirects. Default: True, and False for HEAD."""

    cert: CertTypes | None
    """Client certificate: path, (certificate, key) or (certificate, key, password). Default: the client's."""

    verify: VerifyTypes | None
    """True, False, a CA file or folder, or an ``ssl.SSLContext``. Default: None, the client's."""

    timeout: TimeoutTypes | None
    """Seconds, (connect, read), (connect, read, write), or a `TimeoutConfig`. Default: None, the client's."""


class RequestOptions(CommonOptions, total=False):
    """The options of a request in `Client` and in the request functions."""

    data: RequestData | None
    """The body: a dict (form), str, bytes, a binary file, or an iterator of bytes. Default: None."""


class AsyncRequestOptions(CommonOptions, total=False):
    """The options of a request in `AsyncClient`."""

    data: AsyncRequestData | None
    """The body: as in `RequestOptions`, or an async iterator of bytes. Default: None."""


def with_signature_of(request: Function, **changed: object) -> Callable[[F], F]:
    """A decorator that gives a function the signature of ``request``, without ``method``, for `inspect`.

    ``changed`` are defaults that differ. `inspect.signature` and `help` follow ``__wrapped__``: it is a stub
    that has the signature and is never called. (``__signature__`` would need `inspect`, whose import takes
    longer than a request.)
    """
    names = tuple(name for name in _argument_names(request) if name != "method")
    defaults = {**(request.__kwdefaults__ or {}), **changed}

    def decorate(function: F) -> F:
        code = function.__code__
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
            request.__globals__,
        )
        stub.__kwdefaults__ = defaults
        stub.__annotations__ = {
            name: kind for name, kind in request.__annotations__.items() if name != "method"
        }
        setattr(function, "__wrapped__", stub)  # noqa: B010 (not an attribute that checkers know)
        return function

    return decorate


def _argument_names(function: Function) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _nothing() -> None:
    """The body of every stub."""
