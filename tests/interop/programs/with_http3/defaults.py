"""What all requests of a client have in common."""

from __future__ import annotations

import sys

import http3

headers = {"X-Team": "blue", "Accept": "application/json"}
timeout = http3.TimeoutConfig(5, read_timeout=60)
with http3.Client(base_url=sys.argv[1], headers=headers, params={"v": "2"}, timeout=timeout) as client:
    response = client.get("/headers", headers={"X-Trace": "1"})
    print([response.json()[name] for name in ("x-team", "accept", "x-trace")], response.url.query)
