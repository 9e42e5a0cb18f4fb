"""The engine of a client: written once, as coroutines, for `Client` and `AsyncClient`.

It holds the settings and what requests are sent through, builds the record of a request from arguments
and settings, and makes a `Call` of it. It knows neither threads nor loops: an async client awaits it, a
sync client drives it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from http3_models import URL, ClientClosed, InvalidURL, RequestError, SSLConfig
from http3_models.engine import (
    Deadline,
    RequestDefaults,
    as_timeout,
    build_request,
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
        QueryParamTypes,
        RequestFiles,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )
    from http3_models.engine import RequestState, ResponseState, Transport

    from ._auth import Auth
    from ._call import MessageClasses
    from ._settings import Settings


def check_end(exc: BaseException) -> None:
    """Raise ClientClosed where something can't be imported any more because the interpreter shuts down."""
    if isinstance(exc, ImportError) and sys.is_finalizing():
        raise ClientClosed(
            "Python is shutting down, and what this request needs can't be imported any more; make it before "
            "that, in a function that is registered with atexit at the latest"
        ) from exc


class Engine:
    """What both clients have.

    ``verify`` and ``cert`` are what a dispatcher that is not ours is told where a request says nothing;
    None for our own pool, which knows them. ``is_open``: what requests are sent through is there already, and
    has to be closed even if it is never used.
    """

    __slots__ = (
        "_cert",
        "_classes",
        "_defaults",
        "_fallback_base",
        "_open",
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
        is_open: bool = False,
    ) -> None:
        self.settings = settings
        self.is_closed = False
        self._classes = classes
        self._open = open_transport
        self._transport: Transport | None = open_transport() if is_open else None
        self._fallback_base = fallback_base
        self._defaults = RequestDefaults(settings.headers, settings.removed)
        self._verify = verify
        self._cert = cert

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
        """The request that these arguments and the settings make."""
        settings = self.settings
        try:
            target = resolve_url(url, settings.base_url or self._fallback_base)
            if settings.params:
                params = settings.params.merge(params)
            defaults = self._defaults
            if not defaults.are_still(settings.headers):
                self._defaults = defaults = RequestDefaults(settings.headers, settings.removed)
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
            check_end(exc)
            raise

    def build_shown(
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
        """As `build`, with the Cookie header that the request would have if it were sent now."""
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
        checked: bool = False,
    ) -> tuple[ResponseState, Call]:
        """Send a request of our own (its record is changed); the response, and the call for its ``next()``.

        ``checked``: it is as `build` made it.
        """
        try:
            as_flag("stream", stream)
            as_flag("allow_redirects", allow_redirects)
            transport = self._opened()
            if request.left_out is not None:
                add_defaults(request, self.settings)
            chosen = self._choose_auth(request, auth)
            self._apply_call_options(request, transport, verify, cert, timeout)
        except Exception as exc:
            forget_locals(exc)
            check_end(exc)
            raise
        finally:
            del auth, cert
        call = Call(request, chosen, self.settings, transport, self._classes, checked)
        try:
            check_http_scheme(request.url)
            return await call.send(stream=stream, allow_redirects=allow_redirects), call
        except RequestError as exc:
            self._annotate(exc, call)
            raise
        except ImportError as exc:
            check_end(exc)
            raise

    async def step(self, call: Call, response: ResponseState, *, stream: bool) -> ResponseState:
        """``response.next()``."""
        transport = self._opened()
        try:
            return await call.step(response, transport, stream=stream)
        except RequestError as exc:
            self._annotate(exc, call)
            raise
        except ImportError as exc:
            check_end(exc)
            raise

    async def close(self) -> None:
        """Close what requests are sent through. Idempotent; what could not run may be called again."""
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
        """Start anew after `close`: the client of a request function is wanted again by ``next()``."""
        self._transport = None
        self.is_closed = False

    def _opened(self) -> Transport:
        if self.is_closed:
            raise ClientClosed("This client is closed; make a new one")
        transport = self._transport
        if transport is None:
            # Two threads may come here at once. What the slower one opened has done nothing yet.
            opened = self._open()
            self._transport = transport = self._transport or opened
        return transport

    def _choose_auth(self, request: RequestState, given: AuthTypes | None) -> Auth | None:
        """Of the request, else (unless a header was written by hand) of the client, else of the URL.

        Raises InvalidURL where the URL's user name would be needed and can't be sent.
        """
        url, auth = request.url, self.settings.auth
        userinfo = url.userinfo
        if userinfo:
            request.url = url.copy_with(userinfo="")
        if given is not None:
            return as_auth(given)
        # Asked last: most requests have no auth at all, and looking into headers costs.
        if (auth is None and not userinfo) or "authorization" in request.headers:
            return None
        return _of_userinfo(url) if auth is None else auth

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

    def _annotate(self, exc: RequestError, call: Call) -> None:
        """Tell an error which request it belongs to, and what its phases took."""
        if failed_request(exc) is None:
            exc.request = self._classes.request(call.sent)
        if exc.timings is None:
            exc.timings = call.sent.phases.freeze()


def _of_userinfo(url: URL) -> BasicAuth:
    try:
        return BasicAuth(url.username, url.password)
    except ValueError as exc:
        raise InvalidURL(f"The userinfo of {redacted(url)} can't be sent: {exc}") from exc
