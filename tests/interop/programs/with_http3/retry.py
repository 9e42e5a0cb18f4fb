"""Try again when the server is busy or can't be reached."""

from __future__ import annotations

import sys
import time

import http3

for attempt in range(5):
    try:
        print(http3.get(f"{sys.argv[1]}/flaky", params={"key": __file__}).raise_for_status().text)
        break
    except (http3.HttpError, http3.ConnectError):
        time.sleep(0.01 * 2**attempt)
print(attempt)
