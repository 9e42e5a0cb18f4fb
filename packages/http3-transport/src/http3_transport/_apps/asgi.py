"""`ASGIDispatch`: an ASGI application in place of the network. The conversation is in `asgi_call`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from http3_models import AsyncDispatcher, AsyncResponse, TimeoutConfig
from http3_models.engine import BufferedBody, sends_by_exchange, short_repr, state_of, view_response

from .._errors import check_no_proxy
from .asgi_call import AppCall
from .body import AppBody
from .response import server_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import AsyncRequest, CertTypes, TimeoutTypes, VerifyTypes
    from http3_models.engine import RequestState, ResponseState


class ASGIDispatch(AsyncDispatcher):
    """Answers requests by calling an ASGI application, version 3: ``async app(scope, receive, send)``.

    - ``raise_app_exceptions``: True lets the application's exceptions reach the caller as they are. False
      answers for it with status 500; if it fails later, what it sent is delivered, then RemoteProtocolError
      says that the body was cut.
    - ``root_path``: where the application is mounted; ``root_path`` of the scope; paths stay whole.
    - ``client``: the address the requests seem to come from, (host, port).

    The application runs on the event loop of the caller (asyncio or trio), as a task. Both bodies stream:
    ``receive`` and ``send`` wait for the client. A response that is closed early means a client that went
    away. The end of a response is the end of the call: background tasks are waited for, as long as the
    read timeout allows. No lifespan events are sent. ``verify`` and ``cert`` have no meaning here.
    """

    __module__ = "http3_transport"

    blocks = False
    keeps_deadline = True

    def __init__(
        self,
        app: Callable[..., Any],
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 123),
    ) -> None:
        self.app = app
        if not callable(app):
            raise TypeError(f"app must be an ASGI application, not {type(app).__name__}")
        self.raise_app_exceptions = raise_app_exceptions
        self.root_path = root_path
        self.client = client

    def __repr__(self) -> str:
        return f"<ASGIDispatch {short_repr(self.app)}>"

    @sends_by_exchange
    async def send(
        self,
        request: AsyncRequest,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> AsyncResponse:
        """Have the application answer; the response's body is still to be read.

        ``timeout`` None means no limits. Raises what the application raises, RemoteProtocolError for an
        answer that is no valid response, ReadTimeout, TotalTimeout, RuntimeError where no event loop runs.
        """
        state = state_of(request)
        if timeout is not None:
            state.timeout = TimeoutConfig(timeout)
        state.body.rewind()
        return view_response(AsyncResponse, await self.exchange(state))

    async def exchange(self, request: RequestState) -> ResponseState:
        """`Transport.exchange`: the application's answer."""
        check_no_proxy(request, self)
        now, phases = self.now, request.phases
        started = phases.begin(now)
        call = AppCall(request, raises=self.raise_app_exceptions, now=now)
        call.start(self.app, self.root_path, self.client)
        try:
            head = await call.head()
        except BaseException:
            call.abort()
            raise
        phases.wait = now() - started
        if head is None:
            return server_error(request)
        whole = call.whole_body()
        return head.respond(request, AppBody.of(call, request, now) if whole is None else BufferedBody(whole))
