"""Runners: they run the engine's coroutines for a sync client.

- Where nothing suspends (a pool over blocking sockets, sync dispatchers, WSGI apps) it is `run_sync` of
  http3_models: one ``send(None)`` runs a coroutine to its end. There is no loop and no thread, so it works
  everywhere, also inside a running event loop.
- Where something suspends (ASGI apps, async dispatchers and backends) it is a `LoopRunner`: an asyncio loop
  in a daemon thread, started at the first use. It stops when its last holder releases it: the client is a
  holder, and so is each open response.
- On emscripten, which has no threads, it is a `JSPIRunner`: the browser suspends the stack.

A user's runner is any object with a method ``run(coroutine)``.
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

_loops_of_parent: list[asyncio.AbstractEventLoop] = []
"""In a forked child: the loops whose threads are the parent's. Closing them would close what it uses."""

_WAIT_INTERVAL = 0.5
"""Seconds. On Windows a wait can't be interrupted by Ctrl-C, which is noticed after the interval."""


class Runner(Protocol):
    """What ``runner=`` of `Client` must have."""

    def run(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Block until the coroutine is done; return its result or raise its exception."""


def run_by(runner: Runner, coroutine: Coroutine[Any, Any, T], /) -> T:
    """``runner.run(coroutine)``. A coroutine that the runner did not start is closed, to avoid a warning."""
    try:
        return runner.run(coroutine)
    except BaseException:
        close_unstarted(coroutine)
        raise


def close_unstarted(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Close a coroutine, unless it is running or suspended."""
    if isinstance(coroutine, CoroutineType) and not (coroutine.cr_running or coroutine.cr_suspended):
        coroutine.close()  # not started, or done: then this does nothing


class JSPIRunner:
    """Runs coroutines on the event loop of emscripten, by JavaScript promise integration (JSPI)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<JSPIRunner>"

    def run(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Suspend the WebAssembly stack until the coroutine is done.

        Raises RuntimeError if the runtime has no JSPI, or Python was called by synchronous JavaScript.
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
        """Do nothing: there is no loop to keep running."""

    def release(self, token: object = None) -> None:
        """Do nothing."""

    release_later = release


class _Job:
    """A coroutine that the loop's thread runs for the thread that waits."""

    __slots__ = ("_has_started", "context", "coroutine", "done", "error", "result", "task")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context) -> None:
        import threading

        self.coroutine = coroutine
        self.context = context
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None
        self._has_started = False

    def start(self) -> None:
        """Make the task, with the caller's context variables. Called in the loop's thread."""
        import asyncio

        self.task = asyncio.get_running_loop().create_task(self._run(), context=self.context)

    async def _run(self) -> None:
        self._has_started = True
        try:
            self.result = await self.coroutine
        except BaseException as exc:  # noqa: BLE001 (raised again in the thread that waits)
            self.error = exc
        finally:
            self.done.set()

    def cancel(self) -> None:
        """Cancel the task. Called in the loop's thread, after `start`.

        A task that has not started would be cancelled without setting ``done``; so it is started first.
        """
        if self.task is not None and self._has_started:
            self.task.cancel()
        else:
            import asyncio

            asyncio.get_running_loop().call_soon(self.cancel)

    def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until the coroutine is done. Raises RuntimeError if the loop ended before."""
        while not self.done.wait(_WAIT_INTERVAL):
            if loop.is_closed() and not self.done.is_set():
                raise RuntimeError("The event loop of this client was stopped by code that ran on it")


class LoopRunner:
    """An asyncio loop in a daemon thread, for a sync client with a transport that suspends.

    The loop starts with the first `run`, and stops when each token given to `retain` was given to `release`.
    The thread is a daemon and refers to its loop only: a program that does not close its client still ends.
    """

    __slots__ = ("_has_ended", "_holders", "_lock", "_loop", "_pid", "_thread")

    def __init__(self) -> None:
        import threading

        self._lock = threading.Lock()  # for the attributes below; not held during a wait
        self._holders: set[object] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._has_ended = threading.Event()  # also set if code on the loop has stopped it
        self._pid = 0

    def __repr__(self) -> str:
        return f"<LoopRunner {'running' if self._loop else 'idle'}, {len(self._holders)} holders>"

    def run(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Run the coroutine in the loop's thread, and wait for it.

        An exception that interrupts the wait (KeyboardInterrupt) cancels the coroutine, and is raised.
        """
        import contextvars
        import threading

        if self._thread is threading.current_thread():
            coroutine.close()
            raise RuntimeError(
                "This sync client was called in the thread of its own event loop, and would wait for itself. "
                "Code that the client runs (such as an ASGI app) must use AsyncClient or another client"
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
            del error  # its traceback refers to this frame: a reference cycle
        result: T = job.result
        return result

    def retain(self, token: object = None) -> None:
        """Keep the loop running until `release` with the same token."""
        with self._lock:
            self._holders.add(token)

    def release(self, token: object = None) -> None:
        """Stop the loop if no other token is left. Does nothing for a token that is not retained.

        It never waits. It can be called in any thread, but not by a finaliser.
        """
        with self._lock:
            self._holders.discard(token)
            if self._holders:
                return
            loop, self._loop, self._thread = self._loop, None, None
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)

    def release_later(self, token: object = None) -> None:
        """`release` for finalisers: it takes no lock, since the same thread may hold it."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.release, token)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        import os
        import threading

        with self._lock:
            if self._loop is None or self._has_ended.is_set() or self._pid != os.getpid():
                if self._loop is not None and self._pid != os.getpid():
                    _loops_of_parent.append(self._loop)
                has_ended = threading.Event()
                self._loop, self._thread = _start_loop(has_ended)
                self._has_ended = has_ended
                self._pid = os.getpid()
            return self._loop


def _start_loop(has_ended: threading.Event) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    import asyncio
    import threading

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run_loop, args=(loop, has_ended), name="http3-loop", daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:
        loop.close()
        raise RuntimeError(
            "The dispatcher, app or backend of this sync client needs an event loop, and no thread could be "
            "started for it. Use AsyncClient, or pass a runner="
        ) from exc
    return loop, thread


def _run_loop(loop: asyncio.AbstractEventLoop, has_ended: threading.Event) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        has_ended.set()
        loop.run_until_complete(_cancel_tasks())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _cancel_tasks() -> None:
    """Cancel the other tasks of the loop, and wait for them."""
    import asyncio

    await asyncio.sleep(0)  # so that all have started, see `_Job.cancel`
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def loop_runner() -> LoopRunner | JSPIRunner:
    """A runner for coroutines that suspend, on this platform."""
    return JSPIRunner() if sys.platform == "emscripten" else LoopRunner()
