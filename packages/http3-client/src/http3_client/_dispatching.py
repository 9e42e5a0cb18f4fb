"""From whatever ``dispatch=``, ``app=`` or ``backend=`` is to one thing: records in, records out.

The engine asks for `Exchange`. Our own dispatchers offer it; a user's `Dispatcher` or `AsyncDispatcher`
(or anything with their methods) is adapted here. What a dispatcher is and what the client is decide:

    dispatcher             in Client                              in AsyncClient
    ours, never suspends   as it is                               as it is, or what it has for that
    ours, suspends         `Bridged`: on a loop of its own        as it is
    user's Dispatcher      `BlockingSend`                         `ThreadedSend`: in threads of its own
    user's AsyncDispatcher `Bridged` over `AsyncSend`             `AsyncSend`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from http3_models import (
    AsyncDispatcher,
    AsyncRequest,
    AsyncResponse,
    Delivery,
    Dispatcher,
    Request,
    Response,
    TimeoutConfig,
)
from http3_models._config import shortened
from http3_models._response_base import reissued
from http3_models._response_bodies import abandon

from ._bodies import is_streaming
from ._runners import loop_runner
from ._workers import CAN_THREAD, ThreadedBody, in_thread, send_in_thread

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models._records import RequestState, ResponseBody, ResponseState

    from ._runners import JSPIRunner, LoopRunner


class Dispatching(Protocol):
    """`Exchange` with its clock."""

    @property
    def now(self) -> Callable[[], float]: ...

    async def exchange(self, request: RequestState) -> ResponseState: ...

    async def close(self) -> None: ...


class BlockingSend:
    """A user's `Dispatcher`, called where we are."""

    __slots__ = ("_dispatch", "now")

    def __init__(self, dispatch: Any) -> None:
        self._dispatch = dispatch
        self.now = _clock_of(dispatch)

    async def exchange(self, request: RequestState) -> ResponseState:
        return self._send(request)

    def _send(self, request: RequestState) -> ResponseState:
        response = self._dispatch.send(
            Request._of(lent(request)), verify=request.verify, cert=request.cert, timeout=time_left(request)
        )
        return _record(response, request)

    async def close(self) -> None:
        self._dispatch.close()


class ThreadedSend(BlockingSend):
    """A user's `Dispatcher` under an async client; see `_workers`."""

    __slots__ = ()

    async def exchange(self, request: RequestState) -> ResponseState:
        response = await send_in_thread(self._send, request)
        if response.body is not None and is_streaming(response):
            response.body = ThreadedBody(response.body)
        return response

    async def close(self) -> None:
        await in_thread(self._dispatch.close, lambda _: None)


class AsyncSend:
    """A user's `AsyncDispatcher`."""

    __slots__ = ("_dispatch", "now")

    def __init__(self, dispatch: Any) -> None:
        self._dispatch = dispatch
        self.now = _clock_of(dispatch)

    async def exchange(self, request: RequestState) -> ResponseState:
        view = AsyncRequest._of(lent(request))
        response = await self._dispatch.send(
            view, verify=request.verify, cert=request.cert, timeout=time_left(request)
        )
        return _record(response, request)

    async def close(self) -> None:
        await self._dispatch.close()


class AsyncMock(AsyncSend):
    """`MockDispatcher` and its kind, which have another face for async clients."""

    __slots__ = ("_original",)

    def __init__(self, dispatch: Any) -> None:
        super().__init__(dispatch._for_async())
        self._original = dispatch
        self.now = _clock_of(dispatch)

    async def close(self) -> None:
        self._original.close()


class Bridged:
    """What truly suspends, under a sync client: it runs on a loop, the engine stays in the caller's thread.

    So hooks, auth flows and the response's verbs block as they should, and only the dispatcher's own
    work crosses over. The runner lives until `close`, and until the last open body is closed.
    """

    __slots__ = ("_held", "_inner", "_runner", "now")

    def __init__(self, inner: Dispatching, runner: LoopRunner | JSPIRunner | None = None) -> None:
        self._held = True
        self._inner = inner
        self._runner = loop_runner() if runner is None else runner
        self._runner.retain()
        self.now = inner.now

    async def exchange(self, request: RequestState) -> ResponseState:
        response = self._runner.run(self._inner.exchange(request))
        body = response.body
        if body is not None and is_streaming(response) and getattr(body, "suspends", True):
            response.body = BridgedBody(body, self._runner)
        return response

    async def close(self) -> None:
        try:
            self._runner.run(self._inner.close())
        finally:
            if self._held:
                self._held = False
                self._runner.release()

    def __del__(self) -> None:
        # Of a client that was never closed. Finalisers take no lock, see `LoopRunner.release_later`.
        if self._held:
            self._held = False
            self._runner.release_later()


class BridgedBody:
    """A body whose reading suspends, for a caller that blocks."""

    __slots__ = ("_body", "_held", "_runner")

    def __init__(self, body: ResponseBody, runner: LoopRunner | JSPIRunner) -> None:
        self._body = body
        self._runner = runner
        self._held = True
        runner.retain()

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    async def read_chunk(self) -> bytes:
        if not self._held:
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
        if self._held:
            try:
                self._runner.run(self._body.close())
            finally:
                self._let_go()

    def abort(self) -> None:
        if self._held:
            try:
                self._runner.run(_aborted(self._body))
            finally:
                self._let_go()

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._runner.release()

    def __del__(self) -> None:
        if self._held:
            self._held = False
            self._runner.release_later()


async def _aborted(body: ResponseBody) -> None:
    body.abort()


def adapted(dispatch: object, *, asynchronous: bool) -> Dispatching:
    """``dispatch`` as the engine wants it. Raises TypeError where it has no ``send`` to call."""
    native: Any = dispatch
    if _has_own("_for_client", dispatch):  # one of ours that blocks or not, as the client needs it
        chosen: Dispatching = native._for_client(asynchronous)
        return chosen
    if _has_own("exchange", dispatch):
        return native if asynchronous or not exchange_suspends(dispatch) else Bridged(native)
    if not callable(getattr(dispatch, "send", None)):
        raise TypeError(f"dispatch must be a Dispatcher or an AsyncDispatcher, not {type(dispatch).__name__}")
    if asynchronous and _has_own("_for_async", dispatch):
        return AsyncMock(native)
    if send_suspends(dispatch):
        return AsyncSend(dispatch) if asynchronous else Bridged(AsyncSend(dispatch))
    return ThreadedSend(dispatch) if asynchronous and CAN_THREAD else BlockingSend(dispatch)


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
    return shortened(timeout, deadline.within)


def _clock_of(dispatch: Any) -> Callable[[], float]:
    now = getattr(dispatch, "now", None)
    return now if callable(now) else time.monotonic


def _record(response: object, request: RequestState) -> ResponseState:
    """A record of our own: a dispatcher may hand out one response many times, or that of another client."""
    if not isinstance(response, Response | AsyncResponse):
        abandon(response)
        raise TypeError(
            f"dispatch.send() must return a Response or an AsyncResponse, not {type(response).__name__}"
        )
    given = response._state
    record = reissued(given, request)
    record.content, record.trailers = given.content, given.trailers
    return record
