"""What bodies are to those that read them: protocols, so that a body of any class is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from ._headers import Headers


class BinaryFile(Protocol):
    """A file in binary mode. If its ``seekable()`` is true, its ``seek`` and ``tell`` are used as well."""

    def read(self, size: int, /) -> bytes: ...


class FileExtent(NamedTuple):
    """A range of a file: a descriptor (a duplicate), the offset of the first byte, the number of bytes."""

    descriptor: int
    offset: int
    size: int


class SendableFile(Protocol):
    """A file that a kernel can send by itself (sendfile)."""

    def borrow(self, more_than: int = 0) -> FileExtent | None:
        """What is left to be sent; None unless that is more than ``more_than`` bytes of a plain file.

        The caller hands the extent to `give_back`, however many bytes it sent.
        """

    def give_back(self, extent: FileExtent, sent: int) -> None:
        """``sent`` bytes of ``extent`` were sent: `RequestBody.read_chunk` goes on behind them."""


class RequestBody(Protocol):
    """A body to send. `EMPTY_BODY`, `BytesBody` and `FileBody` are such."""

    @property
    def length(self) -> int | None:
        """Bytes of the whole body, or None where unknown (chunked coding)."""

    @property
    def data(self) -> bytes | None:
        """The whole body if it is in memory, so that `read_chunk` is not needed; else None."""

    @property
    def can_send_again(self) -> bool:
        """True if it was not begun yet, or `rewind` can return to its first byte."""

    @property
    def file_ahead(self) -> SendableFile | None:
        """The file whose bytes `read_chunk` returns next, for transports that use sendfile; None: none."""

    async def read_chunk(self) -> bytes:
        """The next bytes, never empty before the end; b"" at the end.

        Raises StreamConsumed when begun a second time without being replayable.
        """

    def rewind(self) -> None:
        """Return to the first byte. Raises StreamConsumed if that is impossible."""


class ResponseBody(Protocol):
    """The body of a response, as sent: content codings are not undone."""

    @property
    def trailers(self) -> Headers | None:
        """Trailer fields, once the end was reached and there were any."""

    async def read_chunk(self) -> bytes:
        """The next bytes, as soon as there are any; b"" at the end, and ever after.

        Raises RequestError subclasses; after an error or `abort` the body is over for good.
        """

    async def close(self) -> None:
        """End the body; what was not read is dropped. Idempotent, and allowed after its end."""

    def abort(self) -> None:
        """`close` without waiting for anything; for cancellation and finalisers."""
