"""The models, under the import path of http3 0.6.7. New code imports from `http3`."""

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
