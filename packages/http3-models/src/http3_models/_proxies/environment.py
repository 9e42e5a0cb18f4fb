"""The proxies that the environment names: ``http_proxy``, ``https_proxy``, ``all_proxy``, ``no_proxy``.

No standard says what these variables mean. The rules here are those on which curl, Go and urllib agree, and
where they don't, the safer ones; docs/proxies.md lists the differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .host_patterns import EVERY_HOST
from .proxy import as_proxy
from .rules import Exemption, ProxyRules, Rule, Unusable, parse_exemption, split_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .proxy import Proxy

_VARIABLES = (("http_proxy", "http"), ("https_proxy", "https"), ("all_proxy", None))
"""Each variable with the scheme of the URLs that it is for."""

_CGI = "REQUEST_METHOD"
"""Set in CGI programs, where HTTP_PROXY is the client's header field Proxy (CVE-2016-1000110)."""


def rules_from_environment(environment: Mapping[str, str]) -> ProxyRules | None:
    """The rules of these variables; None if they name no proxy.

    A variable that is not valid is no error here, but for each request that it would serve.
    """
    rules = []
    for name, scheme in _VARIABLES:
        variable, value = _read(environment, name)
        if value:
            rules.append(Rule(EVERY_HOST, None, scheme, _proxy(variable, value)))
    if not rules:
        return None
    _, exempt = _read(environment, "no_proxy")
    return ProxyRules(rules, _exemptions(exempt), exempts_loopback=True)


def _read(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    """The name as it is set, and its value without blanks around it.

    The name in lower case wins, even if its value is empty.
    """
    if name in environment:
        return name, environment[name].strip()
    upper = name.upper()
    if upper == "HTTP_PROXY" and _CGI in environment:
        return upper, ""
    return upper, environment.get(upper, "").strip()


def _proxy(variable: str, value: str) -> Proxy | Unusable:
    try:
        return as_proxy(value, f"The environment variable {variable}")
    except ValueError as exc:
        return Unusable(str(exc))


def _exemptions(value: str) -> list[Exemption]:
    """Entries that are not valid are skipped, as everywhere: each tool has some that others don't know."""
    found = []
    for entry in split_list(value):
        try:
            found.append(parse_exemption(entry))
        except ValueError:
            continue
    return found
