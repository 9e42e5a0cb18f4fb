"""What docs/migrating.md says about requests, httpx and aiohttp is true of those that are installed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import httpx
import pytest
import requests

import http3
from support.example_server import serving

NAN = float("nan")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


def with_aiohttp(use: Callable[[aiohttp.ClientSession], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with aiohttp.ClientSession(**options) as session:
            return await use(session)

    return asyncio.run(main())


def query(params: dict[str, Any], send: Callable[..., Any], url: str) -> str:
    text: str = send(f"{url}/echo?x=1", params=params).json()["query"]
    return text


def test_truth_of_a_response(url: str) -> None:
    assert not requests.get(f"{url}/status/404")
    assert httpx.get(f"{url}/status/404")
    assert with_aiohttp(lambda session: session.get(f"{url}/status/404"))


def test_auth_none(url: str) -> None:
    session = requests.Session()
    session.auth = ("user", "secret")
    assert session.get(f"{url}/basic-auth", auth=None).status_code == 200
    with httpx.Client(auth=("user", "secret")) as client:
        assert client.get(f"{url}/basic-auth", auth=None).status_code == 401


def test_timeout_none(url: str) -> None:
    with httpx.Client(timeout=0.2) as client:
        assert client.timeout != httpx.Timeout(None)
        assert client.get(f"{url}/slow/0.5", timeout=None).status_code == 200
    assert httpx.Client().timeout == httpx.Timeout(5)
    timeout = aiohttp.ClientTimeout(total=0.2)
    answer = with_aiohttp(lambda session: session.get(f"{url}/slow/0.5", timeout=None), timeout=timeout)
    assert answer.status == 200
    assert aiohttp.client.DEFAULT_TIMEOUT.total == 300


def test_redirects(url: str) -> None:
    assert requests.get(f"{url}/old").status_code == 200
    assert requests.head(f"{url}/old").status_code == 301
    assert requests.Session().max_redirects == 30
    assert httpx.get(f"{url}/old").status_code == 301
    assert httpx.Client().max_redirects == 20
    assert with_aiohttp(lambda session: session.get(f"{url}/old")).status == 200
    assert with_aiohttp(lambda session: session.head(f"{url}/old")).status == 301


def test_raise_for_status(url: str) -> None:
    assert requests.get(f"{url}/users").raise_for_status() is None  # type: ignore[func-returns-value]
    assert issubclass(requests.HTTPError, requests.RequestException)
    assert issubclass(requests.RequestException, OSError)
    assert issubclass(requests.ConnectTimeout, requests.ConnectionError)
    with pytest.raises(httpx.HTTPStatusError):
        httpx.get(f"{url}/status/304").raise_for_status()
    assert not issubclass(httpx.HTTPStatusError, httpx.RequestError)
    assert issubclass(aiohttp.ClientResponseError, aiohttp.ClientError)
    assert not issubclass(http3.Http3Error, OSError)
    assert not issubclass(http3.ConnectTimeout, http3.NetworkError)
    assert issubclass(http3.HttpError, http3.Http3Error)


def test_cookies_without_a_domain(url: str) -> None:
    elsewhere = url.replace("127.0.0.1", "localhost")
    session = requests.Session()
    session.cookies.update({"a": "1"})
    with httpx.Client(cookies={"a": "1"}) as client:
        for host in (url, elsewhere):
            assert session.get(f"{host}/cookies").json() == {"a": "1"}
            assert client.get(f"{host}/cookies").json() == {"a": "1"}
    again = requests.Session()
    again.get(f"{url}/cookies", cookies={"b": "2"})
    assert not again.cookies


@pytest.mark.parametrize(
    ("params", "of_requests", "of_httpx", "of_http3"),
    [
        ({"a": None}, "x=1", "a=", "x=1"),
        ({"b": True}, "x=1&b=True", "b=true", "x=1&b=true"),
        ({"c": [1, 2]}, "x=1&c=1&c=2", "c=1&c=2", "x=1&c=1&c=2"),
    ],
)
def test_params(url: str, params: dict[str, Any], of_requests: str, of_httpx: str, of_http3: str) -> None:
    assert query(params, requests.get, url) == of_requests
    assert query(params, httpx.get, url) == of_httpx
    assert query(params, http3.get, url) == of_http3
    if params.keys() <= {"a", "b"}:
        with pytest.raises(TypeError):
            with_aiohttp(lambda session: session.get(url, params=params))


def test_json(url: str) -> None:
    async def aiohttp_sends(session: aiohttp.ClientSession, value: object) -> str:
        answer = await session.post(f"{url}/echo", json=value)
        body: str = (await answer.json())["body"]
        return body

    value = {"n": "é"}
    escaped, plain = r'{"n": "\u00e9"}', '{"n":"é"}'.encode().decode("latin-1")
    assert requests.post(f"{url}/echo", json=value).json()["body"] == escaped
    assert httpx.post(f"{url}/echo", json=value).json()["body"] == plain
    assert http3.post(f"{url}/echo", json=value).json()["body"] == plain
    assert with_aiohttp(lambda session: aiohttp_sends(session, value)) == escaped
    with pytest.raises(requests.exceptions.InvalidJSONError):
        requests.post(url, json=NAN)
    for send in (httpx.post, http3.post):
        with pytest.raises(ValueError, match="JSON"):
            send(url, json=NAN)
    assert with_aiohttp(lambda session: aiohttp_sends(session, NAN)) == "NaN"


def test_json_beside_data(url: str) -> None:
    for send in (requests.post, httpx.post):
        assert send(f"{url}/echo", json=[1], data={"a": "1"}).json()["body"] == "a=1"
    with pytest.raises(ValueError, match="data and json"):
        with_aiohttp(lambda session: session.post(url, json=[1], data={"a": "1"}))
    with pytest.raises(TypeError, match="json"):
        http3.post(url, json=[1], data={"a": "1"})


def test_headers_files_and_bodies(url: str) -> None:
    nothing: Any = {"Accept": None}
    assert "accept" not in requests.get(f"{url}/echo", headers=nothing).json()["headers"]
    with pytest.raises(TypeError):
        httpx.get(url, headers=nothing)
    with pytest.raises(TypeError):
        with_aiohttp(lambda session: session.get(url, headers=nothing))
    for send in (requests.post, httpx.post):
        assert send(f"{url}/upload", files={"f": "text"}).status_code == 200
    with pytest.raises(TypeError, match="path"):
        http3.post(url, files={"f": "text"})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        httpx.get(url, json=[1])  # type: ignore[call-arg]


def test_base_url() -> None:
    with httpx.Client(base_url="https://h/v1") as client:
        assert str(client.build_request("GET", "/users").url) == "https://h/v1/users"


def test_limits_and_closing(url: str) -> None:
    async def limits(session: aiohttp.ClientSession) -> tuple[int, int]:
        assert session.connector is not None
        return session.connector.limit, session.connector.limit_per_host

    assert with_aiohttp(limits) == (100, 0)
    session = requests.Session()
    session.close()
    assert session.get(f"{url}/users").ok


def test_when_bodies_are_read(url: str) -> None:
    async def content_type(session: aiohttp.ClientSession) -> None:
        await (await session.get(f"{url}/new")).json()

    with pytest.raises(aiohttp.ContentTypeError):
        with_aiohttp(content_type)
    assert next(iter(requests.get(f"{url}/stream/1", stream=True).iter_lines())) == b"line 1"
    assert httpx.get(f"{url}/users/1").json()["name"] == "Ada"
