"""`AsyncClient`: the async class over `Engine`, which has the logic of both clients.

Functions delete their arguments before they raise, for the reason that `_client` gives.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack

from http3_models import (
    DEFAULT_MAX_REDIRECTS,
    DEFAULT_POOL_LIMITS,
    DEFAULT_TIMEOUT_CONFIG,
    AsyncRequest,
    AsyncResponse,
)
from http3_models.engine import (
    HTTP_VERSIONS,
    hide_arguments,
    redacted,
    set_next,
    state_of,
    view_request,
    view_response,
)

from ._arguments import (
    STREAM_OPTIONS,
    hints_of_constructor,
    of_async_build_request,
    of_async_request,
    of_async_send,
    of_async_stream,
    of_async_verb,
    shown_as,
    wrong_arguments,
)
from ._call import Call, MessageClasses, copy_of_user_request
from ._construction import make_engine
from ._redirects import NextHop, is_redirect
from ._settings import HasSettings
from ._streaming import AsyncResponseStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from http3_models import (
        AsyncDispatcher,
        AsyncRequestData,
        AuthTypes,
        CertTypes,
        ConcurrencyBackend,
        CookieTypes,
        Dispatcher,
        EgressPolicy,
        HeaderTypes,
        Limits,
        NetworkConfig,
        PoolLimits,
        Proxy,
        ProxyTypes,
        QueryParamTypes,
        RequestFiles,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )
    from http3_models.engine import ResponseState, Transport
    from http3_transport import Backend

    from ._arguments import AsyncRequestOptions, AsyncStreamOptions
    from ._settings import Encoding, Hook


class AsyncClient(HasSettings):
    """An async HTTP client for asyncio and trio. Its requests share connections, cookies and defaults.

    The tasks of one event loop may share a client. Nothing is opened before the first request. Close it after
    use, or use it in an ``async with`` statement.

    - ``auth``: (user, password), a callable ``request -> request``, or an `Auth`. Default: user and password
      of the URL, if it has them. False: none, not even these.
    - ``cookies``: a dict, `Cookies` or CookieJar to start with. Cookies that servers set are added.
    - ``verify``: True (the CA certificates of certifi), False (no verification), a CA file or folder, or an
      ``ssl.SSLContext``. Default: True.
    - ``cert``: a client certificate: path, (certificate, key) or (certificate, key, password).
    - ``timeout``: seconds for each phase, (connect, read), (connect, read, write), or a `TimeoutConfig`.
      Default: 5 s. None: no limit; a wait for a free connection has one if ``pool_limits`` names it.
    - ``pool_limits``: a `PoolLimits`. Default: per host 100 connections, of which 10 are kept idle; a request
      waits 5 s for a connection.
    - ``max_redirects``: redirects that one request may follow; one more raises TooManyRedirects. Default: 20.
    - ``base_url``: relative URLs are joined to it; its path is a prefix: ``/v1`` + ``/users``.
    - ``dispatch``: a `Dispatcher`, `AsyncDispatcher` or ``Transport`` that sends the requests, in place of a
      connection pool. It is closed with the client.
    - ``app``: a WSGI or ASGI application that gets the requests, in place of a server. Relative URLs are
      joined to ``http://localhost``.
    - ``raise_app_exceptions``: False: an exception of ``app`` is not raised; the response is the error page
      of the application, or has status 500. Default: True.
    - ``backend``: a ``Backend`` or `ConcurrencyBackend` for the connections. Default: that of the running
      async library.
    - ``headers``, ``params``: sent with every request; those of a request replace them by name.
    - ``http_versions``: a tuple of "HTTP/1.1" and "HTTP/2". ``("HTTP/2",)`` alone uses HTTP/2 with prior
      knowledge on http://. Default: both.
    - ``trust_env``: use SSL_CERT_FILE, SSL_CERT_DIR, SSLKEYLOGFILE, and the variables of ``proxy``. Default:
      True.
    - ``default_encoding``: of text without charset: a name, a callable ``bytes -> name``, or "auto".
    - ``hooks``: ``{"request": [f], "response": [f]}``, called with each request and response, also those of
      redirects and auth. They may be async.
    - ``replay``: send a request once more if its connection broke and that is safe. Default: True.
    - ``secret_headers``: names of headers that are not sent to another origin by a redirect, beside
      Authorization, Cookie and the like.
    - ``limits``: a `Limits`: how much a server may send.
    - ``egress``: an `EgressPolicy`: addresses that are never connected to, for URLs of untrusted origin.
    - ``proxy``: a URL (``http://``, ``https://``, ``socks5://``, ``socks5h://``) or `Proxy`; or a dict from
      patterns such as ``"https"``, ``"all://*.example.org"`` and ``"all://10.0.0.0/8"`` to these, with
      ``"no_proxy"``. False: none. Default: what http_proxy, https_proxy, all_proxy and no_proxy say, if
      ``trust_env``.
    - ``network``: a `NetworkConfig`: addresses of hosts, Unix sockets, local address, socket options.

    Raises TypeError and ValueError that name the argument, InvalidURL for ``base_url``, and ImportError if
    http3-transport is needed and is not installed.
    """

    @hide_arguments
    @hints_of_constructor
    def __init__(
        self,
        auth: AuthTypes | None = None,
        cookies: CookieTypes | None = None,
        verify: VerifyTypes = True,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = DEFAULT_TIMEOUT_CONFIG,
        pool_limits: PoolLimits = DEFAULT_POOL_LIMITS,
        max_redirects: int = DEFAULT_MAX_REDIRECTS,
        base_url: URLTypes | None = None,
        dispatch: Dispatcher | AsyncDispatcher | Transport | None = None,
        app: Callable[..., Any] | None = None,
        raise_app_exceptions: bool = True,
        backend: ConcurrencyBackend | Backend | None = None,
        *,
        headers: HeaderTypes | None = None,
        params: QueryParamTypes | None = None,
        http_versions: tuple[str, ...] = HTTP_VERSIONS,
        trust_env: bool = True,
        default_encoding: Encoding = None,
        hooks: Mapping[str, Iterable[Hook]] | None = None,
        replay: bool = True,
        secret_headers: Iterable[str] = (),
        limits: Limits | None = None,
        egress: EgressPolicy | None = None,
        proxy: ProxyTypes | None = None,
        network: NetworkConfig | None = None,
    ) -> None:
        self._engine = make_engine(
            MessageClasses(partial(view_request, AsyncRequest), partial(view_response, AsyncResponse)),
            auth=auth,
            cookies=cookies,
            verify=verify,
            cert=cert,
            timeout=timeout,
            pool_limits=pool_limits,
            max_redirects=max_redirects,
            base_url=base_url,
            dispatch=dispatch,
            app=app,
            raise_app_exceptions=raise_app_exceptions,
            backend=backend,
            headers=headers,
            params=params,
            http_versions=http_versions,
            trust_env=trust_env,
            default_encoding=default_encoding,
            hooks=hooks,
            replay=replay,
            secret_headers=secret_headers,
            limits=limits,
            egress=egress,
            proxy=proxy,
            network=network,
        )

    def __repr__(self) -> str:
        if not hasattr(self, "_engine"):  # the constructor failed
            return "<AsyncClient>"
        base = "" if self.base_url is None else f" {redacted(self.base_url)}"
        return f"<AsyncClient{base} {'closed' if self.is_closed else 'open'}>"

    def __reduce__(self) -> str:
        raise TypeError("an AsyncClient can't be pickled or copied, since it holds connections; make another")

    def proxy_for(self, url: URLTypes) -> Proxy | None:
        """The `Proxy` that requests to this URL would use, if they name none; None: none.

        Raises InvalidURL, and ProxyError if the environment names a proxy that is not valid.
        """
        return self._engine.proxy_for(url)

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._engine.is_closed

    @shown_as(of_async_request)
    async def request(
        self,
        method: str,
        url: URLTypes,
        *surplus: object,
        data: AsyncRequestData | None = None,
        files: RequestFiles | None = None,
        json: object = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        stream: bool = False,
        auth: AuthTypes | None = None,
        allow_redirects: bool = True,
        cert: CertTypes | None = None,
        verify: VerifyTypes | None = None,
        timeout: TimeoutTypes | None = None,
        proxy: ProxyTypes | None = None,
        **unknown: object,
    ) -> AsyncResponse:
        """Send a request and return its response, after redirects.

        - ``data``: the body: a dict (sent as a form), str, bytes, a binary file, or a sync or async iterator
          of bytes.
        - ``files``: a multipart form, together with a dict as ``data``: name -> file, bytes or
          (filename, file[, type[, headers]]).
        - ``json``: an object that is sent as JSON.
        - ``params``: added to the query of the URL.
        - ``headers``: added to the client's; a name replaces, a value of None removes a header.
        - ``cookies``: for this request and its redirects on the same origin.
        - ``stream``: True returns after the response's head; the body is then read on demand. Default: False.
        - ``allow_redirects``: follow redirects. Default: True.
        - ``auth``, ``cert``, ``verify``, ``timeout`` (seconds), ``proxy``: in place of the client's, for
          redirects too. None: the client's. ``auth=False`` sends none, not even user and password of the URL;
          ``proxy=False`` uses none.

        Raises RequestError subclasses (Timeout, NetworkError, ProtocolError, DecodingError, RedirectError),
        InvalidURL, ClientClosed; TypeError and ValueError that name the argument.
        """
        try:
            if surplus or unknown:
                raise wrong_arguments(surplus, unknown)
            request = self._engine.build(
                method,
                url,
                data=data,
                files=files,
                json=json,
                params=params,
                headers=headers,
                cookies=cookies,
            )
            state, call = await self._engine.send(
                request,
                stream=stream,
                auth=auth,
                allow_redirects=allow_redirects,
                verify=verify,
                cert=cert,
                timeout=timeout,
                proxy=proxy,
                checked=True,
            )
            return self._view(state, call, stream, allow_redirects)
        except BaseException:
            del url, data, files, json, params, headers, cookies, auth, cert, proxy, surplus, unknown
            raise

    @shown_as(of_async_build_request)
    def build_request(
        self,
        method: str,
        url: URLTypes,
        *surplus: object,
        data: AsyncRequestData | None = None,
        files: RequestFiles | None = None,
        json: object = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        **unknown: object,
    ) -> AsyncRequest:
        """A request as `request` would send it, without auth. `send` adds auth and updates the cookies."""
        try:
            if surplus or unknown:
                raise wrong_arguments(surplus, unknown)
            return view_request(
                AsyncRequest,
                self._engine.build_with_cookies(
                    method,
                    url,
                    data=data,
                    files=files,
                    json=json,
                    params=params,
                    headers=headers,
                    cookies=cookies,
                ),
            )
        finally:
            del url, data, files, json, params, headers, cookies, surplus, unknown

    @shown_as(of_async_send)
    async def send(
        self,
        request: AsyncRequest,
        *surplus: object,
        stream: bool = False,
        auth: AuthTypes | None = None,
        allow_redirects: bool = True,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
        proxy: ProxyTypes | None = None,
        **unknown: object,
    ) -> AsyncResponse:
        """Send an `AsyncRequest`, of `build_request` or made without the client. It is not changed.

        The client's cookies and auth are added, its headers and params are not. Raises what `request` raises.
        """
        try:
            if surplus or unknown:
                raise wrong_arguments(surplus, unknown)
            if not isinstance(request, AsyncRequest):
                raise TypeError(f"request must be an AsyncRequest, not {type(request).__name__}")
            state, call = await self._engine.send(
                copy_of_user_request(state_of(request)),
                stream=stream,
                auth=auth,
                allow_redirects=allow_redirects,
                verify=verify,
                cert=cert,
                timeout=timeout,
                proxy=proxy,
            )
            return self._view(state, call, stream, allow_redirects)
        finally:
            del auth, cert, proxy, surplus, unknown

    @shown_as(of_async_stream, request, without=("stream",))
    def stream(
        self, method: str, url: URLTypes, *surplus: object, **options: Unpack[AsyncStreamOptions]
    ) -> AbstractAsyncContextManager[AsyncResponse]:
        """``async with client.stream("GET", url) as response:`` sends the request, and closes the response at
        the end of the block, however that ends. The body is read on demand; the options are those of
        `request`.
        """
        try:
            unknown = options.keys() - STREAM_OPTIONS
            if surplus or unknown:
                raise wrong_arguments(surplus, unknown, STREAM_OPTIONS)
            return AsyncResponseStream(partial(self.request, method, url, stream=True, **options))
        finally:
            del url, surplus, options

    @shown_as(of_async_verb, request)
    async def get(
        self, url: URLTypes, *surplus: object, **options: Unpack[AsyncRequestOptions]
    ) -> AsyncResponse:
        """Send a GET request; the options are those of `request`."""
        try:
            return await self.request("GET", url, *surplus, **options)
        finally:
            del url, surplus, options

    @shown_as(of_async_verb, request)
    async def options(
        self, url: URLTypes, *surplus: object, **options: Unpack[AsyncRequestOptions]
    ) -> AsyncResponse:
        """Send an OPTIONS request; the options are those of `request`."""
        try:
            return await self.request("OPTIONS", url, *surplus, **options)
        finally:
            del url, surplus, options

    @shown_as(of_async_verb, request, allow_redirects=False)
    async def head(
        self, url: URLTypes, *surplus: object, **options: Unpack[AsyncRequestOptions]
    ) -> AsyncResponse:
        """Send a HEAD request; as `request`, but ``allow_redirects`` is False by default."""
        options.setdefault("allow_redirects", False)
        try:
            return await self.request("HEAD", url, *surplus, **options)
        finally:
            del url, surplus, options

    @shown_as(of_async_verb, request)
    async def post(
        self, url: URLTypes, *surplus: object, **options: Unpack[AsyncRequestOptions]
    ) -> AsyncResponse:
        """Send a POST request; the options are those of `request`."""
        try:
            return await self.request("POST", url, *surplus, **options)
        finally:
            del url, surplus, options

    @shown_as(of_async_verb, request)
    async def put(
        self, url: URLTypes, *surplus: object, **options: Unpack[AsyncRequestOptions]
    ) -> AsyncResponse:
        """Send a PUT request; the options are those of `request`."""
        try:
            return await self.request("PUT", url, *surplus, **options)
        finally:
            del url, surplus, options

    @shown_as(of_async_verb, request)
    async def patch(
        self, url: URLTypes, *surplus: object, **options: Unpack[AsyncRequestOptions]
    ) -> AsyncResponse:
        """Send a PATCH request; the options are those of `request`."""
        try:
            return await self.request("PATCH", url, *surplus, **options)
        finally:
            del url, surplus, options

    @shown_as(of_async_verb, request)
    async def delete(
        self, url: URLTypes, *surplus: object, **options: Unpack[AsyncRequestOptions]
    ) -> AsyncResponse:
        """Send a DELETE request; the options are those of `request`."""
        try:
            return await self.request("DELETE", url, *surplus, **options)
        finally:
            del url, surplus, options

    async def close(self) -> None:
        """Close idle connections now, and others when their response ends. Idempotent.

        If it could not run (no event loop, no thread) or was cancelled, the client is still open, and `close`
        may be called again.
        """
        await self._engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def _view(self, state: ResponseState, call: Call, stream: bool, followed: bool) -> AsyncResponse:
        response = view_response(AsyncResponse, state)
        if not followed and is_redirect(state):
            set_next(response, NextHop(state, partial(self._send_next, state, call, stream)))
        return response

    async def _send_next(self, state: ResponseState, call: Call, stream: bool) -> AsyncResponse:
        following = await self._engine.send_next(call, state, stream=stream)
        return self._view(following, call, stream, False)
