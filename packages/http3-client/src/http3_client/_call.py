"""One call of a client: hop after hop, until there is a response to hand over.

The names follow the way of a request:

    send                   the loop over redirects; then the body is read, unless it is to be streamed
      _send_hop            one request of the chain, with or without auth
        _send_with_auth    the auth flow: an exchange each time it yields
          _exchange        hooks, the transport, cookies of the response; once more after a 417
      _follow_redirect     end the redirecting response, ask `_redirects` for the next request

Rules kept here: whatever fails, the response at hand is closed; no user code (auth, hooks, bodies) runs under
a lock; what auth, hooks and a user's dispatcher do to a request stays on that hop, since the next one starts
from the headers as they were before, and trust is decided by the URL that was asked for.
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
    join_cookie_headers,
    read_all,
    read_if_buffered,
    redacted,
    set_unread_message,
    short_repr,
    state_of,
    view_request,
    view_response,
)

from ._draining import drain_or_close, keep_short
from ._redirects import Chain, is_redirect, next_request, tell_where

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from http3_models import URL, Headers
    from http3_models.engine import Pause, SyncRunner, Transport

    from ._auth import AnyRequest, AnyResponse, Auth, Flow
    from ._settings import Hook, Settings

T = TypeVar("T")

_UNREAD_BY_AUTH = (
    "The body was not read: set requires_response_body = True in the Auth class, then each response is read "
    "before auth_flow is given it"
)

_LONG_REDIRECT = (
    "Of a redirect that is followed, the body is read where it ends within 64 KiB, and this one does not; "
    "with allow_redirects=False hooks find all of it"
)


class MessageClasses:
    """How records are shown: by the classes of the client that is used.

    ``run`` is how a sync client drives what is awaited; None for an async client.
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
        self.run = _refuse if run is None else run
        self.asynchronous = run is None
        self.pause: Pause | None = checkpoint if run is None else None


class Call:
    """What one call has to remember between its hops. ``sent`` is the request that went out last."""

    __slots__ = (
        "_asked",
        "_auth",
        "_chain",
        "_checked",
        "_classes",
        "_follows",
        "_headers_before_auth",
        "_settings",
        "_started",
        "_stream",
        "_transport",
        "sent",
    )  # fmt: skip

    _stream: bool  # whether the caller reads the body
    _follows: bool  # whether redirects are followed
    _asked: URL  # of this hop, and
    _headers_before_auth: Headers  # these as well, as they were before auth, hooks and a user's dispatcher

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
        self._checked = request if checked else None  # a request that is as `build_request` made it
        self._auth = auth
        self._settings = settings
        self._transport = transport
        self._classes = classes
        self._started = transport.now()
        self._chain: Chain | None = None  # begun by the first redirect

    async def send(self, *, stream: bool, allow_redirects: bool) -> ResponseState:
        """Send the request and, if asked to, what redirects lead to."""
        self._stream, self._follows = stream, allow_redirects
        set_cookies(self.sent, self._settings, direct=True)
        response = await self._send_hop(self.sent)
        if allow_redirects:
            while is_redirect(response):
                response = await self._follow_redirect(response)
        return response if stream or read_if_buffered(response) else await self._read(response)

    async def step(self, response: ResponseState, transport: Transport, *, stream: bool) -> ResponseState:
        """Follow one redirect: what ``response.next()`` does. It is a call of its own for time limits."""
        self._transport = transport
        self._stream, self._follows = stream, False
        self._started = transport.now()
        sent = response.request
        if sent is not None and sent.deadline is not None:
            sent.deadline = Deadline(sent.deadline.limit, transport.now)
        following = await self._follow_redirect(response)
        return following if stream or read_if_buffered(following) else await self._read(following)

    async def _read(self, response: ResponseState) -> ResponseState:
        """The whole body, into memory. A failure closes the response."""
        await read_all(response, self._classes.pause)
        if response.body is not None:
            await close(response)  # one that was in memory: calls on_close; the bytes stay
        return response

    # The steps of a hop.

    def _set_cookies(self, request: RequestState) -> None:
        set_cookies(request, self._settings, direct=self._chain is None or self._chain.same_origin_so_far)

    def _send_hop(self, request: RequestState) -> Coroutine[Any, Any, ResponseState]:
        self._asked, self._headers_before_auth = request.url, request.headers
        if self._auth is None or (self._chain is not None and not self._chain.same_origin_so_far):
            return self._exchange(request)
        return self._send_with_auth(request, self._auth)

    async def _send_with_auth(self, request: RequestState, auth: Auth) -> ResponseState:
        """Let the flow change a copy of the request, and send what it yields until it has enough."""
        work = copy_request(request)
        if auth.requires_request_body:
            await _load(work)
        flow = _flow_of(auth, view_request(Request, work))
        response: ResponseState | None = None
        earlier: list[ResponseState] = []
        try:
            wanted = _yielded(auth, next(flow, None))
            while True:
                # Each exchange has a record of its own: the flow goes on changing the one it has.
                sent = copy_request(wanted, request)
                add_defaults(sent, self._settings)  # to one that the flow has made
                response = await self._exchange(sent)
                earlier += response.history
                if auth.requires_response_body:
                    await read_all(response, self._classes.pause)
                try:
                    following = flow.send(self._view_for(auth, response))
                except StopIteration:
                    break
                wanted = _yielded(auth, following)
                await drain_or_close(response, self._transport.now, self._classes.pause)
                earlier.append(response)
                if wanted is work and "set-cookie" in response.headers:
                    self._renew_cookies(work)
        except BaseException as exc:
            await self._dispose(response, exc)
            raise
        finally:
            flow.close()
        response.history = earlier
        return response

    def _view_for(self, auth: Auth, response: ResponseState) -> Response:
        """A plain `Response` in both clients; it is in memory, or says how an `Auth` has it read."""
        if auth.requires_response_body:
            return view_response(Response, response)
        view = view_response(Response, response, self._classes.run)
        set_unread_message(view, _UNREAD_BY_AUTH)
        return view

    def _renew_cookies(self, request: RequestState) -> None:
        """A challenge may have set a cookie that its answer must show; but what auth wrote stays."""
        if request.headers.getlist("cookie") == self._headers_before_auth.getlist("cookie"):
            self._set_cookies(request)

    async def _exchange(self, asked: RequestState, *, expects: bool = True) -> ResponseState:
        """One request and its answer. ``expects``: False has it sent without ``Expect: 100-continue``."""
        settings, request = self._settings, asked
        before, after = settings.hooks.get("request"), settings.hooks.get("response")
        if before:
            request = copy_request(request)
            view = self._classes.request(request)
            for hook in before:
                await self._call_hook(hook, view)
            request = state_of(view)
        if not expects:
            request = without_continue(request)
        self.sent = request
        if request is not self._checked:
            check_request(request)
        deadline = request.deadline
        if deadline is not None:
            deadline.check(request, Delivery.NOT_SENT)
        if not request.body.can_send_again:
            where = f"{request.method} {redacted(request.url)}"
            raise StreamConsumed(f"The body comes only once and was read already: {where}")
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
                await self._call_after(after, response)
        except BaseException as exc:
            await self._dispose(response, exc)
            raise
        if response.status_code == 417 and expects and refused_to_continue(request):
            await drain_or_close(response, self._transport.now, self._classes.pause)
            following = await self._exchange(asked, expects=False)
            following.history = [response]
            return following
        return response

    async def _read_ahead(self, response: ResponseState) -> None:
        """Have what will be read read now, so that hooks may look at it, and it survives their exceptions."""
        if self._follows and is_redirect(response):
            await keep_short(response, self._transport.now, self._classes.pause)
        elif not self._stream:
            await self._read(response)

    async def _call_after(self, hooks: list[Hook], response: ResponseState) -> None:
        view = self._classes.response(response)
        await self._read_ahead(response)
        if self._follows and is_redirect(response) and not isinstance(response.body, MemoryBody):
            set_unread_message(view, _LONG_REDIRECT)
        for hook in hooks:
            await self._call_hook(hook, view)

    async def _call_hook(self, hook: Hook, view: AnyRequest | AnyResponse) -> None:
        result = hook(view)
        if hasattr(result, "__await__"):
            if not self._classes.asynchronous:
                close_unawaited(result)
                raise TypeError(
                    f"hooks of Client can't be async, and {short_repr(hook)} is; AsyncClient takes both"
                )
            await result

    async def _dispose(self, response: ResponseState | None, exc: BaseException) -> None:
        """Close a response that won't be handed over. A cancellation must not wait for anything.

        An error of ``raise_for_status()`` does hand it over: a short body, which may say what went wrong, is
        read first.
        """
        if isinstance(exc, HttpError) and response is not None and state_of(exc.response) is response:
            set_unread_message(exc.response, None)
            with suppress(TotalTimeout):
                await keep_short(response, self._transport.now, self._classes.pause)
        if response is None or response.body is None:
            return
        if isinstance(exc, Exception):
            await close(response)
        else:
            response.body.abort()

    # From one hop to the next.

    async def _follow_redirect(self, response: ResponseState) -> ResponseState:
        sent = response.request
        assert sent is not None
        await drain_or_close(response, self._transport.now, self._classes.pause)
        try:
            request = self._next_request(sent, response)
        except RedirectError as exc:
            forget_locals(exc)  # a Location may hold credentials
            exc.response = self._classes.response(response)
            tell_where(exc, sent, response)
            raise
        following = await self._send_hop(request)
        following.history = [*response.history, response, *following.history]
        return following

    def _next_request(self, sent: RequestState, response: ResponseState) -> RequestState:
        chain = self._chain
        if chain is None:
            self._chain = chain = Chain(self._settings.max_redirects, self._settings.secret_headers)
        chain.remember(sent)
        chain.count(sent)
        if sent.headers is not self._headers_before_auth:
            chain.add_secrets(_changed(self._headers_before_auth, sent.headers))
        request = next_request(sent, self._headers_before_auth, response, chain, self._asked)
        self._set_cookies(request)
        chain.admit(request)
        return request


def set_cookies(request: RequestState, settings: Settings, *, direct: bool) -> None:
    """The Cookie header: by hand, then of this request, then of the store; of one name the first counts."""
    url = request.url
    stored = settings.cookies.header_for(url, direct=direct, base_url=settings.base_url)
    if stored is None and request.cookies is None and request.explicit_cookie is None:
        return
    own = None if request.cookies is None else request.cookies.header_for(url)
    header = join_cookie_headers(request.explicit_cookie, own, stored)
    if header is not None:
        request.headers["Cookie"] = header


def _refuse(coroutine: Coroutine[Any, Any, T], /) -> T:
    """In place of `MessageClasses.run` where an auth flow, which can't await, asks for a body."""
    coroutine.close()
    raise ResponseNotRead(_UNREAD_BY_AUTH)


def copy_request(request: RequestState, call: RequestState | None = None) -> RequestState:
    """A record with headers of its own; what the call settled is taken from ``call``, if given."""
    settled = request if call is None else call
    return RequestState(
        request.method,
        request.url,
        request.headers.copy(),
        request.body,
        cookies=request.cookies,
        explicit_cookie=request.explicit_cookie,
        timeout=settled.timeout,
        deadline=settled.deadline,
        verify=settled.verify,
        cert=settled.cert,
        without_cert=settled.without_cert,
        asynchronous=settled.asynchronous,
        left_out=request.left_out,
    )


def add_defaults(request: RequestState, settings: Settings) -> None:
    """The client's defaults for a request that was made without it; nothing for others."""
    if request.left_out is not None:
        RequestDefaults(settings.headers, settings.removed).complete(request)


def copy_of_user_request(request: RequestState) -> RequestState:
    """A record for a request that the caller made, and may have changed: its Cookie header is by hand."""
    own = copy_request(request)
    header = cookie_header(own.headers)
    if header is not None and header == request.computed_cookie:
        del own.headers["cookie"]  # by `Engine.build_shown`; it is worked out anew
    else:
        own.explicit_cookie = header
    return own


def refused_to_continue(request: RequestState) -> bool:
    """Whether a 417 asks for this request once more, without what it expects (RFC 9110 section 10.1.1).

    Its body must still be there: not begun, or one that can be sent again.
    """
    return _others_expected(request.headers) is not None and request.body.can_send_again


def without_continue(request: RequestState) -> RequestState:
    """A record of its own that does not wait for 100 (Continue)."""
    own = copy_request(request)
    others = _others_expected(own.headers)
    if others:
        own.headers["Expect"] = others
    elif others is not None:
        del own.headers["Expect"]
    return own


def _others_expected(headers: Headers) -> str | None:
    """What else is expected beside 100-continue; None if that isn't."""
    members = headers.getlist("expect", split_commas=True)
    others = [member for member in members if member.lower() != "100-continue"]
    return None if len(others) == len(members) else ", ".join(others)


async def _load(request: RequestState) -> None:
    """Have the body in memory."""
    body = request.body
    if body.data is None:
        body.rewind()
        chunks = []
        while chunk := await body.read_chunk():
            chunks.append(chunk)
        request.body = BytesBody(b"".join(chunks))


def _flow_of(auth: Auth, request: AnyRequest) -> Flow:
    flow = auth.auth_flow(request)
    if not hasattr(flow, "send"):
        close_unawaited(flow)
        raise TypeError(f"auth_flow of {short_repr(auth)} must be a generator, not {type(flow).__name__}")
    return flow


def _yielded(auth: Auth, request: object) -> RequestState:
    if isinstance(request, Request | AsyncRequest):
        return state_of(request)
    close_unawaited(request)
    raise TypeError(f"{short_repr(auth)} must return a request, not {type(request).__name__}")


def _changed(before: Headers, after: Headers) -> set[str]:
    """The lower-case names of headers that were added, changed or removed."""
    return {name for name in {*before, *after} if before.getlist(name) != after.getlist(name)}
