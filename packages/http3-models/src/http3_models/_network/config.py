"""`NetworkConfig`: how a client reaches addresses: which ones, from where, over which kind of socket."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from .._brief import short_repr
from .._exceptions import InvalidURL
from .._url import normalise_host
from .._values import ImmutableValue, check_seconds, set_fields

UNIX: Final = "unix:"
"""The beginning of the address of a Unix socket, as a resolver gives it; the path follows."""

Addresses: TypeAlias = str | Iterable[str]
"""One or more addresses of a host: IPv4, IPv6, or ``unix:/path``."""

ResolverTypes: TypeAlias = (
    Mapping[str, Addresses]
    | Callable[[str, int], Addresses | None]
    | Callable[[str, int], Awaitable[Addresses | None]]
)
"""Addresses by host name; or a function from host and port to addresses, None for the system's, plain or (in
an `AsyncClient`) async."""

SocketOption: TypeAlias = tuple[int, int, int | bytes]
"""Level, option and value, as ``socket.setsockopt`` takes them."""

DEFAULT_STAGGER: Final = 0.25
"""Seconds; RFC 8305 section 8 recommends it, and browsers use it: most handshakes are done by then."""

DEFAULT_DNS_CACHE: Final = 10.0
"""Seconds. Long enough for a burst of connections, shorter than the time to live of nearly all records."""


class NetworkConfig(ImmutableValue):
    """How a client reaches addresses.

    - ``resolver``: a mapping from host names to an address or a list of them (``{"api.example.org":
      "127.0.0.1", "docker": "unix:/run/docker.sock"}``), or a function ``(host, port) -> addresses``, in an
      `AsyncClient` also an async one. A name that is not in the mapping, or for which the function returns
      None, is looked up by the system. It also serves the names of proxies. TLS checks the name, whatever the
      address.
    - ``uds``: path of a Unix socket that every connection goes to.
    - ``local_address``: the address that connections come from, as a str, or (address, port).
    - ``socket_options``: (level, option, value) each, set before the socket connects.
    - ``stagger``: seconds until the next address of a host is tried while an attempt is under way (RFC 8305);
      default: 0.25.
    - ``address_family``: 4 or 6 restricts to IPv4 or IPv6; None: both.
    - ``dns_cache``: seconds for which the addresses of a host are kept; default: 10. None: they are not.

    Immutable; equal if all fields are. Raises ValueError and TypeError that name the argument.
    """

    __slots__ = _fields = (
        "resolver",
        "uds",
        "local_address",
        "socket_options",
        "stagger",
        "address_family",
        "dns_cache",
    )

    resolver: Mapping[str, tuple[str, ...]] | Callable[[str, int], Any] | None
    uds: str | None
    local_address: tuple[str, int] | None
    socket_options: tuple[SocketOption, ...]
    stagger: float
    address_family: int | None
    dns_cache: float | None

    def __init__(
        self,
        *,
        resolver: ResolverTypes | None = None,
        uds: str | os.PathLike[str] | None = None,
        local_address: str | tuple[str, int] | None = None,
        socket_options: Iterable[SocketOption] = (),
        stagger: float = DEFAULT_STAGGER,
        address_family: int | None = None,
        dns_cache: float | None = DEFAULT_DNS_CACHE,
    ) -> None:
        path = None if uds is None else _checked_path(uds)
        if path is not None and (resolver is not None or local_address is not None):
            raise ValueError("uds can't be combined with resolver or local_address: it is the one address")
        if address_family not in (None, 4, 6) or isinstance(address_family, bool):
            raise ValueError(f"address_family must be 4, 6 or None, not {short_repr(address_family)}")
        if stagger is None:
            raise TypeError("stagger must be a number of seconds, not NoneType")
        set_fields(
            self,
            resolver=_checked_resolver(resolver),
            uds=path,
            local_address=_checked_local(local_address),
            socket_options=_checked_options(socket_options),
            stagger=check_seconds("stagger", stagger, zero=True),
            address_family=address_family,
            dns_cache=check_seconds("dns_cache", dns_cache),
        )

    def _values(self) -> tuple[Any, ...]:
        resolver, *rest = super()._values()
        if isinstance(resolver, _Pinned):
            resolver = tuple(sorted(resolver.items()))
        return (resolver, *rest)

    def _arguments(self) -> dict[str, Any]:
        return dict(zip(self._fields, super()._values(), strict=True))


class _Pinned(dict[str, tuple[str, ...]]):
    """Addresses by name, in the form in which `URL.host` has it; nothing changes it once it is made."""


def _checked_resolver(resolver: object) -> _Pinned | Callable[[str, int], Any] | None:
    if resolver is None:
        return None
    if isinstance(resolver, Mapping):
        return _Pinned(_pin(host, addresses) for host, addresses in resolver.items())
    if not callable(resolver):
        raise TypeError(f"resolver must be a mapping or a function, not {type(resolver).__name__}")
    return resolver


def _pin(host: object, addresses: object) -> tuple[str, tuple[str, ...]]:
    if not isinstance(host, str):
        raise TypeError(f"resolver must have host names as keys, not {type(host).__name__}")
    try:
        name = normalise_host(host).removesuffix(".")
    except (ValueError, InvalidURL) as exc:
        raise ValueError(f"resolver has {short_repr(host)}, which is no host name: {exc}") from exc
    return name, checked_addresses(f"resolver[{short_repr(host)}]", addresses)


def checked_addresses(name: str, addresses: object) -> tuple[str, ...]:
    """One or more addresses as a tuple. Raises ValueError or TypeError that begins with ``name``."""
    if not isinstance(addresses, str | bytes) and isinstance(addresses, Iterable):
        found = tuple(addresses)
    else:
        found = (addresses,)
    if not found:
        raise ValueError(f"{name} has no address")
    for address in found:
        if not isinstance(address, str):
            raise TypeError(f"{name} must be addresses as str, not {type(address).__name__}")
        if not (len(address) > len(UNIX) if address.startswith(UNIX) else _is_ip(address)):
            raise ValueError(f"{name} must be IP addresses or 'unix:/path', not {short_repr(address)}")
    return found


def _is_ip(text: str) -> bool:
    from ipaddress import ip_address

    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _checked_path(uds: object) -> str:
    if not isinstance(uds, str | os.PathLike):
        raise TypeError(f"uds must be a path, not {type(uds).__name__}")
    path = os.fspath(uds)
    if not isinstance(path, str):
        raise TypeError("uds must be a path as str, not bytes")
    if not path:
        raise ValueError("uds must be a path, not ''")
    return path


def _checked_local(address: object) -> tuple[str, int] | None:
    if address is None:
        return None
    host, port = address if isinstance(address, tuple) and len(address) == 2 else (address, 0)
    if not isinstance(host, str):
        raise TypeError(f"local_address must be an address or (address, port), not {type(address).__name__}")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port < 65536 or not _is_ip(host):
        raise ValueError(
            f"local_address must be an IP address, or (address, port), not {short_repr(address)}"
        )
    return (host, port)


def _checked_options(options: object) -> tuple[SocketOption, ...]:
    if isinstance(options, str | bytes) or not isinstance(options, Iterable):
        raise TypeError(
            f"socket_options must be a list of (level, option, value), not {type(options).__name__}"
        )
    found = tuple([tuple(option) if isinstance(option, list | tuple) else option for option in options])
    for option in found:
        right = isinstance(option, tuple) and len(option) == 3 and isinstance(option[2], int | bytes)
        if not right or not all(isinstance(number, int) for number in option[:2]):
            raise TypeError(f"socket_options must hold (level, option, value), not {short_repr(option)}")
    return found


DEFAULT_NETWORK: Final = NetworkConfig()
