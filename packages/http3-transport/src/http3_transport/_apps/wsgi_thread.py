"""A WSGI application under an event loop: each call in a thread of its own, as a WSGI server would do it.

All steps of one call run in one thread and one context, so that thread-locals, context variables and objects
which belong to a thread (sqlite's) work. The thread is a daemon and not one of the loop's default executor:
an application that hangs must not use up those, nor keep the program from ending. If the client gives up,
the thread finishes its step, closes the application's iterable, and ends.

A thread can't await; the request's body may have to be. So the two hold a conversation: the coroutine orders
a step and waits, the thread says that it is done, or that it needs a chunk of the body first.
"""

from __future__ import annotations

import contextvars
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from http3_models import Timeout
from http3_models.engine import BufferedBody

from .._backends._detect import running_backend
from .body import AppBody, time_left
from .response import ClientDisconnected, CountedBody, server_error
from .wsgi_call import WSGICall

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models import Headers
    from http3_models.engine import RequestState, ResponseState

    from .._interfaces import Clock, Waiter
    from .wsgi import WSGIDispatch

T = TypeVar("T")


class Worker:
    """The thread, and the coroutine's way to it. One step at a time."""

    __slots__ = (
        "_answers", "_chunks", "_error", "_make", "_now", "_over", "_request", "_result", "_steps", "_waiter",
        "_wants_chunk",
    )  # fmt: skip

    def __init__(self, request: RequestState, make_waiter: Callable[[], Waiter], now: Clock) -> None:
        self._request = request
        self._chunks = CountedBody(request)
        self._make = make_waiter
        self._now = now
        self._steps: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._answers: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._waiter: Waiter | None = None
        self._wants_chunk = False
        self._over = False
        self._result: Any = None
        self._error: BaseException | None = None

    def start(self, last: Callable[[], None]) -> None:
        """Start the thread, with the caller's context variables. ``last`` is what it does before it ends.

        Raises RuntimeError where no thread can be had."""
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._live, last), name="http3-app", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            raise RuntimeError(
                "A WSGI application under AsyncClient runs in a thread, and none could be started. Use Client"
            ) from exc

    # In the thread.

    def _live(self, last: Callable[[], None]) -> None:
        while (step := self._steps.get()) is not None:
            try:
                self._result = step()
            except BaseException as exc:  # noqa: BLE001 (it belongs to the coroutine that waits)
                self._error = exc
            del step  # the client's objects must not live on while the thread waits
            self._tell()
        last()

    def _tell(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            waiter.set()

    def ask(self) -> bytes:
        """The next chunk of the request's body. Raises what the body raises, or ClientDisconnected."""
        if self._over:
            raise ClientDisconnected("the client has closed the response")
        self._wants_chunk = True
        self._tell()
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    # In the coroutine.

    @property
    def is_busy(self) -> bool:
        """True while a step is under way."""
        return self._waiter is not None

    async def do(self, step: Callable[[], T]) -> T:
        """Have the thread take a step. Raises what it raises; ReadTimeout, TotalTimeout."""
        try:
            return await self._converse(step)
        except BaseException:
            self.end()
            raise

    async def _converse(self, step: Callable[[], T]) -> T:
        since = self._now()
        self._waiter = self._make()
        self._steps.put(step)
        while True:
            if not await self._waiter.wait(time_left(self._request, self._now() - since)):
                continue  # `time_left` says what ran out
            if not self._wants_chunk:
                break
            self._wants_chunk = False
            answer = await self._read()
            self._waiter = self._make()  # before the thread goes on, and tells again
            self._answers.put(answer)
            since = self._now()
        self._waiter = None
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # with its traceback and this frame it would be a cycle
        result: T = self._result
        self._result = None
        return result

    async def _read(self) -> bytes | Exception:
        try:
            return await self._chunks.read_chunk()
        except Exception as exc:  # noqa: BLE001 (the application learns of it, then the caller)
            return exc

    def end(self) -> None:
        """Let the thread end, after its step. Never waits, takes no lock; also for finalisers. Idempotent."""
        if not self._over:
            self._over = True
            self._answers.put(ClientDisconnected("the client has closed the response"))
            self._steps.put(None)


class InThread:
    """A call whose steps are taken in a thread; see `Source`."""

    __slots__ = ("_call", "_worker")

    trailers: Headers | None = None

    def __init__(self, call: WSGICall, worker: Worker) -> None:
        self._call = call
        self._worker = worker

    async def next_chunk(self) -> bytes:
        """The next part of the body."""
        chunk = await self._worker.do(self._call.next_chunk)
        if not chunk:
            self._worker.end()
        return chunk

    async def close(self) -> None:
        """Have the application's iterable closed."""
        if self._worker.is_busy:  # with a step that another task waits for; the thread closes it after that
            self._worker.end()
            return
        try:
            await self._worker.do(self._call.give_up)
        except Timeout:
            pass  # it is closed all the same, as soon as the thread comes to it
        finally:
            self._worker.end()

    def abandon(self) -> None:
        """The thread closes the application's iterable, in its own time."""
        self._worker.end()

    forget = abandon


async def exchange_in_thread(dispatch: WSGIDispatch, request: RequestState) -> ResponseState:
    """Records in, records out; the application blocks a thread, and not the event loop."""
    now, phases = dispatch.now, request.phases
    started = phases.begin(now)
    worker = Worker(request, running_backend().waiter, now)
    call = WSGICall(request, worker.ask, raises=dispatch.raise_app_exceptions)
    worker.start(call.close_quietly)
    try:
        head = await worker.do(lambda: call.open(dispatch.app, dispatch.script_name, dispatch.remote_addr))
        phases.wait = now() - started
        if head is not None and call.is_open:
            return head.respond(request, AppBody(InThread(call, worker), request, now))
    except BaseException:
        worker.end()
        raise
    worker.end()
    return server_error(request) if head is None else head.respond(request, BufferedBody(b""))
