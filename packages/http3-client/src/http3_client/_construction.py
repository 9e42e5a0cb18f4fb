"""The constructors of both clients: arguments in, an `Engine` out.

The arguments are checked at once. The transport is opened by the first request, so that a client costs next
to nothing until then: no SSL context, no socket, no event loop.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

from http3_models import URL, Cookies, EgressPolicy, NetworkConfig, PoolLimits, QueryParams, SSLConfig
from http3_models.engine import as_timeout, check_http_versions, proxy_rules, short_text

from ._adapters import adapt
from ._apps import app_kind
from ._auth import as_auth
from ._engine import NO_CONNECTIONS, Engine
from ._settings import (
    Settings,
    as_base_url,
    as_encoding,
    as_flag,
    as_hooks,
    as_limits,
    as_max_redirects,
    as_secret_headers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from http3_models import (
        AuthTypes,
        CertTypes,
        ConcurrencyBackend,
        CookieTypes,
        HeaderTypes,
        Limits,
        ProxyTypes,
        QueryParamTypes,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )
    from http3_models.engine import Transport
    from http3_transport import Backend

    from ._call import MessageClasses
    from ._settings import Encoding, Hook

_LOCALHOST = "http://localhost"


def make_engine(
    classes: MessageClasses,
    *,
    auth: AuthTypes | None,
    cookies: CookieTypes | None,
    verify: VerifyTypes,
    cert: CertTypes | None,
    timeout: TimeoutTypes | None,
    pool_limits: PoolLimits,
    max_redirects: int,
    base_url: URLTypes | None,
    dispatch: object,
    app: Callable[..., Any] | None,
    raise_app_exceptions: bool,
    backend: ConcurrencyBackend | Backend | None,
    headers: HeaderTypes | None,
    params: QueryParamTypes | None,
    http_versions: tuple[str, ...],
    trust_env: bool,
    default_encoding: Encoding,
    hooks: Mapping[str, Iterable[Hook]] | None,
    replay: bool,
    secret_headers: Iterable[str],
    limits: Limits | None,
    egress: EgressPolicy | None,
    proxy: ProxyTypes | None,
    network: NetworkConfig | None,
    has_runner: bool = False,
) -> Engine:
    """Check and convert the arguments of a client's constructor.

    Raises TypeError and ValueError that name the argument, InvalidURL, ImportError.
    """
    settings = Settings()
    settings.auth = as_auth(auth)
    settings.cookies = Cookies(cookies)
    settings.timeout = as_timeout(timeout)
    settings.max_redirects = as_max_redirects(max_redirects)
    settings.base_url = as_base_url(base_url)
    settings.set_headers(headers)
    settings.params = QueryParams(params)
    settings.default_encoding = as_encoding(default_encoding)
    settings.hooks = as_hooks(hooks)
    settings.secret_headers = as_secret_headers(secret_headers)
    settings.limits = as_limits(limits)
    pool: dict[str, Any] = {
        "verify": verify,
        "cert": cert,
        "timeout": settings.timeout,
        "pool_limits": pool_limits,
        "backend": backend,
        "http_versions": http_versions,
        "trust_env": as_flag("trust_env", trust_env),
        "replay": as_flag("replay", replay),
        "limits": settings.limits,
        "egress": egress,
        "network": network,
    }
    _check_pool_arguments(pool)
    connects = dispatch is None and app is None
    for name, value in (("egress", egress), ("proxy", proxy or None), ("network", network)):
        if value is not None and not connects:
            raise ValueError(f"{name} is for the client's own connections; {NO_CONNECTIONS}")
    proxies = proxy_rules(proxy, trust_env=trust_env) if connects else None
    pool["proxy"] = False if proxies is None else proxies
    return Engine(
        settings,
        classes,
        transport_opener(
            dispatch,
            app,
            as_flag("raise_app_exceptions", raise_app_exceptions),
            pool,
            asynchronous=classes.asynchronous,
            has_runner=has_runner,
        ),
        fallback_base=None if app is None else URL(_LOCALHOST),
        # A dispatcher has defaults of its own: it is given only what differs from the client's defaults.
        verify=None if dispatch is None or verify is True else verify,
        cert=None if dispatch is None else cert,
        proxies=proxies,
        takes_proxy=app is None,
        opens_now=dispatch is not None,
    )


_CONNECT_METHODS = ("connect", "connect_address")
"""Of a `ConcurrencyBackend` and a `Backend`. http3-transport checks the rest."""


def _check_pool_arguments(arguments: dict[str, Any]) -> None:
    """Check and convert what `http3_transport.ConnectionPool` will be made with."""
    verify, cert, trust_env = arguments["verify"], arguments["cert"], arguments["trust_env"]
    if not (verify is True and cert is None and trust_env):
        arguments["cert"] = SSLConfig(verify=verify, cert=cert, trust_env=trust_env).cert
    pool_limits, backend, egress = arguments["pool_limits"], arguments["backend"], arguments["egress"]
    if not isinstance(pool_limits, PoolLimits):
        raise TypeError(f"pool_limits must be a PoolLimits, not {type(pool_limits).__name__}")
    check_instance("backend", backend, "connect")
    connects = any(callable(getattr(backend, name, None)) for name in _CONNECT_METHODS)
    if backend is not None and not connects:
        raise TypeError(f"backend must be a Backend or a ConcurrencyBackend, not {type(backend).__name__}")
    if egress is not None and not isinstance(egress, EgressPolicy):
        raise TypeError(f"egress must be an EgressPolicy, not {type(egress).__name__}")
    network = arguments["network"]
    if network is not None and not isinstance(network, NetworkConfig):
        raise TypeError(f"network must be a NetworkConfig, not {type(network).__name__}")
    arguments["http_versions"] = check_http_versions(arguments["http_versions"])


def transport_opener(
    dispatch: object,
    app: Any,
    raise_app_exceptions: bool,
    pool_arguments: dict[str, Any],
    *,
    asynchronous: bool,
    has_runner: bool,
) -> Callable[[], Transport]:
    """A function that opens the transport of a client.

    Raises TypeError for a wrong ``dispatch`` or ``app``, and ImportError if http3-transport is needed and is
    not installed.
    """
    if dispatch is not None:
        if app is not None:
            raise TypeError("dispatch and app can't be given together: requests go to one of them")
        check_instance("dispatch", dispatch, "send")
        check_instance("dispatch", dispatch, "exchange")
        ready = adapt(dispatch, asynchronous=asynchronous, has_runner=has_runner)
        return lambda: ready
    _require_transport()
    if app is not None:
        return _app_opener(app, raise_app_exceptions, asynchronous=asynchronous, has_runner=has_runner)
    return lambda: _open_pool(pool_arguments, asynchronous=asynchronous, has_runner=has_runner)


def _require_transport() -> None:
    """Raises ImportError where http3-transport is not installed."""
    if sys.is_finalizing():
        return  # nothing can be imported any more; the first request raises ClientClosed
    try:
        import http3_transport  # noqa: F401 (only to know that it is there)
    except ImportError as exc:
        raise ImportError(
            "Without dispatch= a client needs http3-transport: pip install http3-client[transport]"
        ) from exc


def _app_opener(
    app: Any, raise_app_exceptions: bool, *, asynchronous: bool, has_runner: bool
) -> Callable[[], Transport]:
    is_asgi = app_kind(app) == "asgi"

    def open_app() -> Transport:
        import http3_transport

        make = http3_transport.ASGIDispatch if is_asgi else http3_transport.WSGIDispatch
        dispatch = make(app, raise_app_exceptions=raise_app_exceptions)
        return adapt(dispatch, asynchronous=asynchronous, has_runner=has_runner)

    return open_app


def _open_pool(arguments: dict[str, Any], *, asynchronous: bool, has_runner: bool) -> Transport:
    import http3_transport

    if arguments["backend"] is None and not asynchronous:
        arguments = {**arguments, "backend": http3_transport.BlockingBackend()}
    pool = http3_transport.ConnectionPool(**arguments)
    return adapt(pool, asynchronous=asynchronous, has_runner=has_runner)


def check_instance(name: str, value: object, method: str) -> None:
    """Raises TypeError if ``value`` is a class whose instances have ``method``: an instance was meant."""
    if isinstance(value, type) and isinstance(_class_attribute(value, method), FunctionType):
        shown = short_text(value.__name__)
        raise TypeError(f"{name} must be an instance, not the class {shown}; pass {shown}(...)")


def _class_attribute(cls: type, name: str) -> object:
    """The attribute as the class or a base defines it, or None."""
    return next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
