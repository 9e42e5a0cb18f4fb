"""`Client`: the synchronous face of the engine. It builds, drives and shows; the rest is in `_engine`.

Functions delete what they were passed before they fail: URLs, headers, auth and bodies hold secrets, and
tracebacks may be shown with their variables (`http3_models._redaction`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack

from http3_models import (
    DEFAULT_MAX_REDIRECTS,
    DEFAULT_POOL_LIMITS,
    DEFAULT_TIMEOUT_CONFIG,
    Request,
    Response,
)
from http3_models.engine import (
    HTTP_VERSIONS,
    hide_arguments,
    redacted,
    run_sync,
    set_next,
    state_of,
    view_request,
    view_response,
)

from ._call import Call, MessageClasses, copy_of_user_request
from ._construction import check_instance, make_engine
from ._options import RequestOptions, with_signature_of
from ._redirects import is_redirect
from ._runners import run_by
from ._settings import HasSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from http3_models import (
        AsyncDispatcher,
        AuthTypes,
        CertTypes,
        ConcurrencyBackend,
        CookieTypes,
        Dispatcher,
        EgressPolicy,
        HeaderTypes,
        Limits,
        PoolLimits,
        QueryParamTypes,
        RequestData,
        RequestFiles,
        TimeoutTypes,
        URLTypes,
        VerifyTypes,
    )
    from http3_models.engine import ResponseState, SyncRunner, Transport
    from http3_transport import Backend

    from ._runners import Runner
    from ._settings import Encoding, Hook


class Client(HasSettings):
    """An HTTP client that blocks: connections, cookies and defaults that its requests share.

    Threads may share it, and it works inside a running event loop too. Nothing is opened before the first
    request; close it, or use it with ``with``.

    - ``auth``: (user, password), a callable ``request -> request``, or an `Auth`.
    - ``cookies``: a dict, `Cookies` or CookieJar to begin with. What servers set is kept and sent again.
    - ``verify``: True (certifi), False, a CA file or folder, or an ``ssl.SSLContext``.
    - ``cert``: a client certificate: path, (certificate, key) or (certificate, key, password).
    - ``timeout``: seconds, (connect, read), (connect, read, write), or a `TimeoutConfig`; default 5 s a
      phase, None: no limit, not in line for a connection either.
    - ``pool_limits``: `PoolLimits`, connections per host: 10 kept idle, 100 in all, 5 s in line by default.
    - ``max_redirects``: followed in one chain, 20 by default; then TooManyRedirects.
    - ``base_url``: what relative URLs are joined to; its path is a prefix: ``/v1`` + ``/users``.
    - ``dispatch``: a `Dispatcher`, `AsyncDispatcher` or ``Transport`` that sends the requests in place of the
      client's own connections. It is closed with the client.
    - ``app``: a WSGI or ASGI application that answers the requests; relative URLs are on
    ``http://localhost``.
    - ``raise_app_exceptions``: False turns an exception of ``app`` into its error page, or status 500.
    - ``backend``: a ``Backend`` or `ConcurrencyBackend`; blocking sockets by default.
    - ``headers``, ``params``: sent with every request; a request's own replace them by name.
    - ``http_versions``: what may be negotiated; ``("HTTP/2",)`` on http:// is HTTP/2 with prior knowledge.
    - ``trust_env``: heed SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE.
    - ``default_encoding``: of text without charset: a name, a callable ``bytes -> name``, or "auto".
    - ``hooks``: ``{"request": [f], "response": [f]}``, called for every exchange of a
      chain.
    - ``replay``: send a request once more where a broken connection proves that it is safe.
    - ``secret_headers``: names of headers, beside the usual ones, that never cross to another origin.
    - ``runner``: what drives the engine and all that suspends in it (ASGI applications, asynchronous
      dispatchers, backends), an object with ``run(coroutine)``. Hooks and auth flows run inside it as well.
    - ``limits``: `Limits`, bounds on what a server may send.
    - ``egress``: `EgressPolicy`, addresses that are never connected to; for URLs that strangers chose.

    Raises TypeError and ValueError that name the argument, InvalidURL for ``base_url``, and ImportError if
    http3-transport is needed and not installed.
    """

    __slots__ = ("__weakref__", "_engine", "_run")

    @hide_arguments
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
        runner: Runner | None = None,
        limits: Limits | None = None,
        egress: EgressPolicy | None = None,
    ) -> None:
        self._run = _run_function(runner)
        self._engine = make_engine(
            MessageClasses(
                partial(view_request, Request), partial(view_response, Response, run=self._run), run=self._run
            ),
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
            has_runner=runner is not None,
        )

    def __repr__(self) -> str:
        if not hasattr(self, "_engine"):  # the constructor failed
            return "<Client>"
        base = "" if self.base_url is None else f" {redacted(self.base_url)}"
        return f"<Client{base} {'closed' if self.is_closed else 'open'}>"

    def __reduce__(self) -> str:
        raise TypeError("a Client can't be pickled or copied, since it holds connections; make another")

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._engine.is_closed

    def request(
        self,
        method: str,
        url: URLTypes,
        *,
        data: RequestData | None = None,
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
    ) -> Response:
        """Send a request and return its response, after redirects.

        The body is ``data`` (dict for a form, str, bytes, binary file, iterator of bytes),
        ``files`` (multipart, beside a dict as ``data``) or ``json``. ``params`` are appended to the query,
        ``headers`` win over the client's (None removes one), ``cookies`` are for this request and its
        redirects on the same origin. ``stream=True`` returns after the head. ``auth``, ``cert``, ``verify``
        and ``timeout`` (seconds) stand in for the client's, which None means.

        Raises RequestError subclasses (Timeout, NetworkError, ProtocolError, DecodingError, RedirectError),
        InvalidURL, ClientClosed; TypeError and ValueError that name the argument.
        """
        try:
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
            state, call = self._run(
                self._engine.send(
                    request,
                    stream=stream,
                    auth=auth,
                    allow_redirects=allow_redirects,
                    verify=verify,
                    cert=cert,
                    timeout=timeout,
                    checked=True,
                )
            )
            return self._view(state, call, stream, allow_redirects)
        except BaseException:
            del url, data, files, json, params, headers, cookies, auth, cert
            raise

    def build_request(
        self,
        method: str,
        url: URLTypes,
        *,
        data: RequestData | None = None,
        files: RequestFiles | None = None,
        json: object = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
    ) -> Request:
        """The request that `request` would send, for `send`, which adds auth and renews the cookies."""
        try:
            return view_request(
                Request,
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
            del url, data, files, json, params, headers, cookies

    def send(
        self,
        request: Request,
        *,
        stream: bool = False,
        auth: AuthTypes | None = None,
        allow_redirects: bool = True,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> Response:
        """Send a `Request` made by hand or by `build_request`. It stays as it is.

        The client's cookies and auth are added, its headers and params are not. Raises as `request`.
        """
        if not isinstance(request, Request):
            raise TypeError(f"request must be a Request, not {type(request).__name__}")
        try:
            state, call = self._run(
                self._engine.send(
                    copy_of_user_request(state_of(request)),
                    stream=stream,
                    auth=auth,
                    allow_redirects=allow_redirects,
                    verify=verify,
                    cert=cert,
                    timeout=timeout,
                )
            )
            return self._view(state, call, stream, allow_redirects)
        finally:
            del auth, cert

    @with_signature_of(request)
    def get(self, url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
        """Send a GET request; the options are those of `request`."""
        try:
            return self.request("GET", url, **options)
        finally:
            del url, options

    @with_signature_of(request)
    def options(self, url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
        """Send an OPTIONS request; the options are those of `request`."""
        try:
            return self.request("OPTIONS", url, **options)
        finally:
            del url, options

    @with_signature_of(request, allow_redirects=False)
    def head(self, url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
        """Send a HEAD request; as `request`, but redirects are followed only if asked for."""
        options.setdefault("allow_redirects", False)
        try:
            return self.request("HEAD", url, **options)
        finally:
            del url, options

    @with_signature_of(request)
    def post(self, url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
        """Send a POST request; the options are those of `request`."""
        try:
            return self.request("POST", url, **options)
        finally:
            del url, options

    @with_signature_of(request)
    def put(self, url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
        """Send a PUT request; the options are those of `request`."""
        try:
            return self.request("PUT", url, **options)
        finally:
            del url, options

    @with_signature_of(request)
    def patch(self, url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
        """Send a PATCH request; the options are those of `request`."""
        try:
            return self.request("PATCH", url, **options)
        finally:
            del url, options

    @with_signature_of(request)
    def delete(self, url: URLTypes, **options: Unpack[RequestOptions]) -> Response:
        """Send a DELETE request; the options are those of `request`."""
        try:
            return self.request("DELETE", url, **options)
        finally:
            del url, options

    def close(self) -> None:
        """Close idle connections now, busy ones when their response ends. Idempotent.

        If it fails because nothing could run it (no event loop, no thread, a runner that raises), the client
        is still open, and `close` may be called again.
        """
        self._run(self._engine.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def _view(self, state: ResponseState, call: Call, stream: bool, followed: bool) -> Response:
        response = view_response(Response, state, self._run)
        if not followed and is_redirect(state):
            set_next(response, partial(self._send_next, state, call, stream))
        return response

    def _send_next(self, state: ResponseState, call: Call, stream: bool) -> Response:
        following = self._run(self._engine.send_next(call, state, stream=stream))
        return self._view(following, call, stream, False)


def _run_function(runner: Runner | None) -> SyncRunner:
    """How to drive the engine: by default nothing in it suspends, see `_adapters.LoopThreadAdapter`."""
    if runner is None:
        return run_sync
    check_instance("runner", runner, "run")
    if not callable(getattr(runner, "run", None)):
        raise TypeError(f"runner must have a method run(coroutine), and {type(runner).__name__} has none")
    return partial(run_by, runner)
