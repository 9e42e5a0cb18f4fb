"""`ASGIDispatch`: an ASGI application in place of the network. The conversation is in `_asgi_call`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from http3_models._config import TimeoutConfig
from http3_models._exceptions import Delivery, ReadError
from http3_models._interfaces import AsyncDispatcher
from http3_models._response import AsyncResponse
from http3_models._url import redacted

from ._app_response import FullBody, server_error
from ._asgi_call import AppCall
from ._errors import network_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models._config import CertTypes, TimeoutTypes, VerifyTypes
    from http3_models._headers import Headers
    from http3_models._records import RequestState, ResponseState
    from http3_models._request import AsyncRequest

    from ._interfaces import Clock


class ASGIDispatch(AsyncDispatcher):
    """Answers requests by calling an ASGI application, version 3: ``async app(scope, receive, send)``.

    - ``raise_app_exceptions``: True lets the application's exceptions reach the caller as they are. False
      answers for it with status 500; if it fails later, what it sent is delivered, then RemoteProtocolError
      tells that the body was cut.
    - ``root_path``: where the application is mounted; told to it, while paths stay whole.
    - ``client``: the address the requests seem to come from, (host, port).

    The application runs on the event loop of the caller (asyncio or trio), as a task. Both bodies stream:
    ``receive`` and ``send`` wait for the client. A response that is closed early means a client that went
    away. The end of a response is the end of the call: background tasks are waited for, as long as the
    read timeout allows. No lifespan events are sent. ``verify`` and ``cert`` have no meaning here.
    """

    __module__ = "http3_transport"

    def __init__(
        self,
        app: Callable[..., Any],
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 123),
    ) -> None:
        if not callable(app):
            raise TypeError(f"app must be an ASGI application, not {type(app).__name__}")
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        self.root_path = root_path
        self.client = client

    def __repr__(self) -> str:
        return f"<ASGIDispatch {self.app!r}>"

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
        state = request._state
        if timeout is not None:
            state.timeout = TimeoutConfig(timeout)
        state.body.rewind()
        return AsyncResponse._of(await self.exchange(state))

    async def exchange(self, request: RequestState) -> ResponseState:
        """Records in, records out; see `Exchange`."""
        now, phases = self.now, request.phases
        started = phases.begin(now)
        call = AppCall(request, raises=self.raise_app_exceptions, now=now)
        call.start(self.app, self.root_path, self.client)
        try:
            head = await call.head()
        except BaseException:
            call.abandon()
            raise
        phases.wait = now() - started
        if head is None:
            return server_error(request)
        whole = call.whole_body()
        return head.respond(request, AppBody(call, request, now) if whole is None else FullBody(whole))


class AppBody:
    """The body of a response while the application is at work."""

    __slots__ = ("_call", "_gave_up", "_now", "_over", "_request", "_started")

    def __init__(self, call: AppCall, request: RequestState, now: Clock) -> None:
        self._call = call
        self._request = request
        self._now = now
        self._started = now()
        self._over = False
        self._gave_up = False

    @property
    def trailers(self) -> Headers | None:
        """Trailer fields, once the application sent them."""
        return self._call.trailers

    async def read_chunk(self) -> bytes:
        """The next part; b"" at the end."""
        if self._over:
            return self._after_end()
        try:
            chunk = await self._call.next_chunk()
        except BaseException:
            self.abort()
            raise
        if not chunk and not self._over:
            self._over = True
            self._request.phases.receive = self._now() - self._started
        return chunk

    def _after_end(self) -> bytes:
        if self._gave_up:
            # Never b"": that would pass a cut body off as a whole one.
            raise network_error(ReadError, self._request, "The body was given up", Delivery.MAYBE_PROCESSED)
        return b""

    async def close(self) -> None:
        """Tell the application that nobody listens any more."""
        if not self._over:
            self._over = self._gave_up = True
            await self._call.close()

    def abort(self) -> None:
        """`close` without waiting for the application to notice."""
        if not self._over:
            self._over = self._gave_up = True
            self._call.abandon()

    def __del__(self) -> None:
        if not self._over:
            self._over = True
            self._call.abandon()
            url = redacted(self._request.url)
            warnings.warn(f"the response of {url} was neither read nor closed", ResourceWarning, stacklevel=2)
