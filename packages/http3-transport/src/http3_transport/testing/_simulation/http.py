"""What both of the simulation's HTTP servers do: ask the handler, and look at what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from http3_models import URL, AsyncResponse, Request, RequestError, Response
from http3_models.engine import (
    BytesBody,
    MemoryBody,
    RequestState,
    copy_response,
    has_no_body,
    headers_from_pairs,
    state_of,
    view_request,
)

from .faults import Dice, Range, probability, range_of_seconds

if TYPE_CHECKING:
    from http3_models.engine import FieldPair, ResponseState

    from .server_connections import ServerConnection

AnyResponse: TypeAlias = Response | AsyncResponse

Handler: TypeAlias = Callable[[Request], AnyResponse | Awaitable[AnyResponse]]
"""Answers a request; the same functions serve a `MockDispatcher`."""


class HTTPServer:
    """The options that both servers have, and how they ask the handler."""

    def __init__(self, handler: Handler, *, dies: float, delay: Range) -> None:
        if not callable(handler):
            raise TypeError(f"handler must be callable, not {type(handler).__name__}")
        self._handler = handler
        self._dies = probability("dies", dies)
        self._delay = range_of_seconds("delay", delay)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self._handler, '__name__', self._handler)})"

    def dies_now(self, connection: ServerConnection) -> bool:
        """Whether something is to go wrong with the next answer."""
        return Dice(connection.random).happens(self._dies)

    async def answer(self, connection: ServerConnection, request: RequestState) -> Answer:
        """What the handler answers, after the delay."""
        if seconds := Dice(connection.random).seconds(self._delay):
            await connection.sleep(seconds)
        try:
            response = self._handler(view_request(Request, request))
            if isinstance(response, Awaitable):
                response = await response
        except (OSError, RequestError) as exc:
            # These are what servers may meet when a client goes away, and are let pass.
            raise RuntimeError(f"the handler of a simulated server failed: {exc!r}") from exc
        if not isinstance(response, Response | AsyncResponse):
            raise TypeError(f"the handler must return a Response, not {type(response).__name__}")
        return Answer(copy_response(state_of(response), request), request)


class Answer:
    """A response on its way out. ``length`` is that of its body; None: known at its end."""

    __slots__ = ("_body", "fields", "length", "reason_phrase", "status_code")

    def __init__(self, state: ResponseState, request: RequestState) -> None:
        state.request = request
        body = None if has_no_body(state) else state.body
        self.status_code = state.status_code
        self.reason_phrase = state.reason_phrase
        self.fields: list[FieldPair] = state.headers.wire
        self._body = body
        memory = state.body
        self.length: int | None = None
        if memory is None or isinstance(memory, MemoryBody):
            self.length = 0 if memory is None else len(memory.data)

    def has(self, name: bytes) -> bool:
        """Whether the handler has set the field (in lower case)."""
        return any(field.lower() == name for field, _ in self.fields)

    @property
    def has_body(self) -> bool:
        """Whether a body is sent; not with HEAD, 204 and 304."""
        return self._body is not None

    async def next_piece(self) -> bytes:
        """The next bytes of the body; b"" at its end."""
        return b"" if self._body is None else await self._body.read_chunk()


def received_request(
    connection: ServerConnection, method: str, host: str, target: str, fields: list[FieldPair], body: bytes
) -> RequestState:
    """A request as the handler gets it, just as it came."""
    scheme = "https" if connection.is_tls else "http"
    url = target if "://" in target else f"{scheme}://{host}{target if target.startswith('/') else '/'}"
    return RequestState(method, URL(url), headers_from_pairs(fields), BytesBody(body))
