"""What every measured client can be asked for, and how it is to be made.

A client is a class in a module beside this one: made with a `Setup`, it imports its library then and not
before, so that a process pays for the one it measures only. What is told to one library is told to all: the
number of connections, HTTP version, CA. All else stays as each has it by default. What a library can't do at
all it answers with `CannotDo`, and the report says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    import ssl

UPLOAD_PIECE = 64 * 1024
"""Bytes that async clients which take no file are given at a time."""

READ_SIZE = 256 * 1024
"""Bytes that clients which must be told read at a time. It is what http3 asks the kernel for, too."""


class CannotDo(Exception):
    """The library has no way to do this."""


class Setup(NamedTuple):
    """How a client is to be made."""

    ca_file: str
    http2: bool = False
    connections: int = 100


class Answer(NamedTuple):
    """A response, read whole."""

    status: int
    version: str
    body: bytes


class Headed(NamedTuple):
    """A response of which one header was looked up."""

    answer: Answer
    value: str | None


class Parsed(NamedTuple):
    """A response whose body was JSON."""

    status: int
    value: object


Take = Callable[[bytes], object]

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"


class SyncClient(Protocol):
    """A client that blocks."""

    def get(self, url: str) -> Answer:
        """The whole response."""

    def headed(self, url: str, name: str) -> Headed:
        """The same, and the value of a response header."""

    def post_json(self, url: str, value: Json) -> Parsed:
        """Send a value as JSON, read the answer as JSON."""

    def stream(self, url: str, take: Take) -> int:
        """Hand each piece of the body to ``take``, keep none; the status."""

    def put(self, url: str, file: BinaryIO) -> int:
        """Send a file, its length announced, without having it in memory; the status."""

    def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int:
        """Send what an iterator gives, its length unknown; the status."""

    def close(self) -> None:
        """The end."""


class AsyncClient(Protocol):
    """The same, awaited."""

    async def get(self, url: str) -> Answer: ...
    async def headed(self, url: str, name: str) -> Headed: ...
    async def post_json(self, url: str, value: Json) -> Parsed: ...
    async def stream(self, url: str, take: Take) -> int: ...
    async def put(self, url: str, file: BinaryIO) -> int: ...
    async def put_pieces(self, url: str, pieces: Iterator[bytes]) -> int: ...
    async def close(self) -> None: ...


class AsyncPieces:
    """An iterator of bytes as the async iterable that some clients want."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncPieces:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """A file, piece by piece."""
    return iter(lambda: file.read(UPLOAD_PIECE), b"")


def file_size(file: BinaryIO) -> int:
    """Bytes of a file, for clients that must be told."""
    return os.fstat(file.fileno()).st_size


def ssl_context(setup: Setup) -> ssl.SSLContext:
    """What clients verify with that want an SSLContext."""
    import ssl

    return ssl.create_default_context(cafile=setup.ca_file)


def version_name(number: object) -> str:
    """HTTP/1.1 or HTTP/2, from the 11 or 20 that some libraries say."""
    return (
        {11: "HTTP/1.1", 20: "HTTP/2"}.get(number, repr(number)) if isinstance(number, int) else repr(number)
    )
