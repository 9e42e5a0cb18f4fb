"""The loggers ``http3.client``, ``.pool``, ``.tls``, ``.http1`` and ``.http2``: level DEBUG only.

http3 does not import `logging`: a program that does not do so either pays nothing. Where it was imported
(asyncio does so), each exchange asks once whether a logger may be on, and notes it in its `PhaseTimes`.
"""

from __future__ import annotations

import sys
from sys import modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger

DEBUG = 10
"""`logging.DEBUG`."""

LOGGERS: list[Logger] = []
"""The root logger, ``http3``, and its children for the transport, once `logging` was found."""


def find_loggers() -> list[Logger]:
    """`LOGGERS`, filled. `logging` was imported."""
    get = modules["logging"].getLogger
    LOGGERS[:] = [get(), get("http3"), *(get(f"http3.{name}") for name in ("pool", "tls", "http1", "http2"))]
    return LOGGERS


def may_log() -> bool:
    """Whether ``http3`` or one of its children for the transport is on."""
    return any(logger.isEnabledFor(DEBUG) for logger in LOGGERS[1:])


def is_logged(name: str) -> bool:
    """Whether ``http3.<name>`` logs now: for events so rare that asking each time costs nothing."""
    return "logging" in modules and bool(modules["logging"].getLogger(f"http3.{name}").isEnabledFor(DEBUG))


def log(name: str, text: str, *details: object) -> None:
    """Log an event to ``http3.<name>`` at level DEBUG. `logging` was imported.

    ``text`` is a %-format of ``details``, which hold no secrets. An exception of a filter or handler is
    printed, as `logging` does with those of handlers, and does not reach the request.
    """
    if not is_logged(name):
        return
    logger: Logger = modules["logging"].getLogger(f"http3.{name}")
    try:
        logger.debug(text, *details, stacklevel=3)
    except Exception:  # noqa: BLE001 - of the user's code
        if modules["logging"].raiseExceptions:
            sys.excepthook(*sys.exc_info())
