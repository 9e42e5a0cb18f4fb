"""What ``client.stream(...)`` returns: context managers that send a request, and close its response."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from http3_models import AsyncResponse, Response


class ResponseStream:
    """Of a `Client`. ``send`` is called when the ``with`` statement is entered."""

    __slots__ = ("_response", "_send")

    _response: Response

    def __init__(self, send: Callable[[], Response]) -> None:
        self._send = send

    def __enter__(self) -> Response:
        self._response = self._send()
        return self._response

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._response.__exit__(exc_type, exc_value, traceback)


class AsyncResponseStream:
    """Of an `AsyncClient`. ``send`` is awaited when the ``async with`` statement is entered."""

    __slots__ = ("_response", "_send")

    _response: AsyncResponse

    def __init__(self, send: Callable[[], Awaitable[AsyncResponse]]) -> None:
        self._send = send

    async def __aenter__(self) -> AsyncResponse:
        self._response = await self._send()
        return self._response

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._response.__aexit__(exc_type, exc_value, traceback)
