"""Where a request was sent to."""

from __future__ import annotations

import sys

import http3

response = http3.get(f"{sys.argv[1]}/old")
print([(r.status_code, r.url.path) for r in response.history], response.url.path)
print(http3.get(f"{sys.argv[1]}/old", allow_redirects=False).headers["location"])
