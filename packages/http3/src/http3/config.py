"""The configuration, under the import path of http3 0.6.7. New code imports from `http3`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    if name == "DEFAULT_CA_BUNDLE_PATH":
        import http3_models

        return http3_models.DEFAULT_CA_BUNDLE_PATH
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
