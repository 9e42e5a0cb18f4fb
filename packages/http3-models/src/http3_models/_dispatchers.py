"""`Dispatcher` and `AsyncDispatcher`: the base classes of what sends requests for a client.

A subclass takes a request and returns its response. A dispatcher, and its tests, need http3-models only. An
object with the same methods is served as well, without the base class.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeGuard

from ._request import CLIENT_DEFAULTS, AsyncRequest, Request
from ._transport import is_sent_by_exchange, sends_by_exchange

if TYPE_CHECKING:
    from types import TracebackType

    from ._config import CertTypes, TimeoutTypes, VerifyTypes
    from ._response import AsyncResponse, Response
    from ._transport import Transport
    from ._types import (
        AsyncRequestData,
        CookieTypes,
        HeaderTypes,
        QueryParamTypes,
        RequestData,
        RequestFiles,
        URLTypes,
    )


class Dispatcher:
    """Sends requests for `Client`; the base class of a blocking dispatcher.

    A subclass defines `send`, and `close` if it holds anything. ``now`` is the clock of deadlines (seconds,
    monotonic); a test may replace it.

    `Client` can't interrupt `send`: it raises TotalTimeout when `send` returns. In `AsyncClient` it runs in a
    thread, which a total timeout leaves running.
    """

    now: Callable[[], float] = staticmethod(time.monotonic)

    @sends_by_exchange
    def send(
        self,
        request: Request,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> Response:
        """Send one request and return its response; redirects, cookies and auth are the client's.

        ``verify``, ``cert`` and ``timeout`` are those of this request; None means the dispatcher's own.
        A client always names a ``timeout``: its own default if the call has none.
        Raise subclasses of `RequestError` for failures.
        """
        raise NotImplementedError(f"{type(self).__name__} must define send()")

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
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> Response:
        """Build a `Request` with the defaults of a client and `send` it: for use without one."""
        try:
            request = Request(
                method,
                url,
                params=params,
                headers=headers,
                cookies=cookies,
                data=data,
                files=files,
                json=json,
            )
            CLIENT_DEFAULTS.complete(request._state)
            return self.send(request, verify=verify, cert=cert, timeout=timeout)
        finally:
            del url, data, files, json, params, headers, cookies, cert  # see `_redaction`

    def close(self) -> None:
        """Release what the dispatcher holds. Called when the client that owns it is closed; a second time
        only if the first call was interrupted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()


class AsyncDispatcher:
    """Sends requests for `AsyncClient`; the base class of an asynchronous dispatcher.

    A subclass defines `send`, and `close` if it holds anything. ``now`` is the clock of deadlines (seconds,
    monotonic); a test may replace it.

    A total timeout cancels `send`, and the reading of the response's body (asyncio and trio).
    """

    now: Callable[[], float] = staticmethod(time.monotonic)

    @sends_by_exchange
    async def send(
        self,
        request: AsyncRequest,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> AsyncResponse:
        """Send one request and return its response; redirects, cookies and auth are the client's.

        ``verify``, ``cert`` and ``timeout`` are those of this request; None means the dispatcher's own.
        A client always names a ``timeout``: its own default if the call has none.
        Raise subclasses of `RequestError` for failures.
        """
        raise NotImplementedError(f"{type(self).__name__} must define send()")

    async def request(
        self,
        method: str,
        url: URLTypes,
        *,
        data: AsyncRequestData | None = None,
        files: RequestFiles | None = None,
        json: object = None,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> AsyncResponse:
        """Build an `AsyncRequest` with the defaults of a client and `send` it: for use without one."""
        try:
            request = AsyncRequest(
                method,
                url,
                params=params,
                headers=headers,
                cookies=cookies,
                data=data,
                files=files,
                json=json,
            )
            CLIENT_DEFAULTS.complete(request._state)
            return await self.send(request, verify=verify, cert=cert, timeout=timeout)
        finally:
            del url, data, files, json, params, headers, cookies, cert  # see `_redaction`

    async def close(self) -> None:
        """Release what the dispatcher holds. Called once, when the client that owns it is closed."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


def is_transport(candidate: object) -> TypeGuard[Transport]:
    """True if requests are sent by its ``exchange``: it has one, and no ``send`` to be called instead.

    The ``send`` of a `Dispatcher` or `AsyncDispatcher` is called unless `sends_by_exchange` marks it. Any
    other object may have a ``send`` for another purpose, if its class has an ``exchange``. Where only the
    object has one (a proxy, a `Mock`), its ``send`` is called.
    """
    if not callable(getattr(candidate, "exchange", None)):
        return False
    send = getattr(candidate, "send", None)
    if not callable(send) or is_sent_by_exchange(send):
        return True
    is_dispatcher = isinstance(candidate, Dispatcher | AsyncDispatcher)
    return not is_dispatcher and hasattr(type(candidate), "exchange")
