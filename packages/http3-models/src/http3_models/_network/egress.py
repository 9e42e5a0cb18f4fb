"""Which addresses a client may connect to: `EgressPolicy`, for programs that request untrusted URLs.

It checks addresses, not names. A name may resolve to any address, another one each time (DNS rebinding), and
an address has many spellings (``2130706433``, ``0x7f.1``, ``[::ffff:127.0.0.1]``); so the address that the
socket is about to connect to is checked, for each request of a chain of redirects.

The table follows the IANA special-purpose registries (RFC 6890). ``ipaddress.is_global`` is not used, since
its meaning differs between releases of Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeAlias

from .._brief import short_repr, short_text
from .._values import ImmutableValue, set_fields

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    IPAddress: TypeAlias = IPv4Address | IPv6Address
    IPNetwork: TypeAlias = IPv4Network | IPv6Network

_REFUSED: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared address space"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),  # Azure's, among public addresses
    ("169.254.0.0/16", "link-local, cloud metadata"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments, cloud metadata"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("2001::/23", "protocol assignments, Teredo"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
)

_GLOBAL_V6 = "2000::/3"
"""All global unicast addresses of IPv6 (RFC 4291); all others are special."""

_TRANSLATED = ("::ffff:0:0/96", "64:ff9b::/96")
"""IPv6 forms of IPv4 addresses: IPv4-mapped (RFC 4291), and NAT64 (RFC 6052)."""


class EgressPolicy(ImmutableValue):
    """Refuses addresses that are not public: private, loopback, link-local, cloud metadata and the like.

    For ``egress=`` of clients and `ConnectionPool`. Each address that a host name resolves to is checked
    right before the connection to this very address is made, so that neither redirects, nor DNS rebinding,
    nor other spellings avoid the check. Only addresses that pass are tried; if none does, the request fails
    with AddressRefused before a byte is sent.

    - ``allow``: networks to permit although they are built in, such as ``"10.1.0.0/16"`` or ``"fd00::/8"``,
      or single addresses.
    - ``deny``: networks to refuse beside the built-in ones. It wins over ``allow``.
    - ``trusted_proxies``: True if the proxies of this client apply a policy of their own. Most proxies look
      up the host names of targets themselves, so this policy can't be applied there: by default requests
      through them are refused. A trusted proxy may also have an address that is not public. For a ``socks5``
      proxy names are looked up here, and the policy applies to what they resolve to in either case.

    Immutable; equal if all fields are. Raises ValueError for what is no network, TypeError for other types.
    """

    __slots__ = _fields = ("allow", "deny", "trusted_proxies")

    allow: tuple[str, ...]
    deny: tuple[str, ...]
    trusted_proxies: bool

    def __init__(
        self, *, allow: Iterable[str] = (), deny: Iterable[str] = (), trusted_proxies: bool = False
    ) -> None:
        if not isinstance(trusted_proxies, bool):
            raise TypeError(f"trusted_proxies must be True or False, not {type(trusted_proxies).__name__}")
        set_fields(
            self,
            allow=_networks("allow", allow),
            deny=_networks("deny", deny),
            trusted_proxies=trusted_proxies,
        )

    def refusal(self, address: str) -> str | None:
        """Why ``address`` (IPv4 or IPv6, in digits) is refused, in a few words; None if it is allowed.

        Raises ValueError for what is no address.
        """
        from ipaddress import ip_address

        # Without its zone (``fe80::1%eth0``), which does not matter here.
        return self._refusal(ip_address(address.partition("%")[0]))

    def _refusal(self, address: IPAddress) -> str | None:
        if _within(address, _parsed(self.deny)):
            return "denied"
        if _within(address, _parsed(self.allow)):
            return None
        if address.version == 6:
            for network in _parsed(_TRANSLATED):
                if address in network:
                    return self._refusal(_embedded(address))
            if address not in _parsed((_GLOBAL_V6,))[0]:
                return _outside_global(address)
        for network, why in _refused():
            if address in network:
                return why
        return None


def _networks(name: str, networks: object) -> tuple[str, ...]:
    from ipaddress import ip_network

    if isinstance(networks, str | bytes) or not isinstance(networks, Iterable):
        raise TypeError(f"{name} must be an iterable of networks, not {type(networks).__name__}")
    found = []
    for network in networks:
        if not isinstance(network, str):
            raise TypeError(f"{name} must hold str, not {type(network).__name__}")
        try:
            found.append(str(ip_network(network)))
        except ValueError as exc:
            raise ValueError(
                f"{name} has {short_repr(network)}, which is no IP network: {short_text(str(exc))}"
            ) from exc
    return tuple(found)


@lru_cache(maxsize=64)
def _parsed(networks: tuple[str, ...]) -> tuple[IPNetwork, ...]:
    from ipaddress import ip_network

    return tuple([ip_network(network) for network in networks])


@cache
def _refused() -> tuple[tuple[IPNetwork, str], ...]:
    return tuple([(_parsed((network,))[0], why) for network, why in _REFUSED])


def _within(address: IPAddress, networks: tuple[IPNetwork, ...]) -> bool:
    return any(address in network for network in networks)


def _embedded(address: IPAddress) -> IPv4Address:
    from ipaddress import IPv4Address

    return IPv4Address(int(address) & 0xFFFFFFFF)


def _outside_global(address: IPAddress) -> str:
    kinds = (
        (address.is_loopback, "loopback"),
        (address.is_link_local, "link-local"),
        (address.is_multicast, "multicast"),
        (address.is_unspecified, "this host"),
        (address.is_private, "private"),
    )
    return next((name for applies, name in kinds if applies), "not global")
