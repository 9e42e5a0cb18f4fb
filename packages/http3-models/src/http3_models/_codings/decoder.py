"""Content codings of response bodies, decoded in bounded steps (RFC 9110 section 8.4).

A `Decoder` is given received bytes and returns decoded ones::

    decoder = make_decoder(headers, limits, url=url)     # None: nothing to decode
    decoder.feed(chunk)
    while (piece := decoder.step()) is not None:         # b"": nothing yet; other work may be done here
        ...
    decoder.finish()                                     # raises if the coding has not ended

A step is a bounded amount of work, also if it returns nothing (padding, empty blocks). No piece is larger
than `PIECE_SIZE`, and the next is not decoded before `step` is called: a decompression bomb takes time but no
memory. Malformed data, cut data and data behind the end raise `DecodingError`.

A coding whose library is not installed counts as unknown.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from .._exceptions import DecodedSizeExceeded, DecodingError
from .stages import PIECE_SIZE, Decoder, DecodingChain, DeflateStage, GzipStage, Stage, named_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._config import Limits
    from .._headers import Headers
    from .._url import URL

__all__ = ["PIECE_SIZE", "Decoder", "SizeGuard", "accept_encoding", "make_decoder"]


def make_decoder(headers: Headers, limits: Limits, *, url: URL | None = None) -> Decoder | None:
    """The decoder for the codings in ``headers``; None if there are none, or one of them is unknown: then the
    body stays as sent.

    Raises DecodingError for more than ``limits.max_codings`` codings: a bomb in a bomb. Error messages name
    ``url``. The caller decides whether a body is to be decoded at all (HEAD, 204, 206).
    """
    value = headers.get("content-encoding")
    if not value:
        return None
    names = [name for part in value.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(names) > limits.max_codings:
        raise DecodingError(
            f"The response body{named_url(url)} has {len(names)} content codings in a row, "
            f"max_codings={limits.max_codings}"
        )
    stages: list[Stage] = []
    for name in reversed(names):
        stage = new_stage(name, url)
        if stage is None:
            return None
        stages.append(stage)
    if len(stages) > 1:
        return DecodingChain(stages, limits, url)
    return stages[0] if stages else None


_STAGES: dict[str, Callable[[URL | None], Stage]] = {
    "gzip": GzipStage,
    "x-gzip": GzipStage,
    "deflate": DeflateStage,
}


def new_stage(name: str, url: URL | None) -> Stage | None:
    """The decoder for the coding of that name (lower case); None if it is unknown."""
    make = _STAGES.get(name)
    if make is not None:
        return make(url)
    from .optional import brotli_stage, zstd_stage

    return brotli_stage(url) if name == "br" else zstd_stage(url) if name == "zstd" else None


@cache
def accept_encoding() -> str:
    """The value of Accept-Encoding: the codings that can be decoded.

    brotli is imported for it (1.5 ms), since its version matters; zstd is only searched for.
    """
    from .optional import brotli_library, can_zstd

    return "gzip, deflate" + (", br" if brotli_library() else "") + (", zstd" if can_zstd() else "")


class SizeGuard:
    """Limits the decoded size of one body.

    ``limits.max_decoded`` always applies. With ``bounded_ratio``, for a body that is kept in memory,
    ``limits.max_ratio`` (decoded to received bytes) applies above ``limits.ratio_free_size``.
    """

    __slots__ = ("_decoded", "_limits", "_ratio", "_received", "_url")

    def __init__(self, limits: Limits, *, bounded_ratio: bool, url: URL | None = None) -> None:
        self._limits = limits
        self._ratio = limits.max_ratio if bounded_ratio else None
        self._url = url
        self._received = 0
        self._decoded = 0

    def received(self, count: int) -> None:
        """``count`` bytes were received, and are decoded next."""
        self._received += count

    def decoded(self, count: int) -> None:
        """``count`` bytes were decoded. Raises DecodedSizeExceeded past a limit."""
        self._decoded = total = self._decoded + count
        limits, ratio = self._limits, self._ratio
        if limits.max_decoded is not None and total > limits.max_decoded:
            raise self._exceeded(f"max_decoded={limits.max_decoded} bytes. Raise that limit")
        if ratio is not None and total > limits.ratio_free_size and total > ratio * self._received:
            raise self._exceeded(
                f"max_ratio={ratio:g} (only {self._received} bytes were received). "
                "Use stream=True, or raise that limit"
            )

    def _exceeded(self, bound: str) -> DecodedSizeExceeded:
        return DecodedSizeExceeded(
            f"The response body{named_url(self._url)} has at least {self._decoded} decoded bytes, "
            f"more than limits allow, {bound}"
        )
