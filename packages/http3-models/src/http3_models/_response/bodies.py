"""Bodies of responses that are there from the start, and how far the body of any response has been read.

``body`` of a `ResponseState` is the body itself: one that comes over a connection, a `BufferedBody`, a
`MemoryBody`, or None where there is none, or none any more. ``body_state`` tells what became of it, so that
all views of one response agree. A `MemoryBody` can be read any number of times and stays `BodyState.UNREAD`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._headers import Headers


class BufferedBody:
    """A body that was whole when the head was returned: none at all, or all of it arrived with the head."""

    __slots__ = ("data", "trailers")

    def __init__(self, data: bytes, trailers: Headers | None = None) -> None:
        self.data: bytes = data
        self.trailers: Headers | None = trailers

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
        self.data: bytes = data
        self.on_close = on_close
        self.is_kept: bool = False
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
