"""Test code that uses a client, without a server."""

from __future__ import annotations

import httpx


def answer(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"path": request.url.path})


def fetch(client: httpx.Client) -> str:
    path: str = client.get("https://shop.test/items").json()["path"]
    return path


assert fetch(httpx.Client(transport=httpx.MockTransport(answer))) == "/items"
