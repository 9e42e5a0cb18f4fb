"""URLs (RFC 3986) and their parts.

From the bottom up: `percent`, percent escapes; `host`, host names (IDNA) and addresses; `parse`, from text
to parts; `suggestion`, what a text without a scheme was meant to be; `edit`, joining and changing parts;
`query`, the public `QueryParams`; `url`, the public `URL` and `Origin`.
"""

from __future__ import annotations

from .host import normalise_host, normalise_ipv6
from .parse import redacted_text
from .percent import percent_decode, shown_text, utf8
from .query import (
    MAPPINGS,
    PLAIN_TYPES,
    QueryParams,
    QueryParamTypes,
    bytes_or_text,
    decode_octets,
    encode_pairs,
)
from .suggestion import did_you_mean
from .url import URL, Origin, check_http_scheme, parse_url, redacted

__all__ = [
    "MAPPINGS",
    "PLAIN_TYPES",
    "URL",
    "Origin",
    "QueryParamTypes",
    "QueryParams",
    "bytes_or_text",
    "check_http_scheme",
    "decode_octets",
    "did_you_mean",
    "encode_pairs",
    "normalise_host",
    "normalise_ipv6",
    "parse_url",
    "percent_decode",
    "redacted",
    "redacted_text",
    "shown_text",
    "utf8",
]
