"""Look at each response."""

from __future__ import annotations

import sys

import httpx


def show(response: httpx.Response) -> None:
    print(response.request.method, response.url.path, response.status_code)


with httpx.Client(base_url=sys.argv[1], event_hooks={"response": [show]}, follow_redirects=True) as client:
    client.get("/old")
