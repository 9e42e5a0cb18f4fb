"""A blocking dispatcher under an async client: each exchange in a thread of its own.

The thread is not one of the loop's default executor: a dispatcher that hangs must not use up the threads
that lookups and files need, nor keep `asyncio.run` from returning. It is a daemon. If the caller gives
up, the thread is left to finish, and what it brings is closed by itself.

A thread can't await; a request's body may have to be. So the two hold a conversation: the thread says
what it needs next (a chunk of the body) or that it is done, the coroutine waits for its word.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from http3_models.engine import run_sync

if TYPE_CHECKING:
    from http3_models import Headers
    from http3_models.engine import RequestBody, RequestState, ResponseBody, ResponseState

T = TypeVar("T")

CAN_THREAD = sys.platform not in ("emscripten", "wasi")


class Flag(Protocol):
    """Raised by a thread, awaited by a coroutine; used once."""

    def set(self) -> None: ...

    async def wait(self) -> None: ...


class _AsyncioFlag:
    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._raise)
        except RuntimeError:
            pass  # the loop was closed while the thread worked: nobody waits any more

    def _raise(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        await self._future


class _TrioFlag:
    __slots__ = ("_event", "_token")

    def __init__(self) -> None:
        import trio

        self._token = trio.lowlevel.current_trio_token()
        self._event = trio.Event()

    def set(self) -> None:
        import trio

        try:
            self._token.run_sync_soon(self._event.set)
        except trio.RunFinishedError:
            pass

    async def wait(self) -> None:
        await self._event.wait()


def new_flag() -> Flag:
    """A flag for the async library that runs here. Raises RuntimeError where none does."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return _TrioFlag()
    return _AsyncioFlag()


class _Conversation:
    """One conversation between a thread and the coroutine that started it."""

    __slots__ = ("_error", "_flag", "_lock", "_over", "_result", "_wanted", "_work", "on_late")

    def __init__(self, work: Callable[[], Any], on_late: Callable[[Any], None]) -> None:
        import threading

        self._work = work
        self.on_late = on_late
        self._lock = threading.Lock()  # guards the fields below, never held while waiting
        self._over = False  # the thread has finished, or the coroutine has given up
        self._flag = new_flag()
        self._wanted: _Question | None = None
        self._result: Any = None
        self._error: BaseException | None = None

    def run_thread(self) -> None:
        """The thread's whole life."""
        try:
            self._result = self._work()
        except BaseException as exc:  # noqa: BLE001 (raised again by who waits)
            self._error = exc
        with self._lock:
            late = self._over
            self._over = True
        if not late:
            self._flag.set()
        elif self._error is None:
            self.on_late(self._result)

    def ask(self, body: RequestBody) -> bytes:
        """In the thread: the next chunk of a body that only the coroutine can read."""
        question = _Question(body)
        with self._lock:
            if self._over:
                raise RuntimeError("nobody waits for this request any more")
            self._wanted = question
        self._flag.set()
        return question.answer()

    async def wait(self) -> Any:
        """In the coroutine: answer what the thread asks until it is done."""
        try:
            while True:
                await self._flag.wait()
                question, self._wanted = self._wanted, None
                if question is None:
                    break
                self._flag = new_flag()
                await question.ask()
        except BaseException:
            self._abandon()
            raise
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # with its traceback and this frame it would be a cycle
        return self._result

    def _abandon(self) -> None:
        with self._lock:
            finished, self._over = self._over, True
            question, self._wanted = self._wanted, None
        if question is not None:
            question.refuse()
        if finished and self._error is None:
            self.on_late(self._result)


class _Question:
    """A chunk wanted by the thread."""

    __slots__ = ("_answered", "_body", "_chunk", "_error")

    def __init__(self, body: RequestBody) -> None:
        import threading

        self._body = body
        self._answered = threading.Event()
        self._chunk = b""
        self._error: BaseException | None = None

    async def ask(self) -> None:
        try:
            self._chunk = await self._body.read_chunk()
        except BaseException as exc:
            self._error = exc
            if not isinstance(exc, Exception):
                raise
        finally:
            self._answered.set()

    def refuse(self) -> None:
        self._error = RuntimeError("nobody waits for this request any more")
        self._answered.set()

    def answer(self) -> bytes:
        self._answered.wait()
        if self._error is not None:
            raise self._error
        return self._chunk


class _AskedBody:
    """A request's body as the thread sees it."""

    __slots__ = ("_body", "talk")

    data: bytes | None = None
    file_ahead = None

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self.talk: _Conversation | None = None

    @property
    def length(self) -> int | None:
        return self._body.length

    @property
    def can_send_again(self) -> bool:
        return self._body.can_send_again

    async def read_chunk(self) -> bytes:
        assert self.talk is not None
        return self.talk.ask(self._body)

    def rewind(self) -> None:
        self._body.rewind()


class ThreadedBody:
    """The body of a response that was made in a thread, and is read in others."""

    __slots__ = ("_body",)

    def __init__(self, body: ResponseBody) -> None:
        self._body = body

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    async def read_chunk(self) -> bytes:
        body = self._body
        chunk: bytes = await in_thread(lambda: run_sync(body.read_chunk()), lambda _: None)
        return chunk

    async def close(self) -> None:
        body = self._body
        await in_thread(lambda: run_sync(body.close()), lambda _: None)

    def abort(self) -> None:
        self._body.abort()


async def in_thread(work: Callable[[], T], on_late: Callable[[T], None]) -> T:
    """Run ``work`` in a new thread and wait for its result.

    If the wait is cancelled, ``on_late`` is given the result once it is there, in the thread.
    """
    talk = _Conversation(work, on_late)
    _start(talk)
    result: T = await talk.wait()
    return result


async def send_in_thread(
    send: Callable[[RequestState], ResponseState], request: RequestState
) -> ResponseState:
    """Run a blocking exchange in a new thread; its request's body is read here, where it can be awaited."""
    original = request.body
    asked = _AskedBody(original) if original.data is None else None
    talk = _Conversation(lambda: send(request), _drop)
    if asked is not None:
        asked.talk = talk
        request.body = asked
    try:
        _start(talk)
        response: ResponseState = await talk.wait()
    finally:
        request.body = original
    return response


def _drop(response: ResponseState) -> None:
    if response.body is not None:
        response.body.abort()


def _start(talk: _Conversation) -> None:
    """Raises RuntimeError where no thread can be had."""
    import contextvars
    import threading

    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(talk.run_thread,), name="http3-dispatch", daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:
        raise RuntimeError(
            "This AsyncClient has a dispatcher that blocks, and no thread could be started for it. "
            "Use Client, or pass an AsyncDispatcher as dispatch="
        ) from exc
