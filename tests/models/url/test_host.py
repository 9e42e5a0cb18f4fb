"""Hosts: what is looked up is what a browser would look up for the same text, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from http3_models import URL, InvalidURL

ada_url = pytest.importorskip("ada_url", reason="the browsers' parser is not installed")

DATA = Path(__file__).parents[4] / "shared/data/urltestdata.json"


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com."),
        ("my_service", "my_service"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("r3---sn-a.example", "r3---sn-a.example"),
        ("%65xample.com", "example.com"),
        ("fa\u00df.example", "xn--fa-hia.example"),
        ("\u4f60\u597d\u3002example", "xn--6qq79v.example"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("my_b.b\u00fccher.example", "my_b.xn--bcher-kva.example"),
        ("\uff27\uff4f.com", "go.com"),
        ("a\u00adb", "ab"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F.0.0x0.0", "127.0.0.0"),
        ("0177.0.0.01", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("192.168.257", "192.168.1.1"),
        ("\uff11\uff12\uff17.1", "127.0.0.1"),
        ("1.2.3.4.com", "1.2.3.4.com"),
        ("0x7g", "0x7g"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:0]", "::"),
        ("[2001:DB8:0:0:1:0:0:1]", "2001:db8::1:0:0:1"),
        ("[1:0:2:3:4:5:6:7]", "1:0:2:3:4:5:6:7"),
        ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("[1::]", "1::"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_normalised(written: str, host: str) -> None:
    assert URL(f"http://{written}/").host == host
    assert URL(f"http://{written}:81/").port == 81


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("a..b", "an empty label"),
        (".", "an empty label"),
        (".a", "an empty label"),
        ("a..", "an empty label"),
        ("-a.example", "begins or ends with a hyphen"),
        ("a-.example", "begins or ends with a hyphen"),
        ("a" * 64, "a label of more than 63"),
        (".".join(["a" * 50] * 6), "longer than 253"),
        ("a!b", "the character '!'"),
        ("a%2Fb", "the character '/'"),
        ("a%40b", "the character '@'"),
        ("a%00b", "the character '\\x00'"),
        ("a%zz", "the character '%'"),
        ("%C3", "not UTF-8"),
        ("%C2%AD", "the host is empty"),
        ("\uff05\uff10\uff10", "the character '%'"),
        ("\u2100.example", "the character '/'"),
        ("a\u2603b", "IDNA"),
        ("\u200b\u0300", "IDNA"),
        ("xn--a", "IDNA"),
        ("xn--.example", "IDNA"),
        ("\ufffe", "IDNA"),
        ("\u00fc" * 70, "IDNA"),
        ("256.0.0.1", "no IPv4 address"),
        ("1.2.3.4.5", "no IPv4 address"),
        ("1.2.3.08", "no IPv4 address"),
        ("4294967296", "no IPv4 address"),
        ("foo.0x4", "no IPv4 address"),
        ("a.1", "no IPv4 address"),
        ("1.0x1g.3", "no IPv4 address"),
        ("0x100.1", "no IPv4 address"),
        ("9" * 60, "no IPv4 address"),
        ("[::1", "no closing bracket"),
        ("[]", "no IPv6 address"),
        ("[example.com]", "no IPv6 address"),
        ("[127.0.0.1]", "no IPv6 address"),
        ("[1:2]", "no IPv6 address"),
        ("[::%31]", "zone id"),
        ("[fe80::1%25eth0]", "zone id"),
        ("[v1.x]", "no IPv6 address"),
        ("a[b]", "the character '['"),
    ],
)
def test_refused_hosts(written: str, why: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        URL(f"http://{written}/")
    assert why in str(caught.value)


def cases() -> list[dict[str, Any]]:
    if not DATA.exists():
        return []
    entries = [entry for entry in json.loads(DATA.read_text("utf-8")) if isinstance(entry, dict)]
    return [entry for entry in entries if entry["input"].strip().lower().startswith(("http:", "https:"))]


@pytest.mark.skipif(not DATA.exists(), reason="the shared test data is not beside this checkout")
def test_web_platform_cases() -> None:
    """Host and port as in browsers, or refused; and what browsers refuse is refused here."""
    agreed = 0
    for entry in cases():
        try:
            url = URL(entry["input"])
        except InvalidURL:
            continue
        assert not entry.get("failure"), entry["input"]
        port = "" if url._parts.port is None else str(url._parts.port)
        assert (url.host, port) == (entry["hostname"].strip("[]"), entry["port"]), entry["input"]
        agreed += 1
    assert agreed > 120


@pytest.mark.skipif(not DATA.exists(), reason="the shared test data is not beside this checkout")
def test_web_platform_cases_with_a_base() -> None:
    """The same for every reference that browsers resolve to http or https."""
    agreed = 0
    for entry in json.loads(DATA.read_text("utf-8")):
        if not isinstance(entry, dict) or not (entry.get("base") or "").startswith(("http:", "https:")):
            continue
        try:
            url = URL(entry["base"]).join(entry["input"])
        except InvalidURL:
            continue
        if url.scheme not in ("http", "https"):
            continue
        assert not entry.get("failure"), entry["input"]
        assert url.host == entry["hostname"].strip("[]"), entry["input"]
        agreed += 1
    assert agreed > 80


def browser_host(text: str, base: str | None = None) -> tuple[str, str] | None:
    """Host and port as a browser sees them; None if it refuses."""
    try:
        url = ada_url.URL(text, base=base) if base else ada_url.URL(text)
    except ValueError:
        return None
    return url.hostname.strip("[]"), url.port


def our_host(url: URL) -> tuple[str, str]:
    return url.host, "" if url._parts.port is None else str(url._parts.port)


CHARACTERS = "aZ09xX.-_:@/\\?#%[]!|^ \x00\x1f\x7f\u00fc\u3002\uff0e\uff11\uff0f\uff20\u2100\u00ad\u00df"
WORDS = ["0x", "127.0.0.1", "::", "//", "%2e", "%41", "%00", "%40", "xn--", "xn--bcher-kva", "%e3%80%82"]
WORDS += [
    "localhost",
    "evil.com",
    ":80",
    ":0443",
    "256",
    "08",
    "\u0660",
    "\u2603",
    "\u200d",
    "\u0130",
    "\u212a",
]
HOST_PIECES = st.sampled_from([*CHARACTERS, *WORDS])
HOSTS = st.lists(HOST_PIECES, max_size=8).map("".join)


@given(st.sampled_from(["http://", "https://", "HTTP://", "http:", "http:/", ""]), HOSTS)
@example("http://", "a\\@b")
@example("http://", "a@b@c")
@example("http://", "0x7f.1")
@example("http://", "1.2.3.4.")
@example("http://", "a%2eb")
def test_never_another_host_than_a_browser(start: str, rest: str) -> None:
    text = start + rest
    try:
        url = URL(text)
    except InvalidURL:
        return
    if url.scheme in ("http", "https"):
        assert our_host(url) == browser_host(text)


@given(st.text(max_size=8))
def test_never_another_host_than_a_browser_in_all_of_unicode(rest: str) -> None:
    try:
        url = URL(f"http://{rest}")
    except InvalidURL:
        return
    # The IDNA tables of two libraries are of different Unicode versions: one may refuse what is new.
    assert browser_host(f"http://{rest}") in (our_host(url), None)


@given(st.sampled_from(["", "/", "//", "\\", "http:", " ", "?", "#"]), HOSTS)
@example("/", "\\evil.com")
@example(" ", "//evil.com")
@example("", "///evil.com")
def test_never_another_host_than_a_browser_after_joining(start: str, rest: str) -> None:
    reference = start + rest
    for base in ("http://base.example/a/b", "https://base.example:444"):
        try:
            url = URL(base).join(reference)
        except InvalidURL:
            continue
        if url.scheme in ("http", "https"):
            assert our_host(url) == browser_host(reference, base)


@given(HOSTS)
def test_what_was_normalised_stays(rest: str) -> None:
    try:
        url = URL(f"http://{rest}")
    except InvalidURL:
        return
    assert our_host(URL(str(url))) == our_host(url)
    assert our_host(url.copy_with(path="/x")) == our_host(url)
