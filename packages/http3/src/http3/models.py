"""The models, at the address that they had in http3 0.6.7; their home is `http3`."""

from __future__ import annotations

from http3_models import (
    URL,
    AsyncRequest,
    AsyncRequestData,
    AsyncResponse,
    AsyncResponseContent,
    AuthTypes,
    Cookies,
    CookieTypes,
    Headers,
    HeaderTypes,
    Origin,
    QueryParams,
    QueryParamTypes,
    Request,
    RequestData,
    RequestFiles,
    Response,
    ResponseContent,
    URLTypes,
)

__all__ = [
    "URL",
    "AsyncRequest",
    "AsyncRequestData",
    "AsyncResponse",
    "AsyncResponseContent",
    "AuthTypes",
    "CookieTypes",
    "Cookies",
    "HeaderTypes",
    "Headers",
    "Origin",
    "QueryParamTypes",
    "QueryParams",
    "Request",
    "RequestData",
    "RequestFiles",
    "Response",
    "ResponseContent",
    "URLTypes",
]
