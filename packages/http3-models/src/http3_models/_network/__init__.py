"""How a client reaches addresses: `config`, which ones and from where (`NetworkConfig`); `egress`, which are
refused (`EgressPolicy`).
"""

from __future__ import annotations

from .config import DEFAULT_NETWORK, UNIX, NetworkConfig, ResolverTypes, checked_addresses
from .egress import EgressPolicy

__all__ = [
    "DEFAULT_NETWORK",
    "UNIX",
    "EgressPolicy",
    "NetworkConfig",
    "ResolverTypes",
    "checked_addresses",
]
