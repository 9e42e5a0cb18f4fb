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

    A subclass writes `send`; `close` where there is something to let go. ``now`` is the clock that
    deadlines are measured with (seconds, monotonic); a test replaces it to turn the time itself.

    `send` can't be interrupted in `Client`: a total timeout that passed meanwhile is told when it returns. In
    `AsyncClient` it runs in a thread, which the total timeout leaves behind.
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
        Failures are to be subclasses of `RequestError`.
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
        """Let go of what is held. Called by the client that owns the dispatcher when it is closed; again only
        if the first time was interrupted."""

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

    A subclass writes `send`; `close` where there is something to let go. ``now`` is the clock that
    deadlines are measured with (seconds, monotonic); a test replaces it to turn the time itself.

    `send`, and the body of the response that it returns, are cancelled when a total timeout has passed
    (asyncio and trio).
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
        Failures are to be subclasses of `RequestError`.
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
        """Let go of what is held. Called once by the client that owns the dispatcher."""

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

    The ``send`` of a `Dispatcher` or `AsyncDispatcher` is to be called unless `sends_by_exchange` marks it.
    Any other object may have a ``send`` for a purpose of its own. But one that passes on the attributes of
    another object, as a `Mock` does too, has no ``exchange`` of its own, and overrides what it defines.
    """
    if not callable(getattr(candidate, "exchange", None)):
        return False
    send = getattr(candidate, "send", None)
    if not callable(send) or is_sent_by_exchange(send):
        return True
    is_dispatcher = isinstance(candidate, Dispatcher | AsyncDispatcher)
    return not is_dispatcher and hasattr(type(candidate), "exchange")
