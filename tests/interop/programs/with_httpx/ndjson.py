"""Records of JSON, one a line, as they come."""

from __future__ import annotations

import json
import sys

import httpx

with httpx.stream("GET", f"{sys.argv[1]}/records") as response:
    for line in response.iter_lines():
        print(json.loads(line)["number"])
