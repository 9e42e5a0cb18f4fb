"""The same class of authentication in an async client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator

import httpx


class RefreshingAuth(httpx.Auth):
    requires_response_body = True
    token = "stale"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            answer = yield httpx.Request("POST", request.url.join("/token"))
            self.token = answer.json()["access_token"]
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request


async def main() -> None:
    async with httpx.AsyncClient(base_url=sys.argv[1], auth=RefreshingAuth()) as client:
        response = await client.get("/private")
        print(response.json())


asyncio.run(main())
