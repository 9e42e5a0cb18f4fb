"""The body of a request on its way to an ASGI application: messages made on demand.

What is in memory is one message. Anything else is read in a task of its own: an application may cancel its
``receive`` at any time, which must neither cost a chunk nor break the iterator that the chunks come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._backends._tasks import Changes, Task, spawn
from .response import GRACE, CountedBody

if TYPE_CHECKING:
    from http3_models.engine import RequestState

    from .._interfaces import Clock


class Upload:
    """Chunks of a request's body as ``http.request`` messages.

    ``to_app`` is announced when there is a chunk, ``to_client`` as well when there is an ``error``: then the
    body is over. ``progress`` is the moment, on the clock ``now``, of the latest step of either side.
    """

    __slots__ = (
        "_body",
        "_chunk",
        "_data",
        "_ended",
        "_now",
        "_task",
        "_to_app",
        "_to_client",
        "_wanted",
        "error",
        "progress",
    )

    def __init__(self, request: RequestState, to_app: Changes, to_client: Changes, now: Clock) -> None:
        self._body = CountedBody(request)
        self._data = request.body.data
        self._to_app = to_app
        self._to_client = to_client
        self._now = now
        self.progress = now()
        self._chunk: bytes | None = None
        self._wanted = False
        self._ended = False
        self._task: Task | None = None
        self.error: BaseException | None = None

    @property
    def is_reading(self) -> bool:
        """True while the application waits for the client's body, not the client for the application."""
        return self._wanted and self._chunk is None and self.error is None

    def take(self) -> dict[str, Any] | None:
        """The next message; None where one has to be waited for, or none will come any more."""
        if self._ended:
            return None
        if self._data is not None:
            self._ended = True
            self.progress = self._now()
            return {"type": "http.request", "body": self._data, "more_body": False}
        if self._chunk is None:
            self._want()
            if self._chunk is None:
                return None
        chunk, self._chunk = self._chunk, None
        self._wanted = False
        self._ended = not chunk
        self.progress = self._now()
        return {"type": "http.request", "body": chunk, "more_body": not self._ended}

    def _want(self) -> None:
        if self._wanted:
            return
        self._wanted = True
        if self._task is None:
            self._task = spawn(self._read)
        else:
            self._to_app.announce()

    async def _read(self) -> None:
        """The reading task: one chunk each time that one is wanted."""
        try:
            while self._chunk != b"":
                while self._chunk is not None or not self._wanted:
                    await self._to_app.wait()
                self._chunk = await self._body.read_chunk()
                self.progress = self._now()
                self._to_app.announce()
                self._to_client.announce()  # whose patience begins anew
        except BaseException as exc:
            self.error = exc
            self._to_client.announce()
            if not isinstance(exc, (Exception, KeyboardInterrupt, SystemExit)):
                raise

    def cancel(self) -> None:
        """Cancel the reading task without waiting for it."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """End the task and wait until it is over."""
        if self._task is not None and not self._task.is_done:
            self._task.cancel()
            await self._task.wait(GRACE)
