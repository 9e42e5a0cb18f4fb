"""niquests: ``Session`` and ``AsyncSession``. HTTP/3 is off: the server has none.

With HTTP/2 it would open a connection for each request at a time, so it is held to one, as others are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import READ_SIZE, Answer, AsyncPieces, Headed, Json, Parsed, Setup, Take, read_pieces, version_name

if TYPE_CHECKING:
    import niquests


def _answer(response: niquests.Response) -> Answer:
    return Answer(response.status_code, version_name(response.http_version), response.content or b"")


class NiquestsSync:
    """``niquests.Session``"""

    def __init__(self, setup: Setup) -> None:
        import niquests

        self._session = niquests.Session(
            disable_http1=setup.http2,
            disable_http2=not setup.http2,
            disable_http3=True,
            pool_maxsize=1 if setup.http2 else setup.connections,
            verify=setup.ca_file,
        )

    def get(self, url: str) -> Answer:
        return _answer(self._session.get(url))

    def headed(self, url: str, name: str) -> Headed:
        response = self._session.get(url)
        return Headed(_answer(response), response.headers.get(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        response = self._session.post(url, json=value)
        return Parsed(response.status_code, response.json())

    def stream(self, url: str, take: Take) -> int:
        with self._session.get(url, stream=True) as response:
            for piece in response.iter_content(READ_SIZE):
                take(piece)
            return int(response.status_code)

    def put(self, url: str, file: BinaryIO) -> int:
        return int(self._session.put(url, data=file).status_code)

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return int(self._session.put(url, data=pieces).status_code)

    def close(self) -> None:
        self._session.close()


class NiquestsAsync:
    """``niquests.AsyncSession``"""

    def __init__(self, setup: Setup) -> None:
        import niquests

        self._session = niquests.AsyncSession(
            disable_http1=setup.http2,
            disable_http2=not setup.http2,
            disable_http3=True,
            pool_maxsize=1 if setup.http2 else setup.connections,
            verify=setup.ca_file,
        )

    async def get(self, url: str) -> Answer:
        return _answer(await self._session.get(url))

    async def headed(self, url: str, name: str) -> Headed:
        response = await self._session.get(url)
        return Headed(_answer(response), response.headers.get(name))

    async def post_json(self, url: str, value: Json) -> Parsed:
        response = await self._session.post(url, json=value)
        return Parsed(response.status_code, response.json())

    async def stream(self, url: str, take: Take) -> int:
        response = await self._session.get(url, stream=True)
        async for piece in await response.iter_content(READ_SIZE):
            take(piece)
        await response.close()
        return int(response.status_code)

    async def put(self, url: str, file: BinaryIO) -> int:
        return await self.put_pieces(url, read_pieces(file))

    async def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return int((await self._session.put(url, data=AsyncPieces(pieces))).status_code)

    async def close(self) -> None:
        await self._session.close()
