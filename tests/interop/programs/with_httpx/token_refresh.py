"""An access token that is fetched anew when the server refuses it."""

from __future__ import annotations

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


with httpx.Client(base_url=sys.argv[1], auth=RefreshingAuth()) as client:
    print(client.get("/private").json(), client.get("/private").json())
