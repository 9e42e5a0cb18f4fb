"""The logic of a client: written once, as coroutines, for `Client` and `AsyncClient`.

The engine has the settings and the transport, builds requests from arguments and settings, and sends each by
a `Call`. It uses neither threads nor event loops: an async client awaits its coroutines, a sync client runs
them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from http3_models import URL, ClientClosed, InvalidURL, RequestError, SSLConfig
from http3_models.engine import (
    Deadline,
    RequestDefaults,
    as_timeout,
    build_request,
    call_proxy,
    check_http_scheme,
    cookie_header,
    failed_request,
    forget_locals,
    maybe_await,
    redacted,
)

from ._adapters import has_closed
from ._auth import BasicAuth, as_auth
from ._base_url import resolve_url
from ._call import Call, add_defaults, set_cookies
from ._settings import as_flag

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import (
        AsyncRequestData,
        AuthTypes,
        CertTypes,
        CookieTypes,
        HeaderTypes,
        Proxy,
        ProxyTypes,
        QueryParamTypes,
        RequestFiles,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )
    from http3_models.engine import ProxyRules, RequestState, ResponseState, Transport

    from ._auth import Auth
    from ._call import MessageClasses
    from ._settings import Settings


def check_finalizing(exc: BaseException) -> None:
    """Raises ClientClosed in place of an ImportError if the interpreter is shutting down."""
    if isinstance(exc, ImportError) and sys.is_finalizing():
        raise ClientClosed(
            "Python is shutting down, and a module that this request needs can't be imported any more; send "
            "the request earlier, at the latest in a function that is registered with atexit"
        ) from exc


NO_CONNECTIONS = "with dispatch= or app= there are none"


class Engine:
    """The logic of one client.

    ``verify`` and ``cert`` are sent along with requests that have none of their own; None for the client's
    own pool, which was made with them. ``fallback_base``: the base of relative URLs where ``base_url`` is
    None. ``opens_now``: the transport is opened here, since it exists already, and is closed even if it is
    never used; by default the first request opens it. ``proxies`` are those of the pool; ``takes_proxy``: a
    request may name one.
    """

    __slots__ = (
        "_cert",
        "_classes",
        "_defaults",
        "_fallback_base",
        "_open_transport",
        "_proxies",
        "_takes_proxy",
        "_transport",
        "_verify",
        "is_closed",
        "settings",
    )

    def __init__(
        self,
        settings: Settings,
        classes: MessageClasses,
        open_transport: Callable[[], Transport],
        *,
        fallback_base: URL | None,
        verify: VerifyTypes | None,
        cert: CertTypes | None,
        proxies: ProxyRules | None = None,
        takes_proxy: bool = True,
        opens_now: bool = False,
    ) -> None:
        self.settings = settings
        self.is_closed = False
        self._classes = classes
        self._open_transport = open_transport
        self._transport: Transport | None = open_transport() if opens_now else None
        self._fallback_base = fallback_base
        self._defaults = RequestDefaults(settings.headers, settings.removed_headers)
        self._verify = verify
        self._cert = cert
        self._proxies = proxies
        self._takes_proxy = takes_proxy

    def build(
        self,
        method: str,
        url: URLTypes,
        *,
        data: AsyncRequestData | None,
        files: RequestFiles | None,
        json: object,
        params: QueryParamTypes | None,
        headers: HeaderTypes | None,
        cookies: CookieTypes | None,
    ) -> RequestState:
        """A request with these arguments and the client's defaults."""
        settings = self.settings
        try:
            target = resolve_url(url, settings.base_url or self._fallback_base)
            if settings.params:
                params = settings.params.merge(params)
            defaults = self._defaults
            if not defaults.are_still(settings.headers):
                self._defaults = defaults = RequestDefaults(settings.headers, settings.removed_headers)
            return build_request(
                method,
                target,
                params=params,
                headers=headers,
                cookies=cookies,
                data=data,
                files=files,
                json=json,
                asynchronous=self._classes.asynchronous,
                defaults=defaults,
            )
        except BaseException as exc:
            forget_locals(exc)
            del url, data, files, json, params, headers, cookies
            check_finalizing(exc)
            raise

    def build_with_cookies(
        self,
        method: str,
        url: URLTypes,
        *,
        data: AsyncRequestData | None,
        files: RequestFiles | None,
        json: object,
        params: QueryParamTypes | None,
        headers: HeaderTypes | None,
        cookies: CookieTypes | None,
    ) -> RequestState:
        """`build`, with the Cookie header that the request would have if it were sent now."""
        try:
            request = self.build(
                method,
                url,
                data=data,
                files=files,
                json=json,
                params=params,
                headers=headers,
                cookies=cookies,
            )
        finally:
            del url, data, files, json, params, headers, cookies
        set_cookies(request, self.settings, direct=True)
        request.computed_cookie = cookie_header(request.headers)
        return request

    async def send(
        self,
        request: RequestState,
        *,
        stream: bool,
        auth: AuthTypes | None,
        allow_redirects: bool,
        verify: VerifyTypes | None,
        cert: CertTypes | None,
        timeout: TimeoutTypes | None,
        proxy: ProxyTypes | None,
        checked: bool = False,
    ) -> tuple[ResponseState, Call]:
        """Send a request, and return the response and the call, for its ``next()``.

        The record of the request is changed. ``checked``: the request is as `build` made it.
        """
        try:
            as_flag("stream", stream)
            as_flag("allow_redirects", allow_redirects)
            transport = self._get_transport()
            if request.left_out is not None:
                add_defaults(request, self.settings)
            chosen = self._choose_auth(request, auth)
            self._apply_call_options(request, transport, verify, cert, timeout)
            if proxy is not None:
                request.proxy = self._call_proxy(proxy)
        except Exception as exc:
            forget_locals(exc)
            check_finalizing(exc)
            raise
        finally:
            del auth, cert, proxy
        call = Call(request, chosen, self.settings, transport, self._classes, checked)
        try:
            check_http_scheme(request.url)
            return await call.send(stream=stream, allow_redirects=allow_redirects), call
        except RequestError as exc:
            self._annotate(exc, call)
            raise
        except ImportError as exc:
            check_finalizing(exc)
            raise

    async def send_next(self, call: Call, response: ResponseState, *, stream: bool) -> ResponseState:
        """Follow one redirect, for ``response.next()``."""
        transport = self._get_transport()
        try:
            return await call.send_next(response, transport, stream=stream)
        except RequestError as exc:
            self._annotate(exc, call)
            raise
        except ImportError as exc:
            check_finalizing(exc)
            raise

    async def close(self) -> None:
        """Close the transport. Idempotent; may be called again if the transport is still open after an
        error."""
        if self.is_closed:
            return
        self.is_closed = True
        transport = self._transport
        if transport is None:
            return
        try:
            await maybe_await(transport.close())
        except BaseException as exc:
            self.is_closed = has_closed(transport, exc)
            raise

    def reopen(self) -> None:
        """Open a closed client again, for ``response.next()`` of a request function."""
        self._transport = None
        self.is_closed = False

    def _get_transport(self) -> Transport:
        if self.is_closed:
            raise ClientClosed("This client is closed; make a new one")
        transport = self._transport
        if transport is None:
            # Two threads may be here at once. The transport of the slower one is dropped, and was not used.
            opened = self._open_transport()
            self._transport = transport = self._transport or opened
        return transport

    def _choose_auth(self, request: RequestState, given: AuthTypes | None) -> Auth | None:
        """The auth of the request, else of the client, else of the URL's userinfo, which is removed.

        False, of the request or of the client, means none of them. With an Authorization header only the
        request's auth counts. Raises InvalidURL for a userinfo that can't be sent.
        """
        url, auth = request.url, self.settings.auth
        userinfo = url.userinfo
        if userinfo:
            request.url = url.copy_with(userinfo="")
        if given is not None:
            auth = as_auth(given)
            if auth is False:
                return None
            return _auth_of_userinfo(url) if userinfo and auth and auth.for_each_origin else auth
        # The headers are looked up last: most requests have no auth at all.
        if auth is False or (auth is None and not userinfo) or "authorization" in request.headers:
            return None
        return _auth_of_userinfo(url) if auth is None or (userinfo and auth.for_each_origin) else auth

    def _apply_call_options(
        self,
        request: RequestState,
        transport: Transport,
        verify: VerifyTypes | None,
        cert: CertTypes | None,
        timeout: TimeoutTypes | None,
    ) -> None:
        if verify is not None or cert is not None:
            cert = SSLConfig(verify=True if verify is None else verify, cert=cert).cert
        request.verify = self._verify if verify is None else verify
        request.cert = self._cert if cert is None else cert
        request.asynchronous = self._classes.asynchronous
        request.timeout = limits = self.settings.timeout if timeout is None else as_timeout(timeout)
        total = limits.total_timeout
        request.deadline = None if total is None else Deadline(total, transport.now)

    def proxy_for(self, url: URLTypes) -> Proxy | None:
        """The proxy of requests to this URL; see `Client.proxy_for`."""
        target = resolve_url(url, self.settings.base_url or self._fallback_base)
        check_http_scheme(target)
        return None if self._proxies is None else self._proxies.choose(target)

    def _call_proxy(self, proxy: object) -> Proxy | ProxyRules | Literal[False]:
        """What ``proxy=`` of a call was given. Raises ValueError or TypeError that names it."""
        if not self._takes_proxy:
            raise ValueError(f"proxy is for the client's own connections; {NO_CONNECTIONS}")
        return call_proxy(proxy)

    def _annotate(self, exc: RequestError, call: Call) -> None:
        """Set ``request`` and ``timings`` of an error that has none."""
        if failed_request(exc) is None:
            exc.request = self._classes.request(call.sent)
        if exc.timings is None:
            exc.timings = call.sent.phases.freeze()


def _auth_of_userinfo(url: URL) -> BasicAuth:
    try:
        return BasicAuth(url.username, url.password)
    except ValueError as exc:
        raise InvalidURL(f"The userinfo of {redacted(url)} can't be sent: {exc}") from exc
