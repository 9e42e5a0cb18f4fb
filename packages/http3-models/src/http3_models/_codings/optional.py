"""The content codings whose libraries are extras: brotli and zstd; imported when first needed.

They are imported by statements, which tools that freeze applications (PyInstaller) find.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from .stages import _PADDING, PIECE_SIZE, Stage

if TYPE_CHECKING:
    from types import ModuleType

    from .._url import URL

_BROTLI_LIMIT = 16384
"""The limit for brotli, which fills whole blocks of 32 and 64 KiB: this yields pieces of 32 KiB."""

_ZSTD_WINDOW_LOG = 23
"""RFC 9659: a zstd content coding needs no window above 8 MiB; more is refused, to limit memory."""

_ZSTD_HEAD = 18
"""The first bytes of a zstd frame, in which it may declare its size (RFC 8878 section 3.1.1)."""

_MOST_SINGLE = 1024
"""Bytes of padding that brotli is given one by one, see `BrotliStage`."""


class _BrotliEngine(Protocol):
    """``brotli.Decompressor`` and ``brotlicffi.Decompressor``, 1.2 and later, as far as used here."""

    def process(self, data: bytes, *, output_buffer_limit: int) -> bytes: ...
    def is_finished(self) -> bool: ...
    def can_accept_more_data(self) -> bool: ...


class BrotliStage(Stage):
    """RFC 7932.

    Given more than the rest of the stream, the library fails as for malformed data, and loses what it had
    decoded. So bytes that may be padding are not given to it together with others, and the first of them one
    by one: the stream itself may end in such bytes.
    """

    __slots__ = ("_engine", "errors")

    coding = "br"

    def __init__(self, url: URL | None, library: ModuleType) -> None:
        super().__init__(url)
        self.errors = (library.error,)
        self._engine: _BrotliEngine = library.Decompressor()

    def _step(self, data: bytes) -> bytes:
        self._begun = True
        given = len(data.rstrip(_PADDING))
        piece = self._process(data[:given]) if given or not data else self._process_padding(data)
        if given:
            self._unused = data[given:]
        return piece

    def _process(self, data: bytes) -> bytes:
        engine = self._engine
        try:
            piece = engine.process(data, output_buffer_limit=_BROTLI_LIMIT)
        except self.errors as exc:
            raise self._failure(f"is broken, or has data after the end of the br stream ({exc})") from exc
        self._ended = engine.is_finished()
        self._more = not self._ended and (len(piece) >= _BROTLI_LIMIT or not engine.can_accept_more_data())
        return piece

    def _process_padding(self, data: bytes) -> bytes:
        for place in range(min(len(data), _MOST_SINGLE)):
            piece = self._process(data[place : place + 1])
            if piece or self._ended or self._more:
                self._unused = data[place + 1 :]
                return piece
        rest = data[_MOST_SINGLE:]
        return self._process(rest) if rest else b""


class _ZstdEngine(Protocol):
    """``ZstdDecompressor``, as far as used here; one decodes one frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class ZstdStage(Stage):
    """RFC 8878: any number of frames, skippable ones among them.

    The library checks the size that a frame declares only if the whole frame is given at once, or its last
    block is not empty; so it is checked here.
    """

    __slots__ = ("_engine", "_frame_info", "_head", "_new_engine", "_out", "errors")

    coding = "zstd"
    heads = (b"\x28\xb5\x2f\xfd", *[bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60)])

    def __init__(self, url: URL | None, library: Any) -> None:
        super().__init__(url)
        options = {library.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self.errors = (library.ZstdError, EOFError)
        self._new_engine: Callable[[], _ZstdEngine] = partial(library.ZstdDecompressor, options=options)
        self._frame_info = library.get_frame_info
        self._begin()

    def _begin(self) -> None:
        self._engine = self._new_engine()
        self._head = b""
        self._out = 0
        self.streams += 1

    def _step(self, data: bytes) -> bytes:
        self._begun = True
        engine = self._engine
        if len(self._head) < _ZSTD_HEAD:
            self._head += data[: _ZSTD_HEAD - len(self._head)]
        piece = engine.decompress(data, PIECE_SIZE)
        self._out += len(piece)
        self._ended = engine.eof
        if engine.eof:
            if self._frame_info(self._head).decompressed_size not in (None, self._out):
                raise self._failure(f"is broken (a frame of another size than declared, {self._out} bytes)")
            self._unused = engine.unused_data
        self._more = not engine.eof and not engine.needs_input
        return piece


@cache
def brotli_library() -> ModuleType | None:
    """brotli or brotlicffi; None without them, and before version 1.2, which can't limit its output."""
    try:
        import brotli as library
    except ImportError:
        try:
            import brotlicffi as library
        except ImportError:
            return None
    return library if hasattr(library.Decompressor, "can_accept_more_data") else None


@cache
def zstd_library() -> ModuleType | None:
    """That of the standard library, or before Python 3.14 its backport; None if it is not installed."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd as library
        else:
            from backports import zstd as library
    except ImportError:
        return None
    return library


def can_zstd() -> bool:
    """Whether zstd can be decoded, without importing backports.zstd, which takes 4.5 ms."""
    if sys.version_info >= (3, 14):
        return zstd_library() is not None
    from importlib.util import find_spec

    try:
        return find_spec("backports.zstd") is not None
    except (ImportError, ValueError):
        return False


def brotli_stage(url: URL | None) -> Stage | None:
    """None without the library."""
    library = brotli_library()
    return None if library is None else BrotliStage(url, library)


def zstd_stage(url: URL | None) -> Stage | None:
    """None without the library."""
    library = zstd_library()
    return None if library is None else ZstdStage(url, library)
