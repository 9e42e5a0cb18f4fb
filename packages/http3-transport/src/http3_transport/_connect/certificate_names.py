"""Which hosts a certificate is for: its subject alternative names against the host of a URL (RFC 9525).

OpenSSL compares them in each handshake, with the name that it was given there. If a user's backend did the
handshake, that may have been another name than the URL's, so they are compared once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def covers(certificate: Mapping[str, Any], host: str) -> bool:
    """Whether a certificate, as ``getpeercert`` gives it, is for ``host``: a name in ASCII, or an address.

    A common name does not count (RFC 9525 section 2).
    """
    names = subject_names(certificate)
    address = _address(host)
    if address is not None:
        return any(kind == "IP Address" and _address(name.strip()) == address for kind, name in names)
    wanted = _normal(host)
    return any(kind == "DNS" and _matches(_normal(name), wanted) for kind, name in names)


def subject_names(certificate: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Kind ("DNS", "IP Address") and text of each subject alternative name."""
    names: Iterable[tuple[str, str]] = certificate.get("subjectAltName", ())
    return names


def _matches(name: str, wanted: str) -> bool:
    """A wildcard matches one whole label, the first, and never one right below a top-level domain."""
    if not name.startswith("*."):
        return name == wanted
    first, _, rest = wanted.partition(".")
    return bool(first) and name[2:] == rest and "." in rest


def _normal(name: str) -> str:
    return name.lower().removesuffix(".")


def _address(host: str) -> Any:
    from ipaddress import ip_address

    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None
