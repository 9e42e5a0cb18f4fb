"""Iterators over the body of a response: its bytes, text or lines.

A *source* has one coroutine, ``next()``, which returns the next piece, or None at the end and ever after.
Sources are built on each other: `BodyReader` (the body itself, see `_response.reading`), `Rechunked` (pieces
of one size), `TextPieces`, `Lines`. `PieceIterator` and `AsyncPieceIterator` make iterators of a source. All
are classes, not generators: one that is left unfinished runs no code later.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ._exceptions import RequestError, StreamConsumed
from ._text import LineDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._records import SyncRunner
    from ._text import TextDecoder

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class BodyInUse(StreamConsumed, RuntimeError):
    """A second task or thread asks for a piece while the first one waits for its own.

    An async generator raises RuntimeError for this, too.
    """

    __module__ = "http3_models.engine"


class Source(Protocol[T_co]):
    """Returns something piece by piece."""

    async def next(self) -> T_co | None:
        """The next piece; None at the end, and ever after."""


class Owner(Protocol):
    """A response or request, as its iterators know it: it adds itself to the errors of its body."""

    def _attach_request(self, error: RequestError) -> None:
        """Add request and timings to ``error``."""


async def collect(source: Source[bytes], *begun: bytes) -> bytes:
    """The rest of a source in one piece, after the pieces that were taken before.

    BytesIO grows in place and returns its buffer: a 64 MiB body takes 1.1 times its size, where a list and
    a join would take twice as much.
    """
    from io import BytesIO

    buffer = BytesIO()
    for piece in begun:
        buffer.write(piece)
    while (more := await source.next()) is not None:
        buffer.write(more)
    return buffer.getvalue()


class MemoryPieces:
    """A source of one piece, which is in memory."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def next(self) -> bytes | None:
        data, self._data = self._data, b""
        return data or None


class Rechunked:
    """The same bytes in pieces of exactly ``size`` bytes; the last may be shorter."""

    __slots__ = ("_held", "_size", "_source")

    def __init__(self, source: Source[bytes], size: int) -> None:
        self._source: Source[bytes] | None = source
        self._size = size
        self._held = bytearray()  # removing bytes at its front moves none

    async def next(self) -> bytes | None:
        held, size = self._held, self._size
        while self._source is not None and len(held) < size:
            piece = await self._source.next()
            if piece is None:
                self._source = None
            elif len(piece) == size and not held:
                return piece
            else:
                held += piece
        if not held:
            return None
        taken = bytes(memoryview(held)[:size])
        del held[:size]
        return taken


def rechunked(source: Source[bytes], size: int | None) -> Source[bytes]:
    """``source`` itself for None; raises TypeError or ValueError where ``size`` is no positive int."""
    if size is None:
        return source
    if type(size) is not int:
        raise TypeError(f"chunk_size must be an int or None, not {type(size).__name__}")
    if size < 1:
        raise ValueError(f"chunk_size must be at least 1, not {size}")
    return Rechunked(source, size)


class TextPieces:
    """Bytes turned into text; no piece is empty."""

    __slots__ = ("_decoder", "_source")

    def __init__(self, source: Source[bytes], decoder: TextDecoder) -> None:
        self._source: Source[bytes] | None = source
        self._decoder = decoder

    async def next(self) -> str | None:
        while self._source is not None:
            data = await self._source.next()
            if data is None:
                self._source = None
                text = self._decoder.finish()
            else:
                text = self._decoder.decode(data)
            if text:
                return text
        return None


class Lines:
    """Text turned into lines. ``check`` is called with the size of a line that has no end yet, and may
    raise."""

    __slots__ = ("_check", "_decoder", "_ready", "_source")

    def __init__(self, source: Source[str], check: Callable[[int], None] | None) -> None:
        self._source: Source[str] | None = source
        self._check = check
        self._decoder = LineDecoder()
        self._ready: deque[str] = deque()

    async def next(self) -> str | None:
        while not self._ready and self._source is not None:
            if self._check is not None:
                self._check(self._decoder.held)
            text = await self._source.next()
            if text is None:
                self._source = None
                self._ready.extend(self._decoder.finish())
            else:
                self._ready.extend(self._decoder.decode(text))
        return self._ready.popleft() if self._ready else None


IN_USE = (
    "This iterator is in use: another task or thread waits for its next piece. "
    "Have one of them read, and hand the pieces on"
)


class HasOwner:
    """What both iterators show of their response."""

    __slots__ = ("_owner",)

    _owner: Owner

    @property
    def trailers(self) -> object:
        """The trailers of the response, for another response that is made of these pieces."""
        return getattr(self._owner, "trailers", None)


class PieceIterator(HasOwner, Generic[T]):
    """Iterates over a source with ``run``. ``owner`` is the response: alive as long as its iterator is.

    ``__next__`` raises BodyInUse while another thread is in it, and does not use the source then.
    """

    __slots__ = ("_run", "_source", "_turn")

    def __init__(self, source: Source[T], run: SyncRunner, owner: Owner) -> None:
        self._source = source
        self._run = run
        self._owner = owner
        self._turn = allocate_lock()  # it is never waited for

    def __iter__(self) -> PieceIterator[T]:
        return self

    def __next__(self) -> T:
        if not self._turn.acquire(blocking=False):
            raise BodyInUse(IN_USE)
        try:
            item = self._run(self._source.next())
        except RequestError as exc:
            self._owner._attach_request(exc)
            raise
        finally:
            self._turn.release()
        if item is None:
            raise StopIteration
        return item


class AsyncPieceIterator(HasOwner, Generic[T]):
    """Iterates asynchronously over a source. ``owner`` is the response, alive as long as its iterator is.

    ``__anext__`` raises BodyInUse while another task waits in it, and does not use the source then.
    """

    __slots__ = ("_in_use", "_source")

    def __init__(self, source: Source[T], owner: Owner) -> None:
        self._source = source
        self._owner = owner
        self._in_use = False

    def __aiter__(self) -> AsyncPieceIterator[T]:
        return self

    async def __anext__(self) -> T:
        if self._in_use:
            raise BodyInUse(IN_USE)
        self._in_use = True
        try:
            item = await self._source.next()
        except RequestError as exc:
            self._owner._attach_request(exc)
            raise
        finally:
            self._in_use = False
        if item is None:
            raise StopAsyncIteration
        return item
