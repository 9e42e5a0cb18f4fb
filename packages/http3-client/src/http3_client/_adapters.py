"""From a ``dispatch=`` of any kind to a `Transport`: what a client's engine sends through.

A transport is used as it is. A `Dispatcher` or an `AsyncDispatcher` (or any object with the same ``send``) is
adapted here. What is needed depends on what it is and on the client:

    dispatch=                       in Client                              in AsyncClient
    Transport that never suspends   as it is                               `ThreadAdapter`
    Transport that suspends         `LoopThreadAdapter`                    as it is
    Transport that serves both      as it is                               as it is
    Dispatcher                      `SyncDispatcherAdapter`                `ThreadAdapter` over
                                                                           `SyncDispatcherAdapter`
    AsyncDispatcher                 `LoopThreadAdapter` over               `AsyncDispatcherAdapter`
                                    `AsyncDispatcherAdapter`

What does not keep to the request's deadline by itself is put into a `DeadlineAdapter` first. In a `Client`
with a ``runner`` there is no `LoopThreadAdapter`: the runner drives what suspends.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from http3_models import (
    AsyncDispatcher,
    AsyncRequest,
    AsyncResponse,
    Delivery,
    Dispatcher,
    Headers,
    Request,
    RequestError,
    Response,
    TimeoutConfig,
    TotalTimeout,
)
from http3_models.engine import (
    BufferedBody,
    ResponseState,
    answer_to,
    bounded_timeout,
    close,
    close_unawaited,
    failed_request,
    forget_request,
    is_closed,
    is_transport,
    maybe_await,
    view_request,
)

from ._cancelling import until_deadline
from ._deadline_body import BlockingBody, CancelledBody, apply_deadline
from ._runners import loop_runner
from ._workers import CAN_THREAD, LoadedAdapter, ThreadAdapter, close_transport

if TYPE_CHECKING:
    from http3_models.engine import Deadline, RequestState, ResponseBody, Transport

    from ._runners import JSPIRunner, LoopRunner

_BODY = ("read_chunk", "close", "abort", "trailers")
"""What a `ResponseBody` has."""


class SyncDispatcherAdapter:
    """A user's `Dispatcher`, called in the caller's thread. Nothing can interrupt it."""

    __slots__ = ("_dispatch", "is_closed", "now")

    blocks = True

    def __init__(self, dispatch: Any) -> None:
        self._dispatch = dispatch
        self.is_closed = False
        self.now = _clock_of(dispatch)

    def __str__(self) -> str:
        return f"{type(self._dispatch).__name__}.send()"

    async def exchange(self, request: RequestState) -> ResponseState:
        view = view_request(Request, _with_own_headers(request))
        started = self.now()
        try:
            response = self._dispatch.send(
                view, verify=request.verify, cert=request.cert, timeout=time_left(request)
            )
        except RequestError as exc:
            _unsign(exc, view)
            raise
        return _record(response, request, self.now, started)

    async def close(self) -> None:
        """Close the dispatcher, once; again only if the first time was interrupted."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            _closing_of(self._dispatch)()
        except BaseException as exc:
            self.is_closed = isinstance(exc, Exception)
            raise


class AsyncDispatcherAdapter:
    """A user's `AsyncDispatcher`."""

    __slots__ = ("_dispatch", "is_closed", "now")

    blocks = False

    def __init__(self, dispatch: Any) -> None:
        self._dispatch = dispatch
        self.is_closed = False
        self.now = _clock_of(dispatch)

    def __str__(self) -> str:
        return f"{type(self._dispatch).__name__}.send()"

    async def exchange(self, request: RequestState) -> ResponseState:
        view = view_request(AsyncRequest, _with_own_headers(request))
        started = self.now()
        try:
            response = await self._dispatch.send(
                view, verify=request.verify, cert=request.cert, timeout=time_left(request)
            )
        except RequestError as exc:
            _unsign(exc, view)
            raise
        return _record(response, request, self.now, started)

    async def close(self) -> None:
        """Close the dispatcher, once; again only if the first time was interrupted."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            await maybe_await(_closing_of(self._dispatch)())
        except BaseException as exc:
            self.is_closed = isinstance(exc, Exception)
            raise


class DeadlineAdapter:
    """Applies the request's deadline to a transport that does not: what suspends is cancelled, and after what
    blocks the clock is looked at."""

    __slots__ = ("_inner", "_is_cancelled", "now")

    def __init__(self, inner: Transport, *, is_cancelled: bool) -> None:
        self._inner = inner
        self._is_cancelled = is_cancelled  # for it runs where it is awaited
        self.now = inner.now

    @property
    def blocks(self) -> bool:
        return self._inner.blocks

    @property
    def is_closed(self) -> bool | None:
        """Whether `close` has come to its end, if the transport inside tells."""
        return getattr(self._inner, "is_closed", None)

    def exchange(self, request: RequestState) -> Coroutine[Any, Any, ResponseState]:
        deadline = request.deadline
        return self._ask(request) if deadline is None else self._exchange_until(request, deadline)

    async def _ask(self, request: RequestState) -> ResponseState:
        response = await self._inner.exchange(request)
        _check_response(response, self._name)
        if response.request is None:
            response.request = request
        return response

    async def _exchange_until(self, request: RequestState, deadline: Deadline) -> ResponseState:
        request.phases.begin(self.now)
        if not self._is_cancelled:
            response = await self._ask(request)
            await _check_end(
                response, deadline, request, f"{self._name()} blocks, which can't be interrupted"
            )
            apply_deadline(response, request, BlockingBody)
            return response
        response = await until_deadline(request, partial(self._ask, request))
        # It did not suspend, or held its cancellation back.
        await _check_end(response, deadline, request, f"{self._name()} could not be cancelled")
        apply_deadline(response, request, CancelledBody)
        return response

    def close(self) -> Awaitable[None] | None:
        return self._inner.close()

    def _name(self) -> str:
        inner = self._inner
        is_adapter = isinstance(inner, SyncDispatcherAdapter | AsyncDispatcherAdapter)
        return str(inner) if is_adapter else f"{type(inner).__name__}.exchange()"


class LoopThreadAdapter:
    """A transport that suspends, in a sync client: it runs on an event loop in a thread of its own, and the
    caller's thread waits.

    Hooks and auth flows stay in the caller's thread. The loop lives until `close`, and until the last open
    body is closed.
    """

    __slots__ = ("_inner", "_needs_closing", "_runner", "_token", "now")

    blocks = True

    def __init__(
        self,
        inner: Transport,
        runner: LoopRunner | JSPIRunner | None = None,
        *,
        needs_closing: bool = True,
    ) -> None:
        self._inner = inner
        self._needs_closing = needs_closing
        self._runner = loop_runner() if runner is None else runner
        self.now = inner.now
        self._token: object = object()  # None once the runner is let go
        self._runner.retain(self._token)

    @property
    def is_closed(self) -> bool:
        """Whether `close` has come to its end; one that can't run may be tried again."""
        return self._token is None

    async def exchange(self, request: RequestState) -> ResponseState:
        response = self._runner.run(self._inner.exchange(request))
        body = response.body
        if body is not None and not (is_closed(response) or isinstance(body, BufferedBody)):
            try:
                response.body = LoopThreadBody(body, self._runner)
            except BaseException:  # an interrupt
                self._runner.run(_aborted(body))
                raise
        return response

    async def close(self) -> None:
        try:
            if self._token is not None and self._needs_closing:
                self._runner.run(close_transport(self._inner))
        except BaseException as exc:
            if has_closed(self._inner, exc):
                self._release()
            raise
        self._release()

    def _release(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._runner.release(token)

    def __del__(self) -> None:
        # Of a client that was never closed, or interrupted in its constructor. Finalisers take no lock, see
        # `LoopRunner.release_later`.
        token = getattr(self, "_token", None)
        if token is not None:
            self._runner.release_later(token)


class LoopThreadBody:
    """A body whose reading suspends, for a caller that blocks."""

    __slots__ = ("_body", "_runner", "_token")

    def __init__(self, body: ResponseBody, runner: LoopRunner | JSPIRunner) -> None:
        self._body = body
        self._runner = runner
        self._token: object = object()  # None once the body is over
        runner.retain(self._token)

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    async def read_chunk(self) -> bytes:
        if self._token is None:
            return b""
        try:
            chunk = self._runner.run(self._body.read_chunk())
        except BaseException:
            self._release()
            raise
        if not chunk:
            self._release()
        return chunk

    async def close(self) -> None:
        if self._token is not None:
            try:
                self._runner.run(self._body.close())
            finally:
                self._release()

    def abort(self) -> None:
        if self._token is not None:
            try:
                self._runner.run(_aborted(self._body))
            finally:
                self._release()

    def _release(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._runner.release(token)

    def __del__(self) -> None:
        token = getattr(self, "_token", None)  # its constructor may have been interrupted
        if token is not None:
            self._runner.release_later(token)


async def _aborted(body: ResponseBody) -> None:
    body.abort()


def adapt(dispatch: object, *, asynchronous: bool, has_runner: bool = False) -> Transport:
    """``dispatch`` as a transport. Raises TypeError for what has neither ``exchange`` nor ``send``, and for a
    transport that lacks something.

    ``has_runner``: a runner of the user's drives the sync client, and all that suspends in it.
    """
    transport: Transport
    if is_transport(dispatch):
        _check_transport(dispatch)
        transport, blocks = dispatch, dispatch.blocks
        if asynchronous and blocks and not getattr(dispatch, "serves_both", False):
            return _in_thread(dispatch)
        if not getattr(dispatch, "keeps_deadline", False):
            transport = DeadlineAdapter(dispatch, is_cancelled=asynchronous or not blocks)
    elif not callable(getattr(dispatch, "send", None)):
        raise TypeError(
            f"dispatch must be a Dispatcher, an AsyncDispatcher or a Transport, not {type(dispatch).__name__}"
        )
    elif blocks := not _send_suspends(dispatch):
        if asynchronous:
            return _in_thread(dispatch)
        transport = DeadlineAdapter(SyncDispatcherAdapter(dispatch), is_cancelled=False)
    else:
        transport = DeadlineAdapter(AsyncDispatcherAdapter(dispatch), is_cancelled=True)
    return transport if blocks or asynchronous or has_runner else _on_loop_thread(transport, dispatch)


def _in_thread(dispatch: object) -> Transport:
    """What blocks, for an async client: in a thread it runs as in a `Client`."""
    blocking = adapt(dispatch, asynchronous=False)
    if not CAN_THREAD:
        return LoadedAdapter(blocking)
    limits_reads = not getattr(dispatch, "keeps_timeout", True)
    return DeadlineAdapter(ThreadAdapter(blocking, limits_reads=limits_reads), is_cancelled=True)


def _check_transport(transport: Transport) -> None:
    """Raises TypeError if something is missing, or can't be what it should be."""
    name = type(transport).__name__
    if not isinstance(getattr(transport, "blocks", None), bool):
        raise TypeError(f"blocks of transport {name} must be True or False")
    for member, what in (("now", "a function that returns seconds"), ("close", "a method")):
        if not callable(getattr(transport, member, None)):
            raise TypeError(f"{member} of transport {name} must be {what}")


def _check_response(response: object, name: Callable[[], str]) -> None:
    """Raises TypeError for what a transport must not return."""
    if not isinstance(response, ResponseState):
        close_unawaited(response)
        raise TypeError(f"{name()} must return a ResponseState, not {type(response).__name__}")
    for part, kind in (("status_code", int), ("headers", Headers)):
        found = getattr(response, part)
        if not isinstance(found, kind):
            raise TypeError(f"{name()}: {part} must be {kind.__name__}, not {type(found).__name__}")
    body = response.body
    lacking = [part for part in _BODY if body is not None and not hasattr(body, part)]
    if lacking:
        raise TypeError(
            f"{name()}: body must be None or have {', '.join(_BODY)}; {type(body).__name__} lacks "
            f"{', '.join(lacking)}"
        )


def _on_loop_thread(transport: Transport, dispatch: object) -> LoopThreadAdapter:
    """No loop is started to close what has nothing to close: the `close` that all dispatchers inherit."""
    inherited = getattr(_closing_of(dispatch), "__func__", None) is AsyncDispatcher.close
    return LoopThreadAdapter(transport, needs_closing=not inherited)


def _send_suspends(dispatch: Any) -> bool:
    """Whether a user's dispatcher is to be awaited."""
    if isinstance(dispatch, AsyncDispatcher | Dispatcher):
        return isinstance(dispatch, AsyncDispatcher)
    import inspect

    return inspect.iscoroutinefunction(dispatch.send)


def has_closed(transport: Transport, error: BaseException) -> bool:
    """Whether a transport whose ``close`` has raised ``error`` is closed all the same: an adapter tells; of
    others it is assumed, unless they were interrupted."""
    said: bool | None = getattr(transport, "is_closed", None)
    return isinstance(error, Exception) if said is None else said


def _with_own_headers(request: RequestState) -> RequestState:
    """The request for a user's dispatcher: what that does to the headers won't be seen by the next hop."""
    request.headers = request.headers.copy()
    return request


def time_left(request: RequestState) -> TimeoutConfig | None:
    """The request's limits, none larger than what is left of its total_timeout. Raises TotalTimeout."""
    timeout, deadline = request.timeout, request.deadline
    if timeout is None or deadline is None:
        return timeout
    left = deadline.remaining()
    if left <= 0:
        raise deadline.error(request, Delivery.NOT_SENT)
    return bounded_timeout(timeout, left)


def _clock_of(dispatch: Any) -> Callable[[], float]:
    now = getattr(dispatch, "now", None)
    return now if callable(now) else time.monotonic


def _closing_of(dispatch: Any) -> Callable[[], object]:
    """Its ``close``, which one without a base class may lack."""
    close = getattr(dispatch, "close", None)
    return close if callable(close) else _nothing


def _nothing() -> None:
    pass


async def _check_end(response: ResponseState, deadline: Deadline, request: RequestState, why: str) -> None:
    """Raise TotalTimeout for a response that came too late, and close it."""
    try:
        deadline.check(request, Delivery.MAYBE_PROCESSED, f"; {why}")
    except TotalTimeout:
        await close(response)
        raise


def _unsign(error: RequestError, view: Request | AsyncRequest) -> None:
    """Take our own request off an error: the client shows it in its own kind, sync or async."""
    if failed_request(error) is view:
        forget_request(error)


def _record(
    response: object, request: RequestState, now: Callable[[], float], started: float
) -> ResponseState:
    if not isinstance(response, Response | AsyncResponse):
        close_unawaited(response)
        raise TypeError(
            f"dispatch.send() must return a Response or an AsyncResponse, not {type(response).__name__}"
        )
    return answer_to(request, response, now, started)
