"""Records of JSON, one a line, as they come."""

from __future__ import annotations

import json
import sys

import http3

with http3.get(f"{sys.argv[1]}/records", stream=True) as response:
    for line in response.iter_lines():
        print(json.loads(line)["number"])
