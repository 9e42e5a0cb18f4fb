"""Type aliases for the arguments of clients, requests and responses.

They are real unions at run time (``typing.get_args`` shows their members), so that frameworks can use them.
Classes that are costly to import are forward references.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from ._body_protocols import BinaryFile
from ._config import CertTypes, TimeoutTypes, VerifyTypes
from ._cookies import CookieTypes
from ._headers import HeaderTypes
from ._url import URL, QueryParamTypes

__all__ = [
    "AsyncRequestData",
    "AsyncResponseContent",
    "AuthFlow",
    "AuthTypes",
    "CertTypes",
    "CookieTypes",
    "FileContent",
    "FileTypes",
    "HeaderTypes",
    "NamedContent",
    "QueryParamTypes",
    "RequestData",
    "RequestFiles",
    "ResponseContent",
    "TimeoutTypes",
    "URLTypes",
    "VerifyTypes",
]

URLTypes: TypeAlias = str | URL
"""An absolute URL; relative where there is a ``base_url``."""


class AuthFlow(Protocol):
    """The protocol of `http3.Auth`. Requests and responses are those of the client, sync or async, which no
    single type expresses."""

    def auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Yield requests, be given their responses."""


AuthTypes: TypeAlias = tuple[str | bytes, str | bytes] | Callable[[Any], Any] | AuthFlow | Literal[False]
"""(user, password), a callable that takes a request and returns one, an ``Auth``; False: none at all."""

RequestData: TypeAlias = (
    str
    | bytes
    | bytearray
    | memoryview
    | Mapping[str, object]
    | Iterable[tuple[str, object]]
    | BinaryFile
    | Iterable[bytes]
)
"""``data``: text (UTF-8), bytes, a form, a binary file, an iterable of bytes.

The values of a form are str, bytes, int, float, bool or None (the field is left out), or lists of these,
which repeat the field; see `QueryParamTypes` for why the type is wider.
"""

AsyncRequestData: TypeAlias = RequestData | AsyncIterable[bytes]
"""``data`` of the async client: an asynchronous iterable of bytes as well."""

FileContent: TypeAlias = BinaryFile | bytes | bytearray | memoryview
"""What is in a part of multipart/form-data."""

NamedContent: TypeAlias = FileContent | str
"""What may stand behind a filename; str is sent as UTF-8."""

FileTypes: TypeAlias = (
    FileContent
    | tuple[str | None, NamedContent]
    | tuple[str | None, NamedContent, str | None]
    | tuple[str | None, NamedContent, str | None, Mapping[str, str]]
)
"""Content, or (filename, content[, content type[, headers]])."""

RequestFiles: TypeAlias = Mapping[str, FileTypes | Sequence[FileTypes]] | Sequence[tuple[str, FileTypes]]
"""``files``: the parts of multipart/form-data, by the name of their field; a list repeats the field."""

ResponseContent: TypeAlias = bytes | bytearray | memoryview | Iterable[bytes]
"""``content`` of a `Response`: all of it, or piece by piece, read on demand."""

AsyncResponseContent: TypeAlias = ResponseContent | AsyncIterable[bytes]
"""``content`` of an `AsyncResponse`: an asynchronous iterable as well."""
