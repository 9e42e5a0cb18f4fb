"""How the body of a response is read: whole, in pieces, as text, as lines.

Coroutines for both kinds of response. `BodyReader` returns the body piece by piece, and all else is built on
it; `_iterators` makes iterators of it. ``state.body_state`` says how far a body has been read.

`BodyReader` compares the clock with the call's deadline (``total_timeout``) before and after each piece of
any body. Work that waits for nothing (undoing codings, bodies from memory) is done in bounded pieces; now and
then it pauses between them, so that an event loop turns.

Invariant of `BodyReader`: any failure, a codec's error and a cancellation included, leaves the body closed;
no piece that follows a gap is ever returned.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._body_state import CLOSED, CONSUMED, STREAMING, UNREAD
from .._codings import SizeGuard, accept_encoding, make_decoder
from .._config import DEFAULT_LIMITS
from .._exceptions import DecodedSizeExceeded, Delivery, RequestError
from .._iterators import collect
from .._records import WholeBody
from .bodies import BufferedBody, MemoryBody

if TYPE_CHECKING:
    from .._body_protocols import ResponseBody
    from .._codings import Decoder
    from .._records import Deadline, ResponseState
    from .turns import Pause


def has_no_body(state: ResponseState) -> bool:
    """True where RFC 9110 6.4.1 allows no content, whatever the headers say."""
    status = state.status_code
    return (
        status in (204, 304) or status < 200 or (state.request is not None and state.request.method == "HEAD")
    )


def decoder_for(state: ResponseState) -> Decoder | None:
    """The decoder for the response's content codings; None where the body is returned as sent.

    A part (206) is decoded only where the caller asked for a coding by name: the bytes of a range are
    seldom a stream that can be decoded alone.
    """
    if "content-encoding" not in state.headers or (state.status_code == 206 and not _asked_by_name(state)):
        return None
    url = None if state.request is None else state.request.url
    return make_decoder(state.headers, state.limits or DEFAULT_LIMITS, url=url)


def _asked_by_name(state: ResponseState) -> bool:
    """Whether Accept-Encoding is another than the automatic one."""
    if state.request is None:
        return False
    headers = state.request.headers
    wanted = headers.get("accept-encoding")
    return wanted not in (None, "identity", None if "range" in headers else accept_encoding())


def check_unread(state: ResponseState) -> None:
    """Raise StreamConsumed or ResponseClosed where the body can't be read from its start any more."""
    if state.body_state is not UNREAD:
        raise state.body_state.error()


def _claim(state: ResponseState) -> bool:
    """Reserve the body for one reader. Of two threads that call this at once, one gets True."""
    try:
        del state.unclaimed
    except AttributeError:
        return False
    return True


def _was_closed(state: ResponseState, exc: BaseException) -> bool:
    """Whether a read failed because another task or thread closed the response."""
    return state.body_state is CLOSED and isinstance(exc, RequestError)


def is_closed(state: ResponseState) -> bool:
    """True if nothing more comes over the connection: the body ended, was closed, or there is none."""
    return state.body is None or isinstance(state.body, MemoryBody)


def is_consumed(state: ResponseState) -> bool:
    """True once reading the body has begun, or all of it is in memory."""
    begun = state.body_state is STREAMING or state.body_state is CONSUMED
    return begun or state.content is not None or isinstance(state.body, MemoryBody)


def bytes_received(state: ResponseState) -> int:
    """Bytes of the body that were taken from the connection so far, as they were sent.

    ``state.received`` if a reader has counted; else the body has not been read, or was read at once.
    """
    if state.received is not None:
        return state.received
    if state.content is not None:
        return len(state.content)
    body: object = state.body
    if state.body_state is STREAMING and isinstance(body, WholeBody):
        return body.received
    return len(body.data) if isinstance(body, MemoryBody) else 0


async def close(state: ResponseState) -> None:
    """Close the body; what was not read of it is dropped. Idempotent."""
    body = state.body
    if body is not None:
        if not isinstance(body, MemoryBody):
            _set_closed(state)
        await body.close()


def _set_closed(state: ResponseState) -> None:
    state.body_state = CLOSED  # first: an interrupt in between leaves a body that `close` can still reach
    state.body = None


_WORK_BETWEEN_PAUSES = 4 << 20
"""In received bytes; some milliseconds."""

_DECODED_BYTE = 8
"""The work for a decoded byte, in received bytes."""

_EMPTY_STEP = 2 << 20
"""The work for a step of decoding without output: it may take 8 ms."""

_PIECE = 4096
"""The work for a piece, beside that for its bytes."""


class BodyReader:
    """The body of a response, decoded or as sent, in the pieces in which it comes.

    ``bounded``: the caller's `Limits` for a body in memory apply. ``pause`` is awaited now and then, so that
    other tasks run. The constructor raises StreamConsumed or ResponseClosed where the body can't be read any
    more; reading begins with the first `next`.
    """

    __slots__ = (
        "_body",
        "_bounded",
        "_deadline",
        "_decode",
        "_decoder",
        "_discard",
        "_done",
        "_ended",
        "_guard",
        "_pause",
        "_received",
        "_state",
    )

    def __init__(
        self, state: ResponseState, *, decode: bool, bounded: bool = False, pause: Pause | None = None
    ) -> None:
        check_unread(state)
        self._state = state
        self._decode = decode
        self._bounded = bounded
        self._pause = pause
        self._body: ResponseBody | None = None
        self._decoder: Decoder | None = None
        self._guard: SizeGuard | None = None
        self._deadline: Deadline | None = None
        self._discard = False
        self._done = 0
        self._received = 0
        self._ended = False

    async def next(self) -> bytes | None:
        """The next piece, never empty. Raises RequestError subclasses and ResponseClosed."""
        if self._ended:
            return None
        state = self._state
        begun = self._body is not None
        if not begun:
            self._begin()
        elif state.body_state is CLOSED:
            raise CLOSED.error()
        body = self._body
        if body is None:
            return None
        try:
            if not begun:
                self._open()
            return await self._read(body)
        except BaseException as exc:
            if _was_closed(state, exc):
                raise CLOSED.error() from exc
            self._abort()
            raise

    def check_line(self, size: int) -> None:
        """Apply the limits of a body in memory to a line that has ``size`` characters and no end yet.

        Past them it closes the body and raises DecodedSizeExceeded.
        """
        limits = self._state.limits or DEFAULT_LIMITS
        most = max(limits.ratio_free_size, limits.max_ratio * self._received)
        bound = f"max_ratio={limits.max_ratio:g} (only {self._received} bytes were received)"
        if limits.max_decoded is not None and limits.max_decoded < most:
            most, bound = limits.max_decoded, f"max_decoded={limits.max_decoded} bytes"
        if size > most:
            self._abort()
            raise DecodedSizeExceeded(
                f"A line of the response body has {size} characters and no end yet, more than limits allow, "
                f"{bound}. Use iter_text(), or raise that limit"
            )

    def _abort(self) -> None:
        state, body = self._state, self._body
        if body is not None and state.body_state is STREAMING:
            _set_closed(state)
            body.abort()

    def _begin(self) -> None:
        """Take the body. Of two readers that begin at once, the second raises StreamConsumed."""
        state = self._state
        check_unread(state)
        body = state.body
        if body is None:
            self._ended = True
        elif isinstance(body, MemoryBody):
            self._body = MemoryBody(body.data)
        else:
            if not _claim(state):
                raise STREAMING.error()
            self._body = body
            state.body_state = STREAMING

    def _open(self) -> None:
        """Choose decoder, bounds and deadline, now that the first piece is asked for."""
        state = self._state
        self._discard = has_no_body(state)
        self._decoder = decoder_for(state) if self._decode and not self._discard else None
        body, request = state.body, state.request
        # Of a body in memory only the decoding takes long. One that is kept may be read after the call.
        if request is not None and (
            not isinstance(body, MemoryBody) or (self._decoder is not None and not body.is_kept)
        ):
            self._deadline = request.deadline
        if not self._decode or self._discard:
            return
        limits = state.limits or DEFAULT_LIMITS
        if self._bounded and (self._decoder is not None or limits.max_decoded is not None):
            url = None if request is None else request.url
            self._guard = SizeGuard(limits, bounded_ratio=True, url=url)

    async def _read(self, body: ResponseBody) -> bytes | None:
        decoder, guard, deadline = self._decoder, self._guard, self._deadline
        while True:
            if self._done > _WORK_BETWEEN_PAUSES and self._pause is not None:
                self._done = 0
                await self._pause()
                if self._state.body_state is CLOSED:
                    raise CLOSED.error()  # by another task, during the pause
            if deadline is not None:
                _check_deadline(self._state)
            piece = None
            if decoder is not None:
                piece = decoder.step()
                if piece is not None:
                    self._done += _DECODED_BYTE * len(piece) if piece else _EMPTY_STEP
            if piece is None:
                data = await body.read_chunk()
                if self._state.body_state is CLOSED:
                    raise CLOSED.error()
                if deadline is not None:
                    _check_deadline(self._state)
                if not data:
                    if decoder is not None:
                        decoder.finish()
                    self._end(body)
                    return None
                self._received = self._state.received = self._received + len(data)
                self._done += len(data) + _PIECE
                if guard is not None:
                    guard.received(len(data))
                if decoder is not None:
                    decoder.feed(data)
                elif not self._discard:
                    piece = data
            if piece:
                if guard is not None:
                    guard.decoded(len(piece))
                return piece

    def _end(self, body: ResponseBody) -> None:
        state = self._state
        if body.trailers is not None:
            state.trailers = body.trailers
        if state.body_state is STREAMING:
            state.body_state, state.body = CONSUMED, None
        self._ended = True


def _check_deadline(state: ResponseState) -> None:
    """Raise TotalTimeout if the call's deadline has passed."""
    request = state.request
    if request is not None and request.deadline is not None:
        request.deadline.check(request, Delivery.MAYBE_PROCESSED)


def _is_taken_as_sent(state: ResponseState) -> bool:
    """True where the body is neither dropped nor decoded, and ``max_decoded`` is None."""
    if "content-encoding" in state.headers or has_no_body(state):
        return False
    return state.limits is None or state.limits.max_decoded is None


def read_if_buffered(state: ResponseState) -> bool:
    """Set ``state.content`` if the body came with the head and needs no decoding. True if so.

    Most small responses do. It is no coroutine, since it never waits.
    """
    body = state.body
    if type(body) is not BufferedBody or state.body_state is not UNREAD or not _is_taken_as_sent(state):
        return False
    deadline = None if state.request is None else state.request.deadline
    if deadline is not None and deadline.remaining() <= 0:
        return False  # `read_all` raises TotalTimeout
    if body.trailers is not None:
        state.trailers = body.trailers
    state.content = body.data
    state.body_state, state.body = CONSUMED, None
    return True


async def read_all(state: ResponseState, pause: Pause | None = None) -> bytes:
    """The whole body, decoded, within the caller's `Limits`; it is kept in ``state.content``.

    ``pause`` is that of `BodyReader`. Raises RequestError subclasses (DecodingError, DecodedSizeExceeded,
    ReadTimeout ...), StreamConsumed, ResponseClosed; the response is closed then.
    """
    if state.content is None and not read_if_buffered(state):
        content = await _read_at_once(state)
        state.content = await _gather(state, pause) if content is None else content
    assert state.content is not None
    return state.content


async def _read_at_once(state: ResponseState) -> bytes | None:
    """The whole of a `WholeBody` that needs no decoding; None for other bodies.

    A body with another deadline, such as one from another client, is read piece by piece.
    """
    body = state.body
    if body is None or not isinstance(body, WholeBody) or not _is_taken_as_sent(state):
        return None
    check_unread(state)
    deadline = None if state.request is None else state.request.deadline
    if deadline is not None and body.deadline is not deadline:
        return None
    if not _claim(state):
        raise STREAMING.error()
    state.body_state = STREAMING
    try:
        if deadline is not None:
            _check_deadline(state)
        content = await body.read_whole()
        if state.body_state is CLOSED:
            raise CLOSED.error()  # by another task or thread, during the read
        if deadline is not None:
            _check_deadline(state)
    except BaseException as exc:
        if _was_closed(state, exc):
            raise CLOSED.error() from exc
        state.received = body.received
        _set_closed(state)
        body.abort()
        raise
    if body.trailers is not None:
        state.trailers = body.trailers
    state.body_state, state.body = CONSUMED, None
    return content


async def _gather(state: ResponseState, pause: Pause | None) -> bytes:
    source = BodyReader(state, decode=True, bounded=True, pause=pause)
    content = await source.next() or b""
    if content:
        following = await source.next()
        if following is not None:
            content = await collect(source, content, following)
    return content


async def drain(state: ResponseState, pause: Pause | None = None, time_limit: Deadline | None = None) -> bool:
    """Read a body that is not needed, so that its connection is free for the next request.

    True if it ended within ``max_drained`` bytes and ``time_limit``: it is kept, as sent, and can still be
    read. Else the response is closed. Raises what the body raises.
    """
    if state.content is not None or (is_closed(state) and state.body_state is UNREAD):
        return True
    limit = (state.limits or DEFAULT_LIMITS).max_drained
    source = BodyReader(state, decode=False, pause=pause)
    pieces: list[bytes] = []
    while (piece := await source.next()) is not None:
        pieces.append(piece)
        limit -= len(piece)
        if limit < 0 or (time_limit is not None and time_limit.remaining() <= 0):
            await close(state)
            return False
    state.body = MemoryBody(b"".join(pieces))
    state.body_state = UNREAD
    return True
