"""Runners: how a sync client drives the coroutines of the engine.

Three worlds, one question: does anything suspend?

- Nothing does (our pool over blocking sockets, sync dispatchers, WSGI apps): `run_sync` of http3_models. One
  ``send(None)`` runs a coroutine to its end; there is no loop and no thread, so it works anywhere,
  also inside a running event loop.
- Something does (ASGI apps, async dispatchers, foreign backends): `LoopRunner`, a private asyncio loop
  in a daemon thread, started at the first use. It lives until its last holder let go: the client is
  one, each open response is another.
- On emscripten there are no threads: `JSPIRunner` lets the browser's stack switching suspend us.

A runner of the user's own is any object with ``run(coroutine)``.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    import contextvars
    import threading

T = TypeVar("T")

_left_to_the_parent: list[asyncio.AbstractEventLoop] = []
"""In a forked child: loops whose threads are the parent's. Closing them here would touch what is shared."""

_SLICE = 0.5
"""Seconds between two looks for Ctrl-C: where a wait can't be interrupted (Windows), it is this late."""


class Runner(Protocol):
    """What `Client` asks of ``runner=``."""

    def run(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Run the coroutine to its end, blocking; return its result or raise its exception."""


def run_by(runner: Runner, coroutine: Coroutine[Any, Any, T], /) -> T:
    """``runner.run(coroutine)``; a coroutine that it refused to begin is closed, lest it warn of that."""
    try:
        return runner.run(coroutine)
    except BaseException:
        close_unstarted(coroutine)
        raise


def close_unstarted(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Close a coroutine that nobody will run."""
    if isinstance(coroutine, CoroutineType) and not (coroutine.cr_running or coroutine.cr_suspended):
        coroutine.close()  # not begun, or at its end, where this does nothing


class JSPIRunner:
    """Runs coroutines on emscripten's own event loop, by JavaScript promise integration."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<JSPIRunner>"

    def run(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Suspend the WebAssembly stack until the coroutine is done.

        Raises RuntimeError where the runtime or the way in (a synchronous JavaScript call) does not allow it.
        """
        try:
            from importlib import import_module

            ffi = import_module("pyodide.ffi")
        except ImportError as exc:
            coroutine.close()
            raise RuntimeError(
                "A sync Client can't wait here: there are no threads, and this Python has no "
                "pyodide.ffi.run_sync. Use AsyncClient, or pass a runner= that can wait"
            ) from exc
        if not ffi.can_run_sync():
            coroutine.close()
            raise RuntimeError(
                "A sync Client can't wait here: the JavaScript runtime has no promise integration (JSPI), or "
                "Python was not entered by an async call (callPromising, runPythonAsync). Use AsyncClient"
            )
        result: T = ffi.run_sync(coroutine)
        return result

    def retain(self, token: object = None) -> None:
        """Nothing to keep alive."""

    def release(self, token: object = None) -> None:
        """Nothing to let go."""

    release_later = release


class _Job:
    """One coroutine on its way through the loop's thread."""

    __slots__ = ("_has_begun", "context", "coroutine", "done", "error", "result", "task")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context) -> None:
        import threading

        self.coroutine = coroutine
        self.context = context
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None
        self._has_begun = False

    def start(self) -> None:
        """In the loop's thread: make the task, with the caller's context variables."""
        import asyncio

        self.task = asyncio.get_running_loop().create_task(self._work(), context=self.context)

    async def _work(self) -> None:
        self._has_begun = True
        try:
            self.result = await self.coroutine
        except BaseException as exc:  # noqa: BLE001 (raised again by who waits)
            # Also CancelledError and SystemExit: all of it belongs to the thread that waits.
            self.error = exc
        finally:
            self.done.set()

    def cancel(self) -> None:
        """In the loop's thread, after `start`. One that has not begun would never tell that it is done."""
        if self.task is not None and self._has_begun:
            self.task.cancel()
        else:
            import asyncio

            asyncio.get_running_loop().call_soon(self.cancel)

    def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for its end. Raises RuntimeError where the loop has ended before."""
        while not self.done.wait(_SLICE):
            if loop.is_closed() and not self.done.is_set():
                raise RuntimeError("The event loop of this client ended: something that ran on it stopped it")


class LoopRunner:
    """A private asyncio loop in a daemon thread, for a sync client over what truly suspends.

    The loop starts with the first `run` and stops when every `retain` has met its `release`. The thread
    is a daemon and knows only its loop: a program that forgets to close its client still ends.
    """

    __slots__ = ("_has_ended", "_holders", "_lock", "_loop", "_pid", "_thread")

    def __init__(self) -> None:
        import threading

        self._lock = threading.Lock()  # guards the fields below, never held while waiting
        self._holders: set[object] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._has_ended = threading.Event()  # where something that ran on the loop has stopped it
        self._pid = 0

    def __repr__(self) -> str:
        return f"<LoopRunner {'running' if self._loop else 'idle'}, {len(self._holders)} holders>"

    def run(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Run the coroutine in the loop's thread and wait for it.

        What interrupts the wait (KeyboardInterrupt) cancels the coroutine, then goes on to the caller.
        """
        import contextvars
        import threading

        if self._thread is threading.current_thread():
            coroutine.close()
            raise RuntimeError(
                "This sync client was called from its own event loop's thread and would wait for itself. "
                "Code that the client runs (an ASGI app, say) must use AsyncClient or another client"
            )
        token = object()
        try:
            self.retain(token)
            job = _Job(coroutine, contextvars.copy_context())
            loop = self._running_loop()
            loop.call_soon_threadsafe(job.start)
            try:
                job.wait(loop)
            except BaseException:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(job.cancel)
                    job.wait(loop)
                raise
        except BaseException:
            close_unstarted(coroutine)
            raise
        finally:
            self.release(token)
        error, job.error = job.error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # with its traceback and this frame it would be a cycle
        result: T = job.result
        return result

    def retain(self, token: object = None) -> None:
        """Keep the loop alive until `release` with the same token, which its holder has from before."""
        with self._lock:
            self._holders.add(token)

    def release(self, token: object = None) -> None:
        """Let go; the last one stops the loop. Never waits; from any thread, but not from a finaliser.

        Harmless for who was interrupted before it could `retain`, and a second time."""
        with self._lock:
            self._holders.discard(token)
            if self._holders:
                return
            loop, self._loop, self._thread = self._loop, None, None
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)

    def release_later(self, token: object = None) -> None:
        """`release` for finalisers: takes no lock, since the one it needs may be held by the same thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.release, token)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        import os
        import threading

        with self._lock:
            if self._loop is None or self._has_ended.is_set() or self._pid != os.getpid():
                if self._loop is not None and self._pid != os.getpid():
                    _left_to_the_parent.append(self._loop)
                has_ended = threading.Event()
                self._loop, self._thread = _start_loop(has_ended)
                self._has_ended = has_ended
                self._pid = os.getpid()
            return self._loop


def _start_loop(has_ended: threading.Event) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    import asyncio
    import threading

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(loop, has_ended), name="http3-loop", daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:
        loop.close()
        raise RuntimeError(
            "What this sync client uses needs an event loop, and no thread could be started for one. "
            "Use AsyncClient, or pass a runner="
        ) from exc
    return loop, thread


def _serve(loop: asyncio.AbstractEventLoop, has_ended: threading.Event) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        has_ended.set()
        loop.run_until_complete(_wind_up())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _wind_up() -> None:
    """Cancel what was left behind in the loop, and let it clean up."""
    import asyncio

    await asyncio.sleep(0)  # for those that have not begun, see `_Job.cancel`
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def loop_runner() -> LoopRunner | JSPIRunner:
    """The runner for what suspends, on this platform."""
    return JSPIRunner() if sys.platform == "emscripten" else LoopRunner()
