"""`MockDispatcher`: responses from a function, for tests and for programs without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._dispatchers import Dispatcher
from ._request import AsyncRequest, Request, view_request
from ._response import AsyncResponse, Response, view_response
from ._transport import answer_to, copy_response, sends_by_exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._config import CertTypes, TimeoutTypes, VerifyTypes
    from ._records import RequestState, ResponseState


class MockDispatcher(Dispatcher):
    """Calls ``handler`` with each request, which returns the response; nothing is sent.

        client = http3.Client(dispatch=MockDispatcher(lambda request: Response(200, text="Hello")))

    In `Client` it is given a `Request` and returns a `Response`; in `AsyncClient` it is given an
    `AsyncRequest` and returns an `AsyncResponse`, a `Response`, or an awaitable of one. The same response may
    be returned many times, if its content is bytes. What the handler raises passes through unchanged.
    """

    blocks = True
    """In a sync client nothing suspends; in an async one the handler may suspend."""
    serves_both = True

    def __init__(self, handler: Callable[[Any], Any]) -> None:
        self._handler = handler
        if not callable(handler):
            raise TypeError(f"handler must be callable, not {type(handler).__name__}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({getattr(self._handler, '__name__', self._handler)})"

    @sends_by_exchange
    def send(
        self,
        request: Request,
        verify: VerifyTypes | None = None,
        cert: CertTypes | None = None,
        timeout: TimeoutTypes | None = None,
    ) -> Response:
        """The handler's response to ``request``. Raises TypeError where that is no `Response`."""
        answer = self._handler(request)
        if not isinstance(answer, Response):
            raise _wrong_answer(answer, "a Response")
        response = view_response(type(answer), copy_response(answer._state, request._state))
        response._request = request
        return response

    async def exchange(self, request: RequestState) -> ResponseState:
        """See `Transport.exchange`. The handler is given an `AsyncRequest` if an async client sends it."""
        started = self.now()
        if not request.asynchronous:
            answer = self._handler(view_request(Request, request))
            if not isinstance(answer, Response):
                raise _wrong_answer(answer, "a Response")
        else:
            answer = self._handler(view_request(AsyncRequest, request))
            if hasattr(answer, "__await__"):
                answer = await answer
            if not isinstance(answer, AsyncResponse | Response):
                raise _wrong_answer(answer, "a Response or an AsyncResponse")
        return answer_to(request, answer, self.now, started)


def _wrong_answer(answer: object, expected: str) -> TypeError:
    """The error for a handler's result; a coroutine is closed, so that it does not warn."""
    hint = ""
    if hasattr(answer, "__await__"):
        hint = "; an asynchronous handler is for AsyncClient"
        if hasattr(answer, "close"):
            answer.close()
    return TypeError(f"the handler must return {expected}, not {type(answer).__name__}{hint}")
