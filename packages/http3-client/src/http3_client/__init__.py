"""http3-client: a sync and an async HTTP client over any transport.

Redirects, cookies, authentication, hooks and defaults. Connections are the business of http3-transport,
which is loaded when a request needs it; with ``dispatch=`` none of it is.
"""

from __future__ import annotations

from ._api import delete, get, head, options, patch, post, put, request
from ._async_client import AsyncClient
from ._auth import Auth, AuthBase, BasicAuth, BearerAuth, HTTPBasicAuth
from ._client import Client
from ._digest import DigestAuth
from ._options import AsyncRequestOptions, RequestOptions

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

# A class says that it lives where people import it from, so that tracebacks and pickles survive when it
# moves between our modules.
for _value in (globals()[_name] for _name in __all__):
    if isinstance(_value, type):
        _value.__module__ = __name__
