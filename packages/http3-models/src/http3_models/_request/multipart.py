"""multipart/form-data, streamed (RFC 7578, and the WHATWG's HTML standard for how names are escaped).

A multipart body is a sequence of bodies: bytes (boundaries, part heads, fields) and files in turn. A file is
read when the bytes before it were, 64 KiB at a time. The length is known if every file's is, and the body can
be sent again if every file can. Without files on disk it is one `BytesBody`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from .._body_protocols import BinaryFile
from .._brief import short_repr
from .._exceptions import LocalProtocolError
from .._grammar import TOKEN
from .._redaction import forget_text
from .._url import utf8
from .bodies import BytesBody, FileBody, LeftBehindBody
from .boundary import check_content, choose_boundary
from .forms import form_pairs

if TYPE_CHECKING:
    from .._body_protocols import RequestBody

_DEFAULT_NAME = "upload"
"""The file name of content without one, as in http3 0.6.7: servers take a part without a file name for a
field."""

_DEFAULT_TYPE = "application/octet-stream"

_TYPES = {
    ".bin": _DEFAULT_TYPE,
    ".css": "text/css",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tar": "application/x-tar",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xml": "text/xml",
    ".zip": "application/zip",
}
"""The usual types; others are looked up in `mimetypes`, which takes several ms to load and reads the system's
table."""

_FILE_NAME = re.compile(r"[\w ./\\:~()-]{1,80}\.[A-Za-z0-9]{1,5}")
"""What a message may show of a str in ``files``; another may be a text, and secret."""

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
_FORBIDDEN = ("\r", "\n", "\0")


class MultipartBody:
    """Several bodies, sent one after the other."""

    __slots__ = ("_index", "_parts")

    data = None

    def __init__(self, parts: tuple[BytesBody | FileBody, ...]) -> None:
        self._parts = parts
        self._index = 0

    def __repr__(self) -> str:
        return f"<MultipartBody [{'?' if self.length is None else self.length} bytes]>"

    def __reduce__(self) -> tuple[Any, ...]:
        if not all(part.can_rewind for part in self._parts if isinstance(part, FileBody)):
            return (LeftBehindBody, (self.length,))
        return (BytesBody, (b"".join([part.content() for part in self._parts]),))

    @property
    def length(self) -> int | None:
        total = 0
        for part in self._parts:
            if part.length is None:
                return None
            total += part.length
        return total

    @property
    def file_ahead(self) -> FileBody | None:
        """The file that is read next, None while bytes are."""
        return self._parts[self._index].file_ahead if self._index < len(self._parts) else None

    @property
    def can_send_again(self) -> bool:
        return all(part.can_send_again for part in self._parts)

    async def read_chunk(self) -> bytes:
        while self._index < len(self._parts):
            part = self._parts[self._index]
            chunk = await part.read_chunk()
            if not chunk or isinstance(part, BytesBody):  # one chunk is all of it
                self._index += 1
            if chunk:
                return chunk
        return b""

    def rewind(self) -> None:
        for part in self._parts:
            part.rewind()
        self._index = 0


def encode_multipart(
    data: Mapping[Any, Any], files: object, given_type: str | None = None
) -> tuple[RequestBody, str]:
    """The body and its Content-Type for form fields and files.

    ``files`` is a mapping or a list of pairs: name -> a binary file, bytes, or a tuple (filename, one of
    these or str[, content_type[, headers]]); a list of them repeats the name. A str alone is refused: it may
    be a path or a text. A filename of None makes the part a plain field. Content type None is guessed by the
    file name. ``headers`` is a mapping or a list of pairs of str.
    ``given_type``: the Content-Type that the caller wrote, see `choose_boundary`.
    """
    boundary, content_type = choose_boundary(given_type)
    writer = _Writer(boundary, checks=given_type is not None)
    for name, value in form_pairs(data):
        utf8(name, f"data: the name {short_repr(name)}")
        content = value if isinstance(value, bytes) else utf8(value, f"data[{short_repr(name)}]")
        writer.add_part(_head(_disposition(name, None), {}), content)
    for name, value in _pairs(files):
        writer.add_part(*_file_part(name, value))
    return writer.body(), content_type


class _Writer:
    """Collects the parts; neighbouring bytes become one piece.

    ``checks``: the boundary is the caller's, and might be in the content.
    """

    def __init__(self, boundary: str, *, checks: bool) -> None:
        self._boundary = boundary
        self._checks = checks
        self._delimiter = f"--{boundary}\r\n".encode()
        self._parts: list[BytesBody | FileBody] = []
        self._pending: list[bytes] = []

    def add_part(self, head: bytes, content: bytes | FileBody) -> None:
        self._pending += (self._delimiter, head)
        if isinstance(content, bytes):
            if self._checks:
                check_content(content, self._boundary)
            self._pending.append(content)
        else:
            self._flush()
            self._parts.append(content)
        self._pending.append(b"\r\n")

    def body(self) -> RequestBody:
        self._pending.append(f"--{self._boundary}--\r\n".encode())
        self._flush()
        return self._parts[0] if len(self._parts) == 1 else MultipartBody(tuple(self._parts))

    def _flush(self) -> None:
        self._parts.append(BytesBody(b"".join(self._pending)))
        self._pending = []


def _pairs(files: object) -> list[tuple[str, Any]]:
    items: Iterable[Any]
    if isinstance(files, Mapping):
        items = files.items()
    elif isinstance(files, list | tuple):
        items = files
    else:
        raise TypeError(f"files must be a dict or a list of pairs, not {type(files).__name__}")
    pairs = list(items)
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TypeError("files: each item must be a pair (name, file)")
    several = [(name, value if isinstance(value, list) else (value,)) for name, value in pairs]
    return [(name, value) for name, values in several for value in values]


def _file_part(name: str, value: Any) -> tuple[bytes, bytes | FileBody]:
    """The head of a part and its content."""
    if isinstance(value, str):
        path = repr(value) if _FILE_NAME.fullmatch(value) else "path"
        raise TypeError(
            f"files: {short_repr(name)} is a str; write open({path}, 'rb') if it is a path, and "
            "(filename, text) if it is a text to be sent"
        )
    if not isinstance(value, tuple):
        value = (_name_of(value), value)
    if not 2 <= len(value) <= 4:
        raise TypeError(
            f"files: {short_repr(name)} must be a file or (filename, file[, content_type[, headers]]), "
            f"not a tuple of {len(value)}"
        )
    filename, file, content_type, headers = (*value, None, None)[:4]
    if isinstance(filename, bytes | os.PathLike):
        filename = os.fsdecode(filename)
    if filename is not None and not isinstance(filename, str):
        raise TypeError(
            f"files: the filename of {short_repr(name)} must be str or None, not {type(filename).__name__}"
        )
    if content_type is not None and not isinstance(content_type, str):
        raise TypeError(
            f"files: the content type of {short_repr(name)} must be str, not {type(content_type).__name__}"
        )
    fields = _headers(name, filename, content_type, headers)
    utf8(name, f"files: the name {short_repr(name)}")
    _check_text(filename or "", f"files: the filename of {short_repr(name)}")
    for key, text in fields.items():
        _check_text(text, f"files: the header {short_repr(key)} of {short_repr(name)}")
    return _head(_disposition(name, filename), fields), _content(name, file)


def _check_text(text: str, what: str) -> None:
    """Raise ValueError for what `_head` can't encode. It can encode file names from `os.fsdecode`."""
    try:
        _octets(text)
    except UnicodeEncodeError as exc:
        forget_text(exc)
        raise ValueError(f"{what} can't be encoded as UTF-8: {exc.reason}") from exc


def _octets(text: str) -> bytes:
    """UTF-8; surrogate escapes (PEP 383), from file names that are no UTF-8, become their bytes."""
    return text.encode("utf-8", "surrogateescape")


def _content(name: str, file: object) -> bytes | FileBody:
    if isinstance(file, str):
        return utf8(file, f"files: the content of {short_repr(name)}")
    if isinstance(file, bytes | bytearray | memoryview):
        return bytes(file)
    if callable(getattr(file, "read", None)) and not hasattr(file, "__aiter__"):
        try:
            return FileBody(cast(BinaryFile, file))
        except TypeError as exc:
            raise TypeError(f"files: {short_repr(name)}: {exc}") from exc
    if isinstance(file, os.PathLike):
        path = os.fspath(file)
        raise TypeError(f"files: {short_repr(name)} is a path; write open({short_repr(path)}, 'rb')")
    raise TypeError(
        f"files: {short_repr(name)} must be a binary file, bytes or (filename, file), "
        f"not {type(file).__name__}"
    )


def _name_of(file: object) -> str:
    """The last component of a file's path; `_DEFAULT_NAME` for streams such as ``<stdin>``."""
    name = getattr(file, "name", None)
    if isinstance(name, bytes | os.PathLike):
        name = os.fsdecode(name)
    if not isinstance(name, str) or name.startswith("<"):
        return _DEFAULT_NAME
    return os.path.basename(name) or _DEFAULT_NAME


def _headers(name: str, filename: str | None, content_type: str | None, headers: Any) -> dict[str, str]:
    """The fields of a part. Those of the caller come last and replace others of their name."""
    fields: dict[str, str] = {}
    if content_type is None and filename is not None:
        content_type = guess_type(filename)
    if content_type is not None:
        fields["Content-Type"] = content_type
    if headers is None:
        return fields
    given = list(headers.items() if isinstance(headers, Mapping) else headers)
    lower = {_text(name, key).lower() for key, _ in given}
    fields = {key: value for key, value in fields.items() if key.lower() not in lower}
    return fields | {_text(name, key): _text(name, value) for key, value in given}


def _text(name: str, value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")  # reversed by `_octets`
    if not isinstance(value, str):
        raise TypeError(f"files: the headers of {short_repr(name)} must be str, not {type(value).__name__}")
    return value


def _disposition(name: str, filename: str | None) -> str:
    """RFC 7578 section 4.2. Quotes and line ends are escaped as in browsers; all else is UTF-8, unescaped."""
    text = f'form-data; name="{_escape(name)}"'
    return text if filename is None else f'{text}; filename="{_escape(filename)}"'


def _escape(name: str) -> str:
    if "\0" in name:
        raise LocalProtocolError(f"The multipart name {short_repr(name)} holds a NUL")
    return name.translate(_ESCAPES)


def _head(disposition: str, headers: dict[str, str]) -> bytes:
    lines = (
        []
        if any(name.lower() == "content-disposition" for name in headers)
        else [f"Content-Disposition: {disposition}\r\n"]
    )
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            raise LocalProtocolError(
                f"The header name {short_repr(name)} of a multipart part is no token (RFC 9110 5.6.2)"
            )
        if any(char in value for char in _FORBIDDEN):
            raise LocalProtocolError(
                f"The header {name} of a multipart part holds CR, LF or NUL: {short_repr(value)}"
            )
        lines.append(f"{name}: {value}\r\n")
    lines.append("\r\n")
    return _octets("".join(lines))


def guess_type(filename: str) -> str:
    """The media type for the extension of a file name."""
    suffix = os.path.splitext(filename)[1].lower()
    if not suffix:
        return _DEFAULT_TYPE
    known = _TYPES.get(suffix)
    if known is not None:
        return known
    import mimetypes

    return mimetypes.guess_type(filename)[0] or _DEFAULT_TYPE
