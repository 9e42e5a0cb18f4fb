"""curl_cffi: ``Session`` and ``AsyncSession``, without impersonation of a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import Answer, CannotDo, Headed, Json, Parsed, Setup, Take

if TYPE_CHECKING:
    from curl_cffi import CurlHttpVersion
    from curl_cffi.requests import Response

_VERSIONS = {2: "HTTP/1.1", 3: "HTTP/2"}


def _http_version(setup: Setup) -> CurlHttpVersion:
    from curl_cffi import CurlHttpVersion

    return CurlHttpVersion.V2TLS if setup.http2 else CurlHttpVersion.V1_1


def _answer(response: Response) -> Answer:
    return Answer(response.status_code, _VERSIONS[response.http_version], response.content)


class CurlCffiSync:
    """``curl_cffi.requests.Session``"""

    def __init__(self, setup: Setup) -> None:
        from curl_cffi.requests import Session

        self._session = Session(verify=setup.ca_file, http_version=_http_version(setup))

    def get(self, url: str) -> Answer:
        return _answer(self._session.get(url))

    def headed(self, url: str, name: str) -> Headed:
        response = self._session.get(url)
        return Headed(_answer(response), response.headers.get(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        response = self._session.post(url, json=value)
        return Parsed(response.status_code, response.json())

    def stream(self, url: str, take: Take) -> int:
        return int(self._session.get(url, content_callback=take).status_code)

    def put(self, url: str, file: BinaryIO) -> int:
        raise CannotDo("uploads from memory only")

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        raise CannotDo("uploads from memory only")

    def close(self) -> None:
        self._session.close()


class CurlCffiAsync:
    """``curl_cffi.requests.AsyncSession``"""

    def __init__(self, setup: Setup) -> None:
        from curl_cffi.requests import AsyncSession

        self._session = AsyncSession(
            verify=setup.ca_file, http_version=_http_version(setup), max_clients=setup.connections
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
        return int((await self._session.get(url, content_callback=take)).status_code)

    async def put(self, url: str, file: BinaryIO) -> int:
        raise CannotDo("uploads from memory only")

    async def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        raise CannotDo("uploads from memory only")

    async def close(self) -> None:
        await self._session.close()
