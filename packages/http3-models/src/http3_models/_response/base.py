"""What both kinds of response have in common: values; nothing here waits or reads from a connection.

A response is a view of a `ResponseState`. Several views may share one; ``encoding`` belongs to the view. The
methods that read the body are in `response`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar, overload

from .._body_state import CONSUMED, UNREAD, BodyState
from .._brief import short_repr
from .._exceptions import HttpError, RequestError, ResponseNotRead
from .._headers import Headers
from .._iterators import Lines, MemoryPieces, TextPieces, rechunked
from .._records import ResponseState, run_sync
from .._redaction import without_secrets
from .._text import (
    TextDecoder,
    apparent_encoding,
    charset_of,
    decode_text,
    find_text_encoding,
    parse_json,
    stream_encoding,
    text_encoding,
)
from .._timing import ConnectionInfo, PhaseTimes, Timings
from .bodies import MemoryBody
from .reading import BodyReader, bytes_received, check_unread, is_closed, is_consumed, read_all
from .turns import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from .._cookies import Cookies
    from .._iterators import Source
    from .._records import RequestState, SyncRunner
    from .._request import AsyncRequest, BaseRequest, Request
    from .._url import URL

RequestT = TypeVar("RequestT", "Request", "AsyncRequest")

REDIRECT_CODES: Final = frozenset({301, 302, 303, 307, 308})


def is_redirect(state: ResponseState) -> bool:
    """True for a status that redirects, with a Location that is not empty."""
    return state.status_code in REDIRECT_CODES and any(state.headers.getlist("location"))


class BaseResponse(Generic[RequestT]):
    """The part of `Response` and `AsyncResponse` that needs no I/O."""

    __slots__ = (
        "__weakref__",
        "_cookies",
        "_encoding",
        "_history",
        "_request",
        "_run",
        "_send_next",
        "_state",
        "_text",
        "_unread_message",
    )

    _state: ResponseState
    _run: SyncRunner  # drives the coroutines that read the body, in a `Response`
    _encoding: str | None  # set by the caller
    _text: str | None
    _cookies: Cookies | None
    _request: RequestT | None
    _history: list[Self] | None
    _send_next: Callable[[], Any] | None  # from the client, where there is a redirect to follow
    _unread_message: str | None  # see `set_unread_message`
    _takes_turns: ClassVar[bool] = False  # lets other tasks run during long work

    def _attach(self, state: ResponseState, run: SyncRunner = run_sync) -> None:
        self._state = state
        self._run = run
        self._encoding = self._text = self._cookies = self._request = self._history = self._send_next = None
        self._unread_message = None

    def _view_of_request(self) -> RequestT | None:
        raise NotImplementedError("BaseResponse is not meant to be used by itself")

    # The head.

    @property
    def status_code(self) -> int:
        """100 to 999."""
        return self._state.status_code

    @property
    def reason_phrase(self) -> str:
        """What the server sent (HTTP/1.1), else the registered phrase; may be empty."""
        return self._state.reason_phrase

    @property
    def protocol(self) -> str:
        """ "HTTP/1.1" or "HTTP/2"."""
        return self._state.protocol

    @property
    def headers(self) -> Headers:
        """The header fields, as sent: Content-Encoding and Content-Length describe the undecoded body."""
        return self._state.headers

    @property
    def trailers(self) -> Headers:
        """Fields that came after the body (RFC 9110 6.5); empty until its end, and mostly after it, too."""
        trailers = self._state.trailers
        return Headers() if trailers is None else trailers

    @property
    def url(self) -> URL:
        """The URL that was answered. Raises RuntimeError if neither it nor a request is known."""
        return self.request.url if self._state.url is None else self._state.url

    @property
    def request(self) -> RequestT:
        """The request that was answered (the last, after redirects). Raises RuntimeError if none is known."""
        if self._request is None:
            self._request = self._view_of_request()
            if self._request is None:
                raise RuntimeError("this response belongs to no request")
        return self._request

    @property
    def history(self) -> list[Self]:
        """The responses of the redirects that were followed, first to last."""
        if self._history is None:
            self._history = [view_response(type(self), state) for state in self._state.history]
        return self._history

    @property
    def cookies(self) -> Cookies:
        """The cookies that this response set."""
        if self._cookies is None:
            from .._cookies import Cookies

            self._cookies = Cookies()
            if self._state.request is not None:
                self._cookies.extract(self._state.request.url, self._state.headers)
        return self._cookies

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """The Link header (RFC 8288): relation in lower case -> {"url": ..., "rel": ..., ...}."""
        values = self._state.headers.getlist("link")
        if not values:
            return {}
        from .._headers.links import parse_links

        return parse_links(", ".join(values))

    @property
    def elapsed(self) -> timedelta:
        """From the call to the head of this response; zero if it was not measured."""
        from datetime import timedelta

        return timedelta(seconds=self._state.elapsed or 0)

    @property
    def timings(self) -> Timings:
        """Seconds per phase (pool, dns, connect, tls, send, wait, receive); None where one did not happen."""
        phases = phases_of(self._state)
        return Timings() if phases is None else phases.freeze()

    @property
    def connection(self) -> ConnectionInfo:
        """Addresses, TLS version and certificate of the connection; None in each where not known."""
        return self._state.connection or ConnectionInfo()

    # The status.

    @property
    def is_redirect(self) -> bool:
        """301, 302, 303, 307 or 308 with a Location that is not empty."""
        return is_redirect(self._state)

    @property
    def is_success(self) -> bool:
        """2xx."""
        return 200 <= self._state.status_code < 300

    @property
    def is_client_error(self) -> bool:
        """4xx."""
        return 400 <= self._state.status_code < 500

    @property
    def is_server_error(self) -> bool:
        """5xx."""
        return 500 <= self._state.status_code < 600

    @property
    def is_error(self) -> bool:
        """4xx or 5xx."""
        return 400 <= self._state.status_code < 600

    @property
    def ok(self) -> bool:
        """Below 400."""
        return self._state.status_code < 400

    def raise_for_status(self) -> Self:
        """Raise HttpError for 4xx and 5xx; else return the response itself."""
        if not self.is_error:
            return self
        request = self._state.request
        asked = f" for {request.method} {_shown(request.url)}" if request is not None else ""
        raise HttpError(f"{self._status_line()}{asked}", response=self._self())

    def _self(self) -> Any:
        """This response, for `HttpError`, whose ``response`` has the type of the two subclasses."""
        return self

    # The body, as far as it is in memory.

    @property
    def content(self) -> bytes:
        """The decoded body.

        Raises ResponseNotRead before `read`, StreamConsumed or ResponseClosed where it can't be read any
        more, DecodingError where it was given to the constructor and does not fit Content-Encoding.
        """
        content = self._state.content
        return self._unread_content() if content is None else content

    def _unread_content(self) -> bytes:
        state = self._state
        if self._unread_message is None and state.body_state is UNREAD and is_closed(state):
            try:
                return run_sync(read_all(state))  # it is in memory, so nothing suspends
            except RequestError as exc:
                self._attach_request(exc)
                raise
        if self._unread_message is None or is_consumed(state):
            check_unread(state)
        raise ResponseNotRead(
            self._unread_message or "The body was not read yet; call read() first, or leave out stream=True"
        )

    @property
    def text(self) -> str:
        """The body as text, in `encoding`; what is broken becomes U+FFFD, a byte-order mark is removed.

        Raises what `content` raises, and LookupError where ``default_encoding`` names no text encoding.
        """
        if self._text is None:
            content = self.content
            self._text = decode_text(content, self.encoding) if content else ""
        return self._text

    @property
    def encoding(self) -> str:
        """The encoding of `text`: what was set here, else the byte-order mark, the charset of Content-Type,
        ``default_encoding``, and without that UTF-8 if the body is valid UTF-8, else windows-1252.

        Before the body was read it is what `iter_text` uses. Setting it raises LookupError for an unknown
        encoding; None restores the rule above.
        """
        if self._encoding is not None:
            return self._encoding
        state = self._state
        content_type = state.headers.get("content-type")
        if not self._is_in_memory():
            return stream_encoding(content_type, state.default_encoding)
        return text_encoding(self.content, content_type, state.default_encoding)

    @encoding.setter
    def encoding(self, name: str | None) -> None:
        if not isinstance(name, str | None):
            raise TypeError(f"encoding must be str or None, not {type(name).__name__}")
        if name is not None and find_text_encoding(name) is None:
            raise LookupError(f"encoding: {short_repr(name)} is no text encoding that is known here")
        self._encoding = name
        self._text = None

    @property
    def charset_encoding(self) -> str | None:
        """The encoding that Content-Type names; None if it names none, or none that is known."""
        return charset_of(self._state.headers.get("content-type"))

    @property
    def apparent_encoding(self) -> str:
        """What charset-normalizer makes of the content. Raises ImportError without it (extra ``charset``)."""
        return apparent_encoding(self.content)

    def _parse_json(self, options: dict[str, Any]) -> Any:
        encoding = self._encoding or charset_of(self._state.headers.get("content-type"))
        content = self.content
        try:
            return parse_json(content, encoding, options)
        except (ValueError, RecursionError) as exc:
            from .._text.json_error import json_error

            error = json_error(exc, self._self(), self._state, encoding, options)
            if error is None:
                raise
            raise error from exc

    @property
    def is_closed(self) -> bool:
        """True if nothing more comes over the connection: the body was read to its end, or closed."""
        return is_closed(self._state)

    @property
    def is_stream_consumed(self) -> bool:
        """True once reading the body has begun."""
        return is_consumed(self._state)

    @property
    def num_bytes_downloaded(self) -> int:
        """Bytes of the body taken from the connection so far, as sent: content codings are not undone. Of a
        body in memory, all."""
        return bytes_received(self._state)

    # Sources for the methods that read the body.

    def _is_in_memory(self) -> bool:
        state = self._state
        if state.content is not None:
            return True
        return self._unread_message is None and isinstance(state.body, MemoryBody)

    def _decoded(self, chunk_size: int | None) -> Source[bytes]:
        content = self._state.content
        source = self._chunks(decode=True) if content is None else MemoryPieces(content)
        return rechunked(source, chunk_size)

    def _as_sent(self, chunk_size: int | None) -> Source[bytes]:
        return rechunked(self._chunks(decode=False), chunk_size)

    def _chunks(self, *, decode: bool) -> Source[bytes]:
        return BodyReader(self._state, decode=decode, pause=checkpoint if self._takes_turns else None)

    def _text_pieces(self) -> Source[str]:
        return self._as_text(self._decoded(None))

    def _lines(self) -> Source[str]:
        source = self._decoded(None)
        return Lines(self._as_text(source), source.check_line if isinstance(source, BodyReader) else None)

    def _as_text(self, source: Source[bytes]) -> Source[str]:
        state = self._state
        encoding = self._encoding
        if encoding is None:
            encoding = stream_encoding(state.headers.get("content-type"), state.default_encoding)
        return TextPieces(source, TextDecoder(encoding, sniff=self._encoding is None))

    def _attach_request(self, error: RequestError) -> None:
        """Set request and timings of an error from the body."""
        request = self._state.request
        if request is None:
            return
        if error._request is None:
            error.request = self.request
        if error.timings is None:
            error.timings = self.timings

    # As a value.

    def _status_line(self) -> str:
        return f"{self._state.status_code} {self._state.reason_phrase}".rstrip()

    def __repr__(self) -> str:
        if not hasattr(self, "_state"):  # the constructor failed
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} [{self._status_line()}]>"

    def _without_secrets(self) -> Self:
        """A copy for pickles and tracebacks, without credentials and cookies."""
        packed = _packed(self)
        for name in ("headers", "trailers", "request"):
            packed[name] = without_secrets(packed[name])
        packed["history"] = [without_secrets(earlier) for earlier in packed["history"]]
        return self._rebuild(packed)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self)._rebuild, (_packed(self),))

    @classmethod
    def _rebuild(cls, packed: dict[str, Any]) -> Self:
        memory: bytes | None = packed["memory"]
        state = ResponseState(
            status_code=packed["status_code"],
            reason_phrase=packed["reason_phrase"],
            protocol=packed["protocol"],
            headers=packed["headers"],
            body=None if memory is None else MemoryBody(memory),
        )
        state.body_state = BodyState(packed["body_state"])
        for name in _COPIED:
            setattr(state, name, packed[name])
        state.default_encoding = packed["default_encoding"]
        state.request = None if packed["request"] is None else packed["request"]._state
        state.history = [earlier._state for earlier in packed["history"]]
        state.phases = PhaseTimes.of(packed["timings"])
        response = view_response(cls, state)
        response._encoding = packed["encoding"]
        return response


ResponseT = TypeVar("ResponseT", bound=BaseResponse[Any])


def view_response(kind: type[ResponseT], state: ResponseState, run: SyncRunner = run_sync) -> ResponseT:
    """A response of this ``kind`` that shows ``state``, which is not copied.

    ``run`` drives the coroutines that read the body, where it is a `Response`.
    """
    response = kind.__new__(kind)
    response._attach(state, run)
    return response


@overload
def state_of(view: BaseRequest) -> RequestState: ...


@overload
def state_of(view: BaseResponse[Any]) -> ResponseState: ...


def state_of(view: BaseRequest | BaseResponse[Any]) -> RequestState | ResponseState:
    """The record that a request or a response shows; what changes in one is seen in the other."""
    return view._state


def set_next(response: BaseResponse[Any], send: Callable[[], Any]) -> None:
    """Set ``response.next`` to ``send``, which sends the request that the response redirects to."""
    response._send_next = send


def set_unread_message(response: BaseResponse[Any], message: str | None) -> None:
    """Make ``response.content`` raise ResponseNotRead with this message until the body was read, also for a
    body in memory. None removes the message.
    """
    response._unread_message = message


def _shown(url: URL) -> str:
    from .._url import redacted

    return redacted(url)


def phases_of(state: ResponseState) -> PhaseTimes | None:
    """The times of the exchange that a response came from; None where no request is known."""
    if state.phases is None and state.request is not None:
        return state.request.phases
    return state.phases


# Pickling and copying: everything but the connection, the way to the next request, and an unread body.

_COPIED = (
    "status_code",
    "reason_phrase",
    "protocol",
    "headers",
    "content",
    "received",
    "trailers",
    "elapsed",
    "connection",
    "limits",
    "url",
)


def _packed(response: BaseResponse[Any]) -> dict[str, Any]:
    state = response._state
    packed = {name: getattr(state, name) for name in _COPIED}
    packed["memory"] = state.body.data if isinstance(state.body, MemoryBody) else None
    packed["body_state"] = (state.body_state if is_closed(state) else CONSUMED).value
    packed["request"] = None if state.request is None else response.request
    packed["history"] = list(response.history)
    packed["encoding"] = response._encoding
    packed["timings"] = response.timings
    default = state.default_encoding
    if callable(default):  # functions can seldom be pickled; its result can
        default = default(state.content) if state.content is not None else None
    packed["default_encoding"] = default
    return packed
