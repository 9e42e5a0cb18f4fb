"""The content codings themselves, each undone in bounded steps (RFC 9110 8.4.1).

All share one loop (`Stage.pull`) and differ in one step (`_step`). brotli and zstd, whose libraries are
extras, are in `_optional_codings`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._exceptions import DecodingError

if TYPE_CHECKING:
    from ._url import URL

PIECE_SIZE = 65536
"""Bytes at most in one piece of output, and in one step of input. Larger steps are no faster."""

_DEFLATE_GUESS_SIZE = 1024
"""How much input of a deflate body is kept in case its zlib header was none. A wrong guess shows at the
fifth byte (the length of a stored block and its complement don't fit)."""


class Decoder:
    """What undoes the codings of one body; see the module's text for how to use it."""

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """Take the next encoded bytes."""
        raise NotImplementedError

    def pull(self) -> bytes:
        """The next decoded bytes, 1 to `PIECE_SIZE`; b"" when all that was fed is used up.

        Raises DecodingError for broken data.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """State that the body is over, after the last `pull` returned b"".

        Raises DecodingError if the body was cut. A body of zero bytes is fine.
        """
        raise NotImplementedError

    def decode(self, data: bytes) -> Iterator[bytes]:
        """`feed`, then an iterator that pulls piece after piece on demand."""
        self.feed(data)
        return iter(self.pull, b"")


class Stage(Decoder):
    """One coding: input in slices, one step of the library at a time."""

    __slots__ = ("_begun", "_ended", "_fed", "_more", "_offset", "_queue", "_tail", "_url")

    coding: str
    errors: tuple[type[Exception], ...]

    def __init__(self, url: URL | None) -> None:
        self._url = url
        self._queue = b""  # what was fed; up to _offset it was given to the library
        self._offset = 0
        self._tail = b""  # what the library gave back for later
        self._more = False  # the library may have output without further input
        self._ended = True  # nothing is open: at the start, and after a complete stream
        self._begun = False
        self._fed = 0

    def feed(self, data: bytes) -> None:
        rest = self._queue[self._offset :]
        self._queue = rest + data if rest else data
        self._offset = 0
        self._fed += len(data)

    def pull(self) -> bytes:
        while True:
            data = self._tail
            if not data and not self._more:
                data = self._take()
                if not data:
                    return b""
            try:
                piece = self._step(data)
            except self.errors as exc:
                raise self._failure(f"is broken ({exc})") from exc
            if piece:
                return piece

    def finish(self) -> None:
        if not self._ended:
            raise self._failure("was cut")

    def _take(self) -> bytes:
        start, queue = self._offset, self._queue
        self._offset = start + PIECE_SIZE
        if start == 0 and len(queue) <= PIECE_SIZE:
            return queue
        return queue[start : self._offset]

    def _step(self, data: bytes) -> bytes:
        """Give ``data`` to the library; return its output and set _tail, _more, _ended."""
        raise NotImplementedError

    def _failure(self, problem: str) -> DecodingError:
        return DecodingError(
            f"The response body{named_url(self._url)} {problem}: {self._fed} bytes were received that are "
            f"no complete {self.coding} data"
        )


class GzipStage(Stage):
    """RFC 1952: any number of members, then perhaps NUL padding (tar and tape tools leave it)."""

    __slots__ = ("_engine", "_padding")

    coding = "gzip"
    errors = (zlib.error,)

    def __init__(self, url: URL | None) -> None:
        super().__init__(url)
        self._engine = zlib.decompressobj(31)
        self._padding = False

    def _step(self, data: bytes) -> bytes:
        engine = self._engine
        if self._ended:
            if self._begun and (self._padding or data[0] == 0):
                return self._skip_padding(data)
            if self._begun:
                engine = self._engine = zlib.decompressobj(31)
            self._begun, self._ended = True, False
        piece = engine.decompress(data, PIECE_SIZE)
        self._ended = engine.eof
        self._tail = engine.unused_data if engine.eof else engine.unconsumed_tail
        self._more = not engine.eof and len(piece) == PIECE_SIZE
        return piece

    def _skip_padding(self, data: bytes) -> bytes:
        if data.strip(b"\0"):
            raise self._failure("is followed by something else")
        self._padding = True
        self._tail = b""
        return b""


class DeflateStage(Stage):
    """RFC 1950 (zlib), which the name stands for, or RFC 1951 (raw), which some servers send.

    The first two bytes tell: a zlib header, read as raw deflate, is a stored block with padding that no
    encoder writes. Where they deceive, the kept beginning is read again as raw.
    """

    __slots__ = ("_engine", "_kept")

    coding = "deflate"
    errors = (zlib.error,)

    def __init__(self, url: URL | None) -> None:
        super().__init__(url)
        self._engine: zlib._Decompress | None = None
        self._kept = b""

    def _step(self, data: bytes) -> bytes:
        if self._ended and self._begun:
            raise self._failure("is followed by something else")
        self._begun, self._ended = True, False
        self._tail = b""
        if self._engine is None:
            data = self._kept + data
            self._kept = data
            if len(data) < 2:
                return b""
            self._engine = self._guess(data)
        elif self._kept:
            self._kept += data
        return self._inflate(self._engine, data)

    def _guess(self, data: bytes) -> zlib._Decompress:
        if data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0:
            return zlib.decompressobj(15)
        self._kept = b""
        return zlib.decompressobj(-15)

    def _inflate(self, engine: zlib._Decompress, data: bytes) -> bytes:
        try:
            piece = engine.decompress(data, PIECE_SIZE)
        except zlib.error as wrong:
            engine = self._engine = zlib.decompressobj(-15)
            piece = self._read_again(engine, wrong)
        if piece or len(self._kept) > _DEFLATE_GUESS_SIZE:
            self._kept = b""
        self._ended = engine.eof
        self._tail = engine.unused_data if engine.eof else engine.unconsumed_tail
        self._more = not engine.eof and len(piece) == PIECE_SIZE
        return piece

    def _read_again(self, engine: zlib._Decompress, wrong: zlib.error) -> bytes:
        """Read the kept beginning as raw. If that fails as well, what was wrong with it as zlib says more."""
        data, self._kept = self._kept, b""
        if not data:
            raise wrong
        try:
            return engine.decompress(data, PIECE_SIZE)
        except zlib.error as exc:
            raise wrong from exc


class DecodingChain(Decoder):
    """Several codings in a row; ``stages`` in the order in which they are undone."""

    __slots__ = ("_stages",)

    def __init__(self, stages: list[Stage]) -> None:
        self._stages = stages

    def feed(self, data: bytes) -> None:
        self._stages[0].feed(data)

    def pull(self) -> bytes:
        return self._pull_from(len(self._stages) - 1)

    def _pull_from(self, index: int) -> bytes:
        stage = self._stages[index]
        while not (piece := stage.pull()) and index:
            data = self._pull_from(index - 1)
            if not data:
                return b""
            stage.feed(data)
        return piece

    def finish(self) -> None:
        for stage in self._stages:
            stage.finish()


def named_url(url: URL | None) -> str:
    """`` of URL`` for a message, without secrets; nothing where there is none."""
    if url is None:
        return ""
    from ._url import redacted

    return f" of {redacted(url)}"
