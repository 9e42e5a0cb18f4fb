"""Credentials for servers and for proxies: `basic` (RFC 7617); `digest` (RFC 7616), and `challenges`, which
parses what asks for them (RFC 9110 section 11). The latter two are loaded when they are first used.
"""

from __future__ import annotations

from .basic import as_utf8, basic_credentials

__all__ = ["as_utf8", "basic_credentials"]
