"""Where a request was sent to."""

from __future__ import annotations

import sys

import httpx

response = httpx.get(f"{sys.argv[1]}/old", follow_redirects=True)
print([(r.status_code, r.url.path) for r in response.history], response.url.path)
print(httpx.get(f"{sys.argv[1]}/old", follow_redirects=False).headers["location"])
