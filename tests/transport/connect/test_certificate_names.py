"""Whom a certificate is for (RFC 9525), as `ssl` shows its names."""

from __future__ import annotations

from typing import Any

import pytest

from http3_transport._connect.certificate_names import covers


def certificate(*names: str, addresses: tuple[str, ...] = ()) -> dict[str, Any]:
    alternative = [("DNS", name) for name in names] + [("IP Address", address) for address in addresses]
    return {
        "subject": ((("commonName", "common.example"),),),
        "subjectAltName": (*alternative, ("email", "a@mail.example"), ("URI", "https://uri.example/")),
    }


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("a.example", "a.example"),
        ("A.Example", "a.example"),
        ("a.example", "A.EXAMPLE"),
        ("a.example", "a.example."),
        ("a.example.", "a.example"),
        ("*.a.example", "b.a.example"),
        ("*.a.example", "xn--bcher-kva.a.example"),
        ("localhost", "localhost"),
    ],
)
def test_names_that_match(name: str, host: str) -> None:
    assert covers(certificate("other.example", name), host)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("a.example", "b.example"),
        ("a.example", "b.a.example"),
        ("a.example", "a.example.evil.example"),
        ("*.a.example", "a.example"),
        ("*.a.example", ".a.example"),
        ("*.a.example", "c.b.a.example"),
        ("*.example", "a.example"),
        ("*", "localhost"),
        ("*.*.example", "a.b.example"),
        ("b*.a.example", "bc.a.example"),
        ("b.*.example", "b.a.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("*.0.0.1", "127.0.0.1"),
        ("", ""),
        ("a.example", "common.example"),
        ("a.example", "mail.example"),
        ("a.example", "uri.example"),
    ],
)
def test_names_that_do_not(name: str, host: str) -> None:
    assert not covers(certificate(name), host) or name == host == ""


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("0:0:0:0:0:0:0:1", "[::1]"),
        ("0:0:0:0:0:0:0:1\n", "::1"),
        ("FE80:0:0:0:0:0:0:1", "fe80::1%eth0"),
    ],
)
def test_addresses_that_match(address: str, host: str) -> None:
    assert covers(certificate(addresses=("192.0.2.1", address)), host)


@pytest.mark.parametrize("host", ["127.0.0.2", "::2", "localhost", "a.example"])
def test_addresses_that_do_not(host: str) -> None:
    assert not covers(certificate(addresses=("127.0.0.1", "0:0:0:0:0:0:0:1")), host)


def test_a_certificate_without_names() -> None:
    assert not covers({"subject": ((("commonName", "a.example"),),)}, "a.example")
