"""The exception tree, exported names, and values that travel (api.md sections 1, 11 and 12)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import http3
import http3.config
import http3.exceptions
import http3.models
from support.worlds import Site, World, do, raised

TREE: dict[str, str] = {
    "RequestError": "Http3Error",
    "TransportError": "RequestError",
    "Timeout": "TransportError",
    "ConnectTimeout": "Timeout",
    "ReadTimeout": "Timeout",
    "WriteTimeout": "Timeout",
    "PoolTimeout": "Timeout",
    "TotalTimeout": "Timeout",
    "NetworkError": "TransportError",
    "ConnectError": "NetworkError",
    "TLSError": "ConnectError",
    "AddressRefused": "ConnectError",
    "ReadError": "NetworkError",
    "WriteError": "NetworkError",
    "NotConnected": "NetworkError",
    "ProtocolError": "TransportError",
    "LocalProtocolError": "ProtocolError",
    "RemoteProtocolError": "ProtocolError",
    "ResponseTooLarge": "RemoteProtocolError",
    "UnsupportedProtocol": "TransportError",
    "DecodingError": "RequestError",
    "DecodedSizeExceeded": "DecodingError",
    "RedirectError": "RequestError",
    "TooManyRedirects": "RedirectError",
    "RedirectLoop": "RedirectError",
    "RedirectBodyUnavailable": "RedirectError",
    "HttpError": "Http3Error",
    "StreamException": "Http3Error",
    "StreamConsumed": "StreamException",
    "ResponseNotRead": "StreamException",
    "ResponseClosed": "StreamException",
    "InvalidURL": "Http3Error",
    "CookieConflict": "Http3Error",
    "ClientClosed": "Http3Error",
}


@pytest.mark.parametrize(("name", "parent"), TREE.items())
def test_the_tree(name: str, parent: str) -> None:
    kind = getattr(http3, name)
    assert issubclass(kind, getattr(http3, parent))
    assert kind.__bases__[0] is getattr(http3, parent) or getattr(http3, parent) in kind.__bases__
    assert getattr(http3.exceptions, name) is kind
    assert kind.__module__ == "http3_models"


def test_the_relatives() -> None:
    assert issubclass(http3.UnsupportedProtocol, http3.InvalidURL)
    assert issubclass(http3.InvalidURL, ValueError)
    assert issubclass(http3.ClientClosed, RuntimeError)
    assert not issubclass(http3.Http3Error, OSError)


EXPORTED = """
request get options head post put patch delete Client AsyncClient Auth BasicAuth BearerAuth DigestAuth
AuthBase HTTPBasicAuth Request AsyncRequest Response AsyncResponse URL Origin Headers QueryParams Cookies
TimeoutConfig PoolLimits SSLConfig DEFAULT_TIMEOUT_CONFIG DEFAULT_POOL_LIMITS DEFAULT_MAX_REDIRECTS
DEFAULT_SSL_CONFIG DEFAULT_CA_BUNDLE_PATH USER_AGENT Dispatcher AsyncDispatcher MockDispatcher
ConcurrencyBackend BaseReader BaseWriter BasePoolSemaphore AsyncioBackend BlockingBackend TrioBackend
ConnectionPool HTTPConnection Protocol ASGIDispatch WSGIDispatch URLTypes QueryParamTypes HeaderTypes
CookieTypes AuthTypes CertTypes VerifyTypes TimeoutTypes RequestData AsyncRequestData RequestFiles
ResponseContent AsyncResponseContent codes StatusCode __version__
"""


@pytest.mark.parametrize("name", EXPORTED.split())
def test_exported(name: str) -> None:
    assert name in http3.__all__
    assert getattr(http3, name) is not None


def test_modules_of_0_6_7() -> None:
    assert http3.config.TimeoutConfig is http3.TimeoutConfig
    assert http3.config.DEFAULT_MAX_REDIRECTS == 20
    assert http3.models.Response is http3.Response
    assert http3.models.URL is http3.URL


def test_codes() -> None:
    assert int(http3.codes.OK) == 200
    assert int(http3.codes.not_found) == 404
    assert http3.codes.NOT_FOUND.phrase == "Not Found"
    assert http3.codes.is_redirect(308)
    assert http3.codes.is_client_error(404)
    assert http3.codes.is_server_error(503)
    assert http3.codes.get_reason_phrase(418)
    assert http3.codes.get_reason_phrase(599) == ""


VALUES: dict[str, Callable[[], Any]] = {
    "timeout": lambda: http3.TimeoutConfig(3, read_timeout=None),
    "limits": lambda: http3.PoolLimits(hard_limit=50),
    "more limits": lambda: http3.Limits(max_decoded=5),
    "ssl": lambda: http3.SSLConfig(verify=False),
    "url": lambda: http3.URL("https://user:pw@example.org/ä?q=1#f"),
    "origin": lambda: http3.Origin("https://example.org"),
    "headers": lambda: http3.Headers([("A", "1"), ("a", "2")]),
    "query": lambda: http3.QueryParams("a=1&a=2"),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("way", [copy.deepcopy, copy.copy, lambda value: pickle.loads(pickle.dumps(value))])
def test_values_travel(name: str, way: Callable[[Any], Any]) -> None:
    value = VALUES[name]()
    again = way(value)
    assert again == value
    assert type(again) is type(value)
    assert repr(again) == repr(value)


async def test_responses_travel(world: World, two_ways: Site) -> None:
    client = world.client(two_ways)
    response = await do(client.get(two_ways.url + "/redirect/1", cookies={"a": "1"}))
    for again in (pickle.loads(pickle.dumps(response)), copy.deepcopy(response)):
        assert type(again) is type(response)
        assert again.content == response.content
        assert await do(again.json()) == await do(response.json())
        assert again.headers == response.headers
        assert again.url == response.url
        assert [one.status_code for one in again.history] == [302]
        assert again.request.method == "GET"
        assert again.elapsed == response.elapsed
    gzipped = await do(client.get(two_ways.url + "/gzip"))
    assert pickle.loads(pickle.dumps(gzipped)).text == gzipped.text
    bounced = await do(client.get(two_ways.url + "/redirect/1", allow_redirects=False))
    pickle.loads(pickle.dumps(bounced))


async def test_cookies_travel(world: World, plain: Site) -> None:
    client = world.client(plain)
    await do(client.get(plain.url + "/cookies/set?a=1"))
    again = pickle.loads(pickle.dumps(client.cookies))
    assert dict(again) == {"a": "1"}
    other = world.client(plain, cookies=again)
    assert await do((await do(other.get(plain.url + "/cookies"))).json()) == {"a": "1"}


async def test_requests_travel(world: World, plain: Site) -> None:
    request = world.request_class("POST", plain.url + "/echo", json={"a": 1}, headers={"X-A": "b"})
    again = pickle.loads(pickle.dumps(request))
    assert (again.method, again.url) == ("POST", request.url)
    assert (await do((await do(world.client(plain).send(again))).json()))["body"] == '{"a":1}'
    once = world.request_class("POST", plain.url, data=iter([b"x"]))
    await raised(http3.StreamConsumed, pickle.loads(pickle.dumps(once)).read)


async def test_exceptions_travel(world: World, plain: Site) -> None:
    client = world.client(plain, timeout=0.2)
    response = await do(client.get(plain.url + "/status/404"))
    errors = [
        await raised(http3.ConnectError, lambda: client.get("http://127.0.0.1:1/")),
        await raised(http3.ReadTimeout, lambda: client.get(plain.url + "/delay/3")),
        await raised(http3.RedirectLoop, lambda: client.get(plain.url + "/loop")),
        await raised(http3.InvalidURL, lambda: client.get("nonsense")),
        await raised(http3.LocalProtocolError, lambda: client.get(plain.url, headers={"a": "\n"})),
        await raised(http3.HttpError, response.raise_for_status),
    ]
    for error in errors:
        for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
            assert type(again) is type(error)
            assert str(again) == str(error)
            if isinstance(error, http3.RequestError):
                assert again.delivery == error.delivery
            if isinstance(error, http3.NetworkError | http3.Timeout | http3.RedirectError):
                assert again.request.url == error.request.url
            if isinstance(error, http3.RedirectError | http3.HttpError):
                assert again.response.status_code == error.response.status_code
    assert "refused" in str(pickle.loads(pickle.dumps(errors[0])).__cause__).lower() or "refused" in str(
        errors[0]
    )


def test_urls() -> None:
    url = http3.URL("HTTP://User:P%40ss@EXAMPLE.org:80/a/../b%2f?q=a b#frag")
    assert str(url) == "http://User:P%40ss@example.org/b%2f?q=a%20b#frag"
    assert (url.scheme, url.host, url.port, url.path) == ("http", "example.org", 80, "/b%2f")
    assert (url.username, url.password, url.query, url.fragment) == ("User", "P@ss", "q=a%20b", "frag")
    assert url.full_path == "/b%2f?q=a%20b"
    assert "P%40ss" not in repr(url)
    assert http3.URL("https://example.org/%7Ea") == http3.URL("https://EXAMPLE.org:443/~a")
    assert url != str(url)
    assert http3.URL("https://bücher.example/").host == "xn--bcher-kva.example"
    assert str(http3.URL("https://h/a", params={"b": "1"})) == "https://h/a?b=1"
    assert str(http3.URL("https://h/a/b").join("../c?d#e")) == "https://h/c?d#e"
    assert http3.URL("/x", allow_relative=True).is_relative_url
    assert str(http3.URL("https://h/a").copy_with(scheme="http", port=8080)) == "http://h:8080/a"
    assert http3.Origin("https://h/a") == http3.URL("https://h:443/b").origin


def test_headers() -> None:
    headers = http3.Headers([("Set-Cookie", "a"), ("set-cookie", "b"), ("X", "1, 2")])
    assert headers["SET-COOKIE"] == "a, b"
    assert headers.getlist("set-cookie") == ["a", "b"]
    assert headers.getlist("x", split_commas=True) == ["1", "2"]
    assert headers.raw == [(b"set-cookie", b"a"), (b"set-cookie", b"b"), (b"x", b"1, 2")]
    headers.add("X", "3")
    headers.update({"Y": "4"})
    del headers["set-cookie"]
    assert dict(headers) == {"x": "1, 2, 3", "y": "4"}
    assert "hunter2" not in repr(http3.Headers({"Authorization": "hunter2"}))


def test_query_params() -> None:
    query = http3.QueryParams({"a": ["1", "2"], "b": "x y"})
    assert str(query) == "a=1&a=2&b=x+y"
    assert query.getlist("a") == ["1", "2"]
    assert query.multi_items() == [("a", "1"), ("a", "2"), ("b", "x y")]
    assert http3.QueryParams("a=1&a=2") == http3.QueryParams([("a", "1"), ("a", "2")])
