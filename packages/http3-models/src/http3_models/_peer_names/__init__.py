"""Names that requests, httpx and aiohttp have for what is called something else here: an AttributeError for
them says what to write. `tables` holds the names, `explain` puts them into a class.
"""

from __future__ import annotations

from .explain import explain_names
from .tables import ASYNC_RESPONSE_NAMES, HEADERS_NAMES, QUERY_NAMES, RESPONSE_NAMES

__all__ = [
    "ASYNC_RESPONSE_NAMES",
    "HEADERS_NAMES",
    "QUERY_NAMES",
    "RESPONSE_NAMES",
    "explain_names",
]
