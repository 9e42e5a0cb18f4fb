"""`WSGIDispatch`: a WSGI application in place of the network.

The application runs in the thread that asks, step by step, as its response is read: the caller's under a sync
client, one for each call under an async client. What a step is, `wsgi_call` knows.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from http3_models import Delivery, Dispatcher, Response, TimeoutConfig, TotalTimeout
from http3_models.engine import (
    BufferedBody,
    run_sync,
    sends_by_exchange,
    short_repr,
    state_of,
    view_response,
)

from .._errors import check_no_proxy
from .body import AppBody
from .response import CountedBody, server_error
from .wsgi_call import WSGICall

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import CertTypes, Headers, Request, TimeoutTypes, VerifyTypes
    from http3_models.engine import RequestState, ResponseState

BLOCKS = "; the application runs in the caller's thread, where it can't be interrupted"


class WSGIDispatch(Dispatcher):
    """Answers requests by calling a WSGI application (PEP 3333): ``app(environ, start_response)``.

    - ``raise_app_exceptions``: True lets the application's exceptions reach the caller as they are, also one
      that it handles and reports by ``start_response(status, headers, exc_info)``. False delivers its own
      error page, or status 500 where it has none; if it fails later, what it sent is delivered, then
      RemoteProtocolError says that the body was cut.
    - ``script_name``: where the application is mounted, SCRIPT_NAME; cut off the paths that begin with it.
    - ``remote_addr``: the address the requests seem to come from.

    In `Client` the application runs in the caller's thread, where no timeout can interrupt it: a total
    timeout that has passed is raised when the application returns, and a read timeout does not apply. In
    `AsyncClient` each call runs in a thread of its own. Both bodies stream: the application's iterable
    advances as the response is read, and is closed exactly once. ``verify`` and ``cert`` have no meaning
    here.
    """

    __module__ = "http3_transport"

    blocks = True
    keeps_deadline = True
    keeps_timeout = False

    def __init__(
        self,
        app: Callable[..., Any],
        raise_app_exceptions: bool = True,
        script_name: str = "",
        remote_addr: str = "127.0.0.1",
    ) -> None:
        self.app = app
        if not callable(app):
            raise TypeError(f"app must be a WSGI application, not {type(app).__name__}")
        if not isinstance(script_name, str):
            raise TypeError(f"script_name must be a str, not {type(script_name).__name__}")
        self.raise_app_exceptions = raise_app_exceptions
        self.script_name: str = script_name.rstrip("/")
        self.remote_addr = remote_addr

    def __repr__(self) -> str:
        return f"<WSGIDispatch {short_repr(self.app)}>"

    @sends_by_exchange
    def send(
        self,
        request: Request,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> Response:
        """Have the application answer; the response's body is still to be read.

        Raises what the application raises, and RemoteProtocolError for an answer that is no valid response.
        """
        state = state_of(request)
        if timeout is not None:
            state.timeout = TimeoutConfig(timeout)
        state.body.rewind()
        return view_response(Response, run_sync(self.exchange(state)))

    async def exchange(self, request: RequestState) -> ResponseState:
        """`Transport.exchange`: the application's answer."""
        check_no_proxy(request, self)
        now, phases = self.now, request.phases
        started = phases.begin(now)
        chunks = CountedBody(request)
        call = WSGICall(request, lambda: run_sync(chunks.read_chunk()), raises=self.raise_app_exceptions)
        context = contextvars.copy_context()
        head = context.run(call.open, self.app, self.script_name, self.remote_addr)
        phases.wait = now() - started
        if request.deadline is not None:
            try:
                request.deadline.check(request, Delivery.MAYBE_PROCESSED, BLOCKS)
            except TotalTimeout:
                context.run(call.close_quietly)
                raise
        if head is None:
            return server_error(request)
        if not call.is_open:
            return head.respond(request, BufferedBody(b""))
        return head.respond(request, AppBody.of(Inline(call, context, request), request, now))


class Inline:
    """A call whose steps are taken here and now; see `Source`.

    They share one context: what the application does to context variables is seen by its later steps, and not
    by the caller.
    """

    __slots__ = ("_call", "_context", "_is_closed", "_is_stepping", "_request")

    trailers: Headers | None = None

    def __init__(self, call: WSGICall, context: contextvars.Context, request: RequestState) -> None:
        self._call = call
        self._context = context
        self._request = request
        self._is_stepping = False
        self._is_closed = False

    async def next_chunk(self) -> bytes:
        """The next part of the body. Raises as `WSGICall.next_chunk`, and TotalTimeout."""
        self._is_stepping = True
        try:
            chunk = self._context.run(self._call.next_chunk)
        finally:
            self._is_stepping = False
            if self._is_closed:
                self.abort()
        if self._request.deadline is not None:
            self._request.deadline.check(self._request, Delivery.MAYBE_PROCESSED, BLOCKS)
        return chunk

    async def close(self) -> None:
        """Close the application's iterable; if another thread is in it, that one will."""
        self._is_closed = True
        if not self._is_stepping:
            self._context.run(self._call.close_early)

    def abort(self) -> None:
        """`close`; what the application raises would only hide why."""
        self._is_closed = True
        if not self._is_stepping:
            self._context.run(self._call.close_quietly)

    def abort_from_finalizer(self) -> None:
        """A finaliser may run anywhere, which is no place for an application's code."""
