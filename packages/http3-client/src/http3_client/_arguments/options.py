"""The options of a request, as type checkers see them; for `inspect` see `signatures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from http3_models import (
        AsyncRequestData,
        AuthTypes,
        CertTypes,
        CookieTypes,
        HeaderTypes,
        ProxyTypes,
        QueryParamTypes,
        RequestData,
        RequestFiles,
        TimeoutTypes,
        VerifyTypes,
    )


class CommonBuildOptions(TypedDict, total=False):
    """What a request is made of in both clients and in the request functions, but ``data``."""

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


class BuildOptions(CommonBuildOptions, total=False):
    """What a request is made of in `Client` and in the request functions."""

    data: RequestData | None
    """The body: a dict (form), str, bytes, a binary file, or an iterator of bytes. Default: None."""


class AsyncBuildOptions(CommonBuildOptions, total=False):
    """What a request is made of in `AsyncClient`."""

    data: AsyncRequestData | None
    """The body: as in `BuildOptions`, or an async iterator of bytes. Default: None."""


class CallOptions(TypedDict, total=False):
    """How a request is sent, but ``stream``."""

    auth: AuthTypes | None
    """(user, password), a callable ``request -> request``, an `Auth`, or False, which sends none. Default:
    None, the client's."""

    allow_redirects: bool
    """Follow redirects. Default: True, and False for HEAD."""

    cert: CertTypes | None
    """Client certificate: path, (certificate, key) or (certificate, key, password). Default: the client's."""

    verify: VerifyTypes | None
    """True, False, a CA file or folder, or an ``ssl.SSLContext``. Default: None, the client's."""

    timeout: TimeoutTypes | None
    """Seconds, (connect, read), (connect, read, write), or a `TimeoutConfig`. Default: None, the client's."""

    proxy: ProxyTypes | None
    """A URL, a `Proxy`, or False for none; also for redirects. Default: None, the client's."""


class SendOptions(CallOptions, total=False):
    """How a request is sent."""

    stream: bool
    """True: return after the response's head, and read the body on demand. Default: False."""


class StreamOptions(BuildOptions, CallOptions, total=False):
    """The options of `Client.stream`."""


class AsyncStreamOptions(AsyncBuildOptions, CallOptions, total=False):
    """The options of `AsyncClient.stream`."""


class RequestOptions(BuildOptions, SendOptions, total=False):
    """The options of a request in `Client` and in the request functions."""


class AsyncRequestOptions(AsyncBuildOptions, SendOptions, total=False):
    """The options of a request in `AsyncClient`."""
