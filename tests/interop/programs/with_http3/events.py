"""Server-sent events."""

from __future__ import annotations

import sys

import http3

with http3.get(f"{sys.argv[1]}/events", stream=True) as response:
    for line in response.iter_lines():
        if line.startswith("data:"):
            print(line.removeprefix("data:").strip())
