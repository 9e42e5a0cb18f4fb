"""urllib3: ``PoolManager``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import READ_SIZE, Answer, CannotDo, Headed, Json, Parsed, Setup, Take, file_size, version_name

if TYPE_CHECKING:
    import urllib3


def _answer(response: urllib3.BaseHTTPResponse) -> Answer:
    return Answer(response.status, version_name(response.version), response.data)


class Urllib3Sync:
    """``urllib3.PoolManager``"""

    def __init__(self, setup: Setup) -> None:
        import urllib3

        if setup.http2:
            raise CannotDo("no HTTP/2")
        self._pools = urllib3.PoolManager(maxsize=setup.connections, ca_certs=setup.ca_file)

    def get(self, url: str) -> Answer:
        return _answer(self._pools.request("GET", url))

    def headed(self, url: str, name: str) -> Headed:
        response = self._pools.request("GET", url)
        return Headed(_answer(response), response.headers.get(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        response = self._pools.request("POST", url, json=value)
        return Parsed(response.status, response.json())

    def stream(self, url: str, take: Take) -> int:
        response = self._pools.request("GET", url, preload_content=False)
        for piece in response.stream(READ_SIZE):
            take(piece)
        response.release_conn()
        return response.status

    def put(self, url: str, file: BinaryIO) -> int:
        length = str(file_size(file))
        return self._pools.request("PUT", url, body=file, headers={"Content-Length": length}).status

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return self._pools.request("PUT", url, body=pieces).status

    def close(self) -> None:
        self._pools.clear()
