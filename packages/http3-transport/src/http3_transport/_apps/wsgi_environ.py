"""What a WSGI application gets of a request (PEP 3333): ``environ``, and ``wsgi.input`` in it."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from http3_models.engine import percent_decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from http3_models.engine import RequestState

BUFFER_SIZE = 64 * 1024
"""Bytes of the request's body that ``wsgi.input`` reads ahead at most: what bodies hand out at a time."""


class _Chunks(io.RawIOBase):
    """A request's body as the raw file below ``wsgi.input``; ``read_chunk`` is asked for more on demand."""

    def __init__(self, read_chunk: Callable[[], bytes]) -> None:
        self._read_chunk = read_chunk
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and not self._ended:
            chunk = self._read_chunk()
            self._rest = memoryview(chunk)
            self._ended = not chunk
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def make_input(data: bytes | None, read_chunk: Callable[[], bytes]) -> io.BufferedIOBase:
    """``wsgi.input``: the body in memory, or one that is read as the application asks for it."""
    return io.BytesIO(data) if data is not None else io.BufferedReader(_Chunks(read_chunk), BUFFER_SIZE)


def make_environ(
    request: RequestState, body: io.BufferedIOBase, script_name: str, remote_addr: str
) -> dict[str, Any]:
    """The request as PEP 3333 wants it.

    Texts are bytes in disguise, read as latin-1. ``script_name`` is cut off PATH_INFO where the path begins
    with it.
    """
    url = request.url
    target, _, query = url.full_path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path_info(target, script_name),
        "QUERY_STRING": query,
        "REQUEST_URI": url.full_path,
        "SERVER_NAME": url.host,
        "SERVER_PORT": str(url.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": remote_addr,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.raw:
        add_header(environ, name.decode("latin-1").upper().replace("-", "_"), value.decode("latin-1"))
    return environ


def path_info(path: str, script_name: str) -> str:
    """The path below where the application is mounted."""
    decoded = percent_decode(path).decode("latin-1")
    if path == "*":
        return ""  # OPTIONS * asks about the server: there is no path
    below = decoded.removeprefix(script_name)
    return below if not below or below.startswith("/") else decoded


def add_header(environ: dict[str, Any], name: str, value: str) -> None:
    """Add a field by the rules of CGI (RFC 3875 section 4.1.18); repeated ones are joined."""
    key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
    if key in environ:
        value = environ[key] + ("; " if name == "COOKIE" else ",") + value
    environ[key] = value
