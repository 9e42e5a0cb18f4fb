"""Which hosts a pattern matches: names, their subdomains, addresses and networks. Pure; nothing is looked up.

Names are compared in IDNA's ASCII form, without case and trailing dot, and at the dots: ``example.org`` never
matches ``notexample.org``. Names never match addresses, and addresses never match names: a look-up would tell
the name to a resolver that is perhaps not to know it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .._brief import short_repr
from .._url import normalise_host

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from .._url import URL

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network


class Target(NamedTuple):
    """What patterns are matched with: scheme, host and port of a URL; ``address`` if the host is one."""

    scheme: str
    host: str
    port: int | None
    address: Address | None

    @classmethod
    def of(cls, url: URL) -> Target:
        """The target that a request for this URL has."""
        host = url.host.removesuffix(".")
        return cls(url.scheme, host, url.port, parse_address(host))

    @property
    def is_loopback(self) -> bool:
        """True for localhost, its subdomains (RFC 6761 section 6.3), 127.0.0.0/8 and ::1."""
        if self.address is not None:
            return self.address.is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")


class HostPattern(NamedTuple):
    """One of: a name and maybe its subdomains; an address or network; every host.

    The order of two patterns, compared by `rank`, is by how few hosts they match.
    """

    name: str = ""
    itself: bool = True
    """Whether ``name`` matches, beside its subdomains."""
    subdomains: bool = False
    network: Network | None = None

    @property
    def rank(self) -> tuple[int, int]:
        """The larger, the fewer hosts it matches: hosts, then networks, then subdomains, then all."""
        if self.network is not None:
            is_host = self.network.prefixlen == self.network.max_prefixlen
            return (3 if is_host else 2, self.network.prefixlen)
        if not self.name:
            return (0, 0)
        return (1 if self.subdomains else 3, 2 * len(self.name) + (not self.itself))

    def matches(self, target: Target) -> bool:
        """Whether the target's host is one of those meant."""
        if self.network is not None:
            return target.address is not None and target.address in self.network
        if not self.name:
            return True
        if target.address is not None:
            return False
        if target.host == self.name:
            return self.itself
        return self.subdomains and target.host.endswith(f".{self.name}")


EVERY_HOST = HostPattern()


def parse_address(text: str) -> Address | None:
    """The address that a text spells; one that is IPv4-mapped (RFC 4291) as IPv4. None for anything else."""
    if not (":" in text or text.replace(".", "").isdigit()):
        return None  # a name, mostly: without loading ipaddress
    from ipaddress import IPv6Address, ip_address

    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


_BRACKETS = re.compile(r"\[([^][]+)\](/\d+)?")
"""An IPv6 address in brackets, with its prefix behind them or inside."""


def parse_network(text: str) -> Network | None:
    """The network of ``10.0.0.0/8``, ``10.1.2.3/8`` (masked), ``10.1.2.3`` or ``[fe80::]/10``; None for
    anything else."""
    from ipaddress import ip_network

    match = _BRACKETS.fullmatch(text)
    if match is not None:
        text = match[1] + (match[2] or "")
    address, slash, prefix = text.partition("/")
    if slash:
        try:
            return ip_network(f"{address}/{prefix}", strict=False) if prefix.isdecimal() else None
        except ValueError:
            return None
    found = parse_address(address)
    return None if found is None else ip_network(found)


def parse_name(text: str, *, itself: bool, subdomains: bool) -> HostPattern:
    """The pattern of a host name. Raises ValueError for what is no name."""
    name = normalise_host(text).removesuffix(".")
    if parse_address(name) is not None:
        raise ValueError(
            f"{short_repr(text)} is neither a name nor an address"
        )  # ``10.1``: who means which address?
    return HostPattern(name, itself, subdomains)


def split_port(text: str) -> tuple[str, int | None]:
    """``host:8080`` and ``[::1]:80`` without the port, and the port. Raises ValueError for one that is none.

    An IPv6 address without brackets has no port.
    """
    head, colon, port = text.rpartition(":")
    if not colon or (":" in head and not head.endswith("]")) or port.endswith("]") or "/" in port:
        return text, None
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{short_repr(port)} is no port")
    return head, int(port)
