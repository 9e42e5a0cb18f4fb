"""One call of a client: a request, the redirects that follow it, and the response that is returned.

    send                   the loop over redirects; then the body is read, unless stream=True
      _send_hop            one request of the chain, with or without auth
        _send_with_auth    the auth flow: an exchange each time it yields
          _exchange        hooks, the transport, cookies of the response; once more after a 417
      _follow_redirect     end the redirect response, have `_redirects` make the next request

When anything fails, the response is closed. No user code (auth, hooks, bodies) runs under a lock. What auth,
hooks and a user's dispatcher change in a request holds for that hop only: the next hop starts from the
headers as they were before, and its origin is compared with the URL as it was before.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from http3_models import (
    AsyncRequest,
    Delivery,
    HttpError,
    RedirectError,
    Request,
    Response,
    ResponseNotRead,
    StreamConsumed,
    TotalTimeout,
)
from http3_models.engine import (
    BytesBody,
    Deadline,
    MemoryBody,
    RequestDefaults,
    RequestState,
    ResponseState,
    check_request,
    checkpoint,
    close,
    close_unawaited,
    cookie_header,
    forget_locals,
    is_logged,
    join_cookie_headers,
    log,
    read_all,
    read_if_buffered,
    redacted,
    set_unread_message,
    short_repr,
    state_of,
    view_request,
    view_response,
)

from ._draining import drain_or_close, read_short_body
from ._redirects import Chain, add_hop_to_message, is_redirect, next_request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from http3_models import URL, Headers
    from http3_models.engine import Pause, SyncRunner, Transport

    from ._auth import AnyRequest, AnyResponse, Auth, Flow
    from ._settings import Hook, Settings

T = TypeVar("T")

_UNREAD_BY_AUTH = (
    "The body was not read. With requires_response_body = True in the Auth class, each response is read "
    "before auth_flow receives it"
)

_UNREAD_REDIRECT = (
    "The body of a redirect that is followed is read only up to 64 KiB, and this one is longer; with "
    "allow_redirects=False hooks get all of it"
)


class MessageClasses:
    """The request and response classes of a client, as functions from record to object.

    ``run`` runs a coroutine in a sync client; None for an async client.
    """

    __slots__ = ("asynchronous", "pause", "request", "response", "run")

    def __init__(
        self,
        request: Callable[[RequestState], AnyRequest],
        response: Callable[[ResponseState], AnyResponse],
        *,
        run: SyncRunner | None = None,
    ) -> None:
        self.request = request
        self.response = response
        self.run = _refuse_to_read if run is None else run
        self.asynchronous = run is None
        self.pause: Pause | None = checkpoint if run is None else None


class Call:
    """The state of one call. ``sent`` is the request that was sent last.

    ``checked``: ``request`` is as `build_request` made it, and needs no `check_request`.
    """

    __slots__ = (
        "_allow_redirects",
        "_auth",
        "_chain",
        "_checked",
        "_classes",
        "_hop_headers",
        "_hop_url",
        "_settings",
        "_started",
        "_stream",
        "_transport",
        "sent",
    )

    _stream: bool
    _allow_redirects: bool
    # Of the current hop's request, before auth, hooks and a user's dispatcher could change it:
    _hop_url: URL
    _hop_headers: Headers

    def __init__(
        self,
        request: RequestState,
        auth: Auth | None,
        settings: Settings,
        transport: Transport,
        classes: MessageClasses,
        checked: bool,
    ) -> None:
        self.sent = request
        self._checked = request if checked else None
        self._auth = auth
        self._settings = settings
        self._transport = transport
        self._classes = classes
        self._started = transport.now()
        self._chain: Chain | None = None  # None until the first redirect

    async def send(self, *, stream: bool, allow_redirects: bool) -> ResponseState:
        """Send the request, follow redirects if ``allow_redirects``, read the body unless ``stream``."""
        self._stream, self._allow_redirects = stream, allow_redirects
        set_cookies(self.sent, self._settings, direct=True)
        response = await self._send_hop(self.sent)
        if allow_redirects:
            while is_redirect(response):
                response = await self._follow_redirect(response)
        return response if stream or read_if_buffered(response) else await self._read(response)

    async def send_next(
        self, response: ResponseState, transport: Transport, *, stream: bool
    ) -> ResponseState:
        """Follow one redirect, for ``response.next()``. The total timeout begins anew."""
        self._transport = transport
        self._stream, self._allow_redirects = stream, False
        self._started = transport.now()
        sent = response.request
        if sent is not None and sent.deadline is not None:
            sent.deadline = Deadline(sent.deadline.limit, transport.now)
        following = await self._follow_redirect(response)
        return following if stream or read_if_buffered(following) else await self._read(following)

    async def _read(self, response: ResponseState) -> ResponseState:
        """Read the whole body into memory. A failure closes the response."""
        await read_all(response, self._classes.pause)
        if response.body is not None:  # it was in memory: the bytes stay, and on_close is called
            await close(response)
        return response

    def _set_cookies(self, request: RequestState) -> None:
        set_cookies(request, self._settings, direct=self._chain is None or self._chain.same_origin_so_far)

    def _send_hop(self, request: RequestState) -> Coroutine[Any, Any, ResponseState]:
        self._hop_url, self._hop_headers = request.url, request.headers
        auth, chain = self._auth, self._chain
        if auth is None or not (chain is None or chain.same_origin_so_far or auth.for_each_origin):
            return self._exchange(request)
        return self._send_with_auth(request, auth)

    async def _send_with_auth(self, request: RequestState, auth: Auth) -> ResponseState:
        """Run the auth flow on a copy of the request, and send each request that it yields."""
        own = copy_request(request)
        if auth.requires_request_body:
            await _read_into_memory(own)
        flow = _start_flow(auth, view_request(Request, own))
        response: ResponseState | None = None
        history: list[ResponseState] = []
        try:
            yielded = _check_yielded(auth, next(flow, None))
            while True:
                # Each exchange has a record of its own, since the flow may change its request after it.
                sent = copy_request(yielded, request)
                add_defaults(sent, self._settings)  # if the flow made the request
                response = await self._exchange(sent)
                history += response.history
                if auth.requires_response_body:
                    await read_all(response, self._classes.pause)
                try:
                    following = flow.send(self._response_for_auth(auth, response))
                except StopIteration:
                    break
                yielded = _check_yielded(auth, following)
                await drain_or_close(response, self._transport.now, self._classes.pause)
                history.append(response)
                log_retry(response, yielded, "auth")
                if yielded is own and "set-cookie" in response.headers:
                    self._renew_cookies(own)
        except BaseException as exc:
            await self._close_after_error(response, exc)
            raise
        finally:
            flow.close()
        response.history = history
        return response

    def _response_for_auth(self, auth: Auth, response: ResponseState) -> Response:
        """A `Response`, in both clients. If its body is not read, the error names the attribute to set."""
        if auth.requires_response_body:
            return view_response(Response, response)
        view = view_response(Response, response, self._classes.run)
        set_unread_message(view, _UNREAD_BY_AUTH)
        return view

    def _renew_cookies(self, request: RequestState) -> None:
        """Add cookies that the response with the challenge has set, unless auth has set a Cookie header."""
        if request.headers.getlist("cookie") == self._hop_headers.getlist("cookie"):
            self._set_cookies(request)

    async def _exchange(self, asked: RequestState, *, with_expect: bool = True) -> ResponseState:
        """Send a request and return its response. ``with_expect``: False removes ``Expect: 100-continue``."""
        settings, request = self._settings, asked
        before, after = settings.hooks.get("request"), settings.hooks.get("response")
        if before:
            request = copy_request(request)
            view = self._classes.request(request)
            for hook in before:
                await self._call_hook(hook, view)
            request = state_of(view)
        if not with_expect:
            request = without_expect_continue(request)
        self.sent = request
        if request is not self._checked:
            check_request(request)
        deadline = request.deadline
        if deadline is not None:
            deadline.check(request, Delivery.NOT_SENT)
        if not request.body.can_send_again:
            where = f"{request.method} {redacted(request.url)}"
            raise StreamConsumed(f"The request's body can be read only once, and was read already: {where}")
        request.body.rewind()
        response = await self._transport.exchange(request)
        response.request = request
        response.elapsed = self._transport.now() - self._started
        response.limits = settings.limits
        response.default_encoding = settings.default_encoding
        try:
            if deadline is not None:
                deadline.check(request, Delivery.MAYBE_PROCESSED)
            settings.cookies.extract(request.url, response.headers)
            if after:
                await self._call_response_hooks(after, response)
        except BaseException as exc:
            await self._close_after_error(response, exc)
            raise
        if response.status_code == 417 and with_expect and can_retry_without_expect(request):
            await drain_or_close(response, self._transport.now, self._classes.pause)
            log_retry(response, asked, "without Expect")
            following = await self._exchange(asked, with_expect=False)
            following.history = [response]
            return following
        return response

    async def _call_response_hooks(self, hooks: list[Hook], response: ResponseState) -> None:
        """Read the body, so that hooks and their errors have it, and call the hooks."""
        view = self._classes.response(response)
        if self._allow_redirects and is_redirect(response):
            await read_short_body(response, self._transport.now, self._classes.pause)
            if not isinstance(response.body, MemoryBody):
                set_unread_message(view, _UNREAD_REDIRECT)
        elif not self._stream:
            await self._read(response)
        for hook in hooks:
            await self._call_hook(hook, view)

    async def _call_hook(self, hook: Hook, view: AnyRequest | AnyResponse) -> None:
        result = hook(view)
        if hasattr(result, "__await__"):
            if not self._classes.asynchronous:
                close_unawaited(result)
                raise TypeError(
                    f"The hook {short_repr(hook)} is async, and Client calls sync hooks only; AsyncClient "
                    "calls both"
                )
            await result

    async def _close_after_error(self, response: ResponseState | None, exc: BaseException) -> None:
        """Close a response that won't be returned. A cancellation does not wait for that.

        An error of ``raise_for_status()`` holds the response: a short body, which may describe what went
        wrong, is read first.
        """
        if isinstance(exc, HttpError) and response is not None and state_of(exc.response) is response:
            set_unread_message(exc.response, None)
            with suppress(TotalTimeout):
                await read_short_body(response, self._transport.now, self._classes.pause)
        if response is None or response.body is None:
            return
        if isinstance(exc, Exception):
            await close(response)
        else:
            response.body.abort()

    async def _follow_redirect(self, response: ResponseState) -> ResponseState:
        sent = response.request
        assert sent is not None
        await drain_or_close(response, self._transport.now, self._classes.pause)
        try:
            request = self._next_request(sent, response)
        except RedirectError as exc:
            forget_locals(exc)  # a Location may hold credentials
            exc.response = self._classes.response(response)
            add_hop_to_message(exc, sent, response)
            raise
        log_redirect(response, request)
        following = await self._send_hop(request)
        following.history = [*response.history, response, *following.history]
        return following

    def _next_request(self, sent: RequestState, response: ResponseState) -> RequestState:
        chain = self._chain
        if chain is None:
            self._chain = chain = Chain(self._settings.max_redirects, self._settings.secret_headers)
        chain.add_sent(sent)
        chain.count_redirect(sent)
        headers = self._hop_headers
        if sent.headers is not headers:
            chain.add_secret_headers(_changed_names(headers, sent.headers))
        request = next_request(sent, response, chain, hop_url=self._hop_url, hop_headers=headers)
        self._set_cookies(request)
        chain.check_loop(request)
        return request


def set_cookies(request: RequestState, settings: Settings, *, direct: bool) -> None:
    """Set the Cookie header: cookies that the caller wrote in a header, then those of the request's
    ``cookies``, then those of the store. Of two cookies of one name the first is sent.

    ``direct``: no redirect from another origin led to this request.
    """
    url = request.url
    stored = settings.cookies.header_for(url, direct=direct, base_url=settings.base_url)
    if stored is None and request.cookies is None and request.explicit_cookie is None:
        return
    own = None if request.cookies is None else request.cookies.header_for(url)
    header = join_cookie_headers(request.explicit_cookie, own, stored)
    if header is not None:
        request.headers["Cookie"] = header


def _refuse_to_read(coroutine: Coroutine[Any, Any, T], /) -> T:
    """`MessageClasses.run` of an async client, for an auth flow that reads a body: it can't await."""
    coroutine.close()
    raise ResponseNotRead(_UNREAD_BY_AUTH)


def copy_request(request: RequestState, call: RequestState | None = None) -> RequestState:
    """A copy with headers of its own. Time limits and TLS options are those of ``call``, if given."""
    options = request if call is None else call
    return RequestState(
        request.method,
        request.url,
        request.headers.copy(),
        request.body,
        cookies=request.cookies,
        explicit_cookie=request.explicit_cookie,
        timeout=options.timeout,
        deadline=options.deadline,
        verify=options.verify,
        cert=options.cert,
        proxy=options.proxy,
        without_cert=options.without_cert,
        asynchronous=options.asynchronous,
        left_out=request.left_out,
    )


def add_defaults(request: RequestState, settings: Settings) -> None:
    """Add the client's default headers to a request that was not made by the client."""
    if request.left_out is not None:
        RequestDefaults(settings.headers, settings.removed_headers).complete(request)


def copy_of_user_request(request: RequestState) -> RequestState:
    """A copy of a request that the caller made, or got from ``build_request`` and may have changed."""
    own = copy_request(request)
    header = cookie_header(own.headers)
    if header is not None and header == request.computed_cookie:
        del own.headers["cookie"]  # unchanged since `build_with_cookies`; `set_cookies` sets the current one
    else:
        own.explicit_cookie = header
    return own


def can_retry_without_expect(request: RequestState) -> bool:
    """Whether a request that got a 417 is sent again without ``Expect: 100-continue``.

    RFC 9110 section 10.1.1. The body must not have been read, or be one that can be sent again.
    """
    return _other_expectations(request.headers) is not None and request.body.can_send_again


def without_expect_continue(request: RequestState) -> RequestState:
    """A copy that does not wait for 100 (Continue)."""
    own = copy_request(request)
    others = _other_expectations(own.headers)
    if others:
        own.headers["Expect"] = others
    elif others is not None:
        del own.headers["Expect"]
    return own


def _other_expectations(headers: Headers) -> str | None:
    """The members of Expect beside 100-continue; None if 100-continue is not among them."""
    members = headers.getlist("expect", split_commas=True)
    others = [member for member in members if member.lower() != "100-continue"]
    return None if len(others) == len(members) else ", ".join(others)


async def _read_into_memory(request: RequestState) -> None:
    """Read the request's body, and replace it by its bytes."""
    body = request.body
    if body.data is None:
        body.rewind()
        chunks = []
        while chunk := await body.read_chunk():
            chunks.append(chunk)
        request.body = BytesBody(b"".join(chunks))


def _start_flow(auth: Auth, request: Request) -> Flow:
    flow = auth.auth_flow(request)
    if not hasattr(flow, "send"):
        close_unawaited(flow)
        raise TypeError(f"auth_flow of {short_repr(auth)} must be a generator, not {type(flow).__name__}")
    return flow


def _check_yielded(auth: Auth, request: object) -> RequestState:
    if isinstance(request, Request | AsyncRequest):
        return state_of(request)
    close_unawaited(request)
    raise TypeError(f"{short_repr(auth)} must return a request, not {type(request).__name__}")


def log_redirect(response: ResponseState, following: RequestState) -> None:
    """Tell the logger ``http3.client`` of a redirect that is followed; no header, no password of a URL."""
    if is_logged("client"):
        origin = "" if response.request is None else _line(response.request)
        log("client", "redirected by %d: %s to %s", response.status_code, origin, _line(following))


def log_retry(response: ResponseState, following: RequestState, why: str) -> None:
    """Tell it of a request that is sent because of the response to the one before."""
    if is_logged("client"):
        log("client", "retried after %d (%s): %s", response.status_code, why, _line(following))


def _line(request: RequestState) -> str:
    return f"{request.method} {redacted(request.url)}"


def _changed_names(before: Headers, after: Headers) -> set[str]:
    """The lower-case names of headers that were added, changed or removed."""
    return {name for name in {*before, *after} if before.getlist(name) != after.getlist(name)}
