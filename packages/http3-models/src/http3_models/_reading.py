"""How the body of a response is read: whole, in pieces, as text, as lines.

Written once, as coroutines, for both kinds of response. `Chunks` gives the body piece by piece and is what
everything else stands on; `_iterators` turns it into what callers iterate over.

What became of a body is told by what stands in ``state.body``, so that all views of one response agree:

    the body itself   not begun
    `_Begun`          somebody streams it; `close` still reaches it
    `CONSUMED`        it came to its end (``state.content`` has it, if it was read whole)
    `CLOSED`          it was given up: closed before its end, or broken
    `MemoryBody`      bytes that were there from the start; they never run out
    `EndedBody`       not begun, and all there: it arrived with the head
    None              there is none

Invariant, kept by `Chunks`: whatever goes wrong on the way, a codec's complaint and a cancellation
included, leaves the body closed, and no piece after a gap is ever handed out as if nothing was missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._config import DEFAULT_LIMITS
from ._decoders import SizeGuard, accept_encoding, make_decoder
from ._exceptions import ResponseClosed, StreamConsumed, StreamException
from ._iterators import collect

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._decoders import Decoder
    from ._headers import Headers
    from ._records import ResponseBody, ResponseState


class _Spent:
    """Stands where a body was; reading it says why that is over."""

    __slots__ = ("_kind", "_message")

    trailers: Headers | None = None

    def __init__(self, kind: type[StreamException], message: str) -> None:
        self._kind = kind
        self._message = message

    def error(self) -> StreamException:
        return self._kind(self._message)

    async def read_chunk(self) -> bytes:
        raise self.error()

    async def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


CONSUMED = _Spent(
    StreamConsumed, "The body was streamed already, and comes only once; read() keeps it in memory"
)
CLOSED = _Spent(ResponseClosed, "The response was closed before its body was read")


class _Begun:
    """Stands for a body that is being streamed."""

    __slots__ = ("_body",)

    def __init__(self, body: ResponseBody) -> None:
        self._body = body

    @property
    def trailers(self) -> Headers | None:
        return self._body.trailers

    def error(self) -> StreamException:
        return CONSUMED.error()

    async def read_chunk(self) -> bytes:
        raise self.error()

    async def close(self) -> None:
        await self._body.close()

    def abort(self) -> None:
        self._body.abort()


class EndedBody:
    """A body that was over with the head: none at all, or all of it arrived with the head's packet."""

    __slots__ = ("data", "trailers")

    def __init__(self, data: bytes, trailers: Headers | None = None) -> None:
        self.data = data
        self.trailers = trailers

    async def read_chunk(self) -> bytes:
        """The whole body; then b""."""
        data, self.data = self.data, b""
        return data

    async def close(self) -> None:
        """Nothing is left to give up."""

    def abort(self) -> None:
        """Nothing is left to give up."""


class MemoryBody:
    """A body whose bytes, as sent, are in memory already. ``on_close`` is called once, by `close`."""

    __slots__ = ("_given", "data", "on_close")

    trailers: Headers | None = None

    def __init__(self, data: bytes, on_close: Callable[[], object] | None = None) -> None:
        self.data = data
        self.on_close = on_close
        self._given = False

    async def read_chunk(self) -> bytes:
        if self._given:
            return b""
        self._given = True
        return self.data

    async def close(self) -> None:
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            await settle(on_close())

    def abort(self) -> None:
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            abandon(on_close())


async def settle(result: object) -> None:
    """Wait for what a callback of the caller's returned, if it is awaitable."""
    if hasattr(result, "__await__"):
        await result


def abandon(result: object) -> None:
    """Drop what a callback returned where nothing can be awaited; an unstarted coroutine is closed."""
    close = getattr(result, "close", None) if hasattr(result, "__await__") else None
    if close is not None:
        close()


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


def check_unread(state: ResponseState) -> None:
    """Raise StreamConsumed or ResponseClosed where the body can't be begun any more."""
    if isinstance(state.body, _Spent | _Begun):
        raise state.body.error()


def is_closed(state: ResponseState) -> bool:
    """True if nothing more comes over the connection: the body ended, was given up, or never was."""
    return state.body is None or isinstance(state.body, _Spent | MemoryBody)


def is_consumed(state: ResponseState) -> bool:
    """True once somebody began to read the body, or got it whole."""
    return state.content is not None or state.body is CONSUMED or isinstance(state.body, _Begun | MemoryBody)


async def close(state: ResponseState) -> None:
    """Give up what was not read. Idempotent."""
    body = state.body
    if body is None or isinstance(body, _Spent):
        return
    if not isinstance(body, MemoryBody):
        state.body = CLOSED
    await body.close()


class Chunks:
    """The body of a response, decoded or as sent, in the pieces in which it comes.

    ``bounded`` holds it to the caller's `Limits`, for who keeps it in memory. Raises StreamConsumed or
    ResponseClosed at once where the body is no longer to be had; it is begun by the first `next`.
    """

    __slots__ = (
        "_body",
        "_bounded",
        "_decode",
        "_decoder",
        "_discard",
        "_ended",
        "_guard",
        "_mark",
        "_state",
    )

    def __init__(self, state: ResponseState, *, decode: bool, bounded: bool = False) -> None:
        check_unread(state)
        self._state = state
        self._decode = decode
        self._bounded = bounded
        self._body: ResponseBody | None = None
        self._mark: ResponseBody | None = None
        self._decoder: Decoder | None = None
        self._guard: SizeGuard | None = None
        self._discard = False
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
        except BaseException:
            if state.body is self._mark and not isinstance(state.body, MemoryBody):
                state.body = CLOSED
                body.abort()
            raise

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
            self._body, self._mark = body, _Begun(body)
            state.body = self._mark

    def _open(self) -> None:
        """Find out what is to be done with the bytes, once there are some."""
        state = self._state
        self._discard = has_no_body(state)
        if not self._decode or self._discard:
            return
        self._decoder = decoder_for(state)
        limits = state.limits or DEFAULT_LIMITS
        if self._bounded and (self._decoder is not None or limits.max_decoded is not None):
            url = None if state.request is None else state.request.url
            self._guard = SizeGuard(limits, bounded_ratio=True, url=url)

    async def _read(self, body: ResponseBody) -> bytes | None:
        state, decoder, guard = self._state, self._decoder, self._guard
        while decoder is None or not (piece := decoder.pull()):
            data = await body.read_chunk()
            if state.body is not self._mark:
                raise CLOSED.error()  # by somebody else, while we waited
            if not data:
                if decoder is not None:
                    decoder.finish()
                self._end(body)
                return None
            if self._discard:
                continue
            if guard is not None:
                guard.received(len(data))
            if decoder is None:
                piece = data
                break
            decoder.feed(data)
        if guard is not None:
            guard.decoded(len(piece))
        return piece

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


async def read_all(state: ResponseState) -> bytes:
    """The whole body, decoded, held to the caller's `Limits`; kept in ``state.content``.

    Raises RequestError subclasses (DecodingError, DecodedSizeExceeded, ReadTimeout ...), StreamConsumed,
    ResponseClosed; the response is closed then.
    """
    if state.content is not None:
        return state.content
    if type(state.body) is EndedBody and _is_taken_as_sent(state):
        # Most small responses: there is nothing to wait for, to decode or to measure (-3 us).
        if state.body.trailers is not None:
            state.trailers = state.body.trailers
        state.content = state.body.data
        state.body = CONSUMED
        return state.content
    source = Chunks(state, decode=True, bounded=True)
    content = await source.next() or b""
    if content:
        following = await source.next()
        if following is not None:
            content = await collect(source, content, following)
    state.content = content
    return content


async def drain(state: ResponseState) -> bool:
    """Read a body that nobody is going to look at, so that its connection is free for the next request.

    True if it came to its end within ``max_drained`` bytes: it is kept, as sent, and unpacked if somebody
    asks for it after all. Else it is closed. Raises what the body raises.
    """
    if state.body is None or isinstance(state.body, MemoryBody) or state.content is not None:
        return True
    limit = (state.limits or DEFAULT_LIMITS).max_drained
    source = Chunks(state, decode=False)
    pieces: list[bytes] = []
    while (piece := await source.next()) is not None:
        pieces.append(piece)
        limit -= len(piece)
        if limit < 0:
            await close(state)
            return False
    state.body = MemoryBody(b"".join(pieces))
    return True
