"""Configuration under the address of 0.6.7; `http3` has it all as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import http3_models
from http3_models import (
    DEFAULT_LIMITS,
    DEFAULT_MAX_REDIRECTS,
    DEFAULT_POOL_LIMITS,
    DEFAULT_SSL_CONFIG,
    DEFAULT_TIMEOUT_CONFIG,
    USER_AGENT,
    CertTypes,
    Limits,
    PoolLimits,
    SSLConfig,
    TimeoutConfig,
    TimeoutTypes,
    VerifyTypes,
)

if TYPE_CHECKING:
    from http3_models import DEFAULT_CA_BUNDLE_PATH

__all__ = [
    "DEFAULT_CA_BUNDLE_PATH",
    "DEFAULT_LIMITS",
    "DEFAULT_MAX_REDIRECTS",
    "DEFAULT_POOL_LIMITS",
    "DEFAULT_SSL_CONFIG",
    "DEFAULT_TIMEOUT_CONFIG",
    "USER_AGENT",
    "CertTypes",
    "Limits",
    "PoolLimits",
    "SSLConfig",
    "TimeoutConfig",
    "TimeoutTypes",
    "VerifyTypes",
]

if not TYPE_CHECKING:  # for a checker a name that is not listed here does not exist

    def __getattr__(name: str) -> object:
        if name in __all__:
            return getattr(http3_models, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
