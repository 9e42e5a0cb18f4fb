"""Test code that uses a client, without a server."""

from __future__ import annotations

import http3


def answer(request: http3.Request) -> http3.Response:
    return http3.Response(200, json={"path": request.url.path})


def fetch(client: http3.Client) -> str:
    path: str = client.get("https://shop.test/items").json()["path"]
    return path


assert fetch(http3.Client(dispatch=http3.MockDispatcher(answer))) == "/items"
