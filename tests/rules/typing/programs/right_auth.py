"""Authentication of one's own, typed as people write it: one class serves both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import assert_type

import http3


class Token(http3.Auth):
    """Asks for a token, and again on a 401."""

    requires_response_body = True

    def auth_flow(self, request: http3.Request) -> Generator[http3.Request, http3.Response, None]:
        """Three requests at most."""
        token = yield http3.Request("POST", "https://h/token", json={"key": "k"})
        assert_type(token, http3.Response)
        request.headers["Authorization"] = f"Bearer {token.json()['token']}"
        response = yield request
        if response.status_code == 401:
            yield request


class Either(http3.Auth):
    """The wider types, for those who like them."""

    def auth_flow(
        self, request: http3.Request | http3.AsyncRequest
    ) -> Generator[http3.Request | http3.AsyncRequest, http3.Response | http3.AsyncResponse, None]:
        """One request."""
        request.headers["X-Either"] = "1"
        yield request


class Traced(http3.BearerAuth):
    """A scheme of the library's, with more."""

    def auth_flow(self, request: http3.Request) -> Generator[http3.Request, http3.Response, None]:
        """What the base does, and a header."""
        request.headers["X-Trace"] = "1"
        yield from super().auth_flow(request)


class Signed(http3.AuthBase):
    """Callable, as in 0.6.7."""

    def __call__(self, request: http3.Request) -> http3.Request:
        """Sign the request."""
        request.headers["X-Signature"] = str(len(request.content))
        return request


class Apart:
    """No subclass of `http3.Auth`, but its shape."""

    def auth_flow(self, request: http3.Request) -> Generator[http3.Request, http3.Response, None]:
        """One request."""
        request.headers["X-Apart"] = "1"
        yield request


def signed(request: http3.Request) -> http3.Request:
    """A function."""
    request.headers["X-Function"] = "1"
    return request


AUTHS: list[http3.AuthTypes] = [Token(), Either(), Traced("t"), Signed(), Apart(), signed, ("me", "secret")]


def page(request: http3.Request) -> http3.Response:
    """Shows the headers; at /token a token."""
    if request.url.path == "/token":
        return http3.Response(200, json={"token": "abc"})
    return http3.Response(200, json=dict(request.headers))


def blocking(auth: http3.AuthTypes) -> dict[str, str]:
    """The headers that arrive, by `Client`."""
    with http3.Client(dispatch=http3.MockDispatcher(page), auth=auth) as client:
        shown: dict[str, str] = client.get("https://h/", auth=auth).json()
        return shown


async def suspending(auth: http3.AuthTypes) -> dict[str, str]:
    """The same by `AsyncClient`."""
    async with http3.AsyncClient(dispatch=http3.MockDispatcher(page), auth=auth) as client:
        shown: dict[str, str] = await (await client.get("https://h/", auth=auth)).json()
        return shown


def arrived(auth: http3.AuthTypes) -> tuple[dict[str, str], dict[str, str]]:
    """By both."""
    return blocking(auth), asyncio.run(suspending(auth))
