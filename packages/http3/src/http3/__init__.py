"""http3: an HTTP client, sync and async, for HTTP/1.1 and HTTP/2.

No code of its own: this package gathers what `http3_models`, `http3_client` and `http3_transport` export.
What belongs to the transport is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import http3_models
from http3_client import (
    AsyncClient,
    Auth,
    AuthBase,
    BasicAuth,
    BearerAuth,
    Client,
    DigestAuth,
    HTTPBasicAuth,
    delete,
    get,
    head,
    options,
    patch,
    post,
    put,
    request,
)
from http3_models import (
    DEFAULT_LIMITS,
    DEFAULT_MAX_REDIRECTS,
    DEFAULT_POOL_LIMITS,
    DEFAULT_SSL_CONFIG,
    DEFAULT_TIMEOUT_CONFIG,
    URL,
    USER_AGENT,
    AddressRefused,
    AsyncDispatcher,
    AsyncRequest,
    AsyncRequestData,
    AsyncResponse,
    AsyncResponseContent,
    AuthTypes,
    BasePoolSemaphore,
    BaseReader,
    BaseWriter,
    CertTypes,
    ClientClosed,
    ConcurrencyBackend,
    ConnectError,
    ConnectionInfo,
    ConnectTimeout,
    CookieConflict,
    Cookies,
    CookieTypes,
    DecodedSizeExceeded,
    DecodingError,
    Delivery,
    Dispatcher,
    Headers,
    HeaderTypes,
    Http3Error,
    HttpError,
    InvalidURL,
    Limits,
    LocalProtocolError,
    MockDispatcher,
    NetworkError,
    NotConnected,
    Origin,
    PoolLimits,
    PoolTimeout,
    Protocol,
    ProtocolError,
    QueryParams,
    QueryParamTypes,
    ReadError,
    ReadTimeout,
    RedirectBodyUnavailable,
    RedirectError,
    RedirectLoop,
    RemoteProtocolError,
    Request,
    RequestData,
    RequestError,
    RequestFiles,
    Response,
    ResponseClosed,
    ResponseContent,
    ResponseNotRead,
    ResponseTooLarge,
    SSLConfig,
    StatusCode,
    StreamConsumed,
    StreamException,
    Timeout,
    TimeoutConfig,
    TimeoutFlag,
    TimeoutTypes,
    Timings,
    TLSError,
    TooManyRedirects,
    TotalTimeout,
    TransportError,
    UnsupportedProtocol,
    URLTypes,
    VerifyTypes,
    WriteError,
    WriteTimeout,
    codes,
)

if TYPE_CHECKING:
    from http3_models import DEFAULT_CA_BUNDLE_PATH as DEFAULT_CA_BUNDLE_PATH
    from http3_transport import (
        ASGIDispatch as ASGIDispatch,
    )
    from http3_transport import (
        AsyncioBackend as AsyncioBackend,
    )
    from http3_transport import (
        BlockingBackend as BlockingBackend,
    )
    from http3_transport import (
        ConnectionPool as ConnectionPool,
    )
    from http3_transport import (
        HTTPConnection as HTTPConnection,
    )
    from http3_transport import (
        TrioBackend as TrioBackend,
    )
    from http3_transport import (
        WSGIDispatch as WSGIDispatch,
    )

__version__ = "0.7.0"

__all__ = [
    "DEFAULT_CA_BUNDLE_PATH",
    "DEFAULT_LIMITS",
    "DEFAULT_MAX_REDIRECTS",
    "DEFAULT_POOL_LIMITS",
    "DEFAULT_SSL_CONFIG",
    "DEFAULT_TIMEOUT_CONFIG",
    "URL",
    "USER_AGENT",
    "ASGIDispatch",
    "AddressRefused",
    "AsyncClient",
    "AsyncDispatcher",
    "AsyncRequest",
    "AsyncRequestData",
    "AsyncResponse",
    "AsyncResponseContent",
    "AsyncioBackend",
    "Auth",
    "AuthBase",
    "AuthTypes",
    "BasePoolSemaphore",
    "BaseReader",
    "BaseWriter",
    "BasicAuth",
    "BearerAuth",
    "BlockingBackend",
    "CertTypes",
    "Client",
    "ClientClosed",
    "ConcurrencyBackend",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionInfo",
    "ConnectionPool",
    "CookieConflict",
    "CookieTypes",
    "Cookies",
    "DecodedSizeExceeded",
    "DecodingError",
    "Delivery",
    "DigestAuth",
    "Dispatcher",
    "HTTPBasicAuth",
    "HTTPConnection",
    "HeaderTypes",
    "Headers",
    "Http3Error",
    "HttpError",
    "InvalidURL",
    "Limits",
    "LocalProtocolError",
    "MockDispatcher",
    "NetworkError",
    "NotConnected",
    "Origin",
    "PoolLimits",
    "PoolTimeout",
    "Protocol",
    "ProtocolError",
    "QueryParamTypes",
    "QueryParams",
    "ReadError",
    "ReadTimeout",
    "RedirectBodyUnavailable",
    "RedirectError",
    "RedirectLoop",
    "RemoteProtocolError",
    "Request",
    "RequestData",
    "RequestError",
    "RequestFiles",
    "Response",
    "ResponseClosed",
    "ResponseContent",
    "ResponseNotRead",
    "ResponseTooLarge",
    "SSLConfig",
    "StatusCode",
    "StreamConsumed",
    "StreamException",
    "TLSError",
    "Timeout",
    "TimeoutConfig",
    "TimeoutFlag",
    "TimeoutTypes",
    "Timings",
    "TooManyRedirects",
    "TotalTimeout",
    "TransportError",
    "TrioBackend",
    "URLTypes",
    "UnsupportedProtocol",
    "VerifyTypes",
    "WSGIDispatch",
    "WriteError",
    "WriteTimeout",
    "__version__",
    "codes",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
]

if not TYPE_CHECKING:  # for a checker a name that is not listed here does not exist

    def __getattr__(name: str) -> object:
        if name == "DEFAULT_CA_BUNDLE_PATH":
            return http3_models.DEFAULT_CA_BUNDLE_PATH
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import http3_transport

        value = globals()[name] = getattr(http3_transport, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
