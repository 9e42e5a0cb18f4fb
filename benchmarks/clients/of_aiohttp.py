"""aiohttp: ``ClientSession``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import Answer, AsyncPieces, CannotDo, Headed, Json, Parsed, Setup, Take, ssl_context

if TYPE_CHECKING:
    import aiohttp


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    version = response.version
    name = f"HTTP/{version.major}.{version.minor}" if version else "unknown"
    return Answer(response.status, name, await response.read())


class AiohttpAsync:
    """``aiohttp.ClientSession``"""

    def __init__(self, setup: Setup) -> None:
        import aiohttp

        if setup.http2:
            raise CannotDo("no HTTP/2")
        connector = aiohttp.TCPConnector(limit=setup.connections, ssl=ssl_context(setup))
        self._session = aiohttp.ClientSession(connector=connector)

    async def get(self, url: str) -> Answer:
        async with self._session.get(url) as response:
            return await _answer(response)

    async def headed(self, url: str, name: str) -> Headed:
        async with self._session.get(url) as response:
            return Headed(await _answer(response), response.headers.get(name))

    async def post_json(self, url: str, value: Json) -> Parsed:
        async with self._session.post(url, json=value) as response:
            return Parsed(response.status, await response.json())

    async def stream(self, url: str, take: Take) -> int:
        async with self._session.get(url) as response:
            async for piece in response.content.iter_any():
                take(piece)
            return response.status

    async def put(self, url: str, file: BinaryIO) -> int:
        async with self._session.put(url, data=file) as response:
            await response.read()
            return response.status

    async def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        async with self._session.put(url, data=AsyncPieces(pieces)) as response:
            await response.read()
            return response.status

    async def close(self) -> None:
        await self._session.close()
