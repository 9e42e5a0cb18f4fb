"""httpx: ``Client`` and ``AsyncClient``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import Answer, AsyncPieces, Headed, Json, Parsed, Setup, Take, read_pieces, ssl_context

if TYPE_CHECKING:
    import httpx


def _limits(setup: Setup) -> httpx.Limits:
    import httpx

    return httpx.Limits(max_connections=setup.connections, max_keepalive_connections=setup.connections)


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.http_version, response.content)


class HttpxSync:
    """``httpx.Client``; no timeout for the pool, where 1000 tasks wait for 100 connections"""

    def __init__(self, setup: Setup) -> None:
        import httpx

        self._client = httpx.Client(
            verify=ssl_context(setup),
            http1=not setup.http2,
            http2=setup.http2,
            limits=_limits(setup),
            timeout=httpx.Timeout(5.0, pool=None),
        )

    def get(self, url: str) -> Answer:
        return _answer(self._client.get(url))

    def headed(self, url: str, name: str) -> Headed:
        response = self._client.get(url)
        return Headed(_answer(response), response.headers.get(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        response = self._client.post(url, json=value)
        return Parsed(response.status_code, response.json())

    def stream(self, url: str, take: Take) -> int:
        with self._client.stream("GET", url) as response:
            for piece in response.iter_bytes():
                take(piece)
            return response.status_code

    def put(self, url: str, file: BinaryIO) -> int:
        return self._client.put(url, content=file).status_code

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return self._client.put(url, content=pieces).status_code

    def close(self) -> None:
        self._client.close()


class HttpxAsync:
    """``httpx.AsyncClient``, with the same settings"""

    def __init__(self, setup: Setup) -> None:
        import httpx

        self._client = httpx.AsyncClient(
            verify=ssl_context(setup),
            http1=not setup.http2,
            http2=setup.http2,
            limits=_limits(setup),
            timeout=httpx.Timeout(5.0, pool=None),
        )

    async def get(self, url: str) -> Answer:
        return _answer(await self._client.get(url))

    async def headed(self, url: str, name: str) -> Headed:
        response = await self._client.get(url)
        return Headed(_answer(response), response.headers.get(name))

    async def post_json(self, url: str, value: Json) -> Parsed:
        response = await self._client.post(url, json=value)
        return Parsed(response.status_code, response.json())

    async def stream(self, url: str, take: Take) -> int:
        async with self._client.stream("GET", url) as response:
            async for piece in response.aiter_bytes():
                take(piece)
            return response.status_code

    async def put(self, url: str, file: BinaryIO) -> int:
        return await self.put_pieces(url, read_pieces(file))

    async def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return (await self._client.put(url, content=AsyncPieces(pieces))).status_code

    async def close(self) -> None:
        await self._client.aclose()
