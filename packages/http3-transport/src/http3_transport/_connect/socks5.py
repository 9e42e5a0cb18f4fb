"""SOCKS5 (RFC 1928) with user name and password (RFC 1929), without I/O.

`handshake` is a generator: it yields what to send and how many bytes to receive, is sent just these bytes,
and ends when the proxy has connected to the target. So no byte of what follows is ever read here.
"""

from __future__ import annotations

from collections.abc import Generator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

VERSION: Final = 5
CONNECT: Final = 1
NO_AUTHENTICATION, PASSWORD, NOTHING_ACCEPTABLE = 0, 2, 0xFF
IPV4, NAME, IPV6 = 1, 3, 4

_SENTENCES: Final = {
    1: "it had a general failure",
    2: "its rules don't allow this connection",
    3: "the network of the target is unreachable",
    4: "the target is unreachable",
    5: "the target refused the connection",
    6: "the connection took too long (TTL expired)",
    7: "it does not support CONNECT",
    8: "it does not support this type of address",
}
"""Reply codes (RFC 1928 section 6)."""

ABOUT_THE_ADDRESS: Final = frozenset({3, 4, 5, 6, 8})
"""Reply codes after which another address of the same host may do."""


class SocksRefused(Exception):
    """The proxy does not connect; ``code`` is its reply code, None before there is one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Step(NamedTuple):
    """What to send, and how many bytes to receive then."""

    send: bytes
    receive: int


def handshake(host: str, port: int, auth: tuple[str, str] | None) -> Generator[Step, bytes, None]:
    """Connect to ``host``, a name that the proxy looks up or an address. Raises SocksRefused."""
    methods = [NO_AUTHENTICATION] if auth is None else [NO_AUTHENTICATION, PASSWORD]
    version, method = yield Step(bytes([VERSION, len(methods), *methods]), 2)
    if version != VERSION:
        raise SocksRefused("it does not speak SOCKS5")
    if method == PASSWORD and auth is not None:
        yield from _authenticate(*auth)
    elif method != NO_AUTHENTICATION:
        if method != NOTHING_ACCEPTABLE:
            raise SocksRefused("it asks for a way to authenticate that was not offered")
        raise SocksRefused(
            "it wants credentials, and none were given"
            if auth is None
            else "it takes no user name and password"
        )
    yield from _connect(host, port)


def _authenticate(user: str, password: str) -> Generator[Step, bytes, None]:
    """RFC 1929 section 2."""
    name, secret = user.encode(), password.encode()
    version, status = yield Step(b"\x01%c%b%c%b" % (len(name), name, len(secret), secret), 2)
    if version != 1:
        raise SocksRefused("it broke the protocol when it was given user name and password")
    if status != 0:
        raise SocksRefused("it does not accept user name and password")


def _connect(host: str, port: int) -> Generator[Step, bytes, None]:
    """RFC 1928 sections 4 to 6."""
    request = bytes([VERSION, CONNECT, 0]) + encode_target(host) + port.to_bytes(2, "big")
    version, code, _, kind, first = yield Step(request, 5)
    if version != VERSION:
        raise SocksRefused("it broke the protocol in its answer to CONNECT")
    if code != 0:
        raise SocksRefused(_SENTENCES.get(code, f"its reply code is {code}, which has no meaning"), code)
    # The address that the proxy connects from, and its port: its first byte came already.
    sizes = {IPV4: 4, IPV6: 16, NAME: 1 + first}
    if kind not in sizes:
        raise SocksRefused("it answered with an address of an unknown type")
    yield Step(b"", sizes[kind] - 1 + 2)


def encode_target(host: str) -> bytes:
    """Type and address (RFC 1928 section 5): an address as such, a name with its length."""
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        return bytes([NAME, len(name)]) + name
    return bytes([_type_of(address)]) + address.packed


def _type_of(address: IPv4Address | IPv6Address) -> int:
    return IPV4 if address.version == 4 else IPV6
