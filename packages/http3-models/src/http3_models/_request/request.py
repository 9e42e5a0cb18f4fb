"""`Request` and `AsyncRequest`, and `build_request`, which makes the `RequestState` that both show.

A request can be changed until it is sent: auth flows and hooks set its headers, method and URL. So
`head.check_request` checks it again before it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from .._exceptions import LocalProtocolError, RequestError, StreamException
from .._headers import Headers
from .._iterators import AsyncPieceIterator, PieceIterator, collect
from .._records import RequestState, run_sync
from .._redaction import hide_arguments
from .._timing import PhaseTimes, Timings
from .._url import URL, redacted
from .bodies import EMPTY_BODY, BytesBody
from .encode import encode_request
from .head import add_required_headers, checked_method, split_headers, with_request_info
from .prepared_heads import NO_DEFAULTS, RequestDefaults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .._body_protocols import RequestBody
    from .._cookies import Cookies
    from .._types import (
        AsyncRequestData,
        CookieTypes,
        HeaderTypes,
        QueryParamTypes,
        RequestData,
        RequestFiles,
        URLTypes,
    )


def build_request(
    method: str,
    url: URLTypes,
    *,
    params: QueryParamTypes | None = None,
    headers: HeaderTypes | None = None,
    cookies: CookieTypes | None = None,
    data: AsyncRequestData | None = None,
    files: RequestFiles | None = None,
    json: object = None,
    asynchronous: bool = False,
    defaults: RequestDefaults = NO_DEFAULTS,
) -> RequestState:
    """A request, with all its headers where ``defaults`` are a client's.

    ``asynchronous`` allows asynchronous iterables as ``data``. The Cookie header has the caller's pairs and
    ``cookies``; a client adds its own.

    Raises InvalidURL, LocalProtocolError (what may not be sent), TypeError and ValueError (a wrong argument).
    """
    name = checked_method(method)
    target = url if params is None and type(url) is URL and url.is_absolute_url else URL(url, params=params)
    body: RequestBody = EMPTY_BODY
    content_type = given_type = None
    try:
        if files:
            headers, given_type = defaults.content_type(headers)
        if data is not None or files is not None or json is not None:
            body, content_type = encode_request(
                data=data, files=files, json=json, asynchronous=asynchronous, given_type=given_type
            )
        state = defaults.request(name, target, headers, body, content_type)
    except LocalProtocolError as exc:
        raise with_request_info(exc, name, target) from exc.__cause__
    if given_type is not None and content_type is not None:
        state.headers["Content-Type"] = content_type  # with the boundary
    if cookies is not None:
        _add_cookies(state, cookies)
    return state


def _add_cookies(state: RequestState, cookies: CookieTypes) -> None:
    from .._cookies import Cookies, join_cookie_headers

    state.cookies = cookies if isinstance(cookies, Cookies) else Cookies(cookies)
    header = join_cookie_headers(state.explicit_cookie, state.cookies.header_for(state.url))
    if header:
        state.headers["Cookie"] = header


class BodyPieces:
    """The body of a request, piece by piece, from its start."""

    __slots__ = ("_begun", "_state")

    def __init__(self, state: RequestState) -> None:
        self._state = state
        self._begun = False

    async def next(self) -> bytes | None:
        """The next piece, never empty; None at the end. Raises StreamConsumed for what comes only once."""
        body = self._state.body
        if not self._begun:
            body.rewind()
            self._begun = True
        return await body.read_chunk() or None


async def _read_all(state: RequestState) -> bytes:
    """The whole body; it is kept in memory, so that it can be sent, and sent again."""
    data = state.body.data
    if data is None:
        data = await collect(BodyPieces(state))
        state.body = BytesBody(data)
    return data


class BaseRequest:
    """What `Request` and `AsyncRequest` have in common: values; no I/O."""

    __slots__ = ("__weakref__", "_state")

    _state: RequestState

    @property
    def method(self) -> str:
        """In upper case. Setting it raises LocalProtocolError for what is no token."""
        return self._state.method

    @method.setter
    def method(self, method: str) -> None:
        state = self._state
        state.method = checked_method(method)
        add_required_headers(state.headers, state.method, state.url, state.body)

    @property
    def url(self) -> URL:
        """The target. It is set to a str or URL, and the Host header with it, unless the caller wrote
        that."""
        return self._state.url

    @url.setter
    @hide_arguments
    def url(self, url: URLTypes) -> None:
        state = self._state
        target = URL(url)
        if state.headers.get("host") == state.url.netloc:
            state.headers["Host"] = target.netloc
        state.url = target

    @property
    def headers(self) -> Headers:
        """The header fields that will be sent; they can be changed in place. (HTTP/2 rewrites some of them.)

        They are complete in a request that a client made, or is sending. A request that the caller made has
        the fields given, Host and those that describe the body; a client that sends it adds its defaults.
        Setting this replaces all fields; Host and what frames the body are added where they are missing.
        """
        return self._state.headers

    @headers.setter
    @hide_arguments
    def headers(self, headers: HeaderTypes) -> None:
        state = self._state
        given, removed = split_headers(headers)
        fields = given.copy()
        add_required_headers(fields, state.method, state.url, state.body)
        state.headers = fields
        if state.left_out is not None:
            state.left_out = removed

    @property
    def cookies(self) -> Cookies:
        """The cookies given for this request only; a client's own are not among them."""
        if self._state.cookies is None:
            from .._cookies import Cookies

            self._state.cookies = Cookies()
        return self._state.cookies

    @property
    def content(self) -> bytes:
        """The body as it is sent. Raises StreamException for a streamed one before `read`."""
        data = self._state.body.data
        if data is None:
            raise StreamException(
                "The body of this request is streamed; call read() to have it in memory (an Auth class sets "
                "requires_request_body = True)"
            )
        return data

    @property
    def is_streaming(self) -> bool:
        """True if the body is not in memory: a file, an iterator, or multipart with files."""
        return self._state.body.data is None

    def _attach_request(self, error: RequestError) -> None:
        """Set the request of an error from the body."""
        if error._request is None:
            error._request = self._self()

    def _self(self) -> Any:
        """This request, for exceptions, whose ``request`` has the type of the two subclasses."""
        return self

    def __repr__(self) -> str:
        state = getattr(self, "_state", None)
        if state is None:  # the constructor failed
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__}({state.method!r}, {redacted(state.url)!r})>"

    def _without_secrets(self) -> Self:
        return view_request(type(self), self._state._without_secrets())

    def __reduce__(self) -> tuple[Any, ...]:
        state = self._state
        # Deadline, verify, cert and timeout belong to the call, not to the request, and are not pickled.
        cookies = (state.cookies, state.explicit_cookie)
        fields = (state.method, state.url, state.headers, state.body, *cookies, state.left_out)
        return (type(self)._rebuild, (fields, state.phases.freeze()))

    @classmethod
    def _rebuild(cls, fields: tuple[Any, ...], timings: Timings) -> Self:
        method, url, headers, body, cookies, explicit_cookie, left_out = fields
        state = RequestState(
            method, url, headers, body, cookies=cookies, explicit_cookie=explicit_cookie, left_out=left_out
        )
        state.phases = PhaseTimes.of(timings)
        return view_request(cls, state)


RequestT = TypeVar("RequestT", bound=BaseRequest)


def view_request(kind: type[RequestT], state: RequestState) -> RequestT:
    """A request of this ``kind`` that shows ``state``, which is not copied."""
    request = kind.__new__(kind)
    request._state = state
    return request


class Request(BaseRequest):
    """A request for `Client` and blocking dispatchers.

    ``params`` are appended to the URL's query: None is omitted, True and False are ``true`` and ``false``, a
    list repeats its key, text is sent unchanged. ``headers`` are sent as given; Host and what describes
    the body (Content-Length or Transfer-Encoding, Content-Type) are added where they are missing. A client
    adds User-Agent, Accept, Accept-Encoding and Connection when it sends the request. The value None leaves
    a header out. ``cookies`` are sent with this request only. At most one kind of body: ``data`` (dict for a
    form, str, bytes, binary file, iterable of bytes), with ``files`` (multipart; ``data`` is a dict then), or
    ``json``.

    Raises InvalidURL, LocalProtocolError (what may not be sent), TypeError and ValueError (a wrong argument).
    """

    __slots__ = ()

    @hide_arguments
    def __init__(
        self,
        method: str,
        url: URLTypes,
        *,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        data: RequestData | None = None,
        files: RequestFiles | None = None,
        json: object = None,
    ) -> None:
        self._state = build_request(
            method, url, params=params, headers=headers, cookies=cookies, data=data, files=files, json=json
        )

    def read(self) -> bytes:
        """The whole body, which is `content` from then on, and can be sent again.

        Raises StreamConsumed where it was read or sent before and comes only once.
        """
        return run_sync(_read_all(self._state))

    def stream(self) -> Iterator[bytes]:
        """The body piece by piece, from its start. Raises what `read` raises."""
        return PieceIterator(BodyPieces(self._state), run_sync, self)


class AsyncRequest(BaseRequest):
    """A request for `AsyncClient` and asynchronous dispatchers.

    The constructor is that of `Request`; ``data`` may be an asynchronous iterable of bytes as well.
    """

    __slots__ = ()

    @hide_arguments
    def __init__(
        self,
        method: str,
        url: URLTypes,
        *,
        params: QueryParamTypes | None = None,
        headers: HeaderTypes | None = None,
        cookies: CookieTypes | None = None,
        data: AsyncRequestData | None = None,
        files: RequestFiles | None = None,
        json: object = None,
    ) -> None:
        self._state = build_request(
            method,
            url,
            params=params,
            headers=headers,
            cookies=cookies,
            data=data,
            files=files,
            json=json,
            asynchronous=True,
        )

    async def read(self) -> bytes:
        """The whole body, which is `content` from then on, and can be sent again.

        Raises StreamConsumed where it was read or sent before and comes only once.
        """
        return await _read_all(self._state)

    def stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece, from its start. Raises what `read` raises."""
        return AsyncPieceIterator(BodyPieces(self._state), self)
