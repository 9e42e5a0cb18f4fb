"""`NetRCAuth`: user names and passwords of a netrc file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from http3_models.engine import basic_credentials, short_repr

from ._auth import Auth

if TYPE_CHECKING:
    from http3_models import Request

    from ._auth import Flow

_NAMES = (".netrc", "_netrc")
"""In the home folder; the second on Windows."""


class NetRCAuth(Auth):
    """Basic authentication by a netrc file: ``machine``, ``login``, ``password``, and ``default``.

    ``path``: the file; by default ``$NETRC``, else ``~/.netrc``. It is read at each request, for the host of
    the URL, also after a redirect to another origin: each host gets its own entry or none. An Authorization
    header or a user name in the URL precedes it. A missing file has no entries; a request raises ValueError,
    which names the file, if it can't be read or is malformed.
    """

    __module__ = "http3_client"

    for_each_origin = True

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is not None and not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be a str or a path, not {type(path).__name__}")
        self._path = path

    def __repr__(self) -> str:
        return "NetRCAuth()" if self._path is None else f"NetRCAuth({os.fspath(self._path)!r})"

    def auth_flow(self, request: Request) -> Flow:
        """Add the Authorization header, if the host has an entry."""
        if "Authorization" not in request.headers:
            found = self._find(request.url.host)
            if found is not None:
                request.headers["Authorization"] = found
        yield request

    def _find(self, host: str) -> str | None:
        """The value of the Authorization header for a host, None without an entry."""
        path = self._file()
        if path is None:
            return None
        entry = _entry(path, host)
        if entry is None:
            return None
        try:
            return basic_credentials(*entry)
        except ValueError as exc:
            raise ValueError(
                f"The netrc file {short_repr(path)} has an entry that can't be sent: {exc}"
            ) from exc

    def _file(self) -> str | None:
        given = self._path if self._path is not None else os.environ.get("NETRC")
        if given:
            path = os.path.expanduser(os.fspath(given))
            return path if os.path.exists(path) else None
        home = os.path.expanduser("~")
        candidates = [os.path.join(home, name) for name in _NAMES]
        return next((path for path in candidates if os.path.exists(path)), None)


def _entry(path: str, host: str) -> tuple[str, str] | None:
    """User and password for a host, or of the default entry. Raises ValueError that names the file."""
    import netrc

    try:
        found = netrc.netrc(path).authenticators(host)
    except netrc.NetrcParseError as exc:
        exc.msg = "malformed"  # its own text may quote a password
        line = f", line {exc.lineno}" if exc.lineno else ""
        raise ValueError(f"The netrc file {short_repr(path)} is malformed{line}") from exc
    except (OSError, UnicodeError) as exc:
        said = getattr(exc, "strerror", None) or type(exc).__name__
        raise ValueError(f"The netrc file {short_repr(path)} can't be read: {said}") from exc
    if found is None:
        return None
    user, account, password = found
    return (user or account or "", password or "")
