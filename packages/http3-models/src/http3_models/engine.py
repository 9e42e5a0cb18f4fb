"""What transports, clients and adapters are built on: the records of an exchange, and functions over them.

A transport takes a `RequestState` and returns a `ResponseState`; clients, `Request` and `Response` are views
of these. Everything here is public and documented, but for a smaller circle than `http3_models`: it may
change between minor versions. The three other distributions of http3 use these names and no private ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._bodies import EMPTY_BODY, BytesBody, FileBody
from ._brief import brief, cut
from ._config import seconds_in_line, shortened
from ._cookies import join_cookie_headers
from ._encodings import usable_encoding
from ._exceptions import UnsupportedRedirect
from ._header_fields import Index, Pair
from ._headers import SECRET_HEADERS
from ._percent import decode
from ._reading import close, drain, has_no_body, read_all, take_ended
from ._records import (
    Deadline,
    Exchange,
    PhaseTimes,
    RequestBody,
    RequestState,
    ResponseBody,
    ResponseState,
    Run,
    WholeBody,
    described,
    drive,
)
from ._redaction import forget_locals, forget_text, guarding_arguments
from ._request import build_state
from ._request_defaults import RequestDefaults
from ._request_head import check_state, cookie_header, split_headers
from ._response_base import is_redirect, reissued
from ._response_bodies import Begun, EndedBody, MemoryBody, Spent, abandon, settle
from ._turns import Pause, give_turn, in_asyncio_task, in_trio_task
from ._types import AuthFlow
from ._url import parsed, redacted
from ._url_parse import shown
from ._values import Value, count

if TYPE_CHECKING:
    from ._ssl import context_for

__all__ = [
    "EMPTY_BODY",
    "SECRET_HEADERS",
    "AuthFlow",
    "Begun",
    "BytesBody",
    "Deadline",
    "EndedBody",
    "Exchange",
    "FileBody",
    "Index",
    "MemoryBody",
    "Pair",
    "Pause",
    "PhaseTimes",
    "RequestBody",
    "RequestDefaults",
    "RequestState",
    "ResponseBody",
    "ResponseState",
    "Run",
    "Spent",
    "UnsupportedRedirect",
    "Value",
    "WholeBody",
    "abandon",
    "brief",
    "build_state",
    "check_state",
    "close",
    "context_for",
    "cookie_header",
    "count",
    "cut",
    "decode",
    "described",
    "drain",
    "drive",
    "forget_locals",
    "forget_text",
    "give_turn",
    "guarding_arguments",
    "has_no_body",
    "in_asyncio_task",
    "in_trio_task",
    "is_redirect",
    "join_cookie_headers",
    "parsed",
    "read_all",
    "redacted",
    "reissued",
    "seconds_in_line",
    "settle",
    "shortened",
    "shown",
    "split_headers",
    "take_ended",
    "usable_encoding",
]


if not TYPE_CHECKING:  # a checker would take it for leave to use any name

    def __getattr__(name: str) -> object:
        if name == "context_for":  # takes more than 1 ms to load, and is needed for https only
            from ._ssl import context_for

            globals()[name] = context_for
            return context_for
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
