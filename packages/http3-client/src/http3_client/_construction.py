"""From a client's arguments to its engine; the one place that both constructors share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from http3_models import URL, Cookies, QueryParams

from ._auth import as_auth
from ._engine import Engine
from ._opening import PoolOptions, opener
from ._settings import (
    Settings,
    as_base_url,
    as_encoding,
    as_flag,
    as_hooks,
    as_limits,
    as_max_redirects,
    as_secret_headers,
    as_timeout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from http3_models import (
        AuthTypes,
        CertTypes,
        ConcurrencyBackend,
        CookieTypes,
        EgressPolicy,
        HeaderTypes,
        Limits,
        PoolLimits,
        QueryParamTypes,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )
    from http3_transport import Backend

    from ._call import Views
    from ._settings import Encoding, Hook

_LOCALHOST = "http://localhost"


def make_engine(
    views: Views,
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
    has_runner: bool = False,
) -> Engine:
    """Check and convert all of it.

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
    pool = PoolOptions(
        verify=verify,
        cert=cert,
        timeout=settings.timeout,
        pool_limits=pool_limits,
        backend=backend,
        http_versions=http_versions,
        trust_env=as_flag("trust_env", trust_env),
        replay=as_flag("replay", replay),
        limits=settings.limits,
        egress=egress,
    )
    if egress is not None and (dispatch is not None or app is not None):
        raise ValueError("egress is for connections of our own; dispatch= and app= make none")
    return Engine(
        settings,
        views,
        opener(
            dispatch,
            app,
            as_flag("raise_app_exceptions", raise_app_exceptions),
            pool,
            asynchronous=views.asynchronous,
            has_runner=has_runner,
        ),
        fallback_base=None if app is None else URL(_LOCALHOST),
        # A dispatcher of the caller's own has defaults of its own: it hears only of what was asked for.
        verify=None if dispatch is None or verify is True else verify,
        cert=None if dispatch is None else cert,
        is_open=dispatch is not None,
    )
