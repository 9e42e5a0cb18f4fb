"""For those who write transports, clients and adapters: the records of an exchange, and functions over them.

A transport takes a `RequestState` and returns a `ResponseState`; `Request` and `Response` are views of these.
All names are public and documented, but they may change between minor versions. The three other distributions
of http3 use these names and no private ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._body_protocols import RequestBody, ResponseBody, SendableFile
from ._body_state import BodyState
from ._brief import short_repr, short_text
from ._config import (
    HTTP_VERSIONS,
    as_timeout,
    bounded_timeout,
    check_http_versions,
    effective_pool_timeout,
)
from ._cookies import cookie_header, join_cookie_headers
from ._credentials import as_utf8, basic_credentials
from ._dispatchers import is_transport
from ._exceptions import UnsupportedRedirect, failed_request, forget_request
from ._grammar import CONTROL_BYTES, CONTROL_CHARACTERS, TOKEN, TOKEN_BYTES, TOKEN_CHARACTERS
from ._headers import SECRET_HEADERS, FieldIndex, FieldPair, headers_from_pairs
from ._iterators import BodyInUse
from ._logging import is_logged, log
from ._network import DEFAULT_NETWORK, UNIX, checked_addresses
from ._proxies import call_proxy, proxy_rules
from ._records import Deadline, RequestState, ResponseState, SyncRunner, WholeBody, describe, run_sync
from ._redaction import forget_locals, forget_text, hide_arguments
from ._request import (
    EMPTY_BODY,
    BytesBody,
    FileBody,
    LeftBehindBody,
    RequestDefaults,
    build_request,
    check_request,
    split_headers,
    view_request,
)
from ._response import (
    BufferedBody,
    MemoryBody,
    Pause,
    checkpoint,
    close,
    close_unawaited,
    drain,
    has_no_body,
    in_asyncio_task,
    in_trio_task,
    is_closed,
    is_redirect,
    maybe_await,
    read_all,
    read_if_buffered,
    set_next,
    set_unread_message,
    state_of,
    view_response,
)
from ._text import find_text_encoding
from ._timing import PhaseTimes
from ._transport import Transport, answer_to, copy_response, sends_by_exchange
from ._types import AuthFlow
from ._url import check_http_scheme, did_you_mean, parse_url, percent_decode, redacted, redacted_text
from ._values import ImmutableValue, check_count, set_fields

if TYPE_CHECKING:
    from ._credentials.challenges import parse_parameters
    from ._credentials.digest import DigestChallenge, digest_credentials, find_digest_challenge
    from ._proxies.rules import ProxyRules
    from ._ssl import ssl_context_for

__all__ = [
    "CONTROL_BYTES",
    "CONTROL_CHARACTERS",
    "DEFAULT_NETWORK",
    "EMPTY_BODY",
    "HTTP_VERSIONS",
    "SECRET_HEADERS",
    "TOKEN",
    "TOKEN_BYTES",
    "TOKEN_CHARACTERS",
    "UNIX",
    "AuthFlow",
    "BodyInUse",
    "BodyState",
    "BufferedBody",
    "BytesBody",
    "Deadline",
    "DigestChallenge",
    "FieldIndex",
    "FieldPair",
    "FileBody",
    "ImmutableValue",
    "LeftBehindBody",
    "MemoryBody",
    "Pause",
    "PhaseTimes",
    "ProxyRules",
    "RequestBody",
    "RequestDefaults",
    "RequestState",
    "ResponseBody",
    "ResponseState",
    "SendableFile",
    "SyncRunner",
    "Transport",
    "UnsupportedRedirect",
    "WholeBody",
    "answer_to",
    "as_timeout",
    "as_utf8",
    "basic_credentials",
    "bounded_timeout",
    "build_request",
    "call_proxy",
    "check_count",
    "check_http_scheme",
    "check_http_versions",
    "check_request",
    "checked_addresses",
    "checkpoint",
    "close",
    "close_unawaited",
    "cookie_header",
    "copy_response",
    "describe",
    "did_you_mean",
    "digest_credentials",
    "drain",
    "effective_pool_timeout",
    "failed_request",
    "find_digest_challenge",
    "find_text_encoding",
    "forget_locals",
    "forget_request",
    "forget_text",
    "has_no_body",
    "headers_from_pairs",
    "hide_arguments",
    "in_asyncio_task",
    "in_trio_task",
    "is_closed",
    "is_logged",
    "is_redirect",
    "is_transport",
    "join_cookie_headers",
    "log",
    "maybe_await",
    "parse_parameters",
    "parse_url",
    "percent_decode",
    "proxy_rules",
    "read_all",
    "read_if_buffered",
    "redacted",
    "redacted_text",
    "run_sync",
    "sends_by_exchange",
    "set_fields",
    "set_next",
    "set_unread_message",
    "short_repr",
    "short_text",
    "split_headers",
    "ssl_context_for",
    "state_of",
    "view_request",
    "view_response",
]


_LATE = {
    "DigestChallenge": "_credentials.digest",
    "ProxyRules": "_proxies.rules",
    "digest_credentials": "_credentials.digest",
    "find_digest_challenge": "_credentials.digest",
    "parse_parameters": "_credentials.challenges",
    "ssl_context_for": "_ssl",
}
"""Names that take long to load, or that few programs need, and their modules."""


if not TYPE_CHECKING:  # a checker would take it for leave to use any name

    def __getattr__(name: str) -> object:
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value: object = getattr(import_module(f"http3_models.{_LATE[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
