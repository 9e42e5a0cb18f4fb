"""`ProxyRules`: which proxy serves which URL. Made once, by a client or pool; then it answers by origin.

Rules come from one URL, from a mapping of patterns, or from the environment (`environment`). The most
specific pattern decides; ``no_proxy`` precedes them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .._brief import short_repr, short_text
from .._exceptions import Delivery, ProxyError
from .._url import URL, redacted_text
from .host_patterns import EVERY_HOST, HostPattern, Target, parse_name, parse_network, split_port
from .proxy import Proxy, as_proxy

if TYPE_CHECKING:
    from .._url import Origin

ProxyTypes: TypeAlias = (
    str | URL | Proxy | bool | Mapping[str, str | URL | Proxy | bool | Iterable[str] | None]
)
"""What ``proxy=`` of a client takes beside None: one proxy for all URLs, False for none, or a mapping from
patterns to one of these or None (no proxy), with ``no_proxy``."""

_SCHEMES = ("http", "https")

_EXAMPLES = "'https', 'all', 'https://host:8443', 'all://*.example.org', 'all://10.0.0.0/8'"

_EXEMPTIONS = "no_proxy"
"""The key of a mapping that lists hosts without a proxy."""

_REMEMBERED = 256
"""Origins whose proxy is remembered; more than a program talks to at a time."""


class Unusable(NamedTuple):
    """Stands where the environment names no valid proxy: a request that needs it fails, with this text."""

    why: str


class Rule(NamedTuple):
    """A pattern and its proxy. ``scheme`` and ``port`` are None for all."""

    hosts: HostPattern
    port: int | None
    scheme: str | None
    proxy: Proxy | Unusable | None

    @property
    def rank(self) -> tuple[tuple[int, int], bool, bool]:
        """The larger, the more specific: a host beats its domain, that beats a scheme; of equal hosts the one
        with a port comes first."""
        return (self.hosts.rank, self.port is not None, self.scheme is not None)

    def matches(self, target: Target) -> bool:
        """Whether it is for this target."""
        return (
            self.scheme in (None, target.scheme)
            and self.port in (None, target.port)
            and self.hosts.matches(target)
        )


class Exemption(NamedTuple):
    """An entry of ``no_proxy``. ``port`` is None for all."""

    hosts: HostPattern
    port: int | None

    def matches(self, target: Target) -> bool:
        """Whether the target has no proxy."""
        return self.port in (None, target.port) and self.hosts.matches(target)


class ProxyRules:
    """The rules of one client: immutable, but that it remembers what it has answered."""

    __slots__ = ("_answers", "_exemptions", "_exempts_loopback", "_rules")

    def __init__(
        self, rules: Iterable[Rule], exemptions: Iterable[Exemption] = (), *, exempts_loopback: bool = False
    ) -> None:
        self._rules = sorted(rules, key=lambda rule: rule.rank, reverse=True)
        self._exemptions = tuple(exemptions)
        self._exempts_loopback = exempts_loopback
        self._answers: dict[Origin, Proxy | Unusable | None] = {}

    def choose(self, url: URL) -> Proxy | None:
        """The proxy for a request to an http or https URL; None: none.

        Raises ProxyError if the environment names one that is not valid.
        """
        origin = url.origin
        try:
            found = self._answers[origin]
        except KeyError:
            found = self._look_up(Target.of(url))
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[origin] = found
        if isinstance(found, Unusable):
            raise ProxyError(found.why, delivery=Delivery.NOT_SENT)
        return found

    def _look_up(self, target: Target) -> Proxy | Unusable | None:
        if self._exempts_loopback and target.is_loopback:
            return None
        if any(exemption.matches(target) for exemption in self._exemptions):
            return None
        return next((rule.proxy for rule in self._rules if rule.matches(target)), None)


def as_rules(value: object) -> ProxyRules:
    """The rules for what ``proxy=`` of a client was given, which is neither None nor False.

    Raises ValueError and TypeError that name the argument, and the pattern.
    """
    if isinstance(value, ProxyRules):
        return value
    if not isinstance(value, Mapping):
        return ProxyRules([Rule(EVERY_HOST, None, None, as_proxy(value, "proxy"))])
    patterns = {key: found for key, found in value.items() if key != _EXEMPTIONS}
    return ProxyRules(
        [_rule(pattern, found) for pattern, found in patterns.items()],
        _given_exemptions(value.get(_EXEMPTIONS)),
    )


def _rule(pattern: object, value: object) -> Rule:
    if not isinstance(pattern, str):
        raise TypeError(f"proxy must have str as patterns, not {type(pattern).__name__}")
    name = f"proxy[{short_repr(pattern)}]"
    try:
        scheme, hosts, port = parse_pattern(pattern)
    except ValueError as exc:
        shown = short_text(redacted_text(pattern))
        raise ValueError(f"proxy has the pattern {shown}: {exc}; as in {_EXAMPLES}") from exc
    return Rule(hosts, port, scheme, None if value is None or value is False else as_proxy(value, name))


def parse_pattern(pattern: str) -> tuple[str | None, HostPattern, int | None]:
    """Scheme (None: all), hosts and port of a pattern. Raises ValueError.

    ``https`` and ``https://`` mean every host of a scheme, ``all`` every scheme. A host matches itself,
    ``*.example.org`` the subdomains, ``*example.org`` both.
    """
    scheme, separator, host = pattern.strip().partition("://")
    scheme = scheme.lower()
    if scheme not in (*_SCHEMES, "all"):
        raise ValueError("it begins with none of 'http', 'https', 'all'")
    host, port = split_port(host.removesuffix("/")) if separator else ("", None)
    return (None if scheme == "all" else scheme), _hosts(host), port


def _hosts(text: str) -> HostPattern:
    if text in ("", "*"):
        return EVERY_HOST
    network = parse_network(text)
    if network is not None:
        return HostPattern(network=network)
    if "/" in text:
        raise ValueError(f"{short_repr(text)} is no network")
    if text.startswith("*."):
        return parse_name(text[2:], itself=False, subdomains=True)
    if text.startswith("*"):
        return parse_name(text[1:], itself=True, subdomains=True)
    return parse_name(text, itself=True, subdomains=False)


def _given_exemptions(value: object) -> list[Exemption]:
    """``no_proxy`` of a mapping: what is not valid is an error."""
    if value is None:
        return []
    if not isinstance(value, str):
        if not isinstance(value, Iterable):
            raise TypeError(f"proxy['no_proxy'] must be a str or a list of str, not {type(value).__name__}")
        items = list(value)
        wrong = [item for item in items if not isinstance(item, str)]
        if wrong:
            raise TypeError(f"proxy['no_proxy'] must hold str, not {type(wrong[0]).__name__}")
        value = ",".join(items)
    found = []
    for entry in split_list(value):
        try:
            found.append(parse_exemption(entry))
        except ValueError as exc:
            raise ValueError(f"proxy['no_proxy'] has {short_repr(entry)}, which is not valid: {exc}") from exc
    return found


def split_list(text: str) -> list[str]:
    """The entries of a list with commas or blanks between them."""
    return text.replace(",", " ").split()


def parse_exemption(entry: str) -> Exemption:
    """An entry of ``no_proxy``. Raises ValueError for what is neither name, address nor network.

    ``example.org`` and ``.example.org`` mean the name and its subdomains, ``*.example.org`` the subdomains,
    ``*`` every host.
    """
    if entry == "*":
        return Exemption(EVERY_HOST, None)
    network = parse_network(entry)
    if network is not None:
        return Exemption(HostPattern(network=network), None)
    host, port = split_port(entry)
    if host == "*":
        return Exemption(EVERY_HOST, port)
    network = parse_network(host) if "/" not in host else None
    if network is not None:
        return Exemption(HostPattern(network=network), port)
    if host.startswith("*."):
        return Exemption(parse_name(host[2:], itself=False, subdomains=True), port)
    return Exemption(parse_name(host.removeprefix("."), itself=True, subdomains=True), port)
