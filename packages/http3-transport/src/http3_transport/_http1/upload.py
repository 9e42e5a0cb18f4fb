"""Sends a request whose body is not written together with its head (RFC 9112 sections 6 and 7, RFC 9110
section 10.1.1).

The response may come early, so each write stops as soon as there is something to read: a 1xx, or the final
head. Status 3xx to 5xx (413, 401, a redirect), ``Connection: close``, and a response that is already whole
stop the upload. Any other response does not: some servers respond while they read, or echo the body. Then
reading the response's body continues the upload whenever the server has sent nothing, so that neither side
waits for the other to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._content_length import check_sent
from .._errors import is_alert, time_left, timeout_error
from .._interfaces import CONTINUE_WAIT, NO_SENDFILE, DirectStream, OperationTimeout
from .response_head import says_goodbye

if TYPE_CHECKING:
    from http3_models.engine import RequestBody, RequestState, SendableFile

    from .interfaces import ExchangeOwner
    from .request_head import RequestHead
    from .response_head import ResponseHead

READ_SIZE = 64 * 1024
"""Bytes asked of the kernel when an early response may have come."""

LOOK_SIZE = 256 * 1024
"""Bytes of a body written between two checks for an early response, and..."""

LOOK_SECONDS = 0.01
"""...seconds between them, as long as the kernel takes everything at once. A check before each piece of 64
KiB costs 8 % more. If the caller's pieces come more slowly than this, there is a check for each."""

SMALL_FILE = 64 * 1024
"""Bytes up to which a file is read and written: that costs less than sendfile."""


class Upload:
    """The sending of one request. It pauses when there is something to read.

    ``is_over``: all of it was sent. ``is_broken``: the server accepts no more of it.
    """

    __slots__ = (
        "_direct",
        "_early",
        "_head",
        "_is_ending",
        "_looked",
        "_owner",
        "_reader",
        "_request",
        "_rest",
        "_sent",
        "_stream",
        "_unlooked",
        "_uses_sendfile",
        "is_broken",
        "is_over",
    )

    def __init__(self, owner: ExchangeOwner, request: RequestState, head: RequestHead) -> None:
        self._owner = owner
        self._stream = stream = owner.stream
        self._direct = stream if isinstance(stream, DirectStream) else None
        self._uses_sendfile = self._direct is not None
        self._reader = owner.reader
        self._request = request
        self._head = head
        self._early: ResponseHead | None = None
        self._rest: bytes | memoryview = b""  # of the last piece, not yet written
        self._sent = 0  # bytes of the body, `_rest` included
        self._is_ending = False  # the last piece is being written
        self._unlooked = 0
        self._looked = owner.now()
        self.is_over = False
        self.is_broken = False

    async def send(self) -> ResponseHead | None:
        """Send head and body. Returns the final head if that came before the end, else None."""
        try:
            if await self._push(self._head.data) and not await self._is_declined():
                self.is_over = await self._push_body()
        finally:
            self._tell_reader()
        return self._early

    def goes_on(self, response: ResponseHead) -> bool:
        """Whether the upload continues after this early response, whose body is not whole yet."""
        return not (self.is_broken or response.status_code >= 300 or says_goodbye(response))

    async def resume(self) -> None:
        """Continue until all is sent or there is something to read.

        If the server accepts no more, that is no error: there is a response already.
        """
        try:
            rest, self._rest = self._rest, b""
            if await self._push(rest):
                self.is_over = self._is_ending or await self._push_body()
        except OperationTimeout as exc:
            raise timeout_error(self._request, "write") from exc
        except OSError as exc:
            if self._owner.asks_caller or is_alert(exc):
                raise
            self.is_broken = True

    def _tell_reader(self) -> None:
        self._reader.body_sent, self._reader.finished = self._sent, self.is_over

    async def _is_declined(self) -> bool:
        """With ``Expect: 100-continue``: wait for an interim response. True if the final head came
        instead."""
        if not self._head.expects:
            return False
        limit = time_left(self._request, "write")
        limit = CONTINUE_WAIT if limit is None else min(limit, CONTINUE_WAIT)
        try:
            data = await self._stream.read(READ_SIZE, limit)
        except OperationTimeout:
            return False
        return self._is_final(data)

    # The three kinds of body. Each continues where it was, and returns True at the end of the body; False if
    # there is something to read first.

    async def _push_body(self) -> bool:
        body = self._request.body
        if self._head.is_chunked:
            return await self._push_chunked(body)
        if body.data is not None:
            return await self._push_data(memoryview(body.data))
        return await self._push_counted(body)

    async def _push_data(self, data: memoryview) -> bool:
        while (start := self._sent) < len(data):
            self._sent = min(start + LOOK_SIZE, len(data))
            if not await self._push(data[start : self._sent]):
                return False
        return True

    async def _push_chunked(self, body: RequestBody) -> bool:
        while chunk := await self._next_chunk(body):
            self._sent += len(chunk)
            if not await self._push_pieces(b"%x\r\n" % len(chunk), chunk, b"\r\n"):
                return False
        self._is_ending = True
        return await self._push(b"0\r\n\r\n")

    async def _push_counted(self, body: RequestBody) -> bool:
        declared = self._head.length or 0
        while await self._push_file(body.file_ahead):
            chunk = await self._next_chunk(body)
            if not chunk:
                check_sent(declared, self._sent, is_end=True)
                return True
            self._sent += len(chunk)
            check_sent(declared, self._sent, is_end=False)
            if not await self._push_pieces(chunk):
                return False
        return False

    async def _next_chunk(self, body: RequestBody) -> bytes:
        """The next piece of the caller's body. What that raises passes to the caller unchanged."""
        self._owner.asks_caller = True
        chunk = await body.read_chunk()
        self._owner.asks_caller = False
        return chunk

    # Each step returns True; False if there is something to read first: then the unsent bytes are kept.

    async def _push_file(self, file: SendableFile | None) -> bool:
        """Send as much of a file as possible by sendfile (-70 % of the CPU time). The rest is read and
        written."""
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
                step, limit = min(size - sent, LOOK_SIZE), time_left(self._request, "write")
                taken = await direct.write_file_until_readable(descriptor, offset + sent, step, limit)
                if taken is not None:
                    sent += taken
                    self._sent += taken
                elif self._is_answered():
                    return False
                if taken == 0:
                    break  # the file became shorter; reading it raises the error
        except OSError as exc:
            if exc.errno not in NO_SENDFILE:
                raise
            self._uses_sendfile = False
        finally:
            file.give_back(extent, sent)
        return True

    async def _push_pieces(self, *pieces: bytes) -> bool:
        """Write the pieces one after the other, if possible without joining them (-15 % for pieces of 64
        KiB)."""
        direct = self._direct
        if direct is None or self._early is not None:
            return await self._push(b"".join(pieces))
        size = sum(map(len, pieces))
        if self._is_time_to_look(size):
            time_left(self._request, "write")  # raises OperationTimeout
            if self._is_answered():
                self._rest = b"".join(pieces)
                return False
        taken = direct.write_pieces_nowait(pieces)
        return taken == size or await self._push(memoryview(b"".join(pieces))[taken:])

    def _is_time_to_look(self, size: int) -> bool:
        """Whether to check for an early response before ``size`` more bytes are sent."""
        now = self._owner.now()
        self._unlooked += size
        if self._unlooked <= LOOK_SIZE and now < self._looked + LOOK_SECONDS:
            return False
        self._unlooked, self._looked = size, now
        return True

    async def _push(self, data: bytes | memoryview) -> bool:
        """Write all of ``data``, with a check for an early response at each system call."""
        view = memoryview(data)
        stream = self._stream
        while view or stream.has_unsent:  # TLS takes whole records, and may keep a part of one
            taken = await stream.write_until_readable(view, time_left(self._request, "write"))
            view = view[taken:]
            if (view or stream.has_unsent) and self._is_answered():
                self._rest = view
                return False
        return True

    def _is_answered(self) -> bool:
        """Read what has come, if anything. True if that was the final head, or the end of the connection.
        Bytes behind the head belong to the response's body."""
        if self._early is not None:
            return True
        data = self._stream.read_nowait(READ_SIZE)
        return data is not None and self._is_final(data)

    def _is_final(self, data: bytes) -> bool:
        """Add received bytes. True if the final head is complete, or the connection has ended."""
        self._tell_reader()
        self._early = self._owner.take(self._request, data)
        return self._early is not None or not data
