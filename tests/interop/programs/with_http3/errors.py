"""Tell a timeout, a refused connection and a bad status apart."""

from __future__ import annotations

import sys

import http3

for path, timeout in (("/slow", 0.1), ("/items/99", 5), ("/new", 5)):
    try:
        print(http3.get(sys.argv[1] + path, timeout=timeout).raise_for_status().text)
    except http3.Timeout:
        print("timeout")
    except http3.HttpError as exc:
        print(exc.response.status_code, exc.request.url.path)
