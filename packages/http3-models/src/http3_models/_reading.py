"""How the body of a response is read: whole, in pieces, as text, as lines.

Written once, as coroutines, for both kinds of response. `Chunks` gives the body piece by piece and is what
everything else stands on; `_iterators` turns it into what callers iterate over. What became of a body is
told by what stands in its place, see `_response_bodies`.

Work that waits for nothing (undoing codings, bodies from memory) is done in bounded pieces. Between them
`Chunks` looks at the call's deadline, and now and then pauses, so that an event loop turns.

Invariant, kept by `Chunks`: whatever goes wrong on the way, a codec's complaint and a cancellation
included, leaves the body closed, and no piece after a gap is ever handed out as if nothing was missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._config import DEFAULT_LIMITS
from ._decoders import SizeGuard, accept_encoding, make_decoder
from ._exceptions import DecodedSizeExceeded, Delivery, RequestError
from ._iterators import collect
from ._records import WholeBody
from ._response_bodies import CLOSED, CONSUMED, Begun, EndedBody, MemoryBody, Spent

if TYPE_CHECKING:
    from ._decoders import Decoder
    from ._records import Deadline, RequestState, ResponseBody, ResponseState
    from ._turns import Pause


def has_no_body(state: ResponseState) -> bool:
    """True where RFC 9110 6.4.1 allows no content, whatever the headers say."""
    status = state.status_code
    return (
        status in (204, 304) or status < 200 or (state.request is not None and state.request.method == "HEAD")
    )


def decoder_for(state: ResponseState) -> Decoder | None:
    """What undoes the response's content codings; None where it is to be taken as it is.

    A part (206) is decoded only where the caller asked for a coding by name: the bytes of a range are
    seldom a stream of their own.
    """
    if "content-encoding" not in state.headers or (state.status_code == 206 and not _asked_by_name(state)):
        return None
    url = None if state.request is None else state.request.url
    return make_decoder(state.headers, state.limits or DEFAULT_LIMITS, url=url)


def _asked_by_name(state: ResponseState) -> bool:
    """Whether Accept-Encoding is another than the one that is sent without the caller's doing."""
    if state.request is None:
        return False
    headers = state.request.headers
    wanted = headers.get("accept-encoding")
    return wanted not in (None, "identity", None if "range" in headers else accept_encoding())


def _is_kept(state: ResponseState) -> bool:
    """Whether it is a body that a call has kept, to be read when the call and its deadline are over."""
    return isinstance(state.body, MemoryBody) and state.body.is_kept


def check_unread(state: ResponseState) -> None:
    """Raise StreamConsumed or ResponseClosed where the body can't be begun any more."""
    if isinstance(state.body, Spent | Begun):
        raise state.body.error()


def _is_first(state: ResponseState) -> bool:
    """Whether the body is the caller's to read. Of two threads that ask at once, one hears that it is."""
    try:
        del state.unclaimed
    except AttributeError:
        return False
    return True


def _was_closed(state: ResponseState, exc: BaseException) -> bool:
    """Whether somebody else closed the response, which is what the failure of a read comes from."""
    return state.body is CLOSED and isinstance(exc, RequestError)


def is_closed(state: ResponseState) -> bool:
    """True if nothing more comes over the connection: the body ended, was given up, or never was."""
    return state.body is None or isinstance(state.body, Spent | MemoryBody)


def is_consumed(state: ResponseState) -> bool:
    """True once somebody began to read the body, or got it whole."""
    return state.content is not None or state.body is CONSUMED or isinstance(state.body, Begun | MemoryBody)


async def close(state: ResponseState) -> None:
    """Give up what was not read. Idempotent."""
    body = state.body
    if body is None or isinstance(body, Spent):
        return
    if not isinstance(body, MemoryBody):
        state.body = CLOSED
    await body.close()


_TURN = 4 << 20
"""What is done between two pauses, in bytes as they come: some milliseconds."""

_DECODING = 8
"""What a decoded byte counts of that."""

_NOTHING = 2 << 20
"""What a step of decoding counts that gives nothing: it may take 8 ms."""

_PIECE = 4096
"""What each piece counts beside its bytes."""


class Chunks:
    """The body of a response, decoded or as sent, in the pieces in which it comes.

    ``bounded`` holds it to the caller's `Limits`, for who keeps it in memory. ``pause`` is awaited now and
    then, where others wait for their turn. Raises StreamConsumed or ResponseClosed at once where the body is
    no longer to be had; it is begun by the first `next`.
    """

    __slots__ = (
        "_body", "_bounded", "_deadline", "_decode", "_decoder", "_discard", "_done", "_ended", "_guard",
        "_mark", "_pause", "_received", "_state",
    )  # fmt: skip

    def __init__(
        self, state: ResponseState, *, decode: bool, bounded: bool = False, pause: Pause | None = None
    ) -> None:
        check_unread(state)
        self._state = state
        self._decode = decode
        self._bounded = bounded
        self._pause = pause
        self._body: ResponseBody | None = None
        self._mark: ResponseBody | None = None
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
        elif state.body is not self._mark:
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
            self._give_up()
            raise

    def check_line(self, size: int) -> None:
        """A reader keeps a line that has ``size`` characters by now: held to the limits of a body in memory.

        Raises DecodedSizeExceeded past them; the body is given up then.
        """
        limits = self._state.limits or DEFAULT_LIMITS
        most = max(limits.ratio_free_size, limits.max_ratio * self._received)
        bound = f"max_ratio={limits.max_ratio:g} (only {self._received} bytes were received)"
        if limits.max_decoded is not None and limits.max_decoded < most:
            most, bound = limits.max_decoded, f"max_decoded={limits.max_decoded} bytes"
        if size > most:
            self._give_up()
            raise DecodedSizeExceeded(
                f"The response body was given up: a line of it has {size} characters and no end yet, "
                f"more than limits allow, {bound}. Use iter_text(), or raise that limit"
            )

    def _give_up(self) -> None:
        state, body = self._state, self._body
        if body is not None and state.body is self._mark and not isinstance(state.body, MemoryBody):
            state.body = CLOSED
            body.abort()

    def _begin(self) -> None:
        """Take the body, and leave a mark in its place."""
        state = self._state
        check_unread(state)
        body = state.body
        if body is None:
            self._ended = True
        elif isinstance(body, MemoryBody):
            self._body, self._mark = MemoryBody(body.data), body
        else:
            mark = Begun(body)
            if not _is_first(state):
                raise mark.error()
            self._body, self._mark = body, mark
            state.body = mark

    def _open(self) -> None:
        """Find out what is to be done with the bytes, once there are some."""
        state = self._state
        self._discard = has_no_body(state)
        if not self._decode or self._discard:
            return
        self._decoder = decoder_for(state)
        if self._decoder is not None and state.request is not None and not _is_kept(state):
            self._deadline = state.request.deadline
        limits = state.limits or DEFAULT_LIMITS
        if self._bounded and (self._decoder is not None or limits.max_decoded is not None):
            url = None if state.request is None else state.request.url
            self._guard = SizeGuard(limits, bounded_ratio=True, url=url)

    async def _read(self, body: ResponseBody) -> bytes | None:
        decoder, guard, deadline = self._decoder, self._guard, self._deadline
        while True:
            if self._done > _TURN and self._pause is not None:
                self._done = 0
                await self._pause()
                if self._state.body is not self._mark:
                    raise CLOSED.error()  # by somebody else, while we waited
            piece = None
            if decoder is not None:
                if deadline is not None:
                    deadline.check(self._request(), Delivery.MAYBE_PROCESSED)
                piece = decoder.step()
                if piece is not None:
                    self._done += _DECODING * len(piece) if piece else _NOTHING
            if piece is None:
                data = await body.read_chunk()
                if self._state.body is not self._mark:
                    raise CLOSED.error()
                if not data:
                    if decoder is not None:
                        decoder.finish()
                    self._end(body)
                    return None
                self._received += len(data)
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

    def _request(self) -> RequestState:
        request = self._state.request
        assert request is not None  # whose deadline it is
        return request

    def _end(self, body: ResponseBody) -> None:
        state = self._state
        if body.trailers is not None:
            state.trailers = body.trailers
        if not isinstance(state.body, MemoryBody):
            state.body = CONSUMED
        self._ended = True


def _is_taken_as_sent(state: ResponseState) -> bool:
    """True where the body is not dropped, not decoded, and has no bound that it could exceed."""
    if "content-encoding" in state.headers or has_no_body(state):
        return False
    return state.limits is None or state.limits.max_decoded is None


def take_ended(state: ResponseState) -> bool:
    """Have a body that came with the head as ``state.content``, if nothing is to be done with it. True if so.

    That is so of most small responses; a plain call, because nothing can have to wait.
    """
    body = state.body
    if type(body) is not EndedBody or not _is_taken_as_sent(state):
        return False
    if body.trailers is not None:
        state.trailers = body.trailers
    state.content = body.data
    state.body = CONSUMED
    return True


async def read_all(state: ResponseState, pause: Pause | None = None) -> bytes:
    """The whole body, decoded, held to the caller's `Limits`; kept in ``state.content``.

    ``pause`` is that of `Chunks`.
    Raises RequestError subclasses (DecodingError, DecodedSizeExceeded, ReadTimeout ...), StreamConsumed,
    ResponseClosed; the response is closed then.
    """
    if state.content is None and not take_ended(state):
        content = await _read_at_once(state)
        state.content = await _gather(state, pause) if content is None else content
    assert state.content is not None
    return state.content


async def _read_at_once(state: ResponseState) -> bytes | None:
    """The body, of one that offers this, where there is nothing to do with the bytes; None for others."""
    body = state.body
    if body is None or not isinstance(body, WholeBody) or not _is_taken_as_sent(state):
        return None
    mark = Begun(body)
    if not _is_first(state):
        raise mark.error()
    state.body = mark
    try:
        content = await body.read_whole()
        if not _is_at(state, mark):
            raise CLOSED.error()  # by somebody else, while we waited
    except BaseException as exc:
        if _was_closed(state, exc):
            raise CLOSED.error() from exc
        if _is_at(state, mark):
            state.body = CLOSED
            body.abort()
        raise
    if body.trailers is not None:
        state.trailers = body.trailers
    state.body = CONSUMED
    return content


def _is_at(state: ResponseState, mark: ResponseBody) -> bool:
    return state.body is mark


async def _gather(state: ResponseState, pause: Pause | None) -> bytes:
    source = Chunks(state, decode=True, bounded=True, pause=pause)
    content = await source.next() or b""
    if content:
        following = await source.next()
        if following is not None:
            content = await collect(source, content, following)
    return content


async def drain(state: ResponseState, pause: Pause | None = None) -> bool:
    """Read a body that nobody is going to look at, so that its connection is free for the next request.

    True if it came to its end within ``max_drained`` bytes: it is kept, as sent, and unpacked if somebody
    asks for it after all. Else it is closed. Raises what the body raises.
    """
    if state.body is None or isinstance(state.body, MemoryBody) or state.content is not None:
        return True
    limit = (state.limits or DEFAULT_LIMITS).max_drained
    source = Chunks(state, decode=False, pause=pause)
    pieces: list[bytes] = []
    while (piece := await source.next()) is not None:
        pieces.append(piece)
        limit -= len(piece)
        if limit < 0:
            await close(state)
            return False
    state.body = MemoryBody(b"".join(pieces))
    return True
