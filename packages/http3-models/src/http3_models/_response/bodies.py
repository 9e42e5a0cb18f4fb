"""Classes of bodies that a response can have without a connection, and how their callbacks are called.

``body`` of a `ResponseState` is one of these, a body that comes over a connection, or None where there is
none (any more). ``body_state`` says how far it was read, so that all views of one response agree. A
`MemoryBody` can be read any number of times and stays `BodyState.UNREAD`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING

from .._headers import Headers
from .._request import as_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class BufferedBody:
    """A body that arrived whole with the head; it may be empty."""

    __slots__ = ("data", "trailers")

    def __init__(self, data: bytes, trailers: Headers | None = None) -> None:
        self.data: bytes = data
        self.trailers: Headers | None = trailers

    async def read_chunk(self) -> bytes:
        """The whole body; then b""."""
        data, self.data = self.data, b""
        return data

    async def close(self) -> None:
        """Do nothing: no connection is held."""

    def abort(self) -> None:
        """Do nothing: no connection is held."""


class MemoryBody:
    """A body whose bytes, as sent, are in memory. ``on_close`` is called once, by `close` or `abort`."""

    __slots__ = ("_given", "data", "is_kept", "on_close")

    trailers: Headers | None = None

    def __init__(self, data: bytes, on_close: Callable[[], object] | None = None) -> None:
        self.data: bytes = data
        self.on_close = on_close
        self.is_kept: bool = False
        """True in ``response.history``: it may be read after the call, so its deadline does not count."""
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


class IterableBody:
    """A body that comes from an iterable of the user's, sync or async.

    ``on_close`` is called once: at the end of the iterable, by `close` or by `abort`.
    """

    __slots__ = ("_being_asked", "_content", "_iterator", "_on_close")

    def __init__(
        self, content: Iterable[bytes] | AsyncIterable[bytes], on_close: Callable[[], object] | None
    ) -> None:
        self._iterator: Iterator[bytes] | AsyncIterator[bytes] | None = (
            aiter(content) if isinstance(content, AsyncIterable) else iter(content)
        )
        self._content = content
        self._on_close = on_close
        self._being_asked = False

    @property
    def trailers(self) -> Headers | None:
        """The ``trailers`` of the iterable: an iterator over the body of another response has them."""
        found = getattr(self._content, "trailers", None)
        return found if isinstance(found, Headers) and found else None

    async def read_chunk(self) -> bytes:
        while (iterator := self._iterator) is not None:
            self._being_asked = True
            try:
                chunk = await anext(iterator) if isinstance(iterator, AsyncIterator) else next(iterator)
            except (StopIteration, StopAsyncIteration):
                await self._finish()
                break
            finally:
                self._being_asked = False
            if self._iterator is None:  # closed by another task meanwhile
                await _close(iterator)
                break
            if data := as_bytes(chunk, "content: a piece"):
                return data
        return b""

    async def _finish(self) -> None:
        self._iterator = None
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            await maybe_await(on_close())

    async def close(self) -> None:
        try:
            if not self._being_asked:  # by another task; a generator can't be closed then
                await _close(self._iterator)
        finally:
            await self._finish()

    def abort(self) -> None:
        self._iterator = None
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            close_unawaited(on_close())


async def _close(iterator: object) -> None:
    """Close an async generator: one that is dropped half-way runs its clean-up at any time, or never."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()


async def maybe_await(result: object) -> None:
    """Wait for the result of a callback, if it is awaitable."""
    if hasattr(result, "__await__"):
        await result


def close_unawaited(result: object) -> None:
    """Drop the result of a callback where nothing can be awaited; a coroutine is closed."""
    close = getattr(result, "close", None) if hasattr(result, "__await__") else None
    if close is not None:
        close()
