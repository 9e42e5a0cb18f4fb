"""http3-client: a sync and an async HTTP client over any transport.

Redirects, cookies, authentication, hooks and defaults. Connections are in http3-transport, which is loaded
when a request needs it, and not needed with ``dispatch=``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._api import delete, get, head, options, patch, post, put, request
from ._arguments import AsyncRequestOptions, RequestOptions
from ._async_client import AsyncClient
from ._auth import Auth, AuthBase, BasicAuth, BearerAuth, HTTPBasicAuth
from ._client import Client

if TYPE_CHECKING:
    from ._digest import DigestAuth as DigestAuth
    from ._netrc import NetRCAuth as NetRCAuth

__version__ = "0.7.0"

__all__ = [
    "AsyncClient",
    "AsyncRequestOptions",
    "Auth",
    "AuthBase",
    "BasicAuth",
    "BearerAuth",
    "Client",
    "DigestAuth",
    "HTTPBasicAuth",
    "NetRCAuth",
    "RequestOptions",
    "__version__",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
]

# The ``__module__`` of a class is the package that users import it from, so that pickles can be loaded when
# the class has moved to another module.
for _value in (globals().get(_name) for _name in __all__):
    if isinstance(_value, type):
        _value.__module__ = __name__


if not TYPE_CHECKING:  # or type checkers would accept every misspelled name

    def __getattr__(name: str) -> object:
        if name == "DigestAuth":  # seldom used, and its patterns take as long as the rest of the import
            from ._digest import DigestAuth

            return DigestAuth
        if name == "NetRCAuth":  # seldom used
            from ._netrc import NetRCAuth

            return NetRCAuth
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
