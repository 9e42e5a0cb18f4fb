"""What blocks, in an async client: each exchange, and the body of its response, runs in a thread of its own.

All steps of an exchange run in one thread and one context, so that thread-locals, context variables and
objects that belong to a thread (sqlite's) work. The thread is a daemon and not one of the loop's default
executor: what hangs must not use up the threads that lookups and files need, nor keep the program from
ending. If the caller gives up, the thread finishes its step, aborts the response's body, and ends.

A thread can't await, and the request's body may have to be awaited. So the coroutine orders a step and waits;
the thread says that the step is done, or that it needs a chunk of the body first.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from http3_models import Delivery, ReadError, ReadTimeout
from http3_models.engine import BufferedBody, BytesBody, describe, is_closed, maybe_await, redacted, run_sync

from ._cancelling import ended_in_trio

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models.engine import RequestBody, RequestState, ResponseBody, ResponseState, Transport

T = TypeVar("T")

CAN_THREAD = sys.platform not in ("emscripten", "wasi")


Wait = Callable[[float | None], Coroutine[Any, Any, bool]]


def new_flag() -> tuple[Callable[[], None], Wait]:
    """Two functions: a thread calls the first one, once. The coroutine awaits the second one meanwhile: True,
    or False if so many seconds have passed first.

    Raises RuntimeError where no event loop runs."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        token, event = trio.lowlevel.current_trio_token(), trio.Event()

        def set_in_trio() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(event.set)

        return set_in_trio, partial(ended_in_trio, event.wait)
    import asyncio

    loop = asyncio.get_running_loop()
    is_set: asyncio.Future[bool] = loop.create_future()

    def end(value: bool) -> None:
        if not is_set.done():
            is_set.set_result(value)

    def set_in_asyncio() -> None:
        with suppress(RuntimeError):  # the loop was closed while the thread worked
            loop.call_soon_threadsafe(end, True)

    async def wait(seconds: float | None) -> bool:
        timer = None if seconds is None else loop.call_later(seconds, end, False)
        try:
            return await is_set
        finally:
            if timer is not None:
                timer.cancel()

    return set_in_asyncio, wait


class Worker:
    """The thread, and the coroutine's way to it: one step at a time.

    ``request`` is the one whose body the thread may ask for. ``limit`` is the longest that a step may take,
    in seconds; those that the body takes do not count.
    """

    __slots__ = (
        "_answers",
        "_error",
        "_limit",
        "_request",
        "_result",
        "_steps",
        "_tell",
        "_wants_chunk",
        "body",
        "is_over",
    )

    def __init__(self, request: RequestState | None = None, limit: float | None = None) -> None:
        from queue import SimpleQueue

        self._request = request
        self._limit = limit
        self._steps: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._answers: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._tell: Callable[[], None] | None = None
        self._wants_chunk = False
        self._result: Any = None
        self._error: BaseException | None = None
        self.body: ResponseBody | None = None
        """The response's: the thread aborts it before it ends, also where it was read to its end."""
        self.is_over = False
        """True once the thread is told to end."""

    def start(self) -> None:
        """Start the thread, with the caller's context variables. Raises RuntimeError if that fails."""
        import contextvars
        import threading

        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._live,), name="http3-worker", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:
            raise RuntimeError(
                "This AsyncClient runs what blocks in a thread, and no thread could be started for it. Use "
                "Client, or pass an AsyncDispatcher as dispatch="
            ) from exc

    # In the thread.

    def _live(self) -> None:
        while (step := self._steps.get()) is not None:
            try:
                self._result = step()
            except BaseException as exc:  # noqa: BLE001 (it belongs to the coroutine that waits)
                self._error = exc
            del step  # the client's objects must not live on while the thread waits
            self._wake()
        if self.body is not None:
            with suppress(Exception):
                self.body.abort()

    def _wake(self) -> None:
        if self._tell is not None:
            self._tell()

    def ask(self) -> bytes:
        """The next chunk of the request's body. Raises what the body raises, or OSError."""
        if self.is_over:
            raise _gone()
        self._wants_chunk = True
        self._wake()
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    # In the coroutine.

    @property
    def is_busy(self) -> bool:
        """True while a step is under way."""
        return self._tell is not None

    async def do(self, step: Callable[[], T]) -> T:
        """Have the thread take a step. Raises what it raises, and ReadTimeout; then the thread ends."""
        try:
            return await self._converse(step)
        except BaseException:
            self.end()
            raise

    async def _converse(self, step: Callable[[], T]) -> T:
        self._tell, wait = new_flag()
        self._steps.put(step)
        while True:
            if not await wait(self._limit):
                raise self._timeout()
            if not self._wants_chunk:
                break
            self._wants_chunk = False
            answer = await self._read()
            self._tell, wait = new_flag()  # before the thread goes on, and tells again
            self._answers.put(answer)
        self._tell = None
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
        assert self._request is not None
        try:
            return await self._request.body.read_chunk()
        except Exception as exc:  # noqa: BLE001 (raised in the thread, which the coroutine waits for)
            return exc

    def _timeout(self) -> ReadTimeout:
        assert self._request is not None
        return ReadTimeout(
            f"No data received for {self._limit:g} s (read_timeout): {describe(self._request)}",
            delivery=Delivery.MAYBE_PROCESSED,
            timings=self._request.phases.freeze(),
        )

    def end(self) -> None:
        """Let the thread end, after its step. Never waits, takes no lock; also for finalisers. Idempotent."""
        if not self.is_over:
            self.is_over = True
            self._answers.put(_gone())
            self._steps.put(None)


def _gone() -> OSError:
    return ConnectionAbortedError("the client has closed the response")


class _AskedBody:
    """A request's body as the thread sees it: the coroutine reads it."""

    __slots__ = ("_body", "_worker")

    data: bytes | None = None
    file_ahead = None

    def __init__(self, body: RequestBody, worker: Worker) -> None:
        self._body = body
        self._worker = worker

    @property
    def length(self) -> int | None:
        return self._body.length

    @property
    def can_send_again(self) -> bool:
        return self._body.can_send_again

    async def read_chunk(self) -> bytes:
        return self._worker.ask()

    def rewind(self) -> None:
        self._body.rewind()


class WorkerBody:
    """The body of a response that is read in the thread of its exchange."""

    __slots__ = ("_body", "_has_ended", "_request", "_worker")

    def __init__(self, body: ResponseBody, request: RequestState, worker: Worker) -> None:
        self._body = body
        self._request = request
        self._has_ended = False
        self._worker = worker

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    async def read_chunk(self) -> bytes:
        if self._has_ended:
            return b""
        if self._worker.is_over:
            what = f"The body was closed before its end: {describe(self._request)}"
            raise ReadError(what, delivery=Delivery.MAYBE_PROCESSED)
        chunk = await self._worker.do(self._read_chunk)
        if not chunk:
            self._has_ended = True
            self._worker.end()
        return chunk

    async def close(self) -> None:
        """A step that another task waits for goes on; then the thread aborts the body."""
        worker = self._worker
        try:
            if not (worker.is_over or worker.is_busy):
                await worker.do(self._close)
        except ReadTimeout:
            pass  # it is closed all the same, as soon as the thread comes to it
        finally:
            worker.end()

    def _read_chunk(self) -> bytes:
        return run_sync(self._body.read_chunk())

    def _close(self) -> None:
        run_sync(self._body.close())

    def abort(self) -> None:
        """The thread aborts the body, in its own time."""
        self._worker.end()

    def __del__(self) -> None:
        worker = getattr(self, "_worker", None)  # its constructor may have been interrupted
        if worker is not None and not worker.is_over:
            worker.end()
            url = redacted(self._request.url)
            warnings.warn(f"the response of {url} was neither read nor closed", ResourceWarning, stacklevel=2)


class ThreadAdapter:
    """A transport that blocks, in an async client. A cancelled exchange leaves its thread behind.

    ``limits_reads``: it can't apply the read timeout by itself. It is applied to each wait for the thread.
    """

    __slots__ = ("_inner", "_limits_reads", "now")

    blocks = False

    def __init__(self, inner: Transport, *, limits_reads: bool = False) -> None:
        self._inner = inner
        self._limits_reads = limits_reads
        self.now = inner.now

    @property
    def is_closed(self) -> bool | None:
        """Whether `close` has come to its end, if the transport inside tells."""
        return getattr(self._inner, "is_closed", None)

    async def exchange(self, request: RequestState) -> ResponseState:
        limit = request.timeout.read_timeout if self._limits_reads and request.timeout is not None else None
        worker = Worker(request, limit)
        seen = copy(request)  # the thread's own
        seen.asynchronous = False
        if request.body.data is None:
            seen.body = _AskedBody(request.body, worker)

        def send() -> ResponseState:
            response = run_sync(self._inner.exchange(seen))
            worker.body = response.body
            return response

        worker.start()
        try:
            response = await worker.do(send)
        finally:
            _take_changes(request, seen)
        response.request = request
        body = response.body
        if body is None or is_closed(response) or isinstance(body, BufferedBody):
            worker.body = None
            worker.end()
        else:
            response.body = WorkerBody(body, request, worker)
        return response

    async def close(self) -> None:
        worker = Worker()
        worker.start()
        await worker.do(lambda: run_sync(close_transport(self._inner)))
        worker.end()


async def close_transport(transport: Transport) -> None:
    """Close it, and wait for that if it must be awaited."""
    await maybe_await(transport.close())


def _take_changes(request: RequestState, seen: RequestState) -> None:
    """Have in ``request`` what a dispatcher or transport has changed in the copy that it was given."""
    for name in request.__slots__:
        if name not in ("asynchronous", "body"):
            setattr(request, name, getattr(seen, name))


class LoadedAdapter(ThreadAdapter):
    """The same where there are no threads: the event loop is blocked, and the request's body read before."""

    __slots__ = ()

    async def exchange(self, request: RequestState) -> ResponseState:
        seen = copy(request)
        seen.asynchronous = False
        if request.body.data is None:
            pieces = []
            while chunk := await request.body.read_chunk():
                pieces.append(chunk)
            seen.body = BytesBody(b"".join(pieces))
        try:
            response = await self._inner.exchange(seen)
        finally:
            _take_changes(request, seen)
        response.request = request
        return response

    async def close(self) -> None:
        await close_transport(self._inner)
