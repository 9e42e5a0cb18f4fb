"""Header fields (RFC 9110 section 5): `fields`, one of them as a pair of bytes; `headers`, the public mapping
`Headers` over a list of them; `secret_fields`, those with credentials; `links`, the Link header (RFC 8288),
loaded when it is first used.
"""

from __future__ import annotations

from .fields import FieldIndex, FieldPair, key_of
from .headers import HeaderFields, Headers, HeaderTypes, headers_from_pairs
from .secret_fields import SECRET_HEADERS

__all__ = [
    "SECRET_HEADERS",
    "FieldIndex",
    "FieldPair",
    "HeaderFields",
    "HeaderTypes",
    "Headers",
    "headers_from_pairs",
    "key_of",
]
