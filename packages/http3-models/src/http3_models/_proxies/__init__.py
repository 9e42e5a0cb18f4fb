"""Which proxy serves which URL. No name is looked up here.

`given` reads what ``proxy=`` was given, and loads the rest if there is a proxy: `proxy`, the public value
`Proxy`; `host_patterns`, which hosts a pattern matches; `rules`, the proxy for a URL; `environment`, the
rules of ``http_proxy``, ``no_proxy`` and so on.
"""

from __future__ import annotations

from .given import call_proxy, proxy_rules

__all__ = ["call_proxy", "proxy_rules"]
