"""From the arguments of `Response` and `AsyncResponse` to a `ResponseState`.

Dispatchers, handlers and tests make such responses; those of a server are made by the transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._brief import short_repr
from .._headers import Headers
from .._records import ResponseState
from .._request import encode_request
from .._timing import ConnectionInfo, PhaseTimes, Timings
from .._url import URL, utf8
from .bodies import IterableBody, MemoryBody

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from .._body_protocols import ResponseBody
    from .._headers import HeaderFields
    from .._types import AsyncResponseContent, URLTypes


def new_state(
    status_code: int,
    reason_phrase: str | None,
    protocol: str | None,
    headers: HeaderFields | None,
    elapsed: timedelta | float | None,
) -> ResponseState:
    """A state without a body. Raises TypeError and ValueError for a wrong status code."""
    state = ResponseState(
        status_code=_checked_status(status_code),
        reason_phrase=_registered_phrase(status_code) if reason_phrase is None else reason_phrase,
        protocol="HTTP/1.1" if protocol is None else str(protocol),
        headers=Headers(headers),
        body=None,
    )
    if elapsed is not None:
        state.elapsed = _seconds(elapsed)
    return state


def _seconds(elapsed: object) -> float:
    if isinstance(elapsed, int | float):
        try:
            return float(elapsed)
        except OverflowError as exc:
            raise ValueError(f"elapsed is too large: {short_repr(elapsed)}") from exc
    from datetime import timedelta

    if not isinstance(elapsed, timedelta):
        raise TypeError(f"elapsed must be a timedelta or seconds, not {type(elapsed).__name__}")
    return elapsed.total_seconds()


def _registered_phrase(status_code: int) -> str:
    from .._status import get_reason_phrase

    return get_reason_phrase(status_code)


def _checked_status(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"status_code must be an int, not {type(value).__name__}")
    if not 100 <= value <= 999:
        raise ValueError(f"status_code must be between 100 and 999, not {short_repr(int(value))}")
    return int(value)


def set_body(
    state: ResponseState,
    content: AsyncResponseContent | None,
    text: str | None,
    html: str | None,
    json: object,
    on_close: Callable[[], object] | None,
) -> None:
    """Give ``state`` its body and, for text, html and json, its Content-Type. Raises TypeError."""
    given = {"content": content, "text": text, "html": html, "json": json}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise TypeError(f"a response has one body: {' and '.join(names)} can't be given together")
    for name in ("text", "html"):
        if not isinstance(given[name], str | None):
            raise TypeError(f"{name} must be a str, not {type(given[name]).__name__}")
    if text is not None:
        content, content_type = utf8(text, "text"), "text/plain; charset=utf-8"
    elif html is not None:
        content, content_type = utf8(html, "html"), "text/html; charset=utf-8"
    elif json is not None:
        content, content_type = encode_request(json=json)[0].data, "application/json"
    else:
        content_type = None
    if content_type is not None and "content-type" not in state.headers:
        state.headers["Content-Type"] = content_type
    state.body = _body_of(content, on_close)


def set_request(state: ResponseState, request: object, history: object) -> None:
    """Give ``state`` the request that it answers, and the responses before it. Raises TypeError."""
    from .._request import AsyncRequest, Request
    from .base import BaseResponse

    if request is not None:
        if not isinstance(request, Request | AsyncRequest):
            raise TypeError(f"request must be a Request or AsyncRequest, not {type(request).__name__}")
        state.request = request._state
    if history:
        if not isinstance(history, list | tuple):
            raise TypeError(f"history must be a list of responses, not {type(history).__name__}")
        for earlier in history:
            if not isinstance(earlier, BaseResponse):
                raise TypeError(f"history must hold responses, not {type(earlier).__name__}")
            state.history.append(earlier._state)


def set_exchange(
    state: ResponseState,
    trailers: HeaderFields | None,
    connection: object,
    timings: object,
    url: URLTypes | None,
) -> None:
    """Give ``state`` the other results of its exchange. Raises TypeError and InvalidURL."""
    if url is not None:
        state.url = URL(url)
    if trailers is not None:
        state.trailers = Headers(trailers)
    if connection is not None:
        if not isinstance(connection, ConnectionInfo):
            raise TypeError(f"connection must be a ConnectionInfo, not {type(connection).__name__}")
        state.connection = connection
    if timings is not None:
        if not isinstance(timings, Timings):
            raise TypeError(f"timings must be a Timings, not {type(timings).__name__}")
        state.phases = PhaseTimes.of(timings)


def _body_of(
    content: AsyncResponseContent | None, on_close: Callable[[], object] | None
) -> ResponseBody | None:
    if content is None and on_close is None:
        return None
    if content is None or isinstance(content, bytes | bytearray | memoryview):
        return MemoryBody(bytes(content or b""), on_close)
    if isinstance(content, str) or not (hasattr(content, "__iter__") or hasattr(content, "__aiter__")):
        raise TypeError(f"content must be bytes or an iterable of bytes, not {type(content).__name__}")
    return IterableBody(content, on_close)
