"""`Response` and `AsyncResponse`: the reading verbs, and the making of a response by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from . import _reading
from ._exceptions import RequestError
from ._headers import Headers
from ._iterators import AsyncPieceIterator, Lines, PieceIterator
from ._reading import MemoryBody, abandon, read_all, settle
from ._records import ResponseState, drive
from ._request import AsyncRequest, Request
from ._response_base import BaseResponse, reason_phrase as registered_phrase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from datetime import timedelta
    from types import TracebackType

    from ._records import Run
    from ._types import AsyncResponseContent, HeaderTypes, ResponseContent


class Response(BaseResponse[Request]):
    """The answer to a `Request`, with verbs that block.

    Clients make them, and so may any dispatcher. ``content`` is bytes, or an iterable of bytes that is read
    on demand; with a Content-Encoding in ``headers`` it is undone as if it came over the wire. ``text``,
    ``html`` and ``json`` are alternatives to it that set Content-Type. ``on_close`` is called once, by
    `close` or at the end of an iterable. ``elapsed`` is a timedelta or seconds.

    Raises TypeError for more than one kind of content or a wrong type, ValueError for a status code outside
    of 100 to 999.
    """

    __slots__ = ("_run",)

    _run: Run

    def __init__(
        self,
        status_code: int,
        *,
        reason_phrase: str | None = None,
        protocol: str | None = None,
        headers: HeaderTypes | None = None,
        content: ResponseContent | None = None,
        text: str | None = None,
        html: str | None = None,
        json: object = None,
        on_close: Callable[[], object] | None = None,
        request: Request | None = None,
        history: list[Response] | None = None,
        elapsed: timedelta | float | None = None,
    ) -> None:
        if hasattr(content, "__aiter__"):
            raise TypeError("content of a Response can't be an async iterator; AsyncResponse takes one")
        state = _head(status_code, reason_phrase, protocol, headers, elapsed)
        _fill(state, content, text, html, json, on_close)
        state.request = None if request is None else request._state
        state.history = [earlier._state for earlier in history or ()]
        self._attach(state)
        self._run = drive
        self._request = request

    @classmethod
    def _of(cls, state: ResponseState, run: Run = drive) -> Self:
        """A view of ``state`` whose reading is driven by ``run``."""
        response = cls.__new__(cls)
        response._attach(state)
        response._run = run
        return response

    @classmethod
    def _sibling(cls, state: ResponseState) -> Self:
        return cls._of(state)

    def _view_of_request(self) -> Request | None:
        request = self._state.request
        return None if request is None else Request._of(request)

    def read(self) -> bytes:
        """Read the whole body, decode it, keep it; from then on it is `content`.

        Raises RequestError subclasses, StreamConsumed after another way of reading, ResponseClosed after
        `close`. A failure leaves the response closed.
        """
        content = self._state.content
        if content is not None:
            return content
        try:
            return self._run(read_all(self._state))
        except RequestError as exc:
            self._blame(exc)
            raise

    def stream(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The decoded body, piece by piece: as it comes, or in pieces of ``chunk_size`` bytes but for the last.

        Raises StreamConsumed where it was streamed before, ResponseClosed after `close`; the iterator raises
        RequestError subclasses.
        """
        return PieceIterator(self._decoded(chunk_size), self._run, self)

    def raw(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """As `stream`, but as sent: content codings are not undone."""
        return PieceIterator(self._as_sent(chunk_size), self._run, self)

    def iter_text(self) -> Iterator[str]:
        """The body as text, piece by piece.

        The encoding is what was set, else the byte-order mark, charset, ``default_encoding`` if it is a name,
        else UTF-8; what is broken becomes U+FFFD.
        """
        return PieceIterator(self._text_pieces(), self._run, self)

    def iter_lines(self) -> Iterator[str]:
        r"""The body as lines of text without their ends, which are ``\n``, ``\r\n`` and ``\r``."""
        return PieceIterator(Lines(self._text_pieces()), self._run, self)

    def json(self, **options: Any) -> Any:
        """The body parsed as JSON; it is read first where that is still to do.

        It is UTF-8, -16 or -32 (RFC 8259) unless a charset was sent or set. ``options`` go to `json.loads`.
        Raises ValueError (json.JSONDecodeError, UnicodeDecodeError) for what is no JSON, else as `read`.
        """
        self.read()
        return self._parse_json(options)

    @property
    def next(self) -> Callable[[], Response] | None:
        """Where this is a redirect that was not followed: ``response.next()`` follows it, one step."""
        return self._send_next

    def close(self) -> None:
        """Give up what was not read of the body. Idempotent."""
        self._run(_reading.close(self._state))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()


class AsyncResponse(BaseResponse[AsyncRequest]):
    """The answer to an `AsyncRequest`, with verbs that are awaited or iterated with ``async for``.

    The constructor is that of `Response`; ``content`` may be an async iterable as well, and ``on_close`` may
    return an awaitable.
    """

    __slots__ = ()

    def __init__(
        self,
        status_code: int,
        *,
        reason_phrase: str | None = None,
        protocol: str | None = None,
        headers: HeaderTypes | None = None,
        content: AsyncResponseContent | None = None,
        text: str | None = None,
        html: str | None = None,
        json: object = None,
        on_close: Callable[[], object] | None = None,
        request: AsyncRequest | None = None,
        history: list[AsyncResponse] | None = None,
        elapsed: timedelta | float | None = None,
    ) -> None:
        state = _head(status_code, reason_phrase, protocol, headers, elapsed)
        _fill(state, content, text, html, json, on_close)
        state.request = None if request is None else request._state
        state.history = [earlier._state for earlier in history or ()]
        self._attach(state)
        self._request = request

    @classmethod
    def _of(cls, state: ResponseState) -> Self:
        """A view of ``state``."""
        response = cls.__new__(cls)
        response._attach(state)
        return response

    @classmethod
    def _sibling(cls, state: ResponseState) -> Self:
        return cls._of(state)

    def _view_of_request(self) -> AsyncRequest | None:
        request = self._state.request
        return None if request is None else AsyncRequest._of(request)

    async def read(self) -> bytes:
        """Read the whole body, decode it, keep it; from then on it is `content`.

        Raises RequestError subclasses, StreamConsumed after another way of reading, ResponseClosed after
        `close`. A failure leaves the response closed.
        """
        content = self._state.content
        if content is not None:
            return content
        try:
            return await read_all(self._state)
        except RequestError as exc:
            self._blame(exc)
            raise

    def stream(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The decoded body, piece by piece: as it comes, or in pieces of ``chunk_size`` bytes but for the last.

        Raises StreamConsumed where it was streamed before, ResponseClosed after `close`; the iterator raises
        RequestError subclasses.
        """
        return AsyncPieceIterator(self._decoded(chunk_size), self)

    def raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """As `stream`, but as sent: content codings are not undone."""
        return AsyncPieceIterator(self._as_sent(chunk_size), self)

    def iter_text(self) -> AsyncIterator[str]:
        """The body as text, piece by piece.

        The encoding is what was set, else the byte-order mark, charset, ``default_encoding`` if it is a name,
        else UTF-8; what is broken becomes U+FFFD.
        """
        return AsyncPieceIterator(self._text_pieces(), self)

    def iter_lines(self) -> AsyncIterator[str]:
        r"""The body as lines of text without their ends, which are ``\n``, ``\r\n`` and ``\r``."""
        return AsyncPieceIterator(Lines(self._text_pieces()), self)

    async def json(self, **options: Any) -> Any:
        """The body parsed as JSON; it is read first where that is still to do.

        It is UTF-8, -16 or -32 (RFC 8259) unless a charset was sent or set. ``options`` go to `json.loads`.
        Raises ValueError (json.JSONDecodeError, UnicodeDecodeError) for what is no JSON, else as `read`.
        """
        await self.read()
        return self._parse_json(options)

    @property
    def next(self) -> Callable[[], Awaitable[AsyncResponse]] | None:
        """Where this is a redirect that was not followed: ``await response.next()`` follows it, one step."""
        return self._send_next

    async def close(self) -> None:
        """Give up what was not read of the body. Idempotent."""
        await _reading.close(self._state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


# Making a response by hand.


def _head(
    status_code: int,
    reason_phrase: str | None,
    protocol: str | None,
    headers: HeaderTypes | None,
    elapsed: timedelta | float | None,
) -> ResponseState:
    if not isinstance(status_code, int) or isinstance(status_code, bool):
        raise TypeError(f"status_code must be an int, not {type(status_code).__name__}")
    if not 100 <= status_code <= 999:
        raise ValueError(f"status_code must be between 100 and 999, not {int(status_code)}")
    state = ResponseState(
        int(status_code),
        registered_phrase(status_code) if reason_phrase is None else reason_phrase,
        "HTTP/1.1" if protocol is None else str(protocol),
        Headers(headers),
        None,
    )
    if elapsed is not None:
        state.elapsed = float(elapsed) if isinstance(elapsed, int | float) else elapsed.total_seconds()
    return state


def _fill(
    state: ResponseState,
    content: AsyncResponseContent | None,
    text: str | None,
    html: str | None,
    json: object,
    on_close: Callable[[], object] | None,
) -> None:
    """Give ``state`` its body and, for text, html and json, its Content-Type."""
    given = {"content": content, "text": text, "html": html, "json": json}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise TypeError(f"a response has one body: {' and '.join(names)} can't be given together")
    if text is not None:
        content, content_type = text.encode(), "text/plain; charset=utf-8"
    elif html is not None:
        content, content_type = html.encode(), "text/html; charset=utf-8"
    elif json is not None:
        content, content_type = encode_json(json), "application/json"
    else:
        content_type = None
    if content_type is not None and "content-type" not in state.headers:
        state.headers["Content-Type"] = content_type
    state.body = _body_of(content, on_close)


def _body_of(content: AsyncResponseContent | None, on_close: Callable[[], object] | None) -> ResponseBody | None:
    if content is None and on_close is None:
        return None
    if content is None or isinstance(content, bytes | bytearray | memoryview):
        return MemoryBody(bytes(content or b""), on_close)
    if isinstance(content, str) or not (hasattr(content, "__iter__") or hasattr(content, "__aiter__")):
        raise TypeError(f"content must be bytes or an iterable of bytes, not {type(content).__name__}")
    return IterableBody(content, on_close)


class IterableBody:
    """A body that comes from an iterable of the user's, sync or async. ``on_close`` is called once, at its
    end or by `close`."""

    __slots__ = ("_iterator", "_on_close")

    trailers: Headers | None = None

    def __init__(
        self, content: Iterable[bytes] | AsyncIterable[bytes], on_close: Callable[[], object] | None
    ) -> None:
        self._iterator: Iterator[bytes] | AsyncIterator[bytes] | None = (
            aiter(content) if isinstance(content, AsyncIterable) else iter(content)
        )
        self._on_close = on_close

    async def read_chunk(self) -> bytes:
        while (iterator := self._iterator) is not None:
            try:
                chunk = await anext(iterator) if isinstance(iterator, AsyncIterator) else next(iterator)
            except (StopIteration, StopAsyncIteration):
                await self._finish()
                break
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise TypeError(f"content must give bytes, and gave {type(chunk).__name__}")
            if chunk:
                return bytes(chunk)
        return b""

    async def _finish(self) -> None:
        self._iterator = None
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            await settle(on_close())

    async def close(self) -> None:
        # An async generator that is dropped half-way runs its clean-up whenever the loop finds time.
        aclose = getattr(self._iterator, "aclose", None)
        try:
            if aclose is not None:
                await aclose()
        finally:
            await self._finish()

    def abort(self) -> None:
        self._iterator = None
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            abandon(on_close())
