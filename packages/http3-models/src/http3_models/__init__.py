"""http3-models: the values of an HTTP client, without any I/O.

URL, headers, cookies, requests, responses, configuration, exceptions, and the interfaces for swapping
parts. Importing it loads no `ssl`, `socket`, `asyncio` or `threading`: who only needs the values, a server
or a type stub, pays for values only. What is costly and seldom needed is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._config import (
    DEFAULT_LIMITS,
    DEFAULT_MAX_REDIRECTS,
    DEFAULT_POOL_LIMITS,
    DEFAULT_SSL_CONFIG,
    DEFAULT_TIMEOUT_CONFIG,
    USER_AGENT,
    CertTypes,
    Limits,
    PoolLimits,
    SSLConfig,
    TimeoutConfig,
    TimeoutTypes,
    VerifyTypes,
)
from ._cookies import Cookies, CookieTypes
from ._dispatchers import AsyncDispatcher, Dispatcher
from ._exceptions import (
    AddressRefused,
    ClientClosed,
    ConnectError,
    ConnectTimeout,
    CookieConflict,
    DecodedSizeExceeded,
    DecodingError,
    Delivery,
    Http3Error,
    HttpError,
    InvalidURL,
    LocalProtocolError,
    NetworkError,
    NotConnected,
    PoolTimeout,
    ProtocolError,
    ProxyError,
    ReadError,
    ReadTimeout,
    RedirectBodyUnavailable,
    RedirectError,
    RedirectLoop,
    RemoteProtocolError,
    RequestError,
    ResponseClosed,
    ResponseNotRead,
    ResponseTooLarge,
    StreamConsumed,
    StreamException,
    Timeout,
    TLSError,
    TooManyRedirects,
    TotalTimeout,
    TransportError,
    UnsupportedProtocol,
    WriteError,
    WriteTimeout,
)
from ._headers import Headers, HeaderTypes
from ._legacy_backend import (
    BasePoolSemaphore,
    BaseReader,
    BaseWriter,
    ConcurrencyBackend,
    Protocol,
    TimeoutFlag,
)
from ._mock import MockDispatcher
from ._network import EgressPolicy, NetworkConfig, ResolverTypes
from ._request import AsyncRequest, Request
from ._response import AsyncResponse, Response
from ._timing import ConnectionInfo, Timings
from ._types import (
    AsyncRequestData,
    AsyncResponseContent,
    AuthTypes,
    RequestData,
    RequestFiles,
    ResponseContent,
    URLTypes,
)
from ._url import URL, Origin, QueryParams, QueryParamTypes

if TYPE_CHECKING:
    from ._config import DEFAULT_CA_BUNDLE_PATH as DEFAULT_CA_BUNDLE_PATH
    from ._proxies.proxy import Proxy
    from ._proxies.rules import ProxyTypes
    from ._status import StatusCode, codes
    from ._text.json_error import JSONDecodeError

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
    "AddressRefused",
    "AsyncDispatcher",
    "AsyncRequest",
    "AsyncRequestData",
    "AsyncResponse",
    "AsyncResponseContent",
    "AuthTypes",
    "BasePoolSemaphore",
    "BaseReader",
    "BaseWriter",
    "CertTypes",
    "ClientClosed",
    "ConcurrencyBackend",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionInfo",
    "CookieConflict",
    "CookieTypes",
    "Cookies",
    "DecodedSizeExceeded",
    "DecodingError",
    "Delivery",
    "Dispatcher",
    "EgressPolicy",
    "HeaderTypes",
    "Headers",
    "Http3Error",
    "HttpError",
    "InvalidURL",
    "JSONDecodeError",
    "Limits",
    "LocalProtocolError",
    "MockDispatcher",
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
    "URLTypes",
    "UnsupportedProtocol",
    "VerifyTypes",
    "WriteError",
    "WriteTimeout",
    "__version__",
    "codes",
]

# A class says that it lives where people import it from, so that pickles and tracebacks survive when it
# moves between our modules.
for _class in [globals().get(name) for name in __all__]:
    if isinstance(_class, type) and _class.__module__.startswith(f"{__name__}._"):
        _class.__module__ = __name__


if not TYPE_CHECKING:  # a checker would take it for leave to use any name

    def __getattr__(name: str) -> object:
        if name in ("StatusCode", "codes"):  # take more than 1 ms to make
            from ._status import StatusCode, codes

            globals().update(StatusCode=StatusCode, codes=codes)
            return StatusCode
        if name in ("Proxy", "ProxyTypes"):  # few programs name them
            from ._proxies.proxy import Proxy
            from ._proxies.rules import ProxyTypes

            globals().update(Proxy=Proxy, ProxyTypes=ProxyTypes)
            return globals()[name]
        if name == "JSONDecodeError":  # loads json
            from ._text.json_error import JSONDecodeError

            globals()[name] = JSONDecodeError
            return JSONDecodeError
        if name == "DEFAULT_CA_BUNDLE_PATH":  # asks certifi, which takes 19 ms to load
            from . import _config

            return _config.DEFAULT_CA_BUNDLE_PATH
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
