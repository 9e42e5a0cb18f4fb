"""What the packages export is decided here, not by accident."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import FunctionType

import pytest

import http3
import http3.config
import http3.exceptions
import http3.models
import http3_client
import http3_models
import http3_transport
from http3_models import engine
from http3_transport._interfaces import Backend

FUNCTIONS = {"delete", "get", "head", "options", "patch", "post", "put", "request"}
CLIENTS = {"AsyncClient", "Client"}
OPTIONS = {"AsyncRequestOptions", "RequestOptions"}
AUTH = {"Auth", "AuthBase", "BasicAuth", "BearerAuth", "DigestAuth", "HTTPBasicAuth", "NetRCAuth"}
MODELS = {
    "URL",
    "Origin",
    "QueryParams",
    "Headers",
    "Cookies",
    "Request",
    "AsyncRequest",
    "Response",
    "AsyncResponse",
    "StatusCode",
    "codes",
    "Timings",
    "ConnectionInfo",
    "Delivery",
}
CONFIG = {
    "TimeoutConfig",
    "PoolLimits",
    "SSLConfig",
    "Limits",
    "USER_AGENT",
    "DEFAULT_TIMEOUT_CONFIG",
    "DEFAULT_POOL_LIMITS",
    "DEFAULT_MAX_REDIRECTS",
    "DEFAULT_SSL_CONFIG",
    "DEFAULT_CA_BUNDLE_PATH",
    "DEFAULT_LIMITS",
}
EXCEPTIONS = {
    "Http3Error",
    "RequestError",
    "TransportError",
    "Timeout",
    "ConnectTimeout",
    "ReadTimeout",
    "WriteTimeout",
    "PoolTimeout",
    "TotalTimeout",
    "NetworkError",
    "ConnectError",
    "TLSError",
    "AddressRefused",
    "ProxyError",
    "ReadError",
    "WriteError",
    "NotConnected",
    "ProtocolError",
    "LocalProtocolError",
    "RemoteProtocolError",
    "ResponseTooLarge",
    "UnsupportedProtocol",
    "DecodingError",
    "DecodedSizeExceeded",
    "RedirectError",
    "TooManyRedirects",
    "RedirectLoop",
    "RedirectBodyUnavailable",
    "HttpError",
    "StreamException",
    "StreamConsumed",
    "ResponseNotRead",
    "ResponseClosed",
    "InvalidURL",
    "CookieConflict",
    "ClientClosed",
    "JSONDecodeError",
}
INTERFACES = {
    "Dispatcher",
    "AsyncDispatcher",
    "MockDispatcher",
    "ConcurrencyBackend",
    "BaseReader",
    "BaseWriter",
    "BasePoolSemaphore",
    "Protocol",
    "TimeoutFlag",
}
TYPES = {
    "URLTypes",
    "QueryParamTypes",
    "HeaderTypes",
    "CookieTypes",
    "AuthTypes",
    "CertTypes",
    "VerifyTypes",
    "TimeoutTypes",
    "ProxyTypes",
    "ResolverTypes",
    "RequestData",
    "AsyncRequestData",
    "RequestFiles",
    "ResponseContent",
    "AsyncResponseContent",
}
TRANSPORT = {
    "ASGIDispatch",
    "AsyncioBackend",
    "BlockingBackend",
    "BlockingConnectionPool",
    "ConnectionPool",
    "HTTPConnection",
    "TrioBackend",
    "WSGIDispatch",
}
OF_BACKENDS = {"Address", "Backend", "OperationTimeout", "Stream", "Timer", "Waiter"}
"""Named in http3_transport alone: who writes a backend imports from there."""

OF_CONFIG = {"CertTypes", "VerifyTypes", "TimeoutTypes"}
OF_PROXIES = {"ProxyTypes", "ResolverTypes"}
OF_OLD_MODELS = (MODELS - {"Delivery", "StatusCode", "codes", "Timings", "ConnectionInfo"}) | (
    TYPES - OF_CONFIG - OF_PROXIES
)
OF_NETWORK = {"EgressPolicy", "NetworkConfig", "Proxy"}
OF_MODELS = MODELS | CONFIG | OF_NETWORK | EXCEPTIONS | INTERFACES | TYPES
OF_CLIENT = FUNCTIONS | CLIENTS | AUTH | OPTIONS
VERSION = {"__version__"}


def test_http3_models() -> None:
    assert set(http3_models.__all__) == OF_MODELS | VERSION


def test_http3_transport() -> None:
    assert set(http3_transport.__all__) == TRANSPORT | OF_BACKENDS | VERSION


def test_http3_client() -> None:
    assert set(http3_client.__all__) == OF_CLIENT | VERSION


def test_http3_re_exports_all_of_it() -> None:
    assert set(http3.__all__) == OF_MODELS | OF_CLIENT | TRANSPORT | VERSION


@pytest.mark.parametrize(
    ("package", "wanted"),
    [
        (http3.exceptions, EXCEPTIONS | {"Delivery"}),
        (http3.config, CONFIG | OF_CONFIG),
        (http3.models, OF_OLD_MODELS),
    ],
)
def test_the_modules_of_0_6_7(package: object, wanted: set[str]) -> None:
    names: list[str] = package.__all__  # type: ignore[attr-defined]
    assert wanted <= set(names)
    for name in names:
        assert getattr(package, name) is getattr(http3, name)


@pytest.mark.parametrize("package", [http3_models, engine, http3_transport, http3_client, http3])
def test_every_name_is_there_and_listed_once(package: object) -> None:
    names: list[str] = package.__all__  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    for name in names:
        assert getattr(package, name) is not None
    assert set(names) <= set(dir(package))


@pytest.mark.parametrize("name", ["config", "exceptions", "models"])
def test_the_modules_of_0_6_7_are_attributes(name: str) -> None:
    script = f"""
import http3, sys
assert "http3.{name}" not in sys.modules
assert "{name}" in dir(http3)
assert http3.{name} is sys.modules["http3.{name}"] is http3.{name}
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("package", [http3_models, http3_transport, http3_client])
def test_public_classes_belong_to_their_package(package: object) -> None:
    for name in package.__all__:  # type: ignore[attr-defined]
        value = getattr(package, name)
        if isinstance(value, type):
            assert value.__module__ == package.__name__, name  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(OF_MODELS | OF_CLIENT | TRANSPORT))
def test_http3_gives_the_very_same_things(name: str) -> None:
    homes = [package for package in (http3_models, http3_transport, http3_client) if name in package.__all__]
    assert len(homes) == 1
    assert getattr(http3, name) is getattr(homes[0], name)


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_one_root_for_all_exceptions(name: str) -> None:
    assert issubclass(getattr(http3, name), http3.Http3Error)


def exceptions(root: type[BaseException]) -> set[type[BaseException]]:
    """The class and all classes below it."""
    return {root}.union(*(exceptions(below) for below in root.__subclasses__()))


@pytest.mark.parametrize("kind", sorted(exceptions(http3.Http3Error), key=repr))
def test_tracebacks_and_pickles_name_a_public_place(kind: type[BaseException]) -> None:
    if not kind.__module__.startswith("http3"):
        return  # a test's own
    assert "._" not in kind.__module__
    assert getattr(sys.modules[kind.__module__], kind.__qualname__) is kind


def members(value: type) -> set[str]:
    """The public attributes that our classes define."""
    ours = [base for base in value.__mro__ if base.__module__.startswith("http3")]
    names = {member for base in ours for member in vars(base) if not member.startswith("_")}
    return {name for name in names if hasattr(value, name)}  # without hints at names of other libraries


@pytest.mark.parametrize("name", sorted(OF_MODELS | OF_CLIENT | TRANSPORT))
def test_everything_public_has_a_docstring(name: str) -> None:
    value = getattr(http3, name)
    if isinstance(value, type) and not issubclass(value, int):
        # What the backends offer beyond the public ConcurrencyBackend is explained at the seam.
        methods = [getattr(value, member) for member in members(value) - members(Backend)]
        assert inspect.getdoc(value)
        assert not [method for method in methods if callable(method) and not inspect.getdoc(method)]
    elif name in FUNCTIONS:
        assert inspect.getdoc(value)


@pytest.mark.parametrize("name", engine.__all__)
def test_everything_of_the_engine_has_a_docstring(name: str) -> None:
    value = getattr(engine, name)
    if isinstance(value, type | FunctionType):
        assert inspect.getdoc(value)


@pytest.mark.parametrize("package", [http3_models, engine, http3_transport, http3_client, http3])
def test_unknown_names_are_attribute_errors(package: object) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name  # type: ignore[attr-defined]
