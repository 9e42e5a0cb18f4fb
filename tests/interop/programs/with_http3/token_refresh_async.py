"""The same class of authentication in an async client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator

import http3


class RefreshingAuth(http3.Auth):
    requires_response_body = True
    token = "stale"

    def auth_flow(self, request: http3.Request) -> Generator[http3.Request, http3.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            answer = yield http3.Request("POST", request.url.join("/token"))
            self.token = answer.json()["access_token"]
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request


async def main() -> None:
    async with http3.AsyncClient(base_url=sys.argv[1], auth=RefreshingAuth()) as client:
        response = await client.get("/private")
        print(await response.json())


asyncio.run(main())
