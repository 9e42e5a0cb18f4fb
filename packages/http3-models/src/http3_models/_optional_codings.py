"""The content codings whose libraries are extras: brotli and zstd; imported when first needed.

A library is how to make an engine, and what the engine raises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from ._codings import PIECE_SIZE, Stage

if TYPE_CHECKING:
    from types import ModuleType

    from ._url import URL

_BROTLI_LIMIT = 16384
"""brotli's own limit: it fills whole blocks of 32 and 64 KiB, so this yields pieces of 32 KiB."""

_ZSTD_WINDOW_LOG = 23
"""RFC 9659: a zstd content coding needs no window above 8 MiB; more is refused, for the memory's sake."""

_ZSTD_HEAD = 18
"""Bytes of a zstd frame within which it announces its size (RFC 8878 section 3.1.1)."""

_E = TypeVar("_E")
_Library = tuple[Callable[[], _E], tuple[type[Exception], ...]]


class _BrotliEngine(Protocol):
    """What we use of ``brotli.Decompressor`` and ``brotlicffi.Decompressor``, 1.2 and later."""

    def process(self, data: bytes, *, output_buffer_limit: int) -> bytes: ...
    def is_finished(self) -> bool: ...
    def can_accept_more_data(self) -> bool: ...


class BrotliStage(Stage):
    """RFC 7932."""

    __slots__ = ("_engine", "errors")

    coding = "br"

    def __init__(self, url: URL | None, library: _Library[_BrotliEngine]) -> None:
        super().__init__(url)
        new_engine, self.errors = library
        self._engine = new_engine()

    def _step(self, data: bytes) -> bytes:
        if self._ended and self._begun:
            raise self._failure("is followed by something else")
        self._begun, self._ended = True, False
        engine = self._engine
        piece = engine.process(data, output_buffer_limit=_BROTLI_LIMIT)
        self._tail = b""  # brotli keeps what it could not use yet
        self._ended = engine.is_finished()
        self._more = not self._ended and (len(piece) >= _BROTLI_LIMIT or not engine.can_accept_more_data())
        return piece


class _ZstdEngine(Protocol):
    """What we use of ``ZstdDecompressor``; one decodes one frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class ZstdStage(Stage):
    """RFC 8878: any number of frames, skippable ones among them.

    The library looks at the size that a frame announces only where all of it is given at once, or its last
    block is not empty; so it is looked at here.
    """

    __slots__ = ("_engine", "_head", "_new_engine", "_size", "errors")

    coding = "zstd"

    def __init__(self, url: URL | None, library: _Library[_ZstdEngine]) -> None:
        super().__init__(url)
        self._new_engine, self.errors = library
        self._begin_frame()

    def _begin_frame(self) -> None:
        self._engine = self._new_engine()
        self._head = b""
        self._size = 0

    def _step(self, data: bytes) -> bytes:
        if self._ended and self._begun:
            self._begin_frame()
        self._begun, self._ended = True, False
        engine = self._engine
        if len(self._head) < _ZSTD_HEAD:
            self._head += data[: _ZSTD_HEAD - len(self._head)]
        piece = engine.decompress(data, PIECE_SIZE)
        self._size += len(piece)
        self._ended = engine.eof
        if engine.eof and _announced_size(self._head) not in (None, self._size):
            raise self._failure(f"is broken (a frame of another size than announced, {self._size} bytes)")
        self._tail = engine.unused_data if engine.eof else b""  # else zstd keeps what it could not use yet
        self._more = not engine.eof and not engine.needs_input
        return piece


def _import(*names: str) -> ModuleType | None:
    """The first of these modules that is there."""
    from importlib import import_module

    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


@cache
def brotli_library() -> _Library[_BrotliEngine] | None:
    """brotli before 1.2 cannot bound its output, which is as good as not being there."""
    module = _import("brotli", "brotlicffi")
    if module is None or not hasattr(module.Decompressor, "can_accept_more_data"):
        return None
    return module.Decompressor, (module.error,)


@cache
def zstd_library() -> _Library[_ZstdEngine] | None:
    module = _import(*_ZSTD_MODULES)
    if module is None:
        return None
    options = {module.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return partial(module.ZstdDecompressor, options=options), (module.ZstdError, EOFError)


_ZSTD_MODULES = ("compression.zstd", "backports.zstd") if sys.version_info >= (3, 14) else ("backports.zstd",)


def _announced_size(head: bytes) -> int | None:
    """The size that a zstd frame announces in its head; None if it does not."""
    module = _import(*_ZSTD_MODULES)
    size: int | None = module.get_frame_info(head).decompressed_size if module is not None else None
    return size


def can_zstd() -> bool:
    """Whether zstd can be decoded; told without importing backports.zstd, which takes 4.5 ms."""
    if sys.version_info >= (3, 14):
        return zstd_library() is not None  # in the standard library, but a build may lack it
    from importlib.machinery import PathFinder

    package = PathFinder.find_spec("backports")
    places = package.submodule_search_locations if package else None
    return places is not None and PathFinder.find_spec("backports.zstd", places) is not None


def brotli_stage(url: URL | None) -> Stage | None:
    """None without the library."""
    library = brotli_library()
    return None if library is None else BrotliStage(url, library)


def zstd_stage(url: URL | None) -> Stage | None:
    """None without the library."""
    library = zstd_library()
    return None if library is None else ZstdStage(url, library)
