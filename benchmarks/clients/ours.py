"""http3: ``Client`` and ``AsyncClient``, the latter on asyncio or trio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import Answer, Headed, Json, Parsed, Setup, Take

if TYPE_CHECKING:
    import http3


def _versions(setup: Setup) -> tuple[str, ...]:
    return ("HTTP/2",) if setup.http2 else ("HTTP/1.1",)


def _pool_limits(setup: Setup) -> http3.PoolLimits:
    import http3

    count = setup.connections
    return http3.PoolLimits(soft_limit=count, hard_limit=count, pool_timeout=None)


class Http3Sync:
    """``http3.Client``"""

    def __init__(self, setup: Setup) -> None:
        import http3

        self._client = http3.Client(
            verify=setup.ca_file, http_versions=_versions(setup), pool_limits=_pool_limits(setup)
        )

    def get(self, url: str) -> Answer:
        response = self._client.get(url)
        return Answer(response.status_code, response.protocol, response.content)

    def headed(self, url: str, name: str) -> Headed:
        response = self._client.get(url)
        answer = Answer(response.status_code, response.protocol, response.content)
        return Headed(answer, response.headers.get(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        response = self._client.post(url, json=value)
        return Parsed(response.status_code, response.json())

    def stream(self, url: str, take: Take) -> int:
        with self._client.get(url, stream=True) as response:
            for piece in response.stream():
                take(piece)
            return response.status_code

    def put(self, url: str, file: BinaryIO) -> int:
        return self._client.put(url, data=file).status_code

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return self._client.put(url, data=pieces).status_code

    def close(self) -> None:
        self._client.close()


class Http3Async:
    """``http3.AsyncClient``"""

    def __init__(self, setup: Setup) -> None:
        import http3

        self._client = http3.AsyncClient(
            verify=setup.ca_file, http_versions=_versions(setup), pool_limits=_pool_limits(setup)
        )

    async def get(self, url: str) -> Answer:
        response = await self._client.get(url)
        return Answer(response.status_code, response.protocol, response.content)

    async def headed(self, url: str, name: str) -> Headed:
        response = await self._client.get(url)
        answer = Answer(response.status_code, response.protocol, response.content)
        return Headed(answer, response.headers.get(name))

    async def post_json(self, url: str, value: Json) -> Parsed:
        response = await self._client.post(url, json=value)
        return Parsed(response.status_code, await response.json())

    async def stream(self, url: str, take: Take) -> int:
        async with await self._client.get(url, stream=True) as response:
            async for piece in response.stream():
                take(piece)
            return response.status_code

    async def put(self, url: str, file: BinaryIO) -> int:
        return (await self._client.put(url, data=file)).status_code

    async def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return (await self._client.put(url, data=pieces)).status_code

    async def close(self) -> None:
        await self._client.close()
