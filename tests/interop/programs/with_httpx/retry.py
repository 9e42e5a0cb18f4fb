"""Try again when the server is busy or can't be reached."""

from __future__ import annotations

import sys
import time

import httpx

for attempt in range(5):
    try:
        print(httpx.get(f"{sys.argv[1]}/flaky", params={"key": __file__}).raise_for_status().text)
        break
    except (httpx.HTTPStatusError, httpx.ConnectError):
        time.sleep(0.01 * 2**attempt)
print(attempt)
