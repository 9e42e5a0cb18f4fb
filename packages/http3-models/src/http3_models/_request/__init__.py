"""Requests: the public classes, their headers and their bodies.

From the bottom up: `plain_file`, `bodies`, `forms`, `boundary` and `multipart` make bodies; `encode` chooses
one for what a caller passed; `head` computes the headers, `prepared_heads` keeps those that a client sends
with each request; `request` holds `Request` and `AsyncRequest`.
"""

from __future__ import annotations

from .bodies import EMPTY_BODY, BytesBody, FileBody, LeftBehindBody, as_bytes
from .encode import encode_request
from .head import check_request, split_headers
from .prepared_heads import CLIENT_DEFAULTS, RequestDefaults
from .request import AsyncRequest, BaseRequest, Request, build_request, view_request

__all__ = [
    "CLIENT_DEFAULTS",
    "EMPTY_BODY",
    "AsyncRequest",
    "BaseRequest",
    "BytesBody",
    "FileBody",
    "LeftBehindBody",
    "Request",
    "RequestDefaults",
    "as_bytes",
    "build_request",
    "check_request",
    "encode_request",
    "split_headers",
    "view_request",
]
