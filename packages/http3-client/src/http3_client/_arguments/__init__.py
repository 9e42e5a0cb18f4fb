"""What the public functions and methods take: options, signatures, and hints for what they do not take."""

from __future__ import annotations

from .hints import STREAM_OPTIONS, hints_of_constructor, wrong_arguments, wrong_attribute
from .options import (
    AsyncRequestOptions,
    AsyncStreamOptions,
    RequestOptions,
    StreamOptions,
)
from .signatures import (
    of_async_build_request,
    of_async_request,
    of_async_send,
    of_async_stream,
    of_async_verb,
    of_build_request,
    of_function,
    of_request,
    of_send,
    of_stream,
    of_verb,
    of_verb_function,
    shown_as,
)

__all__ = [
    "STREAM_OPTIONS",
    "AsyncRequestOptions",
    "AsyncStreamOptions",
    "RequestOptions",
    "StreamOptions",
    "hints_of_constructor",
    "of_async_build_request",
    "of_async_request",
    "of_async_send",
    "of_async_stream",
    "of_async_verb",
    "of_build_request",
    "of_function",
    "of_request",
    "of_send",
    "of_stream",
    "of_verb",
    "of_verb_function",
    "shown_as",
    "wrong_arguments",
    "wrong_attribute",
]
