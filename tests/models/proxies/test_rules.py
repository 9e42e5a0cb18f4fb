"""Which proxy serves which URL: the environment's variables, ``no_proxy``, and the patterns of a client.

The last column names the peers that decide otherwise: curl (7.88.1, run once against a listener), Go
(golang.org/x/net/http/httpproxy, by its source) and httpx (0.28, which is asked again here).
"""

from __future__ import annotations

from typing import Any

import pytest

import http3
from http3_models.engine import ProxyRules, proxy_rules

DIRECT, PROXY = False, True

NO_PROXY = [
    ("", "http://example.org/", PROXY, ""),
    ("example.org", "http://example.org/", DIRECT, ""),
    ("example.org", "http://EXAMPLE.org./", DIRECT, "Go, httpx"),
    ("Example.ORG.", "http://example.org/", DIRECT, "Go, httpx"),
    ("example.org", "http://www.example.org/", DIRECT, ""),
    ("example.org", "http://a.b.example.org/", DIRECT, ""),
    ("example.org", "http://notexample.org/", PROXY, ""),
    ("example.org", "http://example.org.evil/", PROXY, ""),
    ("example.org", "http://example.orgx/", PROXY, ""),
    (".example.org", "http://www.example.org/", DIRECT, ""),
    (".example.org", "http://example.org/", DIRECT, "Go, httpx"),
    ("*.example.org", "http://www.example.org/", DIRECT, "curl, httpx"),
    ("*.example.org", "http://example.org/", PROXY, ""),
    ("*.example.org", "http://notexample.org/", PROXY, ""),
    ("*", "http://example.org/", DIRECT, ""),
    ("*", "https://10.1.2.3/", DIRECT, ""),
    ("a.example, *", "http://example.org/", DIRECT, "curl"),
    ("a.example,b.example", "http://b.example/", DIRECT, ""),
    ("a.example, b.example", "http://b.example/", DIRECT, ""),
    ("a.example b.example", "http://b.example/", DIRECT, "Go, httpx"),
    (",a.example,,", "http://a.example/", DIRECT, ""),
    (" a.example ", "http://a.example/", DIRECT, ""),
    ("a.example\t b.example", "http://a.example/", DIRECT, "Go, httpx"),
    ("example.org:8080", "http://example.org:8080/", DIRECT, "curl"),
    ("example.org:8080", "http://example.org/", PROXY, ""),
    ("example.org:80", "http://example.org/", DIRECT, "curl, httpx"),
    ("example.org:443", "https://example.org/", DIRECT, "curl, httpx"),
    (".example.org:8080", "http://www.example.org:8080/", DIRECT, "curl"),
    ("10.1.2.3", "http://10.1.2.3/", DIRECT, ""),
    ("10.1.2.3", "http://10.1.2.30/", PROXY, ""),
    ("10.1.2.3:80", "http://10.1.2.3/", DIRECT, "curl, httpx"),
    ("10.1.2.3:81", "http://10.1.2.3/", PROXY, ""),
    ("10.0.0.0/8", "http://10.200.3.4/", DIRECT, "httpx"),
    ("10.0.0.0/8", "http://11.0.0.1/", PROXY, ""),
    ("10.1.2.3/8", "http://10.200.3.4/", DIRECT, "httpx"),
    ("10.0.0.0/8", "http://ten.example/", PROXY, ""),
    ("192.168.1.0/24", "http://192.168.1.77:8080/", DIRECT, "httpx"),
    ("192.168.1.0/24", "http://192.168.2.1/", PROXY, ""),
    ("192.168.1.5/32", "http://192.168.1.5/", DIRECT, ""),
    ("0.0.0.0/0", "http://93.184.216.34/", DIRECT, "curl, httpx"),
    ("2001:db8::/32", "http://[2001:db8::1]/", DIRECT, "curl, httpx"),
    ("[2001:db8::]/32", "http://[2001:db8::1]/", DIRECT, "curl, Go, httpx"),
    ("2001:db8::/32", "http://[2001:db9::1]/", PROXY, "httpx"),
    ("2001:db8::1", "http://[2001:db8:0::1]/", DIRECT, "httpx"),
    ("[2001:db8::1]", "http://[2001:db8::1]/", DIRECT, "curl, Go, httpx"),
    ("[2001:db8::1]:80", "http://[2001:db8::1]/", DIRECT, "curl, httpx"),
    ("[2001:db8::1]:80", "http://[2001:db8::1]:81/", PROXY, "httpx"),
    ("10.0.0.0/33", "http://10.0.0.1/", PROXY, ""),
    ("10.0.0.0/x", "http://10.0.0.1/", PROXY, ""),
    ("exa mple.org", "http://mple.org/", DIRECT, "Go, httpx"),
    ("http://example.org", "http://example.org/", PROXY, "httpx"),
    ("3", "http://10.1.2.3/", PROXY, "Go, httpx"),
    ("2.3", "http://10.1.2.3/", PROXY, "Go, httpx"),
    (".3", "http://10.1.2.3/", PROXY, "Go, httpx"),
    ("bücher.example", "http://xn--bcher-kva.example/", DIRECT, "curl, httpx"),
    ("xn--bcher-kva.example", "http://bücher.example/", DIRECT, "httpx"),
    ("BÜCHER.example", "http://www.bücher.example/", DIRECT, "curl, httpx"),
    ("intranet", "http://intranet/", DIRECT, ""),
    ("intranet", "http://intranet.example/", PROXY, ""),
    ("::ffff:10.0.0.1", "http://10.0.0.1/", DIRECT, "curl, httpx"),
    ("10.0.0.0/8", "http://[::ffff:10.1.2.3]/", DIRECT, "curl, httpx"),
]


def rules_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ProxyRules | None:
    """The rules of an environment that has just these variables."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return proxy_rules(None, trust_env=True)


def choose(rules: ProxyRules | None, url: str) -> str | None:
    """The proxy for a URL, as text."""
    proxy = None if rules is None else rules.choose(http3.URL(url))
    return None if proxy is None else str(proxy)


@pytest.mark.parametrize(("entries", "url", "proxied", "others"), NO_PROXY)
def test_no_proxy(
    monkeypatch: pytest.MonkeyPatch, entries: str, url: str, proxied: bool, others: str
) -> None:
    rules = rules_of(monkeypatch, http_proxy="http://p", https_proxy="http://p", no_proxy=entries)
    assert (choose(rules, url) is not None) is proxied


@pytest.mark.parametrize(("entries", "url", "proxied", "others"), NO_PROXY)
def test_what_httpx_does(
    monkeypatch: pytest.MonkeyPatch, entries: str, url: str, proxied: bool, others: str
) -> None:
    httpx = pytest.importorskip("httpx")
    utils = pytest.importorskip("httpx._utils")
    rules_of(monkeypatch, http_proxy="http://p", https_proxy="http://p", no_proxy=entries)

    def decides() -> bool | None:
        """Whether httpx uses the proxy; None if it fails."""
        try:
            found = utils.get_environment_proxies()
            patterns = sorted((utils.URLPattern(pattern), value) for pattern, value in found.items())
        except httpx.InvalidURL:
            return None
        target = httpx.URL(url)
        return next((value is not None for pattern, value in patterns if pattern.matches(target)), False)

    assert (decides() is proxied) is ("httpx" not in others)


HTTP, HTTPS = "http://example.org/", "https://example.org/"

VARIABLES: list[tuple[dict[str, str], str, str | None]] = [
    ({}, HTTP, None),
    ({"http_proxy": "http://p:1"}, HTTP, "http://p:1"),
    ({"http_proxy": "http://p:1"}, HTTPS, None),
    ({"https_proxy": "http://p:1"}, HTTPS, "http://p:1"),
    ({"https_proxy": "http://p:1"}, HTTP, None),
    ({"all_proxy": "http://p:1"}, HTTP, "http://p:1"),
    ({"all_proxy": "http://p:1"}, HTTPS, "http://p:1"),
    ({"all_proxy": "http://a", "https_proxy": "http://s"}, HTTPS, "http://s:80"),
    ({"all_proxy": "http://a", "https_proxy": "http://s"}, HTTP, "http://a:80"),
    ({"HTTPS_PROXY": "http://p:1"}, HTTPS, "http://p:1"),
    ({"HTTP_PROXY": "http://p:1"}, HTTP, "http://p:1"),
    ({"HTTP_PROXY": "http://p:1", "http_proxy": "http://q:2"}, HTTP, "http://q:2"),
    ({"HTTP_PROXY": "http://p:1", "http_proxy": ""}, HTTP, None),
    ({"HTTP_PROXY": "http://p:1", "http_proxy": "", "all_proxy": "http://a:3"}, HTTP, "http://a:3"),
    ({"http_proxy": " "}, HTTP, None),
    ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, HTTP, None),
    ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, HTTP, "http://p:1"),
    ({"HTTPS_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, HTTPS, "http://p:1"),
    ({"http_proxy": "p"}, HTTP, "http://p:80"),
    ({"http_proxy": "p:3128"}, HTTP, "http://p:3128"),
    ({"http_proxy": " http://p:3128/ "}, HTTP, "http://p:3128"),
    ({"http_proxy": "10.0.0.1:3128"}, HTTP, "http://10.0.0.1:3128"),
    ({"http_proxy": "[::1]:3128"}, HTTP, "http://[::1]:3128"),
    ({"http_proxy": "https://p"}, HTTP, "https://p:443"),
    ({"all_proxy": "socks5://p"}, HTTP, "socks5://p:1080"),
    ({"all_proxy": "SOCKS5H://p:9"}, HTTP, "socks5h://p:9"),
    ({"all_proxy": "http://p:1", "NO_PROXY": "example.org"}, HTTP, None),
    ({"all_proxy": "http://p:1", "NO_PROXY": "example.org", "no_proxy": ""}, HTTP, "http://p:1"),
    ({"all_proxy": "http://p:1"}, "http://localhost:8000/", None),
    ({"all_proxy": "http://p:1"}, "http://api.localhost/", None),
    ({"all_proxy": "http://p:1"}, "http://LOCALHOST./", None),
    ({"all_proxy": "http://p:1"}, "http://127.1.2.3/", None),
    ({"all_proxy": "http://p:1"}, "http://0x7f.1/", None),
    ({"all_proxy": "http://p:1"}, "http://[::1]/", None),
    ({"all_proxy": "http://p:1"}, "http://[::ffff:127.0.0.1]/", None),
    ({"all_proxy": "http://p:1"}, "http://localhost.example/", "http://p:1"),
]


@pytest.mark.parametrize(("variables", "url", "expected"), VARIABLES)
def test_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, expected: str | None
) -> None:
    assert choose(rules_of(monkeypatch, **variables), url) == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("http_proxy", "socks4://p", "'socks4'"),
        ("HTTP_PROXY", "ftp://p", "'ftp'"),
        ("all_proxy", "socks://127.0.0.1:1080/", "'socks'"),
        ("http_proxy", "http://user:hunter2@[::", "closing bracket"),
        ("http_proxy", "http://p:99999", "port"),
        ("http_proxy", "http://", "no host"),
        ("http_proxy", "a b", "space"),
    ],
)
def test_a_variable_that_is_not_valid_fails_the_requests_that_need_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    rules = rules_of(monkeypatch, **{name: value, "https_proxy": "http://p:1", "no_proxy": "direct.example"})
    assert choose(rules, HTTPS) == "http://p:1"
    assert choose(rules, "http://direct.example/") is None
    with pytest.raises(http3.ProxyError, match=said) as caught:
        choose(rules, HTTP)
    assert f"environment variable {name}" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.delivery is http3.Delivery.NOT_SENT


PATTERNS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"http": "http://p:1"}, HTTP, "http://p:1"),
    ({"http": "http://p:1"}, HTTPS, None),
    ({"http://": "http://p:1"}, HTTP, "http://p:1"),
    ({"https://": "http://p:1"}, HTTPS, "http://p:1"),
    ({"all": "http://p:1"}, HTTPS, "http://p:1"),
    ({"all://": "http://p:1"}, HTTP, "http://p:1"),
    ({"all://*": "http://p:1"}, HTTP, "http://p:1"),
    ({"ALL": "http://p:1"}, HTTP, "http://p:1"),
    ({"all": "http://a:1", "http": "http://p:2"}, HTTP, "http://p:2"),
    ({"http": "http://p:2", "all": "http://a:1"}, HTTPS, "http://a:1"),
    ({"https": "http://s:1", "https://example.org": "http://h:2"}, HTTPS, "http://h:2"),
    ({"https://example.org": "http://h:2"}, "https://www.example.org/", None),
    ({"all://example.org": None, "all": "http://a:1"}, HTTP, None),
    ({"all://example.org": False, "all": "http://a:1"}, HTTP, None),
    ({"all://*.example.org": "http://w:1"}, "http://www.example.org/", "http://w:1"),
    ({"all://*.example.org": "http://w:1"}, HTTP, None),
    ({"all://*example.org": "http://w:1"}, HTTP, "http://w:1"),
    ({"all://*example.org": "http://w:1"}, "http://www.example.org/", "http://w:1"),
    ({"all://*example.org": "http://w:1"}, "http://notexample.org/", None),
    (
        {"all://*.example.org": "http://w:1", "all://*.b.example.org": "http://x:2"},
        "http://a.b.example.org/",
        "http://x:2",
    ),
    (
        {"all://*.example.org": "http://w:1", "http://a.example.org": "http://x:2"},
        "http://a.example.org/",
        "http://x:2",
    ),
    ({"https": "http://s:1", "all://*.example.org": "http://w:2"}, "https://a.example.org/", "http://w:2"),
    (
        {"https://example.org:8443": "http://p:1", "all": "http://a:2"},
        "https://example.org:8443/",
        "http://p:1",
    ),
    ({"https://example.org:8443": "http://p:1", "all": "http://a:2"}, HTTPS, "http://a:2"),
    ({"https://example.org": "http://p:1", "all://example.org:443": "http://q:2"}, HTTPS, "http://q:2"),
    ({"all://*:8080": "http://p:1"}, "http://example.org:8080/", "http://p:1"),
    ({"all://*:8080": "http://p:1"}, HTTP, None),
    ({"all://10.0.0.0/8": "http://n:1"}, "http://10.9.8.7/", "http://n:1"),
    ({"all://10.0.0.0/8": "http://n:1", "all://10.9.0.0/16": "http://m:2"}, "http://10.9.8.7/", "http://m:2"),
    ({"all://10.0.0.0/8": "http://n:1", "all://10.9.8.7": "http://m:2"}, "http://10.9.8.7/", "http://m:2"),
    ({"all://10.0.0.0/8": "http://n:1"}, "http://ten.example/", None),
    ({"all://[2001:db8::]/32": "http://n:1"}, "http://[2001:db8::5]/", "http://n:1"),
    ({"all://[::1]": "http://n:1"}, "http://[::1]/", "http://n:1"),
    ({"all://[::1]:81": "http://n:1"}, "http://[::1]:81/", "http://n:1"),
    ({"all://bücher.example": "http://n:1"}, "http://xn--bcher-kva.example/", "http://n:1"),
    ({"all://Example.ORG.": "http://n:1"}, HTTP, "http://n:1"),
    ({"all": "http://p:1"}, "http://localhost/", "http://p:1"),
    ({"all": "http://p:1", "no_proxy": "localhost,.example.org"}, HTTP, None),
    ({"all": "http://p:1", "no_proxy": ["localhost", "10.0.0.0/8"]}, "http://10.0.0.1/", None),
    ({"all://example.org": "http://p:1", "no_proxy": ["example.org"]}, HTTP, None),
    ({"all": "http://p:1", "no_proxy": None}, HTTP, "http://p:1"),
    ({"all": http3.Proxy("socks5://p")}, HTTP, "socks5://p:1080"),
    ({"all": http3.URL("http://p:1")}, HTTP, "http://p:1"),
]


@pytest.mark.parametrize(("patterns", "url", "expected"), PATTERNS)
def test_patterns(patterns: dict[str, Any], url: str, expected: str | None) -> None:
    assert choose(proxy_rules(patterns, trust_env=True), url) == expected


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"ftp": "http://p"}, ValueError, "'ftp'"),
        ({"example.org": "http://p"}, ValueError, "'example.org'"),
        ({"": "http://p"}, ValueError, "pattern"),
        ({"https://a b": "http://p"}, ValueError, "https://a b"),
        ({"https://h:0": "http://p"}, ValueError, "port"),
        ({"all://10.0.0.0/33": "http://p"}, ValueError, "network"),
        ({"all://10.1": "http://p"}, ValueError, "neither a name nor an address"),
        ({1: "http://p"}, TypeError, "int"),
        ({"all": 3}, TypeError, "int"),
        ({"all": "gopher://p"}, ValueError, "gopher"),
        ({"all": "http://p", "no_proxy": 3}, TypeError, "no_proxy"),
        ({"all": "http://p", "no_proxy": [3]}, TypeError, "no_proxy"),
        ({"all": "http://p", "no_proxy": "a//b"}, ValueError, "no_proxy"),
        (3, TypeError, "proxy"),
        (True, TypeError, "proxy"),
        ("socks4://p", ValueError, "socks4"),
        ("", ValueError, "proxy"),
    ],
)
def test_what_is_not_valid(given: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        proxy_rules(given, trust_env=True)


def test_what_is_remembered_is_bounded() -> None:
    rules = proxy_rules("http://p:1", trust_env=False)
    assert rules is not None
    for number in range(2000):
        assert choose(rules, f"http://h{number}.example/") == "http://p:1"
    assert len(rules._answers) <= 256
