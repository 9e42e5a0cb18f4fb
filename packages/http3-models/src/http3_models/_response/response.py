"""`Response` and `AsyncResponse`: what they add to `BaseResponse` is how to read the body.

Both use the coroutines of `reading`: `Response` drives them with a ``run`` function, `AsyncResponse` awaits
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from .._exceptions import RequestError
from .._iterators import AsyncPieceIterator, PieceIterator
from .._peer_names import ASYNC_RESPONSE_NAMES, RESPONSE_NAMES, explain_names
from .._redaction import hide_arguments
from .._request import AsyncRequest, Request, view_request
from . import reading
from .base import BaseResponse
from .build import new_state, set_body, set_exchange, set_request
from .reading import read_all
from .turns import checkpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from datetime import timedelta
    from types import TracebackType

    from .._headers import HeaderFields
    from .._timing import ConnectionInfo, Timings
    from .._types import AsyncResponseContent, ResponseContent, URLTypes


@explain_names(RESPONSE_NAMES)
class Response(BaseResponse[Request]):
    """The answer to a `Request`, with verbs that block.

    Clients make them, and dispatchers may. ``content`` is bytes, or an iterable of bytes that is read on
    demand; a Content-Encoding in ``headers`` is undone when it is read. ``text``, ``html`` and ``json`` are
    alternatives to it that set Content-Type. ``on_close`` is called once, by `close` or at the end of an
    iterable. ``elapsed`` is a timedelta or seconds. ``trailers``, ``connection``,
    ``timings`` and ``url`` (if not the request's) are for a dispatcher that makes one response of another.

    Raises TypeError for more than one kind of content or a wrong type, ValueError for a status code outside
    of 100 to 999.
    """

    __slots__ = ()

    @hide_arguments
    def __init__(
        self,
        status_code: int,
        *,
        reason_phrase: str | None = None,
        protocol: str | None = None,
        headers: HeaderFields | None = None,
        content: ResponseContent | None = None,
        text: str | None = None,
        html: str | None = None,
        json: object = None,
        on_close: Callable[[], object] | None = None,
        request: Request | None = None,
        history: list[Response] | None = None,
        elapsed: timedelta | float | None = None,
        trailers: HeaderFields | None = None,
        connection: ConnectionInfo | None = None,
        timings: Timings | None = None,
        url: URLTypes | None = None,
    ) -> None:
        if hasattr(content, "__aiter__"):
            raise TypeError("content of a Response can't be an async iterator; AsyncResponse takes one")
        state = new_state(status_code, reason_phrase, protocol, headers, elapsed)
        set_body(state, content, text, html, json, on_close)
        set_request(state, request, history)
        set_exchange(state, trailers, connection, timings, url)
        self._attach(state)
        self._request = request

    def _view_of_request(self) -> Request | None:
        request = self._state.request
        return None if request is None else view_request(Request, request)

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
            self._attach_request(exc)
            raise

    def stream(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The decoded body, piece by piece: as it comes, or ``chunk_size`` bytes each but for the last.

        Raises StreamConsumed where it was streamed before, ResponseClosed after `close`; the iterator raises
        RequestError subclasses.
        """
        return PieceIterator(self._decoded(chunk_size), self._run, self)

    def raw(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """The body as sent, piece by piece: content codings are not undone. Otherwise like `stream`."""
        return PieceIterator(self._as_sent(chunk_size), self._run, self)

    def iter_text(self) -> Iterator[str]:
        """The body as text, piece by piece.

        The encoding is what was set, else the byte-order mark, charset, ``default_encoding`` if it is a name,
        else UTF-8; what is broken becomes U+FFFD.
        """
        return PieceIterator(self._text_pieces(), self._run, self)

    def iter_lines(self) -> Iterator[str]:
        r"""The body as lines of text without their ends, which are ``\n``, ``\r\n`` and ``\r``.

        A line may be as long as a body that is read into memory; past the client's `Limits` the iterator
        raises DecodedSizeExceeded.
        """
        return PieceIterator(self._lines(), self._run, self)

    def json(self, **options: Any) -> Any:
        """The body parsed as JSON; it is read first if it was not read yet.

        It is UTF-8, -16 or -32 (RFC 8259) unless a charset was sent or set. ``options`` go to `json.loads`.
        Raises JSONDecodeError, a ValueError, for what is no JSON or nested too deeply, and what `read`
        raises.
        """
        self.read()
        return self._parse_json(options)

    @property
    def next(self) -> Callable[[], Response] | None:
        """Sends the next request of a redirect that was not followed: ``response.next()``. Else None."""
        return self._send_next

    def close(self) -> None:
        """Close the body; what was not read of it is dropped. Idempotent."""
        self._run(reading.close(self._state))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()


@explain_names(ASYNC_RESPONSE_NAMES)
class AsyncResponse(BaseResponse[AsyncRequest]):
    """The answer to an `AsyncRequest`, with verbs that are awaited or iterated with ``async for``.

    The constructor is that of `Response`; ``content`` may be an async iterable as well, and ``on_close`` may
    return an awaitable.
    """

    __slots__ = ()

    _takes_turns = True

    @hide_arguments
    def __init__(
        self,
        status_code: int,
        *,
        reason_phrase: str | None = None,
        protocol: str | None = None,
        headers: HeaderFields | None = None,
        content: AsyncResponseContent | None = None,
        text: str | None = None,
        html: str | None = None,
        json: object = None,
        on_close: Callable[[], object] | None = None,
        request: AsyncRequest | None = None,
        history: list[AsyncResponse] | None = None,
        elapsed: timedelta | float | None = None,
        trailers: HeaderFields | None = None,
        connection: ConnectionInfo | None = None,
        timings: Timings | None = None,
        url: URLTypes | None = None,
    ) -> None:
        state = new_state(status_code, reason_phrase, protocol, headers, elapsed)
        set_body(state, content, text, html, json, on_close)
        set_request(state, request, history)
        set_exchange(state, trailers, connection, timings, url)
        self._attach(state)
        self._request = request

    def _view_of_request(self) -> AsyncRequest | None:
        request = self._state.request
        return None if request is None else view_request(AsyncRequest, request)

    async def read(self) -> bytes:
        """Read the whole body, decode it, keep it; from then on it is `content`.

        Raises RequestError subclasses, StreamConsumed after another way of reading, ResponseClosed after
        `close`. A failure leaves the response closed.
        """
        content = self._state.content
        if content is not None:
            return content
        try:
            return await read_all(self._state, checkpoint)
        except RequestError as exc:
            self._attach_request(exc)
            raise

    def stream(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The decoded body, piece by piece: as it comes, or ``chunk_size`` bytes each but for the last.

        Raises StreamConsumed where it was streamed before, ResponseClosed after `close`; the iterator raises
        RequestError subclasses.
        """
        return AsyncPieceIterator(self._decoded(chunk_size), self)

    def raw(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The body as sent, piece by piece: content codings are not undone. Otherwise like `stream`."""
        return AsyncPieceIterator(self._as_sent(chunk_size), self)

    def iter_text(self) -> AsyncIterator[str]:
        """The body as text, piece by piece.

        The encoding is what was set, else the byte-order mark, charset, ``default_encoding`` if it is a name,
        else UTF-8; what is broken becomes U+FFFD.
        """
        return AsyncPieceIterator(self._text_pieces(), self)

    def iter_lines(self) -> AsyncIterator[str]:
        r"""The body as lines of text without their ends, which are ``\n``, ``\r\n`` and ``\r``.

        A line may be as long as a body that is read into memory; past the client's `Limits` the iterator
        raises DecodedSizeExceeded.
        """
        return AsyncPieceIterator(self._lines(), self)

    async def json(self, **options: Any) -> Any:
        """The body parsed as JSON; it is read first if it was not read yet.

        It is UTF-8, -16 or -32 (RFC 8259) unless a charset was sent or set. ``options`` go to `json.loads`.
        Raises JSONDecodeError, a ValueError, for what is no JSON or nested too deeply, and what `read`
        raises.
        """
        await self.read()
        return self._parse_json(options)

    @property
    def next(self) -> Callable[[], Awaitable[AsyncResponse]] | None:
        """Sends the next request of a redirect that was not followed: ``await response.next()``. Else
        None."""
        return self._send_next

    async def close(self) -> None:
        """Close the body; what was not read of it is dropped. Idempotent."""
        await reading.close(self._state)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()
