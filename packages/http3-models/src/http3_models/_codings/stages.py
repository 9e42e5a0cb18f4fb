"""Decoders for single content codings, in bounded steps (RFC 9110 section 8.4.1), and a chain of them.

All share `Stage.step` and differ in how they call their library (`_step`). brotli and zstd are in `optional`.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from .._exceptions import DecodedSizeExceeded, DecodingError

if TYPE_CHECKING:
    from .._config import Limits
    from .._url import URL

PIECE_SIZE = 65536
"""Bytes at most in one piece of output, and in one step of input. Larger steps are no faster."""

_SMALL_STEP = 1024
"""Least bytes of input in a step, after steps that used little: the library copies what it does not use."""

_PADDING = b"\0\t\n\v\f\r "
"""Bytes that may follow a whole stream: tools for tapes and blocks write NUL, some servers a line feed."""

_STREAM_COST = 4096
"""The work of beginning a stream (a member, a frame) in `DecodingChain`, in bytes: it takes 2 to 10 us."""

_DEFLATE_GUESS_SIZE = 1024
"""Bytes of a deflate body that are kept in case it has no zlib header. A wrong guess fails at the fifth byte
(the length of a stored block and its complement don't fit)."""


class Decoder:
    """Decodes the codings of one body; the docstring of `decoder` says how it is used."""

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """Add encoded bytes."""
        raise NotImplementedError

    def step(self) -> bytes | None:
        """Do a bounded amount of work, on `PIECE_SIZE` bytes at most; returns decoded bytes, b"" if there are
        none yet, None if all input is used. Raises DecodingError for malformed data.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """End the body, after the last `step` returned None.

        Raises DecodingError if the body was cut. A body of zero bytes is allowed.
        """
        raise NotImplementedError


class Stage(Decoder):
    """One coding: input in slices, one call of the library at a time."""

    __slots__ = (
        "_begun",
        "_ended",
        "_fed",
        "_held",
        "_more",
        "_offset",
        "_queue",
        "_size",
        "_unused",
        "_url",
        "streams",
    )

    coding: str
    errors: tuple[type[Exception], ...]
    heads: tuple[bytes, ...] = ()
    """The possible first bytes of a further stream behind the first; empty: none may follow."""

    def __init__(self, url: URL | None) -> None:
        self._url = url
        self._queue = b""  # the input; used up to _offset
        self._offset = 0
        self._size = PIECE_SIZE  # of the next slice
        self._unused = b""  # the end of the slice, which the library did not use
        self._held = b""  # behind a whole stream: a part of what may be a head
        self._more = False  # the library may have more output without input
        self._ended = True  # no stream is open: at the start, and after a complete one
        self._begun = False
        self._fed = 0
        self.streams = 0
        """Number of streams begun."""

    def feed(self, data: bytes) -> None:
        rest = self._queue[self._offset :]
        self._queue = rest + data if rest else data
        self._offset = 0
        self._fed += len(data)

    def step(self) -> bytes | None:
        data = self._queue
        if self._more:
            data = b""
        else:
            start = self._offset
            if start or len(data) > self._size:
                data = data[start : start + self._size]
            if not data:
                return None
        self._unused = b""
        try:
            piece = self._after_end(data) if self._ended and self._begun else self._step(data)
        except self.errors as exc:
            raise self._failure(f"is broken ({exc})") from exc
        used = len(data) - len(self._unused)  # negative if the library had kept bytes of earlier slices
        self._offset += used
        if self._offset < 0:
            self._queue = self._unused[: -self._offset] + self._queue
            self._offset = 0
        if data:
            self._size = min(max(4 * used, _SMALL_STEP), PIECE_SIZE)
        return piece

    def finish(self) -> None:
        if self._held:
            raise self._trailing(", or was cut at the beginning of another")
        if not self._ended:
            raise self._failure("was cut")

    def _step(self, data: bytes) -> bytes:
        """Give ``data`` to the library; return its output and set _unused, _more, _ended."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Prepare for the next stream."""
        raise NotImplementedError

    def _after_end(self, data: bytes) -> bytes:
        """Decode what follows a whole stream: padding, which is dropped, or another stream."""
        data = self._held + data
        rest = data.lstrip(_PADDING)
        if not rest:
            self._held = b""
            return b""
        if any(rest.startswith(head) for head in self.heads):
            self._held = b""
            self._begin()
            return self._step(rest)
        if any(head.startswith(rest) for head in self.heads):
            self._held = rest
            return b""
        raise self._trailing()

    def _failure(self, problem: str) -> DecodingError:
        return DecodingError(
            f"The response body{named_url(self._url)} {problem}: {self._fed} bytes were received that are "
            f"no complete {self.coding} data"
        )

    def _trailing(self, doubt: str = "") -> DecodingError:
        problem = f"has data after the end of the {self.coding} stream{doubt}"
        return DecodingError(
            f"The response body{named_url(self._url)} {problem}: {self._fed} bytes were received, the last "
            f"of which are neither {self.coding} data nor padding"
        )


class GzipStage(Stage):
    """RFC 1952: any number of members."""

    __slots__ = ("_engine",)

    coding = "gzip"
    errors = (zlib.error,)
    heads = (b"\x1f\x8b",)

    def __init__(self, url: URL | None) -> None:
        super().__init__(url)
        self._begin()

    def _begin(self) -> None:
        self._engine = zlib.decompressobj(31)
        self.streams += 1

    def _step(self, data: bytes) -> bytes:
        self._begun = True
        engine = self._engine
        piece = engine.decompress(data, PIECE_SIZE)
        self._ended = engine.eof
        self._unused = engine.unused_data if engine.eof else engine.unconsumed_tail
        self._more = not engine.eof and len(piece) == PIECE_SIZE and not self._unused
        return piece


class DeflateStage(Stage):
    """RFC 1950 (zlib), as specified, or RFC 1951 (raw), which some servers send.

    The first two bytes decide: a zlib header, read as raw deflate, is a stored block with padding that no
    encoder writes. If that was wrong, the kept beginning is decoded again as raw.
    """

    __slots__ = ("_engine", "_kept")

    coding = "deflate"
    errors = (zlib.error,)

    def __init__(self, url: URL | None) -> None:
        super().__init__(url)
        self._engine: zlib._Decompress | None = None
        self._kept = b""

    def _step(self, data: bytes) -> bytes:
        self._begun, self._ended = True, False
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
        self._unused = engine.unused_data if engine.eof else engine.unconsumed_tail
        self._more = not engine.eof and len(piece) == PIECE_SIZE and not self._unused
        return piece

    def _read_again(self, engine: zlib._Decompress, wrong: zlib.error) -> bytes:
        """Decode the kept beginning as raw. If that fails as well, raise the error that it had as zlib."""
        data, self._kept = self._kept, b""
        if not data:
            raise wrong
        try:
            return engine.decompress(data, PIECE_SIZE)
        except zlib.error as exc:
            raise wrong from exc


class DecodingChain(Decoder):
    """Several codings; ``stages`` in the order of decoding.

    What one stage passes to the next may be dropped there as padding, or be empty blocks, and be a thousand
    times what was received. So ``max_ratio`` of ``limits`` applies to it.
    """

    __slots__ = ("_limits", "_passed_on", "_received", "_stages", "_url")

    def __init__(self, stages: list[Stage], limits: Limits, url: URL | None) -> None:
        self._stages = stages
        self._limits = limits
        self._url = url
        self._received = 0
        self._passed_on = 0

    def feed(self, data: bytes) -> None:
        self._received += len(data)
        self._stages[0].feed(data)

    def step(self) -> bytes | None:
        stages = self._stages
        place = len(stages) - 1
        while (piece := stages[place].step()) is None:
            if place == 0:
                return None
            place -= 1  # that one needs more of its input
        if stages[place] is stages[-1]:
            self._check()
            return piece
        if piece:
            self._passed_on += len(piece)
            stages[place + 1].feed(piece)
        self._check()
        return b""

    def _check(self) -> None:
        limits = self._limits
        work = self._passed_on + _STREAM_COST * sum(stage.streams for stage in self._stages[1:])
        if work > limits.ratio_free_size and work > limits.max_ratio * self._received:
            raise DecodedSizeExceeded(
                f"Decoding the {len(self._stages)} content codings of the response "
                f"body{named_url(self._url)} takes work on {work} bytes in between, more than limits allow, "
                f"max_ratio={limits.max_ratio:g} (only {self._received} bytes were received)"
            )

    def finish(self) -> None:
        for stage in self._stages:
            stage.finish()


def named_url(url: URL | None) -> str:
    """`` of URL`` for a message, without secrets; nothing where there is none."""
    if url is None:
        return ""
    from .._url import redacted

    return f" of {redacted(url)}"
