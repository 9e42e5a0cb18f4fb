"""What ``proxy=`` was given. The rest of this room is loaded only if there is a proxy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .proxy import Proxy
    from .rules import ProxyRules

_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def proxy_rules(value: object, *, trust_env: bool) -> ProxyRules | None:
    """The rules for what ``proxy=`` of a client or pool was given: None means those of the environment if
    ``trust_env``, False none. None if no URL has a proxy.

    Raises ValueError and TypeError that name the argument, and the pattern.
    """
    if value is False:
        return None
    if value is None:
        if not trust_env or not any(name in os.environ for name in _VARIABLES):
            return None
        from .environment import rules_from_environment

        return rules_from_environment(os.environ)
    from .rules import as_rules

    return as_rules(value)


def call_proxy(value: object) -> Proxy | ProxyRules | Literal[False]:
    """What ``proxy=`` of a call was given, but None. Raises ValueError or TypeError that names it."""
    if value is False:
        return False
    if isinstance(value, Mapping):
        return proxy_rules(value, trust_env=False) or False
    from .proxy import as_proxy

    return as_proxy(value, "proxy")
