"""The options of a request, spelled out for type checkers, for people and for `inspect`.

`Client.request` has the one full signature. The verbs take ``**options: Unpack[RequestOptions]`` and
hand them to it by name, so a checker and the running program both refuse what is misspelled. Python
alone would show the verbs as ``(url, **options)``; `with_signature_of` gives them their full signature
back, when somebody looks.
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
    """A function as `def` makes it."""

    __code__: CodeType
    __kwdefaults__: dict[str, Any] | None
    __annotations__: dict[str, Any]

    @property
    def __globals__(self) -> dict[str, Any]: ...


F = TypeVar("F", bound=Function)


class CommonOptions(TypedDict, total=False):
    """What every verb takes beside the URL, in both clients and in the functions; all but ``data``."""

    files: RequestFiles | None
    """multipart/form-data: name -> file, bytes or (filename, file[, type[, headers]]). Default: none."""

    json: object
    """Anything that JSON can express, sent as the body. Default: None, no body."""

    params: QueryParamTypes | None
    """Appended to the URL's query; a key replaces the client's parameter of that name. Default: none."""

    headers: HeaderTypes | None
    """Added to the client's; a name replaces, a value of None removes a header. Default: none."""

    cookies: CookieTypes | None
    """For this request and its redirects on the same origin. Default: none."""

    stream: bool
    """True: return after the head and read the body on demand. Default: False, the body is read whole."""

    auth: AuthTypes | None
    """(user, password), a callable ``request -> request``, or an `Auth`. Default: None, the client's."""

    allow_redirects: bool
    """Follow redirects. Default: True, but for HEAD."""

    cert: CertTypes | None
    """Client certificate: path, (certificate, key) or (certificate, key, password). Default: the client's."""

    verify: VerifyTypes | None
    """True, False, a CA file or folder, or an ``ssl.SSLContext``. Default: None, the client's."""

    timeout: TimeoutTypes | None
    """Seconds, (connect, read), (connect, read, write), or a `TimeoutConfig`. Default: None, the client's."""


class RequestOptions(CommonOptions, total=False):
    """What every verb takes beside the URL, in `Client` and in the request functions."""

    data: RequestData | None
    """The body: a dict (form), str, bytes, a binary file, or an iterator of bytes. Default: none."""


class AsyncRequestOptions(CommonOptions, total=False):
    """What every verb takes beside the URL, in `AsyncClient`."""

    data: AsyncRequestData | None
    """The body: as in `RequestOptions`, or an async iterator of bytes. Default: none."""


def with_signature_of(request: Function, **changed: object) -> Callable[[F], F]:
    """A decorator that shows a verb with the signature of ``request``, without ``method``.

    ``changed`` are defaults that differ. The verb itself stays as it is: `inspect.signature` and `help`
    follow ``__wrapped__``, so that gets a stub which has the signature and is never called. (A ready
    ``__signature__`` would need `inspect`, which takes longer to import than a request to send.)
    """
    names = tuple(name for name in _argument_names(request) if name != "method")
    defaults = {**(request.__kwdefaults__ or {}), **changed}

    def decorate(verb: F) -> F:
        code = verb.__code__
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
        setattr(verb, "__wrapped__", stub)  # noqa: B010 (not an attribute that checkers know)
        return verb

    return decorate


def _argument_names(function: Function) -> tuple[str, ...]:
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _nothing() -> None:
    """The body of every stub."""
