"""An access token that is fetched anew when the server refuses it."""

from __future__ import annotations

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


with http3.Client(base_url=sys.argv[1], auth=RefreshingAuth()) as client:
    print(client.get("/private").json(), client.get("/private").json())
