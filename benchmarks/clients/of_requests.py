"""requests: ``Session``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import READ_SIZE, Answer, CannotDo, Headed, Json, Parsed, Setup, Take, version_name

if TYPE_CHECKING:
    import requests


def _answer(response: requests.Response) -> Answer:
    return Answer(response.status_code, version_name(response.raw.version), response.content)


class RequestsSync:
    """``requests.Session``; pieces of a stream are as large as for others, not the one byte of its default"""

    def __init__(self, setup: Setup) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        if setup.http2:
            raise CannotDo("no HTTP/2")
        self._session = requests.Session()
        self._session.verify = setup.ca_file
        for prefix in ("http://", "https://"):
            self._session.mount(prefix, HTTPAdapter(pool_maxsize=setup.connections))

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
            return response.status_code

    def put(self, url: str, file: BinaryIO) -> int:
        return self._session.put(url, data=file).status_code

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return self._session.put(url, data=pieces).status_code

    def close(self) -> None:
        self._session.close()
