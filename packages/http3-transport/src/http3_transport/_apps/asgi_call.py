"""One call of an ASGI application: the conversation between it and the client that reads its response.

The application runs as a task of its own (`_backends._tasks`), since it may wait, and start things that
wait, between any two calls of the client. The two sides meet here:

    the application                                  the client
    receive(): a chunk of the request, or waits      head(): the head, once a part of the body is there
    send(): hands a part over; waits until taken     next_chunk(): takes a part; at the end waits until
      (not for the last: nothing can pile up)          the application has returned

- The end of the body is reported when the application has returned, so that what it does in the background
  is done when a test looks. One that takes longer than the read timeout is left to itself.
- If the client goes away early, `receive` returns http.disconnect and `send` raises OSError. An application
  that waits for something else, or does not return in time, is cancelled; what it raises then is ignored.
- While the application waits for the client's body, the read timeout does not run.

All of it happens in the thread of one event loop; only `abort` may be called from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from http3_models import Timeout

from .._backends._detect import running_backend
from .._backends._tasks import Changes, Task, spawn
from .._errors import Malformed
from .asgi_messages import AppResponse, Message, make_scope
from .asgi_upload import Upload
from .body import patience
from .response import GRACE, ClientDisconnected, cut, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from http3_models import Headers
    from http3_models.engine import RequestState

    from .._interfaces import Clock
    from .response import Head


HINT = 0.1
"""Seconds that an application in `receive` has before its `send` fails as well: some (Django) clean up only
if `receive` returns http.disconnect."""


class AppCall:
    """The conversation. ``raises``: the application's exceptions are the client's."""

    __slots__ = (
        "_chunk",
        "_disconnected",
        "_ended",
        "_error",
        "_is_left",
        "_now",
        "_pause",
        "_raises",
        "_request",
        "_response",
        "_task",
        "_to_client",
        "_to_receiver",
        "_to_sender",
        "_upload",
    )

    def __init__(self, request: RequestState, *, raises: bool, now: Clock) -> None:
        self._request = request
        self._raises = raises
        self._now = now
        self._response = AppResponse(request.method)
        self._chunk: bytes | None = None  # handed over by the application, not yet taken
        self._disconnected = False  # the client went away
        self._is_left = False  # the client does not wait for the application's end
        self._ended = False  # the application has returned, or raised
        self._error: BaseException | None = None
        self._task: Task | None = None

    def start(self, app: Callable[..., Any], root_path: str, client: tuple[str, int]) -> None:
        """Call the application. Raises RuntimeError where no event loop runs."""
        backend = running_backend()
        self._pause = backend.sleep
        self._to_client = Changes(backend.waiter)
        self._to_receiver = Changes(backend.waiter)
        self._to_sender = Changes(backend.waiter)
        self._upload = Upload(self._request, self._to_receiver, self._to_client, self._now)
        self._task = spawn(lambda: self._run(app, root_path, client))

    # The application's side.

    async def _run(self, app: Callable[..., Any], root_path: str, client: tuple[str, int]) -> None:
        """The application's whole life."""
        try:
            await app(make_scope(self._request, root_path, client), self._receive, self._send)
        except BaseException as exc:
            self._fail(exc)
            if is_cancelled(exc):
                raise
        finally:
            self._ended = True
            self._upload.cancel()
            self._to_client.announce()

    def _fail(self, exc: BaseException) -> None:
        if self._is_left:
            show(exc)
        elif not self._disconnected:
            self._error = exc

    async def _receive(self) -> Message:
        while True:
            if self._disconnected or self._response.is_complete:
                return {"type": "http.disconnect"}
            message = self._upload.take()
            if message is not None:
                return message
            await self._to_receiver.wait()

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._until_taken()  # another task of the application may be sending
        response = self._response
        was_silent = response.head is None
        try:
            chunk = response.take(message)
        except Malformed as exc:
            raise invalid(self._request, exc) from exc
        if chunk:
            self._chunk = chunk
        if chunk or response.is_complete or (was_silent and response.head is not None):
            self._to_client.announce()
        if response.is_complete:
            self._to_receiver.announce()  # who waits there learns that it is over
        elif chunk and response.wants_body:
            await self._until_taken()
        elif response.head is not None:
            await self._pause(0)  # an application that sends nothing must not keep others from running

    async def _until_taken(self) -> None:
        while True:
            if self._disconnected:
                raise ClientDisconnected("the client has closed the response")
            if self._chunk is None:
                return
            await self._to_sender.wait()

    # The client's side.

    @property
    def trailers(self) -> Headers | None:
        """Trailer fields, once they came."""
        return self._response.trailers

    async def head(self) -> Head | None:
        """The response's head; None where the application failed before, and is to be answered for.

        Raises the application's exception, RemoteProtocolError, ReadTimeout, TotalTimeout, and what the
        request's body raises.
        """
        await self._until(self._has_head)
        if not self._ended:
            return self._response.head
        await self._upload.stop()
        head = self._response.head
        if self._must_raise():
            raise self._failure()
        if head is None and self._error is None and self._raises:
            raise invalid(self._request, "The application returned without sending a response")
        return head

    async def next_chunk(self) -> bytes:
        """The next part of the body; b"" at its end. Raises as `head`."""
        await self._until(self._has_news)
        chunk, self._chunk = self._chunk, None
        if chunk is not None:
            self._to_sender.announce()
            return chunk
        if not self._is_over:
            raise self._failure()
        await self._wait_for_end()
        if self._must_raise():
            raise self._failure()
        return b""

    def whole_body(self) -> bytes | None:
        """The body, where nothing is left to wait for; None otherwise."""
        if not (self._ended and self._response.is_complete and self._error is None):
            return None
        chunk, self._chunk = self._chunk, None
        return chunk or b""

    @property
    def _is_over(self) -> bool:
        """Whether the client has all of the response, and just waits for the application's end."""
        head = self._response.head
        return self._response.is_complete or (head is not None and not head.allows_body)

    def _has_head(self) -> bool:
        return self._ended or self._response.head is not None

    def _has_news(self) -> bool:
        return self._ended or self._chunk is not None or self._is_over

    def _has_ended(self) -> bool:
        return self._ended

    async def _until(self, ready: Callable[[], bool]) -> None:
        since = self._now()
        while not ready():
            if self._upload.error is not None and not self._is_over:
                raise self._upload.error
            waited = None if self._upload.is_reading else self._now() - max(since, self._upload.progress)
            await self._to_client.wait(patience(self._request, waited))

    async def _wait_for_end(self) -> None:
        try:
            await self._until(self._has_ended)
        except Timeout:
            self.abort()
        await self._upload.stop()

    def _must_raise(self) -> bool:
        """Whether what the application raised is the client's concern, whatever was sent before."""
        error = self._error
        if error is None:
            return False
        if is_cancelled(error):
            return not self._response.is_complete
        return self._raises or not isinstance(error, Exception)

    def _failure(self) -> BaseException:
        """The exception for an application that ended, and should not have yet."""
        error, self._error = self._error, None  # or error, traceback, frame and call would be a cycle
        if error is None:
            return cut(self._request, "the application returned before its end")
        if is_cancelled(error):
            failure = cut(self._request, "the application was cancelled")
        elif self._raises or not isinstance(error, Exception):
            return error
        else:
            failure = cut(self._request, f"the application failed with {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure

    # Going away.

    def abort(self) -> None:
        """The client goes away without waiting; from any thread, also from a finaliser."""
        if self._response.is_complete:
            self._is_left = True
        else:
            self._disconnected = True
            if self._task is not None:
                self._task.cancel()

    def abort_from_finalizer(self) -> None:
        """`abort` may be called from a finaliser as it is."""
        self.abort()

    async def close(self) -> None:
        """The client goes away, and waits (not for long) until the application has noticed."""
        task = self._task
        assert task is not None
        listens = self._to_receiver.is_awaited
        try:
            if self._response.is_complete or not (listens or self._to_sender.is_awaited):
                self.abort()
            else:
                self._disconnected = True
                self._to_receiver.announce()
                if not (listens and await task.wait(HINT)):
                    self._to_sender.announce()
            if not await task.wait(GRACE) and not self._is_left:
                task.cancel()
                await task.wait(GRACE)
            await self._upload.stop()
        except BaseException:
            self.abort()
            raise


def is_cancelled(error: BaseException) -> bool:
    """Whether an application ended because its task was cancelled from elsewhere."""
    return not isinstance(error, (Exception, KeyboardInterrupt, SystemExit))


def show(error: BaseException) -> None:
    """Print an error of the background: there is no caller to raise it to."""
    import traceback

    traceback.print_exception(error)
