"""Server-sent events."""

from __future__ import annotations

import sys

import httpx

with httpx.stream("GET", f"{sys.argv[1]}/events") as response:
    for line in response.iter_lines():
        if line.startswith("data:"):
            print(line.removeprefix("data:").strip())
