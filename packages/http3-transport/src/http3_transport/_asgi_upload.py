"""The body of a request on its way to an ASGI application: messages made on demand.

What is in memory is one message. Anything else is read in a task of its own: an application may cancel its
``receive`` at any time, which must neither cost a chunk nor break the iterator that the chunks come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._app_response import GRACE, RequestChunks
from ._backends._tasks import Changes, Task, spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models._records import RequestState


class Upload:
    """Chunks of a request's body as ``http.request`` messages.

    ``changed`` is announced and ``on_change`` called when there is a chunk; only the latter when there is an
    ``error``: then the body is over, and the client is to be told.
    """

    __slots__ = (
        "_changed",
        "_chunk",
        "_chunks",
        "_data",
        "_ended",
        "_on_change",
        "_task",
        "_wanted",
        "error",
    )

    def __init__(self, request: RequestState, changed: Changes, on_change: Callable[[], None]) -> None:
        self._chunks = RequestChunks(request)
        self._data = request.body.data
        self._changed = changed
        self._on_change = on_change
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
            return {"type": "http.request", "body": self._data, "more_body": False}
        if self._chunk is None:
            self._want()
            if self._chunk is None:
                return None
        chunk, self._chunk = self._chunk, None
        self._wanted = False
        self._ended = not chunk
        return {"type": "http.request", "body": chunk, "more_body": not self._ended}

    def _want(self) -> None:
        if self._wanted:
            return
        self._wanted = True
        if self._task is None:
            self._task = spawn(self._read)
        else:
            self._changed.announce()

    async def _read(self) -> None:
        """The reading task: one chunk each time that one is wanted."""
        try:
            while self._chunk != b"":
                while self._chunk is not None or not self._wanted:
                    await self._changed.wait()
                self._chunk = await self._chunks.read()
                self._changed.announce()
                self._on_change()
        except BaseException as exc:
            self.error = exc
            self._on_change()
            if not isinstance(exc, (Exception, KeyboardInterrupt, SystemExit)):
                raise

    def abandon(self) -> None:
        """Nobody will ask any more."""
        if self._task is not None:
            self._task.cancel()

    async def settle(self) -> None:
        """Wait until the task is gone."""
        if self._task is not None and not self._task.is_done:
            self._task.cancel()
            await self._task.wait(GRACE)
