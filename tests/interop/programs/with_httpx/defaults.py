"""What all requests of a client have in common."""

from __future__ import annotations

import sys

import httpx

headers = {"X-Team": "blue", "Accept": "application/json"}
timeout = httpx.Timeout(5, read=60)
with httpx.Client(base_url=sys.argv[1], headers=headers, params={"v": "2"}, timeout=timeout) as client:
    response = client.get("/headers", headers={"X-Trace": "1"})
    print([response.json()[name] for name in ("x-team", "accept", "x-trace")], response.url.query.decode())
