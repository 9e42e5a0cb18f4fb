"""User and password by RFC 7616, which sends neither."""

from __future__ import annotations

import sys

import httpx

print(httpx.get(f"{sys.argv[1]}/digest", auth=httpx.DigestAuth("user", "secret")).json())
