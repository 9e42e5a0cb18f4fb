"""pyreqwest: ``SyncClient`` and ``Client``, over Rust's reqwest. The CPU of its threads counts.

Bodies stay what it gives, its own buffers: they compare with bytes and can be written to files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from .seam import Answer, AsyncPieces, Headed, Json, Parsed, Setup, Take, file_size, read_pieces

if TYPE_CHECKING:
    from pyreqwest.client import ClientBuilder, SyncClientBuilder

    Builder = TypeVar("Builder", ClientBuilder, SyncClientBuilder)

_VERSIONS = {"HTTP/2.0": "HTTP/2"}


def _set_up(builder: Builder, setup: Setup) -> Builder:
    """HTTP/2: 100 streams are 100 requests, which it counts as connections."""
    return (
        builder.add_root_certificate_pem(Path(setup.ca_file).read_bytes())
        .max_connections(setup.connections)
        .http2(setup.http2)
    )


class PyreqwestSync:
    """``pyreqwest.client.SyncClient``"""

    def __init__(self, setup: Setup) -> None:
        from pyreqwest.client import SyncClientBuilder

        self._client = _set_up(SyncClientBuilder(), setup).build()

    def get(self, url: str) -> Answer:
        response = self._client.get(url).build().send()
        return Answer(response.status, _VERSIONS.get(response.version, response.version), response.bytes())

    def headed(self, url: str, name: str) -> Headed:
        response = self._client.get(url).build().send()
        answer = Answer(response.status, response.version, response.bytes())
        return Headed(answer, response.get_header(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        response = self._client.post(url).body_json(value).build().send()
        return Parsed(response.status, response.json())

    def stream(self, url: str, take: Take) -> int:
        with self._client.get(url).build_streamed() as response:
            reader = response.body_reader
            while (piece := reader.read_chunk()) is not None:
                take(piece)
            return int(response.status)

    def put(self, url: str, file: BinaryIO) -> int:
        builder = self._client.put(url).header("Content-Length", str(file_size(file)))
        return int(builder.body_stream(read_pieces(file)).build().send().status)

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return int(self._client.put(url).body_stream(pieces).build().send().status)

    def close(self) -> None:
        self._client.close()


class PyreqwestAsync:
    """``pyreqwest.client.Client``"""

    def __init__(self, setup: Setup) -> None:
        from pyreqwest.client import ClientBuilder

        self._client = _set_up(ClientBuilder(), setup).build()

    async def get(self, url: str) -> Answer:
        response = await self._client.get(url).build().send()
        version = _VERSIONS.get(response.version, response.version)
        return Answer(response.status, version, (await response.bytes()))

    async def headed(self, url: str, name: str) -> Headed:
        response = await self._client.get(url).build().send()
        answer = Answer(response.status, response.version, (await response.bytes()))
        return Headed(answer, response.get_header(name))

    async def post_json(self, url: str, value: Json) -> Parsed:
        response = await self._client.post(url).body_json(value).build().send()
        return Parsed(response.status, await response.json())

    async def stream(self, url: str, take: Take) -> int:
        async with self._client.get(url).build_streamed() as response:
            reader = response.body_reader
            while (piece := await reader.read_chunk()) is not None:
                take(piece)
            return int(response.status)

    async def put(self, url: str, file: BinaryIO) -> int:
        builder = self._client.put(url).header("Content-Length", str(file_size(file)))
        return int((await builder.body_stream(AsyncPieces(read_pieces(file))).build().send()).status)

    async def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return int((await self._client.put(url).body_stream(AsyncPieces(pieces)).build().send()).status)

    async def close(self) -> None:
        await self._client.close()
