"""Look at each response."""

from __future__ import annotations

import sys

import http3


def show(response: http3.Response) -> None:
    print(response.request.method, response.url.path, response.status_code)


with http3.Client(base_url=sys.argv[1], hooks={"response": [show]}) as client:
    client.get("/old")
