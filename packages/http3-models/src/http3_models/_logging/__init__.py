"""Logging, which costs nothing until the program has imported `logging` and turned a logger of http3 on."""

from __future__ import annotations

from .loggers import DEBUG, LOGGERS, find_loggers, is_logged, log, may_log

__all__ = ["DEBUG", "LOGGERS", "find_loggers", "is_logged", "log", "may_log"]
