"""`Proxy` and `NetworkConfig` as values: what they take, show and refuse."""

from __future__ import annotations

import copy
import pickle
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest

import http3

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("given", "shown", "auth"),
    [
        ("http://p", "http://p:80", None),
        ("p:3128", "http://p:3128", None),
        ("https://p", "https://p:443", None),
        ("socks5://p", "socks5://p:1080", None),
        ("socks5h://[::1]:9", "socks5h://[::1]:9", None),
        ("HTTP://P.Example./", "http://p.example.:80", None),
        ("http://p:3128/ignored?too#here", "http://p:3128", None),
        ("http://us%65r:p%40ss%3A@p", "http://p:80", ("user", "p@ss:")),
        ("http://token@p", "http://p:80", ("token", "")),
        (http3.URL("http://u:v@p:1"), "http://p:1", ("u", "v")),
    ],
)
def test_urls(given: Any, shown: str, auth: tuple[str, str] | None) -> None:
    proxy = http3.Proxy(given)
    assert str(proxy) == shown
    assert proxy.auth == auth
    assert proxy.url.userinfo == ""
    assert (proxy.url.path, proxy.url.query) in [("/", ""), ("", "")]
    assert proxy == http3.Proxy(given)
    assert hash(proxy) == hash(http3.Proxy(given))


def test_it_is_a_value() -> None:
    proxy = http3.Proxy(
        "http://p:1", auth=("user", PASSWORD), headers={"X-Key": "k"}, verify=False, cert="c.pem"
    )
    for made in (pickle.loads(pickle.dumps(proxy)), copy.copy(proxy), copy.deepcopy(proxy)):
        assert made == proxy
        assert made.auth == ("user", PASSWORD)
    assert proxy.headers == {"X-Key": "k"}
    proxy.headers["X-Key"] = "changed"  # a copy
    assert proxy.headers == {"X-Key": "k"}
    others = [
        http3.Proxy("http://p:1"),
        http3.Proxy("http://p:1", auth=("user", "other")),
        http3.Proxy("http://p:2", auth=("user", PASSWORD)),
        http3.Proxy("http://p:1", verify=False),
    ]
    assert len({proxy, *others}) == 5
    with pytest.raises(AttributeError, match="immutable"):
        proxy.auth = None


def test_the_password_is_not_shown() -> None:
    proxies = [
        http3.Proxy(f"http://user:{PASSWORD}@p"),
        http3.Proxy("http://p", auth=("user", PASSWORD)),
        http3.Proxy("http://p", headers={"Proxy-Authorization": f"Basic {PASSWORD}"}),
    ]
    for proxy in proxies:
        for shown in (repr(proxy), str(proxy), repr([proxy]), repr(proxy.auth), repr(proxy.headers)):
            assert PASSWORD not in shown


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"url": f"ftp://u:{PASSWORD}@p"}, ValueError, "'ftp'"),
        ({"url": f"socks4a://u:{PASSWORD}@p"}, ValueError, "socks5h"),
        ({"url": f"http://u:{PASSWORD}@p:x"}, ValueError, "port"),
        ({"url": f"http://u:{PASSWORD}@"}, ValueError, "host"),
        ({"url": 3}, TypeError, "int"),
        ({"url": "http://p", "auth": ("u", PASSWORD, "x")}, TypeError, "auth"),
        ({"url": "http://p", "auth": PASSWORD}, TypeError, "auth"),
        ({"url": "http://p", "auth": ("a:b", PASSWORD)}, ValueError, "colon"),
        ({"url": "http://p", "auth": ("a\n", PASSWORD)}, ValueError, "control"),
        ({"url": "socks5://p", "auth": ("u", PASSWORD * 40)}, ValueError, "255"),
        ({"url": "socks5://p", "auth": ("", PASSWORD)}, ValueError, "at least one"),
        ({"url": "socks5://p", "headers": {"A": "b"}}, ValueError, "SOCKS"),
        ({"url": "http://p", "headers": {"A b": "c"}}, http3.LocalProtocolError, "A b"),
        ({"url": "http://p", "verify": 3}, TypeError, "verify"),
        ({"url": "http://p", "cert": 3}, TypeError, "cert"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        http3.Proxy(**arguments)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [str(frame.locals) for frame in shown.stack if "http3_models" in frame.filename]
    assert PASSWORD not in str(caught.value) + "".join(ours)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, {"stagger": 0.25, "dns_cache": 10.0, "resolver": None, "socket_options": ()}),
        ({"resolver": {"A.Example.": "10.0.0.1"}}, {"resolver": {"a.example": ("10.0.0.1",)}}),
        ({"resolver": {"a": ["::1", "unix:/run/x"]}}, {"resolver": {"a": ("::1", "unix:/run/x")}}),
        ({"uds": Path("/run/x")}, {"uds": "/run/x"}),
        ({"local_address": "::1"}, {"local_address": ("::1", 0)}),
        ({"local_address": ("127.0.0.1", 99)}, {"local_address": ("127.0.0.1", 99)}),
        ({"socket_options": [[1, 2, 3]]}, {"socket_options": ((1, 2, 3),)}),
        ({"address_family": 6, "stagger": 0, "dns_cache": None}, {"address_family": 6, "stagger": 0.0}),
    ],
)
def test_network_configurations(arguments: dict[str, Any], shown: dict[str, Any]) -> None:
    network = http3.NetworkConfig(**arguments)
    assert {name: getattr(network, name) for name in shown} == shown
    assert network == http3.NetworkConfig(**arguments)
    assert hash(network) == hash(http3.NetworkConfig(**arguments))
    assert pickle.loads(pickle.dumps(network)) == network
    assert eval(repr(network), {"NetworkConfig": http3.NetworkConfig}) == network


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"resolver": 3}, TypeError, "resolver"),
        ({"resolver": {3: "::1"}}, TypeError, "resolver"),
        ({"resolver": {"a b": "::1"}}, ValueError, "'a b'"),
        ({"resolver": {"a": "b.example"}}, ValueError, "b.example"),
        ({"resolver": {"a": []}}, ValueError, "no address"),
        ({"resolver": {"a": [3]}}, TypeError, "str"),
        ({"resolver": {"a": "unix:"}}, ValueError, "unix"),
        ({"uds": 3}, TypeError, "uds"),
        ({"uds": ""}, ValueError, "uds"),
        ({"uds": "/x", "resolver": {}}, ValueError, "uds"),
        ({"local_address": "localhost"}, ValueError, "local_address"),
        ({"local_address": ("::1", 70000)}, ValueError, "local_address"),
        ({"local_address": 3}, TypeError, "local_address"),
        ({"socket_options": [(1, 2)]}, TypeError, "socket_options"),
        ({"socket_options": 3}, TypeError, "socket_options"),
        ({"stagger": -1}, ValueError, "stagger"),
        ({"stagger": None}, TypeError, "stagger"),
        ({"address_family": 5}, ValueError, "address_family"),
        ({"address_family": socket.AF_INET}, ValueError, "address_family"),
        ({"dns_cache": 0}, ValueError, "dns_cache"),
    ],
)
def test_network_configurations_that_are_refused(
    arguments: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        http3.NetworkConfig(**arguments)
