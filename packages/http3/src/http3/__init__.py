"""http3: a sync and an async HTTP client for Python, with HTTP/1.1 and HTTP/2.

    import http3

    response = http3.get("https://example.org")
    response.status_code, response.text

This package has no code of its own: it exports the public names of http3-models (values), http3-client
(clients and request functions) and http3-transport (connections). Connections and backends are imported when
their name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from http3_client import (
    AsyncClient,
    AsyncRequestOptions,
    Auth,
    AuthBase,
    BasicAuth,
    BearerAuth,
    Client,
    HTTPBasicAuth,
    RequestOptions,
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
    EgressPolicy,
    Headers,
    HeaderTypes,
    Http3Error,
    HttpError,
    InvalidURL,
    Limits,
    LocalProtocolError,
    MockDispatcher,
    NetworkConfig,
    NetworkError,
    NotConnected,
    Origin,
    PoolLimits,
    PoolTimeout,
    Protocol,
    ProtocolError,
    ProxyError,
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
    ResolverTypes,
    Response,
    ResponseClosed,
    ResponseContent,
    ResponseNotRead,
    ResponseTooLarge,
    SSLConfig,
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
)

if TYPE_CHECKING:
    from http3_client import DigestAuth as DigestAuth
    from http3_client import NetRCAuth as NetRCAuth
    from http3_models import DEFAULT_CA_BUNDLE_PATH as DEFAULT_CA_BUNDLE_PATH
    from http3_models import JSONDecodeError as JSONDecodeError
    from http3_models import Proxy as Proxy
    from http3_models import ProxyTypes as ProxyTypes
    from http3_models import StatusCode as StatusCode
    from http3_models import codes as codes
    from http3_transport import ASGIDispatch as ASGIDispatch
    from http3_transport import AsyncioBackend as AsyncioBackend
    from http3_transport import BlockingBackend as BlockingBackend
    from http3_transport import BlockingConnectionPool as BlockingConnectionPool
    from http3_transport import ConnectionPool as ConnectionPool
    from http3_transport import HTTPConnection as HTTPConnection
    from http3_transport import TrioBackend as TrioBackend
    from http3_transport import WSGIDispatch as WSGIDispatch

    from . import config as config
    from . import exceptions as exceptions
    from . import models as models

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
    "AsyncRequestOptions",
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
    "BlockingConnectionPool",
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
    "EgressPolicy",
    "HTTPBasicAuth",
    "HTTPConnection",
    "HeaderTypes",
    "Headers",
    "Http3Error",
    "HttpError",
    "InvalidURL",
    "JSONDecodeError",
    "Limits",
    "LocalProtocolError",
    "MockDispatcher",
    "NetRCAuth",
    "NetworkConfig",
    "NetworkError",
    "NotConnected",
    "Origin",
    "PoolLimits",
    "PoolTimeout",
    "Protocol",
    "ProtocolError",
    "Proxy",
    "ProxyError",
    "ProxyTypes",
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
    "RequestOptions",
    "ResolverTypes",
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

_LAZY = {
    "DEFAULT_CA_BUNDLE_PATH": "http3_models",
    "DigestAuth": "http3_client",
    "ASGIDispatch": "http3_transport",
    "AsyncioBackend": "http3_transport",
    "BlockingBackend": "http3_transport",
    "BlockingConnectionPool": "http3_transport",
    "ConnectionPool": "http3_transport",
    "HTTPConnection": "http3_transport",
    "JSONDecodeError": "http3_models",
    "NetRCAuth": "http3_client",
    "Proxy": "http3_models",
    "ProxyTypes": "http3_models",
    "TrioBackend": "http3_transport",
    "StatusCode": "http3_models",
    "WSGIDispatch": "http3_transport",
    "codes": "http3_models",
}

_MODULES = ("config", "exceptions", "models")
"""Those of 0.6.7: ``import http3; http3.exceptions.ConnectTimeout`` works."""


if not TYPE_CHECKING:  # or type checkers would accept every misspelled name

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            __import__(f"{__name__}.{name}")  # sets the attribute
            return globals()[name]
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(__import__(_LAZY[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
