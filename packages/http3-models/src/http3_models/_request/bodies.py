"""The bodies of requests, which a transport reads. `encode` has a table of them.

The first `read_chunk` begins a body. A transport calls `rewind` before it sends one: that does nothing to a
body that was not begun, returns to the first byte of one that can be sent again, and raises StreamConsumed
for the others. A generator that has ended counts as begun: it would be sent as an empty body.

Bodies that can be sent again are pickled, a file as its content; of the others a `LeftBehindBody` is. User
code (iterators, files) runs only in `read_chunk`, and its exceptions pass unchanged; after one, `read_chunk`
raises StreamConsumed, so that a part of a body is never sent as if it were all.
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from types import AsyncGeneratorType, GeneratorType
from typing import Any, cast

from .._body_protocols import BinaryFile, FileExtent
from .._exceptions import LocalProtocolError, StreamConsumed
from .plain_file import open_descriptor

CHUNK_SIZE = 65536
"""Bytes read from a file at a time; about what a socket's buffer holds."""

_END: Any = object()


class EmptyBody:
    """No body at all."""

    __module__ = "http3_models.engine"
    __slots__ = ()

    length = 0
    data = b""
    file_ahead = None
    can_send_again = True

    def __repr__(self) -> str:
        return "<EmptyBody>"

    def __reduce__(self) -> str:
        return "EMPTY_BODY"

    async def read_chunk(self) -> bytes:
        return b""

    def rewind(self) -> None:
        pass


class BytesBody:
    """A body that is in memory."""

    __module__ = "http3_models.engine"
    __slots__ = ("_given", "data")

    file_ahead = None
    can_send_again = True

    def __init__(self, data: bytes) -> None:
        self.data: bytes = data
        self._given = False

    def __repr__(self) -> str:
        return f"<BytesBody [{len(self.data)} bytes]>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (BytesBody, (self.data,))

    def content(self) -> bytes:
        """The whole body."""
        return self.data

    @property
    def length(self) -> int:
        return len(self.data)

    async def read_chunk(self) -> bytes:
        if self._given:
            return b""
        self._given = True
        return self.data

    def rewind(self) -> None:
        self._given = False


class FileBody:
    """A binary file, read in steps of `CHUNK_SIZE` from its position when it was passed.

    Exactly ``length`` bytes are sent, also if the file grows meanwhile. It is a `SendableFile`: a transport
    may `borrow` the rest and send it without reading it.
    """

    __slots__ = ("_begun", "_sent", "file", "length", "offset")

    data = None

    file: BinaryFile
    offset: int | None
    length: int | None

    def __init__(self, file: BinaryFile) -> None:
        given: object = file
        if isinstance(given, io.TextIOBase):
            raise TypeError(f"the file must be open in binary mode ('rb'), {_shown(file)} gives text")
        self.file = file
        self.offset, self.length = _extent(file)
        self._begun = False
        self._sent = 0

    def __repr__(self) -> str:
        return f"<FileBody [{'?' if self.length is None else self.length} bytes]>"

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.can_rewind:
            return (LeftBehindBody, (self.length,))
        return (BytesBody, (self.content(),))

    @property
    def file_ahead(self) -> FileBody:
        """The body itself."""
        return self

    @property
    def can_rewind(self) -> bool:
        """True if the file can be read again from its first offset."""
        return self.offset is not None and not getattr(self.file, "closed", False)

    @property
    def can_send_again(self) -> bool:
        return not self._begun or self.can_rewind

    async def read_chunk(self) -> bytes:
        if not self._begun:
            self._begin()
        elif self._sent < 0:
            raise _consumed("file that can't seek")
        wanted = CHUNK_SIZE if self.length is None else min(CHUNK_SIZE, self.length - self._sent)
        if not wanted:
            return b""
        chunk = as_bytes(self.file.read(wanted), f"{_shown(self.file)}.read()")
        if len(chunk) > wanted:
            raise LocalProtocolError(f"{_shown(self.file)}.read({wanted}) returned {len(chunk)} bytes")
        if chunk:
            self._sent += len(chunk)
        elif self.length is not None:
            raise LocalProtocolError(
                f"The file {_shown(self.file)} got shorter while it was sent: "
                f"it ended after {self._sent} of {self.length} bytes"
            )
        elif self.offset is None:
            self._sent = -1
        return chunk

    def borrow(self, more_than: int = 0) -> FileExtent | None:
        """See `SendableFile.borrow`; None also where no descriptor is left."""
        sent = self._sent if self._begun else 0
        if self.length is None or self.offset is None or self.length - sent <= more_than:
            return None
        try:
            descriptor = open_descriptor(self.file)
        except OSError:
            return None
        if descriptor is None:
            return None
        if not self._begun:
            self._begin()
        return FileExtent(descriptor, self.offset + sent, self.length - sent)

    def give_back(self, extent: FileExtent, sent: int) -> None:
        """See `SendableFile.give_back`; the file's position is set behind the bytes sent."""
        os.close(extent.descriptor)
        self._sent += sent
        if not getattr(self.file, "closed", False):
            cast(io.BufferedIOBase, self.file).seek(extent.offset + sent)

    def rewind(self) -> None:
        if not self.can_send_again:
            raise _consumed("file that is closed or can't seek")
        self._begun = False

    def _begin(self) -> None:
        if self.offset is not None:
            cast(io.BufferedIOBase, self.file).seek(self.offset)
        self._begun = True
        self._sent = 0

    def content(self) -> bytes:
        """The whole body; the file's position stays."""
        file, offset = cast(io.BufferedIOBase, self.file), self.offset or 0
        position = file.tell()
        file.seek(offset)
        content = file.read() if self.length is None else file.read(self.length)
        file.seek(position)
        return content


def _extent(file: BinaryFile) -> tuple[int | None, int | None]:
    """A file's position and the number of bytes behind it; None for what is not known.

    Some files of /proc can't seek to their end, others report a size of 0 and have content.
    """
    seekable = getattr(file, "seekable", None)
    if not (seekable() if seekable else hasattr(file, "seek") and hasattr(file, "tell")):
        return None, None
    sized = cast(io.BufferedIOBase, file)
    offset = sized.tell()
    try:
        sized.seek(0, io.SEEK_END)
    except OSError:
        return offset, None
    length: int | None = max(0, sized.tell() - offset)
    sized.seek(offset)
    if not length:
        length = None if sized.read(1) else 0
        sized.seek(offset)
    return offset, length


class _OnceBody:
    """The base of bodies from an iterable, with one chunk for each item. No item is taken before
    `read_chunk`."""

    __slots__ = ("_iterable", "_iterator")

    length = None
    data = None
    file_ahead = None

    def __init__(self, iterable: object) -> None:
        self._iterable = iterable
        self._iterator: object = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} [{'fresh' if self.can_send_again else 'begun'}]>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (LeftBehindBody, (None,))

    @property
    def can_send_again(self) -> bool:
        return self._iterable is not None and not _has_ended(self._iterable)

    def rewind(self) -> None:
        if not self.can_send_again:
            raise _consumed("iterator")


class IteratorBody(_OnceBody):
    """Bytes from an iterable."""

    __slots__ = ()

    _iterable: Iterable[bytes] | None
    _iterator: Iterator[bytes] | None

    def __init__(self, iterable: Iterable[bytes]) -> None:
        super().__init__(iterable)

    async def read_chunk(self) -> bytes:
        if self._iterable is not None:
            self.rewind()
            self._iterator, self._iterable = iter(self._iterable), None
        iterator, self._iterator = self._iterator, None  # stays None if an item fails
        if iterator is None:
            raise _consumed("iterator")
        while (item := next(iterator, _END)) is not _END:
            if chunk := as_bytes(item, "data: an item"):
                self._iterator = iterator
                return chunk
        return b""


class AsyncIteratorBody(_OnceBody):
    """Bytes from an asynchronous iterable."""

    __slots__ = ()

    _iterable: AsyncIterable[bytes] | None
    _iterator: AsyncIterator[bytes] | None

    def __init__(self, iterable: AsyncIterable[bytes]) -> None:
        super().__init__(iterable)

    async def read_chunk(self) -> bytes:
        if self._iterable is not None:
            self.rewind()
            self._iterator, self._iterable = aiter(self._iterable), None
        iterator, self._iterator = self._iterator, None
        if iterator is None:
            raise _consumed("iterator")
        while (item := await anext(iterator, _END)) is not _END:
            if chunk := as_bytes(item, "data: an item"):
                self._iterator = iterator
                return chunk
        return b""


class LeftBehindBody:
    """Stands for a body that could not be pickled or copied."""

    __module__ = "http3_models.engine"  # so pickles name no private module
    __slots__ = ("length",)

    data = None
    file_ahead = None
    can_send_again = False

    def __init__(self, length: int | None) -> None:
        self.length: int | None = length

    def __repr__(self) -> str:
        return "<LeftBehindBody>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (LeftBehindBody, (self.length,))

    async def read_chunk(self) -> bytes:
        raise self._error()

    def rewind(self) -> None:
        raise self._error()

    def _error(self) -> StreamConsumed:
        return StreamConsumed(
            "The body of this request can't be replayed, so it was left behind by pickle or copy"
        )


_LIST_ITERATORS: tuple[type, ...] = (type(iter([])), type(iter(())))


def _has_ended(iterable: object) -> bool:
    """Whether it is a generator that has ended, or a list's iterator behind the last item.

    It would be sent as an empty body. Of other iterators that is not known before `next`.
    """
    if isinstance(iterable, GeneratorType):
        return iterable.gi_frame is None
    if isinstance(iterable, AsyncGeneratorType):
        return iterable.ag_frame is None
    # At its end such an iterator drops its list, and its pickle has no position any more.
    return type(iterable) in _LIST_ITERATORS and len(iterable.__reduce__()) < 3


def _consumed(source: str) -> StreamConsumed:
    return StreamConsumed(
        f"The body of this request came from a {source} and was read already; pass a new one"
    )


def as_bytes(item: object, what: str) -> bytes:
    """``item`` if it is bytes-like. Raises TypeError, which names ``what``, otherwise."""
    if type(item) is bytes:
        return item
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if hasattr(item, "close") and hasattr(item, "__await__"):
        item.close()  # a coroutine of an asynchronous file: unclosed, it would warn that it was never awaited
    raise TypeError(f"{what} must be bytes, not {type(item).__name__}")


def _shown(file: object) -> str:
    name = getattr(file, "name", None)
    return repr(name) if isinstance(name, str | bytes) else type(file).__name__


EMPTY_BODY = EmptyBody()
"""The body of all requests without one."""
