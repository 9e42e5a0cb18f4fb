"""From whatever ``dispatch=``, ``app=`` or ``backend=`` is to one thing: records in, records out.

The engine asks for `Exchange`. Our own dispatchers offer it; a user's `Dispatcher` or `AsyncDispatcher`
(or anything with their methods) is adapted here. What a dispatcher is and what the client is decide:

    dispatcher             in Client                              in AsyncClient
    ours, never suspends   as it is                               as it is, or what it has for that
    ours, suspends         `Bridged`: on a loop of its own        as it is
    user's Dispatcher      `BlockingSend`                         `ThreadedSend`: in threads of its own
    user's AsyncDispatcher `Bridged` over `AsyncSend`             `AsyncSend`

In a `Client` with a runner of the user's nothing is bridged: that runner drives what suspends, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from http3_models import (
    AsyncDispatcher,
    AsyncRequest,
    AsyncResponse,
    Delivery,
    Dispatcher,
    Request,
    RequestError,
    Response,
    TimeoutConfig,
    TotalTimeout,
)
from http3_models.engine import (
    bounded_timeout,
    close,
    close_unawaited,
    failed_request,
    forget_request,
    maybe_await,
    reissued,
    state_of,
    view_request,
)

from ._bodies import BlockingBody, CancelledBody, hold_to, is_streaming
from ._cancelling import until_deadline
from ._runners import loop_runner
from ._workers import CAN_THREAD, ThreadedBody, in_thread, send_in_thread

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models.engine import Deadline, RequestState, ResponseBody, ResponseState

    from ._runners import JSPIRunner, LoopRunner


_NO_INTERRUPT = "which can't be interrupted"


class Dispatching(Protocol):
    """`Exchange` with its clock."""

    @property
    def now(self) -> Callable[[], float]: ...

    async def exchange(self, request: RequestState) -> ResponseState: ...

    async def close(self) -> None: ...


class BlockingSend:
    """A user's `Dispatcher`, called where we are. Nothing can end it before it returns."""

    __slots__ = ("_dispatch", "is_closed", "now")

    def __init__(self, dispatch: Any) -> None:
        self._dispatch = dispatch
        self.is_closed = False
        self.now = _clock_of(dispatch)

    async def exchange(self, request: RequestState) -> ResponseState:
        deadline = request.deadline
        if deadline is None:
            return self._send(request)
        request.phases.begin(self.now)
        response = self._send(request)
        await _check_end(response, deadline, request, f"{_send_of(self._dispatch)} blocks, {_NO_INTERRUPT}")
        hold_to(response, deadline, BlockingBody)
        return response

    def _send(self, request: RequestState) -> ResponseState:
        view = view_request(Request, lent(request))
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
        self._close()

    def _close(self) -> None:
        """Close the dispatcher, once; again only if the first time was interrupted."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            _closing_of(self._dispatch)()
        except BaseException as exc:
            self.is_closed = isinstance(exc, Exception)
            raise


class ThreadedSend(BlockingSend):
    """A user's `Dispatcher` under an async client; see `_workers`. The deadline leaves its thread behind."""

    __slots__ = ()

    async def exchange(self, request: RequestState) -> ResponseState:
        deadline = request.deadline
        if deadline is None:
            return self._threaded(await send_in_thread(self._send, request))
        request.phases.begin(self.now)
        response = await until_deadline(request, partial(send_in_thread, self._send, request))
        hold_to(self._threaded(response), deadline, CancelledBody)
        return response

    def _threaded(self, response: ResponseState) -> ResponseState:
        if response.body is not None and is_streaming(response):
            response.body = ThreadedBody(response.body)
        return response

    async def close(self) -> None:
        await in_thread(self._close, lambda _: None)


class AsyncSend:
    """A user's `AsyncDispatcher`; it is cancelled at the deadline.

    ``owner``: what it is the asynchronous face of (a `MockDispatcher`), which is closed in its place.
    """

    __slots__ = ("_dispatch", "_owner", "is_closed", "now")

    def __init__(self, dispatch: Any, owner: Any = None) -> None:
        self._dispatch = dispatch
        self._owner = dispatch if owner is None else owner
        self.is_closed = False
        self.now = _clock_of(self._owner)

    async def exchange(self, request: RequestState) -> ResponseState:
        deadline = request.deadline
        if deadline is None:
            return await self._send(request)
        request.phases.begin(self.now)
        response = await until_deadline(request, partial(self._send, request))
        # It did not suspend, or held its cancellation back.
        await _check_end(response, deadline, request, f"{_send_of(self._dispatch)} could not be cancelled")
        hold_to(response, deadline, CancelledBody)
        return response

    async def _send(self, request: RequestState) -> ResponseState:
        view = view_request(AsyncRequest, lent(request))
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
            await maybe_await(_closing_of(self._owner)())
        except BaseException as exc:
            self.is_closed = isinstance(exc, Exception)
            raise


class Bridged:
    """What truly suspends, under a sync client: it runs on a loop, the engine stays in the caller's thread.

    So hooks, auth flows and the response's verbs block as they should, and only the dispatcher's own
    work crosses over. The runner lives until `close`, and until the last open body is closed.
    """

    __slots__ = ("_inner", "_needs_closing", "_runner", "_token", "now")

    def __init__(
        self,
        inner: Dispatching,
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
        if body is not None and is_streaming(response) and getattr(body, "suspends", True):
            try:
                response.body = BridgedBody(body, self._runner)
            except BaseException:  # an interrupt
                self._runner.run(_aborted(body))
                raise
        return response

    async def close(self) -> None:
        try:
            if self._token is not None and self._needs_closing:
                self._runner.run(self._inner.close())
        except BaseException:
            if getattr(self._inner, "is_closed", False):
                self._let_go()
            raise
        self._let_go()

    def _let_go(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._runner.release(token)

    def __del__(self) -> None:
        # Of a client that was never closed, or interrupted in its constructor. Finalisers take no lock, see
        # `LoopRunner.release_later`.
        token = getattr(self, "_token", None)
        if token is not None:
            self._runner.release_later(token)


class BridgedBody:
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
            self._let_go()
            raise
        if not chunk:
            self._let_go()
        return chunk

    async def close(self) -> None:
        if self._token is not None:
            try:
                self._runner.run(self._body.close())
            finally:
                self._let_go()

    def abort(self) -> None:
        if self._token is not None:
            try:
                self._runner.run(_aborted(self._body))
            finally:
                self._let_go()

    def _let_go(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            self._runner.release(token)

    def __del__(self) -> None:
        token = getattr(self, "_token", None)  # its constructor may have been interrupted
        if token is not None:
            self._runner.release_later(token)


async def _aborted(body: ResponseBody) -> None:
    body.abort()


def adapted(dispatch: object, *, asynchronous: bool, has_runner: bool = False) -> Dispatching:
    """``dispatch`` as the engine wants it. Raises TypeError where it has no ``send`` to call.

    ``has_runner``: a runner of the user's drives the sync client, and all that suspends in it.
    """
    native: Any = dispatch
    awaits = asynchronous or has_runner
    if _has_own("_for_client", dispatch):  # one of ours that blocks or not, as the client needs it
        chosen: Dispatching = native._for_client(asynchronous)
        return chosen
    if _has_own("exchange", dispatch):
        return native if awaits or not exchange_suspends(dispatch) else _bridged(native, dispatch)
    if not callable(getattr(dispatch, "send", None)):
        raise TypeError(f"dispatch must be a Dispatcher or an AsyncDispatcher, not {type(dispatch).__name__}")
    if asynchronous and _has_own("_for_async", dispatch):
        return AsyncSend(native._for_async(), native)
    if send_suspends(dispatch):
        return AsyncSend(dispatch) if awaits else _bridged(AsyncSend(dispatch), dispatch)
    return ThreadedSend(dispatch) if asynchronous and CAN_THREAD else BlockingSend(dispatch)


def _bridged(adapter: Dispatching, dispatch: object) -> Bridged:
    """No loop is started to close what has nothing to close: the `close` that all dispatchers inherit."""
    inherited = getattr(_closing_of(dispatch), "__func__", None) is AsyncDispatcher.close
    return Bridged(adapter, needs_closing=not inherited)


def _has_own(name: str, dispatch: object) -> bool:
    """Whether it has this method of ours, and no subclass overrides ``send``: then that is to be called."""
    for cls in type(dispatch).__mro__:
        if name in cls.__dict__:
            return True
        if "send" in cls.__dict__:
            return False
    return False


def exchange_suspends(dispatch: Any) -> bool:
    """Whether a dispatcher of ours may need an event loop: ``suspends`` tells, else its base class."""
    said = getattr(dispatch, "suspends", None)
    return said if isinstance(said, bool) else isinstance(dispatch, AsyncDispatcher)


def send_suspends(dispatch: Any) -> bool:
    """Whether a user's dispatcher is to be awaited."""
    if isinstance(dispatch, AsyncDispatcher | Dispatcher):
        return isinstance(dispatch, AsyncDispatcher)
    import inspect

    return inspect.iscoroutinefunction(dispatch.send)


def lent(request: RequestState) -> RequestState:
    """The request for a user's dispatcher: what that does to the headers won't be seen by the next hop."""
    request.headers = request.headers.copy()
    return request


def time_left(request: RequestState) -> TimeoutConfig | None:
    """The request's limits; none of them more than what a total limit has left."""
    timeout, deadline = request.timeout, request.deadline
    if timeout is None or deadline is None:
        return timeout
    deadline.check(request, Delivery.NOT_SENT)
    return bounded_timeout(timeout, deadline.within)


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


def _send_of(dispatch: object) -> str:
    return f"{type(dispatch).__name__}.send()"


def _unsign(error: RequestError, view: Request | AsyncRequest) -> None:
    """Take our own request off an error: the client shows it in its own kind, sync or async."""
    if failed_request(error) is view:
        forget_request(error)


def _record(
    response: object, request: RequestState, now: Callable[[], float], started: float
) -> ResponseState:
    """A record of our own: a dispatcher may hand out one response many times, or that of another client.

    ``started``: when the dispatcher was asked. What phases took before that is not of this exchange.
    """
    if not isinstance(response, Response | AsyncResponse):
        close_unawaited(response)
        raise TypeError(
            f"dispatch.send() must return a Response or an AsyncResponse, not {type(response).__name__}"
        )
    record = reissued(state_of(response), request)
    phases, record.phases = record.phases, None
    if phases is not None and not (phases.now == now and phases.started < started):
        request.phases = phases
    return record
