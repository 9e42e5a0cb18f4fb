"""Run by .ci/run where http3-client and http3-models are installed, and http3-transport is not."""

from __future__ import annotations

import asyncio
import importlib.util

import http3_client
import http3_models

for absent in ("http3", "http3_transport", "h11", "h2"):
    assert importlib.util.find_spec(absent) is None, absent


def handler(request: http3_models.Request | http3_models.AsyncRequest) -> http3_models.Response:
    """A login that redirects and sets a cookie."""
    if request.url.path == "/login":
        return http3_models.Response(302, headers={"Location": "/", "Set-Cookie": "session=1"})
    return http3_models.Response(200, json={"cookie": request.headers.get("cookie")})


async def main() -> None:
    """The same with await."""
    async with http3_client.AsyncClient(dispatch=http3_models.MockDispatcher(handler)) as client:
        response = await client.get("https://example.org/login")
        assert await response.json() == {"cookie": "session=1"}


with http3_client.Client(dispatch=http3_models.MockDispatcher(handler)) as client:
    assert client.get("https://example.org/login").json() == {"cookie": "session=1"}
asyncio.run(main())
try:
    http3_client.Client()
except ImportError as exc:
    assert "http3-client[transport]" in str(exc), exc
else:
    raise AssertionError("a client without transport and dispatch= says what to install")
print(f"http3-client {http3_client.__version__} works without a transport")
