"""Every public class in use, as a careful user writes it. Never run: mypy reads it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Generator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Unpack, assert_type

import http3
from http3.config import DEFAULT_POOL_LIMITS, DEFAULT_TIMEOUT_CONFIG
from http3.exceptions import Http3Error
from http3.models import Headers


def functions() -> None:
    """Request functions and their options."""
    response = http3.get("https://example.org/", params={"a": [1, 2]}, timeout=3, headers={"X": "y"})
    assert_type(response, http3.Response)
    assert_type(http3.request("GET", http3.URL("https://example.org/")), http3.Response)
    http3.post("https://example.org/", data={"a": "b"}, files={"f": b"bytes"})
    http3.post("https://example.org/", data=iter([b"a", b"b"]))
    http3.put("https://example.org/", data=Path("file").open("rb"))
    http3.patch("https://example.org/", json={"a": [1, None, "text"]})
    http3.delete("https://example.org/", auth=("user", "secret"))
    http3.head("https://example.org/", allow_redirects=True)
    http3.options("https://example.org/", verify=False, cert=("cert.pem", "key.pem"))


def client() -> None:
    """The sync client."""
    with http3.Client(
        auth=http3.BasicAuth("user", "secret"),
        cookies={"a": "b"},
        verify=ssl.create_default_context(),
        timeout=http3.TimeoutConfig(connect_timeout=1, total_timeout=None),
        pool_limits=http3.PoolLimits(soft_limit=1),
        base_url="https://example.org/v1",
        headers={"X-A": "b"},
        http_versions=("HTTP/1.1",),
        limits=http3.Limits(max_decoded=1000),
    ) as session:
        session.headers.update({"X-C": "d"})
        request = session.build_request("POST", "/users", json={"name": "Ada"})
        assert_type(request, http3.Request)
        assert_type(session.send(request, stream=True), http3.Response)
        assert_type(session.get("/users").raise_for_status(), http3.Response)
        assert_type(session.is_closed, bool)


async def async_client() -> None:
    """The async client."""
    async with http3.AsyncClient(auth=signed, timeout=None) as session:
        response = await session.get("https://example.org/", stream=True)
        assert_type(response, http3.AsyncResponse)
        async for chunk in response.stream():
            assert_type(chunk, bytes)
        async for line in response.iter_lines():
            assert_type(line, str)
        assert_type(await response.read(), bytes)
        assert_type(await response.json(), Any)
        await session.post("https://example.org/", data=async_chunks())
        request = session.build_request("GET", "https://example.org/")
        assert_type(request, http3.AsyncRequest)
        assert_type(await session.send(request), http3.AsyncResponse)


async def async_chunks() -> AsyncIterator[bytes]:
    """A body."""
    yield b"chunk"


def response(answer: http3.Response) -> None:
    """What a response tells."""
    assert_type(answer.status_code, int)
    assert_type(answer.protocol, str)
    assert_type(answer.url, http3.URL)
    assert_type(answer.headers, http3.Headers)
    assert_type(answer.content, bytes)
    assert_type(answer.text, str)
    assert_type(answer.json(), Any)
    assert_type(answer.elapsed, timedelta)
    assert_type(answer.timings, http3.Timings)
    assert_type(answer.timings.connect, float | None)
    assert_type(answer.connection.tls_version, str | None)
    assert_type(answer.cookies, http3.Cookies)
    assert_type(answer.history, list[http3.Response])
    assert_type(answer.request, http3.Request)
    step = answer.next
    if step is not None:
        assert_type(step(), http3.Response)
    chunks: Iterator[bytes] = answer.stream(chunk_size=1000)
    lines: Iterator[str] = answer.iter_lines()
    print(list(chunks), list(lines))
    http3.Response(200, headers=[("A", "b")], json={"a": 1}, request=answer.request)
    http3.AsyncResponse(404, text="gone")


def values() -> None:
    """URL, headers, query, cookies, status."""
    url = http3.URL("https://example.org/a", params={"b": "c"})
    assert_type(url.join("../d"), http3.URL)
    assert_type(url.origin, http3.Origin)
    assert_type(url.origin.port, int)
    assert_type(url.copy_with(host="example.com"), http3.URL)
    headers = Headers({"A": "b"})
    assert_type(headers["a"], str)
    assert_type(headers.get("a"), str | None)
    assert_type(headers.getlist("a"), list[str])
    assert_type(headers.raw, list[tuple[bytes, bytes]])
    assert_type(http3.QueryParams("a=b&a=c").multi_items(), list[tuple[str, str]])
    cookies = http3.Cookies({"a": "b"})
    cookies.set("c", "d", domain="example.org", path="/")
    assert_type(cookies["a"], str)
    missing: http3.StatusCode = http3.codes.NOT_FOUND
    assert_type(missing.phrase, str)


def config() -> None:
    """Configuration."""
    assert_type(DEFAULT_TIMEOUT_CONFIG.read_timeout, float | None)
    assert_type(DEFAULT_POOL_LIMITS.hard_limit, int | None)
    assert_type(http3.SSLConfig(verify="ca.pem").create_ssl_context(), ssl.SSLContext)
    http3.TimeoutConfig((1.0, None, 3.0))
    assert_type(http3.DEFAULT_CA_BUNDLE_PATH, str)
    print(http3.DEFAULT_MAX_REDIRECTS + 1, http3.USER_AGENT.upper())
    name = "continue"
    assert_type(http3.codes[name], http3.StatusCode)
    assert_type(http3.codes.not_found.phrase, str)
    print(
        http3.codes["continue"],
        http3.StatusCode["OK"],
        http3.codes(404),
        http3.get("https://h/").status_code == http3.codes.OK,
    )


def errors() -> None:
    """What can be caught."""
    try:
        http3.get("https://example.org/").raise_for_status()
    except http3.HttpError as exc:
        print(exc.response.status_code, exc.request.url)
    except http3.RedirectError as exc:
        print(exc.response.headers)
    except http3.RequestError as exc:
        assert_type(exc.delivery, http3.Delivery | None)
        print(exc.request.method, exc.timings)
    except Http3Error as exc:
        print(exc)


def signed(request: Any) -> Any:
    """Callable authentication."""
    request.headers["X-Signature"] = "..."
    return request


class TokenAuth(http3.Auth):
    """Authentication of one's own, for both clients."""

    def auth_flow(
        self, request: http3.Request | http3.AsyncRequest
    ) -> Generator[http3.Request | http3.AsyncRequest, http3.Response | http3.AsyncResponse, None]:
        """Ask again on a 401."""
        response = yield request
        if response.status_code == 401:
            request.headers["Authorization"] = "Bearer token"
            yield request


class Canned(http3.Dispatcher):
    """A dispatcher of one's own."""

    def send(
        self,
        request: http3.Request,
        verify: http3.VerifyTypes | None = None,
        cert: http3.CertTypes | None = None,
        timeout: http3.TimeoutTypes | None = None,
    ) -> http3.Response:
        """Always the same."""
        return http3.Response(200, content=b"canned", request=request)


class AsyncCanned(http3.AsyncDispatcher):
    """The same with await."""

    async def send(
        self,
        request: http3.AsyncRequest,
        verify: http3.VerifyTypes | None = None,
        cert: http3.CertTypes | None = None,
        timeout: http3.TimeoutTypes | None = None,
    ) -> http3.AsyncResponse:
        """Always the same."""
        return http3.AsyncResponse(200, content=b"canned", request=request)


def handler(request: http3.Request | http3.AsyncRequest) -> http3.Response:
    """For `MockDispatcher`."""
    return http3.Response(200, text=request.url.path)


def dispatchers() -> None:
    """Dispatchers in clients."""
    http3.Client(dispatch=Canned())
    http3.Client(dispatch=AsyncCanned())
    http3.AsyncClient(dispatch=http3.MockDispatcher(handler))
    http3.AsyncClient(dispatch=http3.ConnectionPool(verify=False), auth=TokenAuth())
    http3.Client(app=wsgi)
    http3.AsyncClient(dispatch=http3.WSGIDispatch(wsgi), backend=http3.AsyncioBackend())


class Own(http3.Client):
    """Overrides with signatures of its own."""

    def request(self, method: str, url: http3.URLTypes, **options: Any) -> http3.Response:
        """All verbs come by."""
        return super().request(method, url, **options)

    def get(self, url: http3.URLTypes, **options: Unpack[http3.RequestOptions]) -> http3.Response:
        """The documented options."""
        return super().get(url, **options)


async def streams() -> None:
    """Responses that live as long as their block."""
    with http3.Client(auth=False) as client, client.stream("POST", "https://h/", data=b"x") as response:
        assert_type(response, http3.Response)
    async with http3.AsyncClient() as session:
        async with session.stream("GET", "https://h/", auth=False, timeout=3) as answer:
            assert_type(answer, http3.AsyncResponse)


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """An application."""
    start_response("200 OK", [])
    return [b"hello"]


def aliases(
    url: http3.URLTypes,
    params: http3.QueryParamTypes,
    headers: http3.HeaderTypes,
    cookies: http3.CookieTypes,
    data: http3.RequestData,
    files: http3.RequestFiles,
) -> http3.Request:
    """The aliases serve a wrapper's annotations."""
    return http3.Request("POST", url, params=params, headers=headers, cookies=cookies, data=data, files=files)
