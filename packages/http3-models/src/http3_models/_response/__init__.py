"""Responses: the public classes, and how their bodies are read.

From the bottom up: `bodies`, which need no connection; `turns`, which lets other tasks run during long work;
`reading`, how a body is read, decoded and drained; `base`, what both classes share; `build`, from the
arguments of a constructor to a state; `response` holds `Response` and `AsyncResponse`.
"""

from __future__ import annotations

from .base import BaseResponse, is_redirect, phases_of, set_next, set_unread_message, state_of, view_response
from .bodies import BufferedBody, MemoryBody, close_unawaited, maybe_await
from .reading import close, drain, has_no_body, is_closed, read_all, read_if_buffered
from .response import AsyncResponse, Response
from .turns import Pause, checkpoint, in_asyncio_task, in_trio_task

__all__ = [
    "AsyncResponse",
    "BaseResponse",
    "BufferedBody",
    "MemoryBody",
    "Pause",
    "Response",
    "checkpoint",
    "close",
    "close_unawaited",
    "drain",
    "has_no_body",
    "in_asyncio_task",
    "in_trio_task",
    "is_closed",
    "is_redirect",
    "maybe_await",
    "phases_of",
    "read_all",
    "read_if_buffered",
    "set_next",
    "set_unread_message",
    "state_of",
    "view_response",
]
