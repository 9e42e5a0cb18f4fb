"""User and password."""

from __future__ import annotations

import sys

import httpx

print(httpx.get(f"{sys.argv[1]}/basic", auth=("user", "secret")).json())
