"""pycurl: a ``Curl`` handle for each thread, as its documentation asks for, which keeps its connection.

What is a line of code with other libraries (JSON, a lookup of a header) is done here as a careful user would.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from .seam import Answer, Headed, Json, Parsed, Setup, Take, file_size

if TYPE_CHECKING:
    import pycurl


class PycurlSync:
    """``pycurl.Curl``"""

    def __init__(self, setup: Setup) -> None:
        import pycurl

        self._pycurl = pycurl
        self._setup = setup
        self._versions = {pycurl.CURL_HTTP_VERSION_1_1: "HTTP/1.1", pycurl.CURL_HTTP_VERSION_2_0: "HTTP/2"}
        self._local = threading.local()

    def _handle(self) -> pycurl.Curl:
        try:
            return self._local.handle
        except AttributeError:
            pass
        pycurl = self._pycurl
        handle = self._local.handle = pycurl.Curl()
        handle.setopt(pycurl.CAINFO, self._setup.ca_file)
        handle.setopt(pycurl.NOSIGNAL, 1)
        wanted = pycurl.CURL_HTTP_VERSION_2TLS if self._setup.http2 else pycurl.CURL_HTTP_VERSION_1_1
        handle.setopt(pycurl.HTTP_VERSION, wanted)
        return handle

    def _perform(self, handle: pycurl.Curl, url: str, take: Take) -> int:
        handle.setopt(self._pycurl.URL, url)
        handle.setopt(self._pycurl.WRITEFUNCTION, take)
        handle.perform()
        return int(handle.getinfo(self._pycurl.RESPONSE_CODE))

    def _get(self, url: str) -> tuple[Answer, list[bytes]]:
        """The response, and the lines of its head: whoever wants a response wants them, parsed or not."""
        handle = self._handle()
        found: list[bytes] = []
        lines: list[bytes] = []
        handle.setopt(self._pycurl.HEADERFUNCTION, lines.append)
        status = self._perform(handle, url, found.append)
        version = self._versions[handle.getinfo(self._pycurl.INFO_HTTP_VERSION)]
        return Answer(status, version, b"".join(found)), lines

    def get(self, url: str) -> Answer:
        return self._get(url)[0]

    def headed(self, url: str, name: str) -> Headed:
        answer, lines = self._get(url)
        headers = {}
        for line in lines:
            key, colon, value = line.partition(b":")
            if colon:
                headers[key.decode("latin-1").lower()] = value.strip().decode("latin-1")
        return Headed(answer, headers.get(name))

    def post_json(self, url: str, value: Json) -> Parsed:
        handle = self._handle()
        found: list[bytes] = []
        handle.setopt(self._pycurl.HTTPHEADER, ["Content-Type: application/json"])
        handle.setopt(self._pycurl.POSTFIELDS, json.dumps(value))
        status = self._perform(handle, url, found.append)
        return Parsed(status, json.loads(b"".join(found)))

    def stream(self, url: str, take: Take) -> int:
        return self._perform(self._handle(), url, take)

    def _upload(self, url: str, read: Callable[[int], bytes], size: int) -> int:
        handle = self._handle()
        handle.setopt(self._pycurl.UPLOAD, 1)
        handle.setopt(self._pycurl.READFUNCTION, read)
        handle.setopt(self._pycurl.INFILESIZE_LARGE, size)
        return self._perform(handle, url, len)

    def put(self, url: str, file: BinaryIO) -> int:
        return self._upload(url, file.read, file_size(file))

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        return self._upload(url, _Reader(pieces).read, -1)

    def close(self) -> None:
        self._handle().close()


class _Reader:
    """An iterator of pieces, read by size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        taken, self._piece = self._piece[:size], self._piece[size:]
        return bytes(taken)
