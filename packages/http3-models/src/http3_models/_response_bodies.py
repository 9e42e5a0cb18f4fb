"""What can stand where a response has its body.

What became of a body is told by what stands in ``state.body``, so that all views of one response agree:

    the body itself   not begun
    `Begun`          somebody streams it; `close` still reaches it
    `CONSUMED`        it came to its end (``state.content`` has it, if it was read whole)
    `CLOSED`          it was given up: closed before its end, or broken
    `MemoryBody`      bytes that were there from the start; they never run out
    `EndedBody`       not begun, and all there: it arrived with the head
    None              there is none
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._exceptions import ResponseClosed, StreamConsumed, StreamException

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._headers import Headers
    from ._records import ResponseBody


class Spent:
    """Stands where a body was; reading it says why that is over."""

    __slots__ = ("_kind", "_message")

    trailers: Headers | None = None

    def __init__(self, kind: type[StreamException], message: str) -> None:
        self._kind = kind
        self._message = message

    def error(self) -> StreamException:
        return self._kind(self._message)

    async def read_chunk(self) -> bytes:
        raise self.error()

    async def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


CONSUMED = Spent(
    StreamConsumed, "The body was streamed already, and comes only once; read() keeps it in memory"
)
CLOSED = Spent(
    ResponseClosed, "The response was closed before its body was read; read() keeps it in memory for later"
)


class BodyInUse(StreamConsumed, RuntimeError):
    """A second reader asks for a piece while the first one waits for its own.

    Python's own iterators refuse that too; an async generator does so with a RuntimeError.
    """


class Begun:
    """Stands for a body that is being streamed."""

    __slots__ = ("_body",)

    def __init__(self, body: ResponseBody) -> None:
        self._body = body

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    def error(self) -> StreamException:
        return StreamConsumed(
            "The body is being read, or was in part, and comes only once; read() keeps it in memory"
        )

    async def read_chunk(self) -> bytes:
        raise self.error()

    async def close(self) -> None:
        await self._body.close()

    def abort(self) -> None:
        self._body.abort()


class EndedBody:
    """A body that was over with the head: none at all, or all of it arrived with the head's packet."""

    __slots__ = ("data", "trailers")

    def __init__(self, data: bytes, trailers: Headers | None = None) -> None:
        self.data = data
        self.trailers = trailers

    async def read_chunk(self) -> bytes:
        """The whole body; then b""."""
        data, self.data = self.data, b""
        return data

    async def close(self) -> None:
        """Nothing is left to give up."""

    def abort(self) -> None:
        """Nothing is left to give up."""


class MemoryBody:
    """A body whose bytes, as sent, are in memory already. ``on_close`` is called once, by `close`."""

    __slots__ = ("_given", "data", "is_kept", "on_close")

    trailers: Headers | None = None

    def __init__(self, data: bytes, on_close: Callable[[], object] | None = None) -> None:
        self.data = data
        self.on_close = on_close
        self.is_kept = False
        """Of an earlier response of a chain, to be read after the call."""
        self._given = False

    async def read_chunk(self) -> bytes:
        if self._given:
            return b""
        self._given = True
        return self.data

    async def close(self) -> None:
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            await maybe_await(on_close())

    def abort(self) -> None:
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            close_unawaited(on_close())


async def maybe_await(result: object) -> None:
    """Wait for what a callback of the caller's returned, if it is awaitable."""
    if hasattr(result, "__await__"):
        await result


def close_unawaited(result: object) -> None:
    """Drop what a callback returned where nothing can be awaited; an unstarted coroutine is closed."""
    close = getattr(result, "close", None) if hasattr(result, "__await__") else None
    if close is not None:
        close()
