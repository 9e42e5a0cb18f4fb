"""The classes to subclass when a part of http3 is to be swapped: dispatchers and concurrency backends.

A dispatcher takes a request and returns its response; how is its own business. One of the user's own,
and its tests, need http3-models only. Backends and their readers and writers have the shape they had in
http3 0.6.7; our own backends offer more, which is why they are documented with the transport.

These are plain base classes: who subclasses gets the convenience, who does not and has the methods is
served as well.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TypeGuard

from ._request import CLIENT_DEFAULTS, AsyncRequest, Request
from ._transport import is_sent_by_exchange, sends_by_exchange

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from ._config import CertTypes, PoolLimits, TimeoutConfig, TimeoutTypes, VerifyTypes
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


class Protocol(enum.StrEnum):
    """The version of HTTP that a connection speaks."""

    HTTP_11 = "HTTP/1.1"
    """RFC 9112."""

    HTTP_2 = "HTTP/2"
    """RFC 9113."""


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


class TimeoutFlag:
    """Which limit counts while a request is sent and its answer may already come (0.6.7's ``flag``).

    It starts in write mode: reads wait without a limit. Once the request is out, `set_read_timeouts`.
    """

    __slots__ = ("raise_on_read_timeout", "raise_on_write_timeout")

    raise_on_read_timeout: bool
    raise_on_write_timeout: bool

    def __init__(self) -> None:
        self.raise_on_read_timeout = False
        self.raise_on_write_timeout = True

    def set_read_timeouts(self) -> None:
        """Let reads time out, and writes not."""
        self.raise_on_read_timeout, self.raise_on_write_timeout = True, False

    def set_write_timeouts(self) -> None:
        """Let writes time out, and reads not."""
        self.raise_on_read_timeout, self.raise_on_write_timeout = False, True

    def __repr__(self) -> str:
        return f"<TimeoutFlag {'read' if self.raise_on_read_timeout else 'write'}>"


class BaseReader:
    """The reading half of a connection."""

    async def read(
        self, n: int, timeout: TimeoutConfig | None = None, flag: TimeoutFlag | None = None
    ) -> bytes:
        """Between 1 and ``n`` bytes as soon as there are any; b"" at the end of the stream.

        ``timeout`` None means the one given to ``connect``. Where ``flag`` says so, reads don't time out.
        Raises ReadTimeout, or OSError where the connection broke.
        """
        raise NotImplementedError(f"{type(self).__name__} must define read()")


class BaseWriter:
    """The writing half of a connection."""

    def write_no_block(self, data: bytes) -> None:
        """Queue ``data``; it is sent soon, at the latest by the next `write`."""
        raise NotImplementedError(f"{type(self).__name__} must define write_no_block()")

    async def write(self, data: bytes, timeout: TimeoutConfig | None = None) -> None:
        """Send ``data``. ``timeout`` None means the one given to ``connect``.

        Raises WriteTimeout, or OSError where the connection broke.
        """
        raise NotImplementedError(f"{type(self).__name__} must define write()")

    async def close(self) -> None:
        """Close the connection, both halves."""
        raise NotImplementedError(f"{type(self).__name__} must define close()")


class BasePoolSemaphore:
    """Counts the connections of a pool, in 0.6.7's shape."""

    async def acquire(self) -> None:
        """Wait for a free place. Raises PoolTimeout after ``pool_timeout`` seconds."""
        raise NotImplementedError(f"{type(self).__name__} must define acquire()")

    def release(self) -> None:
        """Give the place back."""
        raise NotImplementedError(f"{type(self).__name__} must define release()")


class ConcurrencyBackend:
    """Opens connections, in 0.6.7's shape: ``backend=`` of both clients. A subclass writes `connect`."""

    async def connect(
        self, hostname: str, port: int, ssl_context: ssl.SSLContext | None, timeout: TimeoutConfig
    ) -> tuple[BaseReader, BaseWriter, Protocol]:
        """Open a connection, with TLS and ALPN done where ``ssl_context`` is given.

        Returns its two halves and the protocol that ALPN picked (without: HTTP/1.1). Raises ConnectTimeout,
        or OSError where it can't be opened.

        ``hostname`` is that of the URL, and the certificate must be for it. If a half reports its TLS object
        (``get_extra_info("ssl_object")``, as asyncio's), that is checked again; else it is up to this method.
        """
        raise NotImplementedError(f"{type(self).__name__} must define connect()")

    def get_semaphore(self, limits: PoolLimits) -> BasePoolSemaphore:
        """A semaphore of ``limits.hard_limit`` places. Our pool counts for itself and never asks for one."""
        raise NotImplementedError(f"{type(self).__name__} defines no semaphore")
