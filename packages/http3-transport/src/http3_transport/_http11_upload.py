"""Sends a request whose body does not simply go out with the head (RFC 9112 sections 6 and 7, RFC 9110
section 10.1.1).

The answer may come early (413, 401, a redirect): each write stops as soon as there is something to read.
What is read is a 1xx (go on) or the final head (stop sending; whoever sent delivers it, and does not reuse
the connection).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._http11_grammar import Malformed
from ._http11_request import check_sent
from ._interfaces import NO_SENDFILE, DirectStream, OperationTimeout
from ._sending import CONTINUE_WAIT

if TYPE_CHECKING:
    from http3_models._bodies import FileBody
    from http3_models._records import RequestBody, RequestState

    from ._http11 import HTTP11Engine
    from ._http11_request import RequestHead
    from ._http11_response import ResponseHead

READ_SIZE = 64 * 1024
"""Bytes asked of the kernel where an early answer is looked for."""

LOOK_SIZE = 256 * 1024
"""Bytes of a body handed to the stream between two looks for an early answer, and..."""

LOOK_SECONDS = 0.01
"""...seconds between them, as long as the kernel takes everything at once. To look before each piece of
64 KiB makes it 8 % dearer; a body that comes more slowly than this is looked up from at each piece."""

SMALL_FILE = 64 * 1024
"""A file with no more than this left is read: that costs less than to prepare for sendfile."""


class Upload:
    """One request on its way out."""

    __slots__ = (
        "_direct",
        "_early",
        "_engine",
        "_head",
        "_looked",
        "_reader",
        "_request",
        "_stream",
        "_unlooked",
        "_uses_sendfile",
    )

    def __init__(self, engine: HTTP11Engine, request: RequestState, head: RequestHead) -> None:
        self._engine = engine
        self._stream = stream = engine.stream
        self._direct = stream if isinstance(stream, DirectStream) else None
        self._uses_sendfile = self._direct is not None
        self._reader = engine.reader
        self._request = request
        self._head = head
        self._early: ResponseHead | None = None
        self._unlooked = 0
        self._looked = engine.now()

    async def send(self) -> ResponseHead | None:
        """Send head and body: None; or the final head, if it came before the end."""
        try:
            if await self._push(self._head.data) and not await self._is_declined():
                self._reader.finished = await self._push_body()
        except OSError:
            # The server may have answered and closed while we were writing: its answer counts.
            if self._engine.asks_caller or not await self._rescued():
                raise
        return self._early

    async def _is_declined(self) -> bool:
        """With ``Expect: 100-continue``, wait for the server's word: True if it is its last."""
        if not self._head.expects:
            return False
        limit = self._engine.limit(self._request)
        limit = CONTINUE_WAIT if limit is None else min(limit, CONTINUE_WAIT)
        try:
            data = await self._stream.read(READ_SIZE, limit)
        except OperationTimeout:
            return False
        return self._is_final(data)

    # The three ways of a body. Each returns True; False if the final answer came first.

    async def _push_body(self) -> bool:
        body = self._request.body
        if self._head.is_chunked:
            return await self._push_chunked(body)
        if body.data is not None:
            return await self._push_data(memoryview(body.data))
        return await self._push_counted(body)

    async def _push_data(self, data: memoryview) -> bool:
        for start in range(0, len(data), LOOK_SIZE):
            self._reader.body_sent = min(start + LOOK_SIZE, len(data))
            if not await self._push(data[start : start + LOOK_SIZE]):
                return False
        return True

    async def _push_chunked(self, body: RequestBody) -> bool:
        while chunk := await self._next_chunk(body):
            self._reader.body_sent += len(chunk)
            if not await self._push_pieces(b"%x\r\n" % len(chunk), chunk, b"\r\n"):
                return False
        return await self._push(b"0\r\n\r\n")

    async def _push_counted(self, body: RequestBody) -> bool:
        head, reader = self._head, self._reader
        while await self._push_file(body.file_ahead):
            chunk = await self._next_chunk(body)
            if not chunk:
                check_sent(head, reader.body_sent)
                return True
            reader.body_sent += len(chunk)
            check_sent(head, reader.body_sent, so_far=True)
            if not await self._push_pieces(chunk):
                return False
        return False

    async def _next_chunk(self, body: RequestBody) -> bytes:
        """Ask the caller's body for more; whatever it raises is the caller's to see."""
        self._engine.asks_caller = True
        chunk = await body.read_chunk()
        self._engine.asks_caller = False
        return chunk

    # Each step returns True; False if the final answer came first.

    async def _push_file(self, file: FileBody | None) -> bool:
        """Have the kernel send what it can of a file (-70 % of the CPU time); the rest is left to be read."""
        direct = self._direct
        if file is None or direct is None or not self._uses_sendfile:
            return True
        extent = file.borrow(SMALL_FILE)
        if extent is None:
            return True
        descriptor, offset, size = extent
        sent = 0
        try:
            while sent < size:
                step, limit = min(size - sent, LOOK_SIZE), self._engine.limit(self._request)
                taken = await direct.write_file_until_readable(descriptor, offset + sent, step, limit)
                if taken is not None:
                    sent += taken
                    self._reader.body_sent += taken
                elif self._is_answered():
                    return False
                if taken == 0:
                    break  # it got shorter: reading finds that out, and says so
        except OSError as exc:
            if exc.errno not in NO_SENDFILE:
                raise
            self._uses_sendfile = False
        finally:
            file.give_back(extent, sent)
        return True

    async def _push_pieces(self, *pieces: bytes) -> bool:
        """Write the pieces in a row; not joined where that can be helped (-15 % for pieces of 64 KiB)."""
        direct = self._direct
        if direct is None:
            return await self._push(b"".join(pieces))
        size = sum(map(len, pieces))
        if self._is_time_to_look(size):
            self._engine.limit(self._request)  # raises TotalTimeout
            if self._is_answered():
                return False
        taken = direct.write_pieces_nowait(pieces)
        return taken == size or await self._push(memoryview(b"".join(pieces))[taken:])

    def _is_time_to_look(self, size: int) -> bool:
        """Whether to stop and look around before so many bytes more are sent."""
        now = self._engine.now()
        self._unlooked += size
        if self._unlooked <= LOOK_SIZE and now < self._looked + LOOK_SECONDS:
            return False
        self._unlooked, self._looked = size, now
        return True

    async def _push(self, data: bytes | memoryview) -> bool:
        """Write all of ``data``, with a look for an answer each time the kernel is asked to take some."""
        view = memoryview(data)
        stream = self._stream
        while view or stream.has_unsent:  # TLS takes whole records, and may keep a part of the last one
            taken = await stream.write_until_readable(view, self._engine.limit(self._request))
            view = view[taken:]
            if (view or stream.has_unsent) and self._is_answered():
                return False
        return True

    def _is_answered(self) -> bool:
        """Look at what the server has sent meanwhile; True if it is the final head (or the end)."""
        data = self._stream.read_nowait(READ_SIZE)
        return data is not None and self._is_final(data)

    def _is_final(self, data: bytes) -> bool:
        """Take what the server has sent; True if it is the final head (or the end)."""
        self._early = self._engine.take(self._request, data)
        return self._early is not None or not data

    async def _rescued(self) -> bool:
        """After a failed write: True if the final head can still be read."""
        try:
            self._early = await self._engine.final_head(self._request)
        except (OSError, OperationTimeout, Malformed):
            return False
        return True
